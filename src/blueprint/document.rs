//! A blueprint as one document: its environment chosen, its variables known, its parts named.

use std::collections::BTreeSet;

use crate::kind::place::partition;

use super::grammar;
use super::load::Choice;
use super::overlay::lay;
use super::problem::{Finding, Problems};
use super::shape::{Subject, check};
use super::text::{Part, identifier, scan};
use super::tree::{Entry, Spot, Tree, Yaml};
use super::variables::{IDENTIFIER_HINT, Values, values};

/// What a blueprint holds, with the chosen environment laid over it. Variables are put in place
/// part by part, by whoever reads the part.
pub(super) struct Document {
    pub name: String,
    pub region: String,
    pub environment: String,
    pub values: Values,
    pub tags: Tree,
    pub artifacts: Option<Tree>,
    pub resources: Vec<Entry>,
    pub jobs: Vec<Entry>,
    pub outputs: Vec<Entry>,
}

/// The environment where none is chosen.
const DEFAULT: &str = "default";
/// Ids that references use for something else.
const RESERVED: [&str; 3] = ["var", "param", "job"];

/// Reads the document, as far as it can be read.
pub(super) fn read(
    mut root: Tree,
    choice: &Choice,
    problems: &mut Problems<'_>,
) -> Option<Document> {
    if root.is_null() {
        let what = "the blueprint is empty";
        let hint = "it needs `name`, `region` and `resources`";
        problems.add(Finding::error(root.spot, what).hint(hint));
        return None;
    }
    empty_sections(&mut root);
    let subject = Subject { name: "the blueprint", what: "a blueprint", spot: Spot::default() };
    check(&mut root, &grammar::document(), &subject, problems);
    if problems.errors() > 0 && !matches!(root.value, Yaml::Map(_)) {
        return None;
    }

    let environments = root.take("environments");
    let chosen = choose(environments.as_ref(), choice, problems);
    let declared = root.take("variables");
    let given = chosen.and_then(|tree| tree.get("variables"));
    let mut values = Values {
        variables: values(declared.as_ref(), given, &choice.variables, problems),
        account: choice.account.clone(),
        ..Values::default()
    };
    for entry in environments.iter().flat_map(|entry| entry.value.entries()) {
        environment(entry, &root, &values, problems);
        if chosen != Some(&entry.value) {
            values.look(&entry.value, problems);
        }
    }
    if let Some(chosen) = chosen {
        overlay(&mut root, chosen);
    }

    let name = word(&mut root, "name", &values, problems);
    let region = region(&mut root, choice.region.as_deref(), &values, problems);
    values.partition = Some(partition(&region));
    values.region = Some(region.clone());
    let mut tags = root.take("tags").map_or_else(|| Tree::empty_map(root.spot), |tags| tags.value);
    values.fill(&mut tags, problems);
    literal_tags(&tags, problems);
    let mut artifacts = root.take("artifacts").map(|entry| entry.value);
    if let Some(artifacts) = &mut artifacts {
        values.fill(artifacts, problems);
    }
    let (resources, jobs) = (part(&mut root, "resources"), part(&mut root, "jobs"));
    names(&resources, &jobs, problems);
    Some(Document {
        name,
        region,
        environment: choice.environment.clone().unwrap_or_else(|| DEFAULT.to_owned()),
        values,
        tags,
        artifacts,
        resources,
        jobs,
        outputs: part(&mut root, "outputs"),
    })
}

fn part(root: &mut Tree, key: &str) -> Vec<Entry> {
    match root.take(key).map(|entry| entry.value.value) {
        Some(Yaml::Map(entries)) => entries,
        _ => Vec::new(),
    }
}

/// A section whose lines are all commented out is an empty one.
fn empty_sections(root: &mut Tree) {
    let Yaml::Map(entries) = &mut root.value else { return };
    for Entry { key, value } in entries.iter_mut().filter(|entry| entry.value.is_null()) {
        if key.text == "resources" {
            *value = Tree::empty_map(key.spot);
        }
    }
}

