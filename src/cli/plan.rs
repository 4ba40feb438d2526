//! `pipeline plan`: what would change.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process;

use crate::blueprint::Id;
use crate::jobs::{Artifacts, Due, Records, due};
use crate::kind::Outputs;
use crate::plan::known::planned;
use crate::plan::{Choice, Plan as Steps, Snapshot, plan};
use crate::report::{Proposal, json, markdown, text};

use super::account::Session;
use super::args::{Args, Format, Plan};
use super::outcome::{Error, Exit, answer, file};
use super::saved::Saved;

/// A plan with what it was made from.
pub struct Planned {
    known: BTreeMap<Id, Outputs>,
    pub snapshot: Snapshot,
    pub plan: Steps,
    pub jobs: BTreeMap<Id, Due>,
}

pub async fn run(command: &Plan, args: &Args) -> Result<Exit, Error> {
    let mut session = Session::warned(&command.source, &command.account).await?;
    session.aws.hope(session.desired.tags());
    let choice = command.scope.choice();
    let planned = make(&session, &choice, args).await?;
    let proposal = planned.proposal(&session);
    let shown = match command.format {
        Format::Text => text::plan(&proposal, args.style(), args.detail()),
        Format::Json => format!("{:#}\n", json::plan(&proposal)),
        Format::Markdown => markdown::plan(&proposal),
    };
    answer(&shown)?;
    if let Some(path) = &command.out {
        let saved = Saved::new(&session, &planned, choice.clone())?;
        write(path, &saved.text()).map_err(file(format!("write {}", path.display())))?;
    }
    if !planned.plan.refusals.is_empty() {
        return Ok(Exit::Failed);
    }
    let changes = !planned.plan.is_noop() || proposal.due().next().is_some();
    Ok(if command.detailed_exitcode && changes { Exit::Changes } else { Exit::Done })
}

/// For the user alone: a saved plan holds the blueprint and its variables, secrets among them. The
/// file is as it was until all of the new one is there.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return fs::write(path, text);
    }
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut beside = path.clone().into_os_string();
    beside.push(format!(".{}", process::id()));
    let new = || fs::File::options().write(true).create_new(true).mode(0o600).open(&beside);
    let written = new().and_then(|mut file| file.write_all(text.as_bytes()));
    let written = written.and_then(|()| fs::rename(&beside, &path));
    written.inspect_err(|_| drop(fs::remove_file(&beside)))
}

/// Looks, and plans.
pub async fn make(session: &Session, choice: &Choice, args: &Args) -> Result<Planned, Error> {
    let style = args.style();
    let (snapshot, records) = futures_util::join!(session.observe(style), records(session));
    let (snapshot, records) = (snapshot?, records?);
    for id in choice.targets.iter().chain(&choice.adopt) {
        if !session.desired.nodes.contains_key(id) {
            return Err(Error::Other(format!("the blueprint has no resource `{id}`")));
        }
    }
    let plan = plan(&session.desired, &snapshot, choice);
    let known = planned(&plan, &session.desired, &snapshot);
    // A target is all that is touched: a job may need what the targets leave out.
    let jobs = if choice.targets.is_empty() {
        due(&session.desired, &known, &records).map_err(file("read a job's script"))?
    } else {
        BTreeMap::new()
    };
    Ok(Planned { known, snapshot, plan, jobs })
}

async fn records(session: &Session) -> Result<Records, Error> {
    match Artifacts::of(&session.desired) {
        Some(artifacts) if !session.desired.jobs.is_empty() => {
            Ok(artifacts.records(&session.aws).await?)
        }
        _ => Ok(Records::new()),
    }
}

impl Planned {
    /// What `${id.output}` stands for, as far as it is known before an apply.
    pub fn known(&self) -> &BTreeMap<Id, Outputs> {
        &self.known
    }

    pub fn proposal<'a>(&'a self, session: &'a Session) -> Proposal<'a> {
        Proposal {
            desired: &session.desired,
            place: &session.aws.place,
            plan: &self.plan,
            jobs: &self.jobs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_saved_plan_is_for_the_user_alone() {
        let path = std::env::temp_dir().join(format!("pipeline-plan-{}", std::process::id()));
        write(&path, "{}").expect("there is room");
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).expect("it is ours");
        write(&path, "[]").expect("there is room");
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::remove_file(path).expect("it is there");
    }
}
