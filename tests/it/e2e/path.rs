//! The flagship's path, all of it, with nothing touched but `pipeline send`.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Value, json};

use super::Project;
use super::flagship::compare;
use super::machine::Machine;

const BUCKET: &str = "path-rehearsal-000000000000-ap-northeast-2";
const HOURS: &str = "2013-01-15T10..2013-01-16T04";
const LATE: [&str; 3] = ["2013-01-15T11", "2013-01-15T18", "2013-01-15T23"];
const LATER: &str = "2013-01-15T15";

fn outside(project: &Project<'_>, script: &str) -> Value {
    project.outside(&format!("from path import *\n{script}"))
}

fn at_rest(project: &Project<'_>, events: usize, runs: usize) -> Value {
    let found = outside(project, &format!("answer(at_rest('NAME-rehearsal', {events}, {runs}))"));
    assert_eq!(found["given_up"], json!([]), "{found:#}");
    assert_eq!(
        found["queues"],
        json!({"arrivals": [0, 0, 0], "unhandled": [0, 0, 0]}),
        "{found:#}"
    );
    assert_eq!(found["runs"].as_array().map(Vec::len), Some(runs), "{found:#}");
    let mut ran: Vec<_> = found["runs"].as_array().expect("runs").iter().collect();
    ran.sort_by_key(|run| run["step"].to_string());
    let ran: Vec<_> = ran.iter().map(|run| json!([run["step"], "COMPLETED"])).collect();
    let mut steps = found["steps"].as_array().expect("steps").clone();
    steps.sort_by_key(|step| step[0].to_string());
    assert_eq!(steps, ran, "a run on record for each step: {found:#}");
    found
}

/// How many runs each hour has.
fn runs_by_hour(found: &Value) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for run in found["runs"].as_array().expect("runs") {
        *counts.entry(run["params"]["hour"].as_str().expect("text")).or_insert(0) += 1;
    }
    counts
}

fn send(project: &Project<'_>, file: &str, events: usize) {
    project
        .run(&format!("send blueprint.yaml events {file} --local --env rehearsal"))
        .code(0)
        .answers(&[&format!("Sent: {events} records")]);
}

/// Sends the events of some hours again, mixed; what is sent then is in the data as well. How many
/// they are.
fn send_again(project: &Project<'_>, hours: &[&str]) -> usize {
    let mut all = Vec::new();
    for hour in hours {
        let (day, clock) = (&hour[8..10], &hour[11..]);
        let folder = format!("data/streaming-data/year=2013/month=01/day={day}/hour={clock}");
        let text = project.read(&format!("{folder}/departures.jsonl"));
        fs::write(project.path(&format!("{folder}/again.jsonl")), &text).expect("it is written");
        all.extend(text.lines().map(str::to_owned));
    }
    // An order that has nothing to do with that of the first time, and is the same each time.
    all.sort_by_cached_key(|line| {
        let mut hasher = DefaultHasher::new();
        (7, line).hash(&mut hasher);
        hasher.finish()
    });
    project.write("again.jsonl", &(all.join("\n") + "\n"));
    send(project, "again.jsonl", all.len());
    all.len()
}

/// Without what copies of events add: that they were read, dropped, and rejected as often.
fn results(figures: &Value) -> Value {
    let mut figures = figures.clone();
    for hour in figures.as_object_mut().expect("hours").values_mut() {
        let hour = hour.as_object_mut().expect("figures");
        for added in ["read", "duplicates", "rejected"] {
            hour.remove(added).expect("it is there");
        }
    }
    figures
}

/// Each new run printed what came twice.
fn tells_duplicates(project: &Project<'_>, before: &Value, found: &Value, figures: &Value) {
    let known = before["runs"].as_array().expect("runs");
    let new = found["runs"].as_array().expect("runs").iter().filter(|run| !known.contains(run));
    for run in new {
        let hour = run["params"]["hour"].as_str().expect("text");
        let of = &figures[hour];
        let (read, accepted, duplicates) = (&of["read"], &of["accepted"], &of["duplicates"]);
        assert_eq!(accepted, duplicates, "every event came twice");
        let rejected = of["rejected"].as_array().expect("a list").len();
        let told = format!(
            "hour={hour} read={read} accepted={accepted} rejected={rejected} dead_letter=0 \
             duplicates={duplicates} "
        );
        let printed = outside(project, &format!("answer(printed(json.loads(r'''{run}''')))"));
        let printed = printed.as_str().expect("text");
        assert!(printed.contains(&told), "no `{told}` in {printed}");
    }
}

