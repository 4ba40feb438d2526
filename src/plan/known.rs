//! Which outputs are known before anything is done.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::blueprint::{Desired, Id};
use crate::kind::{Kind, Live, Outputs, Place};

use super::{Action, Plan, Snapshot};

/// What stays keeps its outputs; what is made has those that follow from its names.
pub fn outputs(
    kind: &dyn Kind,
    action: &Action,
    spec: &Value,
    live: Option<&Live>,
    place: &Place,
) -> Outputs {
    let predicted = kind.predict(spec, place);
    match (action, live) {
        (Action::Keep(_) | Action::Update(_), Some(live)) => with(predicted, &live.outputs),
        _ => predicted,
    }
}

/// What AWS says of a resource goes before what follows from its spec.
pub fn with(predicted: Outputs, live: &Outputs) -> Outputs {
    predicted.into_iter().chain(live.clone()).collect()
}

/// The outputs of every resource as the plan leaves them, as far as they are known before it is
/// done.
pub fn planned(plan: &Plan, desired: &Desired, snapshot: &Snapshot) -> BTreeMap<Id, Outputs> {
    let mut known: BTreeMap<Id, Outputs> = snapshot
        .found
        .iter()
        .filter_map(|(id, live)| Some((id.clone(), live.as_ref()?.outputs.clone())))
        .collect();
    for step in &plan.steps {
        if let Some(node) = desired.nodes.get(&step.id) {
            let live = snapshot.found.get(&step.id).and_then(Option::as_ref);
            let outputs = outputs(node.kind, &step.action, &step.spec, live, &snapshot.place);
            known.insert(step.id.clone(), outputs);
        }
    }
    known
}
