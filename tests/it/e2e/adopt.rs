//! What exists already, and what the blueprint no longer names.

use serde_json::json;

use super::Project;

const BLUEPRINT: &str = r#"name: NAME
region: eu-west-1
resources:
  lake: { kind: s3-bucket, name: "NAME-${account}" }
  worker: { kind: iam-role, name: NAME-worker, trust: ec2.amazonaws.com }
"#;

const MAKE: &str = "
client('s3').create_bucket(Bucket='NAME-000000000000', CreateBucketConfiguration={'LocationConstraint': REGION})
put('NAME-000000000000', 'old/data', b'1')
client('iam').create_role(RoleName='NAME-worker', Tags=[{'Key': 'team', 'Value': 'old'}],
    AssumeRolePolicyDocument=json.dumps({'Version': '2012-10-17', 'Statement': [
        {'Effect': 'Allow', 'Action': 'sts:AssumeRole', 'Principal': {'Service': 'ec2.amazonaws.com'}}]}))
";

const LOOK: &str = "
s3, iam = client('s3'), client('iam')
try:
    tags = s3.get_bucket_tagging(Bucket='NAME-000000000000')['TagSet']
except s3.exceptions.ClientError as error:
    tags = error.response['Error']['Code']
answer([tags, sorted(objects('NAME-000000000000')), iam.get_role(RoleName='NAME-worker')['Role']])";

#[test]
fn what_is_not_ours_stops_the_plan_until_it_is_adopted() {
    let project = Project::with("taken", BLUEPRINT);
    project.outside(MAKE);
    let before = project.outside(LOOK);
    let refused = [
        "refused: `lake`: the s3-bucket `taken-000000000000` exists and carries no owner tag",
        "--adopt lake",
        "--adopt worker",
        "Nothing is changed: 2 refusals",
    ];
    project.plan().code(1).answers(&refused);
    project.apply().code(1).says(&refused);
    assert_eq!(project.outside(LOOK), before);

    project.run("apply blueprint.yaml --local --yes --adopt lake --adopt worker").code(0);
    let after = project.outside(LOOK);
    let owner = "taken/default/eu-west-1";
    assert!(after[0].to_string().contains(owner), "{after:#}");
    assert!(after[2].to_string().contains(owner), "{after:#}");
    assert_eq!(after[1], json!(["old/data"]));
    project.plan().code(0).answers(&["Nothing to do: 2 resources"]);
}

const STRAYS: &str = r#"name: NAME
region: eu-west-1
resources:
  kept: { kind: sns-topic, name: NAME-kept }
  events: { kind: kinesis-stream, name: NAME-events, shards: 1 }
  oncall: { kind: sns-topic, name: NAME-oncall }
"#;

#[test]
fn what_the_blueprint_no_longer_names_is_deleted_and_data_only_on_the_users_word() {
    let project = Project::with("strays", STRAYS);
    project.apply().code(0);
    project.write("blueprint.yaml", STRAYS.split("  events:").next().expect("the first lines"));
    let there = "
streams = [s for s in client('kinesis').list_streams()['StreamNames'] if s.startswith('NAME-')]
topics = [t['TopicArn'] for t in client('sns').list_topics()['Topics'] if ':NAME-' in t['TopicArn']]
answer([len(streams), len(topics)])";

    project.plan().code(2).answers(&[
        "Ours by their tag, and no longer in the blueprint:",
        "- sns-topic/strays-oncall  delete",
        "kinesis-stream/strays-events  kept: it is no longer in the blueprint, but holds data",
        "--delete-data",
        "Plan: 1 to delete; 1 unchanged",
    ]);
    project.apply().code(0).says(&["Applied: 1 changed"]);
    assert_eq!(project.outside(there), json!([1, 1]));
    project.plan().code(0).answers(&["kinesis-stream/strays-events  kept", "Nothing to do"]);

    project
        .run("apply blueprint.yaml --local --yes --delete-data")
        .code(0)
        .says(&["- kinesis-stream/strays-events  delete", "what it holds is lost"]);
    assert_eq!(project.outside(there), json!([0, 1]));
    project.plan().code(0).never_says("kept:");
}
