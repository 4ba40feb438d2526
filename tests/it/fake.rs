//! The cloud in memory. Whatever AWS does that makes an apply hard, this one does on demand.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pipeline::blueprint::text::Resolved;
use pipeline::cloud::{Boxed, Class, Cloud, Contents, Fault, Objects, Owned};
use pipeline::kind::place::{ID_TAG, OWNER_TAG};
use pipeline::kind::{Kind, Live, Name, Outputs, Phase, Place};
use pipeline::plan::diff::Diff;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::toys;

/// How AWS behaves towards one identity.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Habit {
    /// Looks at something made or changed before it is ready.
    pub settles: u32,
    /// Looks after a call that still show what was before it.
    pub forgets: u32,
    /// Listings of what is ours that leave something made out.
    pub unlisted: u32,
    /// Looks at something deleted while it is on its way out.
    pub leaves: u32,
    /// An update changes the first of its fields only.
    pub one_field: bool,
    /// It fails, for this reason, instead of getting ready.
    pub fails: Option<String>,
    /// Looks after which something made ends by itself.
    pub ends: Option<u32>,
    /// Fields that no update changes.
    pub stuck: BTreeSet<String>,
    /// Every update gives this field another value, none of them the right one.
    pub restless: Option<String>,
    /// What the next calls of a verb are answered, one each; then they are taken.
    pub answers: BTreeMap<Verb, VecDeque<Answer>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    Look,
    Create,
    Update,
    Delete,
    Purge,
    Retire,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    NotYet,
    Throttled,
    Conflict,
    Denied,
    Invalid,
    Broken,
    /// Carried out, and the reply lost.
    Lost,
    /// The request lost.
    Dropped,
}

/// One call, as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub verb: Verb,
    pub kind: String,
    pub identity: String,
    /// What an update is asked to change.
    pub fields: Vec<String>,
    pub refused: Option<Class>,
}

#[derive(Debug, Clone, PartialEq)]
enum Stage {
    Ready,
    Settling(u32),
    Leaving(u32),
    /// Remembered, no longer there.
    Gone,
    Failed(String),
    /// Nothing is left of it but what lagging looks still show.
    Absent,
}

struct Thing {
    /// Tells it from every other there ever was; the older, the lower.
    number: u32,
    kind: &'static dyn Kind,
    identity: String,
    /// It gave its name to a successor; for so many looks the name still leads here.
    retired: Option<u32>,
    spec: Value,
    outputs: Outputs,
    stage: Stage,
    holds: u32,
    ends: Option<u32>,
    /// What looks show for as long as they lag behind.
    shown: Option<Live>,
    lag: u32,
    /// Listings that still leave it out.
    unlisted: u32,
}

/// Something that is not ours: its number, its kind and name, what it is and what it holds.
pub type Theirs = (u32, String, Value, u32);

pub struct Fake {
    pub place: Place,
    pub habits: RefCell<BTreeMap<String, Habit>>,
    pub calls: RefCell<Vec<Call>>,
    /// Calls and, where a test tells them, other events; in order.
    pub log: RefCell<Vec<String>>,
    made: Cell<u32>,
    things: RefCell<Vec<Thing>>,
}

impl Fake {
    pub fn new(place: Place) -> Self {
        Self {
            place,
            habits: RefCell::default(),
            calls: RefCell::default(),
            log: RefCell::default(),
            made: Cell::default(),
            things: RefCell::default(),
        }
    }

    /// Puts something there, as if it had always been.
    pub fn put(&self, kind: &'static dyn Kind, spec: &Value, phase: &Phase, holds: u32) {
        let mut thing = self.thing(kind, spec);
        thing.holds = holds;
        thing.stage = match phase {
            Phase::Ready => Stage::Ready,
            Phase::Settling(_) => Stage::Settling(2),
            Phase::Leaving(_) => Stage::Leaving(2),
            Phase::Gone(_) => Stage::Gone,
            Phase::Failed(why) => Stage::Failed(why.clone()),
        };
        self.things.borrow_mut().push(thing);
    }

    /// Somebody changes a field in the console.
    pub fn edit(&self, identity: &str, field: &str, value: Value) {
        let mut things = self.things.borrow_mut();
        for thing in things.iter_mut().filter(|thing| thing.identity == identity) {
            thing.spec[field] = value.clone();
        }
    }

    /// Somebody deletes it in the console.
    pub fn vanish(&self, identity: &str) {
        self.things.borrow_mut().retain(|thing| thing.identity != identity);
    }

