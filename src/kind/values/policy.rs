//! An IAM-style policy document in canonical form, so that documents of one meaning are equal.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// A policy document. Reading one sorts what has no order, makes single values lists, and spells
/// account principals one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Policy(Value);

const LISTS: [&str; 4] = ["Action", "NotAction", "Resource", "NotResource"];
const PRINCIPALS: [&str; 2] = ["Principal", "NotPrincipal"];
const STATEMENT_KEYS: [&str; 9] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

impl Policy {
    pub fn new(document: &Value) -> Result<Self, String> {
        canonical(document).map(Self)
    }

    /// Whether it says nothing, as a document without statements does.
    pub fn is_empty(&self) -> bool {
        self.statements().is_empty()
    }

    /// The document as AWS sends it: a JSON text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let document =
            serde_json::from_str(text).map_err(|e| format!("not a policy document: {e}"))?;
        Self::new(&document)
    }

    pub fn json(&self) -> String {
        self.0.to_string()
    }

    pub fn value(&self) -> &Value {
        &self.0
    }

    /// The same document without the statements that `drop` chooses.
    pub fn without(&self, drop: impl Fn(&Value) -> bool) -> Self {
        let mut document = self.0.clone();
        if let Some(statements) = document["Statement"].as_array_mut() {
            statements.retain(|statement| !drop(statement));
        }
        Self(document)
    }

    pub fn statements(&self) -> &[Value] {
        self.0["Statement"].as_array().map_or(&[], Vec::as_slice)
    }
}

/// The document that says nothing.
impl Default for Policy {
    fn default() -> Self {
        Self(serde_json::json!({ "Version": "2012-10-17", "Statement": [] }))
    }
}

fn canonical(document: &Value) -> Result<Value, String> {
    let Value::Object(document) = document else {
        return Err("a policy document is a map with `Version` and `Statement`".into());
    };
    if let Some(key) =
        document.keys().find(|k| !["Version", "Id", "Statement"].contains(&k.as_str()))
    {
        return Err(format!(
            "a policy document has no `{key}`: it has `Version`, `Id` and `Statement`"
        ));
    }
    let version = document.get("Version").and_then(Value::as_str).unwrap_or("2012-10-17");
    if !["2012-10-17", "2008-10-17"].contains(&version) {
        return Err(format!("a policy's `Version` is \"2012-10-17\", not `{version}`"));
    }
    let mut statements = match document.get("Statement") {
        Some(Value::Array(many)) => many.iter().map(statement).collect::<Result<Vec<_>, _>>()?,
        Some(one @ Value::Object(_)) => vec![statement(one)?],
        _ => return Err("a policy document needs `Statement`, a list".into()),
    };
    statements.sort_by_key(Value::to_string);
    let mut out = Map::new();
    out.insert("Version".into(), version.into());
    out.insert("Statement".into(), statements.into());
    Ok(out.into())
}

fn statement(statement: &Value) -> Result<Value, String> {
    let Value::Object(statement) = statement else {
        return Err("a statement of a policy is a map".into());
    };
    let mut out = Map::new();
    for (key, value) in statement {
        let value = match key.as_str() {
            "Effect" => effect(value)?,
            "Sid" if numeric(value) => continue,
            "Condition" => condition(value)?,
            k if LISTS.contains(&k) => {
                strings(value).ok_or_else(|| format!("`{k}` is a list of strings"))?
            }
            k if PRINCIPALS.contains(&k) => principal(value)?,
            k if STATEMENT_KEYS.contains(&k) => value.clone(),
            k => {
                return Err(format!(
                    "a statement has no `{k}`: it has {}",
                    STATEMENT_KEYS.join(", ")
                ));
            }
        };
        out.insert(key.clone(), value);
    }
    if !out.contains_key("Effect") {
        return Err("a statement needs `Effect`: Allow or Deny".into());
    }
    if !out.contains_key("Action") && !out.contains_key("NotAction") {
        return Err("a statement needs `Action` or `NotAction`".into());
    }
    Ok(out.into())
}

fn effect(value: &Value) -> Result<Value, String> {
    match value.as_str().map(str::to_ascii_lowercase).as_deref() {
        Some("allow") => Ok("Allow".into()),
        Some("deny") => Ok("Deny".into()),
        _ => Err(format!("`Effect` is Allow or Deny, not {value}")),
    }
}

/// AWS numbers the statements that were given no `Sid`.
fn numeric(sid: &Value) -> bool {
    sid.as_str().is_some_and(|s| s.bytes().all(|b| b.is_ascii_digit()))
}

