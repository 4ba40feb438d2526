//! What somebody else does to the account.

use pipeline::kind::Phase;
use pipeline::kind::place::OWNER_TAG;
use serde_json::{Map, Value, json};

use crate::fake::Fake;
use crate::toys;
use crate::world::tagged;

use super::history::{Change, Guise, Outside};
use super::sheet::{Part, plain};

const SIBLING: &str = "shop/prod/eu-west-1";

pub fn meddle(fake: &Fake, parts: &[Part], outside: &Outside) {
    let (Outside::Delete(slot) | Outside::Change(slot, _) | Outside::Make(slot, _)) = outside;
    let Some(part) = parts.iter().find(|part| part.slot == *slot) else { return };
    match outside {
        Outside::Delete(_) => fake.lose(part.kind(), &part.name()),
        Outside::Change(_, change) => fake.reach(part.kind(), &part.name(), |spec, holds| {
            changed(part.kind(), *change, spec, holds);
        }),
        Outside::Make(_, guise) => make(fake, part, *guise),
    }
}

fn changed(kind: &str, change: Change, spec: &mut Value, holds: &mut u32) {
    match change {
        Change::Field => field(kind, spec),
        Change::Fixed => match kind {
            "stream" => spec["mode"] = "unlike".into(),
            "alarm" => spec["subject"] = "unlike".into(),
            "cluster" => spec["release"] = "unlike".into(),
            "disk" => spec["zone"] = "unlike".into(),
            _ => field(kind, spec),
        },
        Change::Tag => spec["tags"]["theirs"] = "1".into(),
        Change::Strip => spec["tags"] = json!({}),
        Change::Seize => spec["tags"][OWNER_TAG] = SIBLING.into(),
        Change::Fill => *holds = 2,
    }
}

fn field(kind: &str, spec: &mut Value) {
    match kind {
        "role" => spec["trust"] = "drifted".into(),
        "key" => spec["rotate"] = json!(spec["rotate"] != true),
        "bucket" => spec["rules"] = json!({"new": {"prefix": "", "days": 1}}),
        "stream" => spec["retention_hours"] = json!(999),
        "cluster" | "disk" => spec["size"] = json!(999),
        _ => spec["watches"] = json!(["drifted"]),
    }
}

fn make(fake: &Fake, part: &Part, guise: Guise) {
    let mut like = part.clone();
    if guise == Guise::Namesake {
        like.kind = (part.kind + 1) % toys::KINDS.len();
    }
    let kind = toys::KINDS[like.kind];
    let mut fields: Map<String, Value> = plain(&like);
    let word = if kind.name() == "key" { "alias" } else { "name" };
    if guise == Guise::Neighbour {
        fields[word] = format!("{}-too", part.name()).into();
    }
    let name = fields[word].as_str().unwrap().to_owned();
    if !toys::labelled(kind) && fake.knows(kind.name(), &name) {
        return;
    }
    let spec = match guise {
        Guise::Bare => Value::Object(fields),
        Guise::Odd => {
            let mut spec = Value::Object(fields);
            changed(kind.name(), Change::Fixed, &mut spec, &mut 0);
            spec
        }
        _ => tagged(fields, SIBLING, &part.id()),
    };
    fake.put(kind, &spec, &Phase::Ready, 1);
}
