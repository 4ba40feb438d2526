//! What `status` tells of what it sees, as a text and as a document.

use std::collections::BTreeMap;
use std::future::ready;
use std::path::Path;

use pipeline::blueprint::Desired;
use pipeline::blueprint::load::{Choice, load};
use pipeline::cloud::{Boxed, Class, Dated, Fault, Object, Progress, Runner, Work};
use pipeline::kind::Place;
use pipeline::report::style::Style;
use pipeline::report::{json, status as report};
use pipeline::status::reading::{Asked, Health, RUNNING, Reading, Sight, Value, WAITING, Watch};
use pipeline::status::{Status, status};
use serde_json::{Value as Json, json};

use crate::bad::kinds;
use crate::json_schema::wrong;
use crate::kinds::root;

const BLUEPRINT: &str = "
name: shop
region: eu-west-1
artifacts: lake
resources:
  lake: { kind: s3-bucket, name: shop-lake }
  events: { kind: kinesis-stream, name: shop-events, shards: 2 }
  spark:
    kind: emr-cluster
    name: shop-spark
    release: emr-7.9.0
    service_role: emr
    instance_profile: nodes
    primary: { type: m5.xlarge }
    idle_timeout: 4h
  late:
    kind: cloudwatch-alarm
    name: shop-late
    metric: { namespace: N, name: M, statistic: Sum }
    comparison: GreaterThanThreshold
    threshold: 1
jobs:
  process: { kind: spark, cluster: spark, script: blueprints/jobs/streaming_processor.py }
  report: { kind: spark, cluster: spark, script: blueprints/jobs/streaming_processor.py }
";

const NOW: i64 = 1_358_244_000;

/// What is seen of each resource, by its name; of others nothing moves. And the records of runs.
#[derive(Default)]
struct World {
    sights: BTreeMap<&'static str, Result<Sight, Fault>>,
    records: BTreeMap<&'static str, Json>,
}

impl Watch for World {
    fn watch<'a>(&'a self, asked: &'a [Asked]) -> Boxed<'a, Vec<Result<Sight, Fault>>> {
        let each = asked.iter().map(|one| self.sights.get(one.identity.as_str()).cloned());
        Box::pin(ready(each.map(|sight| sight.unwrap_or(Ok(Sight::Still))).collect()))
    }
}

impl Runner for World {
    fn recall<'a>(&'a self, object: &'a Object) -> Boxed<'a, Result<Option<Dated>, Fault>> {
        let key = object.key.strip_prefix("pipeline/shop/default/").expect("among its artifacts");
        let dated =
            |one: &Json| Dated { content: one.to_string().into_bytes(), written: NOW - 180 };
        let found = self.records.get(key).map(dated);
        Box::pin(ready(Ok(found)))
    }

    fn list<'a>(&'a self, prefix: &'a Object) -> Boxed<'a, Result<Vec<String>, Fault>> {
        let keys = self.records.keys().map(|key| format!("pipeline/shop/default/{key}"));
        Box::pin(ready(Ok(keys.filter(|key| key.starts_with(&prefix.key)).collect())))
    }

    fn read<'a>(&'a self, _: &'a Object) -> Boxed<'a, Result<Option<Vec<u8>>, Fault>> {
        unreachable!("status asks when a record was written")
    }

    fn exists<'a>(&'a self, _: &'a Object) -> Boxed<'a, Result<bool, Fault>> {
        unreachable!("status reads what it wants to know of")
    }

    fn write<'a>(&'a self, _: &'a Object, _: Vec<u8>) -> Boxed<'a, Result<(), Fault>> {
        unreachable!("status changes nothing")
    }

    fn submit<'a>(&'a self, _: &'a str, _: &'a Work) -> Boxed<'a, Result<(), Fault>> {
        unreachable!("status changes nothing")
    }

    fn find<'a>(&'a self, _: &'a str, _: &'a str) -> Boxed<'a, Result<Option<Progress>, Fault>> {
        unreachable!("a cluster tells of its steps itself")
    }

    fn cancel<'a>(&'a self, _: &'a str, _: &'a str) -> Boxed<'a, Result<(), Fault>> {
        unreachable!("status changes nothing")
    }

    fn active<'a>(&'a self, _: &'a str) -> Boxed<'a, Result<Vec<String>, Fault>> {
        unreachable!("a cluster tells of its steps itself")
    }
}

