//! What one run hears of the account: each call on its way may be late, lost, or its last.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::time::Duration;

use pipeline::apply::{Event, Reporter};
use pipeline::blueprint::Desired;
use pipeline::blueprint::text::Resolved;
use pipeline::cloud::{
    Boxed, Class, Cloud, Contents, Fault, Locks, Object, Owned, Put, Removal, Seen,
};
use pipeline::kind::place::OWNER_TAG;
use pipeline::kind::{Kind, Live, Name, Place};
use pipeline::lock::Lock;
use pipeline::plan::Choice;
use pipeline::plan::diff::Diff;
use serde_json::Value;
use tokio::sync::Notify;

use crate::fake::{Answer, Call, Fake, Theirs, Verb, fault};

use super::draw::Dice;
use super::history::{End, Run};
use super::shelf::Shelf;

/// No run needs as many: the longest wait of a step is some five hundred looks.
const CALLS_MAX: u32 = 6_000;

pub const LOCK: &str = "lock";

pub struct Line<'a> {
    fake: &'a Fake,
    shelf: &'a Shelf<'a>,
    script: &'a Run,
    /// Tells this run from every other.
    pub number: u64,
    /// What is others' and may be taken over.
    adopted: RefCell<Vec<String>>,
    /// What this run made: whatever others do to it, it may put it right.
    made: RefCell<BTreeSet<u32>>,
    /// Kinds and names of creates.
    created: RefCell<BTreeSet<(String, String)>>,
    /// What was others' when something was looked at last: what is given away between a look and
    /// the call that follows, nobody can know.
    looks: RefCell<BTreeMap<(String, String), BTreeSet<u32>>>,
    /// The rule that a call of this run broke.
    pub broken: RefCell<Option<String>>,
    /// Whether it holds the lock, as far as it knows.
    pub holds: Cell<bool>,
    /// Whether it saw last that another has it.
    barred: Cell<bool>,
    dice: RefCell<Dice>,
    pub calls: RefCell<Vec<Call>>,
    count: Cell<u32>,
    writes: Cell<u32>,
    /// Answers that calls of a kind still get, and how often.
    sticky: RefCell<Vec<Sticky>>,
    pub answered: Cell<u32>,
    pub endless: Cell<bool>,
    pub dead: Notify,
    pub stop: Notify,
    /// Which of the ends the run came to.
    pub ended: Cell<Option<End>>,
    pub unlocked: Cell<bool>,
}

/// Verb, kind and identity of a call, what it is answered, and how often still.
type Sticky = (Verb, String, String, Answer, u32);

struct Sent<'a> {
    verb: Verb,
    kind: &'a str,
    identity: &'a str,
    fields: Vec<String>,
}

impl<'a> Line<'a> {
    pub fn new(fake: &'a Fake, shelf: &'a Shelf<'a>, script: &'a Run, number: u64) -> Self {
        Self {
            fake,
            shelf,
            script,
            number,
            adopted: RefCell::default(),
            made: RefCell::default(),
            created: RefCell::default(),
            looks: RefCell::default(),
            broken: RefCell::default(),
            holds: Cell::default(),
            barred: Cell::default(),
            dice: RefCell::new(Dice::new(number)),
            calls: RefCell::default(),
            count: Cell::default(),
            writes: Cell::default(),
            sticky: RefCell::default(),
            answered: Cell::default(),
            endless: Cell::default(),
            dead: Notify::new(),
            stop: Notify::new(),
            ended: Cell::default(),
            unlocked: Cell::default(),
        }
    }

