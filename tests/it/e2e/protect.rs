//! What is protected, and what is asked before anything is lost.

use serde_json::json;

use super::Project;

const BLUEPRINT: &str = r#"name: NAME
region: eu-west-1
resources:
  lake: { kind: s3-bucket, name: "NAME-${account}", versioning: true }
  events: { kind: kinesis-stream, name: NAME-events, shards: 1 }
  oncall: { kind: sns-topic, name: NAME-oncall }
"#;

const THERE: &str = "
streams = [s for s in client('kinesis').list_streams()['StreamNames'] if s.startswith('NAME-')]
topics = [t['TopicArn'] for t in client('sns').list_topics()['Topics'] if ':NAME-' in t['TopicArn']]
buckets = [b['Name'] for b in client('s3').list_buckets()['Buckets'] if b['Name'].startswith('NAME-')]
answer([len(buckets), len(streams), len(topics)])";

#[test]
fn destroy_refuses_what_holds_data_before_anything_is_deleted() {
    let project = Project::with("guarded", BLUEPRINT);
    project.apply().code(0);
    project.outside("put('NAME-000000000000', 'a', b'1'); put('NAME-000000000000', 'a', b'22')");

    project.run("destroy blueprint.yaml --local --yes").code(1).says(&[
        "refused: `events`: the kinesis-stream `guarded-events` would be deleted, and it is protected",
        "--delete-data lets it go",
        "refused: `lake`",
        "Nothing is changed: 2 refusals",
    ]);
    assert_eq!(project.outside(THERE), json!([1, 1, 1]));

    project.edit("blueprint.yaml", "shards: 1", "shards: 1, protect: true");
    project
        .run("destroy blueprint.yaml --local --yes --delete-data")
        .code(1)
        .says(&["refused: `events`", "the blueprint says `protect: true`; nothing overrides it"])
        .never_says("refused: `lake`");
    assert_eq!(project.outside(THERE), json!([1, 1, 1]));

    project.edit("blueprint.yaml", "shards: 1, protect: true", "shards: 1");
    project
        .run("destroy blueprint.yaml --local --yes --delete-data")
        .code(0)
        .says(&["lost: guarded-000000000000: 1 object, 2 versions, 0.000 GB", "lake: emptying"])
        .never_says("again in 0 s");
    assert_eq!(project.outside(THERE), json!([0, 0, 0]));
}

#[test]
fn without_a_terminal_and_a_yes_nothing_is_done() {
    let project = Project::with("asked", BLUEPRINT);
    let question = "in account 000000000000, region eu-west-1? There is no terminal to ask on";
    project.run("apply blueprint.yaml --local").code(1).says(&[question, "--yes"]);
    assert_eq!(project.outside(THERE), json!([0, 0, 0]));

    project.apply().code(0);
    project.outside("put('NAME-000000000000', 'a', bytes(2_000_000))");
    project.run("destroy blueprint.yaml --local --delete-data").code(1).says(&[
        "lost: asked-000000000000: 1 object, 1 version, 0.002 GB",
        "Delete this, for good,",
        question,
    ]);
    assert_eq!(project.outside(THERE), json!([1, 1, 1]));
}
