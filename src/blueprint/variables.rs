//! `${var.stage}`, `${region}`, `${partition}` and `${account}`: what they stand for, and putting
//! it in their place.

use std::collections::BTreeMap;

use serde_json::Number;

use super::nearest::{either, nearest};
use super::problem::{Finding, Problems};
use super::text::{Part, identifier, scan};
use super::tree::{Entry, Key, Spot, Tree, Yaml};

/// What a blueprint's `${..}` stand for, as far as that is known without a call.
#[derive(Default)]
pub(super) struct Values {
    /// `None`: declared, and without a value, which is a problem of its own.
    pub variables: BTreeMap<String, Option<Yaml>>,
    pub region: Option<String>,
    pub partition: Option<&'static str>,
    pub account: Option<String>,
}

const FIELDS: [&str; 3] = ["default", "allowed", "description"];

/// A variable as the blueprint declares it.
struct Variable<'t> {
    spot: Spot,
    default: Option<&'t Tree>,
    allowed: &'t [Tree],
    /// It has a field that variables do not have, which is told elsewhere.
    malformed: bool,
}

/// Gives every declared variable its value: the one that was `given`, else the environment's,
/// else its default.
pub(super) fn values(
    declared: Option<&Entry>,
    environment: Option<&Tree>,
    given: &BTreeMap<String, String>,
    problems: &mut Problems<'_>,
) -> BTreeMap<String, Option<Yaml>> {
    let variables = declared_in(declared, problems);
    let known: Vec<&str> = variables.keys().map(String::as_str).collect();
    for name in given.keys().filter(|name| !variables.contains_key(*name)) {
        let spot = declared.map_or_else(Spot::default, |entry| entry.key.spot);
        let hint = problems.suggest(name, known.iter().copied(), "the variables");
        let finding =
            Finding::error(spot, format!("a value is given for `{name}`, which is no variable"));
        problems.add(finding.maybe(hint));
    }
    let set: BTreeMap<&str, &Tree> = environment
        .map_or(&[][..], Tree::entries)
        .iter()
        .filter(|entry| !entry.value.is_null())
        .map(|entry| (entry.key.text.as_str(), &entry.value))
        .collect();
    let mut values = BTreeMap::new();
    for (name, variable) in &variables {
        let written = set.get(name.as_str()).copied();
        let value = match (given.get(name), written.or(variable.default)) {
            (Some(text), _) => typed(name, text, variable, problems),
            (None, Some(tree)) => same_sort(name, tree, variable, problems),
            (None, None) if variable.malformed => None,
            (None, None) => {
                let what = format!("variable `{name}` has no value");
                let hint = format!("give one with `--var {name}=...`, or write a `default`");
                problems.add(Finding::error(variable.spot, what).hint(hint));
                None
            }
        };
        if let Some(default) = variable.default {
            is_allowed(name, &default.value, variable, default.spot, problems);
        }
        if let Some(value) = &value {
            let spot = match (given.get(name), written) {
                (None, Some(tree)) => tree.spot,
                _ => variable.default.map_or(variable.spot, |tree| tree.spot),
            };
            is_allowed(name, value, variable, spot, problems);
        }
        values.insert(name.clone(), value);
    }
    values
}

fn declared_in<'t>(
    declared: Option<&'t Entry>,
    problems: &mut Problems<'_>,
) -> BTreeMap<String, Variable<'t>> {
    let mut variables = BTreeMap::new();
    for Entry { key, value } in declared.map_or(&[][..], |entry| entry.value.entries()) {
        if !identifier(&key.text) {
            let what = format!("`{}` is no name for a variable", key.text);
            problems.add(Finding::error(key.spot, what).hint(IDENTIFIER_HINT));
        }
        let (default, allowed) = match &value.value {
            Yaml::Map(_) => (
                value.get("default").filter(|tree| !tree.is_null()),
                value.get("allowed").map_or(&[][..], Tree::items),
            ),
            Yaml::Null => (None, &[][..]),
            _ => (Some(value), &[][..]),
        };
        for tree in default.into_iter().chain(allowed) {
            literal(&key.text, tree, problems);
        }
        let known = |entry: &Entry| FIELDS.contains(&entry.key.text.as_str());
        let malformed = !value.entries().iter().all(known);
        let variable = Variable { spot: key.spot, default, allowed, malformed };
        variables.insert(key.text.clone(), variable);
    }
    variables
}

