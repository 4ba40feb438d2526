//! What is live, and what is watched.

use serde_json::{Value, json};

use super::Project;
use super::machine::Machine;

const WATCHED: &str = "name: NAME
region: eu-west-1
resources:
  events: { kind: kinesis-stream, name: NAME-events, shards: 1 }
";

const WATCHING: &str = "  late:
    kind: cloudwatch-alarm
    name: NAME-late
    metric: { namespace: N, name: M, statistic: Sum }
    comparison: GreaterThanThreshold
    threshold: 1
  unwell:
    kind: cloudwatch-composite-alarm
    name: NAME-unwell
    rule: ALARM(${late.name})
  dashboard:
    kind: cloudwatch-dashboard
    name: NAME
    body: { widgets: [{ type: text, properties: { markdown: a } }] }
";

#[test]
fn a_job_and_its_cluster_show_and_a_failure_comes_first() {
    let project = Project::small("status");
    let status = "status blueprint.yaml --local";
    let bare = "Nothing is there: `pipeline apply blueprint.yaml --local` makes it";
    project.run(status).code(0).answers(&["status (default) in account 000000000000", bare]);

    project.apply().code(0);
    project.run(status).code(0).answers(&[
        "ok    say    job          completed",
        "on j-",
        "ok    spark  emr-cluster  WAITING, id j-",
        "2 ok",
    ]);

    project.write("say.py", "raise ValueError('a bad day')\n");
    project.apply().code(6);
    project.run(status).code(0).answers(&[
        "bad   say    job          failed",
        "hint: `pipeline logs blueprint.yaml --local say` shows why",
        "ok    spark",
        "1 bad, 1 ok",
    ]);
}

#[test]
fn alarms_that_are_off_show_with_their_reasons_and_strays_of_all_sorts_are_deleted() {
    let project = Project::with("watching", &format!("{WATCHED}{WATCHING}"));
    project.apply().code(0);
    project.plan().code(0);
    let status = "status blueprint.yaml --local";
    let alarm = "client('cloudwatch').set_alarm_state(AlarmName='NAME-late', StateValue=STATE, \
                 StateReason='three is over one')";
    project.outside(&alarm.replace("STATE", "'OK'"));
    project.run(status).code(0).answers(&["OK, for", "OK, for", "3 ok"]);
    project.outside(&alarm.replace("STATE", "'ALARM'"));
    project.run(status).code(0).answers(&[
        "bad   late    cloudwatch-alarm            ALARM, for",
        "three is over one",
        "bad   unwell  cloudwatch-composite-alarm  ALARM, for",
        "ok    events  kinesis-stream              ACTIVE, 1 shard, 0 records in 5 min",
    ]);
    let document = project.run("status blueprint.yaml --local --format json").code(0);
    let document: Value = serde_json::from_str(&document.out).expect("it is JSON");
    let counts = json!({"bad": 2, "attention": 0, "unknown": 0, "good": 1});
    assert_eq!(document["counts"], counts);

    project.write("blueprint.yaml", WATCHED);
    project.plan().code(2).answers(&[
        "delete cloudwatch-dashboard watching",
        "delete cloudwatch-composite-alarm watching-unwell",
        "delete cloudwatch-alarm watching-late",
        "Plan: 3 to delete; 1 unchanged",
    ]);
    project.apply().code(0);
    project.plan().code(0);
    let left = "answer([len(client('cloudwatch').describe_alarms(AlarmNamePrefix='NAME', \
                AlarmTypes=['MetricAlarm', 'CompositeAlarm'])[kind]) \
                for kind in ('MetricAlarms', 'CompositeAlarms')] + \
                [len(client('cloudwatch').list_dashboards()['DashboardEntries'])])";
    assert_eq!(project.outside(left), json!([0, 0, 0]));
}

#[test]
fn a_message_is_as_old_as_it_has_waited_whatever_time_passed_before_it_was_sent() {
    let machine = Machine::start();
    let script = "sqs, cloudwatch = client('sqs'), client('cloudwatch')
queue = sqs.create_queue(QueueName='waiting')['QueueUrl']
def oldest():
    points = cloudwatch.get_metric_statistics(
        Namespace='AWS/SQS', MetricName='ApproximateAgeOfOldestMessage', Period=60, Statistics=['Maximum'],
        Dimensions=[{'Name': 'QueueName', 'Value': 'waiting'}], StartTime=0, EndTime=4_000_000_000)['Datapoints']
    return max((point['Maximum'] for point in points), default=0)
advance(100_000)
sqs.send_message(QueueUrl=queue, MessageBody='a')
young = wait(oldest)
advance(50_000)
old = wait(lambda: oldest() > 49_999 and oldest())
answer([young < 50_000, old < 100_000])";
    assert_eq!(machine.outside(script), json!([true, true]));
}
