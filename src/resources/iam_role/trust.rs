//! Who may assume a role: a policy document, or just the services.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use crate::kind::values::policy::Policy;

/// Always the whole document; a service, or a list of them, is read as the document that lets
/// them assume the role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Trust(pub Policy);

impl Trust {
    fn read(written: &Value) -> Result<Self, String> {
        let document = match written {
            Value::String(service) => services(&[service.as_str().into()])?,
            Value::Array(names) => services(names)?,
            document => document.clone(),
        };
        Policy::new(&document).map(Self)
    }
}

fn services(names: &[Value]) -> Result<Value, String> {
    for name in names {
        let known = name.as_str().is_some_and(|name| {
            name.ends_with(".amazonaws.com") || name.ends_with(".cn") || name.contains("${")
        });
        if !known {
            let example = "write services as `firehose.amazonaws.com`, or a policy document";
            return Err(format!("{name} is not a service that can assume a role: {example}"));
        }
    }
    if names.is_empty() {
        return Err("a role that no service may assume is of no use: name one".into());
    }
    Ok(json!({"Statement": [
        {"Effect": "Allow", "Principal": {"Service": names}, "Action": "sts:AssumeRole"}
    ]}))
}

impl<'de> Deserialize<'de> for Trust {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Value::deserialize(deserializer)?;
        Self::read(&written).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Trust {
    fn schema_name() -> Cow<'static, str> {
        "Trust".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let policy = generator.subschema_for::<Policy>();
        let description =
            "A service, as `firehose.amazonaws.com`, a list of services, or a policy document.";
        json_schema!({
            "description": description,
            "anyOf": [
                { "type": "string" },
                { "type": "array", "items": { "type": "string" }, "minItems": 1 },
                policy,
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(written: Value) -> Result<Value, String> {
        let trust: Trust = serde_json::from_value(written).map_err(|e| e.to_string())?;
        serde_json::to_value(trust).map_err(|e| e.to_string())
    }

    #[test]
    fn services_and_the_document_they_stand_for_are_one_thing() {
        let document = json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Action": ["sts:AssumeRole"],
            "Principal": {"Service": ["lambda.amazonaws.com", "firehose.amazonaws.com"]}}});
        let written = json!(["firehose.amazonaws.com", "lambda.amazonaws.com"]);
        assert_eq!(read(written.clone()), read(document));
        let once = read(written);
        assert_eq!(once.clone().and_then(read), once, "reading is idempotent");
        assert_eq!(
            read(json!("ec2.amazonaws.com")),
            read(json!(["ec2.amazonaws.com"])),
            "one service needs no list"
        );
    }

    #[test]
    fn a_document_that_says_more_is_another_document() {
        let document = json!({"Statement": {
            "Effect": "Allow", "Action": ["sts:AssumeRole"],
            "Principal": {"Service": ["lambda.amazonaws.com"], "AWS": "*"}}});
        assert_ne!(read(json!("lambda.amazonaws.com")), read(document));
    }

    #[test]
    fn what_is_no_service_is_refused_in_words() {
        for wrong in [json!("firehose"), json!([]), json!([1]), json!(["lambda.aws"])] {
            assert!(read(wrong.clone()).is_err(), "{wrong} is refused");
        }
    }
}
