//! `pipeline apply`: plan, confirm, apply in order, then run the jobs that are due.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{IsTerminal, Write, stderr, stdin};

use crate::apply::{Report, Run, apply};
use crate::blueprint::Id;
use crate::blueprint::text::fill;
use crate::jobs::run::{Force, Jobs, run as run_jobs};
use crate::jobs::{Artifacts, Params};
use crate::kind::Outputs;
use crate::plan::Choice;
use crate::report::live::Progress;
use crate::report::{answer, ending, say, text};

use super::account::Session;
use super::args::{Apply, Args, Consent, Doing};
use super::jobs::ended;
use super::outcome::{Error, Exit, file};
use super::plan::{Planned, make};
use super::saved::Saved;
use super::signals::Signals;

pub async fn run(command: &Apply, args: &Args) -> Result<Exit, Error> {
    let path = &command.source.file;
    let content = fs::read_to_string(path).map_err(file(format!("read {}", path.display())))?;
    let saved = Saved::read(path, &content).transpose()?;
    let (session, choice) = match &saved {
        Some(saved) => {
            (Session::of(saved.blueprint.clone(), &command.account).await?, saved.choice.clone())
        }
        None => (Session::warned(&command.source, &command.account).await?, command.scope.choice()),
    };
    let planned = make(&session, &choice, args).await?;
    if let Some(saved) = &saved {
        saved.check(&session, &planned)?;
    }
    let proposal = planned.proposal(&session);
    say(&text::plan(&proposal, args.style(), args.detail()));
    if !planned.plan.refusals.is_empty() {
        return Ok(Exit::Failed);
    }
    let due: BTreeSet<Id> = proposal.due().map(|(id, _)| id.clone()).collect();
    let due = if command.no_run { BTreeSet::new() } else { due };
    if planned.plan.is_noop() && due.is_empty() {
        outputs(&session, planned.known());
        return Ok(Exit::Done);
    }
    if saved.is_none() {
        confirm("Apply this", &session, &command.doing.consent)?;
    }
    carry_out(&session, &planned, &choice, &due, &command.doing, args).await
}

async fn carry_out(
    session: &Session,
    planned: &Planned,
    choice: &Choice,
    due: &BTreeSet<Id>,
    doing: &Doing,
    args: &Args,
) -> Result<Exit, Error> {
    let progress = Progress::new(stderr().is_terminal(), args.style());
    let run = Run {
        cloud: &session.aws,
        place: &session.aws.place,
        reporter: &progress,
        parallel: doing.parallelism,
        delete_data: choice.delete_data,
    };
    let signals = Signals::new();
    let report = apply(&run, &planned.plan, &planned.snapshot, signals.stop()).await;
    let summary = ending::applied(&session.desired, &planned.plan, &report, args.style());
    if let Some(exit) = ended_early(&report, &signals) {
        drop(progress);
        say(&summary);
        return Ok(exit);
    }
    say(&summary);
    let exit = if due.is_empty() {
        Exit::Done
    } else {
        let jobs = jobs(session, &run, report.known.clone())?;
        ended(run_jobs(&jobs, &progress, due, &Params::new(), Force::No), &signals, args.style())
            .await
    };
    outputs(session, &report.known);
    Ok(exit)
}

fn ended_early(report: &Report, signals: &Signals) -> Option<Exit> {
    match signals.got() {
        Some(exit) => Some(exit),
        None if report.succeeded() => None,
        None if report.stale() => Some(Exit::Moved),
        None => Some(Exit::Failed),
    }
}

/// The blueprint's jobs, with all that running them needs.
pub fn jobs<'a>(
    session: &'a Session,
    apply: &'a Run<'a>,
    known: BTreeMap<Id, Outputs>,
) -> Result<Jobs<'a>, Error> {
    Ok(Jobs {
        runner: &session.aws,
        apply,
        desired: &session.desired,
        artifacts: artifacts(session)?,
        known,
        starting: tokio::sync::Mutex::default(),
    })
}

pub fn artifacts(session: &Session) -> Result<Artifacts, Error> {
    let none =
        || Error::Other("the blueprint has jobs and names no `artifacts` bucket for them".into());
    Artifacts::of(&session.desired).ok_or_else(none)
}

/// The blueprint's outputs are the answer of an apply.
fn outputs(session: &Session, known: &BTreeMap<Id, Outputs>) {
    for (name, value) in &session.desired.outputs {
        answer(&format!("{name} = {}\n", fill(value, known)));
    }
}

/// Asks on a terminal; elsewhere only `--yes` is a yes.
pub fn confirm(verb: &str, session: &Session, consent: &Consent) -> Result<(), Error> {
    if consent.yes {
        return Ok(());
    }
    let place = &session.aws.place;
    let question = format!("{verb} in account {}, region {}?", place.account, place.region);
    if !stdin().is_terminal() {
        return Err(Error::Other(format!("{question} There is no terminal to ask on: say --yes")));
    }
    say(&format!("{question} Only `yes` is a yes:"));
    let _ = stderr().flush();
    let mut line = String::new();
    stdin().read_line(&mut line).map_err(file("read the answer"))?;
    if line.trim() == "yes" { Ok(()) } else { Err(Error::Other("nothing was changed".into())) }
}