fn choose<'t>(
    environments: Option<&'t Entry>,
    choice: &Choice,
    problems: &mut Problems<'_>,
) -> Option<&'t Tree> {
    let wanted = choice.environment.as_deref()?;
    let known = environments.map_or(&[][..], |entry| entry.value.entries());
    let found = known.iter().find(|entry| entry.key.text == wanted);
    if found.is_none() && wanted != DEFAULT {
        let spot = environments.map_or_else(Spot::default, |entry| entry.key.spot);
        let names = known.iter().map(|entry| entry.key.text.as_str());
        let hint = problems
            .suggest(wanted, names, "the environments")
            .unwrap_or_else(|| format!("add it: `environments: {{{wanted}: {{}}}}`"));
        let what = format!("there is no environment `{wanted}`");
        problems.add(Finding::error(spot, what).hint(hint));
    }
    found.map(|entry| &entry.value)
}

/// Lays what the environment says of resources and the like over what the blueprint says.
fn overlay(root: &mut Tree, chosen: &Tree) {
    for key in ["region", "tags", "resources", "jobs"] {
        let Some(over) = chosen.entry(key) else { continue };
        if root.get(key).is_none() {
            let value = Tree::empty_map(over.value.spot);
            root.insert(Entry { key: over.key.clone(), value });
        }
        if let Some(entry) = root.entry_mut(key) {
            let mut over = over.value.clone();
            if ["resources", "jobs"].contains(&key) {
                changes_or_adds(&entry.value, &mut over);
            }
            lay(&mut entry.value, &over);
        }
    }
}

/// Without what is neither in the blueprint nor whole: a problem of its own says so.
fn changes_or_adds(base: &Tree, over: &mut Tree) {
    let known: BTreeSet<&str> = base.entries().iter().map(|e| e.key.text.as_str()).collect();
    if let Yaml::Map(entries) = &mut over.value {
        entries.retain(|entry| {
            known.contains(entry.key.text.as_str()) || entry.value.get("kind").is_some()
        });
    }
}

/// An environment sets declared variables, and changes what there is or adds what is whole.
fn environment(entry: &Entry, root: &Tree, values: &Values, problems: &mut Problems<'_>) {
    let (name, tree) = (&entry.key.text, &entry.value);
    if name == DEFAULT {
        let what = format!("`{DEFAULT}` is the environment where none is chosen");
        let hint = "write what it holds at the top level";
        problems.add(Finding::error(entry.key.spot, what).hint(hint));
    } else if !identifier(name) {
        let what = format!("`{name}` is no name for an environment");
        problems.add(Finding::error(entry.key.spot, what).hint(IDENTIFIER_HINT));
    }
    for set in tree.get("variables").map_or(&[][..], Tree::entries) {
        let variable = set.key.text.as_str();
        if !values.variables.contains_key(variable) {
            let what = format!("environment `{name}` sets `{variable}`, which is no variable");
            let hint = problems
                .suggest(variable, values.variables.keys().map(String::as_str), "the variables")
                .unwrap_or_else(|| "declare it under `variables`".to_owned());
            problems.add(Finding::error(set.key.spot, what).hint(hint));
        }
    }
    for (section, one) in [("resources", "resource"), ("jobs", "job")] {
        let base = root.get(section).map_or(&[][..], Tree::entries);
        let known: BTreeSet<&str> = base.iter().map(|entry| entry.key.text.as_str()).collect();
        for over in tree.get(section).map_or(&[][..], Tree::entries) {
            let id = over.key.text.as_str();
            if !known.contains(id) && over.value.get("kind").is_none() {
                let what = format!("environment `{name}` changes `{id}`, which is no {one}");
                let hint = problems
                    .suggest(id, known.iter().copied(), &format!("the {section}"))
                    .unwrap_or_else(|| format!("a {one} that it adds has a `kind`"));
                problems.add(Finding::error(over.key.spot, what).hint(hint));
            }
        }
    }
}

