//! Whether a part of a blueprint has the shape that a JSON Schema describes: every difference is
//! found, each at its place, in words for people.

use serde_json::{Number, Value};

use crate::kind::values::duration::Duration;

use std::collections::{BTreeMap, BTreeSet};

use super::expected::{
    Sort, admits, alternatives, constants, field, fields, range, required, sorts, told, words,
};
use super::nearest::{either, nearest};
use super::problem::{Finding, Problems};
use super::text::{Part, scan};
use super::tree::{Entry, Spot, Tree, Yaml};

/// What is being checked: how messages speak of it, and where it is named.
pub(super) struct Subject<'a> {
    /// Its name in the blueprint, `` `events` ``.
    pub name: &'a str,
    /// What it is, `a kinesis-stream`.
    pub what: &'a str,
    pub spot: Spot,
}

/// Finds where `tree` is not as `schema` says. A field that is left empty and need not be there is
/// taken out: it means its default.
pub(super) fn check(
    tree: &mut Tree,
    schema: &Value,
    subject: &Subject<'_>,
    problems: &mut Problems<'_>,
) {
    let mut walk = Walk { root: schema, subject, problems };
    walk.value(tree, schema, "", subject.spot);
}

/// Whether a text has a part that is not known while the blueprint is read.
pub(super) fn is_open(text: &str) -> bool {
    text.contains("${")
        && (text.contains("${account}")
            || scan(text).iter().any(|part| matches!(part, Part::Reference { .. })))
}

struct Walk<'a, 'p, 't> {
    root: &'a Value,
    subject: &'a Subject<'a>,
    problems: &'p mut Problems<'t>,
}

impl<'a> Walk<'a, '_, '_> {
    fn value(&mut self, tree: &mut Tree, schema: &'a Value, path: &str, holder: Spot) {
        let choices = alternatives(self.root, schema);
        let sort = Sort::of(tree);
        let fitting: Vec<&Value> =
            choices.iter().copied().filter(|schema| admits(schema, sort)).collect();
        if fitting.is_empty() {
            let free = choices.iter().any(|s| admits(s, Sort::Text) && constants(s).is_empty());
            return match tree.scalar().filter(|_| free && self.variable(tree).is_some()) {
                Some(text) => tree.value = Yaml::Text(text),
                None => self.wrong_sort(tree, &choices, path, holder),
            };
        }
        match &mut tree.value {
            Yaml::Null | Yaml::Bool(_) => {}
            Yaml::Number(number) => self.number(&number.clone(), &fitting, path, tree.spot),
            Yaml::Text(text) => self.text(&text.clone(), &fitting, &choices, path, tree.spot),
            Yaml::List(items) => self.list(items, fitting[0], path, holder),
            Yaml::Map(_) => self.map(tree, &fitting, path, holder),
        }
    }

    fn add(&mut self, finding: Finding) {
        self.problems.add(finding);
    }

    /// How messages speak of a path.
    fn name(&self, path: &str) -> String {
        if path.is_empty() { self.subject.name.to_owned() } else { format!("`{path}`") }
    }

    /// The variable that the value came from, as it is written.
    fn variable(&self, tree: &Tree) -> Option<&str> {
        let source = self.problems.source(tree.spot).trim_matches(['"', '\'']);
        (source.starts_with("${var.") && source.ends_with('}')).then_some(source)
    }

    fn wrong_sort(&mut self, tree: &Tree, choices: &[&Value], path: &str, holder: Spot) {
        let (name, expected) = (self.name(path), words(choices));
        let spot = place(tree, holder);
        if let Some(text) = tree.text().filter(|text| is_open(text)) {
            if text.contains("${var.") {
                return; // The variable's own problem says it.
            }
            let what = format!("{name} is {expected}, which no reference can be");
            let hint = "write the value, or a variable: `${var.name}`";
            return self.add(Finding::error(spot, what).hint(hint));
        }
        let wanted = choices.iter().flat_map(|schema| sorts(schema)).collect::<Vec<_>>();
        let found = match &tree.value {
            Yaml::Number(number) if wanted.contains(&Sort::Whole) => number.to_string(),
            Yaml::Number(number) => format!("the number {number}"),
            Yaml::Bool(value) => format!("`{value}`"),
            _ => Sort::of(tree).word().to_owned(),
        };
        let finding = Finding::error(spot, format!("{name} is {expected}, not {found}"));
        let hint = match (self.variable(tree), tree.scalar()) {
            (Some(variable), Some(value)) => Some(format!("`{variable}` is `{value}` here")),
            _ => mend(tree, choices),
        };
        self.add(finding.maybe(hint));
    }

    fn number(&mut self, number: &Number, fitting: &[&Value], path: &str, spot: Spot) {
        let Some(value) = number.as_f64() else { return };
        let bad = |schema: &&Value| {
            let (low, high) = range(schema);
            low.is_some_and(|low| value < low) || high.is_some_and(|high| value > high)
        };
        if !fitting.iter().all(bad) {
            return;
        }
        let name = self.name(path);
        let what = match range(fitting[0]) {
            (Some(low), Some(high)) if fitting[0].get("maximum").is_some() => {
                format!("{name} is {low} to {high}, not {number}")
            }
            (Some(low), _) if value < low => format!("{name} is at least {low}, not {number}"),
            (_, Some(high)) => format!("{name} is at most {high}, not {number}"),
            _ => return,
        };
        self.add(Finding::error(spot, what));
    }

