//! What the rules of hard mode remember together, as long as the AWS under them lives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::super::call::Call;
use super::super::http::header;

/// Shared by all rules of one AWS, and by who looks what they did.
#[derive(Clone, Default)]
pub struct World(Arc<Mutex<Facts>>);

#[derive(Default, Clone)]
struct Facts {
    /// How much of the time that went by does not count.
    uncounted: Duration,
    /// How often each behaviour showed.
    strikes: BTreeMap<&'static str, u32>,
    roles: BTreeMap<String, Role>,
    /// What was tried before, and by whom.
    tried: BTreeSet<String>,
    /// How often each call was refused for its rate, however often it was sent.
    refusals: BTreeMap<String, (String, u32)>,
}

#[derive(Clone)]
struct Role {
    id: String,
    made: Instant,
    /// When it, or a policy of it, was written last.
    changed: Instant,
}

impl World {
    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.0.lock().expect("no rule panics")
    }

    /// The time here, which stands still between a keeping and what it is restored from.
    pub fn now(&self) -> Instant {
        Instant::now() - self.facts().uncounted
    }

    pub fn since(&self, then: Instant) -> Duration {
        self.now().saturating_duration_since(then)
    }

    pub fn keep(&self) -> Memory {
        Memory { facts: self.facts().clone(), at: Instant::now() }
    }

    /// All that was remembered then, and no more; what was young then is as young now.
    pub fn restore(&self, kept: &Memory) {
        let mut facts = kept.facts.clone();
        facts.uncounted += kept.at.elapsed();
        *self.facts() = facts;
    }

    pub fn strike(&self, behaviour: &'static str) {
        *self.facts().strikes.entry(behaviour).or_default() += 1;
    }

    pub fn struck(&self) -> BTreeMap<&'static str, u32> {
        self.facts().strikes.clone()
    }

    /// A call is the same however often the SDK sends it.
    pub fn refused_for_rate(&self, call: &Call) {
        let own = header(&call.request.headers, "amz-sdk-invocation-id");
        let own = own.map_or_else(|| format!("{} {}", call.name(), call.text()), str::to_owned);
        self.facts().refusals.entry(own).or_insert((call.name(), 0)).1 += 1;
    }

    /// How often calls of each name were refused for their rate, and the same ones again.
    pub fn refusals(&self) -> (BTreeMap<String, u32>, BTreeSet<String>) {
        let facts = self.facts();
        let mut all = BTreeMap::new();
        for (name, times) in facts.refusals.values() {
            *all.entry(name.clone()).or_default() += times;
        }
        let again = facts.refusals.values().filter(|(_, times)| *times > 1);
        (all, again.map(|(name, _)| name.clone()).collect())
    }

    pub fn role_made(&self, name: &str, id: &str) {
        let now = self.now();
        let role = Role { id: id.to_owned(), made: now, changed: now };
        self.facts().roles.insert(name.to_owned(), role);
    }

    pub fn role_changed(&self, name: &str) {
        let now = self.now();
        if let Some(role) = self.facts().roles.get_mut(name) {
            role.changed = now;
        }
    }

    pub fn role_gone(&self, name: &str) {
        self.facts().roles.remove(name);
    }

    /// The unique id of a role that there is.
    pub fn role_id(&self, name: &str) -> Option<String> {
        self.facts().roles.get(name).map(|role| role.id.clone())
    }

    /// Whether the role at an ARN, or of a name, was made so short a time ago.
    pub fn young(&self, role: &str, age: Duration) -> bool {
        let now = self.now();
        self.facts().roles.get(plain(role)).is_some_and(|role| now < role.made + age)
    }

    /// Whether who tries a role that was made here finds it not usable yet: at its first try, and
    /// for so long after the last change.
    pub fn unusable(&self, role: &str, who: &str, age: Duration) -> bool {
        let now = self.now();
        let mut facts = self.facts();
        let Some(role) = facts.roles.get(plain(role)) else { return false };
        let (changed, id) = (now < role.changed + age, role.id.clone());
        facts.tried.insert(format!("{who} {id}")) || changed
    }

    /// Whether this is tried for the first time.
    pub fn first(&self, what: String) -> bool {
        self.facts().tried.insert(what)
    }

    /// Whether that was so short a time ago, or what comes of it is tried for the first time.
    pub fn recent(&self, what: String, then: Instant, time: Duration) -> bool {
        self.first(what) || self.since(then) < time
    }
}

/// What was remembered at a time.
pub struct Memory {
    facts: Facts,
    at: Instant,
}

/// The name in an ARN.
pub fn plain(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}