fn desired() -> Desired {
    match load(&Path::new(root()).join("shop.yaml"), BLUEPRINT, &Choice::default(), &kinds()) {
        Ok(loaded) => Desired { file: "shop.yaml".into(), ..loaded.desired },
        Err(problems) => panic!("{}", problems[0]),
    }
}

fn place(desired: &Desired) -> Place {
    let (partition, account) = ("aws".into(), "123456789012".into());
    Place { partition, account, region: desired.region.clone(), owner: desired.owner.clone() }
}

async fn look(world: &World) -> Status {
    status(world, world, &desired(), NOW).await.expect("the records can be listed")
}

async fn text(world: &World) -> String {
    let desired = desired();
    let other =
        |verb: &str, more: &str| format!("pipeline {verb} shop.yaml {more}").trim_end().into();
    report::status((&desired, &place(&desired)), &look(world).await, Style::Plain, &other)
}

fn run(state: &str) -> Json {
    json!({"version": 1, "job": "process", "input": "a1", "params": {"hour": "2013-01-15T10"},
        "cluster": "j-1", "step": "s-1", "seconds": 41, "state": state,
        "log": "s3://shop-lake/logs/j-1/steps/s-1/"})
}

fn busy() -> World {
    let state = |word: &str| Reading::text("state", word);
    let since = |ago: i64| Reading::new("since", Value::At(NOW - ago));
    let mut world = World::default();
    let records = Reading::new("records in 5 min", Value::Count(1200));
    let stream = vec![state("ACTIVE"), Reading::new("shards", Value::Count(2)), records];
    world.sights.insert("shop-events", Ok(Sight::There(stream)));
    let steps = ["process#b2", "other#c3"].map(|step| Reading::text(RUNNING, step));
    let created = Reading::new("created", Value::At(NOW - 900));
    let cluster = [state("RUNNING"), Reading::text("id", "j-1"), created];
    let cluster = cluster.into_iter().chain(steps).collect();
    world.sights.insert("shop-spark", Ok(Sight::There(cluster)));
    let reason = Reading::text("reason", "Threshold Crossed: 1 datapoint [3.0] was over");
    let alarm = vec![state("ALARM").health(Health::Bad), since(180), reason];
    world.sights.insert("shop-late", Ok(Sight::There(alarm)));
    world.records.insert("last/process.json", run("completed"));
    world.records.insert("runs/process/a1.json", run("completed"));
    world.records.insert("runs/process/a0.json", run("completed"));
    world
}

#[tokio::test]
async fn what_needs_a_look_comes_first() {
    let told = "\
shop (default) in account 123456789012, region eu-west-1

  bad   late     cloudwatch-alarm  ALARM, for 3m
        Threshold Crossed: 1 datapoint [3.0] was over

  ok    process  job               runs now: process#b2; completed 3m ago in 41s, \
hour=2013-01-15T10, step s-1 on j-1; 2 inputs done
  ok    report   job               has not run yet
  ok    events   kinesis-stream    ACTIVE, 2 shards, 1200 records in 5 min
  ok    spark    emr-cluster       RUNNING, id j-1, created 15m ago, 2 steps run

1 bad, 4 ok
";
    assert_eq!(text(&busy()).await, told);
}

#[tokio::test]
async fn however_many_steps_there_are_it_stays_a_line() {
    for (running, waiting, job, cluster) in [
        (0, 1, "1 waits", "1 step waits"),
        (1, 0, "runs now: process#0", "1 step runs"),
        (1, 17, "runs now: process#0, 17 wait", "1 step runs, 17 wait"),
        (3, 1, "runs now: process#0, process#1, process#2, 1 waits", "3 steps run, 1 waits"),
        (0, 18, "18 wait", "18 steps wait"),
        (256, 0, "runs now: process#0, process#1, process#2 and 253 more", "256 steps run"),
    ] {
        let mut world = busy();
        world.records.clear();
        let steps = |what, number: usize| {
            (0..number).map(move |index| Reading::text(what, format!("process#{index}")))
        };
        let steps = steps(RUNNING, running).chain(steps(WAITING, waiting));
        let state = Reading::text("state", "RUNNING");
        let sight = Sight::There([state].into_iter().chain(steps).collect());
        world.sights.insert("shop-spark", Ok(sight));
        let told = text(&world).await;
        for line in [
            format!("ok    process  job               {job}\n"),
            format!("ok    spark    emr-cluster       RUNNING, {cluster}\n"),
        ] {
            assert!(told.contains(&line), "`{line}` is not in:\n{told}");
        }
    }
}

