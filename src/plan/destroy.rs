//! The plan that takes everything away: the blueprint's resources and the strays, in reverse.

use std::collections::{BTreeMap, BTreeSet};

use crate::blueprint::{Desired, Id, Node};
use crate::kind::{Live, Phase};

use super::order::{Needs, closure, order, reversed};
use super::{
    Action, Choice, Plan, Refusal, Snapshot, Step, Stray, may_go, stray_id, stray_step, twins,
};

/// What must be done for nothing of ours to be left.
pub fn destroy(desired: &Desired, snapshot: &Snapshot, choice: &Choice) -> Plan {
    let needs: Needs =
        desired.nodes.iter().map(|(id, node)| (id.clone(), node.needs.clone())).collect();
    let dependents = reversed(&needs);
    let wanted = closure(&choice.targets, &dependents);
    let everything = choice.targets.is_empty();
    let strays: Vec<&Stray> =
        if everything { snapshot.strays.iter().collect() } else { Vec::new() };
    let mut plan = Plan { twins: twins(strays.iter().copied()), ..Plan::default() };
    let mut first = dependents;
    between_strays(desired, &turns(desired, &needs), &strays, &mut first);
    for id in
        order(&first).expect("every edge goes from a later turn to an earlier one, or along needs")
    {
        if let Some(stray) = strays.iter().find(|stray| stray_id(stray) == id) {
            guard_stray(stray, choice, &mut plan);
            plan.steps.push(stray_step(stray, first[&id].clone()));
            continue;
        }
        let node = &desired.nodes[&id];
        let live = snapshot.found.get(&id).and_then(Option::as_ref);
        let there = |live: &&Live| live.exists() && (everything || wanted.contains(&id));
        let Some(live) = live.filter(there) else { continue };
        if live.belongs_to(&desired.owner) {
            let step = step(&id, node, live, &first[&id], choice, &mut plan.refusals);
            plan.steps.push(step);
        } else {
            plan.kept.push(id);
        }
    }
    let steps: BTreeSet<Id> = plan.steps.iter().map(|step| step.id.clone()).collect();
    for step in &mut plan.steps {
        step.needs = standing(&step.needs, &first, &steps);
    }
    plan
}

/// What of `needs` has a step, seeing through what has none: order holds across what is absent.
fn standing(needs: &BTreeSet<Id>, first: &Needs, steps: &BTreeSet<Id>) -> BTreeSet<Id> {
    let (mut found, mut absent) = (BTreeSet::new(), BTreeSet::new());
    let mut open: Vec<&Id> = needs.iter().collect();
    while let Some(id) = open.pop() {
        if steps.contains(id) {
            found.insert(id.clone());
        } else if absent.insert(id) {
            open.extend(first.get(id).into_iter().flatten());
        }
    }
    found
}

/// Each node's place among the kinds, never before that of what it needs: dependencies come first,
/// and the kinds' order fills in where they say nothing.
fn turns(desired: &Desired, needs: &Needs) -> BTreeMap<Id, usize> {
    let mut turns: BTreeMap<Id, usize> = BTreeMap::new();
    for id in order(needs).expect("the loader refuses cycles") {
        let needed = needs[&id].iter().filter_map(|need| turns.get(need).copied()).max();
        let rank = desired.nodes[&id].kind.rank();
        turns.insert(id, needed.map_or(rank, |needed| needed.max(rank)));
    }
    turns
}

/// Nothing tells what a stray uses, so later kinds go before earlier ones wherever one is a stray.
/// What goes by the name of another goes in its turn and before it: the name would lead to it.
fn between_strays(
    desired: &Desired,
    turns: &BTreeMap<Id, usize>,
    strays: &[&Stray],
    first: &mut Needs,
) {
    let mut all: Vec<_> = turns.iter().map(|(id, turn)| (id.clone(), *turn, false)).collect();
    for stray in strays {
        let mut nodes = desired.nodes.iter();
        let twin = nodes.find(|(id, node)| stray.is_twin(id, node)).map(|(id, _)| id);
        let turn = twin.map_or(stray.rank, |id| turns[id]);
        all.push((stray_id(stray), turn, true));
        if let Some(id) = twin {
            first.entry(id.clone()).or_default().insert(stray_id(stray));
        }
    }
    for (id, turn, stray) in &all {
        let before = first.entry(id.clone()).or_default();
        let later = all.iter().filter(|(_, other, is)| other > turn && (*stray || *is));
        before.extend(later.map(|(other, _, _)| other.clone()));
    }
}

fn guard_stray(stray: &Stray, choice: &Choice, plan: &mut Plan) {
    if stray.holds_data && !choice.delete_data {
        plan.refusals.push(Refusal::Protected {
            id: stray_id(stray),
            kind: stray.kind.clone(),
            identity: stray.identity.clone(),
            protect: crate::blueprint::Protect::ByDefault,
            verb: "deleted",
        });
    }
}

fn step(
    id: &Id,
    node: &Node,
    live: &Live,
    needs: &BTreeSet<Id>,
    choice: &Choice,
    refusals: &mut Vec<Refusal>,
) -> Step {
    let (kind, identity) = (node.kind.name().to_owned(), node.identity.clone());
    if !may_go(node.protect, choice) && !matches!(live.phase, Phase::Leaving(_)) {
        let (kind, identity, protect) = (kind.clone(), identity.clone(), node.protect);
        refusals.push(Refusal::Protected {
            id: id.clone(),
            kind,
            identity,
            protect,
            verb: "deleted",
        });
    }
    Step {
        id: id.clone(),
        kind,
        identity,
        action: Action::Delete,
        needs: needs.clone(),
        spec: node.spec.clone(),
        ignore: Vec::new(),
        on_demand: node.on_demand,
        stray: false,
        loses_data: node.kind.holds_data(),
        at: Some(node.at),
    }
}