    /// It ends by itself and is remembered.
    pub fn end(&self, identity: &str) {
        let mut things = self.things.borrow_mut();
        let thing = things.iter_mut().find(|thing| thing.identity == identity).unwrap();
        thing.stage = Stage::Gone;
    }

    pub fn writes(&self) -> Vec<Call> {
        self.calls.borrow().iter().filter(|call| call.verb != Verb::Look).cloned().collect()
    }

    /// From now on nothing lags and everything has the time it needs.
    pub fn calm(&self) {
        self.habits.borrow_mut().clear();
        for thing in self.things.borrow_mut().iter_mut() {
            match thing.stage {
                Stage::Settling(_) => thing.stage = Stage::Ready,
                Stage::Leaving(_) => thing.leave(),
                _ => {}
            }
        }
        self.catch_up();
    }

    /// From now on every look and every listing shows what is, and what is there stays.
    pub fn catch_up(&self) {
        for thing in self.things.borrow_mut().iter_mut() {
            thing.ends = None;
            thing.lag = 0;
            thing.unlisted = 0;
            thing.retired = thing.retired.map(|_| 0);
        }
        self.things.borrow_mut().retain(|thing| thing.stage != Stage::Absent);
    }

    /// Somebody changes what stands under a name, in one kind; what it holds is changed with it.
    pub fn reach(&self, kind: &str, identity: &str, change: impl Fn(&mut Value, &mut u32)) {
        for thing in self.things.borrow_mut().iter_mut() {
            if thing.is_there() && thing.kind.name() == kind && thing.identity == identity {
                change(&mut thing.spec, &mut thing.holds);
            }
        }
    }

    /// Somebody deletes it, in one kind.
    pub fn lose(&self, kind: &str, identity: &str) {
        let same = |thing: &Thing| thing.kind.name() == kind && thing.identity == identity;
        self.things.borrow_mut().retain(|thing| !same(thing) || !thing.is_there());
    }

    /// Whether one of this kind and name is there, or remembered.
    pub fn knows(&self, kind: &str, identity: &str) -> bool {
        let things = self.things.borrow();
        things.iter().any(|thing| thing.kind.name() == kind && thing.identity == identity)
    }

    /// The number of what was made last.
    pub fn last(&self) -> u32 {
        self.made.get()
    }

    /// What is not ours, as it is.
    pub fn others(&self) -> Vec<Theirs> {
        let things = self.things.borrow();
        let theirs = things.iter().filter(|thing| thing.is_there() && !self.owns(thing));
        let name = |thing: &Thing| format!("{} {}", thing.kind.name(), thing.identity);
        theirs.map(|t| (t.number, name(t), t.spec.clone(), t.holds)).collect()
    }

    /// The numbers of what is not ours.
    pub fn theirs(&self) -> BTreeSet<u32> {
        let things = self.things.borrow();
        things.iter().filter(|thing| !self.owns(thing)).map(|thing| thing.number).collect()
    }

    fn owns(&self, thing: &Thing) -> bool {
        thing.spec["tags"][OWNER_TAG] == self.place.owner.0
    }

    /// Which of all there ever were is there under this name, of a kind that names tell apart.
    pub fn standing(&self, kind: &str, identity: &str) -> Option<u32> {
        let things = self.things.borrow();
        let stands = |thing: &&Thing| matches!(thing.stage, Stage::Ready | Stage::Settling(_));
        let mut named = things.iter().filter(|t| t.kind.name() == kind && t.identity == identity);
        named.find(stands).map(|thing| thing.number)
    }

    /// What really exists, by owner.
    pub fn existing(&self, of: impl Fn(Option<&str>) -> bool) -> Vec<(String, Live)> {
        let things = self.things.borrow();
        let there = things.iter().filter(|thing| thing.is_there());
        there
            .map(|thing| (format!("{} {}", thing.kind.name(), thing.identity), thing.live()))
            .filter(|(_, live)| of(live.tag(OWNER_TAG)))
            .collect()
    }

    fn thing(&self, kind: &'static dyn Kind, spec: &Value) -> Thing {
        self.made.set(self.made.get() + 1);
        let number = self.made.get();
        let normal = kind.normalize(spec).unwrap();
        let mut spec = normal.spec;
        decided(&mut spec);
        let mut outputs = kind.predict(&spec, &self.place);
        if kind.name() == "key" {
            outputs.insert("key_id".into(), format!("k-{number}"));
        }
        if toys::labelled(kind) {
            let id = format!("{}-{number}", if kind.name() == "cluster" { "j" } else { "d" });
            outputs.insert("arn".into(), self.place.arn(kind.name(), &id));
            outputs.insert("id".into(), id);
        }
        Thing {
            number,
            kind,
            identity: normal.identity.to_string(),
            retired: None,
            spec,
            outputs,
            stage: Stage::Ready,
            holds: 0,
            ends: None,
            shown: None,
            lag: 0,
            unlisted: 0,
        }
    }

