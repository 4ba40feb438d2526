//! `pipeline run --from … --to …`: one job for many hours.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{IsTerminal, stderr};
use std::pin::pin;

use futures_util::future::{Either, select};

use crate::apply::{PARALLEL, Run as ApplyRun};
use crate::blueprint::{Desired, Id};
use crate::jobs::Params;
use crate::jobs::backfill::{Backfill, HOUR, missing};
use crate::jobs::hours::{Hour, span};
use crate::jobs::run::{Force, JobOutcome};
use crate::report::hours::{Ended, HoursProgress, backfilled};
use crate::report::{count, say};

use super::account::Session;
use super::apply::{artifacts, jobs};
use super::args::{Args, Run};
use super::input::Input;
use super::jobs::{chosen, ready};
use super::outcome::{Error, Exit, file};
use super::words::{again, given};

/// What the command line says of a backfill and of no single run.
const OPTIONS: [&str; 3] = ["--from", "--to", "--parallelism"];

pub async fn run(command: &Run, from: &str, to: &str, args: &Args) -> Result<Exit, Error> {
    let hours = span(from, to).map_err(Error::Other)?;
    let (source, account) = (&command.source, &command.account);
    let input = Input::read(source, account.region.clone(), account.local)?;
    hourly(&input.load(None)?.desired, command)?;
    let session = Session::of(input, account).await?;
    let id = hourly(&session.desired, command)?;

    let style = args.style();
    let known = ready(&session, &[id.clone()].into(), style).await?;
    let params: Params = command.params.iter().cloned().collect();
    let force = if command.backfill.again { Force::Yes } else { Force::Never };
    let due = if force == Force::Yes {
        hours.clone()
    } else {
        let records = artifacts(&session)?.records(&session.aws).await?;
        let job = (&id, &session.desired.jobs[&id]);
        missing(job, &known, &params, &hours, &records).map_err(file("read the job's script"))?
    };
    let before = hours.len() - due.len();
    say(&told(&id, &due, before));

    let progress = HoursProgress::new(due.len(), stderr().is_terminal(), style);
    let apply = ApplyRun {
        cloud: &session.aws,
        place: &session.aws.place,
        reporter: &progress,
        parallel: PARALLEL,
        delete_data: false,
    };
    let jobs = jobs(&session, &apply, known)?;
    let outcomes = RefCell::new(BTreeMap::new());
    let backfill = Backfill {
        jobs: &jobs,
        job: &id,
        params,
        force,
        parallel: command.backfill.parallelism,
        reporter: &progress,
        outcomes: &outcomes,
    };
    let signals = &session.signals;
    signals.begin();
    let stopped = match select(pin!(backfill.run(&due)), pin!(signals.stop())).await {
        Either::Left(_) => None,
        Either::Right(_) => signals.got(),
    };
    drop(progress);
    let outcomes = outcomes.into_inner();
    let ended =
        Ended { job: &id, hours: &due, before, outcomes: &outcomes, force, again: &one_hour };
    say(&backfilled(&ended, style));
    if stopped.is_some() {
        say("what is submitted goes on where it runs; the same command finds it again");
    }
    let succeeded = outcomes.len() == due.len()
        && outcomes.values().all(|outcome| matches!(outcome, JobOutcome::Succeeded(_)));
    let exit = if succeeded { Exit::Done } else { Exit::JobFailed };
    Ok(stopped.unwrap_or(exit))
}

/// The job, if it can be run for one hour and another.
fn hourly(desired: &Desired, command: &Run) -> Result<Id, Error> {
    if command.params.iter().any(|(name, _)| name == HOUR) {
        return Err(Error::Other("--from and --to say which hours, not --param hour".into()));
    }
    let chosen = chosen(desired, command)?;
    let id = chosen.into_iter().next().expect("the command line needs a job with --from");
    if desired.jobs[&id].params.contains_key(HOUR) {
        return Ok(id);
    }
    Err(Error::Other(format!(
        "job `{id}` has no parameter `{HOUR}`, which says for which hour it runs\n  hint: give it \
         `params: {{ {HOUR}: \"\" }}`, and use `${{param.{HOUR}}}` in its `args`"
    )))
}

fn told(id: &Id, due: &[Hour], before: usize) -> String {
    let due = count(due.len() as u64, "hour");
    match before {
        0 => format!("`{id}`: {due} to run"),
        before => format!("`{id}`: {due} to run, {before} succeeded before"),
    }
}

/// The command that runs one hour again, as the user would type it.
fn one_hour(hour: Hour) -> String {
    let words = given().filter(|word| word != "--again");
    again(words, &OPTIONS, &format!("--param {HOUR}={hour}"))
}
