//! The jobs that are due, in the order of `after`, each on its cluster.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde::Serialize;

use crate::apply::converge::converge;
use crate::apply::next::Stop;
use crate::apply::{self, Outcome};
use crate::blueprint::{Desired, Id};
use crate::cloud::{Fault, Locks, Object, Progress, Runner};
use crate::kind::{Live, Outputs, Phase};
use crate::plan::diff::Diff;
use crate::plan::{Action, Step};

use super::step::Attempt;
use super::{Artifacts, Params, input};

/// Whether a job runs although the same input has already succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// Where its `when` says so.
    No,
    Yes,
    /// Not even where its `when` says so.
    Never,
}

/// What happens to jobs, as it happens.
#[derive(Debug)]
pub enum Event<'a> {
    Started(&'a Id),
    Submitting(&'a Id, &'a str),
    /// It is submitted again after this time.
    Refused(&'a Id, &'a Fault, Duration),
    /// Somebody else is submitting it to that cluster, or was about to and ended.
    Claimed(&'a Id, &'a str),
    Running(&'a Id, &'a Progress, Duration),
    /// It cannot be seen how it is.
    Blind(&'a Id, &'a Fault),
    Cancelling(&'a Id),
    /// A line that the driver printed.
    Output(&'a Id, &'a str),
    WaitingForLog(&'a Id),
    Retrying(&'a Id, &'a Failure, u32),
    Finished(&'a Id, &'a JobOutcome),
}

pub trait JobReporter {
    fn job(&self, event: &Event<'_>);
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Success {
    pub step: String,
    pub cluster: String,
    pub seconds: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Failure {
    pub why: WhyFailed,
    /// The folder of its logs.
    pub log: Option<String>,
    pub step: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyFailed {
    /// The job itself failed; its cause.
    Job(String),
    /// It ran longer than its timeout.
    TimedOut(String),
    /// There is no cluster to run it on.
    Cluster(String),
    Refused(Fault),
    /// Its script or its arguments cannot be read.
    Input(String),
}

impl From<WhyFailed> for Failure {
    fn from(why: WhyFailed) -> Self {
        Self { why, log: None, step: None }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobOutcome {
    Succeeded(Success),
    Failed(Failure),
    /// A job that it comes after failed.
    Skipped(Id),
}

/// What the jobs of one run share.
pub struct Jobs<'a> {
    pub runner: &'a dyn Runner,
    pub locks: &'a dyn Locks,
    pub apply: &'a apply::Run<'a>,
    pub desired: &'a Desired,
    pub artifacts: Artifacts,
    /// What `${id.output}` stands for.
    pub known: BTreeMap<Id, Outputs>,
    /// Held while a cluster is looked for and made: two jobs that need one share it.
    pub starting: tokio::sync::Mutex<()>,
}

/// Runs `chosen`, each once all that it comes after has succeeded.
pub async fn run(
    jobs: &Jobs<'_>,
    reporter: &dyn JobReporter,
    chosen: &BTreeSet<Id>,
    params: &Params,
    force: Force,
) -> BTreeMap<Id, JobOutcome> {
    let outcomes = RefCell::new(BTreeMap::new());
    let mut waiting: Vec<&Id> = chosen.iter().collect();
    let mut working = FuturesUnordered::new();
    loop {
        for id in std::mem::take(&mut waiting) {
            let ready = readiness(jobs, id, chosen, &outcomes.borrow());
            match ready {
                Readiness::Waits => waiting.push(id),
                Readiness::Blocked(cause) => {
                    finish(reporter, &outcomes, id, JobOutcome::Skipped(cause))
                }
                Readiness::Ready => {
                    working.push(async move { (id, one(jobs, reporter, id, params, force).await) })
                }
            }
        }
        match working.next().await {
            Some((id, outcome)) => finish(reporter, &outcomes, id, outcome),
            None if waiting.is_empty() => return outcomes.into_inner(),
            None => {}
        }
    }
}

enum Readiness {
    Waits,
    Ready,
    Blocked(Id),
}

fn readiness(
    jobs: &Jobs<'_>,
    id: &Id,
    chosen: &BTreeSet<Id>,
    outcomes: &BTreeMap<Id, JobOutcome>,
) -> Readiness {
    for before in jobs.desired.jobs[id].after.intersection(chosen) {
        match outcomes.get(before) {
            None => return Readiness::Waits,
            Some(JobOutcome::Succeeded(_)) => {}
            Some(_) => return Readiness::Blocked(before.clone()),
        }
    }
    Readiness::Ready
}

fn finish(
    reporter: &dyn JobReporter,
    outcomes: &RefCell<BTreeMap<Id, JobOutcome>>,
    id: &Id,
    outcome: JobOutcome,
) {
    reporter.job(&Event::Finished(id, &outcome));
    outcomes.borrow_mut().insert(id.clone(), outcome);
}

/// One job once, with its retries.
pub(super) async fn one(
    jobs: &Jobs<'_>,
    reporter: &dyn JobReporter,
    id: &Id,
    params: &Params,
    force: Force,
) -> JobOutcome {
    reporter.job(&Event::Started(id));
    let job = &jobs.desired.jobs[id];
    let input = match input(job, &jobs.known, params) {
        Ok(Ok(input)) => input,
        Ok(Err(missing)) => {
            let missing: Vec<_> = missing.into_iter().collect();
            let why = format!("{} has no value", missing.join(", "));
            return JobOutcome::Failed(WhyFailed::Input(why).into());
        }
        Err(error) => {
            let why = format!("cannot read {}: {error}", job.script.display());
            return JobOutcome::Failed(WhyFailed::Input(why).into());
        }
    };
    let attempt = Attempt { jobs, reporter, id, job, input: &input, force };
    let mut tries = 0;
    loop {
        match attempt.run().await {
            Ok(success) => return JobOutcome::Succeeded(success),
            Err(failure) if tries < job.retries && matches!(failure.why, WhyFailed::Job(_)) => {
                tries += 1;
                reporter.job(&Event::Retrying(id, &failure, tries));
            }
            Err(failure) => return JobOutcome::Failed(failure),
        }
    }
}

impl Jobs<'_> {
    /// The cluster's outputs, once it takes work: the one that lives, or a new one.
    pub async fn cluster(&self, id: &Id) -> Result<Outputs, Failure> {
        let _alone = self.starting.lock().await;
        let node = &self.desired.nodes[id];
        let kind = node.kind.name();
        let identity = std::slice::from_ref(&node.identity);
        let look = self.apply.cloud.observe(kind, identity).await.into_iter().next();
        let live = look.unwrap_or(Ok(None)).map_err(WhyFailed::Refused)?;
        let stays = |live: &Live| live.exists() && !matches!(live.phase, Phase::Leaving(_));
        let there = live.as_ref().is_some_and(stays);
        let action = if there { Action::Update(Diff::default()) } else { Action::Create(None) };
        let step = Step {
            id: id.clone(),
            kind: kind.into(),
            identity: node.identity.clone(),
            action,
            needs: BTreeSet::new(),
            spec: node.spec.clone(),
            ignore: node.ignore.clone(),
            on_demand: node.on_demand,
            stray: false,
            loses_data: false,
            at: Some(node.at),
        };
        self.apply.reporter.tell(&apply::Event::Started(&step));
        let outcome = converge(self.apply, &step, &self.known, Some(live)).await;
        self.apply.reporter.tell(&apply::Event::Finished(&step, &outcome));
        match outcome {
            Outcome::Done(outputs) => Ok(outputs),
            Outcome::Failed(Stop::Refused(fault)) => Err(WhyFailed::Refused(fault).into()),
            Outcome::Failed(Stop::Stale(why)) => Err(WhyFailed::Cluster(format!(
                "it is not as the blueprint says: {why}; apply first"
            ))
            .into()),
            Outcome::Failed(Stop::Failed(why) | Stop::TimedOut(why) | Stop::Unresolved(why)) => {
                Err(WhyFailed::Cluster(why).into())
            }
            Outcome::Failed(Stop::Stuck(paths)) => {
                let why = format!("AWS does not change its {}", paths.join(", "));
                Err(WhyFailed::Cluster(why).into())
            }
            Outcome::Failed(Stop::NotOurs(owner)) => {
                let whose = owner.unwrap_or_else(|| "nobody that we know".into());
                Err(WhyFailed::Cluster(format!("it belongs to {whose}")).into())
            }
            Outcome::Skipped(_) | Outcome::Interrupted => {
                Err(WhyFailed::Cluster("it was not reached".into()).into())
            }
        }
    }

    /// A log as text; none while it has not been written.
    pub async fn read_log(&self, object: &Object) -> Result<Option<String>, Fault> {
        Ok(self.runner.read(object).await?.map(|bytes| text(&bytes)))
    }
}

/// What can be read of a compressed log, which may end in the middle.
pub fn text(compressed: &[u8]) -> String {
    let mut bytes = Vec::new();
    // A log that is still being written ends early: what came before is worth showing.
    let _ = MultiGzDecoder::new(compressed).read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}
