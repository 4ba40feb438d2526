//! Plans as other programs and pull requests see them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use pipeline::blueprint::Desired;
use pipeline::blueprint::load::{Choice as Variables, load};
use pipeline::jobs::Due;
use pipeline::kind::{Live, Phase, Place};
use pipeline::plan::{Choice, Snapshot, plan};
use pipeline::report::{Proposal, json, markdown};
use serde_json::{Value, json};

use crate::bad::kinds;
use crate::json_schema::wrong;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn desired(file: &str, text: &str) -> Desired {
    let account = Some("123456789012".to_owned());
    let variables = Variables { account, ..Variables::default() };
    match load(&Path::new(ROOT).join(file), text, &variables, &kinds()) {
        Ok(loaded) => loaded.desired,
        Err(problems) => panic!("{}", problems[0]),
    }
}

/// Nothing is there but what `live` says.
fn snapshot(desired: &Desired, live: impl Fn(&str, &Value) -> Option<Value>) -> Snapshot {
    let place = Place {
        partition: "aws".into(),
        account: "123456789012".into(),
        region: desired.region.clone(),
        owner: desired.owner.clone(),
    };
    let look = |id: &str, spec: &Value| {
        live(id, spec).map(|spec| Live { spec, outputs: BTreeMap::new(), phase: Phase::Ready })
    };
    let found = desired.nodes.iter().map(|(id, node)| (id.clone(), look(id.as_str(), &node.spec)));
    Snapshot { place, found: found.collect(), strays: Vec::new() }
}

#[test]
fn a_plan_as_json_is_as_its_published_schema_says() {
    let file = "blueprints/clickstream.yaml";
    let text = std::fs::read_to_string(Path::new(ROOT).join(file)).expect("the flagship is there");
    let desired = desired(file, &text);
    let snapshot = snapshot(&desired, |id, spec| {
        let mut spec = spec.clone();
        match id {
            "events" => spec["retention_hours"] = json!(24),
            "oncall" => {}
            _ => return None,
        }
        Some(spec)
    });
    let jobs = BTreeMap::from([(
        desired.jobs.keys().next().expect("a job").clone(),
        Due::Run("new".into()),
    )]);
    let steps = plan(&desired, &snapshot, &Choice::default());
    let proposal =
        Proposal { desired: &desired, place: &snapshot.place, plan: &steps, jobs: &jobs };
    let document = json::plan(&proposal);
    let schema = std::fs::read_to_string(Path::new(ROOT).join("docs/plan.schema.json"));
    let schema: Value =
        serde_json::from_str(&schema.expect("it is published")).expect("it is JSON");
    assert_eq!(wrong(&schema, &document), None);
    let step = |id: &str| {
        document["steps"].as_array().expect("steps").iter().find(|s| s["id"] == id).cloned()
    };
    assert_eq!(step("events").expect("a step")["changes"][0]["path"], "retention_hours");
    assert_eq!(step("oncall").expect("a step")["action"], "keep");
    assert!(wrong(&schema, &json!({"version": 2})).is_some(), "the schema refuses what is no plan");
}

#[test]
fn a_plan_of_any_size_fits_into_a_comment() {
    let mut text = "name: many\nregion: eu-west-1\nresources:\n".to_owned();
    for number in 0..1500 {
        let _ = writeln!(text, "  s{number}: {{ kind: kinesis-stream, name: many-{number} }}");
    }
    let desired = desired("many.yaml", &text);
    let snapshot = snapshot(&desired, |_, _| None);
    let steps = plan(&desired, &snapshot, &Choice::default());
    let proposal = Proposal {
        desired: &desired,
        place: &snapshot.place,
        plan: &steps,
        jobs: &BTreeMap::new(),
    };
    let comment = markdown::plan(&proposal);
    assert!(comment.len() < 65_000, "{} characters", comment.len());
    assert!(comment.contains("1500 to create") && comment.contains("too long for a comment"));
}
