//! A blueprint as one document: its environment chosen, its variables known, its parts named.

use super::grammar;
use super::load::Choice;
use super::nearest::suggest;
use super::overlay::lay;
use super::problem::{Finding, Problems};
use super::shape::{Subject, check};
use super::text::identifier;
use super::tree::{Entry, Spot, Tree, Yaml};
use super::variables::{IDENTIFIER_HINT, Values, partition, values};

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

    let environments = root.take("environments").map(|entry| entry.value);
    let chosen = choose(environments.as_ref(), choice, problems);
    let declared = root.take("variables");
    let given = chosen.and_then(|tree| tree.get("variables"));
    let mut values = Values {
        variables: values(declared.as_ref(), given, &choice.variables, problems),
        account: choice.account.clone(),
        ..Values::default()
    };
    for Entry { key, value } in environments.iter().flat_map(Tree::entries) {
        undeclared(value, &key.text, &values, problems);
        if chosen != Some(value) {
            values.look(value, problems);
        }
    }
    let overridden = ["region", "tags", "resources", "jobs"];
    for (key, over) in overridden.iter().filter_map(|key| Some((key, chosen?.entry(key)?))) {
        if root.get(key).is_none() {
            let value = Tree::empty_map(over.value.spot);
            root.insert(Entry { key: over.key.clone(), value });
        }
        if let Some(entry) = root.entry_mut(key) {
            lay(&mut entry.value, &over.value);
        }
    }

    let name = word(&mut root, "name", &values, problems);
    let region = match &choice.region {
        Some(region) => region.clone(),
        None => region(&mut root, &values, problems),
    };
    values.partition = Some(partition(&region));
    values.region = Some(region.clone());
    let mut tags = root.take("tags").map_or_else(|| Tree::empty_map(root.spot), |tags| tags.value);
    values.fill(&mut tags, problems);
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
    environments: Option<&'t Tree>,
    choice: &Choice,
    problems: &mut Problems<'_>,
) -> Option<&'t Tree> {
    let wanted = choice.environment.as_deref()?;
    let known = environments.map_or(&[][..], Tree::entries);
    let found = known.iter().find(|entry| entry.key.text == wanted);
    if found.is_none() && wanted != DEFAULT {
        let spot = environments.map_or_else(Spot::default, |tree| tree.spot);
        let names = known.iter().map(|entry| entry.key.text.as_str());
        let hint = suggest(wanted, names, "the environments")
            .unwrap_or_else(|| format!("add it: `environments: {{{wanted}: {{}}}}`"));
        problems
            .add(Finding::error(spot, format!("there is no environment `{wanted}`")).hint(hint));
    }
    found.map(|entry| &entry.value)
}

/// An environment may set only what the blueprint declares.
fn undeclared(environment: &Tree, name: &str, values: &Values, problems: &mut Problems<'_>) {
    let set = environment.get("variables").map_or(&[][..], Tree::entries);
    for entry in set.iter().filter(|entry| !values.variables.contains_key(&entry.key.text)) {
        let what = format!("environment `{name}` sets `{}`, which is no variable", entry.key.text);
        let known = values.variables.keys().map(String::as_str);
        let hint = suggest(&entry.key.text, known, "the variables")
            .unwrap_or_else(|| "declare it under `variables`".to_owned());
        problems.add(Finding::error(entry.key.spot, what).hint(hint));
    }
}

/// A text that must be known before anything else is.
fn word(root: &mut Tree, key: &str, values: &Values, problems: &mut Problems<'_>) -> String {
    let Some(mut tree) = root.take(key).map(|entry| entry.value) else { return String::new() };
    values.fill(&mut tree, problems);
    let Some(text) = tree.scalar() else { return String::new() };
    if text.contains("${") {
        if !text.contains("${var.") {
            let what = format!("`{key}` is made of text and variables only");
            problems.add(Finding::error(tree.spot, what));
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

fn region(root: &mut Tree, values: &Values, problems: &mut Problems<'_>) -> String {
    let spot = root.get("region").map_or_else(Spot::default, |tree| tree.spot);
    let text = word(root, "region", values, problems);
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
    for job in jobs {
        if resources.iter().any(|entry| entry.key.text == job.key.text) {
            let what = format!("`{}` is already a resource", job.key.text);
            let hint = "jobs and resources share their ids: give the job another one";
            problems.add(Finding::error(job.key.spot, what).hint(hint));
        }
    }
}
