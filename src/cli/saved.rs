//! A plan in a file: what was read, what was observed, and what was shown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::blueprint::Id;
use crate::jobs::{Due, script};
use crate::kind::Live;
use crate::plan::diff::diff;
use crate::plan::{Choice, Snapshot, Step};
use crate::report::{json, sign};

use super::account::Session;
use super::input::Input;
use super::outcome::{Error, file};
use super::plan::Planned;

const FORMAT: &str = "pipeline-plan";

#[derive(Debug, Serialize, Deserialize)]
pub struct Saved {
    format: String,
    version: u32,
    pub blueprint: Input,
    pub choice: Choice,
    snapshot: Snapshot,
    /// What is to be done; an apply works it out again and compares.
    steps: BTreeMap<Id, Value>,
    /// The jobs to run, by the hashes of their scripts.
    jobs: BTreeMap<Id, String>,
    /// As it was shown, for other programs.
    plan: Value,
}

impl Saved {
    pub fn new(session: &Session, planned: &Planned, choice: Choice) -> Result<Self, Error> {
        Ok(Self {
            format: FORMAT.into(),
            version: json::VERSION,
            blueprint: session.input.clone(),
            choice,
            snapshot: planned.snapshot.clone(),
            steps: steps(planned),
            jobs: scripts(session, planned)?,
            plan: json::plan(&planned.proposal(session)),
        })
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
        let jobs = scripts(session, planned)?;
        for id in apart(&self.jobs, &jobs) {
            let what = match (self.jobs.get(id), jobs.get(id)) {
                (None, _) => "it is due now",
                (_, None) => "it is no longer due",
                _ => "its script has changed",
            };
            let _ = writeln!(moved, "  job `{id}`: {what}");
        }
        // What is seen above explains what is planned otherwise; what is left are files.
        let steps = if moved.is_empty() { steps(planned) } else { self.steps.clone() };
        for id in apart(&self.steps, &steps) {
            let _ = writeln!(moved, "  `{id}`: a file beside the blueprint has changed");
        }
        if moved.is_empty() { Ok(()) } else { Err(Error::Moved(moved)) }
    }
}

/// The steps that change something. What only tells of the past is left out: it ages.
pub fn steps(planned: &Planned) -> BTreeMap<Id, Value> {
    let step = |step: &Step| {
        let Step { action, identity, spec, .. } = step;
        (step.id.clone(), json!({ "action": sign(action).1, "identity": identity, "spec": spec }))
    };
    planned.plan.changes().map(step).collect()
}

fn scripts(session: &Session, planned: &Planned) -> Result<BTreeMap<Id, String>, Error> {
    let due = planned.jobs.iter().filter(|(_, due)| matches!(due, Due::Run(_)));
    let hash = |id: &Id| {
        let script = script(&session.desired.jobs[id]).map_err(file("read a job's script"))?;
        Ok((id.clone(), script.hash))
    };
    due.map(|(id, _)| hash(id)).collect()
}

/// The keys at which two maps differ.
fn apart<'a, T: PartialEq>(a: &'a BTreeMap<Id, T>, b: &'a BTreeMap<Id, T>) -> BTreeSet<&'a Id> {
    a.keys().chain(b.keys()).filter(|id| a.get(*id) != b.get(*id)).collect()
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
