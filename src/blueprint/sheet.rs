//! What the loader knows of a kind: asked once a load, however many resources are of it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::kind::Kind;

use super::expected::{alternatives, field, fields};
use super::files::{Source, source_of};
use super::grammar;
use super::shape::join;

pub(super) struct Sheet {
    pub kind: &'static dyn Kind,
    /// The kind's schema with the language's own keys among its fields, and without those that
    /// the loader fills.
    pub schema: Value,
    pub tagged: bool,
    pub source: Option<&'static Source>,
    /// `a kinesis-stream`
    pub called: String,
}

/// The kinds that a blueprint uses.
pub(super) type Sheets = BTreeMap<&'static str, Sheet>;

impl Sheet {
    pub fn new(kind: &'static dyn Kind) -> Self {
        let mut schema = kind.schema();
        let source = source_of(kind.name());
        let mut tagged = false;
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            tagged = properties.contains_key("tags");
            if let Some(tags) = properties.get_mut("tags").and_then(Value::as_object_mut) {
                tags.entry("description").or_insert_with(|| grammar::TAGS.into());
            }
            if let Some(source) = source {
                properties.remove(source.digest);
            }
            if let Value::Object(meta) = grammar::meta() {
                properties.extend(meta);
            }
        }
        if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
            required.retain(|name| source.is_none_or(|source| name != source.digest));
        }
        Self { kind, schema, tagged, source, called: with_article(kind.name()) }
    }

    /// Whether the steps lead to a field. A key that is anybody's may itself have dots.
    fn leads(&self, schema: &Value, steps: &[&str]) -> bool {
        let [step, rest @ ..] = steps else { return true };
        alternatives(&self.schema, schema).into_iter().any(|schema| {
            below(schema, step).is_some_and(|below| self.leads(below, rest))
                || values(schema).is_some_and(|values| {
                    (1..steps.len()).any(|dots| self.leads(values, &steps[dots + 1..]))
                })
        })
    }

    /// Whether the path leads to a field; if not, the step that does not, and what is there.
    pub fn resolve(&self, path: &str) -> Result<(), (String, Vec<&str>)> {
        const STEPS_MAX: usize = 32;
        let steps: Vec<&str> = path.split('.').take(STEPS_MAX + 1).collect();
        if steps.len() > STEPS_MAX {
            return Err((path.to_owned(), Vec::new()));
        }
        if !grammar::META.contains(&steps[0]) && self.leads(&self.schema, &steps) {
            return Ok(());
        }
        let mut here = vec![&self.schema];
        let mut walked = String::new();
        for step in path.split('.') {
            let open: Vec<&Value> =
                here.iter().flat_map(|schema| alternatives(&self.schema, schema)).collect();
            walked = join(&walked, step);
            let own = walked == step && grammar::META.contains(&step);
            here =
                if own { Vec::new() } else { open.iter().filter_map(|s| below(s, step)).collect() };
            if here.is_empty() {
                let known = open.iter().flat_map(|schema| fields(schema));
                let top = walked == step;
                let known = known.filter(|name| !(top && grammar::META.contains(name))).collect();
                return Err((walked, known));
            }
        }
        Ok(())
    }
}

/// The schema of a map's values, where its keys are anybody's.
fn values(schema: &Value) -> Option<&Value> {
    schema.get("additionalProperties").filter(|values| values.is_object())
}

/// `an s3-bucket`, `a kms-key`
pub(super) fn with_article(kind: &str) -> String {
    let vowels = ["a", "e", "i", "o", "s3-", "sns-", "sqs-"];
    let article = if vowels.iter().any(|vowel| kind.starts_with(vowel)) { "an" } else { "a" };
    format!("{article} {kind}")
}

fn below<'s>(schema: &'s Value, step: &str) -> Option<&'s Value> {
    match schema.get("items") {
        Some(items) => step.bytes().all(|b| b.is_ascii_digit()).then_some(items),
        None if schema.get("type").is_some_and(|t| !mentions_object(t)) => None,
        None => field(schema, step),
    }
}

fn mentions_object(types: &Value) -> bool {
    match types {
        Value::String(one) => one == "object",
        Value::Array(many) => many.iter().any(|one| one == "object"),
        _ => false,
    }
}
