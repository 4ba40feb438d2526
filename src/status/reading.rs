//! What is live of one resource, and the seam at which it is asked.

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::cloud::{Boxed, Fault};
use crate::kind::Name;

/// Tells how resources do now.
///
/// Guarantees: it changes nothing, and waits for nothing.
pub trait Watch {
    /// How each does, in the order asked.
    fn watch<'a>(&'a self, asked: &'a [Asked]) -> Boxed<'a, Vec<Result<Sight, Fault>>>;
}

/// A resource to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub kind: String,
    pub identity: Name,
}

/// How a resource does.
#[derive(Debug, Clone, PartialEq)]
pub enum Sight {
    /// Nothing of its kind moves.
    Still,
    /// There is none; what is known of the last one.
    Absent(Vec<Reading>),
    There(Vec<Reading>),
}

/// One thing that is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    pub what: &'static str,
    pub value: Value,
    pub health: Health,
}

impl Reading {
    /// A word that needs no judgement.
    pub fn text(what: &'static str, text: impl Into<String>) -> Self {
        Self { what, value: Value::Text(text.into()), health: Health::Good }
    }

    pub fn new(what: &'static str, value: Value) -> Self {
        Self { what, value, health: Health::Good }
    }

    pub fn health(mut self, health: Health) -> Self {
        self.health = health;
        self
    }
}

/// What a cluster calls a step that runs, and one that waits: by them jobs are found again.
pub const RUNNING: &str = "running";
pub const WAITING: &str = "waiting";

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Count(u64),
    /// A length of time.
    Seconds(u64),
    /// A moment, in seconds since 1970.
    At(i64),
}

/// Whether it needs a look. The order is from what may be passed over to what is worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    Good,
    Unknown,
    Attention,
    Bad,
}

/// A metric that tells how a resource does.
pub struct Gauge {
    pub what: &'static str,
    pub namespace: &'static str,
    pub metric: &'static str,
    pub dimensions: Vec<(&'static str, String)>,
    pub of: Of,
    /// How far back, in seconds.
    pub within: u64,
    pub judge: fn(u64) -> Health,
}

/// Which of its values counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// How many in all; no data is none.
    Sum,
    /// The newest length of time; no data says nothing.
    LatestSeconds,
}

/// For what is no better for being more or less.
pub fn whatever(_: u64) -> Health {
    Health::Good
}

/// For what ought not to be at all.
pub fn none_is_good(number: u64) -> Health {
    if number == 0 { Health::Good } else { Health::Attention }
}

impl Value {
    pub fn json(&self) -> Json {
        match self {
            Self::Text(text) => json!(text),
            Self::Count(number) | Self::Seconds(number) => json!(number),
            Self::At(at) => json!(rfc3339(*at)),
        }
    }
}

/// `2013-01-15T10:00:00Z`.
pub fn rfc3339(at: i64) -> String {
    const DAY: i64 = 86_400;
    let (days, seconds) = (at.div_euclid(DAY), at.rem_euclid(DAY));
    // Days since the first of March of a year 0, so that the leap day is the last of its year.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + next;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_a_date_and_a_time() {
        for (at, written) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_358_244_000, "2013-01-15T10:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(at), written);
        }
    }

    #[test]
    fn the_worst_is_the_last() {
        use Health::{Attention, Bad, Good, Unknown};
        assert_eq!([Attention, Good, Bad, Unknown].into_iter().max(), Some(Bad));
        assert_eq!([Good, Unknown].into_iter().max(), Some(Unknown));
    }
}