    pub fn place(&self) -> &'a Place {
        &self.fake.place
    }

    pub fn adopt(&self, desired: &Desired, choice: &Choice) {
        let nodes = choice.adopt.iter().filter_map(|id| desired.nodes.get(id));
        let named = nodes.map(|node| format!("{} {}", node.kind.name(), node.identity));
        *self.adopted.borrow_mut() = named.collect();
    }

    /// Calls that change the account; the lock is not of it.
    pub fn writes(&self) -> Vec<Call> {
        let calls = self.calls.borrow();
        let writes = calls.iter().filter(|call| call.verb != Verb::Look && call.kind != LOCK);
        writes.cloned().collect()
    }

    /// What others have, but for what may be taken over.
    fn others(&self) -> Vec<Theirs> {
        let mut others = self.fake.others();
        let (adopted, made) = (self.adopted.borrow(), self.made.borrow());
        others.retain(|(number, name, ..)| !adopted.contains(name) && !made.contains(number));
        others
    }

    /// One call and its answer; never returns once the run is killed.
    async fn send<T>(
        &self,
        sent: Sent<'_>,
        carry_out: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let bound = self.holds.get() || self.barred.get();
        self.travel().await;
        let (call, write) = self.counted(sent.verb);
        if call > CALLS_MAX {
            self.endless.set(true);
            self.die::<()>().await;
        }
        let end = self.script.end.filter(|end| match end {
            End::Before(at) | End::After(at) | End::Stop(at) => at.is(sent.verb, call, write),
        });
        if end.is_some() {
            self.ended.set(end);
        }
        if matches!(end, Some(End::Before(_))) {
            self.die::<()>().await;
        }
        if self.script.unlocked == Some(call) && self.shelf.clear() {
            self.unlocked.set(true);
        }
        let answer = self.answer(&sent, call, write);
        let result = match answer {
            None => self.watched(&sent, carry_out).await,
            Some(Answer::Lost) => {
                let done = self.watched(&sent, carry_out).await;
                done.and(Err(fault(Answer::Lost, sent.verb)))
            }
            Some(answer) => Err(fault(answer, sent.verb)),
        };
        self.check(&sent, bound);
        self.record(sent, result.as_ref().err());
        match end {
            Some(End::After(_)) => self.die().await,
            Some(End::Stop(_)) => self.stop.notify_one(),
            _ => {}
        }
        result
    }

    fn breaks(&self, rule: String) {
        self.broken.borrow_mut().get_or_insert(rule);
    }

    /// What every call has to keep to, whatever it does; one that was sent by who has the lock, or
    /// knew that another has it, is bound by it.
    fn check(&self, sent: &Sent<'_>, bound: bool) {
        if sent.verb == Verb::Look || sent.kind == LOCK {
            return;
        }
        let call = format!("{:?} {} {}", sent.verb, sent.kind, sent.identity);
        let same = |other: &&Call| {
            other.verb == Verb::Create && other.kind == sent.kind && other.identity == sent.identity
        };
        let done = |other: &Call| matches!(other.refused, None | Some(Class::Lost | Class::Broken));
        if sent.verb == Verb::Create && self.calls.borrow().iter().filter(same).any(done) {
            self.breaks(format!("a create that may have been done is not sent again: {call}"));
        }
        let holder = self.shelf.holder();
        let bound = bound && (self.holds.get() || self.barred.get());
        if bound && holder.is_some_and(|holder| holder != self.holder()) {
            self.breaks(format!("only who has the lock writes: {call}"));
        }
    }

    /// What its lock says of it.
    pub fn holder(&self) -> String {
        format!("run {}", self.number)
    }

    /// The plan was agreed to, for which a person may have taken an hour.
    pub fn agreed(&self) {
        self.looks.borrow_mut().clear();
    }

    /// Carries out a call and sees what it does to what is others'.
    async fn watched<T>(&self, sent: &Sent<'_>, carry_out: impl Future<Output = T>) -> T {
        if sent.kind == LOCK {
            return carry_out.await;
        }
        let place = (sent.kind.to_owned(), sent.identity.to_owned());
        if sent.verb == Verb::Look {
            self.looks.borrow_mut().insert(place, self.fake.theirs());
            return carry_out.await;
        }
        let (before, last) = (self.others(), self.fake.last());
        let done = carry_out.await;
        let after = self.others();
        let ours_then = |number: u32| {
            number <= last && self.looks.borrow().get(&place).is_some_and(|s| !s.contains(&number))
        };
        let changed = before.iter().filter(|thing| !after.contains(thing));
        let new = after.iter().filter(|thing| !before.contains(thing));
        // Tags may come later than what carries them: what has none under a name that this run has
        // just made counts as made by it.
        let mine = sent.verb == Verb::Update && self.created.borrow().contains(&place);
        let fine = |thing: &&Theirs| {
            ours_then(thing.0) || mine && thing.2["tags"].get(OWNER_TAG).is_none()
        };
        if let Some(thing) = changed.chain(new).find(|thing| !fine(thing)) {
            let call = format!("{:?} {} {}", sent.verb, sent.kind, sent.identity);
            self.breaks(format!(
                "what is others' is left alone: {call} does something to {thing:?}"
            ));
        }
        self.made.borrow_mut().extend(last + 1..=self.fake.last());
        if sent.verb == Verb::Create {
            self.created.borrow_mut().insert(place);
        }
        done
    }

    #[expect(clippy::disallowed_methods, reason = "calls take time, by a clock that is a test's")]
    async fn travel(&self) {
        if self.script.latency > 0 {
            let wait = self.dice.borrow_mut().next() % u64::from(self.script.latency);
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
    }

    async fn die<T>(&self) -> T {
        self.dead.notify_one();
        pending().await
    }

    fn counted(&self, verb: Verb) -> (u32, u32) {
        self.count.set(self.count.get() + 1);
        self.writes.set(self.writes.get() + u32::from(verb != Verb::Look));
        (self.count.get(), self.writes.get())
    }

    fn answer(&self, sent: &Sent<'_>, call: u32, write: u32) -> Option<Answer> {
        let mut sticky = self.sticky.borrow_mut();
        let hit = self.script.faults.iter().find(|fault| fault.at.is(sent.verb, call, write));
        if let Some(hit) = hit {
            let (kind, identity) = (sent.kind.to_owned(), sent.identity.to_owned());
            sticky.push((sent.verb, kind, identity, hit.answer, hit.times));
        }
        let (.., answer, left) = sticky.iter_mut().find(|(verb, kind, identity, _, left)| {
            *left > 0 && *verb == sent.verb && kind == sent.kind && identity == sent.identity
        })?;
        *left -= 1;
        self.answered.set(self.answered.get() + 1);
        Some(*answer)
    }

    fn record(&self, sent: Sent<'_>, fault: Option<&Fault>) {
        self.calls.borrow_mut().push(Call {
            verb: sent.verb,
            kind: sent.kind.into(),
            identity: sent.identity.into(),
            fields: sent.fields,
            refused: fault.map(|fault| fault.class),
        });
    }
}

