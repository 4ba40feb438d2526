//! `${job.request}`: a job as text, for what submits it in our place.

use std::collections::BTreeMap;
use std::fs;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::problem::{Finding, Problems};
use super::text::{Part, scan};
use super::tree::{Entry, Spot, Tree, Yaml};
use super::{Artifacts, Id, Job, spark};

/// What a job gives to references.
pub(super) const REQUEST: &str = "request";

/// The key of a script among the artifacts, which is another one for another content.
pub fn script_key(hash: &str, name: &str) -> String {
    format!("scripts/{hash}/{name}")
}

/// The key of the lease on starting a cluster, among the artifacts.
pub fn start_key(cluster: &Id) -> String {
    format!("{STARTS}{cluster}.json")
}

/// Below this the artifacts have the leases on starting clusters.
pub const STARTS: &str = "starts/";

pub fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Puts the requests of jobs where they are referred to; their own references become those of the
/// place where they stand.
pub(super) fn expand(
    entries: &mut [Entry],
    jobs: &BTreeMap<Id, Job>,
    artifacts: &Artifacts,
    problems: &mut Problems<'_>,
) {
    let mut named = BTreeMap::new();
    entries.iter().for_each(|entry| collect(&entry.value, &mut named));
    let mut requests = BTreeMap::new();
    for (id, spot) in named {
        let Some(job) = jobs.get(&id) else { continue };
        match request(&id, job, artifacts) {
            Ok(text) => {
                requests.insert(id, text);
            }
            Err(error) => {
                let what = format!("cannot read {}: {error}", job.script.display());
                problems.add(Finding::error(spot, what));
            }
        }
    }
    entries.iter_mut().for_each(|entry| fill(&mut entry.value, &requests));
}

fn collect(tree: &Tree, named: &mut BTreeMap<Id, Spot>) {
    match &tree.value {
        Yaml::Text(text) => named.extend(scan(text).into_iter().filter_map(|part| match part {
            Part::Reference { id, output: REQUEST } => Some((Id::new(id), tree.spot)),
            _ => None,
        })),
        Yaml::List(items) => items.iter().for_each(|item| collect(item, named)),
        Yaml::Map(entries) => entries.iter().for_each(|entry| collect(&entry.value, named)),
        Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) => {}
    }
}

fn fill(tree: &mut Tree, requests: &BTreeMap<Id, String>) {
    match &mut tree.value {
        Yaml::Text(text) => {
            for (id, request) in requests {
                let reference = format!("${{{id}.{REQUEST}}}");
                if text.contains(&reference) {
                    *text = text.replace(&reference, request);
                }
            }
        }
        Yaml::List(items) => items.iter_mut().for_each(|item| fill(item, requests)),
        Yaml::Map(entries) => entries.iter_mut().for_each(|entry| fill(&mut entry.value, requests)),
        Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) => {}
    }
}

/// `%{name}` stands for a parameter, and `%{hash}` for what tells this run from others.
fn request(id: &Id, job: &Job, artifacts: &Artifacts) -> std::io::Result<String> {
    let content = fs::read(&job.script)?;
    let name = job.script.file_name().unwrap_or_default().to_string_lossy();
    let base = format!("s3://${{{}.name}}/{}", artifacts.bucket, artifacts.base);
    let script = format!("{base}/{}", script_key(&sha256(&content), &name));
    let args: Vec<String> = job.args.iter().map(|arg| open_params(arg)).collect();
    let conf = job.conf.iter().map(|(key, value)| (key.clone(), open_params(value))).collect();
    let request = json!({
        "job": id,
        "cluster": job.cluster,
        "script": { "uri": script, "content": aws_smithy_types::base64::encode(content) },
        "step": {
            "Name": format!("{id}#%{{hash}}"),
            "ActionOnFailure": "CONTINUE",
            "HadoopJarStep": { "Jar": spark::JAR, "Args": spark::submit(&conf, &script, &args) },
        },
        "params": job.params,
        "start": format!("{base}/{}", start_key(&job.cluster)),
        "runs": format!("{base}/runs/{id}/"),
        "last": format!("{base}/last/{id}.json"),
    });
    Ok(request.to_string())
}

fn open_params(text: &str) -> String {
    let part = |part| match part {
        Part::Literal(literal) => literal.to_owned(),
        Part::Reference { id: "param", output } => format!("%{{{output}}}"),
        Part::Reference { id, output } => format!("${{{id}.{output}}}"),
    };
    scan(text).into_iter().map(part).collect()
}
