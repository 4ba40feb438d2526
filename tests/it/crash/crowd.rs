//! A crowded account: hundreds of things of others that look like ours. None may change.

use serde_json::json;

use super::http::ask;
use super::neighbour::{Neighbour, Tags};

/// How many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// One or two of each kind: quickly put there.
    Few,
    /// Of most kinds more than a page of a listing.
    Many,
}

const REGION: &str = "ap-northeast-2";
/// Where what has no region is listed.
const ELSEWHERE: &str = "us-east-1";

/// Our own names, as the flagship gives them in `prod` under the name `crash`.
const OURS: &[(&str, &[&str])] = &[
    ("kms-key", &["crash-prod"]),
    ("iam-role", &["crash-prod-delivery-ap-northeast-2", "crash-prod-spark-node-ap-northeast-2"]),
    ("log-group", &["/crash/prod/delivery", "/aws/lambda/crash-prod-trigger"]),
    ("s3-bucket", &["crash-prod-000000000000-ap-northeast-2"]),
    ("sns-topic", &["crash-prod-oncall"]),
    ("sqs-queue", &["crash-prod-arrivals", "crash-prod-unhandled"]),
    ("glue-database", &["crash_prod"]),
    ("kinesis-stream", &["crash-prod-events"]),
    ("emr-security-configuration", &["crash-prod"]),
    ("lambda-function", &["crash-prod-trigger"]),
    ("firehose-stream", &["crash-prod-delivery"]),
    ("emr-cluster", &["crash-prod-spark"]),
    ("cloudwatch-alarm", &["crash-prod-step-failed", "crash-prod-traffic-surge"]),
    ("cloudwatch-composite-alarm", &["crash-prod-unwell"]),
    ("cloudwatch-dashboard", &["crash-prod-ap-northeast-2"]),
];

const OWNER: &str = "crash/prod/ap-northeast-2";

/// Tags that are nearly ours: of other blueprints, environments and regions, under other keys.
const TAGS: &[Tags<'static>] = &[
    &[("pipeline:owner", "crash/prod/ap-northeast-2x"), ("pipeline:id", "events")],
    &[],
    &[("pipeline:owner", "crash/dev/ap-northeast-2"), ("pipeline:id", "lake")],
    &[("pipeline:owner", "crash/pro"), ("pipeline:id", "lake_key")],
    &[("pipeline:owner", "crash/prod/eu-west-1"), ("pipeline:id", "spark")],
    &[("team", "data"), ("system", "crash")],
    &[("pipeline:owner", "crash/prod"), ("pipeline:id", "oncall")],
    &[("pipeline:owner", "xcrash/prod/ap-northeast-2"), ("pipeline:id", "arrivals")],
    &[("pipeline:owner", "CRASH/PROD/AP-NORTHEAST-2"), ("pipeline:id", "trigger")],
    &[("pipeline:owner2", OWNER), ("pipeline:id", "delivery")],
    &[("owner", OWNER), ("pipeline:id", "results")],
    &[("pipeline:id", "dashboard")],
];

/// Puts them there.
pub fn gather(port: u16, size: Size) {
    let here = Neighbour { port, region: REGION };
    here.has("s3-bucket", "somebody", &[]);
    here.has("cloudwatch-alarm", "somebody", &[]);
    let tags = &mut TAGS.iter().copied().cycle();
    at_once(port, || {
        for (kind, ours) in OURS {
            for name in names(kind, ours, size) {
                here.has(kind, &name, tags.next().expect("it never ends"));
            }
        }
        clusters(&here, size);
        elsewhere(&Neighbour { port, region: ELSEWHERE }, size);
    });
    keys(&here, size);
    // Our own mark, on what is not ours.
    here.notification("somebody", "pipeline-8b357e2e-announce.arrivals", "crash-arrivals");
}

/// Clusters that are started or ended in this have done so afterwards.
pub fn at_once(port: u16, deed: impl FnOnce()) {
    let pace = ask(port, "GET", "/_local/pace", "");
    let none = json!({ "cluster_start_seconds": 0, "cluster_end_seconds": 0 });
    ask(port, "POST", "/_local/pace", &none.to_string());
    deed();
    ask(port, "POST", "/_local/pace", &pace.to_string());
}

