//! `pipeline apply`: plan, confirm, apply in order, then run the jobs that are due.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::future::Future;
use std::io::{IsTerminal, Write, stderr, stdin};
use std::path::Path;
use std::pin::{Pin, pin};

use futures_util::future::{Either, select};

use crate::apply::{Report, Run, apply};
use crate::blueprint::Id;
use crate::blueprint::text::fill;
use crate::jobs::run::{Force, Jobs, run as run_jobs};
use crate::jobs::{Artifacts, Params};
use crate::kind::Outputs;
use crate::lock::guard::Guarded;
use crate::lock::lease::Lease;
use crate::plan::Choice;
use crate::report::ending::{Next, Seen};
use crate::report::live::Progress;
use crate::report::{ending, say, text};

use super::account::Session;
use super::args::{Apply, Args, Consent};
use super::jobs::ended;
use super::lock::{self, until};
use super::outcome::{Error, Exit, answer, file};
use super::plan::{Planned, make};
use super::saved::{Saved, steps};
use super::signals::{NOTHING, Signals};
use super::words::same_again;

/// How often an apply carries out what it finds left to do.
const ROUNDS: usize = 3;

pub async fn run(command: &Apply, args: &Args) -> Result<Exit, Error> {
    let path = &command.source.file;
    let content = fs::read_to_string(path).map_err(file(format!("read {}", path.display())))?;
    let saved = Saved::read(path, &content).transpose()?;
    let (session, choice) = match &saved {
        Some(saved) => {
            saved.suits(command)?;
            (Session::of(saved.blueprint.clone(), &command.account).await?, saved.choice.clone())
        }
        None => (Session::warned(&command.source, &command.account).await?, command.scope.choice()),
    };
    let planned = make(&session, &choice, args).await?;
    if let Some(saved) = &saved {
        saved.check(path, &session, &planned)?;
    }
    show(&session, &planned, args);
    if !planned.plan.refusals.is_empty() {
        return Ok(Exit::Failed);
    }
    if planned.plan.is_noop() && due(&session, &planned, command).is_empty() {
        outputs(&session, planned.known())?;
        return Ok(Exit::Done);
    }
    if saved.is_none() {
        confirm("Apply this", &session, &command.doing.consent)?;
    }
    let signals = &session.signals;
    signals.begin();
    let lease = lock::lease(&session, "apply");
    let mut stop = pin!(until(signals, lease.as_ref()));
    let work = Work {
        session: &session,
        saved: saved.as_ref(),
        choice: &choice,
        command,
        args,
        lease: lease.as_ref(),
        signals,
    };
    let result = work.locked(planned, stop.as_mut()).await;
    lock::leave(lease.as_ref(), signals, result).await
}

fn show(session: &Session, planned: &Planned, args: &Args) {
    say(&text::plan(&planned.proposal(session), args.style(), args.detail()));
}

/// Jobs that this command is to run.
fn due(session: &Session, planned: &Planned, command: &Apply) -> BTreeSet<Id> {
    let proposal = planned.proposal(session);
    let due = proposal.due().map(|(id, _)| id.clone());
    if command.no_run { BTreeSet::new() } else { due.collect() }
}

/// What was to be done is now something else.
pub fn not_agreed() -> Error {
    Error::Moved("  it is not what you agreed to\n".into(), None)
}

/// An apply that has been agreed to.
struct Work<'a> {
    session: &'a Session,
    saved: Option<&'a Saved>,
    choice: &'a Choice,
    command: &'a Apply,
    args: &'a Args,
    lease: Option<&'a Lease<'a>>,
    signals: &'a Signals,
}

