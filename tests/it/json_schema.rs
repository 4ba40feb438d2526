//! As much of JSON Schema as the published schema uses. A keyword or a pattern that is not known
//! here fails, so that nothing passes unread.

use serde_json::{Value, json};

/// Keywords that say something to people and editors only.
const SPOKEN: [&str; 9] = [
    "$defs",
    "$schema",
    "default",
    "description",
    "format",
    "title",
    "x-replace",
    "x-secret",
    "x-write-only",
];

/// The first thing in `value` that is not as `schema` says.
pub fn wrong(schema: &Value, value: &Value) -> Option<String> {
    Check { root: schema }.wrong(schema, value, "")
}

/// The schemas of which one must hold: references followed, alternatives opened.
pub fn open<'s>(root: &'s Value, schema: &'s Value) -> Vec<&'s Value> {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        return open(root, resolve(root, target));
    }
    let choices = ["anyOf", "oneOf"].iter().find_map(|key| schema.get(*key)?.as_array());
    match choices {
        Some(choices) => choices.iter().flat_map(|choice| open(root, choice)).collect(),
        None => vec![schema],
    }
}

pub fn resolve<'s>(root: &'s Value, target: &str) -> &'s Value {
    let found = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
    found.unwrap_or_else(|| panic!("the schema refers to {target}, which is not there"))
}

struct Check<'s> {
    root: &'s Value,
}

impl Check<'_> {
    fn wrong(&self, schema: &Value, value: &Value, at: &str) -> Option<String> {
        let keywords = match schema {
            Value::Bool(true) => return None,
            Value::Bool(false) => return Some(format!("{at}: is not taken")),
            Value::Object(keywords) => keywords,
            _ => panic!("{at}: a schema is a map or a truth value"),
        };
        keywords.iter().find_map(|(keyword, wants)| self.one(keyword, wants, schema, value, at))
    }

    /// How the value offends against one keyword.
    fn one(
        &self,
        keyword: &str,
        wants: &Value,
        schema: &Value,
        value: &Value,
        at: &str,
    ) -> Option<String> {
        let all = || wants.as_array().expect("a list of schemas");
        let fits = |schema: &Value| self.wrong(schema, value, at).is_none();
        let below = |schema: &Value, key: &str, value: &Value| {
            self.wrong(schema, value, &format!("{at}.{key}"))
        };
        let declared = |key: &str| schema.get("properties").and_then(|known| known.get(key));
        let items = || value.as_array().map_or(&[][..], Vec::as_slice);
        let holds = match keyword {
            "$ref" => {
                return self.wrong(resolve(self.root, text(wants)), value, at);
            }
            "properties" => {
                return entries(value).find_map(|(key, value)| below(wants.get(key)?, key, value));
            }
            "additionalProperties" => {
                let mut others = entries(value).filter(|(key, _)| declared(key).is_none());
                return others.find_map(|(key, value)| below(wants, key, value));
            }
            "propertyNames" => {
                return entries(value).find_map(|(key, _)| below(wants, key, &json!(key)));
            }
            "items" => return items().iter().find_map(|item| below(wants, "*", item)),
            "allOf" => return all().iter().find_map(|each| self.wrong(each, value, at)),
            "if" if fits(wants) => return self.wrong(&schema["then"], value, at),
            "if" | "then" => true,
            "anyOf" => all().iter().any(fits),
            "const" => value == wants,
            "enum" => all().contains(value),
            "type" => is_one_of(value, wants),
            "required" => !value.is_object() || all().iter().all(|k| value.get(text(k)).is_some()),
            "minItems" => !value.is_array() || items().len() as u64 >= wants.as_u64().unwrap(),
            "uniqueItems" => (1..items().len()).all(|i| !items()[..i].contains(&items()[i])),
            "minimum" => value.as_f64().is_none_or(|found| found >= wants.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|found| found <= wants.as_f64().unwrap()),
            "pattern" => value.as_str().is_none_or(|value| matches(text(wants), value)),
            spoken if SPOKEN.contains(&spoken) => true,
            unknown => panic!("{at}: the schema says `{unknown}`, which is not known here"),
        };
        (!holds).then(|| format!("{at}: {keyword} {wants}, not {value}"))
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn is_one_of(value: &Value, types: &Value) -> bool {
    let is = |name: &Value| match text(name) {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        unknown => panic!("there is no type `{unknown}`"),
    };
    match types {
        Value::Array(many) => many.iter().any(is),
        one => is(one),
    }
}

/// The patterns that the schema uses, each as the function that it means.
fn matches(pattern: &str, value: &str) -> bool {
    let identifier = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    };
    let duration = |text: &str| {
        text.strip_suffix(['s', 'm', 'h', 'd'])
            .is_some_and(|count| !count.is_empty() && count.bytes().all(|b| b.is_ascii_digit()))
    };
    match pattern {
        "^[A-Za-z][A-Za-z0-9_-]*$" => identifier(value),
        r"^\$\{var\.[A-Za-z][A-Za-z0-9_-]*\}$" => {
            value.strip_prefix("${var.").and_then(|v| v.strip_suffix('}')).is_some_and(identifier)
        }
        r"\$\{" => value.contains("${"),
        "^[0-9]+[smhd]$" => duration(value),
        "^([0-9]+[smhd]|none)$" => value == "none" || duration(value),
        unknown => panic!("the pattern `{unknown}` is not known here"),
    }
}
