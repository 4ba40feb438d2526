//! The JSON Schema of a whole blueprint, for editors.

use serde_json::{Map, Value, json};

use crate::kind::{Kind, Mark};

use super::grammar;
use super::sheet::Sheet;

const ID: &str = "^[A-Za-z][A-Za-z0-9_-]*$";
/// A variable may stand where a number, a truth value or one of some words is expected.
const VARIABLE: &str = "^\\$\\{var\\.[A-Za-z][A-Za-z0-9_-]*\\}$";

/// What `pipeline schema` prints. Rules are told as `x-replace`, `x-write-only` and `x-secret`.
pub fn schema(kinds: &[&'static dyn Kind]) -> Value {
    let mut definitions = Map::new();
    definitions.insert("variable".into(), json!({ "type": "string", "pattern": VARIABLE }));
    definitions.insert("reference".into(), json!({ "type": "string", "pattern": "\\$\\{" }));
    let mut forms = Vec::new();
    for kind in kinds {
        let name = kind.name();
        forms.push(json!({
            "if": { "properties": { "kind": { "const": name } }, "required": ["kind"] },
            "then": { "$ref": format!("#/$defs/{name}") },
        }));
        define(*kind, &mut definitions);
    }
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    let mut properties = grammar::sections();
    properties["resources"] = json!({
        "description": "What should exist, by id.",
        "type": ["object", "null"],
        "propertyNames": { "pattern": ID },
        "additionalProperties": {
            "type": "object",
            "properties": { "kind": { "description": "What it is.", "enum": names } },
            "required": ["kind"],
            "allOf": forms,
        },
    });
    let jobs = &mut properties["jobs"];
    jobs["propertyNames"] = json!({ "pattern": ID });
    open(&mut jobs["additionalProperties"]);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A blueprint of `pipeline`",
        "type": "object",
        "properties": properties,
        "required": ["name", "region", "resources"],
        "additionalProperties": false,
        "$defs": definitions,
    })
}

/// Adds a kind's schema, and what it refers to under names of the kind's own.
fn define(kind: &'static dyn Kind, definitions: &mut Map<String, Value>) {
    let mut schema = Sheet::new(kind).schema;
    for rule in kind.rules() {
        let word = match rule.mark {
            Mark::Replace => "x-replace",
            Mark::WriteOnly => "x-write-only",
            Mark::Secret => "x-secret",
        };
        let steps: Vec<&str> = rule.path.split('.').collect();
        let mut pointers = Vec::new();
        find(&schema, "", &steps, &mut pointers, 0);
        for pointer in pointers {
            if let Some(Value::Object(field)) = schema.pointer_mut(&pointer) {
                field.insert(word.into(), true.into());
            }
        }
    }
    let name = kind.name();
    let own = schema.as_object_mut().and_then(|schema| {
        schema.remove("$schema");
        schema.remove("title");
        schema.remove("$defs")
    });
    for (of, mut definition) in own.and_then(|own| own.as_object().cloned()).unwrap_or_default() {
        rename(&mut definition, name);
        open(&mut definition);
        definitions.insert(format!("{name}.{of}"), definition);
    }
    rename(&mut schema, name);
    open(&mut schema);
    schema["properties"]["kind"] = json!({ "description": "What it is.", "const": name });
    definitions.insert(name.into(), schema);
}

/// Where the fields of a rule's path stand in the schema.
fn find(schema: &Value, here: &str, steps: &[&str], found: &mut Vec<String>, depth: usize) {
    const DEPTH_MAX: usize = 64;
    if depth > DEPTH_MAX {
        return;
    }
    let Some(node) = schema.pointer(here) else { return };
    let [step, rest @ ..] = steps else {
        found.push(here.to_owned());
        return;
    };
    if let Some(target) = node.get("$ref").and_then(Value::as_str) {
        return find(schema, target.trim_start_matches('#'), steps, found, depth + 1);
    }
    for choices in ["anyOf", "oneOf"] {
        for index in 0..node.get(choices).and_then(Value::as_array).map_or(0, Vec::len) {
            find(schema, &format!("{here}/{choices}/{index}"), steps, found, depth + 1);
        }
    }
    let below: &[String] = match *step {
        "*" => &["additionalProperties".into(), "items".into()],
        field => &[format!("properties/{field}")],
    };
    for step in below {
        let next = format!("{here}/{step}");
        if schema.pointer(&next).is_some() {
            find(schema, &next, rest, found, depth + 1);
        }
    }
}

fn rename(schema: &mut Value, kind: &str) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(target) if key == "$ref" => {
                        *target = target.replace("#/$defs/", &format!("#/$defs/{kind}."));
                    }
                    _ => rename(value, kind),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, kind)),
        _ => {}
    }
}

/// Lets a variable stand wherever the text of one would not do otherwise.
fn open(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    if is_closed(map) {
        let told = ["description", "default", "x-replace", "x-write-only", "x-secret"];
        let told: Vec<_> = told.iter().filter_map(|key| Some((*key, map.remove(*key)?))).collect();
        let instead = if map.contains_key("pattern") { "reference" } else { "variable" };
        let closed = Value::Object(std::mem::take(map));
        let instead = json!({ "$ref": format!("#/$defs/{instead}") });
        map.insert("anyOf".into(), json!([closed, instead]));
        map.extend(told.into_iter().map(|(key, value)| (key.to_owned(), value)));
        return;
    }
    // A variable fits each of several forms, so that exactly one would be too few.
    if let Some(forms) = map.remove("oneOf") {
        map.insert("anyOf".into(), forms);
    }
    for (key, value) in map {
        match (key.as_str(), value) {
            ("properties" | "patternProperties", Value::Object(fields)) => {
                fields.values_mut().for_each(open);
            }
            ("anyOf" | "prefixItems", Value::Array(schemas)) => {
                schemas.iter_mut().for_each(open);
            }
            ("items" | "additionalProperties", schema) => open(schema),
            _ => {}
        }
    }
}

/// Whether the schema is of single values, and a reference is none of them.
fn is_closed(schema: &Map<String, Value>) -> bool {
    if ["const", "enum", "pattern"].iter().any(|key| schema.contains_key(*key)) {
        return true;
    }
    let single =
        |word: &Value| ["integer", "number", "boolean", "null"].iter().any(|single| word == single);
    match schema.get("type") {
        Some(Value::Array(many)) => many.iter().all(single),
        Some(one) => single(one) && one != "null",
        None => false,
    }
}
