//! `${id.output}` where it is written: whether there is such a thing, and what it makes depend.

use std::collections::{BTreeMap, BTreeSet};

use super::Id;
use super::nearest::{nearest, suggest};
use super::problem::{Finding, Problems};
use super::sheet::Sheet;
use super::text::{Part, identifier, scan};
use super::tree::{Spot, Tree, Yaml};

/// What references may name.
pub(super) struct Scope<'a> {
    /// Every resource, with its kind if that is known.
    pub resources: &'a BTreeMap<&'a str, Option<&'a Sheet>>,
    pub jobs: &'a BTreeSet<String>,
    /// The parameters of the job that is being read.
    pub params: Option<&'a BTreeSet<String>>,
}

/// What a part of the blueprint refers to.
#[derive(Default)]
pub(super) struct Found {
    /// Resources, and where each is named first.
    pub needs: BTreeMap<Id, Spot>,
    /// A variable has no value, which is told elsewhere.
    pub unsettled: bool,
}

impl Scope<'_> {
    pub fn find(&self, tree: &Tree, problems: &mut Problems<'_>) -> Found {
        let mut found = Found::default();
        self.visit(tree, &mut found, problems);
        found
    }

    fn visit(&self, tree: &Tree, found: &mut Found, problems: &mut Problems<'_>) {
        match &tree.value {
            Yaml::Text(text) => self.text(text, tree.spot, found, problems),
            Yaml::List(items) => items.iter().for_each(|item| self.visit(item, found, problems)),
            Yaml::Map(entries) => {
                for entry in entries {
                    self.text(&entry.key.text, entry.key.spot, found, problems);
                    self.visit(&entry.value, found, problems);
                }
            }
            Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) => {}
        }
    }

    fn text(&self, text: &str, spot: Spot, found: &mut Found, problems: &mut Problems<'_>) {
        if !text.contains("${") {
            return;
        }
        for part in scan(text) {
            match part {
                Part::Reference { id: "var", .. } => found.unsettled = true,
                Part::Reference { id, output } => {
                    let spot = problems.within(spot, &format!("${{{id}.{output}}}"));
                    match self.wrong(id, output) {
                        Some((what, hint)) => {
                            problems.add(Finding::error(spot, what).maybe(hint));
                        }
                        None if id == "param" => {}
                        None => {
                            found.needs.entry(Id::new(id)).or_insert(spot);
                        }
                    }
                }
                Part::Literal(literal) => self.slips(literal, spot, problems),
            }
        }
    }

    fn wrong(&self, id: &str, output: &str) -> Option<(String, Option<String>)> {
        if id == "param" {
            return self.wrong_param(output);
        }
        let Some(sheet) = self.resources.get(id) else {
            if self.jobs.contains(id) {
                let what = format!("`{id}` is a job, which has no outputs");
                return Some((what, None));
            }
            let hint = suggest(id, self.resources.keys().copied(), "the resources");
            return Some((format!("there is no resource `{id}`"), hint));
        };
        let kind = sheet.as_ref()?.kind;
        if kind.outputs().contains(&output) {
            return None;
        }
        let hint = suggest(output, kind.outputs().iter().copied(), "its outputs");
        Some((format!("{} has no output `{output}`", sheet.as_ref()?.called), hint))
    }

    fn wrong_param(&self, name: &str) -> Option<(String, Option<String>)> {
        let Some(params) = self.params else {
            let what = "only the `args` and `conf` of a job have parameters".to_owned();
            return Some((what, Some(format!("for a variable write `${{var.{name}}}`"))));
        };
        if params.contains(name) {
            return None;
        }
        let hint = suggest(name, params.iter().map(String::as_str), "its parameters")
            .unwrap_or_else(|| format!("declare it: `params: {{{name}: ...}}`"));
        Some((format!("the job has no parameter `{name}`"), Some(hint)))
    }

    /// What is almost a reference stays as it is written, which is seldom meant.
    fn slips(&self, text: &str, spot: Spot, problems: &mut Problems<'_>) {
        for (start, _) in text.match_indices("${") {
            let Some(inner) = text[start + 2..].split_once('}').map(|(inner, _)| inner) else {
                continue;
            };
            let whole = format!("${{{inner}}}");
            let meant = if identifier(inner) {
                let words = ["account", "region", "partition"];
                nearest(inner, words).filter(|near| *near != inner).map(str::to_owned)
            } else {
                self.meant(inner)
            };
            if let Some(meant) = meant {
                let spot = problems.within(spot, &whole);
                let what = format!("`{whole}` stands for nothing and is kept as text");
                let hint = format!("did you mean `${{{meant}}}`?");
                problems.add(Finding::warning(spot, what).hint(hint));
            }
        }
    }

    /// `${ events.arn }` and `${events.arn.x}` begin like a reference.
    fn meant(&self, inner: &str) -> Option<String> {
        let mut words = inner.trim().split('.').map(str::trim);
        let (id, output) = (words.next()?, words.next()?);
        let known = id == "var" || self.resources.contains_key(id);
        (known && identifier(output)).then(|| format!("{id}.{output}"))
    }
}