fn sent<'a>(verb: Verb, kind: &'a str, identity: &'a str) -> Sent<'a> {
    Sent { verb, kind, identity, fields: Vec::new() }
}

fn named(spec: &Resolved) -> &str {
    let name = spec.value().get("name").or_else(|| spec.value().get("alias"));
    name.and_then(Value::as_str).unwrap_or_default()
}

impl Cloud for Line<'_> {
    fn kind(&self, name: &str) -> Option<&dyn Kind> {
        self.fake.kind(name)
    }

    fn observe<'a>(
        &'a self,
        kind: &'a str,
        identities: &'a [Name],
    ) -> Boxed<'a, Vec<Result<Option<Live>, Fault>>> {
        Box::pin(async move {
            let mut found = Vec::with_capacity(identities.len());
            for identity in identities {
                let look = async { self.fake.look(kind, identity) };
                found.push(self.send(sent(Verb::Look, kind, identity.as_str()), look).await);
            }
            found
        })
    }

    fn owned<'a>(&'a self) -> Boxed<'a, Result<Vec<Owned>, Fault>> {
        Box::pin(self.send(sent(Verb::Look, "", "all that is ours"), self.fake.owned()))
    }

    fn create<'a>(&'a self, kind: &'a str, spec: &'a Resolved) -> Boxed<'a, Result<(), Fault>> {
        let create = sent(Verb::Create, kind, named(spec));
        Box::pin(self.send(create, self.fake.create(kind, spec)))
    }

    fn update<'a>(
        &'a self,
        kind: &'a str,
        spec: &'a Resolved,
        live: &'a Live,
        diff: &'a Diff,
    ) -> Boxed<'a, Result<(), Fault>> {
        let update = Sent { fields: diff.paths(), ..sent(Verb::Update, kind, named(spec)) };
        Box::pin(self.send(update, self.fake.update(kind, spec, live, diff)))
    }

    fn delete<'a>(
        &'a self,
        kind: &'a str,
        identity: &'a Name,
        live: &'a Live,
    ) -> Boxed<'a, Result<(), Fault>> {
        let delete = sent(Verb::Delete, kind, identity.as_str());
        Box::pin(self.send(delete, self.fake.delete(kind, identity, live)))
    }

    fn purge<'a>(&'a self, kind: &'a str, identity: &'a Name) -> Boxed<'a, Result<(), Fault>> {
        let purge = sent(Verb::Purge, kind, identity.as_str());
        Box::pin(self.send(purge, self.fake.purge(kind, identity)))
    }

    fn retire<'a>(
        &'a self,
        kind: &'a str,
        identity: &'a Name,
        live: &'a Live,
    ) -> Boxed<'a, Result<(), Fault>> {
        let retire = sent(Verb::Retire, kind, identity.as_str());
        Box::pin(self.send(retire, self.fake.retire(kind, identity, live)))
    }

    fn contents<'a>(
        &'a self,
        kind: &'a str,
        identity: &'a Name,
    ) -> Boxed<'a, Result<Option<Contents>, Fault>> {
        self.fake.contents(kind, identity)
    }
}

