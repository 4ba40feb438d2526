//! What a good blueprint becomes, and what keeps a huge or a broken one harmless.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use pipeline::blueprint::load::{BYTES_MAX, Choice, RESOURCES_MAX, environments, load};
use pipeline::blueprint::problem::Problem;
use pipeline::blueprint::schema::schema;
use pipeline::blueprint::{At, Desired, Id, Node, Protect, When};
use pipeline::kind::Name;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::bad::{kinds, specimens};

const FLAGSHIP: &str = r#"
name: shop-${var.stage}
region: eu-west-1
variables:
  stage: { default: dev, allowed: [dev, prod] }
  count: 2
  keep: false
environments:
  prod:
    variables: { stage: prod, count: 8 }
    region: us-gov-west-1
    tags: { cost: high, team: ~ }
    resources:
      events: { retention_hours: 48, shard_metrics: [ALL], shards: ~ }
      extra: { kind: kinesis-stream, name: "extra-${var.stage}", key: ~ }
    jobs:
      process: { retries: 3, conf: { spark.cores: 4 } }
tags: { team: data, cost: "1" }
artifacts: lake
resources:
  lake:
    kind: s3-bucket
    name: shop-${var.stage}-${account}
    policy:
      Statement:
        - Effect: Allow
          Action: s3:Get*
          Resource: arn:${partition}:s3:::x/${aws:username}/*
  events:
    kind: kinesis-stream
    name: shop-${var.stage}-events
    shards: ${var.count}
    shard_metrics: [OutgoingBytes, IncomingBytes]
    key: alias/${lake.arn}
    protect: ${var.keep}
    ignore: [tags.cost]
    tags: { cost: "2", shards: "${var.count}" }
  script:
    kind: s3-object
    bucket: ${lake.name}
    key: job.py
    source: files/job.py
    depends_on: [events]
  flink:
    kind: emr-cluster
    name: shop
    nodes: ${var.count}
    protect: true
    security: ${secure.name}
  secure:
    kind: emr-security-configuration
    name: shop-secure
jobs:
  process:
    kind: spark
    cluster: flink
    script: files/job.py
    args: ["--hour", "${param.hour}", "${events.name}", 5, true]
    conf: { spark.cores: 2, spark.path: "${script.uri}" }
    params: { hour: now, day: 1 }
    timeout: 90m
  after:
    kind: spark
    cluster: flink
    script: files/job.py
    after: [process]
    when: manual
outputs:
  stream: ${events.arn} in ${region}
  count: ${var.count}
"#;

fn file() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad/flagship.yaml")
}

fn shown(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect()
}

fn desired(text: &str, choice: &Choice) -> Desired {
    match load(&file(), text, choice, &specimens()) {
        Ok(loaded) => loaded.desired,
        Err(problems) => panic!("{}", shown(&problems)),
    }
}

fn refused(text: &str) -> Vec<Problem> {
    match load(&file(), text, &Choice::default(), &specimens()) {
        Ok(_) => panic!("loaded: {text}"),
        Err(problems) => problems,
    }
}

fn node<'d>(desired: &'d Desired, id: &str) -> &'d Node {
    &desired.nodes[&Id::new(id)]
}

fn ids<'i>(ids: impl IntoIterator<Item = &'i Id>) -> String {
    ids.into_iter().map(Id::as_str).collect::<Vec<_>>().join(" ")
}

fn prod() -> Choice {
    Choice {
        environment: Some("prod".into()),
        account: Some("123456789012".into()),
        ..Choice::default()
    }
}

#[test]
fn names_and_values_are_known_before_any_call() {
    let desired = desired(FLAGSHIP, &Choice::default());
    assert_eq!(desired.owner.to_string(), "shop-dev/default/eu-west-1");
    assert_eq!(node(&desired, "events").identity, Name::new("shop-dev-events"));
    assert_eq!(node(&desired, "events").spec["shards"], json!(2));
    assert_eq!(node(&desired, "events").spec["key"], "alias/${lake.arn}");
    assert_eq!(
        node(&desired, "lake").spec["policy"]["Statement"][0]["Resource"][0],
        "arn:aws:s3:::x/${aws:username}/*"
    );
    assert_eq!(desired.outputs["stream"], "${events.arn} in eu-west-1");
    assert_eq!(desired.outputs["count"], "2");
    assert_eq!(desired.artifacts.map(|artifacts| artifacts.bucket), Some(Id::new("lake")));
}

#[test]
fn an_account_is_filled_in_once_it_is_known() {
    let offline = desired(FLAGSHIP, &Choice::default());
    assert_eq!(node(&offline, "lake").identity, Name::new("shop-dev-${account}"));
    assert_eq!(node(&offline, "script").identity, Name::new("shop-dev-${account}/job.py"));
    let known = desired(FLAGSHIP, &prod());
    assert_eq!(node(&known, "lake").identity, Name::new("shop-prod-123456789012"));
    assert_eq!(node(&known, "script").identity, Name::new("shop-prod-123456789012/job.py"));
}

#[test]
fn an_environment_changes_adds_and_takes_away() {
    let desired = desired(FLAGSHIP, &prod());
    assert_eq!(desired.owner.to_string(), "shop-prod/prod/us-gov-west-1");
    let events = &node(&desired, "events").spec;
    assert_eq!(events["retention_hours"], 48);
    assert_eq!(events["shards"], Value::Null);
    assert_eq!(events["shard_metrics"], json!(["ALL"]));
    assert_eq!(events["tags"]["cost"], "2");
    assert_eq!(events["tags"].get("team"), None);
    assert_eq!(node(&desired, "extra").spec["tags"]["cost"], "high");
    assert_eq!(node(&desired, "flink").spec["nodes"], 8);
    let statement = &node(&desired, "lake").spec["policy"]["Statement"][0];
    assert_eq!(statement["Resource"][0], "arn:aws-us-gov:s3:::x/${aws:username}/*");
    let job = &desired.jobs[&Id::new("process")];
    assert_eq!((job.retries, job.conf["spark.cores"].as_str()), (3, "4"));
    assert_eq!(environments(FLAGSHIP), ["prod"]);
}

#[test]
fn tags_say_whose_a_resource_is() {
    let desired = desired(FLAGSHIP, &Choice::default());
    assert_eq!(
        node(&desired, "events").spec["tags"],
        json!({
            "cost": "2",
            "shards": "2",
            "team": "data",
            "pipeline:id": "events",
            "pipeline:owner": "shop-dev/default/eu-west-1",
        })
    );
    assert_eq!(node(&desired, "secure").spec.get("tags"), None);
}

#[test]
fn what_a_resource_refers_to_it_needs() {
    let desired = desired(FLAGSHIP, &Choice::default());
    for (id, needs) in
        [("lake", ""), ("events", "lake"), ("script", "events lake"), ("flink", "secure")]
    {
        assert_eq!(ids(&node(&desired, id).needs), needs, "{id}");
    }
    let spec = &node(&desired, "script").spec;
    assert_eq!(spec["bucket"], "${lake.name}", "the spec keeps its reference");
    assert_eq!(node(&desired, "flink").spec["security"], "${secure.name}");
}

#[test]
fn what_holds_data_is_protected_unless_the_blueprint_says_otherwise() {
    let desired = desired(FLAGSHIP, &Choice::default());
    for (id, protect) in [
        ("lake", Protect::ByDefault),
        ("events", Protect::No),
        ("flink", Protect::Written),
        ("script", Protect::No),
    ] {
        assert_eq!(node(&desired, id).protect, protect, "{id}");
    }
    assert!(node(&desired, "flink").on_demand && !node(&desired, "lake").on_demand);
    assert_eq!(node(&desired, "events").ignore, ["tags.cost"]);
}

#[test]
fn every_field_knows_its_place() {
    let desired = desired(FLAGSHIP, &Choice::default());
    let events = node(&desired, "events");
    let line = |needle: &str| {
        let index = FLAGSHIP.lines().position(|line| line.contains(needle));
        u32::try_from(index.expect("it is there") + 1).expect("it is small")
    };
    assert_eq!(events.at, At { line: line("name: shop-${var.stage}-events") - 2, column: 3 });
    for (field, needle, column) in [
        ("shards", "shards: ${var.count}", 13),
        ("shard_metrics", "[OutgoingBytes", 5),
        ("shard_metrics.0", "[OutgoingBytes", 21),
        ("tags.cost", "cost: \"2\"", 19),
        ("tags.team", "tags: { team: data", 15),
    ] {
        assert_eq!(events.fields.get(field), Some(&At { line: line(needle), column }), "{field}");
    }
}

#[test]
fn a_job_has_what_it_needs_to_run() {
    let desired = desired(FLAGSHIP, &Choice::default());
    let job = &desired.jobs[&Id::new("process")];
    assert_eq!(job.cluster, Id::new("flink"));
    assert!(job.script.is_absolute() && job.script.ends_with("tests/bad/files/job.py"));
    assert_eq!(job.args, ["--hour", "${param.hour}", "${events.name}", "5", "true"]);
    assert_eq!(
        job.params,
        BTreeMap::from([("day".into(), "1".into()), ("hour".into(), "now".into())])
    );
    assert_eq!(ids(&job.needs), "events flink lake script");
    assert_eq!(job.timeout.map(|timeout| timeout.seconds), Some(5_400));
    assert_eq!((job.retries, job.when), (0, When::Changed));
    let after = &desired.jobs[&Id::new("after")];
    assert_eq!((ids(&after.after).as_str(), after.when), ("process", When::Manual));
}

#[test]
fn what_submits_a_job_in_our_place_is_told_all_of_it() {
    let desired = desired(&FLAGSHIP.replace("${secure.name}", "${process.request}"), &prod());
    let told = node(&desired, "flink");
    assert_eq!(ids(&told.needs), "events lake script");
    let request = told.spec["security"].as_str().expect("text");
    let request: Value = serde_json::from_str(request).expect("JSON");
    let base = "s3://${lake.name}/pipeline/shop-prod/prod";
    let script = request["script"]["uri"].as_str().expect("a script");
    assert!(script.starts_with(&format!("{base}/scripts/")), "{script}");
    assert!(script.ends_with("/job.py"), "{script}");
    let args = &request["step"]["HadoopJarStep"]["Args"];
    let tail = args.as_array().expect("a list").iter().rev().take(6).rev().collect::<Vec<_>>();
    assert_eq!(json!(tail), json!([script, "--hour", "%{hour}", "${events.name}", "5", "true"]));
    assert_eq!(request["step"]["Name"], "process#%{hash}");
    assert_eq!(request["params"], json!({"day": "1", "hour": "now"}));
    assert_eq!(request["runs"], json!(format!("{base}/runs/process/")));
    assert_eq!(request["last"], json!(format!("{base}/last/process.json")));
}

#[test]
fn the_rules_of_a_job_are_its_last_argument() {
    let map = "{ value: { type: number, min: 0, max: 10 }, id: { type: text, min_length: 1 } }";
    let told = r#"--rules={"id":{"min_length":1,"type":"text"},"value":{"max":10,"min":0,"type":"number"}}"#;
    for rules in [map, "files/orders.yaml"] {
        let before = "    timeout: 90m";
        let blueprint = FLAGSHIP.replace(before, &format!("    rules: {rules}\n{before}"));
        let job = &desired(&blueprint, &Choice::default()).jobs[&Id::new("process")];
        assert_eq!(job.args.last().map(String::as_str), Some(told), "{rules}");
        assert_eq!(job.args.len(), 6);
    }
}

#[test]
fn a_file_beside_the_blueprint_becomes_its_digest() {
    let desired = desired(FLAGSHIP, &Choice::default());
    let spec = &node(&desired, "script").spec;
    let source = spec["source"].as_str().expect("a path");
    assert!(Path::new(source).is_absolute() && source.ends_with("tests/bad/files/job.py"));
    assert_eq!(
        spec["sha256"], "152c2f724c3461885e1792b8bf36c3934f45852bc9b05eaae8eede8bc7e7f605",
        "of {source}"
    );
}

fn with_folder(fill: impl FnOnce(&Path)) -> Result<Value, String> {
    let temporary = tempfile::tempdir().expect("a folder");
    let folder = temporary.path().join("code");
    fs::create_dir(&folder).expect("made");
    fill(&folder);
    let text = "name: shop\nregion: eu-west-1\nresources:\n  code:\n    kind: s3-folder\n    \
                bucket: shop-lake\n    prefix: code/\n    source: code\n";
    match load(&temporary.path().join("shop.yaml"), text, &Choice::default(), &specimens()) {
        Ok(loaded) => Ok(node(&loaded.desired, "code").spec["files"].clone()),
        Err(problems) => Err(problems.iter().map(|problem| problem.what.clone()).collect()),
    }
}

#[test]
fn a_folder_becomes_the_digests_of_its_files() {
    let files = with_folder(|folder| {
        fs::create_dir_all(folder.join("lib/__pycache__")).expect("made");
        for name in ["job.py", "lib/util.py", "lib/__pycache__/util.pyc", ".DS_Store"] {
            fs::write(folder.join(name), "").expect("written");
        }
    });
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(files, Ok(json!({ "job.py": empty, "lib/util.py": empty })));
}

#[test]
fn a_folder_of_too_many_files_is_refused() {
    let files = with_folder(|folder| {
        for number in 0..=1_000 {
            fs::write(folder.join(number.to_string()), "").expect("written");
        }
    });
    assert_eq!(files, Err("`source` holds more than 1000 files".into()));
}

fn streams(count: usize) -> String {
    let mut text = "name: shop\nregion: eu-west-1\nresources:\n".to_owned();
    for number in 0..count {
        writeln!(text, "  s{number}: {{ kind: kinesis-stream, name: s{number} }}").expect("text");
    }
    text
}

#[test]
fn limits_are_named_when_they_are_passed() {
    let comment = "#".repeat(BYTES_MAX);
    let aliases = format!("{}all: &a [x]\nname: [{}]\n", "", vec!["*a"; 10_001].join(", "));
    let bomb = (1..12).fold("a0: &a0 [x, x, x, x, x, x, x, x]\n".to_owned(), |text, level| {
        let below = vec![format!("*a{}", level - 1); 8].join(", ");
        format!("{text}a{level}: &a{level} [{below}]\n")
    });
    let values = format!("name: [{}]", vec!["1"; 400_001].join(","));
    let tags: String = (0..49).map(|number| format!("t{number}: x, ")).collect();
    let tagged = "name: shop\nregion: eu-west-1\nresources:\n  a: {kind: kinesis-stream, name: a, \
                  tags: {TAGS}}\n";
    for (text, what) in [
        (comment + "\n", "a blueprint has at most 4 MiB, not 4194305 bytes"),
        (streams(RESOURCES_MAX + 1), "a blueprint has at most 2000 resources, not 2001"),
        (aliases, "more than 10000 aliases"),
        (bomb, "aliases grow the file to more than 200000 values"),
        (values, "more than 400000 values"),
        (format!("name: {}1{}", "[".repeat(40), "]".repeat(40)), "nested more than 32 deep"),
        (format!("{}x: 1", "- ".repeat(3_000)), "nested more than 32 deep"),
        (tagged.replace("TAGS", &tags), "`tags` are more than 48"),
    ] {
        let found = refused(&text);
        assert_eq!(found[0].what, what);
        assert!(found[0].to_string().len() < 1_000, "a snippet is short");
    }
}

#[test]
fn the_largest_blueprint_loads() {
    let desired = desired(&streams(RESOURCES_MAX), &Choice::default());
    assert_eq!(desired.nodes.len(), RESOURCES_MAX);
}

#[test]
fn thousands_of_problems_end_in_a_count() {
    let text = streams(RESOURCES_MAX).replace(", name: s", ", nmae: s");
    let found = refused(&text);
    assert_eq!(found.len(), 1_001);
    assert_eq!(found[1_000].what, "4000 problems were found, and 1000 are shown");
}

#[test]
fn loading_twice_finds_the_same() {
    let once = desired(FLAGSHIP, &prod());
    let again = desired(FLAGSHIP, &prod());
    for (id, node) in &once.nodes {
        let other = &again.nodes[id];
        assert_eq!(
            (&node.identity, &node.spec, &node.fields),
            (&other.identity, &other.spec, &other.fields)
        );
    }
    let broken = FLAGSHIP.replace("kind", "knd");
    assert_eq!(refused(&broken), refused(&broken));
}

#[test]
fn a_normal_form_stays_as_it_is() {
    let desired = desired(FLAGSHIP, &Choice::default());
    for (id, node) in &desired.nodes {
        let again = node.kind.normalize(&node.spec).expect("it was normal");
        assert_eq!(again.spec, node.spec, "{id}");
    }
}

/// Something for each variable that has to be given.
fn without_value(problems: &[Problem]) -> BTreeMap<String, String> {
    let name = |problem: &Problem| {
        let rest = problem.what.strip_prefix("variable `")?;
        rest.strip_suffix("` has no value").map(str::to_owned)
    };
    problems.iter().filter_map(name).map(|name| (name, "given".to_owned())).collect()
}

#[test]
fn every_example_loads() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("blueprints");
    for folder in [root.clone(), root.join("kinds")] {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        let files = entries.map(|entry| entry.expect("it can be read").path());
        for path in files.filter(|path| path.extension().is_some_and(|end| end == "yaml")) {
            let text = fs::read_to_string(&path).expect("text");
            let mut choices = vec![Choice::default()];
            choices.extend(environments(&text).into_iter().map(|name| Choice {
                environment: Some(name),
                account: Some("123456789012".into()),
                ..Choice::default()
            }));
            for choice in choices {
                let mut loaded = load(&path, &text, &choice, &kinds());
                if let Err(problems) = &loaded {
                    let variables = without_value(problems);
                    loaded = load(&path, &text, &Choice { variables, ..choice }, &kinds());
                }
                if let Err(problems) = loaded {
                    panic!("{}", shown(&problems));
                }
            }
        }
    }
}

fn references<'s>(schema: &'s Value, found: &mut Vec<&'s str>) {
    match schema {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str));
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn the_schema_for_editors_is_whole() {
    let schema = schema(&specimens());
    let mut found = Vec::new();
    references(&schema, &mut found);
    for target in found {
        let path = target.strip_prefix('#').expect("a reference within the document");
        assert!(schema.pointer(path).is_some(), "{target} leads somewhere");
    }
    for (path, value) in [
        ("/$defs/s3-bucket/properties/name/x-replace", json!(true)),
        ("/$defs/s3-bucket.Lifecycle/properties/prefix/x-replace", json!(true)),
        ("/$defs/vault/properties/secret/x-secret", json!(true)),
        ("/$defs/vault/properties/seed/x-write-only", json!(true)),
        ("/$defs/s3-bucket/properties/kind/const", json!("s3-bucket")),
        ("/$defs/s3-bucket/properties/versioning/anyOf/1/$ref", json!("#/$defs/variable")),
        ("/$defs/kinesis-stream.Mode/anyOf/1/$ref", json!("#/$defs/variable")),
        ("/$defs/s3-bucket/additionalProperties", json!(false)),
    ] {
        assert_eq!(schema.pointer(path), Some(&value), "{path}");
    }
    assert_eq!(schema.pointer("/$defs/s3-object/properties/sha256"), None);
}

const INSTEAD: &str = "[-:{}\\[\\]$a-z\"'&*!#|> \n]{0,4}";

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is done to a file, its problems stand in it.
    #[test]
    fn a_broken_blueprint_has_problems_with_places(
        cuts in prop::collection::vec((0..FLAGSHIP.len(), 0..12_usize, INSTEAD), 1..5),
    ) {
        let mut text = FLAGSHIP.to_owned();
        for (from, length, instead) in cuts {
            let from = from.min(text.len());
            let to = (from + length).min(text.len());
            text.replace_range(from..to, &instead);
        }
        if let Err(problems) = load(&file(), &text, &prod(), &specimens()) {
            prop_assert!(!problems.is_empty());
            let lines: Vec<&str> = text.split('\n').collect();
            for Problem { at, .. } in problems {
                let line = lines.get(at.line as usize - 1);
                let stands = line.is_some_and(|line| at.column as usize <= line.len() + 1);
                prop_assert!(stands, "{at:?} in {text}");
            }
        }
    }
}
