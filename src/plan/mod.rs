//! `(Desired, Snapshot) -> Plan`: what to do, specific enough that nothing is left to decide.
//! No clock, no I/O, no randomness.

pub mod destroy;
pub mod diff;
pub mod known;
pub mod order;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::blueprint::text::{Resolved, references, substitute};
use crate::blueprint::{At, Desired, Id, Node, Protect};
use crate::kind::place::OWNER_TAG;
use crate::kind::{Kind, Live, Name, Outputs, Phase, Place};

use diff::{Diff, diff};
use order::{Needs, closure, order};

/// What was found when everything was looked up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub place: Place,
    pub found: BTreeMap<Id, Option<Live>>,
    /// Ours by their tag, and not in the blueprint.
    pub strays: Vec<Stray>,
}

/// A resource that carries our tag and that the blueprint does not name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stray {
    pub kind: String,
    /// The id that it had.
    pub id: String,
    pub identity: Name,
    pub live: Live,
    pub rank: usize,
    pub holds_data: bool,
    /// Where the blueprint names it, and there are two: which one is kept.
    pub why: Option<String>,
}

impl Stray {
    /// Whether a resource of the blueprint goes by the same name, as where names are only labels.
    pub(crate) fn is_twin(&self, id: &Id, node: &Node) -> bool {
        let named = || node.kind.normalize(&self.live.spec).map(|normal| normal.identity);
        self.kind == node.kind.name()
            && self.id == id.as_str()
            && named().ok() == Some(node.identity.clone())
    }
}

/// What the user allows and asks for, beyond the blueprint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Take these over although they do not carry our tag.
    pub adopt: BTreeSet<Id>,
    /// Only these, and what they need; empty: everything.
    pub targets: BTreeSet<Id>,
    /// What only the default protects may be lost.
    pub delete_data: bool,
}

/// Steps in the order in which they may be done.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// Why this plan may not be applied.
    pub refusals: Vec<Refusal>,
    /// What stays although it was meant: strays that hold data, and in a destroy what is not ours.
    pub kept: Vec<Id>,
    /// What there is to say of a stray that the blueprint names, and that is one too many.
    pub twins: BTreeMap<Id, String>,
}

/// One resource and what is to be done about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    pub id: Id,
    pub kind: String,
    pub identity: Name,
    pub action: Action,
    /// Steps that come first.
    pub needs: BTreeSet<Id>,
    /// Normal form; what is not known yet is still spelled as its reference.
    pub spec: Value,
    /// Fields left to others.
    pub ignore: Vec<String>,
    pub on_demand: bool,
    /// Ours by its tag, and not in the blueprint.
    pub stray: bool,
    /// Deleting or replacing it loses what it holds.
    pub loses_data: bool,
    pub at: Option<At>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Keep(Outputs),
    /// It exists only while there is work, or while something does that exists only then; the text
    /// tells of the last time, or of what it waits for.
    Dormant(Option<String>),
    /// The text tells what is taken back, where AWS still remembers one.
    Create(Option<String>),
    Update(Diff),
    Replace(Reason),
    Delete,
}

/// Why a resource has to be replaced; there is no replacement without one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Fields that AWS cannot change in place, among all that differ.
    Fields(Diff),
    /// AWS gave up on it.
    Failed(String),
}

/// Why there is nothing to apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// It exists under our name, without our tag.
    NotOurs { id: Id, kind: String, identity: Name, owner: Option<String> },
    /// It is protected, and the plan would delete or replace it.
    Protected { id: Id, kind: String, identity: Name, protect: Protect, verb: &'static str },
    /// It is to be adopted, and would have to be replaced: what is not ours is never deleted.
    AdoptReplaces { id: Id, kind: String, identity: Name },
    /// With its references filled in, it is no longer a spec of its kind.
    Malformed { id: Id, why: String },
}

impl Refusal {
    /// The resource that stands in the way.
    pub fn id(&self) -> &Id {
        match self {
            Self::NotOurs { id, .. }
            | Self::Protected { id, .. }
            | Self::AdoptReplaces { id, .. }
            | Self::Malformed { id, .. } => id,
        }
    }
}

impl Plan {
    /// Whether live is as it should be.
    pub fn is_noop(&self) -> bool {
        self.steps.iter().all(|step| !step.action.changes())
    }

    pub fn changes(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.action.changes())
    }
}

impl Action {
    pub fn changes(&self) -> bool {
        !matches!(self, Self::Keep(_) | Self::Dormant(_))
    }
}

