//! `pipeline destroy`: plan the deletion, confirm, delete in reverse order.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io::{IsTerminal, stderr};
use std::pin::{Pin, pin};
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};

use crate::apply::converge::whole;
use crate::apply::{Report, Run, apply};
use crate::blueprint::Id;
use crate::cloud::{Class, Cloud, Contents, Fault, Objects, Runner};
use crate::kind::{Live, Name};
use crate::lock::guard::Guarded;
use crate::lock::lease::Lease;
use crate::plan::destroy::destroy;
use crate::plan::{Action, Choice, Plan, Snapshot};
use crate::report::ending::Next;
use crate::report::live::Progress;
use crate::report::style::Style;
use crate::report::{Proposal, count, ending, say, text};
use crate::resources::unlisted_cluster;

use super::account::Session;
use super::apply::{confirm, not_agreed, stopped};
use super::args::{Args, Destroy};
use super::lock::{self, until};
use super::outcome::{Error, Exit};
use super::signals::Signals;
use super::words::same_again;

/// EMR lists a new cluster within minutes.
const LISTED_WITHIN: Duration = Duration::from_secs(300);
/// What was made a moment ago shows by then, as a rule; S3 may take minutes for a bucket.
const SHOWS_WITHIN: Duration = Duration::from_secs(3);
/// The kind whose resources take long to be listed, which a lease tells of.
const CLUSTER: &str = "emr-cluster";
/// How often a destroy carries out what it finds left to do.
const ROUNDS: usize = 3;

pub async fn run(command: &Destroy, args: &Args) -> Result<Exit, Error> {
    let session = Session::open(&command.source, &command.account).await?;
    let planned = first(&session, command, args).await?;
    show(&session, &planned.plan, args);
    if !planned.plan.refusals.is_empty() {
        return Ok(Exit::Failed);
    }
    if planned.plan.is_noop() {
        return Ok(Exit::Done);
    }
    busy(&session, &planned, command.cancel_jobs).await?;
    lost(&session, &planned.plan, args.style()).await?;
    confirm("Delete this, for good,", &session, &command.doing.consent)?;
    let signals = &session.signals;
    signals.begin();
    let lease = lock::lease(&session, "destroy");
    let mut stop = pin!(until(signals, lease.as_ref()));
    let work = Work { session: &session, command, args, lease: lease.as_ref(), signals };
    let result = work.locked(planned, stop.as_mut()).await;
    lock::leave(lease.as_ref(), signals, result).await
}

/// A plan with what it was made from.
struct Planned {
    snapshot: Snapshot,
    plan: Plan,
}

/// Where nothing shows that could be deleted, it is looked for again: a run that was killed may
/// have made something just now.
async fn first(session: &Session, command: &Destroy, args: &Args) -> Result<Planned, Error> {
    let started = Instant::now();
    let nothing = || Fault::new(Class::NotYet, "destroy", "nothing shows yet");
    let look = async || {
        let planned = make(session, command, args).await?;
        let idle = planned.plan.is_noop() && planned.plan.refusals.is_empty();
        let young = idle && started.elapsed() < SHOWS_WITHIN;
        Ok((planned, young.then(nothing)))
    };
    whole(LISTED_WITHIN, look, |_| {}).await
}

async fn make(session: &Session, command: &Destroy, args: &Args) -> Result<Planned, Error> {
    let snapshot = listed(session, args.style()).await?;
    let targets: BTreeSet<Id> = command.targets.iter().map(Id::new).collect();
    if let Some(id) = targets.iter().find(|id| !session.desired.nodes.contains_key(id)) {
        return Err(Error::Other(format!("the blueprint has no resource `{id}`")));
    }
    let choice = Choice { targets, delete_data: command.delete_data, ..Choice::default() };
    let plan = destroy(&session.desired, &snapshot, &choice);
    Ok(Planned { snapshot, plan })
}

/// What there is, once it is all listed: a run that was killed may have started a cluster just now.
async fn listed(session: &Session, style: Style) -> Result<Snapshot, Error> {
    let look = async || {
        let snapshot = session.observe(style).await?;
        let missing = unlisted(session, &snapshot).await?;
        Ok((snapshot, missing))
    };
    whole(LISTED_WITHIN, look, |missing| say(&format!("waiting: {}", missing.message))).await
}

/// Why a cluster that does not show may be there.
async fn unlisted(session: &Session, snapshot: &Snapshot) -> Result<Option<Fault>, Error> {
    for (id, node) in &session.desired.nodes {
        let live = snapshot.found.get(id).and_then(Option::as_ref);
        if node.kind.name() == CLUSTER && !live.is_some_and(Live::exists) {
            let fault = unlisted_cluster(&session.aws, id.as_str(), &node.identity).await?;
            if fault.is_some() {
                return Ok(fault);
            }
        }
    }
    Ok(None)
}

fn show(session: &Session, plan: &Plan, args: &Args) {
    let (place, jobs) = (&session.aws.place, &BTreeMap::new());
    let proposal = Proposal { desired: &session.desired, place, plan, jobs };
    say(&text::plan(&proposal, args.style(), args.detail()));
}

