//! `Desired -> Status`: what is live now. Everything is asked at once, and nothing is changed.

pub mod reading;

use std::collections::BTreeMap;

use futures_util::future::{join, join_all};
use serde::{Deserialize, Serialize};

use crate::blueprint::{Desired, Id};
use crate::cloud::{Class, Dated, Fault, Runner};
use crate::jobs::{Artifacts, Records};

use reading::{Asked, Health, RUNNING, Reading, Sight, Value, WAITING, Watch};

/// What is live of a blueprint.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    pub resources: Vec<Resource>,
    pub jobs: Vec<Job>,
    /// When it was looked, in seconds since 1970.
    pub at: i64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    pub id: Id,
    pub kind: &'static str,
    pub name: String,
    pub exists: Existence,
    pub health: Health,
    pub readings: Vec<Reading>,
}

/// Whether there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Existence {
    There,
    /// It exists only while there is work.
    Dormant,
    Absent,
    /// It could not be looked at.
    Unknown(Fault),
}

/// A job, and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    pub id: Id,
    pub health: Health,
    pub last: Result<Option<Run>, Fault>,
    /// Its steps that run now, and those that wait.
    pub running: Vec<String>,
    pub waiting: Vec<String>,
    /// With how many inputs it has succeeded.
    pub succeeded: usize,
}

/// A run that ended, as its record tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub state: String,
    #[serde(default)]
    pub input: String,
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    pub step: String,
    pub cluster: String,
    #[serde(default)]
    pub seconds: u64,
    #[serde(default)]
    pub log: Option<String>,
    /// When its record was written, in seconds since 1970.
    #[serde(default)]
    pub ended: i64,
}

/// Looks at all of it.
pub async fn status(
    watch: &dyn Watch,
    runner: &dyn Runner,
    desired: &Desired,
    at: i64,
) -> Result<Status, Fault> {
    let asked: Vec<_> = desired
        .nodes
        .values()
        .map(|node| Asked { kind: node.kind.name().into(), identity: node.identity.clone() })
        .collect();
    let (sights, runs) = join(watch.watch(&asked), runs(runner, desired)).await;
    let (last, records) = runs?;
    let resources = resources(desired, sights);
    let jobs = last.into_iter().map(|(id, last)| job(id, last, &records, &resources)).collect();
    Ok(Status { resources, jobs, at })
}

type Last = Vec<(Id, Result<Option<Run>, Fault>)>;

async fn runs(runner: &dyn Runner, desired: &Desired) -> Result<(Last, Records), Fault> {
    let ids = desired.jobs.keys();
    let Some(artifacts) = Artifacts::of(desired).filter(|_| !desired.jobs.is_empty()) else {
        return Ok((ids.map(|id| (id.clone(), Ok(None))).collect(), Records::new()));
    };
    let last = ids.map(|id| {
        let object = artifacts.last(id);
        async move { (id.clone(), runner.recall(&object).await.and_then(run)) }
    });
    let (last, records) = join(join_all(last), artifacts.records(runner)).await;
    Ok((last, records?))
}

fn run(record: Option<Dated>) -> Result<Option<Run>, Fault> {
    let Some(Dated { content, written }) = record else { return Ok(None) };
    let read = serde_json::from_slice::<Run>(&content).map_err(|error| {
        Fault::new(Class::Broken, "s3:GetObject", format!("not a record of a run: {error}"))
    });
    read.map(|run| Some(Run { ended: written, ..run }))
}

fn resources(desired: &Desired, sights: Vec<Result<Sight, Fault>>) -> Vec<Resource> {
    // Where nothing is there yet, that something is missing is no news.
    let begun = sights.iter().any(|sight| matches!(sight, Ok(Sight::There(_))));
    let none = Fault::new(Class::Broken, "status", "no answer came for it");
    let sights = sights.into_iter().chain(std::iter::repeat(Err(none)));
    let each = desired.nodes.iter().zip(sights).filter_map(|((id, node), sight)| {
        let (exists, readings) = match sight {
            Ok(Sight::Still) => return None,
            Ok(Sight::There(readings)) => (Existence::There, readings),
            Ok(Sight::Absent(last)) if node.on_demand => (Existence::Dormant, last),
            Ok(Sight::Absent(last)) => (Existence::Absent, last),
            Err(fault) => (Existence::Unknown(fault), Vec::new()),
        };
        let missing = match exists {
            Existence::Unknown(_) => Health::Unknown,
            Existence::Absent if begun => Health::Attention,
            _ => Health::Good,
        };
        let health = readings.iter().map(|reading| reading.health).fold(missing, Health::max);
        let (id, name) = (id.clone(), node.identity.to_string());
        let resource = Resource { id, kind: node.kind.name(), name, exists, health, readings };
        Some((node.kind.rank(), resource))
    });
    // In the order in which data flows, which is that in which kinds are made.
    let mut each: Vec<_> = each.collect();
    each.sort_by_key(|(rank, _)| *rank);
    each.into_iter().map(|(_, resource)| resource).collect()
}

fn job(id: Id, last: Result<Option<Run>, Fault>, records: &Records, resources: &[Resource]) -> Job {
    let prefix = format!("{id}#");
    let steps = |what: &str| -> Vec<String> {
        let readings = resources.iter().flat_map(|resource| &resource.readings);
        let named = readings.filter(|reading| reading.what == what);
        let names = named.filter_map(|reading| match &reading.value {
            Value::Text(name) if name.starts_with(&prefix) => Some(name.clone()),
            _ => None,
        });
        names.collect()
    };
    let health = match &last {
        Err(_) => Health::Unknown,
        Ok(Some(run)) if run.state == "failed" => Health::Bad,
        Ok(Some(run)) if run.state != "completed" => Health::Attention,
        Ok(_) => Health::Good,
    };
    let succeeded = records.iter().filter(|(job, _)| *job == id).count();
    Job { health, last, running: steps(RUNNING), waiting: steps(WAITING), succeeded, id }
}

impl Status {
    /// How many of each health, jobs among them.
    pub fn count(&self, health: Health) -> usize {
        let resources = self.resources.iter().map(|resource| resource.health);
        let jobs = self.jobs.iter().map(|job| job.health);
        resources.chain(jobs).filter(|one| *one == health).count()
    }

    /// Nothing of it is there, nothing ever ran, and nothing went wrong.
    pub fn is_bare(&self) -> bool {
        let bare = |one: &Resource| {
            matches!(one.exists, Existence::Absent | Existence::Dormant)
                && one.health == Health::Good
        };
        self.resources.iter().all(bare) && self.jobs.iter().all(|job| job.last == Ok(None))
    }

    /// What could not be looked at, and why.
    pub fn faults(&self) -> impl Iterator<Item = (&Id, &Fault)> {
        let resources = self.resources.iter().filter_map(|one| match &one.exists {
            Existence::Unknown(fault) => Some((&one.id, fault)),
            _ => None,
        });
        resources
            .chain(self.jobs.iter().filter_map(|job| Some((&job.id, job.last.as_ref().err()?))))
    }
}
