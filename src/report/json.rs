//! Versioned documents for other programs.

use serde_json::{Value, json};

use crate::blueprint::Desired;
use crate::kind::Place;
use crate::plan::Step;
use crate::plan::{Action, Reason};
use crate::status::reading::{Health, rfc3339};
use crate::status::{Existence, Job, Resource, Status};

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
        "steps": proposal.plan.steps.iter().map(|one| step(proposal, one)).collect::<Vec<_>>(),
        "jobs": jobs,
        "refusals": proposal.plan.refusals.iter().map(refused).collect::<Vec<_>>(),
        "kept": proposal.plan.kept,
    })
}

fn step(proposal: &Proposal<'_>, step: &Step) -> Value {
    let diff = match &step.action {
        Action::Update(diff) | Action::Replace(Reason::Fields(diff)) => Some(diff),
        _ => None,
    };
    let why = match &step.action {
        Action::Replace(Reason::Failed(why)) => Some(why.clone()),
        Action::Create(how) | Action::Dormant(how) => how.clone(),
        _ => proposal.plan.twins.get(&step.id).cloned(),
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

pub fn status(desired: &Desired, place: &Place, status: &Status) -> Value {
    json!({
        "version": VERSION,
        "name": desired.name,
        "environment": desired.environment,
        "account": place.account,
        "region": place.region,
        "at": rfc3339(status.at),
        "counts": {
            "bad": status.count(Health::Bad),
            "attention": status.count(Health::Attention),
            "unknown": status.count(Health::Unknown),
            "good": status.count(Health::Good),
        },
        "resources": status.resources.iter().map(resource).collect::<Vec<_>>(),
        "jobs": status.jobs.iter().map(job).collect::<Vec<_>>(),
    })
}

fn resource(resource: &Resource) -> Value {
    let (exists, fault) = match &resource.exists {
        Existence::There => ("there", None),
        Existence::Dormant => ("dormant", None),
        Existence::Absent => ("absent", None),
        Existence::Unknown(fault) => ("unknown", Some(fault.to_string())),
    };
    let readings: Vec<_> = resource
        .readings
        .iter()
        .map(|one| json!({ "what": one.what, "value": one.value.json(), "health": one.health }))
        .collect();
    json!({
        "id": resource.id, "kind": resource.kind, "name": resource.name, "exists": exists,
        "health": resource.health, "fault": fault, "readings": readings,
    })
}

fn job(job: &Job) -> Value {
    let last = job.last.as_ref().ok().and_then(Option::as_ref).map(|run| {
        json!({
            "state": run.state, "ended": rfc3339(run.ended), "seconds": run.seconds,
            "input": run.input, "params": run.params, "cluster": run.cluster, "step": run.step,
            "log": run.log,
        })
    });
    json!({
        "id": job.id, "health": job.health, "last": last,
        "fault": job.last.as_ref().err().map(ToString::to_string),
        "running": job.running, "waiting": job.waiting, "succeeded": job.succeeded,
    })
}
