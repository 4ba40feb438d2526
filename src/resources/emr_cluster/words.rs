//! Values whose spelling EMR does not keep: read into one canonical form.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::kind::values::duration::Duration;

/// What a field says that is turned off.
pub const NONE: &str = "none";

/// A value that EMR keeps as text, whatever it is written as: `true`, `512`, `"0.25"`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Text(String);

impl Text {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            value @ (Value::Bool(_) | Value::Number(_)) => Ok(Self(value.to_string())),
            other => Err(serde::de::Error::custom(format!(
                "{other} is not a text, a number, true or false"
            ))),
        }
    }
}

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "number", "boolean"],
            "description": "A text; numbers, true and false become their text.",
        })
    }
}

/// How long a cluster may be idle, or `none`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Idle(pub Option<Duration>);

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(duration) => duration.fmt(f),
            None => f.write_str(NONE),
        }
    }
}

impl Serialize for Idle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Idle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == NONE {
            return Ok(Self(None));
        }
        Duration::parse(&text).map(|d| Self(Some(d))).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Idle {
    fn schema_name() -> Cow<'static, str> {
        "DurationOrNone".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^([0-9]+[smhd]|none)$",
            "description": "A whole number and its unit: s, m, h or d, as `4h`; or `none`.",
        })
    }
}

/// The name of an application, in EMR's own case whatever the case it is written in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(transparent)]
pub struct Application(String);

const APPLICATIONS: [&str; 30] = [
    "AmazonCloudWatchAgent",
    "Delta",
    "Flink",
    "Ganglia",
    "HBase",
    "HCatalog",
    "Hadoop",
    "Hive",
    "Hudi",
    "Hue",
    "Iceberg",
    "JupyterEnterpriseGateway",
    "JupyterHub",
    "Livy",
    "MXNet",
    "Mahout",
    "Oozie",
    "Phoenix",
    "Pig",
    "Presto",
    "PrestoSQL",
    "R",
    "Spark",
    "Sqoop",
    "TensorFlow",
    "Tez",
    "Trino",
    "Zeppelin",
    "ZooKeeper",
    "HCatalog-server",
];

impl Application {
    pub fn new(name: &str) -> Self {
        let known = APPLICATIONS.iter().find(|known| known.eq_ignore_ascii_case(name));
        Self(known.map_or(name, |known| known).to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_known(&self) -> bool {
        APPLICATIONS.contains(&self.as_str())
    }

    /// The known name that this one was probably meant to be.
    pub fn nearest(&self) -> Option<&'static str> {
        let written = self.0.to_ascii_lowercase();
        let distance = |known: &&str| strsim::levenshtein(&written, &known.to_ascii_lowercase());
        APPLICATIONS.into_iter().min_by_key(distance).filter(|known| distance(known) <= 2)
    }
}

impl<'de> Deserialize<'de> for Application {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|name| Self::new(&name))
    }
}

/// One spelling of a place in S3: `s3n://` and `s3a://` are `s3://`, a folder ends with a slash.
pub fn folder(uri: &str) -> String {
    let place = ["s3n://", "s3a://", "s3://"].iter().find_map(|scheme| uri.strip_prefix(scheme));
    place.map_or_else(|| uri.to_owned(), |place| format!("s3://{}/", place.trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_that_emr_keeps_as_text_is_text() {
        for (written, text) in
            [(json!(true), "true"), (json!(512), "512"), (json!(0.25), "0.25"), (json!("x"), "x")]
        {
            assert_eq!(Text::deserialize(&written).map(|t| t.0).ok().as_deref(), Some(text));
        }
        assert!(
            Text::deserialize(json!(["x"])).is_err() && Text::deserialize(json!(null)).is_err()
        );
    }

    #[test]
    fn an_idle_timeout_is_a_duration_or_none() {
        for (written, canonical) in [("none", "none"), ("14400s", "4h")] {
            let idle = Idle::deserialize(json!(written)).expect("well written");
            assert_eq!(idle.to_string(), canonical);
        }
        assert!(Idle::deserialize(json!("never")).is_err());
    }

    #[test]
    fn an_application_has_one_case() {
        for (written, name) in [("spark", "Spark"), ("JUPYTERHUB", "JupyterHub"), ("Own", "Own")] {
            assert_eq!(Application::new(written).as_str(), name);
        }
        assert_eq!(Application::new("Sparkk").nearest(), Some("Spark"));
        assert_eq!(Application::new("Cassandra").nearest(), None);
    }

    #[test]
    fn places_of_one_meaning_are_spelled_alike() {
        for uri in ["s3://b/logs", "s3n://b/logs/", "s3a://b/logs//"] {
            assert_eq!(folder(uri), "s3://b/logs/");
        }
        assert_eq!(folder("none"), "none");
        assert_eq!(folder("${lake.uri}/x"), "${lake.uri}/x");
    }
}