#[test]
fn events_that_are_sent_become_figures_once_whenever_they_come() {
    let machine = Machine::start();
    let project = Project::flagship_on(&machine, "path");
    // Three deliveries of Firehose's pass in this time: all objects of an hour are there.
    project.edit("blueprint.yaml", "settle: 8,", "settle: 15,");
    let everything = "answer(snapshot([R, 'us-east-1']))";
    let bare = outside(&project, everything);
    let apply = "apply blueprint.yaml --local --env rehearsal --yes";
    project.run(apply).code(0).says(&["Plan: 30 to create; 1 unchanged"]);

    send(&project, "data/departures-2013-01-15.jsonl", 894);
    let first = at_rest(&project, 894, 19);
    let figures = compare(&project, BUCKET, HOURS);
    let hours = figures.as_object().expect("hours").keys().map(|hour| (hour.as_str(), 1));
    assert_eq!(runs_by_hour(&first), hours.collect(), "{first:#}");
    assert_eq!(first["clusters"].as_array().map(Vec::len), Some(1), "{first:#}");
    let status = "status blueprint.yaml --local --env rehearsal";
    let well = |inputs: usize| {
        project
            .run(status)
            .code(0)
            .answers(&[
                "ok    process             job                         completed ",
                &format!("; {inputs} inputs done"),
                "ok    arrivals            sqs-queue                   0 visible, 0 in flight, 0 delayed",
                "ok    unhandled           sqs-queue                   0 visible, 0 in flight, 0 delayed",
                "ok    trigger             lambda-function             Active",
                " 0 errors",
                "ok    delivery            firehose-stream             ACTIVE",
                "ok    unhandled_messages  cloudwatch-alarm            OK",
            ])
            .never_says("bad ");
    };
    well(19);

    let late = send_again(&project, &LATE);
    let second = at_rest(&project, 894 + late, 22);
    let again = compare(&project, BUCKET, HOURS);
    assert_eq!(results(&again), results(&figures));
    let often = |hour: &str| if LATE.contains(&hour) { 2 } else { 1 };
    let hours = figures.as_object().expect("hours").keys().map(|hour| (hour.as_str(), often(hour)));
    assert_eq!(runs_by_hour(&second), hours.collect(), "{second:#}");
    tells_duplicates(&project, &first, &second, &again);
    assert_eq!(second["clusters"], first["clusters"]);

    outside(&project, "end_by_idling('NAME-rehearsal')");
    let later = send_again(&project, &[LATER]);
    let third = at_rest(&project, 894 + late + later, 23);
    let again = compare(&project, BUCKET, HOURS);
    assert_eq!(results(&again), results(&figures));
    assert_eq!(runs_by_hour(&third)[LATER], 2, "{third:#}");
    tells_duplicates(&project, &second, &third, &again);
    well(23);
    starts_one_of_ours(&project, &third);
    project.run(apply).code(0).answers(&["results = s3://"]).never_says("submitting");
    let destroy = "destroy blueprint.yaml --local --env rehearsal --yes --delete-data";
    project.run(destroy).code(0).says(&["Destroyed: 30 resources gone"]);
    assert_eq!(outside(&project, everything), bare);
}

/// Exactly one cluster came after the one that ended, tagged as that was; no plan minds either.
fn starts_one_of_ours(project: &Project<'_>, found: &Value) {
    let alive = outside(project, "answer(clusters('NAME-rehearsal-spark', ALIVE, R))");
    let clusters = found["clusters"].as_array().expect("clusters");
    assert_eq!((clusters.len(), alive), (2, json!([clusters[0]])), "{found:#}");
    let tags = outside(project, &format!("answer([tags(id) for id in {}])", found["clusters"]));
    assert_eq!(tags[0], tags[1]);
    let owner = json!(["path/rehearsal/ap-northeast-2", "spark"]);
    assert_eq!(json!([tags[0]["pipeline:owner"], tags[0]["pipeline:id"]]), owner);

    let plan = "plan blueprint.yaml --local --env rehearsal --detailed-exitcode";
    project.run(plan).code(0).answers(&["Nothing to do: 31 resources as the blueprint says"]);
    outside(project, "end_by_idling('NAME-rehearsal')");
    project.run(plan).code(0).answers(&["spark  dormant", "Nothing to do: 31 resources"]);
}
