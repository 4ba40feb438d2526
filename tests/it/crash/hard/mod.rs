//! Hard mode: AWS as it really is, imposed on what the local AWS answers.
//!
//! What it does is what AWS is known to do, in seconds where AWS takes minutes: each rule names the
//! real figure beside its own. It stands between the local AWS and the proxy that disturbs a run,
//! and remembers for as long as the local AWS does: what one run made is young for the next.
//!
//! Left to the local AWS, which does it by itself: keys that await deletion show, and keep their
//! alias; composite alarms are hidden from who does not ask for them, and tags of an alarm that
//! exists are not put with it; a topic that exists with other attributes is refused, and who is
//! subscribed by mail has to confirm.

mod answer;
mod busy;
mod caused;
mod copies;
mod emr;
mod families;
mod firehose;
mod iam;
mod kinesis;
mod lag;
mod lambda;
mod listed;
mod moving;
mod pace;
mod principals;
mod s3;
mod sqs;
mod tests;
mod world;

use std::sync::{Arc, Mutex, MutexGuard};

use super::call::Call;
use super::http::Answer;
use super::proxy::{Deed, Proxy, Reply, Rule};

pub use world::World;

/// An AWS that is hard to deal with, before the one at a port.
pub struct Hard {
    pub proxy: Proxy,
    all: Mutex<All>,
    kept: Mutex<Option<Kept>>,
    port: u16,
}

impl Hard {
    pub fn before(port: u16) -> Self {
        let (proxy, all) = (Proxy::before(port), Mutex::new(All::new(port)));
        let hard = Self { proxy, all, kept: Mutex::default(), port };
        hard.forget();
        hard
    }

    /// With what the AWS behind it holds.
    pub fn forget(&self) {
        self.begin(All::new(self.port));
    }

    /// With what the AWS behind it keeps.
    pub fn keep(&self) {
        *held(&self.kept) = Some(held(&self.all).keep());
    }

    /// With what the AWS behind it restores.
    pub fn restore(&self) {
        let all = held(&self.kept).as_ref().map(Kept::restore);
        self.begin(all.expect("something was kept"));
    }

    fn begin(&self, all: All) {
        self.proxy.begin(vec![Box::new(all.clone())]);
        *held(&self.all) = all;
    }

    pub fn world(&self) -> World {
        held(&self.all).world.clone()
    }
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().expect("no holder panics")
}

/// A rule that another takes over from, with all that it remembers.
trait Behaviour: Rule {
    fn copy(&self) -> Box<dyn Behaviour>;
}

impl<T: Rule + Clone + 'static> Behaviour for T {
    fn copy(&self) -> Box<dyn Behaviour> {
        Box::new(self.clone())
    }
}

/// How AWS behaves: who stands first refuses first.
fn rules(world: &World, port: u16) -> Vec<Box<dyn Behaviour>> {
    let mut rules: Vec<Box<dyn Behaviour>> = vec![Box::new(pace::Pace::new(world))];
    rules.extend(lag::all(world));
    rules.extend(listed::all(world, port));
    rules.push(Box::new(kinesis::Streams::new(world)));
    rules.push(Box::new(firehose::Deliveries::new(world)));
    rules.push(Box::new(s3::Buckets::new(world)));
    rules.push(Box::new(principals::Principals::new(world)));
    rules.push(Box::new(iam::Roles::new(world)));
    rules.push(Box::new(lambda::Functions::new(world)));
    rules.push(Box::new(sqs::Queues::new(world)));
    rules.push(Box::new(emr::Clusters::new(world, port)));
    rules.extend(busy::all(world));
    rules
}

/// Every behaviour, by its name.
fn behaviours() -> impl Iterator<Item = &'static str> {
    let own = [
        pace::BEHAVIOURS,
        kinesis::BEHAVIOURS,
        firehose::BEHAVIOURS,
        s3::BEHAVIOURS,
        principals::BEHAVIOURS,
        iam::BEHAVIOURS,
        lambda::BEHAVIOURS,
        sqs::BEHAVIOURS,
        emr::BEHAVIOURS,
    ];
    own.into_iter()
        .flatten()
        .copied()
        .chain(lag::behaviours())
        .chain(listed::behaviours())
        .chain(busy::behaviours())
}

/// Those that show only to who does wrong, as a program that waits as it should does not, or whose
/// calls follow each other within a second or three, as they do not on a busy machine. What they are
/// is shown in `caused`.
const CAUSED: &[&str] = &[
    emr::INVALID,
    kinesis::BUSY,
    kinesis::FULL,
    lambda::CONFLICT,
    busy::ATTACHED,
    pace::REFUSED,
    busy::GROUP,
    busy::DATABASE,
    listed::ROLES,
];

/// What one rule refuses, no rule behind it hears of.
#[derive(Clone)]
struct All {
    world: World,
    rules: Arc<Mutex<Vec<Box<dyn Behaviour>>>>,
}

/// All that was remembered at a time.
struct Kept {
    world: World,
    facts: world::Memory,
    rules: Vec<Box<dyn Behaviour>>,
}

impl All {
    fn new(port: u16) -> Self {
        let world = World::default();
        let rules = Arc::new(Mutex::new(rules(&world, port)));
        Self { world, rules }
    }

    fn keep(&self) -> Kept {
        let rules = held(&self.rules).iter().map(|rule| rule.copy()).collect();
        Kept { world: self.world.clone(), facts: self.world.keep(), rules }
    }
}

impl Kept {
    fn restore(&self) -> All {
        self.world.restore(&self.facts);
        let rules = self.rules.iter().map(|rule| rule.copy()).collect();
        All { world: self.world.clone(), rules: Arc::new(Mutex::new(rules)) }
    }
}

impl Rule for All {
    fn before(&mut self, call: &Call) -> Deed {
        for rule in held(&self.rules).iter_mut() {
            match rule.before(call) {
                Deed::Forward => {}
                other => return other,
            }
        }
        Deed::Forward
    }

    fn after(&mut self, call: &Call, answer: &mut Answer) -> Reply {
        for rule in held(&self.rules).iter_mut().rev() {
            rule.after(call, answer);
        }
        Reply::Send
    }
}
