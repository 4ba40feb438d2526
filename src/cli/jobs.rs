//! `pipeline run`: jobs now, again or with other parameters.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io::{IsTerminal, stderr};
use std::pin::pin;

use futures_util::future::{Either, select};

use crate::apply::{PARALLEL, Run as ApplyRun};
use crate::blueprint::{Desired, Id, When};
use crate::jobs::run::{Force, JobOutcome, run as run_jobs};
use crate::kind::Outputs;
use crate::plan::known::planned;
use crate::plan::{Choice, plan};
use crate::report::ending::Next;
use crate::report::live::Progress;
use crate::report::style::Style;
use crate::report::{ending, say, text};

use super::account::Session;
use super::apply::jobs;
use super::args::{Args, Backfill, Run};
use super::backfill;
use super::outcome::{Error, Exit};
use super::signals::Signals;
use super::words::same_again;

pub async fn run(command: &Run, args: &Args) -> Result<Exit, Error> {
    if let Backfill { from: Some(from), to: Some(to), .. } = &command.backfill {
        return backfill::run(command, from, to, args).await;
    }
    let session = Session::open(&command.source, &command.account).await?;
    let style = args.style();
    let chosen = chosen(&session.desired, command)?;
    if chosen.is_empty() {
        say(&idle(&session.desired));
        return Ok(Exit::Done);
    }
    let known = ready(&session, &chosen, style).await?;
    let progress = Progress::new(stderr().is_terminal(), style);
    let apply = ApplyRun {
        cloud: &session.aws,
        place: &session.aws.place,
        reporter: &progress,
        parallel: PARALLEL,
        delete_data: false,
    };
    let jobs = jobs(&session, &apply, known)?;
    let params: BTreeMap<_, _> = command.params.iter().cloned().collect();
    let signals = &session.signals;
    signals.begin();
    let work = run_jobs(&jobs, &progress, &chosen, &params, Force::Yes);
    let next = Next::Same(same_again());
    Ok(ended(work, signals.stop(), signals, (Force::Yes, &next), style).await)
}

/// What `${id.output}` stands for, once all that these jobs need is as the blueprint says.
pub async fn ready(
    session: &Session,
    chosen: &BTreeSet<Id>,
    style: Style,
) -> Result<BTreeMap<Id, Outputs>, Error> {
    let snapshot = session.observe(style).await?;
    let choice = Choice { targets: needs(session, chosen), ..Choice::default() };
    let steps = plan(&session.desired, &snapshot, &choice);
    if let Some(step) = steps.changes().next() {
        let what = format!("`{}` is not as the blueprint says: apply first", step.id);
        return Err(Error::Other(what));
    }
    if let Some(refusal) = steps.refusals.first() {
        return Err(Error::Other(text::refused(refusal)));
    }
    Ok(planned(&steps, &session.desired, &snapshot))
}

/// A job of the blueprint by its id.
pub fn named(desired: &Desired, job: &str) -> Result<Id, Error> {
    let (id, jobs) = (Id::new(job), &desired.jobs);
    if jobs.contains_key(&id) {
        return Ok(id);
    }
    let there: Vec<_> = jobs.keys().map(|id| format!("`{id}`")).collect();
    let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
    Err(Error::Other(format!("there is no job `{job}`; there is {there}")))
}

/// The jobs that the command line means, which have the parameters that it gives them.
pub fn chosen(desired: &Desired, command: &Run) -> Result<BTreeSet<Id>, Error> {
    let jobs = &desired.jobs;
    let chosen: BTreeSet<Id> = match &command.job {
        Some(job) => BTreeSet::from([named(desired, job)?]),
        None => jobs
            .iter()
            .filter(|(_, job)| job.when != When::Manual)
            .map(|(id, _)| id.clone())
            .collect(),
    };
    for (param, _) in &command.params {
        if let Some(id) = chosen.iter().find(|id| !jobs[*id].params.contains_key(param)) {
            let known =
                jobs[id].params.keys().map(|p| format!("`{p}`")).collect::<Vec<_>>().join(", ");
            let has = if known.is_empty() { "none".into() } else { known };
            return Err(Error::Other(format!(
                "job `{id}` has no parameter `{param}`; it has {has}"
            )));
        }
    }
    Ok(chosen)
}

/// Why there is nothing to run where no job is named.
fn idle(desired: &Desired) -> String {
    let jobs: Vec<_> = desired.jobs.keys().map(|id| format!("`{id}`")).collect();
    match jobs.is_empty() {
        true => "Nothing to run: the blueprint has no jobs".into(),
        false => {
            format!("Nothing to run: all jobs are `when: manual`; name one: {}", jobs.join(", "))
        }
    }
}

/// What must stand as the blueprint says before these jobs run.
fn needs(session: &Session, chosen: &BTreeSet<Id>) -> BTreeSet<Id> {
    chosen.iter().flat_map(|id| session.desired.jobs[id].needs.iter().cloned()).collect()
}

/// Runs jobs until they end or `stop` does, and tells how it went.
pub async fn ended(
    work: impl Future<Output = BTreeMap<Id, JobOutcome>>,
    stop: impl Future<Output = ()>,
    signals: &Signals,
    (force, next): (Force, &Next),
    style: Style,
) -> Exit {
    let outcomes = match select(pin!(stop), pin!(work)).await {
        Either::Right((outcomes, _)) => outcomes,
        Either::Left(_) => {
            say(&ending::left(force, next));
            return signals.got().unwrap_or(Exit::Interrupted);
        }
    };
    say(&ending::ran(&outcomes, style));
    let succeeded = outcomes.values().all(|outcome| matches!(outcome, JobOutcome::Succeeded(_)));
    if succeeded { Exit::Done } else { Exit::JobFailed }
}
