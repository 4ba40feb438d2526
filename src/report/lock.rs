//! Whose lock it is, for those whom it keeps from working.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::lock::{Lock, Loss};

use super::say;

/// The longest silence while somebody waits.
const HEARTBEAT: Duration = Duration::from_secs(25);

/// Who holds it, since when, from where, and what for; a line each.
pub fn held(lock: &Lock) -> String {
    let Lock { who, command, since, until, .. } = lock;
    let job = lock.job.as_ref().map_or_else(String::new, |job| format!("\n  CI job: {job}"));
    format!(
        "{who} holds the lock: `pipeline {command}`, since {since}, until {until} at least{job}"
    )
}

/// Why a run ends that waited long enough.
pub fn refused(lock: &Lock, again: &str, unlock: &str) -> String {
    format!(
        "{}\n  hint: `{again}` waits for it; if that run is dead, its lock lapses within a minute, \
         and `{unlock}` removes it at once",
        held(lock)
    )
}

/// Why a run ends that found another version of its blueprint at work, whose lock is kept `at`.
pub fn elsewhere(lock: &Lock, at: &str, again: &str) -> String {
    format!(
        "{}\n  another version of this blueprint keeps its lock in {at}\n  hint: `{again}` waits \
         for it; if that run is dead, its lock lapses within a minute",
        held(lock)
    )
}

/// Why a run ends that had it.
pub fn lost(loss: &Loss) -> String {
    let how = match loss {
        Loss::Taken(lock) => held(lock),
        Loss::Removed => "the lock was removed while this run held it".into(),
        Loss::Silent(why) if why.is_empty() => "the lock could not be renewed in time".into(),
        Loss::Silent(why) => format!("the lock could not be renewed in time: {why}"),
    };
    format!("this run no longer holds the lock, and stopped before its next change\n  {how}")
}

/// Tells who is waited for, once and then now and again.
pub struct Waiting {
    said: Cell<Option<Instant>>,
    holder: Cell<Option<String>>,
}

impl Waiting {
    pub fn new() -> Self {
        Self { said: Cell::new(None), holder: Cell::new(None) }
    }

    pub fn tell(&self, lock: &Lock, waited: Duration) {
        let same = self.holder.replace(Some(lock.holder.clone())) == Some(lock.holder.clone());
        if !same {
            say(&format!("waiting: {}", held(lock)));
        } else if self.said.get().is_some_and(|said| said.elapsed() > HEARTBEAT) {
            say(&format!("waiting for the lock of {} ({} s)", lock.who, waited.as_secs()));
        } else {
            return;
        }
        self.said.set(Some(Instant::now()));
    }
}

impl Default for Waiting {
    fn default() -> Self {
        Self::new()
    }
}
