//! A length of time as people write it: `30s`, `15m`, `4h`, `7d`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Whole seconds, written with the largest unit that divides them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration {
    pub seconds: u64,
}

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

impl Duration {
    pub const fn seconds(seconds: u64) -> Self {
        Self { seconds }
    }

    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("`{text}` is not a duration: write a whole number and s, m, h or d, as `4h`")
        };
        let unit = text.chars().last().ok_or_else(wrong)?;
        let (_, each) = UNITS.iter().find(|(letter, _)| *letter == unit).ok_or_else(wrong)?;
        let count: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
        count.checked_mul(*each).map(Self::seconds).ok_or_else(wrong)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit =
            UNITS.iter().find(|(_, each)| self.seconds > 0 && self.seconds.is_multiple_of(*each));
        let (letter, each) = unit.unwrap_or(&('s', 1));
        write!(f, "{}{letter}", self.seconds / each)
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9]+[smhd]$",
            "description": "A whole number and its unit: s, m, h or d, as `4h`.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_written_with_its_largest_whole_unit() {
        for (text, canonical) in
            [("14400s", "4h"), ("90m", "90m"), ("24h", "1d"), ("0s", "0s"), ("61s", "61s")]
        {
            assert_eq!(Duration::parse(text).map(|d| d.to_string()), Ok(canonical.to_owned()));
        }
        for wrong in ["", "4", "h", "4 h", "-1h", "4x", "99999999999999999999d"] {
            assert!(Duration::parse(wrong).is_err(), "{wrong} is refused");
        }
    }
}
