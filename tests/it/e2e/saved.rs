//! Plans in files.

use super::Project;

const BLUEPRINT: &str = r#"name: NAME
region: eu-west-1
resources:
  events: { kind: kinesis-stream, name: NAME-events, shards: 1, retention_hours: 24 }
  oncall: { kind: sns-topic, name: NAME-oncall }
"#;

#[test]
fn a_saved_plan_is_applied_as_it_was_shown() {
    let project = Project::with("kept", BLUEPRINT);
    project.run("plan blueprint.yaml --local --out plan.json").code(0).answers(&["2 to create"]);
    project.write("blueprint.yaml", "name: something else by now\n");
    project.run("apply plan.json --local").code(0).says(&["Applied: 2 changed"]);
    project.write("blueprint.yaml", BLUEPRINT);
    project.plan().code(0);
}

#[test]
fn a_saved_plan_is_refused_once_live_has_moved_and_the_field_is_named() {
    let project = Project::with("moved", BLUEPRINT);
    project.apply().code(0);
    project.edit("blueprint.yaml", "shards: 1", "shards: 2");
    project.run("plan blueprint.yaml --local --out plan.json").code(0).answers(&["shards: 1 -> 2"]);
    project.outside(
        "client('kinesis').increase_stream_retention_period(StreamName='NAME-events', RetentionPeriodHours=48)",
    );
    project.run("apply plan.json --local --yes").code(4).says(&[
        "live state moved since the plan was made",
        "`events` (kinesis-stream moved-events): retention_hours",
        "  next: pipeline plan blueprint.yaml --out plan.json --local",
    ]);
    let shards = "answer(client('kinesis').describe_stream_summary(StreamName='NAME-events')
        ['StreamDescriptionSummary']['OpenShardCount'])";
    assert_eq!(project.outside(shards), 1);

    project.outside("client('sns').delete_topic(TopicArn=[t['TopicArn'] for t in client('sns').list_topics()['Topics'] if t['TopicArn'].endswith(':NAME-oncall')][0])");
    let moved = project.run("apply plan.json --local --yes").code(4);
    moved.says(&["`oncall` (sns-topic moved-oncall): it is gone"]);
}

#[test]
fn a_saved_plan_is_refused_once_a_script_beside_the_blueprint_has_changed() {
    let project = Project::small("edited");
    project.run("plan blueprint.yaml --local --out plan.json").code(0).answers(&["say  run: "]);
    project.write("say.py", "print('something else')\n");
    let refused = project.run("apply plan.json --local --yes").code(4);
    refused.says(&["job `say`: its script"]).never_says("creating");

    project.run("plan blueprint.yaml --local --out plan.json").code(0);
    project.run("apply plan.json --local --yes").code(0).says(&["say | something else"]);
    project.run("apply plan.json --local --yes").code(4).says(&["`lake` (s3-bucket", "it exists"]);
}

#[test]
fn a_saved_plan_does_not_go_stale_by_the_clock() {
    let project = Project::small("ageing");
    project.apply().code(0);
    project.outside("client('emr').terminate_job_flows(JobFlowIds=clusters('NAME-spark'))");
    project.outside("wait(lambda: clusters('NAME-spark', ['TERMINATED']))");
    project.write("say.py", "print('later')\n");
    project.run("plan blueprint.yaml --local --out plan.json").code(0).answers(&["spark  dormant"]);
    project.edit("plan.json", "ended just now", "ended 7 min ago");
    project.run("apply plan.json --local").code(0).says(&["say | later"]);
}

/// The trigger starts it, and its idle timeout ends it, whatever is planned meanwhile.
#[test]
fn a_saved_plan_outlives_a_cluster_that_comes_and_goes() {
    let project = Project::small("comings");
    project.apply().code(0);
    let one_more = |id: &str| {
        let more = format!("resources:\n  {id}: {{ kind: sns-topic, name: NAME-{id} }}\n");
        project.edit("blueprint.yaml", "resources:\n", &more);
    };
    one_more("first");
    project.run("plan blueprint.yaml --local --out plan.json").code(0);
    project.outside("client('emr').terminate_job_flows(JobFlowIds=clusters('NAME-spark'))");
    project.outside("wait(lambda: clusters('NAME-spark', ['TERMINATED']))");
    project.run("apply plan.json --local").code(0).says(&["Applied: 1 changed"]);

    one_more("second");
    project.run("plan blueprint.yaml --local --out plan.json").code(0).answers(&["spark  dormant"]);
    project.run("run blueprint.yaml say --local").code(0);
    project.run("apply plan.json --local").code(0).says(&["Applied: 1 changed"]);
}

#[test]
fn a_saved_plan_says_what_it_was_made_with_and_takes_nothing_else() {
    let project = Project::with("fixed", VARIABLE);
    let made =
        "plan blueprint.yaml --local --env prod --var size=2 --target events --out plan.json";
    project.run(made).code(0).answers(&["1 to create"]);
    project.write("more.yaml", "size: 3\n");
    for flag in [
        "--env dev",
        "--var size=3",
        "--var-file more.yaml",
        "--region us-east-1",
        "--target oncall",
        "--adopt events",
        "--delete-data",
    ] {
        let refused = project.run(&format!("apply plan.json --local {flag}")).code(1);
        let name = flag.split(' ').next().unwrap_or_default();
        refused.says(&[&format!("{name}: plan.json was made without it, or with another value")]);
    }
    project.outside("client('kinesis').create_stream(StreamName='NAME-events', ShardCount=1)");
    project.run("apply plan.json --local --env prod --var size=2 --target events").code(4).says(&[
        "next: pipeline plan blueprint.yaml --out plan.json --env prod --var size=<size> --target events --local",
    ]);
}

const VARIABLE: &str = r#"name: NAME
region: eu-west-1
variables: { size: { default: 1 } }
environments: { prod: {}, dev: {} }
resources:
  events: { kind: kinesis-stream, name: NAME-events, shards: "${var.size}" }
  oncall: { kind: sns-topic, name: NAME-oncall }
"#;
