//! The flagship: from nothing to figures in the lake.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use super::machine::Machine;
use super::{Ended, Project};

const APPLY: &str = "apply blueprint.yaml --local --yes";

/// Compares what is in the lake with what `figures.py` works out without Spark from
/// `data/streaming-data`; returns that.
pub fn compare(project: &Project<'_>, bucket: &str, hours: &str) -> Value {
    let folder = project.path("lake");
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("it can be removed");
    }
    let places = r#"["processed-data/", "error-data/", "dead-letter/"]"#;
    let to = folder.display();
    project.outside(&format!("download({bucket:?}, {places}, {:?})", to.to_string()));
    let spark = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spark");
    let done = |python: &mut Command| {
        let output = python.output().expect("Python runs");
        Ended::new("(Python)", output).code(0).out
    };
    let mut figures = project.machine.python();
    figures.arg("-B").arg(spark.join("figures.py")).args(["--hours", hours]);
    figures.arg("--blueprint").arg(project.path("blueprint.yaml"));
    figures.arg("--uri").arg(format!("s3://{bucket}/streaming-data")).arg("--input");
    let expected = project.path("figures.json");
    let worked_out = done(figures.arg(project.path("data/streaming-data")));
    fs::write(&expected, &worked_out).expect("it can be written");
    let mut compare = project.machine.python();
    compare.arg("-B").arg(spark.join("compare.py")).arg("--expected").arg(expected);
    for (flag, place) in [
        ("--output", "processed-data"),
        ("--errors", "error-data"),
        ("--dead-letter", "dead-letter"),
    ] {
        compare.arg(flag).arg(folder.join(place));
    }
    let compared = done(&mut compare);
    assert!(compared.contains(": 0 differences"), "{compared}");
    serde_json::from_str(&worked_out).expect("it is JSON")
}

fn packed(text: &str) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(text.as_bytes()).expect("memory takes it");
    packer.finish().expect("memory takes it")
}

#[test]
fn the_flagship_applies_from_nothing_and_its_figures_are_right() {
    let machine = Machine::start();
    let project = Project::flagship_on(&machine, "flagship");
    let bucket = "flagship-local-000000000000-ap-northeast-2";
    project
        .run(APPLY)
        .code(0)
        .answers(&[
            &format!("results = s3://{bucket}/processed-data/"),
            "stream = arn:aws:kinesis:ap-northeast-2:000000000000:stream/flagship-local-events",
        ])
        .says(&["Plan: 31 to create, 1 job to run; 1 unchanged", "Applied: 31 changed"])
        .says(&["process | total hours=19 read=894 accepted=881", "succeeded: job `process`"]);
    compare(&project, bucket, "2013-01-15T10..2013-01-16T04");

    project.plan().code(0).answers(&["Nothing to do: 32 resources as the blueprint says"]);
    let steps = "[id] = clusters('NAME-local-spark', region='ap-northeast-2')
answer(len(steps(id, region='ap-northeast-2')))";
    assert_eq!(project.outside(steps), 1);
    project.run(APPLY).code(0).answers(&["results = s3://"]).never_says("submitting");
    assert_eq!(project.outside(steps), 1);

    project
        .run("logs blueprint.yaml process --local")
        .code(0)
        .answers(&["hour=2013-01-15T10 read=5", "total hours=19"])
        .says(&["completed"]);
    project
        .run("destroy blueprint.yaml --local --yes --delete-data")
        .code(0)
        .says(&["spark: gone", "Destroyed: 32 resources gone"]);
}

#[test]
fn running_one_hour_again_replaces_that_hour_and_broken_objects_fail_none() {
    let machine = Machine::start();
    let project = Project::flagship_on(&machine, "hourly");
    let bucket = "hourly-local-000000000000-ap-northeast-2";
    project.edit("blueprint.yaml", "2013-01-15T10..2013-01-16T04", "2013-01-15T10..2013-01-15T12");
    let hour = project.path("data/streaming-data/year=2013/month=01/day=15/hour=12");
    let whole = packed("{\"event_id\": \"whole\"}\n{\"event_id\": \"cut here");
    fs::write(hour.join("cut.jsonl.gz"), &whole[..whole.len() - 8]).expect("it can be written");
    fs::write(hour.join("text.jsonl.gz"), "no gzip").expect("it can be written");
    project.run(APPLY).code(0).says(&["total hours=3", "broken_objects=2"]);
    let look = format!(
        "found = {{p: objects({bucket:?}, p + '/') for p in ['processed-data', 'error-data', \
         'dead-letter', 'streaming-data']}}\nanswer(found)"
    );
    let before = project.outside(&look);

    project
        .run("run blueprint.yaml process --local --param hour=2013-01-15T11")
        .code(0)
        .says(&["total hours=1 read=73 accepted=72 rejected=1", "succeeded: job `process`"]);
    let after = project.outside(&look);
    let (mut same, mut new) = (0, 0);
    for (place, objects) in before.as_object().expect("places") {
        for (key, object) in objects.as_object().expect("objects") {
            if key.contains("hour=11/") && place != "streaming-data" {
                assert_ne!(after[place].get(key), Some(object), "{key} is as it was");
                new += 1;
            } else {
                assert_eq!(after[place].get(key), Some(object), "{key} changed");
                same += 1;
            }
        }
    }
    assert!(same > 20 && new >= 5, "{same} objects as they were, {new} not: {before:#}");
    compare(&project, bucket, "2013-01-15T10..2013-01-15T12");
    project.plan().code(0).answers(&["Nothing to do"]);
}