pub(super) const IDENTIFIER_HINT: &str = "a letter, then letters, digits, `_` or `-`";

/// A variable's value is itself: nothing in it stands for something else.
pub(super) fn literal(name: &str, tree: &Tree, problems: &mut Problems<'_>) {
    let Some(text) = tree.text() else { return };
    let named = ["${account}", "${region}", "${partition}"].iter().any(|word| text.contains(word));
    if named || scan(text).iter().any(|part| matches!(part, Part::Reference { .. })) {
        let what = format!("variable `{name}` refers to something else");
        let hint = "a variable's value is literal: write the reference where the variable is used";
        problems.add(Finding::error(tree.spot, what).hint(hint));
    }
}

fn sort(value: &Yaml) -> &'static str {
    match value {
        Yaml::Bool(_) => "true or false",
        Yaml::Number(_) => "a number",
        _ => "text",
    }
}

/// The value that says what sort of value the variable has.
fn model<'t>(variable: &Variable<'t>) -> Option<&'t Yaml> {
    variable.default.or(variable.allowed.first()).map(|tree| &tree.value)
}

fn same_sort(
    name: &str,
    tree: &Tree,
    variable: &Variable<'_>,
    problems: &mut Problems<'_>,
) -> Option<Yaml> {
    let wanted = model(variable).map_or(sort(&tree.value), sort);
    let found = sort(&tree.value);
    tree.scalar()?;
    if wanted != found {
        let what = format!("variable `{name}` is {wanted}, not {found}");
        let quoted = tree.scalar().filter(|_| wanted == "text");
        let hint = quoted.map(|text| format!("write it in quotes: \"{text}\""));
        problems.add(Finding::error(tree.spot, what).maybe(hint));
        return None;
    }
    Some(tree.value.clone())
}

/// A value from the command line is text; the variable's default says what is meant.
fn typed(
    name: &str,
    text: &str,
    variable: &Variable<'_>,
    problems: &mut Problems<'_>,
) -> Option<Yaml> {
    let value = match model(variable) {
        Some(Yaml::Bool(_)) => text.parse().ok().map(Yaml::Bool),
        Some(Yaml::Number(_)) => number(text).map(Yaml::Number),
        _ => Some(Yaml::Text(text.to_owned())),
    };
    if value.is_none() {
        let wanted = model(variable).map_or("text", sort);
        let what = format!("variable `{name}` is {wanted}, and `{text}` is given");
        problems.add(Finding::error(variable.spot, what));
    }
    value
}

fn number(text: &str) -> Option<Number> {
    let whole =
        text.parse::<u64>().map(Number::from).or_else(|_| text.parse::<i64>().map(Number::from));
    whole.ok().or_else(|| text.parse().ok().and_then(Number::from_f64))
}

fn is_allowed(
    name: &str,
    value: &Yaml,
    variable: &Variable<'_>,
    spot: Spot,
    problems: &mut Problems<'_>,
) {
    if variable.allowed.is_empty() || variable.allowed.iter().any(|tree| tree.value == *value) {
        return;
    }
    let shown = |value: &Yaml| Tree { spot, value: value.clone() }.scalar().unwrap_or_default();
    let allowed: Vec<String> = variable.allowed.iter().map(|tree| shown(&tree.value)).collect();
    let (found, words) = (shown(value), either(&allowed));
    let near = nearest(&found, allowed.iter().map(String::as_str));
    let finding = Finding::error(spot, format!("variable `{name}` is {words}, not `{found}`"));
    problems.add(finding.maybe(near.map(|near| format!("did you mean `{near}`?"))));
}

