//! Messages of a dead-letter queue, back to where they came from.

use std::io::Read;
use std::process::{Command, Output};

use serde_json::json;

use super::{Ended, Project};

const BLUEPRINT: &str = "name: NAME
region: eu-west-1
resources:
  unhandled: { kind: sqs-queue, name: NAME-unhandled }
  arrivals:
    kind: sqs-queue
    name: NAME-arrivals
    redrive: { queue: \"${unhandled.arn}\", max_receives: 1 }
  aside: { kind: sqs-queue, name: NAME-aside }
  events: { kind: kinesis-stream, name: NAME-events }
";

/// Two messages that a program sent to the dead-letter queue, and one that was received in vain.
const FILL: &str = "
sqs = client('sqs')
url = lambda name: sqs.get_queue_url(QueueName='NAME-' + name)['QueueUrl']
for hour in ('2013-01-15T10', '2013-01-15T11'):
    sqs.send_message(
        QueueUrl=url('unhandled'), MessageBody=json.dumps({'hour': hour}),
        MessageAttributes={'reason': {'DataType': 'String', 'StringValue': 'step failed: ' + hour}})
sqs.send_message(QueueUrl=url('arrivals'), MessageBody='no JSON')
sqs.receive_message(QueueUrl=url('arrivals'), VisibilityTimeout=0)
assert not sqs.receive_message(QueueUrl=url('arrivals')).get('Messages')
";

/// Bodies and reasons of what is in the two queues.
const LOOK: &str = "
def held(name):
    found = sqs.receive_message(
        QueueUrl=url(name), MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=['All'])
    reason = lambda m: m.get('MessageAttributes', {}).get('reason', {}).get('StringValue')
    return sorted([m['Body'], reason(m)] for m in found.get('Messages', []))
answer([held('unhandled'), held('arrivals')])
";

fn look(project: &Project<'_>) -> serde_json::Value {
    let url = "sqs = client('sqs')
url = lambda name: sqs.get_queue_url(QueueName='NAME-' + name)['QueueUrl']";
    // Looking must not count as receiving in vain.
    let keep = "
sqs.set_queue_attributes(QueueUrl=url('arrivals'), Attributes={'RedrivePolicy': ''})";
    project.outside(&format!("{url}{keep}{LOOK}"))
}

#[test]
fn what_was_given_up_goes_back_whoever_gave_it_up() {
    for (name, queue) in [("redriven", "unhandled"), ("undone", "arrivals")] {
        let project = Project::with(name, BLUEPRINT);
        project.apply().code(0);
        project.outside(FILL);
        project.run("status blueprint.yaml --local").code(0).answers(&[
            "look  unhandled  sqs-queue       3 visible, 0 in flight, 0 delayed",
            "ok    arrivals   sqs-queue       0 visible",
        ]);
        let line = format!("redrive blueprint.yaml {queue} --local");
        project
            .run(&format!("{line} --show 10"))
            .code(1)
            .says(&["unhandled: 3 messages", "step failed: 2013-01-15T10", "{\"hour\": "])
            .says(&["received too often without success", "no JSON"])
            .says(&["Move 3 messages from `unhandled` to `arrivals` in account 000000000000,"])
            .says(&["There is no terminal to ask on: say --yes"]);
        project
            .run(&format!("{line} --yes"))
            .code(0)
            .answers(&["Moved: 3 messages from `unhandled` to `arrivals`; left there: 0 messages"]);
        let reason = |hour: &str| {
            json!([format!("{{\"hour\": \"{hour}\"}}"), format!("step failed: {hour}")])
        };
        let back = json!([["no JSON", null], reason("2013-01-15T10"), reason("2013-01-15T11")]);
        assert_eq!(look(&project), json!([[], back]), "{queue}");
    }
}

#[test]
fn an_empty_queue_is_no_error_and_what_is_no_dead_letter_queue_is() {
    let project = Project::with("nothing-dead", BLUEPRINT);
    let redrive = "redrive blueprint.yaml";
    project.run(&format!("{redrive} unhandled --local")).code(1).says(&["not there: apply first"]);
    project.apply().code(0);
    project
        .run(&format!("{redrive} unhandled --local"))
        .code(0)
        .answers(&["Nothing to move in `unhandled`"]);
    for (line, says) in [
        ("unhandle", &["has no queue `unhandle`", "hint: did you mean `unhandled`?"][..]),
        ("events", &["`events` is of kind kinesis-stream, not sqs-queue"]),
        ("aside", &["`aside` is no dead-letter queue of this blueprint and has none"]),
        ("unhandled --to aside", &["the dead letters of `aside` do not go to `unhandled`"]),
        ("unhandled --to arrival", &["has no queue `arrival`", "did you mean `arrivals`?"]),
    ] {
        project.run(&format!("{redrive} {line} --local --yes")).code(1).says(says);
    }
}

#[test]
fn a_move_that_goes_on_is_followed_and_not_started_again() {
    let project = Project::with("moving-on", BLUEPRINT);
    project.apply().code(0);
    project.outside(&format!(
        "{FILL}
for number in range(7):
    sqs.send_message(QueueUrl=url('unhandled'), MessageBody=str(number))
arn = lambda name: 'arn:aws:sqs:eu-west-1:000000000000:NAME-' + name
sqs.start_message_move_task(
    SourceArn=arn('unhandled'), DestinationArn=arn('arrivals'), MaxNumberOfMessagesPerSecond=2)"
    ));
    let line = "redrive blueprint.yaml unhandled --local";
    let mut child = project.start(line);
    let mut err = child.stderr.take().expect("it is a pipe");
    let mut said = read_until(&mut err, "they are being moved already");
    let kill = Command::new("kill").arg("-INT").arg(child.id().to_string()).status();
    assert!(kill.expect("kill runs").success());
    err.read_to_end(&mut said).expect("it can be read");
    let ended = child.wait_with_output().expect("it ends");
    Ended::new(line, Output { stderr: said, ..ended })
        .code(130)
        .says(&["SQS goes on moving; the same command finds it again"]);
    project
        .run(line)
        .code(0)
        .says(&["they are being moved already"])
        .answers(&["Moved: 10 messages from `unhandled` to `arrivals`; left there: 0 messages"]);
    assert_eq!(look(&project)[1].as_array().map(Vec::len), Some(10));
}

fn read_until(from: &mut impl Read, text: &str) -> Vec<u8> {
    let (mut said, mut byte) = (Vec::new(), [0]);
    while !String::from_utf8_lossy(&said).contains(text) {
        assert_eq!(from.read(&mut byte).expect("it can be read"), 1, "{said:?}");
        said.push(byte[0]);
    }
    said
}
