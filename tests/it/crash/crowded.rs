//! A whole life of the flagship in a crowded account.

use serde_json::json;

use super::crowd::{Size, at_once};
use super::family::Outcome;
use super::lent::Lent;
use super::neighbour::Neighbour;
use super::point::{Kill, Point, Side};
use super::scene::{Mode, Scene};
use super::slice::report;
use crate::e2e::Project;
use crate::e2e::machine::Machine;

/// One of each kind that goes with the second blueprint, and a cluster that stands.
const MORE: &str = r"
  more_key: { kind: kms-key, name: 'NAME-${var.stage}-more', protect: false }
  more_role:
    kind: iam-role
    name: NAME-${var.stage}-more
    trust: ec2.amazonaws.com
    instance_profile: true
    policies: { more: { Statement: [{ Effect: Allow, Action: s3:GetObject, Resource: '*' }] } }
  more_log: { kind: log-group, name: '/NAME/${var.stage}/more', protect: false }
  more_lake: { kind: s3-bucket, name: 'NAME-${var.stage}-more-${account}', protect: false }
  more_topic: { kind: sns-topic, name: 'NAME-${var.stage}-more' }
  more_queue: { kind: sqs-queue, name: 'NAME-${var.stage}-more', protect: false }
  more_base: { kind: glue-database, name: 'NAME_${var.stage}_more', protect: false }
  more_table:
    kind: glue-table
    database: ${more_base.name}
    name: more
    format: parquet
    location: s3://${more_lake.name}/more/
    columns: [{ name: a, type: string }]
  more_text: { kind: s3-object, bucket: '${lake.name}', key: trigger/more.json, content: '{}' }
  more_folder: { kind: s3-folder, bucket: '${lake.name}', prefix: more/, source: jobs }
  more_stream: { kind: kinesis-stream, name: 'NAME-${var.stage}-more', shards: 1, protect: false }
  more_security: { kind: emr-security-configuration, name: 'NAME-${var.stage}-more', configuration: {} }
  more_delivery:
    kind: firehose-stream
    name: NAME-${var.stage}-more
    role: ${more_role.arn}
    bucket: ${more_lake.arn}
  more_alarm:
    kind: cloudwatch-alarm
    name: NAME-${var.stage}-more
    metric: { namespace: AWS/SQS, name: NumberOfMessagesSent, statistic: Sum, dimensions: { QueueName: '${more_queue.name}' } }
    comparison: GreaterThanThreshold
    threshold: 1
  more_unwell: { kind: cloudwatch-composite-alarm, name: 'NAME-${var.stage}-more-unwell', rule: 'ALARM(${more_alarm.name})' }
  more_board: { kind: cloudwatch-dashboard, name: 'NAME-${var.stage}-more', body: { widgets: [] } }
";

const CORE: &str = r"
  core:
    kind: emr-cluster
    name: NAME-${var.stage}-spark-core
    release: emr-7.8.0
    applications: [Spark]
    lifecycle: persistent
    service_role: EMR_DefaultRole
    instance_profile: EMR_EC2_DefaultRole
    primary: { type: m5.xlarge }
";

/// Other tags on all, another name, a property that EMR cannot change, and some of every sort.
const CHANGES: &[(&str, &str)] = &[
    ("team: data", "team: lake"),
    ("retention_hours: 48", "retention_hours: 72"),
    ("expire_days: 730", "expire_days: 365"),
    ("retention_days: 30", "retention_days: 14"),
    ("interval: 5m", "interval: 10m"),
    ("What the Spark jobs write", "What the jobs write"),
    ("visibility_timeout: 6m", "visibility_timeout: 7m"),
    ("memory_mb: 256", "memory_mb: 512"),
    ("threshold: 100000", "threshold: 200000"),
    ("-oncall", "-pager"),
    ("Encrypts the events", "Encrypts events"),
    ("start: -PT6H", "start: -PT12H"),
    ("emr-7.8.0", "emr-7.9.0"),
];

const LAKE: &str = "crash-prod-000000000000-ap-northeast-2";

