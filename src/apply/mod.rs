//! `Plan -> Report`, through `Cloud`: each step as soon as what it needs is done.

pub mod converge;
pub mod next;
pub mod retry;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde::Serialize;

use crate::blueprint::Id;
use crate::cloud::{Cloud, Fault};
use crate::kind::{Live, Outputs, Phase, Place};
use crate::plan::known::with;
use crate::plan::{Action, Plan, Snapshot, Step};

use next::{Call, Stop};

/// How many steps go at once unless the user says otherwise.
pub const PARALLEL: usize = 10;

/// What happens, as it happens.
#[derive(Debug)]
pub enum Event<'a> {
    Started(&'a Step),
    Calling(&'a Step, &'a Call),
    Waiting(&'a Step, &'a str),
    Retrying(&'a Step, &'a Fault, Duration),
    Finished(&'a Step, &'a Outcome),
}

pub trait Reporter {
    fn tell(&self, event: &Event<'_>);
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is as it should be.
    Done(Outputs),
    Failed(Stop),
    /// Something that it needs failed.
    Skipped(Id),
    /// The run was stopped before it was done.
    Interrupted,
}

/// What became of every step.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    pub outcomes: BTreeMap<Id, Outcome>,
    /// What `${id.output}` stands for now.
    pub known: BTreeMap<Id, Outputs>,
}

impl Report {
    pub fn succeeded(&self) -> bool {
        self.outcomes.values().all(|outcome| matches!(outcome, Outcome::Done(_)))
    }

    /// Whether a step found that live had moved since the plan.
    pub fn stale(&self) -> bool {
        self.outcomes.values().any(|outcome| matches!(outcome, Outcome::Failed(Stop::Stale(_))))
    }

    pub fn interrupted(&self) -> bool {
        self.outcomes.values().any(|outcome| matches!(outcome, Outcome::Interrupted))
    }
}

/// What every step needs to know of the run.
pub struct Run<'a> {
    pub cloud: &'a dyn Cloud,
    pub place: &'a Place,
    pub reporter: &'a dyn Reporter,
    pub parallel: usize,
    /// What only the default protects may be emptied.
    pub delete_data: bool,
}

/// Does the plan, unless it is refused. `snapshot` is the one it was made from: it serves as the
/// first look of each step that overwrites nothing.
/// When `stop` completes, nothing new is started and what is under way is let go.
pub async fn apply(
    run: &Run<'_>,
    plan: &Plan,
    snapshot: &Snapshot,
    stop: impl Future<Output = ()>,
) -> Report {
    if let Some(refusal) = plan.refusals.first() {
        return refused(plan, refusal.id());
    }
    let outcomes = RefCell::new(BTreeMap::new());
    let known = RefCell::new(BTreeMap::new());
    let state = State { outcomes: &outcomes, known: &known };
    let work = pin!(all(run, plan, snapshot, &state));
    let stopped = matches!(select(pin!(stop), work).await, Either::Left(_));
    let mut outcomes = outcomes.take();
    if stopped {
        for step in &plan.steps {
            outcomes.entry(step.id.clone()).or_insert(Outcome::Interrupted);
        }
    }
    Report { outcomes, known: known.take() }
}

/// A plan that may not be applied says what is in the way, and its steps are not for doing.
fn refused(plan: &Plan, cause: &Id) -> Report {
    let skipped = |step: &Step| (step.id.clone(), Outcome::Skipped(cause.clone()));
    Report { outcomes: plan.steps.iter().map(skipped).collect(), known: BTreeMap::new() }
}

/// What the steps of a run share.
struct State<'a> {
    outcomes: &'a RefCell<BTreeMap<Id, Outcome>>,
    known: &'a RefCell<BTreeMap<Id, Outputs>>,
}