/// What must be done for live to be as `desired`.
pub fn plan(desired: &Desired, snapshot: &Snapshot, choice: &Choice) -> Plan {
    let needs: Needs =
        desired.nodes.iter().map(|(id, node)| (id.clone(), node.needs.clone())).collect();
    let wanted = if choice.targets.is_empty() {
        needs.keys().cloned().collect()
    } else {
        closure(&choice.targets, &needs)
    };
    let mut planner = Planner {
        desired,
        snapshot,
        choice,
        known: BTreeMap::new(),
        plan: Plan::default(),
        predecessors: Vec::new(),
        dormant: BTreeSet::new(),
    };
    for id in order(&needs).expect("the loader refuses cycles") {
        if wanted.contains(&id) {
            planner.node(&id, &desired.nodes[&id]);
        }
    }
    planner.plan.steps.append(&mut planner.predecessors);
    if choice.targets.is_empty() {
        planner.strays();
    }
    planner.plan
}

struct Planner<'a> {
    desired: &'a Desired,
    snapshot: &'a Snapshot,
    choice: &'a Choice,
    /// Outputs of what comes earlier, as far as they are known now.
    known: BTreeMap<Id, Outputs>,
    plan: Plan,
    /// Deletions that come after everything that is made or changed.
    predecessors: Vec<Step>,
    /// What is not there now and is as it should be.
    dormant: BTreeSet<Id>,
}

impl Planner<'_> {
    fn node(&mut self, id: &Id, node: &Node) {
        let live = self.snapshot.found.get(id).and_then(Option::as_ref);
        let spec = match substitute(node.kind, &node.spec, &self.known) {
            Ok(spec) => spec,
            Err(why) => {
                self.plan.refusals.push(Refusal::Malformed { id: id.clone(), why });
                node.spec.clone()
            }
        };
        let action = match self.waits_for(&spec) {
            Some(dormant) => waiting(&dormant, live),
            None => self.action(id, node, &spec, live),
        };
        if matches!(action, Action::Dormant(_)) {
            self.dormant.insert(id.clone());
        }
        self.known.insert(
            id.clone(),
            known::outputs(node.kind, &action, &spec, live, &self.snapshot.place),
        );
        let loses_data = matches!(action, Action::Replace(_)) && node.kind.holds_data();
        let retired = match &action {
            Action::Replace(_) => live.and_then(|live| live.outputs.get(node.kind.retires()?)),
            _ => None,
        };
        let first = match action {
            Action::Replace(_) => self.twins(id, node),
            _ => Vec::new(),
        };
        let twins = first.iter().map(|step| step.id.clone());
        let step = Step {
            id: id.clone(),
            kind: node.kind.name().into(),
            identity: node.identity.clone(),
            action,
            needs: node.needs.iter().cloned().chain(twins).collect(),
            spec,
            ignore: node.ignore.clone(),
            on_demand: node.on_demand,
            stray: false,
            loses_data,
            at: Some(node.at),
        };
        if let Some(old) = retired {
            let users = self.desired.nodes.iter().filter(|(_, user)| user.needs.contains(id));
            let users = users.map(|(user, _)| user.clone());
            self.predecessors.push(predecessor(&step, old, users.collect()));
        }
        self.plan.steps.extend(first);
        self.plan.steps.push(step);
    }

    /// What else goes by the name of what is replaced: it goes first, since the name would lead to
    /// it once the other has given it up.
    fn twins(&self, id: &Id, node: &Node) -> Vec<Step> {
        let strays = self.snapshot.strays.iter().filter(|stray| self.goes(stray));
        let twins = strays.filter(|stray| stray.is_twin(id, node));
        twins.map(|twin| stray_step(twin, BTreeSet::new())).collect()
    }

    /// Whether a stray is to be deleted.
    fn goes(&self, stray: &Stray) -> bool {
        self.choice.targets.is_empty() && (!stray.holds_data || self.choice.delete_data)
    }

    /// What is dormant, and without which the spec cannot be filled in.
    fn waits_for(&self, spec: &Value) -> Option<Id> {
        references(spec).into_iter().map(|r| r.id).find(|id| self.dormant.contains(id))
    }

    fn action(&mut self, id: &Id, node: &Node, spec: &Value, live: Option<&Live>) -> Action {
        let Some(live) = live else {
            return if node.on_demand { Action::Dormant(None) } else { Action::Create(None) };
        };
        match &live.phase {
            Phase::Gone(how) | Phase::Leaving(how) if node.on_demand => {
                return Action::Dormant(Some(how.clone()));
            }
            Phase::Gone(how) => return Action::Create(Some(how.clone())),
            Phase::Leaving(_) => return Action::Create(None),
            Phase::Ready | Phase::Settling(_) | Phase::Failed(_) => {}
        }
        if !live.belongs_to(&self.desired.owner) && !self.choice.adopt.contains(id) {
            let owner = live.tag(OWNER_TAG).map(str::to_owned);
            let (kind, identity) = (node.kind.name().into(), node.identity.clone());
            self.plan.refusals.push(Refusal::NotOurs { id: id.clone(), kind, identity, owner });
            return Action::Keep(live.outputs.clone());
        }
        if let Phase::Failed(why) = &live.phase {
            self.guard_replacement(id, node, live);
            return Action::Replace(Reason::Failed(why.clone()));
        }
        let found = compare(node.kind, spec, live, &node.ignore);
        if found.is_empty() {
            Action::Keep(live.outputs.clone())
        } else if found.replaces() {
            self.guard_replacement(id, node, live);
            Action::Replace(Reason::Fields(found))
        } else {
            Action::Update(found)
        }
    }

    /// Refuses to lose what is protected, and what is not ours.
    fn guard_replacement(&mut self, id: &Id, node: &Node, live: &Live) {
        let (id, kind, identity) = (id.clone(), node.kind.name().into(), node.identity.clone());
        if !live.belongs_to(&self.desired.owner) {
            self.plan.refusals.push(Refusal::AdoptReplaces { id, kind, identity });
        } else if !may_go(node.protect, self.choice) {
            let (protect, verb) = (node.protect, "replaced");
            self.plan.refusals.push(Refusal::Protected { id, kind, identity, protect, verb });
        }
    }

    /// What is ours and no longer in the blueprint goes last, in the reverse of the kinds' order.
    fn strays(&mut self) {
        let others: BTreeSet<Id> = self.plan.steps.iter().map(|step| step.id.clone()).collect();
        let (gone, kept): (Vec<_>, Vec<_>) =
            self.snapshot.strays.iter().partition(|stray| self.goes(stray));
        self.plan.kept.extend(kept.into_iter().map(stray_id));
        self.plan.twins = twins(&self.snapshot.strays);
        for stray in by_rank(&gone) {
            if others.contains(&stray_id(stray)) {
                continue;
            }
            let before =
                gone.iter().filter(|other| other.rank > stray.rank).map(|other| stray_id(other));
            let needs = others.iter().cloned().chain(before).collect();
            self.plan.steps.push(stray_step(stray, needs));
        }
    }
}

