//! Partition keys: what decides to which shard a record goes. Pure.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Kinesis takes keys of 1 to 256 characters.
const CHARACTERS_MAX: usize = 256;

/// The value of a field at the top of a JSON object, as a key; `None` where there is none that
/// could be one.
pub fn of_field(line: &[u8], field: &str) -> Option<String> {
    let mut json = serde_json::Deserializer::from_slice(line);
    let found = Field(field).deserialize(&mut json).ok()??;
    json.end().ok()?;
    let text = match found {
        Value::String(text) => text,
        Value::Number(_) | Value::Bool(_) => found.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    match text.chars().count() {
        0 => None,
        1..=CHARACTERS_MAX => Some(text),
        _ => Some(of_content(text.as_bytes())),
    }
}

/// The same for the same content, so that a replay goes to the same shards; otherwise spread
/// evenly.
pub fn of_content(content: &[u8]) -> String {
    let half = &Sha256::digest(content)[..16];
    half.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads one field and skips the others.
struct Field<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Field<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Field<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key::<String>()? {
            if name == self.0 {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_the_record_is_its_key() {
        let long = "x".repeat(257);
        for (line, key) in [
            (r#"{"a": {"user_id": "no"}, "user_id": "u1", "b": [1, 2]}"#, Some("u1")),
            (r#"{"user_id": 17}"#, Some("17")),
            (r#"{"user_id": true}"#, Some("true")),
            (r#"{"user_id": ""}"#, None),
            (r#"{"user_id": null}"#, None),
            (r#"{"user_id": ["u1"]}"#, None),
            (r#"{"user": "u1"}"#, None),
            (r#"["user_id"]"#, None),
            (r#"{"user_id": "u1"} and more"#, None),
            (r#"{"user_id": "u1""#, None),
            ("not JSON", None),
            ("", None),
        ] {
            assert_eq!(of_field(line.as_bytes(), "user_id").as_deref(), key, "{line}");
        }
        let key = of_field(format!(r#"{{"user_id": "{long}"}}"#).as_bytes(), "user_id");
        assert_eq!(key, Some(of_content(long.as_bytes())));
    }

    #[test]
    fn the_same_content_has_the_same_key_and_another_one_another() {
        assert_eq!(of_content(b"a"), of_content(b"a"));
        assert_ne!(of_content(b"a"), of_content(b"b"));
        assert_eq!(of_content(b"").len(), 32);
    }
}
