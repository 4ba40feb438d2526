//! Something that can be turned off again: `none`, or its settings, or its value.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `none` is a value like any other: what AWS has and the blueprint calls `none` differs. An
/// `Option` would leave it to AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrNone<T>(pub Option<T>);

const NONE: &str = "none";

impl<T> OrNone<T> {
    pub fn as_ref(&self) -> Option<&T> {
        self.0.as_ref()
    }

    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }
}

impl<T> Default for OrNone<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Serialize> Serialize for OrNone<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(settings) => settings.serialize(serializer),
            None => serializer.serialize_str(NONE),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OrNone<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either(PhantomData))
    }
}

struct Either<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
    type Value = OrNone<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`none` or its settings")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        if text == NONE {
            return Ok(OrNone(None));
        }
        let value = T::deserialize(text.into_deserializer());
        let neither = |error: E| E::custom(format!("{error}; or write `none`"));
        value.map(|value| OrNone(Some(value))).map_err(neither)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        T::deserialize(number.into_deserializer()).map(|value| OrNone(Some(value)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|settings| OrNone(Some(settings)))
    }
}

impl<T: JsonSchema> JsonSchema for OrNone<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}OrNone", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let settings = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [{ "const": NONE }, settings] })
    }
}

#[cfg(test)]
mod tests {
    use super::super::duration::Duration;
    use super::*;
    use serde_json::{Value, json};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        size: u32,
    }

    #[test]
    fn a_number_or_a_text_is_a_value() {
        let age = serde_json::from_value::<OrNone<Duration>>(json!("60m")).ok();
        assert_eq!(age, Some(OrNone(Some(Duration::seconds(3600)))));
        let read = |value| serde_json::from_value::<OrNone<u32>>(value).ok();
        for (value, found) in [
            (json!("none"), Some(OrNone(None))),
            (json!(0), Some(OrNone(Some(0)))),
            (json!(-1), None),
            (json!("5"), None),
            (json!(5_000_000_000_u64), None),
        ] {
            assert_eq!(read(value.clone()), found, "{value}");
        }
    }

    #[test]
    fn it_is_none_or_its_settings() {
        for (value, read) in [
            (json!("none"), Some(OrNone(None))),
            (json!({"size": 1}), Some(OrNone(Some(Settings { size: 1 })))),
            (json!({"sizes": 1}), None),
            (json!("off"), None),
            (json!(null), None),
            (json!(false), None),
        ] {
            let found = OrNone::<Settings>::deserialize(&value).ok();
            assert_eq!(found, read, "{value}");
            if let Some(found) = found {
                assert_eq!(serde_json::to_value(found).ok(), Some::<Value>(value));
            }
        }
    }
}