impl Locks for Line<'_> {
    fn look<'a>(&'a self, object: &'a Object) -> Boxed<'a, Result<Option<Seen>, Fault>> {
        Box::pin(async move {
            let look = self.shelf.look(object);
            let seen = self.send(sent(Verb::Look, LOCK, &object.key), look).await?;
            let theirs = |seen: &Seen| Lock::read(&seen.content).holder != self.holder();
            self.barred.set(seen.as_ref().is_some_and(theirs));
            Ok(seen)
        })
    }

    fn put<'a>(
        &'a self,
        object: &'a Object,
        content: Vec<u8>,
        over: Option<&'a str>,
    ) -> Boxed<'a, Result<Put, Fault>> {
        Box::pin(async move {
            let put = self.shelf.put(object, content, over);
            let answer = self.send(sent(Verb::Update, LOCK, &object.key), put).await;
            if matches!(answer, Ok(Put::Written(_))) {
                self.holds.set(true);
                self.barred.set(false);
            }
            answer
        })
    }

    fn remove<'a>(
        &'a self,
        object: &'a Object,
        etag: &'a str,
    ) -> Boxed<'a, Result<Removal, Fault>> {
        self.holds.set(false);
        let remove = self.shelf.remove(object, etag);
        Box::pin(self.send(sent(Verb::Delete, LOCK, &object.key), remove))
    }

    fn erase<'a>(&'a self, object: &'a Object) -> Boxed<'a, Result<(), Fault>> {
        // It goes with its bucket, and the run goes on without it.
        self.holds.set(false);
        Box::pin(self.send(sent(Verb::Delete, LOCK, &object.key), self.shelf.erase(object)))
    }
}

impl Reporter for Line<'_> {
    fn tell(&self, _: &Event<'_>) {}
}
