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
use super::args::Apply;
use super::input::{Input, variables};
use super::outcome::{Error, file};
use super::plan::Planned;
use super::words::{given, quoted, with};

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
        let blueprint = &session.input.file;
        if blueprint.to_str().is_none() {
            let name = blueprint.display();
            return Err(Error::Other(format!(
                "a saved plan names the blueprint, and {name} is not UTF-8"
            )));
        }
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

    /// It is applied as it was made: refuses what would make another one of it.
    pub fn suits(&self, command: &Apply) -> Result<(), Error> {
        let (given, choice, made) = (&command.source.choice, command.scope.choice(), &self.choice);
        let others = |from: BTreeMap<String, String>| {
            from.iter().any(|(name, value)| self.blueprint.variables.get(name) != Some(value))
        };
        let region = match &command.account.region {
            Some(region) => *region != self.blueprint.load(None)?.desired.region,
            None => false,
        };
        let chosen = |now: &BTreeSet<Id>, then: &BTreeSet<Id>| !now.is_empty() && now != then;
        let flags = [
            ("--env", given.env.is_some() && given.env != self.blueprint.environment),
            ("--var", others(given.vars.iter().cloned().collect())),
            ("--var-file", others(variables(&given.var_files)?)),
            ("--region", region),
            ("--target", chosen(&choice.targets, &made.targets)),
            ("--adopt", chosen(&choice.adopt, &made.adopt)),
            ("--delete-data", choice.delete_data && !made.delete_data),
        ];
        let Some((flag, _)) = flags.into_iter().find(|(_, differs)| *differs) else {
            return Ok(());
        };
        let plan = command.source.file.display();
        Err(Error::Other(format!(
            "{flag}: {plan} was made without it, or with another value\n  hint: leave it out, or \
             make a plan with it"
        )))
    }

    /// The command that makes the plan in a file anew. Values may be secret: of a variable only its
    /// name is said, in a way that no shell takes for a value.
    pub fn planned_again(&self, plan: &Path) -> String {
        let Input { file, environment, variables, region, .. } = &self.blueprint;
        let path = |path: &Path| quoted(&path.display().to_string());
        let mut command = format!("pipeline plan {} --out {}", path(file), path(plan));
        let mut say = |name: &str, value: &str| {
            command = format!("{command} {name} {value}");
        };
        environment.iter().for_each(|it| say("--env", &quoted(it)));
        variables.keys().for_each(|it| say("--var", &format!("{it}=<{it}>")));
        region.iter().for_each(|it| say("--region", &quoted(it)));
        self.choice.targets.iter().for_each(|it| say("--target", &quoted(it.as_str())));
        self.choice.adopt.iter().for_each(|it| say("--adopt", &quoted(it.as_str())));
        if self.choice.delete_data {
            command.push_str(" --delete-data");
        }
        with(&command, given(), &["--profile", "--endpoint-url"], &["--local"])
    }

    /// Refuses if anything that the plan rests on has moved.
    pub fn check(&self, path: &Path, session: &Session, planned: &Planned) -> Result<(), Error> {
        let now = &planned.snapshot;
        if self.snapshot.place.account != now.place.account {
            let (then, now) = (&self.snapshot.place.account, &now.place.account);
            return Err(Error::Other(format!(
                "the plan was made for account {then}, and this is {now}"
            )));
        }
        let mut moved = String::new();
        let todo = steps(planned);
        for (id, node) in &session.desired.nodes {
            // What is started on demand and ends by itself matters where it is to be changed.
            if node.on_demand && self.steps.get(id) == todo.get(id) {
                continue;
            }
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
        let todo = if moved.is_empty() { &todo } else { &self.steps };
        for id in apart(&self.steps, todo) {
            let _ = writeln!(moved, "  `{id}`: a file beside the blueprint has changed");
        }
        if moved.is_empty() {
            Ok(())
        } else {
            Err(Error::Moved(moved, Some(self.planned_again(path))))
        }
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
