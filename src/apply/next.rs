//! The whole of the executor's judgement, and pure: the plan says what, `next` says when.

use serde::Serialize;

use crate::blueprint::text::Resolved;
use crate::cloud::Fault;
use crate::kind::place::{ID_TAG, OWNER_TAG};
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
    /// No answer came to the create: what shows then may be another's.
    pub lost: bool,
    pub deleted: bool,
    pub retired: bool,
    /// The update that was sent last.
    pub sent: Option<Diff>,
    /// No answer came to it, and sent again it could make a second one.
    pub unheard: bool,
    /// Updates sent so far.
    pub updates: u32,
    /// Looks since then that showed no change, or nothing at all.
    pub quiet: u32,
    /// What was remembered there before anything was made.
    pub remembered: Option<Outputs>,
}

/// Looks without a change after which an update counts as not made; by then two minutes went by.
pub const QUIET_LOOKS: u32 = 14;

/// Updates after which something that still differs never will be right. Doubling the shards of a
/// stream to the most there are takes fifteen; a field at a time takes as many as there are fields.
pub const UPDATES_MAX: u32 = 50;

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
        Action::Keep(_) => keep(view),
        Action::Dormant(_) => Move::Done(Outputs::new()),
        Action::Create(_) => create(view),
        Action::Update(planned) => update(view, planned),
        Action::Replace(reason) => replace(view, reason),
        Action::Delete => delete(view),
    }
}

/// It is as it should be, and an earlier run may have left it before it was ready.
fn keep(view: &View<'_>) -> Move {
    let Some(live) = view.live.filter(|live| live.exists()) else { return ended(view) };
    match &live.phase {
        Phase::Settling(why) => Move::Wait(why.clone()),
        Phase::Failed(why) => Move::Stop(Stop::Failed(why.clone())),
        _ => match left(view, live) {
            left if left.is_empty() => Move::Done(live.outputs.clone()),
            left => moved(&left.paths()),
        },
    }
}

fn moved(paths: &[String]) -> Move {
    Move::Stop(Stop::Stale(format!("{} changed since the plan", paths.join(", "))))
}

/// It was there when the plan was made. What exists only while there is work may end at any time.
fn ended(view: &View<'_>) -> Move {
    if view.step.on_demand {
        Move::Done(Outputs::new())
    } else {
        Move::Stop(Stop::Stale("it is gone".into()))
    }
}

fn create(view: &View<'_>) -> Move {
    let Some(live) = view.live else { return make(view) };
    match &live.phase {
        Phase::Gone(why) => remembered(view, live, why),
        Phase::Leaving(why) => Move::Wait(why.clone()),
        _ if !view.memory.created && !made_before(view, live) => Move::Stop(Stop::Stale(format!(
            "a {} named `{}` exists now",
            view.step.kind, view.step.identity
        ))),
        _ => made(view, live),
    }
}

/// Made for this very step by a run that was killed before AWS showed it.
fn made_before(view: &View<'_>, live: &Live) -> bool {
    live.belongs_to(view.owner)
        && live.tag(ID_TAG) == Some(view.step.id.as_str())
        && !left(view, live).replaces()
}

/// What shows after a create is ours, unless it says otherwise. Where the answer was lost it has to
/// say that it is: the name may have been taken by somebody else.
fn made(view: &View<'_>, live: &Live) -> Move {
    match live.tag(OWNER_TAG) {
        Some(owner) if owner != view.owner.0 => not_ours(live),
        None if view.memory.lost && view.memory.quiet < QUIET_LOOKS => {
            Move::Wait("it does not show whose it is yet".into())
        }
        None if view.memory.lost => not_ours(live),
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
        let why = match view.memory.lost {
            true => "no answer came to its creation, and AWS does not show it; apply again",
            false => "it was created and AWS does not show it; apply again to look again",
        };
        Move::Stop(Stop::TimedOut(why.into()))
    }
}

/// AWS remembers one. It may be the one of long ago, or ours that already ended.
fn remembered(view: &View<'_>, live: &Live, why: &str) -> Move {
    let before = view.memory.remembered.as_ref() == Some(&live.outputs);
    if view.memory.created && !before { Move::Stop(Stop::Failed(why.into())) } else { make(view) }
}

fn update(view: &View<'_>, planned: &Diff) -> Move {
    let Some(live) = view.live.filter(|live| live.exists()) else { return ended(view) };
    if settling(live).is_none() {
        let beyond = left(view, live).beyond(planned);
        if !beyond.is_empty() {
            return moved(&beyond);
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
        (None, _) if view.step.on_demand => Move::Done(Outputs::new()),
        (None, _) => create(view),
        (Some(live), _) if !live.belongs_to(view.owner) => not_ours(live),
        (Some(live), None) if let Some(planned) = needless(view, live, reason) => {
            update(view, planned)
        }
        (Some(live), Some(id)) if view.memory.retired => still_there(view, live, id),
        (Some(_), Some(_)) => Move::Call(Call::Retire),
        (Some(live), None) if !view.memory.deleted => match (settling(live), reason) {
            (Some(why), Reason::Fields(_)) => Move::Wait(why.into()),
            _ => Move::Call(Call::Delete),
        },
        (Some(live), None) if another(view, live) => Move::Stop(Stop::Stale(format!(
            "another {} named `{}` shows now",
            view.step.kind, view.step.identity
        ))),
        (Some(live), None) => leaving(live),
    }
}

/// Whether what shows is not what was there at first: one that goes by the same name, where AWS
/// keeps no two of a name apart.
fn another(view: &View<'_>, live: &Live) -> bool {
    let before = view.memory.remembered.as_ref().and_then(|outputs| outputs.get("arn"));
    before.is_some() && live.outputs.get("arn").is_some_and(|arn| before != Some(arn))
}

/// The one that was retired goes by its name for a while; another one shows only because it was not
/// seen before, and is not in the plan.
fn still_there(view: &View<'_>, live: &Live, id: &str) -> Move {
    let id_of = |outputs: &Outputs| outputs.get(id).cloned();
    let first = view.memory.remembered.as_ref().map(id_of);
    if first.is_none_or(|first| first == id_of(&live.outputs)) {
        return Move::Wait("the old one still shows".into());
    }
    let (kind, identity) = (&view.step.kind, &view.step.identity);
    Move::Stop(Stop::Stale(format!("another {kind} named `{identity}` shows now")))
}

/// What was planned to be replaced for a value that was unknown then, and that turns out to be what
/// it has, is not. One that is made beside the old one always is: the plan ends the old one.
fn needless<'a>(view: &View<'_>, live: &Live, reason: &'a Reason) -> Option<&'a Diff> {
    let Reason::Fields(planned) = reason else { return None };
    let untouched = !view.memory.deleted && live.phase == Phase::Ready;
    (untouched && !left(view, live).replaces()).then_some(planned)
}

fn delete(view: &View<'_>) -> Move {
    let Some(live) = view.live.filter(|live| live.exists()) else {
        return Move::Done(Outputs::new());
    };
    if view.memory.deleted && another(view, live) {
        return Move::Done(Outputs::new());
    }
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
    Move::Stop(Stop::NotOurs(live.tag(OWNER_TAG).map(str::to_owned)))
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
    let memory = view.memory;
    let sent = match memory.unheard {
        true => memory.quiet < QUIET_LOOKS,
        false => memory.sent.as_ref() == Some(&left),
    };
    // No update mends a create-only field; what was before the create may still show.
    let mended = !left.replaces() && memory.updates < UPDATES_MAX;
    if mended && !sent {
        Move::Call(Call::Update(left))
    } else if memory.quiet < QUIET_LOOKS {
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
