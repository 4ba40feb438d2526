//! One step: look, decide, act, until it is what the plan says. Nothing else in `apply` sleeps.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::blueprint::Id;
use crate::blueprint::text::{Resolved, Unresolved, resolve};
use crate::cloud::{Class, Fault};
use crate::kind::{Kind, Live, Outputs, Phase};
use crate::plan::known::with;
use crate::plan::{Action, Step};

use super::next::{Call, Memory, Move, Stop, View, next};
use super::{Event, Outcome, Run, retry};

/// Nothing that AWS does to one resource takes longer: a large reshard takes two hours.
const SETTLES_WITHIN: Duration = Duration::from_secs(2 * 60 * 60);

/// Brings one step to its end. `first` is the look that the plan was made from: it will do for what
/// makes something, since what is there already is not made twice.
pub async fn converge(
    run: &Run<'_>,
    step: &Step,
    known: &BTreeMap<Id, Outputs>,
    first: Option<Option<Live>>,
) -> Outcome {
    let Some(kind) = run.cloud.kind(&step.kind) else {
        return Outcome::Failed(Stop::Unresolved(format!("there is no kind `{}`", step.kind)));
    };
    let spec = match spec(kind, step, known) {
        Ok(spec) => spec,
        Err(why) => return Outcome::Failed(Stop::Unresolved(why)),
    };
    let remembered = first.as_ref().and_then(Option::as_ref).map(|live| live.outputs.clone());
    let memory = Memory { remembered, ..Memory::default() };
    let mut work = Work { run, step, kind, spec, memory, started: Instant::now() };
    match work.go(first.filter(|_| !overwrites(&step.action))).await {
        Ok(outputs) if step.action == Action::Delete => Outcome::Done(outputs),
        Ok(outputs) => {
            let spec = work.spec.as_ref().map_or(&step.spec, Resolved::value);
            Outcome::Done(with(predicted(run, step, spec), &outputs))
        }
        Err(stop) => Outcome::Failed(stop),
    }
}

/// Whether it changes or ends what is there, which is looked at again first: since the plan was
/// made a person may have thought for an hour, and it may be another's by now.
fn overwrites(action: &Action) -> bool {
    match action {
        Action::Update(diff) => !diff.is_empty(),
        Action::Replace(_) | Action::Delete => true,
        Action::Keep(_) | Action::Dormant(_) | Action::Create(_) => false,
    }
}

/// The outputs of what is not there now and follows from its names.
pub fn predicted(run: &Run<'_>, step: &Step, spec: &Value) -> Outputs {
    run.cloud.kind(&step.kind).map_or_else(Outputs::new, |kind| kind.predict(spec, run.place))
}

fn spec(
    kind: &dyn Kind,
    step: &Step,
    known: &BTreeMap<Id, Outputs>,
) -> Result<Option<Resolved>, String> {
    if step.action == Action::Delete {
        return Ok(None);
    }
    resolve(kind, &step.spec, known).map(Some).map_err(|unresolved| match unresolved {
        Unresolved::Malformed(why) => why,
        Unresolved::Unknown(missing) => {
            let names: Vec<_> =
                missing.iter().map(|r| format!("${{{}.{}}}", r.id, r.output)).collect();
            format!("{} has no value", names.join(", "))
        }
    })
}

/// Refusals in a row, and since when they are of one class: each class has its own patience.
struct Trouble {
    class: Class,
    refusals: u32,
    since: Instant,
}

struct Work<'a> {
    run: &'a Run<'a>,
    step: &'a Step,
    kind: &'a dyn Kind,
    spec: Option<Resolved>,
    memory: Memory,
    /// When it began, or was last emptied, which takes as long as it holds things.
    started: Instant,
}