    fn habit(&self, identity: &str) -> Habit {
        let habits = self.habits.borrow();
        habits.get(identity).or_else(|| habits.get("*")).cloned().unwrap_or_default()
    }

    fn answer(&self, verb: Verb, identity: &str) -> Option<Answer> {
        let mut habits = self.habits.borrow_mut();
        let name = if habits.contains_key(identity) { identity } else { "*" };
        habits.get_mut(name)?.answers.get_mut(&verb)?.pop_front()
    }

    fn write(
        &self,
        verb: Verb,
        kind: &str,
        identity: &str,
        fields: Vec<String>,
        carry_out: impl FnOnce() -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let result = match self.answer(verb, identity) {
            None => carry_out(),
            Some(Answer::Lost) => carry_out().and(Err(fault(Answer::Lost, verb))),
            Some(answer) => Err(fault(answer, verb)),
        };
        let refused = result.as_ref().err().map(|fault| fault.class);
        let answer = refused.map_or_else(|| "done".into(), |class| format!("{class:?}"));
        let what =
            if fields.is_empty() { String::new() } else { format!(": {}", fields.join(", ")) };
        let word = serde_json::to_value(verb).unwrap();
        let line = format!("{} {kind} {identity}{what} -> {answer}", word.as_str().unwrap());
        self.log.borrow_mut().push(line);
        let (kind, identity) = (kind.to_owned(), identity.to_owned());
        self.calls.borrow_mut().push(Call { verb, kind, identity, fields, refused });
        result
    }

    pub fn look(&self, kind: &str, identity: &Name) -> Result<Option<Live>, Fault> {
        let answer = self.answer(Verb::Look, identity.as_str());
        self.calls.borrow_mut().push(Call {
            verb: Verb::Look,
            kind: kind.into(),
            identity: identity.to_string(),
            fields: Vec::new(),
            refused: None,
        });
        match answer {
            Some(answer) => Err(fault(answer, Verb::Look)),
            None => Ok(self.found(kind, identity.as_str())),
        }
    }

    /// The oldest that stays, else one on its way out, else the newest that is remembered.
    fn found(&self, kind: &str, identity: &str) -> Option<Live> {
        let mut things = self.things.borrow_mut();
        let matching = things.iter_mut().filter(|thing| self.means(thing, kind, identity));
        let mut shown: Vec<Live> = matching.filter_map(|thing| thing.show(identity)).collect();
        things.retain(|thing| thing.stage != Stage::Absent || thing.lag > 0);
        let stays = |live: &Live| live.exists() && !matches!(live.phase, Phase::Leaving(_));
        let first = shown.iter().position(stays);
        let first = first.or_else(|| shown.iter().position(Live::exists));
        let first = first.unwrap_or(shown.len().saturating_sub(1));
        (first < shown.len()).then(|| shown.swap_remove(first))
    }

    /// Whether an identity leads here. A label leads to what is ours only: others may use it too.
    fn means(&self, thing: &Thing, kind: &str, identity: &str) -> bool {
        let label = toys::labelled(thing.kind) && thing.identity == identity;
        thing.matches(kind, identity) && (!label || self.owns(thing))
    }

    fn make(&self, kind: &str, spec: &Value) -> Result<(), Fault> {
        let kind = toys::kind(kind).unwrap();
        let mut thing = self.thing(kind, spec);
        let mut things = self.things.borrow_mut();
        let habit = self.habit(&thing.identity);
        let same = |other: &&mut Thing| {
            other.matches(kind.name(), &thing.identity) && other.stage != Stage::Absent
        };
        if !toys::labelled(kind)
            && let Some(other) = things.iter_mut().find(same)
        {
            if other.stage != Stage::Gone {
                return Err(Fault::new(Class::Conflict, "toy:Create", "it exists"));
            }
            other.hide(habit.forgets);
            other.spec = thing.spec;
            other.stage = Stage::Settling(habit.settles);
            other.ends = habit.ends;
            return Ok(());
        }
        thing.stage = match habit.fails {
            Some(why) => Stage::Failed(why),
            None => Stage::Settling(habit.settles),
        };
        thing.ends = habit.ends;
        thing.lag = habit.forgets;
        thing.unlisted = habit.unlisted;
        things.push(thing);
        Ok(())
    }

