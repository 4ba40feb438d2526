//! What must hold of every run, and of what all of them leave.

use std::collections::{BTreeMap, BTreeSet};

use pipeline::apply::{Outcome, Report};
use pipeline::blueprint::{Desired, Id};
use pipeline::kind::place::ID_TAG;
use pipeline::plan::{Action, Choice, Plan};

use crate::fake::{Call, Fake, Verb};
use crate::toys;

/// A history that broke a rule, and how it came to it.
#[derive(Debug, Clone)]
pub struct Broken {
    pub rule: String,
    pub story: String,
}

impl Broken {
    /// The rule without what it was broken by.
    pub fn name(&self) -> &str {
        self.rule.split(':').next().unwrap_or_default()
    }
}

/// Whether the plan said that this would be done.
pub fn announced(call: &Call, plan: &Plan, choice: &Choice) -> bool {
    let beside = toys::kind(&call.kind).unwrap().retires().is_some();
    let steps = plan.steps.iter().filter(|step| step.kind == call.kind);
    let mut steps = steps.filter(|step| step.identity.as_str() == call.identity);
    steps.any(|step| match (call.verb, &step.action) {
        (Verb::Create, Action::Create(_) | Action::Replace(_)) => true,
        (Verb::Update, Action::Create(_) | Action::Replace(_)) => true,
        (Verb::Update, Action::Update(diff)) => call.fields.iter().all(|field| {
            let mut planned = diff.0.iter().map(|change| change.path.as_str());
            planned.any(|path| field == path || field.starts_with(&format!("{path}.")))
        }),
        (Verb::Delete, Action::Delete) => true,
        (Verb::Delete, Action::Replace(_)) => !beside,
        (Verb::Retire, Action::Replace(_)) => beside,
        (Verb::Purge, Action::Delete | Action::Replace(_)) => choice.delete_data,
        _ => false,
    })
}

pub fn in_order(plan: &Plan) -> bool {
    let mut seen = BTreeSet::new();
    plan.steps.iter().all(|step| {
        let ready = step.needs.iter().all(|need| seen.contains(need));
        seen.insert(step.id.clone());
        ready
    })
}

/// Whether a step was skipped where, and only where, something that it needs did not get done.
pub fn skipped_rightly(plan: &Plan, report: &Report) -> bool {
    report.interrupted()
        || plan.steps.iter().all(|step| {
            let done = |id: &Id| matches!(report.outcomes[id], Outcome::Done(_));
            let skipped = matches!(report.outcomes[&step.id], Outcome::Skipped(_));
            skipped != step.needs.iter().all(done)
        })
}

/// Everything that should stand stands once, and nothing else of ours does.
pub fn each_once(fake: &Fake, desired: &Desired) -> Result<(), String> {
    let mut count: BTreeMap<String, u32> = BTreeMap::new();
    for (name, live) in fake.existing(|owner| owner == Some(desired.owner.0.as_str())) {
        let id = Id::new(live.tag(ID_TAG).unwrap_or_default());
        let node = desired.nodes.get(&id);
        let named = node.map(|node| format!("{} {}", node.kind.name(), node.identity));
        if named.as_ref() != Some(&name) {
            return Err(format!("nothing of ours is left over: {name} of `{id}`"));
        }
        *count.entry(id.0).or_default() += 1;
    }
    if let Some((id, _)) = count.iter().find(|(_, count)| **count > 1) {
        return Err(format!("nothing of ours is there twice: {id}"));
    }
    let standing = desired.nodes.iter().filter(|(_, node)| !node.on_demand);
    match standing.into_iter().find(|(id, _)| !count.contains_key(id.as_str())) {
        Some((id, _)) => Err(format!("all that should stand does: {id} does not")),
        None => Ok(()),
    }
}