    fn text(&mut self, text: &str, fitting: &[&Value], choices: &[&Value], path: &str, spot: Spot) {
        let known: Vec<&str> =
            fitting.iter().flat_map(|s| constants(s)).filter_map(Value::as_str).collect();
        let free = fitting.iter().any(|schema| constants(schema).is_empty());
        if fitting.iter().all(|schema| is_duration(schema))
            && let Err(what) = Duration::parse(text)
            && !text.contains("${")
        {
            return self.add(Finding::error(spot, what));
        }
        if free || known.contains(&text) || text.contains("${var.") {
            return;
        }
        let name = self.name(path);
        let expected = words(choices);
        let finding = if is_open(text) {
            Finding::error(spot, format!("{name} is {expected}, which no reference can be"))
                .hint("write the value, or a variable: `${var.name}`")
        } else {
            let near = nearest(text, known.iter().copied());
            Finding::error(spot, format!("{name} is {expected}, not `{text}`"))
                .maybe(near.map(|near| format!("did you mean `{near}`?")))
        };
        self.add(finding);
    }

    fn list(&mut self, items: &mut [Tree], schema: &'a Value, path: &str, holder: Spot) {
        let count = |key: &str| schema.get(key).and_then(Value::as_u64);
        let (least, most) = (count("minItems"), count("maxItems"));
        let length = items.len() as u64;
        let name = self.name(path);
        let entries =
            |count: u64| if count == 1 { "1 entry".into() } else { format!("{count} entries") };
        let what = match (least, most) {
            (Some(least), _) if least == 1 && length == 0 => Some(format!("{name} is empty")),
            (Some(least), Some(most)) if least == most && length != least => {
                Some(format!("{name} has {}, not {length}", entries(least)))
            }
            (Some(least), _) if length < least => {
                Some(format!("{name} has at least {}, not {length}", entries(least)))
            }
            (_, Some(most)) if length > most => {
                Some(format!("{name} has at most {}, not {length}", entries(most)))
            }
            _ => None,
        };
        if let Some(what) = what {
            self.add(Finding::error(holder, what));
        }
        if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
            self.unique(items, path);
        }
        let any = Value::Bool(true);
        let every = schema.get("items");
        let by_place = schema.get("prefixItems").and_then(Value::as_array);
        for (index, item) in items.iter_mut().enumerate() {
            let schema = by_place.and_then(|schemas| schemas.get(index)).or(every);
            if let Some(schema) = schema.filter(|schema| **schema != any) {
                let spot = item.spot;
                self.value(item, schema, &join(path, &index.to_string()), spot);
            }
        }
    }

    fn unique(&mut self, items: &[Tree], path: &str) {
        let mut seen = BTreeSet::new();
        for item in items {
            if let Some(text) = item.scalar().filter(|text| !seen.insert(text.clone())) {
                let what = format!("{} has `{text}` twice", self.name(path));
                self.add(Finding::error(item.spot, what));
            }
        }
    }

    fn map(&mut self, tree: &mut Tree, fitting: &[&'a Value], path: &str, holder: Spot) {
        if let [only] = fitting {
            return self.object(tree, only, path, holder);
        }
        let keys: Vec<&str> =
            fitting.iter().filter_map(|schema| required(schema).first().copied()).collect();
        let here: Vec<&Entry> = keys.iter().filter_map(|key| tree.entry(key)).collect();
        let name = self.name(path);
        match (here.as_slice(), choose(tree, fitting)) {
            ([_, second, ..], _) if keys.len() == fitting.len() => {
                let what = format!("{name} is {}, and only one of them", either(&keys));
                self.add(Finding::error(second.key.spot, what));
            }
            (_, Some(schema)) => self.object(tree, schema, path, holder),
            (_, None) => {
                let first = tree.entries().first();
                let near = first.and_then(|entry| nearest(&entry.key.text, keys.iter().copied()));
                let what = match first {
                    Some(entry) => format!("{name} has no field `{}`", entry.key.text),
                    None => format!("{name} is empty"),
                };
                let hint = match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("write {}", either(&keys)),
                };
                let spot = first.map_or(holder, |entry| entry.key.spot);
                self.add(Finding::error(spot, what).hint(hint));
            }
        }
    }

    fn object(&mut self, tree: &mut Tree, schema: &'a Value, path: &str, holder: Spot) {
        let Yaml::Map(entries) = &mut tree.value else { return };
        let declared = fields(schema);
        let mut empty = BTreeMap::new();
        entries.retain(|entry| {
            let known = declared.contains(&entry.key.text.as_str());
            let schema = field(schema, &entry.key.text);
            let out = known && entry.value.is_null() && schema.is_some_and(|s| !self.nullable(s));
            if out {
                empty.insert(entry.key.text.clone(), entry.key.spot);
            }
            !out
        });
        for name in required(schema) {
            if !entries.iter().any(|entry| entry.key.text == name) {
                self.missing(name, schema, path, empty.get(name).copied(), holder);
            }
        }
        for entry in entries {
            let key = &entry.key.text;
            match field(schema, key) {
                Some(schema) => {
                    self.value(&mut entry.value, schema, &join(path, key), entry.key.spot);
                }
                None => {
                    let owner = if path.is_empty() {
                        self.subject.what.to_owned()
                    } else {
                        self.name(path)
                    };
                    let what = format!("{owner} has no field `{key}`");
                    let hint = self.problems.suggest(key, declared.iter().copied(), "its fields");
                    self.add(Finding::error(entry.key.spot, what).maybe(hint));
                }
            }
        }
    }

    fn nullable(&self, schema: &'a Value) -> bool {
        alternatives(self.root, schema).iter().any(|schema| admits(schema, Sort::Null))
    }

    fn missing(
        &mut self,
        name: &str,
        schema: &'a Value,
        path: &str,
        empty: Option<Spot>,
        holder: Spot,
    ) {
        let told = field(schema, name).and_then(told);
        let finding = match (empty, told) {
            (Some(spot), told) => {
                let what = format!("`{}` is empty", join(path, name));
                Finding::error(spot, what).maybe(told)
            }
            (None, told) => {
                let told = told.map(|told| format!(": {told}")).unwrap_or_default();
                Finding::error(holder, format!("{} has no `{name}`", self.name(path)))
                    .hint(format!("add `{name}`{told}"))
            }
        };
        self.add(finding);
    }
}