impl Work<'_> {
    async fn go(&mut self, first: Option<Option<Live>>) -> Result<Outputs, Stop> {
        let mut look = first;
        let mut looks = 0;
        let mut trouble = None;
        loop {
            let live = match look.take() {
                Some(live) => live,
                None => self.look().await?,
            };
            match self.next(live.as_ref()) {
                Move::Done(outputs) => return Ok(outputs),
                Move::Stop(stop) => return Err(stop),
                Move::Wait(why) => {
                    self.run.reporter.tell(&Event::Waiting(self.step, &why));
                    if self.started.elapsed() > SETTLES_WITHIN {
                        return Err(Stop::TimedOut(why));
                    }
                    pause(retry::poll(looks)).await;
                    looks += 1;
                    if moving(live.as_ref()) {
                        self.memory.quiet = 0;
                        trouble = None;
                    } else {
                        self.memory.quiet += 1;
                    }
                }
                Move::Call(call) => {
                    self.run.reporter.tell(&Event::Calling(self.step, &call));
                    match self.call(&call, live.as_ref()).await {
                        Ok(()) => {
                            self.remember(&call);
                            trouble = None;
                            if call == Call::Create {
                                self.complete().await;
                            }
                        }
                        Err(fault) => {
                            self.refused(&call, live.as_ref(), fault, &mut trouble).await?
                        }
                    }
                    looks = 0;
                }
            }
        }
    }

    fn next(&self, live: Option<&Live>) -> Move {
        next(&View {
            step: self.step,
            kind: self.kind,
            owner: &self.run.place.owner,
            spec: self.spec.as_ref(),
            live,
            memory: &self.memory,
        })
    }

    /// What a create leaves to be changed goes out at once. Whatever comes of it, the next look
    /// judges.
    async fn complete(&mut self) {
        let Some(spec) = self.spec.as_ref().map(Resolved::value) else { return };
        let Some(created) = self.kind.created(spec) else { return };
        let outputs = self.kind.predict(spec, self.run.place);
        let live = Live { spec: created, outputs, phase: Phase::Ready };
        let Move::Call(call @ Call::Update(_)) = self.next(Some(&live)) else { return };
        self.run.reporter.tell(&Event::Calling(self.step, &call));
        if self.call(&call, Some(&live)).await.is_ok() {
            self.remember(&call);
        }
    }

    async fn look(&self) -> Result<Option<Live>, Stop> {
        let mut trouble = None;
        loop {
            let identity = std::slice::from_ref(&self.step.identity);
            let answer = self.run.cloud.observe(&self.step.kind, identity).await;
            match answer.into_iter().next() {
                Some(Ok(live)) => return Ok(live),
                Some(Err(fault)) => self.hold(fault, &mut trouble).await?,
                None => return Ok(None),
            }
        }
    }

    async fn call(&self, call: &Call, live: Option<&Live>) -> Result<(), Fault> {
        let (cloud, kind, identity) =
            (self.run.cloud, self.step.kind.as_str(), &self.step.identity);
        match (call, &self.spec, live) {
            (Call::Create, Some(spec), _) => cloud.create(kind, spec).await,
            (Call::Update(diff), Some(spec), Some(live)) => {
                let spec = spec.leaving(&self.step.ignore, &live.spec);
                cloud.update(kind, &spec, live, diff).await
            }
            (Call::Retire, _, Some(live)) => cloud.retire(kind, identity, live).await,
            (Call::Delete, _, Some(live)) => cloud.delete(kind, identity, live).await,
            (Call::Purge, _, _) => cloud.purge(kind, identity).await,
            _ => Ok(()),
        }
    }

    /// What was sent is remembered, because AWS may not show it at once.
    fn remember(&mut self, call: &Call) {
        self.memory.quiet = 0;
        match call {
            Call::Create => self.memory.created = true,
            Call::Delete => self.memory.deleted = true,
            Call::Retire => self.memory.retired = true,
            Call::Update(diff) => {
                self.memory.sent = Some(diff.clone());
                self.memory.unheard = false;
                self.memory.updates += 1;
            }
            Call::Purge => self.started = Instant::now(),
        }
    }

    /// A create whose answer was lost counts as made until looking shows otherwise: sent again, it
    /// could make a second one.
    async fn refused(
        &mut self,
        call: &Call,
        live: Option<&Live>,
        fault: Fault,
        trouble: &mut Option<Trouble>,
    ) -> Result<(), Stop> {
        let ambiguous = matches!(fault.class, Class::Lost | Class::Broken);
        if ambiguous && *call == Call::Create {
            self.remember(call);
            self.memory.lost = true;
        }
        if fault.class == Class::Unheard {
            self.remember(call);
            self.memory.unheard = true;
        }
        if fault.class != Class::NotEmpty {
            return self.hold(fault, trouble).await;
        }
        if !self.run.delete_data {
            return Err(Stop::Refused(fault));
        }
        self.run.reporter.tell(&Event::Calling(self.step, &Call::Purge));
        match self.call(&Call::Purge, live).await {
            Ok(()) => {
                self.remember(&Call::Purge);
                self.hold(fault, trouble).await
            }
            Err(fault) => self.hold(fault, trouble).await,
        }
    }

    /// Waits as long as the fault deserves, or gives up on it.
    async fn hold(&self, fault: Fault, trouble: &mut Option<Trouble>) -> Result<(), Stop> {
        let now = Instant::now();
        let trouble = match trouble {
            Some(same) if same.class == fault.class => same,
            other => {
                let refusals = other.as_ref().map_or(0, |other| other.refusals);
                other.insert(Trouble { class: fault.class, refusals, since: now })
            }
        };
        trouble.refusals += 1;
        // Classes that take turns would otherwise go on for ever.
        if now - self.started > SETTLES_WITHIN {
            return Err(Stop::Refused(fault));
        }
        let Some(wait) = retry::after(fault.class, trouble.refusals, now - trouble.since) else {
            return Err(Stop::Refused(fault));
        };
        // That it is being emptied was told.
        if fault.class != Class::NotEmpty {
            self.run.reporter.tell(&Event::Retrying(self.step, &fault, wait));
        }
        pause(wait).await;
        Ok(())
    }
}

/// Looks until nothing is missing that may show yet, for as long as it may take to.
pub async fn whole<T, E: From<Fault>>(
    within: Duration,
    look: impl AsyncFn() -> Result<(T, Option<Fault>), E>,
    tell: impl Fn(&Fault),
) -> Result<T, E> {
    let started = Instant::now();
    let mut looks = 0;
    loop {
        let (found, missing) = look().await?;
        let Some(missing) = missing else { return Ok(found) };
        if started.elapsed() > within {
            return Err(missing.into());
        }
        tell(&missing);
        pause(retry::poll(looks)).await;
        looks += 1;
    }
}

/// AWS itself says that it is not done.
fn moving(live: Option<&Live>) -> bool {
    live.is_some_and(|live| matches!(live.phase, Phase::Settling(_) | Phase::Leaving(_)))
}

#[expect(clippy::disallowed_methods, reason = "the one place where the engine waits")]
async fn pause(wait: Duration) {
    tokio::time::sleep(wait).await;
}
