//! The way of events in the local AWS: from a stream through Firehose into S3, and what tells of
//! them. Other tests stand on it.

use serde_json::{Value, json};

use super::Project;
use super::machine::Machine;

const BLUEPRINT: &str = r#"name: NAME
region: eu-west-1
resources:
  lake: { kind: s3-bucket, name: "NAME-${account}" }
  events: { kind: kinesis-stream, name: NAME-events, shards: 2 }
  delivery_role:
    kind: iam-role
    name: NAME-delivery
    trust: firehose.amazonaws.com
    policies: { read: { Statement: [{ Effect: Allow, Action: "kinesis:*", Resource: "*" }] } }
  delivery:
    kind: firehose-stream
    name: NAME-delivery
    source: { stream: "${events.arn}", role: "${delivery_role.arn}" }
    role: ${delivery_role.arn}
    bucket: ${lake.arn}
    prefix: events/hour=!{partitionKeyFromQuery:hour}/
    error_prefix: errors/!{firehose:error-output-type}/
    buffer: { size_mb: 128, interval: 1m }
    compression: gzip
    processing: { delimiter: '\n', metadata_query: "{hour: .at[11:13]}" }
    dynamic_partitioning: { enabled: true }
"#;

const ALARMS: &str = r#"
  failing:
    kind: cloudwatch-alarm
    name: NAME-failing
    metric:
      namespace: AWS/Firehose
      name: DeliveryToS3.Success
      statistic: Average
      period: 1m
      dimensions: { DeliveryStreamName: "${delivery.name}" }
    comparison: LessThanThreshold
    threshold: 0.99
    treat_missing_data: not-breaching
  busy:
    kind: cloudwatch-alarm
    name: NAME-busy
    metric:
      namespace: AWS/Kinesis
      name: IncomingRecords
      statistic: Sum
      period: 1m
      dimensions: { StreamName: "${events.name}" }
    comparison: GreaterThanThreshold
    threshold: 100
    treat_missing_data: not-breaching
"#;

/// See `delivery.py`.
fn outside(project: &Project, script: &str) -> Value {
    project.outside(&format!("from delivery import *\n{script}"))
}

/// The ids of an hour: every third event is of the same one.
fn hour(first: usize, events: usize) -> Vec<usize> {
    (first..events).step_by(3).collect()
}

#[test]
fn events_come_out_by_their_own_hour_each_once_and_in_order_and_the_queue_is_told() {
    let project = Project::with("parted", BLUEPRINT);
    project.apply().code(0);
    let refusal = "Unable to validate the following destination configurations";
    assert_eq!(outside(&project, "answer(prepare('NAME'))"), json!([refusal, null]));

    let poison = r#"['not JSON', '{"id": 7}', '{"at": 5}']"#;
    let send = format!("send('NAME', [json.dumps(event(n)) for n in range(2000)] + {poison})");
    let did = outside(&project, &format!("{send}\nanswer(settle('NAME', 2003))"));
    assert_eq!(did, json!({"taken": 2003, "delivered": 2000, "refused": 3, "held": 0}));
    let found = outside(&project, "answer(delivered('NAME'))");
    assert_eq!(found, json!({"08": hour(0, 2000), "09": hour(1, 2000), "10": hour(2, 2000)}));

    let code = "DynamicPartitioning.MetadataExtractionFailed";
    let lost = outside(&project, "answer(refused('NAME'))");
    let empty = "partitionKeys values must not be null or empty";
    let number = r#"Cannot index number with object ({"start":11,"end":13})"#;
    assert_eq!(
        lost,
        json!({"metadata-extraction-failed": [
            [code, "Non JSON record provided", "not JSON"],
            [code, empty, r#"{"id": 7}"#],
            [code, number, r#"{"at": 5}"#],
        ]})
    );

    let script = "keys = objects('NAME-000000000000', 'events/')
answer([sorted(key.replace('=', '%3D') for key in keys), sorted(told('NAME', len(keys)))])";
    let keys = outside(&project, script);
    assert_eq!(keys[0], keys[1]);
}

#[test]
fn a_batch_and_its_message_may_come_twice_as_on_aws() {
    let machine = Machine::start();
    let project = Project::on(&machine, "twice", BLUEPRINT);
    project.apply().code(0);
    let script = "prepare('NAME')
send('NAME', [json.dumps(event(0))])
settle('NAME', 1)
told('NAME', 1)
control('firehose', {'stream': 'NAME-delivery', 'deliver_twice': 1})
control('notifications', {'deliver_twice': 2})
send('NAME', [json.dumps(event(3))])
settle('NAME', 2)
answer([delivered('NAME'), len(objects('NAME-000000000000', 'events/')), len(told('NAME', 4))])";
    assert_eq!(outside(&project, script), json!([{"08": [0, 3, 3]}, 3, 4]));
}

#[test]
fn alarms_go_off_while_the_bucket_is_gone_and_what_was_sent_comes_out_later() {
    let machine = Machine::start();
    let project = Project::on(&machine, "gone", &format!("{BLUEPRINT}{ALARMS}"));
    project.apply().code(0);
    let script = "s3, ireland = client('s3'), {'LocationConstraint': REGION}
s3.delete_bucket(Bucket='NAME-000000000000')
send('NAME', [json.dumps(event(0)) for n in range(300)])
wait(lambda: set(alarm_states('NAME').values()) == {'ALARM'})
held = control('firehose', {})['streams']['NAME-delivery']
s3.create_bucket(Bucket='NAME-000000000000', CreateBucketConfiguration=ireland)
did = settle('NAME', 300)
advance(180)
wait(lambda: set(alarm_states('NAME').values()) == {'OK'})
answer([held['held'], did['delivered'], len(delivered('NAME')['08'])])";
    assert_eq!(outside(&project, script), json!([300, 300, 300]));
}
