//! A function that a queue feeds: what it could not handle comes again and ends where it belongs,
//! and what somebody else makes of its code shows.

use serde_json::json;

use super::Project;

const BLUEPRINT: &str = r#"name: NAME
region: eu-west-1
resources:
  role: { kind: iam-role, name: NAME, trust: lambda.amazonaws.com }
  counter:
    kind: lambda-function
    name: NAME
    code: code
    handler: main.handle
    runtime: python3.13
    role: ${role.arn}
    environment: { SEEN: NAME-seen }
    permissions:
      bucket: { principal: s3.amazonaws.com, source_arn: "arn:aws:s3:::NAME" }
    sources:
      arrivals:
        from: arn:aws:sqs:eu-west-1:${account}:NAME-arrivals
        batch_size: 100
        window: 1s
        report_failures: true
"#;

const CODE: &str = r#"
import os
import boto3

sqs = boto3.client("sqs")


def handle(event, context):
    if "Records" not in event:
        return {"said": "one"}
    bodies = {each["messageId"]: each["body"] for each in event["Records"]}
    if "throws" in bodies.values():
        raise ValueError("it throws")
    seen = sqs.get_queue_url(QueueName=os.environ["SEEN"])["QueueUrl"]
    for body in bodies.values():
        if body != "poison":
            sqs.send_message(QueueUrl=seen, MessageBody=body)
    poison = [key for key, body in bodies.items() if body == "poison"]
    return {"batchItemFailures": [{"itemIdentifier": key} for key in poison]}
"#;

/// A source that gives up at the second failure, and what each of the queues holds in the end.
const QUEUES: &str = r#"
sqs = client("sqs")


def queue(name, **attributes):
    return sqs.create_queue(QueueName=f"NAME-{name}", Attributes=attributes)["QueueUrl"]


def bodies(url):
    """What is received now; it comes again a moment later."""
    told = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
    return sorted(each["Body"] for each in told.get("Messages", []))


seen, dead = queue("seen"), queue("dead")
policy = {"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:000000000000:NAME-dead", "maxReceiveCount": 2}
arrivals = queue("arrivals", VisibilityTimeout="3", RedrivePolicy=json.dumps(policy))
"#;

fn outside(project: &Project<'_>, script: &str) -> serde_json::Value {
    project.outside(&format!("{QUEUES}{script}").replace("NAME", project.name))
}

fn fed(name: &'static str) -> Project<'static> {
    let project = Project::with(name, BLUEPRINT);
    std::fs::create_dir(project.path("code")).expect("there is room");
    project.write("code/main.py", CODE);
    outside(&project, "answer(None)");
    project.apply().code(0);
    project.plan().code(0);
    project
}

#[test]
fn what_a_function_cannot_handle_comes_again_and_then_goes_to_the_dead_letter_queue() {
    let project = fed("fed");
    let found = outside(
        &project,
        "for body in ['a', 'poison', 'b']:
    sqs.send_message(QueueUrl=arrivals, MessageBody=body)
sqs.send_message(QueueUrl=arrivals, MessageBody='late', DelaySeconds=2)
wait(lambda: len(bodies(seen)) == 3)
wait(lambda: bodies(dead) == ['poison'])
sqs.send_message(QueueUrl=arrivals, MessageBody='throws')
wait(lambda: bodies(dead) == ['poison', 'throws'])
answer(bodies(seen))",
    );
    assert_eq!(found, json!(["a", "b", "late"]));
    project.run("destroy blueprint.yaml --local --yes").code(0);
    let left = outside(
        &project,
        "answer(client('lambda').list_event_source_mappings()['EventSourceMappings'])",
    );
    let left = left.to_string();
    assert!(!left.contains("fed-arrivals"), "{left}");
}

#[test]
fn code_is_known_by_its_digest_whoever_sent_it() {
    let project = fed("coded");
    let invoke = "answer(json.load(client('lambda').invoke(FunctionName='NAME')['Payload']))";
    assert_eq!(outside(&project, invoke), json!({"said": "one"}));
    project.edit("code/main.py", "one", "two");
    project.plan().code(2).answers(&["~ counter", "code_sha256"]);
    project.apply().code(0);
    assert_eq!(outside(&project, invoke), json!({"said": "two"}));
    outside(
        &project,
        "import io, zipfile
held = io.BytesIO()
with zipfile.ZipFile(held, 'w') as archive:
    archive.writestr('main.py', 'def handle(event, context): return {}')
client('lambda').update_function_code(FunctionName='NAME', ZipFile=held.getvalue())
answer(None)",
    );
    project.plan().code(2).answers(&["~ counter", "code_sha256"]);
    project.apply().code(0);
    assert_eq!(outside(&project, invoke), json!({"said": "two"}));
    project.run("destroy blueprint.yaml --local --yes").code(0);
}