async fn all(run: &Run<'_>, plan: &Plan, snapshot: &Snapshot, state: &State<'_>) {
    let steps: BTreeSet<&Id> = plan.steps.iter().map(|step| &step.id).collect();
    keep_known(snapshot, state);
    let mut waiting: Vec<&Step> = plan.steps.iter().collect();
    let mut working = FuturesUnordered::new();
    loop {
        for step in std::mem::take(&mut waiting) {
            if working.len() >= run.parallel.max(1) {
                waiting.push(step);
                continue;
            }
            let ready = readiness(step, &steps, &state.outcomes.borrow());
            match ready {
                Readiness::Waits => waiting.push(step),
                Readiness::Blocked(cause) if step.action.changes() => {
                    finish(run, state, step, Outcome::Skipped(cause))
                }
                Readiness::Blocked(cause) => record(state, step, Outcome::Skipped(cause)),
                Readiness::Ready if stands(step, snapshot) => {
                    record(state, step, settled(run, step))
                }
                Readiness::Ready => working.push(work(run, step, snapshot, state)),
            }
        }
        match working.next().await {
            Some((step, outcome)) => finish(run, state, step, outcome),
            None if waiting.is_empty() => return,
            None => {}
        }
    }
}

async fn work<'a>(
    run: &Run<'_>,
    step: &'a Step,
    snapshot: &Snapshot,
    state: &State<'_>,
) -> (&'a Step, Outcome) {
    run.reporter.tell(&Event::Started(step));
    let known = state.known.borrow().clone();
    (step, converge::converge(run, step, &known, first_look(step, snapshot)).await)
}

/// What the plan leaves out still tells its outputs.
fn keep_known(snapshot: &Snapshot, state: &State<'_>) {
    let live = snapshot.found.iter().filter_map(|(id, live)| Some((id, live.as_ref()?)));
    let outputs =
        live.filter(|(_, live)| live.exists()).map(|(id, live)| (id.clone(), live.outputs.clone()));
    state.known.borrow_mut().extend(outputs);
}

enum Readiness {
    Waits,
    Ready,
    Blocked(Id),
}

fn readiness(step: &Step, steps: &BTreeSet<&Id>, outcomes: &BTreeMap<Id, Outcome>) -> Readiness {
    for need in step.needs.iter().filter(|need| steps.contains(need)) {
        match outcomes.get(need) {
            None => return Readiness::Waits,
            Some(Outcome::Done(_)) => {}
            Some(_) => return Readiness::Blocked(need.clone()),
        }
    }
    Readiness::Ready
}

/// Whether nothing is to be done: what is kept may still have to get ready.
fn stands(step: &Step, snapshot: &Snapshot) -> bool {
    let live = snapshot.found.get(&step.id).and_then(Option::as_ref);
    let settling = live.is_some_and(|live| matches!(live.phase, Phase::Settling(_)));
    match step.action {
        Action::Keep(_) => !settling,
        _ => !step.action.changes(),
    }
}

fn settled(run: &Run<'_>, step: &Step) -> Outcome {
    let predicted = converge::predicted(run, step, &step.spec);
    Outcome::Done(match &step.action {
        Action::Keep(outputs) => with(predicted, outputs),
        _ => predicted,
    })
}

fn finish(run: &Run<'_>, state: &State<'_>, step: &Step, outcome: Outcome) {
    run.reporter.tell(&Event::Finished(step, &outcome));
    record(state, step, outcome);
}

fn record(state: &State<'_>, step: &Step, outcome: Outcome) {
    if let Outcome::Done(outputs) = &outcome {
        state.known.borrow_mut().insert(step.id.clone(), outputs.clone());
    }
    state.outcomes.borrow_mut().insert(step.id.clone(), outcome);
}

/// What the plan saw; nothing where it was not looked at under this identity.
fn first_look(step: &Step, snapshot: &Snapshot) -> Option<Option<Live>> {
    if step.stray {
        let same = |stray: &&crate::plan::Stray| {
            stray.kind == step.kind && stray.identity == step.identity
        };
        return snapshot.strays.iter().find(same).map(|stray| Some(stray.live.clone()));
    }
    snapshot.found.get(&step.id).cloned()
}
