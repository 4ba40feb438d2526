//! What holds for every kind and every example blueprint, so that a new kind is held to it by
//! being in `KINDS`.

use std::fs;
use std::path::{Path, PathBuf};

use pipeline::blueprint::Desired;
use pipeline::blueprint::load::{Choice, load};
use pipeline::blueprint::schema::schema;
use pipeline::kind::Kind;
use pipeline::resources::KINDS;
use serde_json::{Value, json};

use crate::json_schema;

/// The flagship is read in one sitting.
const FLAGSHIP_LINES: usize = 550;

pub fn kinds() -> Vec<&'static dyn Kind> {
    KINDS.iter().map(|driver| *driver as &dyn Kind).collect()
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every blueprint among the examples.
fn blueprints() -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![root().join("blueprints")]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// An example of a kind, and the path to it.
pub fn example(kind: &dyn Kind) -> (PathBuf, String, Desired) {
    let path = root().join(format!("blueprints/kinds/{}.yaml", kind.name()));
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let choice = Choice { account: Some("123456789012".into()), ..Choice::default() };
    match load(&path, &text, &choice, &kinds()) {
        Ok(loaded) => (path, text, loaded.desired),
        Err(found) => panic!("{}", found.iter().map(|p| format!("{p}\n")).collect::<String>()),
    }
}

#[test]
fn every_blueprint_begins_with_the_line_that_gives_editors_its_schema() {
    for path in blueprints() {
        let text = fs::read_to_string(&path).unwrap();
        let schema = text.lines().next().and_then(|line| {
            line.strip_prefix("# yaml-language-server: $schema=").map(|to| path.with_file_name(to))
        });
        let there = schema.and_then(|schema| schema.canonicalize().ok());
        let published = root().join("docs/blueprint.schema.json").canonicalize().ok();
        assert!(there.is_some() && there == published, "{}", path.display());
    }
}

#[test]
fn the_flagship_is_short() {
    let lines = fs::read_to_string(root().join("blueprints/clickstream.yaml")).unwrap();
    assert!(lines.lines().count() < FLAGSHIP_LINES);
}

#[test]
fn every_kind_has_an_example_whose_normal_form_is_its_own() {
    for kind in kinds() {
        let (path, _, desired) = example(kind);
        let of_kind: Vec<_> =
            desired.nodes.values().filter(|node| node.kind.name() == kind.name()).collect();
        assert!(!of_kind.is_empty(), "{}: has no {}", path.display(), kind.name());
        for node in of_kind {
            let again = kind.normalize(&node.spec).unwrap();
            assert_eq!(again.spec, node.spec, "{}", path.display());
            let mut unknown = node.spec.clone();
            unknown["no_such_field"] = json!(1);
            assert!(kind.normalize(&unknown).is_err(), "a {} takes any field", kind.name());
        }
    }
}

/// The schemas of what a path leads to; `*` is any key or index.
fn at<'s>(root: &'s Value, schema: &'s Value, path: &[&str]) -> Vec<&'s Value> {
    let mut found = Vec::new();
    for schema in json_schema::open(root, schema) {
        let Some((step, rest)) = path.split_first() else {
            found.push(schema);
            continue;
        };
        let below = match *step {
            "*" => ["additionalProperties", "items"].iter().find_map(|key| schema.get(*key)),
            field => schema.get("properties").and_then(|fields| fields.get(field)),
        };
        found.extend(below.into_iter().flat_map(|below| at(root, below, rest)));
    }
    found
}

#[test]
fn every_rule_speaks_of_a_field() {
    for kind in kinds() {
        let schema = kind.schema();
        for rule in kind.rules() {
            let path: Vec<_> = rule.path.split('.').collect();
            let found = at(&schema, &schema, &path);
            assert!(!found.is_empty(), "{}: no field `{}`", kind.name(), rule.path);
        }
    }
}

/// Every schema within a schema, with its path.
fn within<'s>(schema: &'s Value, path: &str, found: &mut Vec<(String, &'s Value)>) {
    found.push((path.to_owned(), schema));
    match schema {
        Value::Object(map) => {
            map.iter().for_each(|(key, below)| within(below, &format!("{path}/{key}"), found));
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(index, below)| {
            within(below, &format!("{path}/{index}"), found);
        }),
        _ => {}
    }
}

#[test]
fn every_field_is_described_and_no_map_of_fields_takes_others() {
    let schema = schema(&kinds());
    let mut all = Vec::new();
    within(&schema, "", &mut all);
    let mut wrong = Vec::new();
    for (path, schema) in &all {
        let Some(fields) = schema.get("properties").and_then(Value::as_object) else { continue };
        if path.ends_with("/properties") || path.ends_with("/if") {
            continue; // A field of that name, and a condition.
        }
        for (name, field) in fields {
            let told = field.get("description").or_else(|| {
                let target = field.get("$ref")?.as_str()?.strip_prefix('#')?;
                all.iter().find(|(path, _)| path == target)?.1.get("description")
            });
            // A form of a choice has one field, and what it says of itself it says of that.
            let told = told.or_else(|| schema.get("description").filter(|_| fields.len() == 1));
            if told.is_none_or(|told| told == "") {
                wrong.push(format!("{path}: `{name}` is not described"));
            }
        }
        let closed = schema.get("additionalProperties") == Some(&json!(false));
        if !closed && schema.get("allOf").is_none() {
            wrong.push(format!("{path}: takes fields that it does not know"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_output_and_every_kind_has_a_name_that_a_reference_can_have() {
    for kind in kinds() {
        for output in kind.outputs() {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(output.chars().all(plain), "{}: `{output}`", kind.name());
        }
        assert!(!kind.outputs().is_empty(), "{} has outputs", kind.name());
    }
}

#[test]
fn the_published_schema_takes_every_blueprint() {
    let schema = schema(&kinds());
    for path in blueprints() {
        assert_eq!(json_schema::wrong(&schema, &read(&path)), None, "{}", path.display());
    }
}

#[test]
fn the_published_schema_refuses_what_is_wrong_and_lets_variables_stand_anywhere() {
    let schema = schema(&kinds());
    let table = json!({
        "kind": "glue-table", "database": "lake", "name": "events", "location": "s3://b/events/",
        "format": "${var.format}", "columns": [{ "name": "id", "type": "string" }],
    });
    let stream = json!({
        "kind": "kinesis-stream", "name": "events", "mode": "${var.mode}",
        "shards": "${var.shards}", "retention_hours": 24,
    });
    let base = json!({
        "name": "example", "region": "eu-west-1",
        "resources": { "events": stream, "table": table },
    });
    assert_eq!(json_schema::wrong(&schema, &base), None);
    for (pointer, value) in [
        ("/resources/events/shards", json!("two")),
        ("/resources/events/retention", json!(24)),
        ("/resources/events/mode", json!("provisionned")),
        ("/resources/events/kind", json!("kinesis-streams")),
        ("/resources/1st", json!({ "kind": "kms-key", "name": "k" })),
        ("/resources/table/columns", json!([{ "name": "id", "sort": "string" }])),
        ("/jobs", json!({ "clean": { "kind": "spark", "cluster": "c" } })),
        ("/job", json!({})),
        ("/region", json!(null)),
    ] {
        let mut changed = base.clone();
        let (holder, field) = pointer.rsplit_once('/').unwrap();
        changed.pointer_mut(holder).unwrap()[field] = value;
        assert!(json_schema::wrong(&schema, &changed).is_some(), "{pointer}");
    }
}