/// Names that extend ours, are cut short, or are ours in another kind.
fn names(kind: &str, ours: &[&str], size: Size) -> Vec<String> {
    let near = ours.iter().flat_map(|name| {
        let short = &name[..name.len() - 1];
        [format!("{name}-2"), short.to_owned(), format!("{name}2"), format!("x{name}")]
    });
    let others = OURS.iter().flat_map(|(_, names)| *names).map(|name| (*name).to_owned());
    let mark = ["crash-prod-8b357e2", "crash-prod-8b357e2e2", "crash-prod-8B357E2E", "8b357e2e"];
    let mark = mark.into_iter().map(str::to_owned);
    let pages = (0..60).map(|at| format!("{}-{at:02}", ours[0]));
    let wanted: Vec<String> = match size {
        Size::Few => near.take(1).collect(),
        Size::Many if kind == "emr-security-configuration" => {
            near.chain(others).chain(mark).chain(pages).collect()
        }
        Size::Many if kind == "log-group" => near.chain(others).chain(pages).collect(),
        Size::Many => near.chain(others).collect(),
    };
    let taken = |name: &str| kind == "cloudwatch-alarm" && name == "crash-prod-unwell";
    let mut found: Vec<String> = Vec::new();
    for name in wanted.iter().map(|name| allowed(kind, name)) {
        if !ours.contains(&name.as_str()) && !found.contains(&name) && !taken(&name) {
            found.push(name);
        }
    }
    found
}

/// The name in the letters that the kind's names have.
fn allowed(kind: &str, name: &str) -> String {
    let with = |other: char| {
        let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { other };
        name.chars().map(letter).collect::<String>()
    };
    match kind {
        "log-group" => name.to_owned(),
        "s3-bucket" => with('-').trim_matches('-').to_owned(),
        "glue-database" => with('_').trim_matches('_').to_owned(),
        // One name is one alarm, of whichever sort.
        "cloudwatch-composite-alarm" => format!("{}-all", with('-').trim_matches('-')),
        _ => with('-').trim_matches('-').to_owned(),
    }
}

/// A page of clusters that live and one of clusters that ended. Some have our cluster's own name,
/// which many may have; of each that lives EMR has to be asked whose it is.
fn clusters(here: &Neighbour, size: Size) {
    let many = if size == Size::Many { 110 } else { 2 };
    for (at, tags) in (0..many).zip(TAGS.iter().cycle()) {
        let retired = ("pipeline:retired", "true");
        let tags = tags.iter().copied().chain((at % 5 == 0).then_some(retired));
        let tags: Vec<_> = tags.collect();
        let namesake = at % (many / 2) < 4;
        let name = format!("crash-prod-spark-{at}");
        let id = here.cluster(if namesake { "crash-prod-spark" } else { &name }, &tags);
        if at >= many / 2 {
            let said = json!({ "JobFlowIds": [id] });
            here.json("ElasticMapReduce.TerminateJobFlows", &said);
        }
    }
}

/// Keys that say they have our alias and have none, and keys that wait for their end.
fn keys(here: &Neighbour, size: Size) {
    let many = if size == Size::Many { TAGS.len() } else { 1 };
    for (at, tags) in TAGS.iter().take(many).enumerate() {
        let tags = tags.iter().copied().chain([("pipeline:name", "crash-prod")]);
        let tags: Vec<_> = tags.collect();
        here.key(None, &tags);
        let alias = format!("crash-prod-gone-{at}");
        let id = here.key((at % 2 == 0).then_some(&alias), &tags);
        let said = json!({ "KeyId": id, "PendingWindowInDays": 7 });
        here.json("TrentService.ScheduleKeyDeletion", &said);
    }
}

/// In another region the very names that are ours, with our very tags.
fn elsewhere(there: &Neighbour, size: Size) {
    there.has("cloudwatch-alarm", "somebody", &[]);
    let global = ["iam-role", "s3-bucket", "cloudwatch-dashboard"];
    let regional = OURS.iter().filter(|(kind, _)| !global.contains(kind));
    let every = if size == Size::Many { 1 } else { 3 };
    for (kind, ours) in regional.step_by(every) {
        for name in *ours {
            there.has(kind, name, &[("pipeline:owner", OWNER), ("pipeline:id", "events")]);
        }
    }
}
