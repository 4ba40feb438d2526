//! A plan in a file: what was read, what was observed, and what was shown.

use std::fmt::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kind::Live;
use crate::plan::diff::diff;
use crate::plan::{Choice, Snapshot};
use crate::report::json;

use super::account::Session;
use super::input::Input;
use super::outcome::Error;
use super::plan::Planned;

const FORMAT: &str = "pipeline-plan";

#[derive(Debug, Serialize, Deserialize)]
pub struct Saved {
    format: String,
    version: u32,
    pub blueprint: Input,
    pub choice: Choice,
    snapshot: Snapshot,
    /// As it was shown; an apply makes it again and compares what it saw.
    plan: Value,
}

impl Saved {
    pub fn new(session: &Session, planned: &Planned, choice: Choice) -> Self {
        Self {
            format: FORMAT.into(),
            version: json::VERSION,
            blueprint: session.input.clone(),
            choice,
            snapshot: planned.snapshot.clone(),
            plan: json::plan(&planned.proposal(session)),
        }
    }

    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("a plan is plain data, which is always JSON")
    }

    /// A saved plan, if the file looks like one and not like a blueprint.
    pub fn read(path: &Path, text: &str) -> Option<Result<Self, Error>> {
        let saved: Value = serde_json::from_str(text).ok()?;
        if saved.get("format").and_then(Value::as_str) != Some(FORMAT) {
            return None;
        }
        let wrong =
            |e| Error::Other(format!("{} is not a plan of this version: {e}", path.display()));
        Some(serde_json::from_value(saved).map_err(wrong))
    }

    /// Refuses if anything that the plan rests on has moved.
    pub fn check(&self, session: &Session, planned: &Planned) -> Result<(), Error> {
        let now = &planned.snapshot;
        if self.snapshot.place.account != now.place.account {
            let (then, now) = (&self.snapshot.place.account, &now.place.account);
            return Err(Error::Other(format!(
                "the plan was made for account {then}, and this is {now}"
            )));
        }
        let mut moved = String::new();
        for (id, node) in &session.desired.nodes {
            let then = self.snapshot.found.get(id).and_then(Option::as_ref);
            let now = now.found.get(id).and_then(Option::as_ref);
            let title = format!("  `{id}` ({} {})", node.kind.name(), node.identity);
            let _ = match (then.filter(|l| l.exists()), now.filter(|l| l.exists())) {
                (None, Some(_)) => writeln!(moved, "{title}: it exists now"),
                (Some(_), None) => writeln!(moved, "{title}: it is gone"),
                (Some(then), Some(now)) => differs(&title, then, now, &mut moved),
                (None, None) => Ok(()),
            };
        }
        let same = |a: &crate::plan::Stray, b: &crate::plan::Stray| {
            (&a.kind, &a.identity) == (&b.kind, &b.identity)
        };
        for stray in now.strays.iter().filter(|s| !self.snapshot.strays.iter().any(|t| same(s, t)))
        {
            let _ =
                writeln!(moved, "  {} {}: it is ours and was not seen", stray.kind, stray.identity);
        }
        if moved.is_empty() && json::plan(&planned.proposal(session)) != self.plan {
            moved.push_str("  the jobs that are due, or a file beside the blueprint\n");
        }
        if moved.is_empty() { Ok(()) } else { Err(Error::Moved(moved)) }
    }
}

fn differs(title: &str, then: &Live, now: &Live, moved: &mut String) -> std::fmt::Result {
    let fields = diff(&then.spec, &now.spec, &[]);
    if !fields.is_empty() {
        return writeln!(moved, "{title}: {}", fields.paths().join(", "));
    }
    if then.phase != now.phase {
        return writeln!(moved, "{title}: {:?} became {:?}", then.phase, now.phase);
    }
    Ok(())
}
