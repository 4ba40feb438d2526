//! What a JSON Schema expects of a value, in the few words that the kinds' schemas use.

use std::collections::BTreeSet;

use serde_json::Value;

use super::tree::{Tree, Yaml};

/// What a YAML value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sort {
    Null,
    Bool,
    Whole,
    Number,
    Text,
    List,
    Map,
}

impl Sort {
    pub fn of(tree: &Tree) -> Self {
        match &tree.value {
            Yaml::Null => Self::Null,
            Yaml::Bool(_) => Self::Bool,
            Yaml::Number(number) if number.is_f64() => Self::Number,
            Yaml::Number(_) => Self::Whole,
            Yaml::Text(_) => Self::Text,
            Yaml::List(_) => Self::List,
            Yaml::Map(_) => Self::Map,
        }
    }

    fn named(word: &str) -> Option<Self> {
        Some(match word {
            "null" => Self::Null,
            "boolean" => Self::Bool,
            "integer" => Self::Whole,
            "number" => Self::Number,
            "string" => Self::Text,
            "array" => Self::List,
            "object" => Self::Map,
            _ => return None,
        })
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Null => "empty",
            Self::Bool => "true or false",
            Self::Whole => "a whole number",
            Self::Number => "a number",
            Self::Text => "text",
            Self::List => "a list",
            Self::Map => "a map",
        }
    }
}

/// Follows `$ref` to where it leads, a bounded number of times.
pub(super) fn follow<'s>(root: &'s Value, mut schema: &'s Value) -> &'s Value {
    const REFS_MAX: usize = 16;
    for _ in 0..REFS_MAX {
        let Some(target) = schema.get("$ref").and_then(Value::as_str) else { break };
        let Some(found) = target.strip_prefix('#').and_then(|path| root.pointer(path)) else {
            break;
        };
        schema = found;
    }
    schema
}

/// The schemas of which one must hold: `anyOf` and `oneOf` opened, references followed.
pub(super) fn alternatives<'s>(root: &'s Value, schema: &'s Value) -> Vec<&'s Value> {
    let mut found = Vec::new();
    open(root, schema, &mut found, 0);
    found
}

fn open<'s>(root: &'s Value, schema: &'s Value, found: &mut Vec<&'s Value>, depth: usize) {
    const NESTING_MAX: usize = 16;
    let schema = follow(root, schema);
    let choices = ["anyOf", "oneOf"].iter().find_map(|key| schema.get(*key)?.as_array());
    match choices {
        Some(choices) if depth < NESTING_MAX => {
            choices.iter().for_each(|choice| open(root, choice, found, depth + 1));
        }
        _ => found.push(schema),
    }
}

/// The sorts of value that a schema admits; none means any.
pub(super) fn sorts(schema: &Value) -> Vec<Sort> {
    match schema.get("type") {
        Some(Value::String(one)) => Sort::named(one).into_iter().collect(),
        Some(Value::Array(many)) => {
            many.iter().filter_map(Value::as_str).filter_map(Sort::named).collect()
        }
        _ => constants(schema).iter().map(|value| sort_of_json(value)).collect(),
    }
}

fn sort_of_json(value: &Value) -> Sort {
    match value {
        Value::Null => Sort::Null,
        Value::Bool(_) => Sort::Bool,
        Value::Number(number) if number.is_f64() => Sort::Number,
        Value::Number(_) => Sort::Whole,
        Value::String(_) => Sort::Text,
        Value::Array(_) => Sort::List,
        Value::Object(_) => Sort::Map,
    }
}

/// The values of `const` or `enum`.
pub(super) fn constants(schema: &Value) -> Vec<&Value> {
    match (schema.get("const"), schema.get("enum").and_then(Value::as_array)) {
        (Some(one), _) => vec![one],
        (None, Some(many)) => many.iter().collect(),
        (None, None) => Vec::new(),
    }
}

pub(super) fn admits(schema: &Value, sort: Sort) -> bool {
    let sorts = sorts(schema);
    sorts.is_empty()
        || sorts.contains(&sort)
        || sort == Sort::Whole && sorts.contains(&Sort::Number)
}

/// `a whole number`, `` `a` or `b` ``, `text or a list`.
pub(super) fn words(alternatives: &[&Value]) -> String {
    let forms = alternatives.iter().filter(|schema| admits(schema, Sort::Map)).count();
    let (mut literal, mut found) = (Vec::new(), BTreeSet::new());
    for schema in alternatives {
        let values = constants(schema);
        if let ([key], true) = (&required(schema)[..], forms > 1) {
            literal.push(format!("`{key}: ...`"));
        } else if values.is_empty() {
            found.extend(sorts(schema));
        } else {
            literal.extend(values.into_iter().filter_map(Value::as_str).map(|v| format!("`{v}`")));
        }
    }
    found.remove(&Sort::Null);
    if [Sort::Bool, Sort::Number, Sort::Text].iter().all(|sort| found.contains(sort)) {
        found.retain(|sort| matches!(sort, Sort::List | Sort::Map));
        literal = vec!["a single value".to_owned()];
    }
    literal.extend(found.iter().map(|sort| sort.word().to_owned()));
    match literal.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        few => few.concat(),
    }
}

/// What a schema says of itself: its first sentence.
pub(super) fn told(schema: &Value) -> Option<String> {
    let told = schema.get("description").and_then(Value::as_str)?.replace('\n', " ");
    let sentence = told.split_once(". ").map_or(told.as_str(), |(first, _)| first);
    Some(sentence.trim_end_matches('.').to_owned())
}

/// The least and the greatest number that a schema admits.
pub(super) fn range(schema: &Value) -> (Option<f64>, Option<f64>) {
    let number = |key: &str| schema.get(key).and_then(Value::as_f64);
    let (low, high) = match schema.get("format").and_then(Value::as_str) {
        Some("uint8") => (Some(0.0), Some(f64::from(u8::MAX))),
        Some("uint16") => (Some(0.0), Some(f64::from(u16::MAX))),
        Some("uint32") => (Some(0.0), Some(f64::from(u32::MAX))),
        Some("uint64" | "uint") => (Some(0.0), None),
        Some("int8") => (Some(f64::from(i8::MIN)), Some(f64::from(i8::MAX))),
        Some("int16") => (Some(f64::from(i16::MIN)), Some(f64::from(i16::MAX))),
        Some("int32") => (Some(f64::from(i32::MIN)), Some(f64::from(i32::MAX))),
        _ => (None, None),
    };
    (number("minimum").or(low), number("maximum").or(high))
}

/// The field of a schema of a map, if it has one of this name; the schema of all others else.
pub(super) fn field<'s>(schema: &'s Value, name: &str) -> Option<&'s Value> {
    if let Some(found) = schema.get("properties").and_then(|fields| fields.get(name)) {
        return Some(found);
    }
    if let Some(patterns) = schema.get("patternProperties").and_then(Value::as_object) {
        return patterns.values().next();
    }
    match schema.get("additionalProperties") {
        None => Some(&Value::Bool(true)),
        Some(Value::Bool(false)) => None,
        Some(others) => Some(others),
    }
}

/// The names of the fields that a schema of a map declares.
pub(super) fn fields(schema: &Value) -> Vec<&str> {
    let declared = schema.get("properties").and_then(Value::as_object);
    declared.into_iter().flat_map(|fields| fields.keys()).map(String::as_str).collect()
}

pub(super) fn required(schema: &Value) -> Vec<&str> {
    let names = schema.get("required").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str).collect()
}
