//! Which outputs are known before anything is done.

use serde_json::Value;

use crate::kind::{Kind, Live, Outputs, Place};

use super::Action;

/// What stays keeps its outputs; what is made has those that follow from its names.
pub fn outputs(
    kind: &dyn Kind,
    action: &Action,
    spec: &Value,
    live: Option<&Live>,
    place: &Place,
) -> Outputs {
    match (action, live) {
        (Action::Keep(_) | Action::Update(_), Some(live)) => live.outputs.clone(),
        _ => kind.predict(spec, place),
    }
}