    fn on(&self, kind: &str, live: &Live, change: impl FnOnce(&mut Thing, &Habit)) {
        let mut things = self.things.borrow_mut();
        let same = |thing: &&mut Thing| {
            thing.kind.name() == kind
                && thing.outputs == live.outputs
                && !matches!(thing.stage, Stage::Gone | Stage::Absent)
        };
        if let Some(thing) = things.iter_mut().rev().find(same) {
            let habit = self.habit(&thing.identity);
            change(thing, &habit);
        }
    }
}

/// What the blueprint leaves to AWS.
fn decided(spec: &mut Value) {
    if spec.get("shards").is_some_and(Value::is_null) {
        spec["shards"] = json!(1);
    }
    if spec.get("seed").is_some() {
        spec["seed"] = Value::Null;
    }
}

pub fn fault(answer: Answer, verb: Verb) -> Fault {
    let operation = match verb {
        Verb::Look => "toy:Look",
        Verb::Create => "toy:Create",
        Verb::Update => "toy:Update",
        Verb::Delete => "toy:Delete",
        Verb::Purge => "toy:Purge",
        Verb::Retire => "toy:Retire",
    };
    let class = match answer {
        Answer::NotYet => Class::NotYet,
        Answer::Throttled => Class::Throttled,
        Answer::Conflict => Class::Conflict,
        Answer::Denied => Class::Denied,
        Answer::Invalid => Class::Invalid,
        Answer::Broken => Class::Broken,
        Answer::Lost | Answer::Dropped => Class::Lost,
    };
    Fault::new(class, operation, format!("{answer:?}"))
}

impl Thing {
    fn is_there(&self) -> bool {
        !matches!(self.stage, Stage::Gone | Stage::Absent)
    }

    fn matches(&self, kind: &str, identity: &str) -> bool {
        let by_name = self.identity == identity && self.retired.is_none_or(|looks| looks > 0);
        let by_id = self.outputs.get("id").is_some_and(|id| id == identity);
        self.kind.name() == kind && (by_name || by_id)
    }

    fn live(&self) -> Live {
        let phase = match &self.stage {
            Stage::Ready => Phase::Ready,
            Stage::Settling(0) => Phase::Ready,
            Stage::Settling(_) => Phase::Settling("SETTLING".into()),
            Stage::Leaving(_) => Phase::Leaving("LEAVING".into()),
            Stage::Gone | Stage::Absent => Phase::Gone("ENDED".into()),
            Stage::Failed(why) => Phase::Failed(why.clone()),
        };
        Live { spec: self.spec.clone(), outputs: self.outputs.clone(), phase }
    }

    /// One look, which is also the passing of time.
    fn show(&mut self, asked: &str) -> Option<Live> {
        if asked == self.identity {
            self.retired = self.retired.map(|looks| looks.saturating_sub(1));
        }
        if self.lag > 0 {
            self.lag -= 1;
            return self.shown.clone();
        }
        match self.stage {
            Stage::Absent => return None,
            Stage::Settling(0) => self.stage = Stage::Ready,
            Stage::Leaving(0) => {
                self.leave();
                return self.show(asked);
            }
            _ => {}
        }
        if self.stage == Stage::Ready && self.ends == Some(0) {
            self.stage = Stage::Gone;
        }
        let live = self.live();
        match &mut self.stage {
            Stage::Settling(looks) | Stage::Leaving(looks) => *looks -= 1,
            Stage::Ready => self.ends = self.ends.map(|looks| looks - 1),
            Stage::Gone | Stage::Failed(_) | Stage::Absent => {}
        }
        Some(live)
    }

    /// Lets looks lag behind what is about to happen.
    fn hide(&mut self, looks: u32) {
        if self.lag == 0 {
            self.shown = Some(self.live());
            self.lag = looks;
        }
    }

    /// Keys and clusters are remembered.
    fn leave(&mut self) {
        let remembered = matches!(self.kind.name(), "key" | "cluster");
        self.stage = if remembered { Stage::Gone } else { Stage::Absent };
    }

    fn update(&mut self, spec: &Value, diff: &Diff, habit: &Habit) {
        self.hide(habit.forgets);
        let paths = diff.paths();
        let tops = paths.iter().map(|path| path.split('.').next().unwrap());
        let stuck = |top: &str| habit.stuck.contains(top) || habit.restless.as_deref() == Some(top);
        let changeable = tops.filter(|top| !stuck(top));
        let most = if habit.one_field { 1 } else { usize::MAX };
        // A call replaces a field as a whole, as most of AWS's do.
        let fields: BTreeSet<String> = changeable.take(most).map(str::to_owned).collect();
        for field in fields {
            if !spec[&field].is_null() {
                self.spec[&field] = spec[&field].clone();
            }
        }
        if let Some(field) = &habit.restless {
            self.spec[field] = json!(self.spec[field].as_u64().unwrap_or_default() + 1);
        }
        self.stage = Stage::Settling(habit.settles);
    }
}

