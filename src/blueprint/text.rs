//! `${id.output}` in strings: found, filled in, and kept away from AWS until it is.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::kind::{Kind, Outputs};

use super::Id;

/// A reference in a string: `${events.arn}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    pub id: Id,
    pub output: String,
}

/// A spec with no reference left. Only `resolve` makes one, and only a `Resolved` can be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved(Value);

impl Resolved {
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// The same, but for the fields left to others: those are as `live` has them, because a call
    /// that changes their neighbours may have to send them too.
    pub fn leaving(&self, paths: &[String], live: &Value) -> Self {
        let mut spec = self.0.clone();
        paths.iter().for_each(|path| leave(&mut spec, live, path));
        Self(spec)
    }
}

/// Makes `spec` as `live` at `path`; a key may itself have dots.
fn leave(spec: &mut Value, live: &Value, path: &str) {
    let (Value::Object(ours), Value::Object(theirs)) = (spec, live) else { return };
    match (ours.contains_key(path), theirs.get(path), path.split_once('.')) {
        (_, Some(value), _) => {
            ours.insert(path.to_owned(), value.clone());
        }
        (true, None, _) => {
            ours.remove(path);
        }
        (false, None, Some((head, rest))) => {
            if let (Some(ours), Some(theirs)) = (ours.get_mut(head), theirs.get(head)) {
                leave(ours, theirs, rest);
            }
        }
        (false, None, None) => {}
    }
}

/// Why a spec cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unresolved {
    /// These references have no value yet.
    Unknown(BTreeSet<Reference>),
    /// With its references filled in, it is no longer a spec of its kind.
    Malformed(String),
}

/// One part of a string.
#[derive(Debug, PartialEq, Eq)]
pub enum Part<'a> {
    Literal(&'a str),
    Reference { id: &'a str, output: &'a str },
}

/// Splits a string at its `${id.output}`. Other `${..}`, as `${aws:username}`, are literal.
pub fn scan(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut literal, mut from) = (0, 0);
    while let Some(start) = text[from..].find("${").map(|i| from + i) {
        from = start + 2;
        let inner = &text[from..];
        let end = inner.find(|c| !(in_identifier(c) || c == '.')).unwrap_or(inner.len());
        if let Some((id, output)) = reference(&inner[..end])
            && inner[end..].starts_with('}')
        {
            if literal < start {
                parts.push(Part::Literal(&text[literal..start]));
            }
            parts.push(Part::Reference { id, output });
            from += end + 1;
            literal = from;
        }
    }
    if literal < text.len() {
        parts.push(Part::Literal(&text[literal..]));
    }
    parts
}

fn reference(inner: &str) -> Option<(&str, &str)> {
    let (id, output) = inner.split_once('.')?;
    (identifier(id) && identifier(output)).then_some((id, output))
}

/// A letter, then letters, digits, `_` and `-`.
pub fn identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(in_identifier)
}

fn in_identifier(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// Every reference in a value.
pub fn references(value: &Value) -> BTreeSet<Reference> {
    let mut found = BTreeSet::new();
    collect(value, &mut found);
    found
}

fn collect(value: &Value, found: &mut BTreeSet<Reference>) {
    match value {
        Value::String(text) => {
            for part in scan(text) {
                if let Part::Reference { id, output } = part {
                    found.insert(Reference { id: Id::new(id), output: output.into() });
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(map) => {
            for (key, item) in map {
                collect(&Value::String(key.clone()), found);
                collect(item, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// One string with every reference that is known filled in; the others stay as they are written.
pub fn fill(text: &str, known: &BTreeMap<Id, Outputs>) -> String {
    scan(text)
        .into_iter()
        .map(|part| match part {
            Part::Literal(literal) => literal.to_owned(),
            Part::Reference { id, output } => {
                let value = known.get(&Id::new(id)).and_then(|outputs| outputs.get(output));
                value.cloned().unwrap_or_else(|| format!("${{{id}.{output}}}"))
            }
        })
        .collect()
}

fn fill_value(value: &Value, known: &BTreeMap<Id, Outputs>) -> Value {
    match value {
        Value::String(text) => fill(text, known).into(),
        Value::Array(items) => items.iter().map(|item| fill_value(item, known)).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, item)| (fill(key, known), fill_value(item, known))).collect()
        }
        other => other.clone(),
    }
}

/// The spec with every reference that is known filled in, in normal form again: a set sorts
/// differently once its members are known.
pub fn substitute(
    kind: &dyn Kind,
    spec: &Value,
    known: &BTreeMap<Id, Outputs>,
) -> Result<Value, String> {
    let filled = fill_value(spec, known);
    kind.normalize(&filled).map(|normal| normal.spec).map_err(|flaw| flaw.what)
}

/// The spec as it can be sent.
pub fn resolve(
    kind: &dyn Kind,
    spec: &Value,
    known: &BTreeMap<Id, Outputs>,
) -> Result<Resolved, Unresolved> {
    let spec = substitute(kind, spec, known).map_err(Unresolved::Malformed)?;
    let unknown = references(&spec);
    if unknown.is_empty() { Ok(Resolved(spec)) } else { Err(Unresolved::Unknown(unknown)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn references_are_told_from_what_only_looks_like_them() {
        for (text, found) in [
            ("${orders.arn}", vec!["orders.arn"]),
            ("${a.b}/x/${c_d.e-f}", vec!["a.b", "c_d.e-f"]),
            ("${aws:username}", vec![]),
            ("${.x} ${a.} ${1a.b} ${a.b.c} ${} $ {a.b}", vec![]),
            ("${unclosed.ref", vec![]),
            ("${${a.b}}", vec!["a.b"]),
            ("${a.b ${c.d}", vec!["c.d"]),
            ("${a.b", vec![]),
            (&"${".repeat(1_000_000), vec![]),
            (&format!("{}}}", "${".repeat(1_000_000)), vec![]),
        ] {
            let refs: Vec<_> = references(&text.into())
                .into_iter()
                .map(|r| format!("{}.{}", r.id, r.output))
                .collect();
            assert_eq!(refs, found, "{text:.40}");
        }
    }

    #[test]
    fn fields_left_to_others_are_sent_as_others_set_them() {
        let ours = json!({"m": {"a": 1, "b.c": 2, "d": 3}, "n": 4});
        let live = json!({"m": {"a": 10, "b.c": 20, "e": 50}, "n": 40});
        for (path, sent) in [
            ("n", json!({"m": {"a": 1, "b.c": 2, "d": 3}, "n": 40})),
            ("m.a", json!({"m": {"a": 10, "b.c": 2, "d": 3}, "n": 4})),
            ("m.b.c", json!({"m": {"a": 1, "b.c": 20, "d": 3}, "n": 4})),
            ("m.d", json!({"m": {"a": 1, "b.c": 2}, "n": 4})),
            ("m.e", json!({"m": {"a": 1, "b.c": 2, "d": 3, "e": 50}, "n": 4})),
            ("x.y", ours.clone()),
        ] {
            let left = Resolved(ours.clone()).leaving(&[path.to_owned()], &live);
            assert_eq!(left.value(), &sent, "{path}");
        }
    }

    #[test]
    fn what_is_unknown_stays_as_it_is_written() {
        let known = BTreeMap::from([(Id::new("a"), Outputs::from([("arn".into(), "ARN".into())]))]);
        assert_eq!(
            fill("${a.arn}/* ${b.arn} ${aws:userid} ${a.x}", &known),
            "ARN/* ${b.arn} ${aws:userid} ${a.x}"
        );
    }
}