impl Values {
    /// Puts values in place throughout a part of the blueprint, its keys included.
    pub fn fill(&self, tree: &mut Tree, problems: &mut Problems<'_>) {
        let spot = tree.spot;
        match &mut tree.value {
            Yaml::Text(text) if text.contains("${") => {
                if let Some(value) = self.whole(text) {
                    tree.value = value;
                } else {
                    *text = self.text(text, spot, problems);
                }
            }
            Yaml::List(items) => items.iter_mut().for_each(|item| self.fill(item, problems)),
            Yaml::Map(entries) => {
                let mut renamed = false;
                for Entry { key, value } in entries.iter_mut() {
                    if key.text.contains("${") {
                        key.text = self.text(&key.text, key.spot, problems);
                        renamed = true;
                    }
                    self.fill(value, problems);
                }
                if renamed && let Some(twice) = repeated(entries) {
                    let what = format!("`{}` is written twice", twice.text);
                    problems.add(Finding::error(twice.spot, what));
                }
            }
            Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::Text(_) => {}
        }
    }

    /// `${var.shards}` alone is the variable's value, a number if that is one.
    fn whole(&self, text: &str) -> Option<Yaml> {
        let [Part::Reference { id: "var", output }] = scan(text)[..] else { return None };
        self.variables.get(output)?.clone()
    }

    fn text(&self, text: &str, spot: Spot, problems: &mut Problems<'_>) -> String {
        let mut filled = String::with_capacity(text.len());
        for part in scan(text) {
            match part {
                Part::Reference { id: "var", output } => match self.variables.get(output) {
                    Some(Some(value)) => {
                        let value = Tree { spot, value: value.clone() };
                        filled.push_str(&value.scalar().unwrap_or_default());
                    }
                    Some(None) => filled.push_str(&format!("${{var.{output}}}")),
                    None => {
                        self.unknown(output, spot, problems);
                        filled.push_str(&format!("${{var.{output}}}"));
                    }
                },
                Part::Reference { id, output } => filled.push_str(&format!("${{{id}.{output}}}")),
                Part::Literal(literal) => filled.push_str(&self.place(literal)),
            }
        }
        filled
    }

    fn place(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let known = [
            ("${account}", self.account.as_deref()),
            ("${region}", self.region.as_deref()),
            ("${partition}", self.partition),
        ];
        for (word, value) in known {
            if let Some(value) = value.filter(|_| text.contains(word)) {
                text = text.replace(word, value);
            }
        }
        text
    }

    fn unknown(&self, name: &str, spot: Spot, problems: &mut Problems<'_>) {
        let spot = problems.within(spot, &format!("${{var.{name}}}"));
        let known = self.variables.keys().map(String::as_str);
        let hint = problems
            .suggest(name, known, "the variables")
            .unwrap_or_else(|| format!("declare it: `variables: {{{name}: ...}}`"));
        problems.add(Finding::error(spot, format!("there is no variable `{name}`")).hint(hint));
    }

    /// Finds unknown variables in a part that is not used in this run.
    pub fn look(&self, tree: &Tree, problems: &mut Problems<'_>) {
        match &tree.value {
            Yaml::Text(text) if text.contains("${var.") => {
                self.text(text, tree.spot, problems);
            }
            Yaml::List(items) => items.iter().for_each(|item| self.look(item, problems)),
            Yaml::Map(entries) => {
                entries.iter().for_each(|entry| self.look(&entry.value, problems))
            }
            _ => {}
        }
    }
}

fn repeated(entries: &[Entry]) -> Option<&Key> {
    let mut seen = std::collections::BTreeSet::new();
    entries.iter().map(|entry| &entry.key).find(|key| !seen.insert(key.text.as_str()))
}