/// The form of a map that it was meant to have: the one whose constant fields it has, or whose
/// required fields.
fn choose<'a>(tree: &Tree, several: &[&'a Value]) -> Option<&'a Value> {
    let tagged = several.iter().find(|schema| {
        fields(schema).iter().any(|name| {
            let tag = field(schema, name).map(constants).unwrap_or_default();
            tree.get(name).is_some_and(|value| tag.contains(&&value.to_json()))
        })
    });
    let keyed = several.iter().find(|schema| {
        let names = required(schema);
        !names.is_empty() && names.iter().all(|name| tree.get(name).is_some())
    });
    let open = several.iter().find(|schema| fields(schema).is_empty());
    tagged.or(keyed).or(open).copied()
}

/// What to write instead of a value of the wrong sort, where that is plain.
fn mend(tree: &Tree, choices: &[&Value]) -> Option<String> {
    let wanted: Vec<Sort> = choices.iter().flat_map(|schema| sorts(schema)).collect();
    let wants = |sort: Sort| wanted.contains(&sort);
    let patterned = choices.iter().find(|schema| schema.get("pattern").is_some());
    let free = choices.iter().any(|s| sorts(s).contains(&Sort::Text) && constants(s).is_empty());
    match &tree.value {
        Yaml::Text(text) if wants(Sort::Whole) && text.parse::<i64>().is_ok() => {
            Some(format!("leave out the quotes: {text}"))
        }
        Yaml::Text(text) if wants(Sort::Number) && text.parse::<f64>().is_ok() => {
            Some(format!("leave out the quotes: {text}"))
        }
        Yaml::Text(text) if wants(Sort::Bool) => match text.to_ascii_lowercase().as_str() {
            "yes" | "on" | "y" | "true" => Some("write true".into()),
            "no" | "off" | "n" | "false" => Some("write false".into()),
            _ => None,
        },
        Yaml::Number(_) | Yaml::Bool(_) if patterned.is_some() => told(patterned?),
        Yaml::Number(_) | Yaml::Bool(_) if free => {
            tree.scalar().map(|text| format!("write it in quotes: \"{text}\""))
        }
        Yaml::Number(_) | Yaml::Bool(_) | Yaml::Text(_) if wants(Sort::List) => {
            tree.scalar().map(|text| format!("write a list: [{text}]"))
        }
        Yaml::Number(number) if wants(Sort::Whole) => {
            let whole = number.as_f64().filter(|number| number.fract() == 0.0)?;
            Some(format!("write {whole}"))
        }
        Yaml::Map(_) if wants(Sort::List) && !wants(Sort::Text) => {
            Some("write a list: each of its entries begins with `- `".into())
        }
        Yaml::List(_) if wants(Sort::Map) && !wants(Sort::Text) => {
            Some("write `key: value` lines, without `-`".into())
        }
        _ => None,
    }
}

/// The one pattern that is looked into: the others are for the kinds' own decoders.
fn is_duration(schema: &Value) -> bool {
    schema.get("pattern").and_then(Value::as_str) == Some("^[0-9]+[smhd]$")
}

fn place(tree: &Tree, holder: Spot) -> Spot {
    match tree.value {
        Yaml::List(_) | Yaml::Map(_) | Yaml::Null => holder,
        Yaml::Bool(_) | Yaml::Number(_) | Yaml::Text(_) => tree.spot,
    }
}

pub(super) fn join(path: &str, step: &str) -> String {
    if path.is_empty() { step.to_owned() } else { format!("{path}.{step}") }
}
