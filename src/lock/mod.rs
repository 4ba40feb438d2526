//! One apply or destroy per blueprint at a time: a lock that a run holds for as long as it lives.
//!
//! What is judged here is pure; `lease` does it.

pub mod guard;
pub mod lease;
pub mod process;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use process::Process;

/// How often a holder writes its lock anew.
pub const RENEWED_EVERY: Duration = Duration::from_secs(15);
/// A holder that could not renew its lock for this long writes nothing more.
pub const HELD_FOR: Duration = Duration::from_secs(45);
/// A lock that was not renewed for this long is anybody's. What its holder had sent before it
/// stopped has arrived by then.
pub const LAPSES_AFTER: Duration = Duration::from_secs(60);
/// S3 tells whole seconds, of when it was written and of now.
const COARSE: Duration = Duration::from_secs(2);

const VERSION: u32 = 1;

/// What the object says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    pub version: u32,
    /// Tells one run from every other.
    pub holder: String,
    /// `user@host`.
    pub who: String,
    /// The CI job that it is part of: its address, where CI tells one.
    pub job: Option<String>,
    pub command: String,
    /// By the holder's clock, for people.
    pub since: String,
    pub until: String,
    /// Makes each version another one.
    pub renewed: u64,
    pub process: Option<Process>,
}

impl Lock {
    pub fn new(holder: String, who: String, job: Option<String>, command: String) -> Self {
        let (since, until) = (String::new(), String::new());
        let process = Process::own();
        Self { version: VERSION, holder, who, job, command, since, until, renewed: 0, process }
    }

    /// What cannot be read is held by somebody all the same.
    pub fn read(content: &[u8]) -> Self {
        serde_json::from_slice(content).unwrap_or_else(|_| {
            let unknown = || "unknown".to_owned();
            let lock = Self::new(unknown(), unknown(), None, unknown());
            Self { since: unknown(), until: unknown(), process: None, ..lock }
        })
    }

    pub fn content(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("a lock is plain data, which is always JSON")
    }
}

/// What a lock that was found means for who wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// We wrote it, and the answer was lost.
    Mine,
    /// Its holder is gone: it may be taken over.
    Lapsed,
    Held,
}

/// What is known of a lock beside what it says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Signs {
    /// Since it was written, by the clock of who keeps it.
    pub age: Option<Duration>,
    /// For how long it has been seen unchanged, by our own clock: its holder's proves nothing.
    pub watched: Duration,
    /// The process that wrote it ran on this machine and has ended.
    pub dead: bool,
}

pub fn judge(found: &Lock, me: &str, signs: Signs) -> Verdict {
    if found.holder == me {
        return Verdict::Mine;
    }
    let old = signs.age.is_some_and(|age| age >= LAPSES_AFTER + COARSE);
    if signs.dead || old || signs.watched >= LAPSES_AFTER { Verdict::Lapsed } else { Verdict::Held }
}

/// Why a run no longer holds its lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// Somebody else has it.
    Taken(Box<Lock>),
    /// It was removed, as `pipeline unlock` does.
    Removed,
    /// It could not be renewed in time, and why.
    Silent(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(holder: &str) -> Lock {
        Lock::new(holder.into(), "a@b".into(), None, "apply".into())
    }

    #[test]
    fn a_lock_is_taken_over_only_once_its_holder_is_certainly_gone() {
        let (long, short) = (Some(Duration::from_secs(62)), Some(Duration::from_secs(61)));
        let (full, almost) = (LAPSES_AFTER, LAPSES_AFTER - Duration::from_millis(1));
        let none = Duration::ZERO;
        for (holder, age, watched, dead, expected) in [
            ("me", None, none, false, Verdict::Mine),
            ("me", long, full, true, Verdict::Mine),
            ("other", None, none, false, Verdict::Held),
            ("other", None, almost, false, Verdict::Held),
            ("other", None, full, false, Verdict::Lapsed),
            ("other", short, none, false, Verdict::Held),
            ("other", long, none, false, Verdict::Lapsed),
            ("other", short, full, false, Verdict::Lapsed),
            ("other", Some(none), none, true, Verdict::Lapsed),
        ] {
            let found = judge(&lock(holder), "me", Signs { age, watched, dead });
            assert_eq!(found, expected, "{holder} {age:?} {watched:?} {dead}");
        }
    }

    /// Its `until` is by a clock that may be wrong by years.
    #[test]
    fn what_a_lock_says_of_time_proves_nothing() {
        for until in ["1970-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "soon"] {
            let found = Lock { until: until.into(), ..lock("other") };
            assert_eq!(judge(&found, "me", Signs::default()), Verdict::Held, "{until}");
        }
    }

    #[test]
    fn a_lock_is_read_as_it_was_written_and_another_text_is_somebodys() {
        let mine = Lock { job: Some("https://ci/1".into()), renewed: 3, ..lock("me") };
        assert_eq!(Lock::read(&mine.content()), mine);
        for text in ["", "{}", "locked!"] {
            let found = Lock::read(text.as_bytes());
            assert_eq!((found.holder.as_str(), found.process), ("unknown", None), "{text}");
        }
    }

    #[test]
    fn a_holder_stops_well_before_its_lock_is_anybodys() {
        assert!(RENEWED_EVERY * 3 <= HELD_FOR && HELD_FOR < LAPSES_AFTER);
    }
}
