//! A file into `Desired`. All that is wrong with it is found at once, each with its place.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::kind::{Kind, Owner};

use super::document::{self, Document};
use super::grammar;
use super::job;
use super::nearest::{either, list};
use super::node::{self, Draft};
use super::order::circles;
use super::problem::{Finding, Problem, Problems};
use super::references::Scope;
use super::request;
use super::sheet::{Sheet, Sheets};
use super::tree::{Entry, Spot, Tree, Yaml};
use super::{Artifacts, Desired, Id, Job, identity, yaml};

/// What the command line adds to a file.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    pub environment: Option<String>,
    /// Values of variables, as text: the variable's default says what sort of value is meant.
    pub variables: BTreeMap<String, String>,
    /// Instead of the blueprint's own.
    pub region: Option<String>,
    /// Known once AWS has been asked; until then `${account}` stays as it is written.
    pub account: Option<String>,
}

/// A blueprint without errors.
pub struct Loaded {
    pub desired: Desired,
    pub warnings: Vec<Problem>,
}

pub const BYTES_MAX: usize = 4 * 1024 * 1024;
pub const RESOURCES_MAX: usize = 2_000;
const ARTIFACTS: &str = "s3-bucket";

/// Reads a blueprint. No call is made; of the disk, only the files that it names are read.
pub fn load(
    file: &Path,
    text: &str,
    choice: &Choice,
    kinds: &[&'static dyn Kind],
) -> Result<Loaded, Vec<Problem>> {
    let mut problems = Problems::new(file, text);
    let desired = desired(file, text, choice, kinds, &mut problems);
    let sound = problems.errors() == 0;
    let found = problems.finish();
    match desired {
        Some(desired) if sound => Ok(Loaded { desired, warnings: found }),
        _ => Err(found),
    }
}

/// The names of a blueprint's environments, for who chooses one; none if it cannot be read.
pub fn environments(text: &str) -> Vec<String> {
    if text.len() > BYTES_MAX {
        return Vec::new();
    }
    let root = yaml::read(text).ok();
    let named = root.as_ref().and_then(|root| root.get("environments"));
    named.into_iter().flat_map(Tree::entries).map(|entry| entry.key.text.clone()).collect()
}

fn desired(
    file: &Path,
    text: &str,
    choice: &Choice,
    kinds: &[&'static dyn Kind],
    problems: &mut Problems<'_>,
) -> Option<Desired> {
    if text.len() > BYTES_MAX {
        let what = format!("a blueprint has at most 4 MiB, not {} bytes", text.len());
        problems.add(Finding::error(Spot::default(), what).hint("split it into several"));
        return None;
    }
    let root = match yaml::read(text) {
        Ok(root) => root,
        Err(finding) => {
            problems.add(finding);
            return None;
        }
    };
    let mut document = document::read(root, choice, problems)?;
    if document.resources.len() > RESOURCES_MAX {
        let count = document.resources.len();
        let what = format!("a blueprint has at most {RESOURCES_MAX} resources, not {count}");
        problems.add(Finding::error(Spot::default(), what).hint("split it into several"));
        return None;
    }
    let environment = document.environment.clone();
    let owner = Owner::new(&document.name, &environment, &document.region);
    node::check_tags(&document.tags, problems);

    for entry in document.resources.iter_mut().chain(&mut document.jobs) {
        document.values.fill(&mut entry.value, problems);
    }
    let sheets = sheets(&document.resources, kinds);
    let known: BTreeMap<String, Option<&Sheet>> = document
        .resources
        .iter()
        .map(|entry| (entry.key.text.clone(), sheet_of(entry, &sheets, kinds, problems)))
        .collect();
    let known: BTreeMap<&str, Option<&Sheet>> =
        known.iter().map(|(id, sheet)| (id.as_str(), *sheet)).collect();
    let ids: BTreeSet<String> = document.jobs.iter().map(|job| job.key.text.clone()).collect();
    let artifacts = artifacts(&document, &known, &ids, problems);

    let jobs = read_jobs(file, &mut document, &known, &ids, artifacts.as_ref(), problems);

    let outputs = outputs(&mut document, &known, &ids, problems);
    let drafts = nodes(file, &mut document, &owner, &known, &ids, problems);
    let resources = drafts.len();
    let nodes = identity::settle(drafts, &document.values, &owner, problems);
    if problems.errors() == 0 && nodes.len() != resources {
        // What the blueprint seems not to name would be deleted as a stray.
        let what = "a resource cannot be read, and no problem says why";
        problems.add(Finding::error(Spot::default(), what));
    }
    Some(Desired {
        name: document.name,
        environment,
        region: document.region,
        owner,
        file: file.to_owned(),
        nodes,
        jobs,
        artifacts,
        outputs,
    })
}

fn sheets(resources: &[Entry], kinds: &[&'static dyn Kind]) -> Sheets {
    let used: BTreeSet<&str> =
        resources.iter().filter_map(|entry| entry.value.get("kind")?.text()).collect();
    let used = kinds.iter().filter(|kind| used.contains(kind.name()));
    used.map(|kind| (kind.name(), Sheet::new(*kind))).collect()
}

fn sheet_of<'s>(
    entry: &Entry,
    sheets: &'s Sheets,
    kinds: &[&'static dyn Kind],
    problems: &mut Problems<'_>,
) -> Option<&'s Sheet> {
    let id = &entry.key.text;
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    if !matches!(entry.value.value, Yaml::Map(_)) {
        // The shape of the document says it, but for what was text with variables in it then.
        let filled = !entry.value.text().is_some_and(|text| text.contains("${var."));
        if filled && problems.source(entry.value.spot).contains("${var.") {
            let what = format!("`resources.{id}` is a map, and no variable is one");
            problems.add(Finding::error(entry.value.spot, what));
        }
        return None;
    }
    let Some(written) = entry.value.get("kind") else {
        let what = format!("`{id}` has no `kind`");
        let hint = format!("add `kind`: {}", either(&names));
        problems.add(Finding::error(entry.key.spot, what).hint(hint));
        return None;
    };
    let Some(kind) = written.scalar() else {
        problems.add(Finding::error(entry.key.spot, "`kind` is text"));
        return None;
    };
    let found = sheets.get(kind.as_str());
    if found.is_none() && !kind.contains("${var.") {
        let finding = Finding::error(written.spot, format!("there is no kind `{kind}`"));
        let hint = problems.suggest(&kind, names, "the kinds");
        problems.add(finding.maybe(hint));
    }
    found
}

fn artifacts(
    document: &Document,
    known: &BTreeMap<&str, Option<&Sheet>>,
    jobs: &BTreeSet<String>,
    problems: &mut Problems<'_>,
) -> Option<Artifacts> {
    if let Some(tree) = &document.artifacts {
        let scope = Scope { resources: known, jobs, params: None };
        let bucket = scope.named(tree, "artifacts", ARTIFACTS, problems)?;
        let base = format!("pipeline/{}/{}", document.name, document.environment);
        return Some(Artifacts { bucket, base });
    }
    if let Some(job) = document.jobs.first() {
        let what = "a blueprint with jobs needs `artifacts`";
        let hint =
            format!("add `artifacts: ID`, an {ARTIFACTS} here: it keeps scripts and records");
        problems.add(Finding::error(job.key.spot, what).hint(hint));
    }
    None
}

fn outputs(
    document: &mut Document,
    known: &BTreeMap<&str, Option<&Sheet>>,
    jobs: &BTreeSet<String>,
    problems: &mut Problems<'_>,
) -> BTreeMap<String, String> {
    let scope = Scope { resources: known, jobs, params: None };
    let mut outputs = BTreeMap::new();
    for Entry { key, value } in &mut document.outputs {
        document.values.fill(value, problems);
        scope.find(value, problems);
        outputs.extend(value.scalar().map(|text| (key.text.clone(), text)));
    }
    outputs
}

fn nodes(
    file: &Path,
    document: &mut Document,
    owner: &Owner,
    known: &BTreeMap<&str, Option<&Sheet>>,
    jobs: &BTreeSet<String>,
    problems: &mut Problems<'_>,
) -> Vec<Draft> {
    let around = node::Surroundings {
        file,
        scope: Scope { resources: known, jobs, params: None },
        owner,
        tags: &document.tags,
    };
    let resources = std::mem::take(&mut document.resources);
    let drafts: Vec<Draft> = resources
        .into_iter()
        .map(|entry| {
            let sheet = known.get(entry.key.text.as_str()).copied().flatten();
            node::read(entry, sheet, &around, problems)
        })
        .collect();
    let needs = drafts.iter().map(|draft| (draft.id.as_str(), draft.spot, &draft.needs));
    no_circles(needs.collect(), "need", problems);
    drafts
}

fn no_circles(
    needs: Vec<(&str, Spot, &BTreeMap<Id, Spot>)>,
    verb: &str,
    problems: &mut Problems<'_>,
) {
    let graph: BTreeMap<&str, Vec<&str>> =
        needs.iter().map(|(id, _, needs)| (*id, needs.keys().map(Id::as_str).collect())).collect();
    for circle in circles(&graph) {
        let (first, second) = (circle[0], circle.get(1).unwrap_or(&circle[0]));
        let from = needs.iter().find(|(id, ..)| *id == first);
        let spot = from.and_then(|(_, _, needs)| needs.get(&Id::new(*second)).copied());
        let way = circle.iter().chain([&first]).copied().collect::<Vec<_>>().join(" -> ");
        let what = match circle.len() {
            1 => format!("`{first}` {verb}s itself: {way}"),
            _ => format!("{} {verb} each other: {way}", list(&circle)),
        };
        problems.add(Finding::error(spot.unwrap_or_default(), what));
    }
}

/// The jobs, whose requests are put where they are referred to.
fn read_jobs(
    file: &Path,
    document: &mut Document,
    known: &BTreeMap<&str, Option<&Sheet>>,
    ids: &BTreeSet<String>,
    artifacts: Option<&Artifacts>,
    problems: &mut Problems<'_>,
) -> BTreeMap<Id, Job> {
    let schema = grammar::job();
    let bucket = artifacts.map(|artifacts| &artifacts.bucket);
    let around =
        job::Surroundings { file, resources: known, jobs: ids, artifacts: bucket, schema: &schema };
    let entries = std::mem::take(&mut document.jobs);
    let drafts: Vec<job::Draft> =
        entries.into_iter().map(|entry| job::read(entry, &around, problems)).collect();
    let after = drafts.iter().map(|draft| (draft.id.as_str(), draft.spot, &draft.after));
    no_circles(after.collect(), "follow", problems);
    let jobs = drafts.into_iter().filter_map(|draft| Some((draft.id, draft.job?))).collect();
    if let Some(artifacts) = artifacts {
        request::expand(&mut document.resources, &jobs, artifacts, problems);
        request::expand(&mut document.outputs, &jobs, artifacts, problems);
    }
    jobs
}