impl Cloud for Fake {
    fn kind(&self, name: &str) -> Option<&dyn Kind> {
        toys::kind(name).map(|kind| kind as &dyn Kind)
    }

    fn observe<'a>(
        &'a self,
        kind: &'a str,
        identities: &'a [Name],
    ) -> Boxed<'a, Vec<Result<Option<Live>, Fault>>> {
        Box::pin(async move {
            let mut found = Vec::new();
            for identity in identities {
                found.push(self.look(kind, identity));
            }
            found
        })
    }

    /// The index of tags lags behind, so that it may list anything: what has another owner now, and
    /// what is no longer there. Two lists name each thing, and only one of them knows ARNs.
    fn owned<'a>(&'a self) -> Boxed<'a, Result<Vec<Owned>, Fault>> {
        Box::pin(async move {
            let mut things = self.things.borrow_mut();
            let young = |thing: &mut Thing| {
                thing.unlisted = thing.unlisted.saturating_sub(1);
                thing.unlisted > 0
            };
            let listed = things.iter_mut().filter_map(|t| (!young(t)).then_some(&*t));
            let listed = listed.map(|thing| Owned {
                kind: thing.kind.name().into(),
                id: thing.live().tag(ID_TAG).unwrap_or_default().into(),
                identity: Name::new(thing.outputs.get("id").unwrap_or(&thing.identity)),
                arn: thing.outputs.get("arn").cloned(),
            });
            let twice = |owned: Owned| [Owned { arn: None, ..owned.clone() }, owned];
            Ok(listed.flat_map(twice).collect())
        })
    }

    fn create<'a>(&'a self, kind: &'a str, spec: &'a Resolved) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move {
            let identity = toys::kind(kind).unwrap().normalize(spec.value()).unwrap().identity;
            let make = || self.make(kind, spec.value());
            self.write(Verb::Create, kind, identity.as_str(), Vec::new(), make)
        })
    }

    fn update<'a>(
        &'a self,
        kind: &'a str,
        spec: &'a Resolved,
        live: &'a Live,
        diff: &'a Diff,
    ) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move {
            let identity = toys::kind(kind).unwrap().normalize(spec.value()).unwrap().identity;
            let update = || {
                self.on(kind, live, |thing, habit| thing.update(spec.value(), diff, habit));
                Ok(())
            };
            self.write(Verb::Update, kind, identity.as_str(), diff.paths(), update)
        })
    }

    fn delete<'a>(
        &'a self,
        kind: &'a str,
        identity: &'a Name,
        live: &'a Live,
    ) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move {
            let delete = || {
                let mut full = false;
                self.on(kind, live, |thing, habit| {
                    full = thing.holds > 0;
                    if !full {
                        thing.hide(habit.forgets);
                        thing.stage = Stage::Leaving(habit.leaves);
                    }
                });
                let refused = Fault::new(Class::NotEmpty, "toy:Delete", "it holds something");
                if full { Err(refused) } else { Ok(()) }
            };
            self.write(Verb::Delete, kind, identity.as_str(), Vec::new(), delete)
        })
    }

    fn purge<'a>(&'a self, kind: &'a str, identity: &'a Name) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move {
            let purge = || {
                for thing in self.things.borrow_mut().iter_mut() {
                    if self.means(thing, kind, identity.as_str()) {
                        thing.holds = thing.holds.saturating_sub(1);
                    }
                }
                Ok(())
            };
            self.write(Verb::Purge, kind, identity.as_str(), Vec::new(), purge)
        })
    }

    fn retire<'a>(
        &'a self,
        kind: &'a str,
        identity: &'a Name,
        live: &'a Live,
    ) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move {
            let retire = || {
                self.on(kind, live, |thing, habit| thing.retired = Some(habit.forgets));
                Ok(())
            };
            self.write(Verb::Retire, kind, identity.as_str(), Vec::new(), retire)
        })
    }

    fn contents<'a>(
        &'a self,
        kind: &'a str,
        identity: &'a Name,
    ) -> Boxed<'a, Result<Option<Contents>, Fault>> {
        Box::pin(async move {
            let things = self.things.borrow();
            let held = things.iter().find(|thing| thing.matches(kind, identity.as_str()));
            let objects =
                |thing: &Thing| Objects { objects: thing.holds.into(), ..Objects::default() };
            Ok(held.map(|thing| Contents::Objects(objects(thing))))
        })
    }
}
