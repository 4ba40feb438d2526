//! What the rules of hard mode remember together, as long as the AWS under them lives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::super::call::Call;
use super::super::http::header;

/// Shared by all rules of one AWS, and by who looks what they did.
#[derive(Clone, Default)]
pub struct World(Arc<Mutex<Facts>>);

#[derive(Default)]
struct Facts {
    /// How often each behaviour showed.
    strikes: BTreeMap<&'static str, u32>,
    roles: BTreeMap<String, Role>,
    /// What was tried before, and by whom.
    tried: BTreeSet<String>,
    /// How often each call was refused for its rate, however often it was sent.
    refusals: BTreeMap<String, (String, u32)>,
}

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
        let now = Instant::now();
        let role = Role { id: id.to_owned(), made: now, changed: now };
        self.facts().roles.insert(name.to_owned(), role);
    }

    pub fn role_changed(&self, name: &str) {
        if let Some(role) = self.facts().roles.get_mut(name) {
            role.changed = Instant::now();
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
        self.facts().roles.get(plain(role)).is_some_and(|role| role.made.elapsed() < age)
    }

    /// Whether who tries a role that was made here finds it not usable yet: at its first try, and
    /// for so long after the last change.
    pub fn unusable(&self, role: &str, who: &str, age: Duration) -> bool {
        let mut facts = self.facts();
        let Some(role) = facts.roles.get(plain(role)) else { return false };
        let (changed, id) = (role.changed.elapsed() < age, role.id.clone());
        facts.tried.insert(format!("{who} {id}")) || changed
    }

    /// Whether this is tried for the first time.
    pub fn first(&self, what: String) -> bool {
        self.facts().tried.insert(what)
    }
}

/// The name in an ARN.
pub fn plain(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}
