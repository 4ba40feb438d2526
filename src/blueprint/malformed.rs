//! What a kind cannot read of a spec, and where: its decoder stops at the first flaw and does not
//! say where that is, so the field is found by leaving it out.

use serde_json::Value;

use crate::kind::{Flaw, Kind};

/// Every field that its kind cannot read.
pub(super) fn malformed(kind: &dyn Kind, mut spec: Value) -> Vec<Flaw> {
    const FLAWS_MAX: usize = 20;
    let mut flaws = Vec::new();
    while let Err(flaw) = kind.normalize(&spec) {
        if flaws.len() == FLAWS_MAX || !flaws.is_empty() && flaw.what.starts_with("missing field") {
            break;
        }
        if !flaw.path.is_empty() {
            flaws.push(flaw);
            break;
        }
        let path = blame(kind, &spec, &flaw.what);
        let follows = format!("{}.", path.join("."));
        if flaws.iter().any(|earlier: &Flaw| earlier.path.starts_with(&follows)) {
            break; // It lacks what was just taken out.
        }
        if path.is_empty() || !remove(&mut spec, &path) {
            flaws.push(flaw);
            break;
        }
        flaws.push(Flaw { path: path.join("."), ..flaw });
    }
    flaws
}

/// The path of what the decoder stops at: without it, the decoder says something else. That a
/// field is missing once it is left out says nothing, unless the flaw quotes the field's value.
fn blame(kind: &dyn Kind, spec: &Value, what: &str) -> Vec<String> {
    let mut path: Vec<String> = Vec::new();
    loop {
        let guilty = steps(spec, &path).into_iter().find_map(|step| {
            let longer: Vec<String> = path.iter().chain([&step]).cloned().collect();
            let value = spec.pointer(&pointer(&longer))?;
            let mut without = spec.clone();
            let said = match (remove(&mut without, &longer), kind.normalize(&without)) {
                (true, Ok(_)) => return Some(longer),
                (true, Err(flaw)) => flaw.what,
                (false, _) => return None,
            };
            let quoted = match value {
                Value::String(text) => what.contains(text.as_str()),
                Value::Number(_) | Value::Bool(_) => what.contains(&value.to_string()),
                _ => true,
            };
            let asked_back = said.contains(&format!("`{step}`"));
            (said != what && (quoted || !asked_back)).then_some(longer)
        });
        match guilty {
            Some(longer) => path = longer,
            None => return path,
        }
    }
}

fn steps(spec: &Value, path: &[String]) -> Vec<String> {
    match spec.pointer(&pointer(path)) {
        Some(Value::Object(map)) => map.keys().cloned().collect(),
        Some(Value::Array(items)) => (0..items.len()).map(|index| index.to_string()).collect(),
        _ => Vec::new(),
    }
}

fn remove(spec: &mut Value, path: &[String]) -> bool {
    let [holder @ .., last] = path else { return false };
    match spec.pointer_mut(&pointer(holder)) {
        Some(Value::Object(map)) => map.remove(last).is_some(),
        Some(Value::Array(items)) => match last.parse::<usize>() {
            Ok(index) if index < items.len() => {
                items.remove(index);
                true
            }
            _ => false,
        },
        _ => false,
    }
}

/// The JSON pointer of a path.
pub(super) fn pointer(path: &[String]) -> String {
    path.iter().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect()
}