/// A sorted list of strings from a list or a single value.
fn strings(value: &Value) -> Option<Value> {
    let items = match value {
        Value::Array(items) => items.as_slice(),
        single => std::slice::from_ref(single),
    };
    let mut strings = items.iter().map(text).collect::<Option<Vec<_>>>()?;
    strings.sort();
    strings.dedup();
    Some(strings.into())
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(s) => Some(s.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

fn principal(value: &Value) -> Result<Value, String> {
    let wrong =
        || "`Principal` is \"*\" or a map of AWS, Service, Federated or CanonicalUser".to_owned();
    match value {
        Value::String(s) if s == "*" => {
            Ok(Value::Object([("AWS".into(), vec!["*"].into())].into_iter().collect()))
        }
        Value::Object(by_type) => {
            let mut out = Map::new();
            for (kind, who) in by_type {
                let Some(Value::Array(who)) = strings(who) else { return Err(wrong()) };
                let mut who: Vec<_> =
                    who.iter().filter_map(Value::as_str).map(account_of_root).collect();
                who.sort();
                if !who.is_empty() {
                    out.insert(kind.clone(), who.into());
                }
            }
            Ok(out.into())
        }
        _ => Err(wrong()),
    }
}

/// `arn:aws:iam::123456789012:root` and `123456789012` are one principal.
fn account_of_root(principal: &str) -> String {
    let parts: Vec<_> = principal.split(':').collect();
    match parts.as_slice() {
        ["arn", _, "iam", "", account, "root"] => (*account).to_owned(),
        _ => principal.to_owned(),
    }
}

fn condition(value: &Value) -> Result<Value, String> {
    let wrong = || "`Condition` is a map of operators, each a map of keys to values".to_owned();
    let mut out = Map::new();
    for (operator, keys) in value.as_object().ok_or_else(wrong)? {
        let mut by_key = Map::new();
        for (key, values) in keys.as_object().ok_or_else(wrong)? {
            by_key.insert(key.clone(), strings(values).ok_or_else(wrong)?);
        }
        out.insert(operator.clone(), by_key.into());
    }
    Ok(out.into())
}

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let document = Value::deserialize(deserializer)?;
        Self::new(&document).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Policy {
    fn schema_name() -> Cow<'static, str> {
        "Policy".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "A policy document: `Version` and `Statement`.",
            "properties": {
                "Version": {
                    "description": "The language of the policy; left out, 2012-10-17.",
                    "enum": ["2012-10-17", "2008-10-17"],
                },
                "Id": { "description": "Not compared.", "type": "string" },
                "Statement": { "description": "One statement, or a list of them." },
            },
            "required": ["Statement"],
            "additionalProperties": false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_of_one_meaning_are_equal() {
        let written = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["s3:Put", "s3:Get"], "Resource": "*",
             "Condition": {"Bool": {"aws:SecureTransport": false}}},
            {"Effect": "allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
             "Action": "kms:*"}]});
        let read = json!({"Statement": [
            {"Sid": "2", "Effect": "Allow", "Principal": {"AWS": ["123456789012"], "Service": []},
             "Action": ["kms:*"]},
            {"Sid": "1", "Effect": "Allow", "Action": ["s3:Get", "s3:Put"], "Resource": ["*"],
             "Condition": {"Bool": {"aws:SecureTransport": ["false"]}}}],
            "Version": "2012-10-17", "Id": "key-default"});
        assert_eq!(Policy::new(&written), Policy::new(&read));
    }

    #[test]
    fn a_different_action_is_a_different_policy() {
        let one = json!({"Statement": [{"Effect": "Allow", "Action": "s3:Get", "Resource": "*"}]});
        let other =
            json!({"Statement": [{"Effect": "Allow", "Action": "s3:Put", "Resource": "*"}]});
        assert_ne!(Policy::new(&one), Policy::new(&other));
    }

    #[test]
    fn a_malformed_document_is_refused_in_words() {
        for (document, why) in [
            (json!("*"), "is a map"),
            (json!({"Statement": []  , "Statment": 1}), "no `Statment`"),
            (json!({"Version": "2012-10-17"}), "needs `Statement`"),
            (json!({"Statement": [{"Effect": "Permit", "Action": "*"}]}), "Allow or Deny"),
            (json!({"Statement": [{"Effect": "Allow"}]}), "needs `Action`"),
            (json!({"Statement": [{"Effect": "Allow", "Actions": "*"}]}), "no `Actions`"),
            (json!({"Version": "2013-01-01", "Statement": []}), "Version"),
        ] {
            let message = Policy::new(&document).expect_err("refused");
            assert!(message.contains(why), "{message} says {why}");
        }
    }
}