fn project(machine: &Machine) -> Project<'_> {
    let project = Project::flagship_on(machine, "crash");
    let text = project.read("blueprint.yaml");
    let with = |more: &str| text.replacen("\njobs:\n", &format!("{more}\njobs:\n"), 1);
    project.write("first.yaml", &with(&format!("{MORE}{CORE}")));
    project.write("second.yaml", &with(CORE));
    for (before, after) in CHANGES {
        project.edit("second.yaml", before, after);
    }
    project
}

/// What others put beside ours and into it, once it stands.
fn beside(port: u16) {
    let here = Neighbour { port, region: "ap-northeast-2" };
    for key in [
        "streaming-data/year=2026/events.gz",
        "trigger/cluster.json.old",
        "trigger/cluster",
        "more/theirs.txt",
        "pipeline/crash/prod2/lock.json",
        "pipeline/crash/prod/scripts/theirs.py",
        "pipeline/lock.json",
    ] {
        here.s3(&format!("/{LAKE}/{key}"), key);
    }
    here.mapping("crash-prod-trigger-2", "crash-prod-arrivals");
    at_once(port, || {
        let said = json!({ "JobFlowIds": [here.cluster("crash-prod-spark-core", &[])] });
        here.json("ElasticMapReduce.TerminateJobFlows", &said);
        for tags in [&[][..], &[("pipeline:owner", "crash/prod"), ("pipeline:id", "core")]] {
            here.cluster("crash-prod-spark-core", tags);
        }
    });
}

/// Killed right after each of these calls, and done at last; then there is nothing left to do.
fn taken_up(scene: &Scene<'_>, outcome: &mut Outcome, line: &str, calls: &[&str]) {
    for call in calls {
        let point = Point { call: (*call).to_owned(), occurrence: 1 };
        let run = scene.run(line, vec![Box::new(Kill::at(point, Side::After))]);
        outcome.ended_well(&run, &[None]);
        outcome.leaves_others_alone(scene);
        assert!(outcome.notes.is_empty(), "{}", outcome.told());
    }
    outcome.ended_well(&scene.undisturbed(line), &[Some(0)]);
    let further = scene.undisturbed(line);
    outcome.ended_well(&further, &[Some(0)]);
    for made in further.writes() {
        outcome.miss(format!("a further run wrote: {}", made.call.name()));
    }
    outcome.leaves_others_alone(scene);
    assert!(outcome.notes.is_empty(), "{}", outcome.told());
}

#[test]
fn hundreds_of_look_alikes_are_left_as_they_are() {
    let machine = Lent::take();
    let scene = Scene::in_mode(Mode::Mild, &machine, project(&machine));
    let mut outcome = Outcome::good();
    scene.crowd(Size::Many);
    // The same pipeline in another environment is somebody else's too.
    scene.undisturbed("apply first.yaml --env dev --no-run --yes").ended.code(0);
    scene.look_around();
    let calls = ["kms:CreateKey", "iam:CreateRole", "lambda:POST functions"];
    taken_up(&scene, &mut outcome, "apply first.yaml --env prod --no-run --yes", &calls);
    scene.joined_by(beside);
    report(&format!("crowded: {} records of what is others'", scene.others()));
    let calls = ["iam:TagRole", "elasticmapreduce:RunJobFlow", "sns:DeleteTopic"];
    let second = "apply second.yaml --env prod --no-run --delete-data --yes";
    taken_up(&scene, &mut outcome, second, &calls);
    scene.goes_with(LAKE);
    let calls = ["monitoring:DeleteAlarms", "iam:DeleteRole", "s3:POST ?delete"];
    let last = "destroy second.yaml --env prod --delete-data --yes";
    taken_up(&scene, &mut outcome, last, &calls);
    let dev = "plan first.yaml --env dev --detailed-exitcode";
    outcome.ended_well(&scene.undisturbed(dev), &[Some(0)]);
    assert!(outcome.notes.is_empty(), "{}", outcome.told());
}