/// A deletion that has been agreed to.
struct Work<'a> {
    session: &'a Session,
    command: &'a Destroy,
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
        if !again.plan.refusals.is_empty() {
            return Ok(Exit::Failed);
        }
        if again.plan.is_noop() {
            return Ok(Exit::Done);
        }
        self.carry_out(again, stop).await
    }

    /// Takes the lock where there is one to take, and plans again: others may have been at work
    /// since the plan was made, and can no longer be.
    async fn enter(&self, planned: Planned) -> Result<Planned, Error> {
        let Some(lease) = self.lease else { return Ok(planned) };
        let (file, doing) = (&self.command.source.file, &self.command.doing);
        if !lock::take(self.session, &planned.snapshot, lease, (file, doing)).await? {
            return Ok(planned);
        }
        let again = make(self.session, self.command, self.args).await?;
        if gone(&planned.plan) != gone(&again.plan) {
            say("others were at work since the plan was made; now it is this:");
            show(self.session, &again.plan, self.args);
            if !again.plan.is_noop() && !doing.consent.yes {
                return Err(not_agreed());
            }
        }
        busy(self.session, &again, self.command.cancel_jobs).await?;
        Ok(again)
    }

    /// Deletes what there is and looks again, until nothing is left: what a killed run made just
    /// before may show only now.
    async fn carry_out(
        &self,
        mut planned: Planned,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Exit, Error> {
        let next = Next::Same(same_again());
        for _ in 0..ROUNDS {
            let report = self.round(&planned, stop.as_mut()).await;
            let ended = ending::destroyed(
                &self.session.desired,
                &planned.plan,
                &report,
                &next,
                self.args.style(),
            );
            if !report.succeeded() || self.signals.got().is_some() {
                say(&ended);
                return Ok(self.signals.got().unwrap_or(Exit::Failed));
            }
            let look = make(self.session, self.command, self.args);
            let again = match select(stop.as_mut(), pin!(look)).await {
                Either::Left(_) => {
                    say(&ended);
                    return Ok(self.signals.got().unwrap_or(Exit::Failed));
                }
                Either::Right((again, _)) => again.inspect_err(|_| say(&ended))?,
            };
            if again.plan.is_noop() {
                say(&ended);
                return Ok(Exit::Done);
            }
            say("looked at again, there is more:");
            show(self.session, &again.plan, self.args);
            if !again.plan.refusals.is_empty() {
                return Ok(Exit::Failed);
            }
            if !self.command.doing.consent.yes {
                return Err(not_agreed());
            }
            busy(self.session, &again, self.command.cancel_jobs).await?;
            planned = again;
        }
        let again = same_again();
        Err(Error::Other(format!("not all of it comes to be gone\n  next: {again}")))
    }

    /// Carries a plan out, once.
    async fn round(&self, planned: &Planned, stop: Pin<&mut impl Future<Output = ()>>) -> Report {
        let session = self.session;
        let progress = Progress::new(stderr().is_terminal(), self.args.style());
        let guarded = Guarded { cloud: &session.aws, lease: self.lease };
        let run = Run {
            cloud: &guarded,
            place: &session.aws.place,
            reporter: &progress,
            parallel: self.command.doing.parallelism,
            delete_data: self.command.delete_data,
        };
        apply(&run, &planned.plan, &planned.snapshot, stop).await
    }
}

/// What a plan deletes.
fn gone(plan: &Plan) -> BTreeSet<(&Id, &Name)> {
    plan.changes().map(|step| (&step.id, &step.identity)).collect()
}

/// Clusters that work are not ended without the user's word.
async fn busy(session: &Session, planned: &Planned, cancel: bool) -> Result<(), Error> {
    let Planned { snapshot, plan } = planned;
    let mut busy = Vec::new();
    for step in plan.steps.iter().filter(|step| step.action == Action::Delete) {
        let live = snapshot.found.get(&step.id).and_then(Option::as_ref);
        let Some(cluster) = live.and_then(|live| live.outputs.get("cluster_id")) else { continue };
        let steps = session.aws.active(cluster).await?;
        busy.extend(steps.iter().map(|name| format!("  {name} on {cluster}")));
    }
    if busy.is_empty() || cancel {
        return Ok(());
    }
    let steps = busy.join("\n");
    Err(Error::Other(format!("steps are waiting or running; --cancel-jobs ends them\n{steps}")))
}

/// Counts what is about to be lost.
async fn lost(session: &Session, plan: &Plan, style: Style) -> Result<(), Error> {
    for step in plan.steps.iter().filter(|step| step.loses_data) {
        let Some(contents) = session.aws.contents(&step.kind, &step.identity).await? else {
            continue;
        };
        let held = held(contents);
        say(&format!("{} {}: {held}", style.bad("lost:"), step.identity));
    }
    Ok(())
}

fn held(contents: Contents) -> String {
    match contents {
        Contents::Objects(Objects { objects, versions, bytes }) => {
            let (objects, versions) = (count(objects, "object"), count(versions, "version"));
            format!("{objects}, {versions}, {:.3} GB", bytes as f64 / 1e9)
        }
        Contents::Messages(messages) => format!("about {}", count(messages, "message")),
    }
}