#[tokio::test]
async fn what_was_counted_within_the_same_time_says_so_once() {
    let mut world = busy();
    let count = |what, number| Reading::new(what, Value::Count(number));
    let counts = [
        count("shards", 1),
        count("runs in 1 h", 1),
        count("errors in 1 h", 0),
        count("throttled in 1 h", 1),
        count("records in 5 min", 2),
    ];
    world.sights.insert("shop-events", Ok(Sight::There(counts.into())));
    let line = "1 shard, 1 run, 0 errors, 1 throttled in 1 h, 2 records in 5 min\n";
    let told = text(&world).await;
    assert!(told.contains(line), "`{line}` is not in:\n{told}");
}

#[tokio::test]
async fn a_job_that_failed_is_bad_and_a_cluster_that_is_not_needed_is_dormant() {
    let mut world = busy();
    world.records.insert("last/process.json", run("failed"));
    world.sights.insert("shop-late", Ok(Sight::Absent(Vec::new())));
    let last = Reading::text("last", "j-1: ended 2 h ago: idle");
    world.sights.insert("shop-spark", Ok(Sight::Absent(vec![last])));
    let told = text(&world).await;
    for line in [
        "bad   process  job               failed 3m ago in 41s",
        "hint: `pipeline logs shop.yaml process` shows why",
        "look  late     cloudwatch-alarm  not there",
        "ok    spark    emr-cluster       dormant; starts when a job runs, the last one, j-1: ended",
        "1 bad, 1 to look at, 3 ok",
    ] {
        assert!(told.contains(line), "`{line}` is not in:\n{told}");
    }
}

#[tokio::test]
async fn before_the_first_apply_and_after_a_destroy_there_is_one_line() {
    let mut world = World::default();
    for name in ["shop-events", "shop-spark", "shop-late"] {
        world.sights.insert(name, Ok(Sight::Absent(Vec::new())));
    }
    let told = "shop (default) in account 123456789012, region eu-west-1\n\n\
                Nothing is there: `pipeline apply shop.yaml` makes it\n";
    assert_eq!(text(&world).await, told);
    let last = Reading::text("last", "j-1: ended just now: terminated on request");
    world.sights.insert("shop-spark", Ok(Sight::Absent(vec![last.clone()])));
    assert_eq!(text(&world).await, told);
    world.sights.insert("shop-spark", Ok(Sight::Absent(vec![last.health(Health::Bad)])));
    assert!(text(&world).await.contains("bad   spark"), "how a cluster failed is told");
}

#[tokio::test]
async fn what_cannot_be_looked_at_is_told_beside_what_can() {
    let mut world = busy();
    let denied = Fault::new(Class::Denied, "kinesis:DescribeStreamSummary", "not authorized");
    world.sights.insert("shop-events", Err(denied.clone()));
    world.records.insert("last/report.json", json!("nonsense"));
    let told = text(&world).await;
    for line in [
        "?     events   kinesis-stream    cannot be looked at: kinesis:DescribeStreamSummary: not",
        "hint: the credentials in use need permission for kinesis:DescribeStreamSummary",
        "?     report   job               its last run cannot be read",
        "ok    spark",
        "1 bad, 2 not known, 2 ok",
    ] {
        assert!(told.contains(line), "`{line}` is not in:\n{told}");
    }
    let seen = look(&world).await;
    let ids: Vec<_> = seen.faults().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["events", "report"]);
}

#[tokio::test]
async fn the_document_is_as_its_published_schema_says() {
    let schema = std::fs::read_to_string(root().join("docs/status.schema.json"));
    let schema: Json = serde_json::from_str(&schema.expect("it is published")).expect("JSON");
    let desired = desired();
    let mut strange = busy();
    let lost = Fault::new(Class::Lost, "cloudwatch:DescribeAlarms", "no answer");
    strange.sights.insert("shop-late", Err(lost));
    for world in [busy(), strange, World::default()] {
        let document = json::status(&desired, &place(&desired), &look(&world).await);
        assert_eq!(wrong(&schema, &document), None, "{document:#}");
    }
    let document = json::status(&desired, &place(&desired), &look(&busy()).await);
    assert_eq!(document["at"], "2013-01-15T10:00:00Z");
    assert_eq!(document["counts"], json!({"bad": 1, "attention": 0, "unknown": 0, "good": 4}));
    assert_eq!(document["jobs"][0]["last"]["ended"], "2013-01-15T09:57:00Z");
    assert_eq!(document["jobs"][0]["running"], json!(["process#b2"]));
    assert!(wrong(&schema, &json!({"version": 1})).is_some(), "it refuses what is no status");
}