impl Work<'_> {
    async fn locked(
        &self,
        planned: Planned,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Exit, Error> {
        let again = match select(stop.as_mut(), pin!(self.enter(planned))).await {
            Either::Left(_) => return Ok(stopped(self.signals)),
            Either::Right((again, _)) => again?,
        };
        let due = due(self.session, &again, self.command);
        if again.plan.is_noop() && due.is_empty() {
            outputs(self.session, again.known())?;
            return Ok(Exit::Done);
        }
        if !again.plan.refusals.is_empty() {
            return Ok(Exit::Failed);
        }
        self.carry_out(again, &due, stop).await
    }

    /// Takes the lock where there is one to take, and plans again: others may have been at work
    /// since the plan was made, and can no longer be.
    async fn enter(&self, planned: Planned) -> Result<Planned, Error> {
        let Some(lease) = self.lease else { return Ok(planned) };
        let (file, doing) = (&self.command.source.file, &self.command.doing);
        if !lock::take(self.session, &planned.snapshot, lease, (file, doing)).await? {
            return Ok(planned);
        }
        let again = make(self.session, self.choice, self.args).await?;
        if let Some(saved) = self.saved {
            saved.check(file, self.session, &again)?;
        } else if !same(&planned, &again) {
            let due = due(self.session, &again, self.command);
            say("others were at work since the plan was made; now it is this:");
            show(self.session, &again, self.args);
            if !(again.plan.is_noop() && due.is_empty() || doing.consent.yes) {
                return Err(not_agreed());
            }
        }
        Ok(again)
    }

    async fn carry_out(
        &self,
        planned: Planned,
        due: &BTreeSet<Id>,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Exit, Error> {
        let (session, style) = (self.session, self.args.style());
        let guarded = Guarded { cloud: &session.aws, lease: self.lease };
        let known = self.converge(&guarded, planned, stop.as_mut()).await?;
        let exit = if due.is_empty() {
            Exit::Done
        } else {
            guarded.pass().await?;
            let progress = Progress::new(stderr().is_terminal(), style);
            let run = self.run(&guarded, &progress);
            let jobs = jobs(session, &run, known.clone())?;
            let params = Params::new();
            let work = run_jobs(&jobs, &progress, due, &params, Force::No);
            let next = next(self.saved, &self.command.source.file);
            ended(work, stop, self.signals, (Force::No, &next), style).await
        };
        outputs(session, &known)?;
        Ok(exit)
    }

    /// Carries a plan out and looks at everything again, until nothing is left to do. What the
    /// first look did not show, as AWS may tell late of what a killed run did, the next one shows.
    async fn converge(
        &self,
        guarded: &Guarded<'_>,
        mut planned: Planned,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<BTreeMap<Id, Outputs>, Error> {
        for _ in 0..ROUNDS {
            let report = self.round(guarded, &planned, stop.as_mut()).await?;
            if planned.plan.is_noop() {
                return Ok(report.known);
            }
            let say_seen = |seen| say(&ending::applied(&planned.plan, seen));
            let look = make(self.session, self.choice, self.args);
            let again = match select(stop.as_mut(), pin!(look)).await {
                Either::Left(_) => return Err(self.stopped_after(&planned)),
                Either::Right((again, _)) => again.inspect_err(|_| say_seen(Seen::Nothing))?,
            };
            if again.plan.is_noop() {
                say_seen(Seen::AsWanted);
                return Ok(report.known);
            }
            say_seen(Seen::NotYet);
            show(self.session, &again, self.args);
            if !again.plan.refusals.is_empty() {
                return Err(Error::Told(Exit::Failed));
            }
            if self.saved.is_some() || !self.command.doing.consent.yes {
                return Err(not_agreed());
            }
            planned = again;
        }
        let next = same_again();
        Err(Error::Other(format!("live does not come to be as the blueprint says\n  next: {next}")))
    }

    /// Carries a plan out, once.
    async fn round(
        &self,
        guarded: &Guarded<'_>,
        planned: &Planned,
        stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Report, Error> {
        let (session, style) = (self.session, self.args.style());
        let progress = Progress::new(stderr().is_terminal(), style);
        let run = self.run(guarded, &progress);
        let report = apply(&run, &planned.plan, &planned.snapshot, stop).await;
        drop(progress);
        let Some(exit) = ended_early(&report, self.signals) else { return Ok(report) };
        if report.succeeded() {
            return Err(self.stopped_after(planned));
        }
        let next = next(self.saved, &self.command.source.file);
        say(&ending::unfinished(&session.desired, &planned.plan, &report, &next, style));
        Err(Error::Told(exit))
    }

    fn stopped_after(&self, planned: &Planned) -> Error {
        let next = next(self.saved, &self.command.source.file);
        say(&ending::stopped_after(&planned.plan, &next));
        Error::Told(self.signals.got().unwrap_or(Exit::Failed))
    }

    fn run<'r>(&'r self, cloud: &'r Guarded<'_>, reporter: &'r Progress) -> Run<'r> {
        Run {
            cloud,
            place: &self.session.aws.place,
            reporter,
            parallel: self.command.doing.parallelism,
            delete_data: self.choice.delete_data,
        }
    }
}

/// The end of a run whose work had not begun when it was stopped, or lost its lock.
pub fn stopped(signals: &Signals) -> Exit {
    signals.got().map_or(Exit::Failed, |exit| {
        say(NOTHING);
        exit
    })
}

/// How to go on after an end before the end.
fn next(saved: Option<&Saved>, file: &Path) -> Next {
    match saved {
        None => Next::Same(same_again()),
        Some(saved) => Next::Plan(saved.planned_again(file)),
    }
}

/// Whether two plans do the same.
fn same(one: &Planned, other: &Planned) -> bool {
    steps(one) == steps(other) && one.jobs == other.jobs
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
        locks: &session.aws,
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
fn outputs(session: &Session, known: &BTreeMap<Id, Outputs>) -> Result<(), Error> {
    for (name, value) in &session.desired.outputs {
        answer(&format!("{name} = {}\n", fill(value, known)))?;
    }
    Ok(())
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
