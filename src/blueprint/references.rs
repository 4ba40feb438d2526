//! `${id.output}` where it is written: whether there is such a thing, and what it makes depend.

use std::collections::{BTreeMap, BTreeSet};

use super::Id;
use super::nearest::nearest;
use super::problem::{Finding, Problems};
use super::request::REQUEST;
use super::sheet::{Sheet, with_article};
use super::text::{Part, identifier, scan};
use super::tree::{Spot, Tree, Yaml};

/// Bytes of something in braces that may have been meant as a reference.
const SLIP_MAX: usize = 80;

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
                // It stands here no longer but for what is wrong with the job.
                Part::Reference { id, output: REQUEST }
                    if self.params.is_none() && self.jobs.contains(id) =>
                {
                    found.unsettled = true;
                }
                Part::Reference { id, output } => {
                    let wrong = self.wrong(id, output, problems);
                    let new = id != "param" && !found.needs.contains_key(&Id::new(id));
                    if wrong.is_none() && !new {
                        continue;
                    }
                    let spot = problems.within(spot, &format!("${{{id}.{output}}}"));
                    match wrong {
                        Some((what, hint)) => problems.add(Finding::error(spot, what).maybe(hint)),
                        None => {
                            found.needs.insert(Id::new(id), spot);
                        }
                    }
                }
                Part::Literal(literal) => self.slips(literal, spot, problems),
            }
        }
    }

    fn wrong(
        &self,
        id: &str,
        output: &str,
        problems: &Problems<'_>,
    ) -> Option<(String, Option<String>)> {
        if id == "param" {
            return self.wrong_param(output, problems);
        }
        let Some(sheet) = self.resources.get(id) else {
            if self.jobs.contains(id) && self.params.is_none() {
                let what = format!("a job has no output `{output}`");
                return Some((what, Some(format!("a job's output is `{REQUEST}`"))));
            }
            return Some(self.nothing(id, problems));
        };
        let sheet = sheet.as_ref()?;
        let known = sheet.kind.outputs();
        let what = format!("{} has no output `{output}`", sheet.called);
        (!known.contains(&output))
            .then(|| (what, problems.suggest(output, known.iter().copied(), "its outputs")))
    }

    /// What is said of an id that no resource has.
    pub fn nothing(&self, id: &str, problems: &Problems<'_>) -> (String, Option<String>) {
        if self.jobs.contains(id) {
            return (format!("`{id}` is a job, not a resource"), None);
        }
        let hint = problems.suggest(id, self.resources.keys().copied(), "the resources");
        (format!("there is no resource `{id}`"), hint)
    }

    fn wrong_param(&self, name: &str, problems: &Problems<'_>) -> Option<(String, Option<String>)> {
        let Some(params) = self.params else {
            let what = "only the `args` and `conf` of a job have parameters".to_owned();
            return Some((what, Some(format!("for a variable write `${{var.{name}}}`"))));
        };
        if params.contains(name) {
            return None;
        }
        let hint = problems
            .suggest(name, params.iter().map(String::as_str), "its parameters")
            .unwrap_or_else(|| format!("declare it: `params: {{{name}: ...}}`"));
        Some((format!("the job has no parameter `{name}`"), Some(hint)))
    }

    /// The resource that a field names by its id, and that has to be of one kind.
    pub fn named(
        &self,
        written: &Tree,
        field: &str,
        kind: &str,
        problems: &mut Problems<'_>,
    ) -> Option<Id> {
        let id = written.text()?;
        let plain = match scan(id)[..] {
            [Part::Reference { id: "var", .. }] => return None,
            [Part::Reference { id, .. }] => Some(id),
            _ => None,
        };
        let of_kind = |sheet: &Option<&Sheet>| sheet.is_some_and(|sheet| sheet.kind.name() == kind);
        let known = self.resources.iter().filter(|(_, sheet)| of_kind(sheet)).map(|(id, _)| *id);
        let (what, hint) = match (plain, self.resources.get(id)) {
            (Some(plain), _) => {
                let what = format!("`{field}` is an id, not a reference");
                (what, Some(format!("write `{plain}`")))
            }
            (None, None) => {
                let what = format!("there is no resource `{id}`");
                (what, problems.suggest(id, known, &format!("resources of kind `{kind}`")))
            }
            (None, Some(Some(sheet))) if sheet.kind.name() != kind => {
                let what =
                    format!("`{field}` is {}, and `{id}` is {}", with_article(kind), sheet.called);
                (what, problems.suggest(id, known, &format!("resources of kind `{kind}`")))
            }
            (None, Some(_)) => return Some(Id::new(id)),
        };
        problems.add(Finding::error(written.spot, what).maybe(hint));
        None
    }

    /// What is almost a reference stays as it is written, which is seldom meant.
    fn slips(&self, text: &str, spot: Spot, problems: &mut Problems<'_>) {
        for (start, _) in text.match_indices("${") {
            let rest = &text[start + 2..];
            let rest = &rest[..rest.floor_char_boundary(SLIP_MAX)];
            let Some((inner, _)) = rest.split_once('}') else { continue };
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
