//! Jobs, after apply: which are due, and running them once.

pub mod backfill;
pub mod cause;
mod claim;
pub mod hours;
pub mod run;
mod step;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;

use serde::Serialize;

use crate::blueprint::request::{STARTS, script_key, sha256};
use crate::blueprint::text::{fill, references};
use crate::blueprint::{Desired, Id, Job, When};
use crate::cloud::{Fault, Object, Runner};
use crate::kind::Outputs;

/// What a job is about to be run with. Equal inputs have equal hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    pub hash: String,
    pub script: Script,
    pub args: Vec<String>,
    pub conf: BTreeMap<String, String>,
    pub params: BTreeMap<String, String>,
}

/// A script, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    pub name: String,
    pub content: Vec<u8>,
    pub hash: String,
}

/// Whether `apply` runs a job, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Due {
    Run(String),
    /// It has succeeded with this input.
    Done,
    /// Only `pipeline run` runs it.
    Manual,
}

/// Hashes of the inputs with which each job has succeeded.
pub type Records = BTreeSet<(Id, String)>;

/// Parameters that take the place of a job's defaults.
pub type Params = BTreeMap<String, String>;

/// The jobs of a blueprint and whether each is due. References that have no value yet make it due.
pub fn due(
    desired: &Desired,
    known: &BTreeMap<Id, Outputs>,
    records: &Records,
) -> io::Result<BTreeMap<Id, Due>> {
    desired
        .jobs
        .iter()
        .map(|(id, job)| Ok((id.clone(), due_one(id, job, known, records)?)))
        .collect()
}

fn due_one(
    id: &Id,
    job: &Job,
    known: &BTreeMap<Id, Outputs>,
    records: &Records,
) -> io::Result<Due> {
    Ok(match job.when {
        When::Manual => Due::Manual,
        When::Always => Due::Run("it runs with every apply".into()),
        When::Changed => match input(job, known, &Params::new())? {
            Ok(input) if records.contains(&(id.clone(), input.hash.clone())) => Due::Done,
            Ok(_) if records.iter().any(|(job, _)| job == id) => {
                Due::Run("its input changed since it last succeeded".into())
            }
            _ => Due::Run("it has not succeeded yet".into()),
        },
    })
}

/// The input of a run, or the references that have no value.
pub fn input(
    job: &Job,
    known: &BTreeMap<Id, Outputs>,
    params: &Params,
) -> io::Result<Result<Input, BTreeSet<String>>> {
    let script = script(job)?;
    let params: Params = job.params.clone().into_iter().chain(params.clone()).collect();
    let mut known = known.clone();
    known.insert(Id::new("param"), params.clone());
    let args: Vec<String> = job.args.iter().map(|arg| fill(arg, &known)).collect();
    let conf: BTreeMap<_, _> =
        job.conf.iter().map(|(key, value)| (key.clone(), fill(value, &known))).collect();
    let written = serde_json::json!([args, conf]);
    let missing: BTreeSet<_> =
        references(&written).into_iter().map(|r| format!("${{{}.{}}}", r.id, r.output)).collect();
    if !missing.is_empty() {
        return Ok(Err(missing));
    }
    let whole =
        serde_json::json!({ "script": script.hash, "args": args, "conf": conf, "params": params });
    let hash = sha256(whole.to_string().as_bytes())[..16].to_owned();
    Ok(Ok(Input { hash, script, args, conf, params }))
}

/// The job's script as it is now.
pub fn script(job: &Job) -> io::Result<Script> {
    let content = fs::read(&job.script)?;
    let name = job.script.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let hash = sha256(&content);
    Ok(Script { name, content, hash })
}

/// Where a blueprint keeps its scripts and its records of runs.
#[derive(Debug, Clone)]
pub struct Artifacts {
    bucket: String,
    base: String,
}

impl Artifacts {
    /// None where the blueprint names no bucket for them.
    pub fn of(desired: &Desired) -> Option<Self> {
        let artifacts = desired.artifacts.as_ref()?;
        let bucket = desired.nodes.get(&artifacts.bucket)?.identity.to_string();
        Some(Self { bucket, base: artifacts.base.clone() })
    }

    fn object(&self, key: &str) -> Object {
        Object { bucket: self.bucket.clone(), key: format!("{}/{key}", self.base) }
    }

    /// What an apply or a destroy holds while it is at work.
    pub fn lock(&self) -> Object {
        self.object("lock.json")
    }

    /// Below this are the leases on starting clusters.
    pub fn starts(&self) -> Object {
        self.object(STARTS)
    }

    pub fn script(&self, script: &Script) -> Object {
        self.object(&script_key(&script.hash, &script.name))
    }

    /// The record of a success.
    pub fn record(&self, job: &Id, hash: &str) -> Object {
        self.object(&format!("runs/{job}/{hash}.json"))
    }

    /// The claim on submitting this input.
    pub fn claim(&self, job: &Id, hash: &str) -> Object {
        self.object(&format!("claims/{job}/{hash}.json"))
    }

    pub fn last(&self, job: &Id) -> Object {
        self.object(&format!("last/{job}.json"))
    }

    /// Every success on record, in one listing.
    pub async fn records(&self, runner: &dyn Runner) -> Result<Records, Fault> {
        let prefix = self.object("runs/");
        let keys = runner.list(&prefix).await?;
        Ok(keys.iter().filter_map(|key| record_of(key.strip_prefix(&prefix.key)?)).collect())
    }
}

fn record_of(key: &str) -> Option<(Id, String)> {
    let (job, hash) = key.strip_suffix(".json")?.split_once('/')?;
    Some((Id::new(job), hash.to_owned()))
}
