//! A bucket that tells a queue what arrives.

use std::io::{BufRead, BufReader};

use serde_json::{Value, json};

use super::Project;

/// The queue and its policy are another's, as the policy may come late.
const BLUEPRINT: &str = r#"name: NAME
region: eu-west-1
resources:
  lake: { kind: s3-bucket, name: NAME-lake, protect: false }
  announce:
    kind: s3-notification
    bucket: ${lake.name}
    to:
      arrivals:
        queue: arn:aws:sqs:eu-west-1:${account}:NAME-arrivals
        events: ["s3:ObjectCreated:*"]
        prefix: streaming-data/
"#;

const QUEUE: &str = "
sqs, s3 = client('sqs'), client('s3')
url = sqs.create_queue(QueueName='NAME-arrivals')['QueueUrl']
arn = 'arn:aws:sqs:eu-west-1:000000000000:NAME-arrivals'
def let_in():
    allow = {'Effect': 'Allow', 'Principal': {'Service': 's3.amazonaws.com'}, 'Action': 'sqs:SendMessage',
        'Resource': arn, 'Condition': {'ArnEquals': {'aws:SourceArn': 'arn:aws:s3:::NAME-lake'}}}
    policy = {'Version': '2012-10-17', 'Statement': [allow]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={'Policy': json.dumps(policy)})
def received():
    got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get('Messages', [])
    for each in got:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=each['ReceiptHandle'])
    return [json.loads(each['Body']) for each in got]
def configured():
    told = s3.get_bucket_notification_configuration(Bucket='NAME-lake')
    return [each['Id'] for each in told.get('QueueConfigurations', [])]
";

fn outside(project: &Project<'_>, script: &str) -> Value {
    project.outside(&format!("{QUEUE}{script}"))
}

#[test]
fn a_notification_waits_until_its_queue_lets_s3_in_and_then_objects_are_announced() {
    let project = Project::with("announced", BLUEPRINT);
    outside(&project, "answer(None)");
    let mut child = project.start("apply blueprint.yaml --local --yes");
    let mut said = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let refused = "Unable to validate the following destination configurations";
    let waits = said.any(|line| line.expect("it is text").contains(refused));
    assert!(waits, "S3 did not refuse it: {:?}", child.wait());
    assert_eq!(outside(&project, "let_in(); answer(configured())"), json!([]));
    let rest: Vec<_> = said.map(|line| line.expect("it is text")).collect();
    assert!(child.wait().expect("it ends").success(), "{rest:#?}");
    project.plan().code(0);

    let keys = outside(
        &project,
        "
key = 'streaming-data/hour=10/a b+c.gz'
for each in ('elsewhere/x', key):
    s3.put_object(Bucket='NAME-lake', Key=each, Body=b'x')
got = []
wait(lambda: got.extend(received()) or [one for one in got if 'Records' in one])
answer([record['s3']['object']['key'] for one in got for record in one.get('Records', [])])",
    );
    assert_eq!(keys, json!(["streaming-data/hour%3D10/a+b%2Bc.gz"]));
}

#[test]
fn configurations_of_others_stay_through_apply_and_destroy() {
    let project = Project::with("shared", BLUEPRINT);
    let theirs = "
where = {'LocationConstraint': REGION}
s3.create_bucket(Bucket='NAME-lake', CreateBucketConfiguration=where)
let_in()
s3.put_bucket_notification_configuration(Bucket='NAME-lake', NotificationConfiguration={
    'EventBridgeConfiguration': {}, 'QueueConfigurations': [
        {'Id': 'theirs', 'QueueArn': arn, 'Events': ['s3:ObjectRemoved:*']}]})
answer(None)";
    outside(&project, theirs);
    // The bucket is theirs too.
    let text = BLUEPRINT.replace("${lake.name}", "NAME-lake");
    let lines = text.lines().filter(|line| !line.contains("kind: s3-bucket"));
    project.write("blueprint.yaml", &lines.map(|line| format!("{line}\n")).collect::<String>());
    let look = "
told = s3.get_bucket_notification_configuration(Bucket='NAME-lake')
answer([configured(), 'EventBridgeConfiguration' in told])";

    project.apply().code(0);
    let held = outside(&project, look);
    assert_eq!((&held[0][0], &held[1]), (&json!("theirs"), &json!(true)), "{held}");
    assert!(held[0][1].as_str().is_some_and(|id| id.ends_with("-announce.arrivals")), "{held}");
    project.plan().code(0);

    project.edit("blueprint.yaml", "s3:ObjectCreated:*", "s3:ObjectRemoved:Delete");
    let clash = "`arrivals` wants `s3:ObjectRemoved:Delete` of objects that the bucket's \
        configuration `theirs` has already";
    project.apply().code(1).says(&[clash]);

    project.run("destroy blueprint.yaml --local --yes").code(0);
    assert_eq!(outside(&project, look), json!([["theirs"], true]));
}

#[test]
fn a_notification_that_the_blueprint_no_longer_names_goes_from_a_bucket_that_is_ours() {
    let project = Project::with("unannounced", BLUEPRINT);
    outside(&project, "let_in(); answer(None)");
    project.apply().code(0);
    let text = project.read("blueprint.yaml");
    project.write("blueprint.yaml", text.split("  announce:").next().expect("the first lines"));
    project.plan().code(2).answers(&["- s3-notification/unannounced-lake  delete", "1 to delete"]);
    project.apply().code(0);
    assert_eq!(outside(&project, "answer(configured())"), json!([]));
    project.plan().code(0);
}
