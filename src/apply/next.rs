//! The whole of the executor's judgement, and pure: the plan says what, `next` says when.

use serde::Serialize;

use crate::blueprint::text::Resolved;
use crate::cloud::Fault;
use crate::kind::{Kind, Live, Outputs, Owner, Phase};
use crate::plan::diff::Diff;
use crate::plan::{Action, Reason, Step, remaining};

/// What to do next about one step.
#[derive(Debug, Clone, PartialEq)]
pub enum Move {
    Call(Call),
    Wait(String),
    Done(Outputs),
    Stop(Stop),
}

/// A call, or the calls of one update.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    Create,
    Update(Diff),
    Retire,
    Delete,
    /// Deletes what it holds, with the user's word.
    Purge,
}

/// Why a step did not get there.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// AWS said no, for good or for too long.
    Refused(Fault),
    /// AWS accepted it and gave up on it.
    Failed(String),
    /// Live moved since the plan; the fields tell where.
    Stale(String),
    /// AWS takes the change and does not make it.
    Stuck(Vec<String>),
    /// It is not ours.
    NotOurs(Option<String>),
    /// Its references cannot be filled in.
    Unresolved(String),
    /// It took longer than it ever should.
    TimedOut(String),
}

/// What this step has done so far; AWS may not show it yet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memory {
    pub created: bool,
    pub deleted: bool,
    pub retired: bool,
    /// The update that was sent last.
    pub sent: Option<Diff>,
    /// Looks since then that showed no change, or nothing at all.
    pub quiet: u32,
    /// What was remembered there before anything was made.
    pub remembered: Option<Outputs>,
}

/// Looks without a change after which an update counts as not made; by then two minutes went by.
pub const QUIET_LOOKS: u32 = 14;

/// Everything that a judgement rests on.
pub struct View<'a> {
    pub step: &'a Step,
    pub kind: &'a dyn Kind,
    pub owner: &'a Owner,
    /// Absent only where nothing is sent: a deletion.
    pub spec: Option<&'a Resolved>,
    pub live: Option<&'a Live>,
    pub memory: &'a Memory,
}

pub fn next(view: &View<'_>) -> Move {
    match &view.step.action {
        Action::Keep(outputs) => Move::Done(outputs.clone()),
        Action::Dormant(_) => Move::Done(Outputs::new()),
        Action::Create(_) => create(view),
        Action::Update(planned) => update(view, planned),
        Action::Replace(reason) => replace(view, reason),
        Action::Delete => delete(view),
    }
}

fn create(view: &View<'_>) -> Move {
    let Some(live) = view.live else { return make(view) };
    match &live.phase {
        Phase::Gone(why) => remembered(view, live, why),
        Phase::Leaving(why) => Move::Wait(why.clone()),
        _ if !view.memory.created => Move::Stop(Stop::Stale(format!(
            "a {} named `{}` exists now",
            view.step.kind, view.step.identity
        ))),
        _ => settle(view, live),
    }
}

fn make(view: &View<'_>) -> Move {
    if !view.memory.created {
        return Move::Call(Call::Create);
    }
    if view.memory.quiet < QUIET_LOOKS {
        Move::Wait("created, not visible yet".into())
    } else {
        Move::Stop(Stop::TimedOut(
            "it was created and AWS does not show it; apply again to look again".into(),
        ))
    }
}

/// AWS remembers one. It may be the one of long ago, or ours that already ended.
fn remembered(view: &View<'_>, live: &Live, why: &str) -> Move {
    let before = view.memory.remembered.as_ref() == Some(&live.outputs);
    if view.memory.created && !before { Move::Stop(Stop::Failed(why.into())) } else { make(view) }
}

fn update(view: &View<'_>, planned: &Diff) -> Move {
    let Some(live) = view.live.filter(|live| live.exists()) else {
        return Move::Stop(Stop::Stale("it is gone".into()));
    };
    if settling(live).is_none() {
        let left = left(view, live);
        if !left.within(planned) {
            let moved: Vec<_> = left
                .0
                .iter()
                .filter(|c| !planned.touches(&c.path))
                .map(|c| c.path.clone())
                .collect();
            return Move::Stop(Stop::Stale(format!("{} changed since the plan", moved.join(", "))));
        }
    }
    settle(view, live)
}

fn replace(view: &View<'_>, reason: &Reason) -> Move {
    if view.memory.created {
        return create(view);
    }
    let there = view.live.filter(|live| live.exists());
    match (there, view.kind.retires()) {
        (None, Some(_)) if view.step.on_demand => Move::Done(Outputs::new()),
        (None, _) => create(view),
        (Some(live), _) if !live.belongs_to(view.owner) => not_ours(live),
        (Some(_), Some(_)) if view.memory.retired => Move::Wait("the old one still shows".into()),
        (Some(_), Some(_)) => Move::Call(Call::Retire),
        (Some(live), None) if !view.memory.deleted => match (settling(live), reason) {
            (Some(why), Reason::Fields(_)) => Move::Wait(why.into()),
            _ => Move::Call(Call::Delete),
        },
        (Some(live), None) => leaving(live),
    }
}

fn delete(view: &View<'_>) -> Move {
    let Some(live) = view.live.filter(|live| live.exists()) else {
        return Move::Done(Outputs::new());
    };
    if view.memory.deleted || matches!(live.phase, Phase::Leaving(_)) {
        return leaving(live);
    }
    if !live.belongs_to(view.owner) {
        return not_ours(live);
    }
    match settling(live) {
        Some(why) => Move::Wait(why.into()),
        None => Move::Call(Call::Delete),
    }
}

fn leaving(live: &Live) -> Move {
    match &live.phase {
        Phase::Leaving(why) | Phase::Settling(why) => Move::Wait(why.clone()),
        _ => Move::Wait("deleted, not gone yet".into()),
    }
}

fn not_ours(live: &Live) -> Move {
    Move::Stop(Stop::NotOurs(live.tag(crate::kind::place::OWNER_TAG).map(str::to_owned)))
}

/// It is there: wait until it stands still, then make what still differs.
fn settle(view: &View<'_>, live: &Live) -> Move {
    match &live.phase {
        Phase::Settling(why) | Phase::Leaving(why) => return Move::Wait(why.clone()),
        Phase::Failed(why) => return Move::Stop(Stop::Failed(why.clone())),
        Phase::Gone(_) | Phase::Ready => {}
    }
    let left = left(view, live);
    if left.is_empty() {
        return Move::Done(live.outputs.clone());
    }
    if left.replaces() {
        return Move::Stop(Stop::Stuck(left.paths()));
    }
    if view.memory.sent.as_ref() != Some(&left) {
        Move::Call(Call::Update(left))
    } else if view.memory.quiet < QUIET_LOOKS {
        Move::Wait(format!("{} not changed yet", left.paths().join(", ")))
    } else {
        Move::Stop(Stop::Stuck(left.paths()))
    }
}

fn settling(live: &Live) -> Option<&str> {
    match &live.phase {
        Phase::Settling(why) => Some(why),
        _ => None,
    }
}

fn left(view: &View<'_>, live: &Live) -> Diff {
    let spec = view.spec.expect("only a deletion has no spec");
    remaining(view.kind, spec, live, &view.step.ignore)
}
