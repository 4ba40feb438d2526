//! A job of the blueprint: read and checked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::kind::values::duration::Duration;

use super::files::{Holds, find};
use super::problem::{Finding, Problems};
use super::references::Scope;
use super::rules;
use super::shape::{Subject, check};
use super::sheet::Sheet;
use super::text::identifier;
use super::tree::{Entry, Spot, Tree};
use super::variables::IDENTIFIER_HINT;
use super::{Id, Job, When};

/// The kind of resource that a job runs on.
const CLUSTER: &str = "emr-cluster";

/// What every job of a blueprint has round it.
pub(super) struct Surroundings<'a> {
    pub file: &'a Path,
    pub resources: &'a BTreeMap<&'a str, Option<&'a Sheet>>,
    pub jobs: &'a BTreeSet<String>,
    /// The bucket that keeps its script.
    pub artifacts: Option<&'a Id>,
    pub schema: &'a Value,
}

/// A job as far as it could be read.
pub(super) struct Draft {
    pub id: Id,
    pub spot: Spot,
    /// The jobs that it follows, and where it says so.
    pub after: BTreeMap<Id, Spot>,
    pub job: Option<Job>,
}

/// Reads a job whose variables are in place.
pub(super) fn read(entry: Entry, around: &Surroundings<'_>, problems: &mut Problems<'_>) -> Draft {
    let Entry { key, value: mut tree } = entry;
    let before = problems.errors();
    let params: BTreeSet<String> = tree
        .get("params")
        .map_or(&[][..], Tree::entries)
        .iter()
        .map(|param| param.key.text.clone())
        .collect();
    let scope = Scope { resources: around.resources, jobs: around.jobs, params: Some(&params) };
    let found = scope.find(&tree, problems);
    let subject = Subject { name: &format!("`{}`", key.text), what: "a job", spot: key.spot };
    check(&mut tree, around.schema, &subject, problems);

    let cluster = tree.get("cluster");
    let cluster = cluster.and_then(|written| scope.named(written, "cluster", CLUSTER, problems));
    let script = script(&tree, around, problems);
    let after = after(&tree, around, problems);
    let timeout = timeout(&tree, problems);
    literal_params(&tree, problems);
    let args = arguments(&tree, around.file, problems);
    let mut draft = Draft { id: Id::new(key.text), spot: key.spot, after, job: None };
    let (Some(cluster), Some(script)) = (cluster, script) else { return draft };
    if problems.errors() > before || found.unsettled {
        return draft;
    }
    let mut needs: BTreeSet<Id> = found.needs.into_keys().collect();
    needs.insert(cluster.clone());
    needs.extend(around.artifacts.cloned());
    draft.job = Some(Job {
        cluster,
        script,
        args,
        conf: scalars(&tree, "conf"),
        params: scalars(&tree, "params"),
        after: draft.after.keys().cloned().collect(),
        needs,
        timeout,
        retries: retries(&tree),
        when: when(&tree),
        at: draft.spot.at(),
    });
    draft
}

/// What EMR takes for the arguments of a step, in characters.
const ARGUMENTS_MAX: usize = 10_240;
/// What the program itself adds to them: `spark-submit`, and the script's address in the lake.
const ARGUMENTS_OURS: usize = 512;

/// The script's arguments; the last ones are the job's rules.
fn arguments(tree: &Tree, blueprint: &Path, problems: &mut Problems<'_>) -> Vec<String> {
    let written = tree.get("args").map_or(&[][..], Tree::items);
    let mut args: Vec<String> = written.iter().filter_map(Tree::scalar).collect();
    let rules = rules::read(tree, blueprint, problems);
    args.extend(rules.map(|rules| format!("--rules={rules}")));
    let conf = scalars(tree, "conf");
    let conf = conf.iter().map(|(key, value)| format!("--conf{key}={value}"));
    let length: usize = args.iter().cloned().chain(conf).map(|arg| arg.chars().count()).sum();
    let most = ARGUMENTS_MAX - ARGUMENTS_OURS;
    if length > most {
        let entry = ["rules", "args", "conf"].iter().find_map(|field| tree.entry(field));
        let what = format!("the arguments of a job have at most {most} characters, not {length}");
        let spot = entry.map_or(tree.spot, |entry| entry.key.spot);
        problems.add(Finding::error(spot, what).hint("EMR takes no more for one step"));
    }
    args
}

fn scalars(tree: &Tree, field: &str) -> BTreeMap<String, String> {
    let entries = tree.get(field).map_or(&[][..], Tree::entries);
    entries.iter().filter_map(|e| Some((e.key.text.clone(), e.value.scalar()?))).collect()
}

fn retries(tree: &Tree) -> u32 {
    let written = tree.get("retries").and_then(|tree| tree.to_json().as_u64());
    written.and_then(|retries| u32::try_from(retries).ok()).unwrap_or_default()
}

fn when(tree: &Tree) -> When {
    match tree.get("when").and_then(Tree::text) {
        Some("always") => When::Always,
        Some("manual") => When::Manual,
        _ => When::Changed,
    }
}

fn script(tree: &Tree, around: &Surroundings<'_>, problems: &mut Problems<'_>) -> Option<PathBuf> {
    let written = tree.get("script")?;
    let path = written.text()?;
    if path.contains("${var.") {
        return None; // The variable's own problem says it.
    }
    if path.contains("${") || path.contains("://") {
        let what = "`script` is a path beside the blueprint, and nothing else";
        let hint = "write the path of a file: each run uploads it";
        problems.add(Finding::error(written.spot, what).hint(hint));
        return None;
    }
    match find(around.file, path, Holds::File) {
        Ok(path) => Some(path),
        Err(unusable) => {
            problems.add(unusable.finding("script", path, written.spot));
            None
        }
    }
}

fn after(
    tree: &Tree,
    around: &Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> BTreeMap<Id, Spot> {
    let mut after = BTreeMap::new();
    for item in tree.get("after").map_or(&[][..], Tree::items) {
        let Some(id) = item.text() else { continue };
        if around.jobs.contains(id) {
            after.insert(Id::new(id), item.spot);
            continue;
        }
        let finding = if around.resources.contains_key(id) {
            Finding::error(item.spot, format!("`{id}` is a resource: a job follows jobs"))
                .hint("a job already waits for the resources that it refers to")
        } else {
            let known = around.jobs.iter().map(String::as_str);
            Finding::error(item.spot, format!("there is no job `{id}`"))
                .maybe(problems.suggest(id, known, "the jobs"))
        };
        problems.add(finding);
    }
    after
}

fn timeout(tree: &Tree, problems: &mut Problems<'_>) -> Option<Duration> {
    let written = tree.get("timeout")?;
    match Duration::parse(written.text()?) {
        Ok(timeout) if timeout.seconds > 0 => Some(timeout),
        Ok(_) => {
            problems.add(Finding::error(written.spot, "`timeout` is at least 1s"));
            None
        }
        Err(what) => {
            problems.add(Finding::error(written.spot, what));
            None
        }
    }
}

fn literal_params(tree: &Tree, problems: &mut Problems<'_>) {
    for Entry { key, value } in tree.get("params").map_or(&[][..], Tree::entries) {
        if !identifier(&key.text) {
            let what = format!("`{}` is no name for a parameter", key.text);
            problems.add(Finding::error(key.spot, what).hint(IDENTIFIER_HINT));
        }
        if value.text().is_some_and(super::shape::is_open) {
            let what = format!("parameter `{}` has a reference for its default", key.text);
            let hint = "a default is literal: write references in `args` or `conf`";
            problems.add(Finding::error(value.spot, what).hint(hint));
        }
    }
}