/// What speaks of something dormant is left as it is, and is not made before that is there.
fn waiting(dormant: &Id, live: Option<&Live>) -> Action {
    match live.filter(|live| live.exists()) {
        Some(live) => Action::Keep(live.outputs.clone()),
        None => Action::Dormant(Some(format!("waits for `{dormant}`"))),
    }
}

pub(crate) fn may_go(protect: Protect, choice: &Choice) -> bool {
    match protect {
        Protect::No => true,
        Protect::ByDefault => choice.delete_data,
        Protect::Written => false,
    }
}

/// Later kinds first: they may use the earlier ones.
fn by_rank<'a>(strays: &[&'a Stray]) -> Vec<&'a Stray> {
    let mut sorted = strays.to_vec();
    sorted.sort_by_key(|stray| (std::cmp::Reverse(stray.rank), stray_id(stray)));
    sorted
}

pub(crate) fn stray_id(stray: &Stray) -> Id {
    Id(format!("{}/{}", stray.kind, stray.identity))
}

pub(crate) fn twins<'a>(strays: impl IntoIterator<Item = &'a Stray>) -> BTreeMap<Id, String> {
    strays.into_iter().filter_map(|stray| Some((stray_id(stray), stray.why.clone()?))).collect()
}

pub(crate) fn stray_step(stray: &Stray, needs: BTreeSet<Id>) -> Step {
    Step {
        id: stray_id(stray),
        kind: stray.kind.clone(),
        identity: stray.identity.clone(),
        action: Action::Delete,
        needs,
        spec: stray.live.spec.clone(),
        ignore: Vec::new(),
        on_demand: false,
        stray: true,
        loses_data: stray.holds_data,
        at: None,
    }
}

/// The old one of a replacement that is made beside it: it ends once its successor stands and what
/// used it has moved over.
fn predecessor(successor: &Step, old: &str, users: BTreeSet<Id>) -> Step {
    let mut needs = users;
    needs.insert(successor.id.clone());
    Step {
        id: Id(format!("{} ({old})", successor.id)),
        identity: Name::new(old),
        action: Action::Delete,
        needs,
        ..successor.clone()
    }
}

/// What differs, in meaning, on the fields that are ours to look after.
pub fn compare(kind: &dyn Kind, spec: &Value, live: &Live, ignore: &[String]) -> Diff {
    diff(spec, &kind.reconcile(spec, &live.spec), kind.rules()).ignoring(ignore)
}

/// The same for a spec that is ready to be sent.
pub fn remaining(kind: &dyn Kind, spec: &Resolved, live: &Live, ignore: &[String]) -> Diff {
    compare(kind, spec.value(), live, ignore)
}
