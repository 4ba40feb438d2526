//! Where each field of a resource stands.

use std::collections::BTreeMap;

use serde_json::Value;

use super::At;
use super::malformed::pointer;
use super::problem::Problems;
use super::shape::join;
use super::tree::{Spot, Tree, Yaml};

/// The places of a resource's fields, by path.
pub(super) struct Spots {
    resource: Spot,
    by_path: BTreeMap<String, Spot>,
}

impl Spots {
    pub fn of(tree: &Tree, resource: Spot, tags: &Tree) -> Self {
        let mut by_path = BTreeMap::new();
        for entry in tags.entries() {
            by_path.insert(join("tags", &entry.key.text), entry.value.spot);
        }
        mark(tree, "", &mut by_path);
        Self { resource, by_path }
    }

    /// The place of the field, or of the nearest thing that holds it.
    pub fn of_path(&self, path: &str) -> Spot {
        let mut path = path;
        loop {
            if let Some(spot) = self.by_path.get(path) {
                return *spot;
            }
            match path.rsplit_once('.') {
                Some((holder, _)) => path = holder,
                None => return self.resource,
            }
        }
    }

    /// The place of the field, or of that part of it which `what` quotes first.
    pub fn of_word(&self, path: &str, what: &str, problems: &Problems<'_>) -> Spot {
        let quoted = what.split('`').nth(1).filter(|quoted| !quoted.is_empty());
        let below = format!("{path}.");
        let parts = self.by_path.range(below.clone()..).take_while(|(p, _)| p.starts_with(&below));
        let told = parts
            .filter(|(_, spot)| Some(problems.source(**spot).trim_matches(['"', '\''])) == quoted);
        told.map(|(_, spot)| *spot).next().unwrap_or_else(|| self.of_path(path))
    }

    /// The place of the first field whose text has `needle` in it.
    pub fn holding(&self, spec: &Value, needle: &str) -> Spot {
        let holds = |path: &str| {
            let steps: Vec<String> = path.split('.').map(str::to_owned).collect();
            let found = spec.pointer(&pointer(&steps)).and_then(Value::as_str);
            found.is_some_and(|text| text.contains(needle))
        };
        let found = self.by_path.iter().find(|(path, _)| holds(path));
        found.map_or(self.resource, |(_, spot)| *spot)
    }

    pub fn fields(&self) -> BTreeMap<String, At> {
        self.by_path.iter().map(|(path, spot)| (path.clone(), spot.at())).collect()
    }
}

/// A scalar stands where its value is, a map or a list where its key is.
fn mark(tree: &Tree, path: &str, by_path: &mut BTreeMap<String, Spot>) {
    let mut put = |step: &str, holder: Spot, value: &Tree| {
        let path = join(path, step);
        let scalar = value.scalar().is_some();
        by_path.insert(path.clone(), if scalar { value.spot } else { holder });
        mark(value, &path, by_path);
    };
    match &tree.value {
        Yaml::Map(entries) => {
            entries.iter().for_each(|entry| put(&entry.key.text, entry.key.spot, &entry.value));
        }
        Yaml::List(items) => {
            items.iter().enumerate().for_each(|(i, item)| put(&i.to_string(), item.spot, item));
        }
        Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::Text(_) => {}
    }
}