/// A text that must be known before anything else is.
fn word(root: &mut Tree, key: &str, values: &Values, problems: &mut Problems<'_>) -> String {
    let Some(mut tree) = root.take(key).map(|entry| entry.value) else { return String::new() };
    values.fill(&mut tree, problems);
    let Some(text) = tree.text().map(str::to_owned) else { return String::new() };
    if text.contains("${") {
        if !text.contains("${var.") {
            let what = format!("`{key}` is made of text and variables only");
            problems.add(Finding::error(problems.first_reference(tree.spot), what));
        }
    } else if key == "name" && !name_is_plain(&text) {
        let what = format!("`{text}` is no name for a blueprint");
        let hint = "letters, digits, `_`, `-` and `.`, up to 64 of them";
        problems.add(Finding::error(tree.spot, what).hint(hint));
    }
    text
}

/// It becomes part of a tag's value, between slashes.
fn name_is_plain(text: &str) -> bool {
    const NAME_MAX: usize = 64;
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    !text.is_empty() && text.len() <= NAME_MAX && text.chars().all(plain)
}

fn region(
    root: &mut Tree,
    given: Option<&str>,
    values: &Values,
    problems: &mut Problems<'_>,
) -> String {
    let spot = root.get("region").map_or_else(Spot::default, |tree| tree.spot);
    let written = word(root, "region", values, problems);
    let text = given.map_or(written, str::to_owned);
    if !text.is_empty() && !text.contains("${") && !region_is_plausible(&text) {
        let what = format!("`{text}` is not a region");
        problems.add(Finding::error(spot, what).hint("a region reads as `eu-west-1`"));
    }
    text
}

/// `ap-northeast-2`: words of letters, then one digit. New regions need no new program.
fn region_is_plausible(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [words @ .., number] = parts.as_slice() else { return false };
    let word = |word: &&str| word.len() >= 2 && word.bytes().all(|b| b.is_ascii_lowercase());
    words.len() >= 2
        && words.iter().all(word)
        && number.len() == 1
        && number.as_bytes()[0].is_ascii_digit()
}

/// Tags of every resource can refer to none.
fn literal_tags(tags: &Tree, problems: &mut Problems<'_>) {
    for Entry { key, value } in tags.entries() {
        if value.text().is_some_and(refers) {
            let what =
                format!("tag `{}` refers to a resource, and every resource has it", key.text);
            let spot = problems.first_reference(value.spot);
            problems.add(Finding::error(spot, what).hint("write text and variables only"));
        }
    }
}

fn refers(text: &str) -> bool {
    scan(text).iter().any(|part| matches!(part, Part::Reference { id, .. } if *id != "var"))
}

/// Ids are what references, tags and the command line call things.
fn names(resources: &[Entry], jobs: &[Entry], problems: &mut Problems<'_>) {
    for entry in resources.iter().chain(jobs) {
        let id = entry.key.text.as_str();
        if !identifier(id) {
            let what = format!("`{id}` is no id");
            problems.add(Finding::error(entry.key.spot, what).hint(IDENTIFIER_HINT));
        } else if RESERVED.contains(&id) {
            let what = format!("`{id}` cannot be an id: `${{{id}.…}}` means something else");
            problems.add(Finding::error(entry.key.spot, what));
        }
    }
    let taken: BTreeSet<&str> = resources.iter().map(|entry| entry.key.text.as_str()).collect();
    for job in jobs {
        if taken.contains(job.key.text.as_str()) {
            let what = format!("`{}` is already a resource", job.key.text);
            let hint = "jobs and resources share their ids: give the job another one";
            problems.add(Finding::error(job.key.spot, what).hint(hint));
        }
    }
}
