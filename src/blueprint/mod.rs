//! YAML in, `Desired` out.

mod document;
mod expected;
mod files;
mod grammar;
mod identity;
mod job;
pub mod load;
mod malformed;
pub mod nearest;
mod node;
mod order;
mod overlay;
pub mod peek;
pub mod problem;
mod references;
pub mod request;
mod rules;
pub mod schema;
mod shape;
mod sheet;
pub mod spark;
mod spots;
pub mod text;
mod tree;
mod variables;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kind::values::duration::Duration;
use crate::kind::{Kind, Name, Owner};

/// What a blueprint calls a resource or a job.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(pub String);

impl Id {
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A place in a file; lines and columns count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct At {
    pub line: u32,
    pub column: u32,
}

/// A blueprint, read: what should exist.
pub struct Desired {
    pub name: String,
    pub environment: String,
    pub region: String,
    pub owner: Owner,
    /// The file, as the user named it.
    pub file: PathBuf,
    pub nodes: BTreeMap<Id, Node>,
    pub jobs: BTreeMap<Id, Job>,
    /// The bucket that keeps scripts and records of runs.
    pub artifacts: Option<Artifacts>,
    pub outputs: BTreeMap<String, String>,
}

impl Desired {
    /// The tags that each resource should have, by its id.
    pub fn tags(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let tags = |node: &Node| BTreeMap::deserialize(node.spec.get("tags")?).ok();
        self.nodes.iter().filter_map(|(id, node)| Some((id.to_string(), tags(node)?))).collect()
    }
}

/// A resource of the blueprint.
#[derive(Clone)]
pub struct Node {
    pub kind: &'static dyn Kind,
    pub identity: Name,
    /// Normal form: every field present, the blueprint's tags and the owner's among its `tags`,
    /// `${id.output}` still written as it was.
    pub spec: Value,
    /// What it refers to and what it names in `depends_on`.
    pub needs: BTreeSet<Id>,
    pub protect: Protect,
    /// Fields left to others.
    pub ignore: Vec<String>,
    pub on_demand: bool,
    pub at: At,
    /// Where each field stands, by path.
    pub fields: BTreeMap<String, At>,
}

/// Whether deletion and replacement are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protect {
    No,
    /// Because the kind holds data; `--delete-data` overrides it.
    ByDefault,
    /// Because the blueprint says so; nothing overrides it.
    Written,
}

/// Where a blueprint keeps what its jobs need: a bucket of its own, by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifacts {
    pub bucket: Id,
    /// What their keys begin with.
    pub base: String,
}

/// A job of the blueprint.
#[derive(Debug, Clone)]
pub struct Job {
    pub cluster: Id,
    /// A file beside the blueprint.
    pub script: PathBuf,
    /// `${id.output}` and `${param.name}` still written as they were; its rules come last.
    pub args: Vec<String>,
    pub conf: BTreeMap<String, String>,
    /// Parameters and their defaults.
    pub params: BTreeMap<String, String>,
    pub after: BTreeSet<Id>,
    /// Resources that must stand before it runs: its cluster, and all it refers to.
    pub needs: BTreeSet<Id>,
    pub timeout: Option<Duration>,
    pub retries: u32,
    pub when: When,
    pub at: At,
}

/// When `apply` runs a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Its script, arguments, configuration and parameters have not yet succeeded.
    Changed,
    Always,
    /// Only `pipeline run` runs it.
    Manual,
}
