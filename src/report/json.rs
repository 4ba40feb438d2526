//! Versioned documents for other programs.

use serde_json::{Value, json};

use crate::plan::Step;
use crate::plan::{Action, Reason};

use super::text::{refused, values};
use super::{Proposal, sign};

/// A reader that knows this version can read every document that carries it.
pub const VERSION: u32 = 1;

pub fn plan(proposal: &Proposal<'_>) -> Value {
    let jobs: Vec<_> = proposal.due().map(|(id, why)| json!({ "id": id, "why": why })).collect();
    json!({
        "version": VERSION,
        "name": proposal.desired.name,
        "environment": proposal.desired.environment,
        "account": proposal.place.account,
        "region": proposal.place.region,
        "counts": proposal.counts(),
        "steps": proposal.plan.steps.iter().map(step).collect::<Vec<_>>(),
        "jobs": jobs,
        "refusals": proposal.plan.refusals.iter().map(refused).collect::<Vec<_>>(),
        "kept": proposal.plan.kept,
    })
}

fn step(step: &Step) -> Value {
    let diff = match &step.action {
        Action::Update(diff) | Action::Replace(Reason::Fields(diff)) => Some(diff),
        _ => None,
    };
    let why = match &step.action {
        Action::Replace(Reason::Failed(why)) => Some(why.clone()),
        Action::Create(how) | Action::Dormant(how) => how.clone(),
        _ => None,
    };
    let changes: Vec<_> = diff
        .into_iter()
        .flat_map(|diff| &diff.0)
        .map(|change| {
            let (before, after) = if change.secret {
                let (before, after) = values(change);
                (json!(before), json!(after))
            } else {
                (change.before.clone(), change.after.clone())
            };
            let (path, effect) = (&change.path, &change.effect);
            json!({ "path": path, "before": before, "after": after, "effect": effect })
        })
        .collect();
    json!({
        "id": step.id, "kind": step.kind, "identity": step.identity,
        "action": sign(&step.action).1, "why": why, "changes": changes,
        "stray": step.stray, "loses_data": step.loses_data, "needs": step.needs,
    })
}
