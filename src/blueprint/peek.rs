//! What the command line needs of a file before it can be read as a blueprint.

use std::collections::BTreeMap;
use std::path::Path;

use super::problem::{Finding, Problem, Problems};
use super::yaml;

/// Whether the file has this environment. A file that cannot be read has none, and says so when
/// it is loaded.
pub fn has_environment(text: &str, name: &str) -> bool {
    yaml::read(text)
        .is_ok_and(|root| root.get("environments").is_some_and(|all| all.get(name).is_some()))
}

/// A file of variables: names and scalars.
pub fn variables(file: &Path, text: &str) -> Result<BTreeMap<String, String>, Vec<Problem>> {
    let mut problems = Problems::new(file, text);
    let mut found = BTreeMap::new();
    match yaml::read(text) {
        Ok(root) => {
            for entry in root.entries() {
                match entry.value.scalar() {
                    Some(value) => {
                        found.insert(entry.key.text.clone(), value);
                    }
                    None => {
                        let what =
                            format!("`{}` is a text, a number or true or false", entry.key.text);
                        problems.add(Finding::error(entry.value.spot, what));
                    }
                }
            }
            if root.entries().is_empty() && !root.is_null() {
                let hint = "write `stage: dev`";
                problems.add(Finding::error(root.spot, "a file of variables is a map").hint(hint));
            }
        }
        Err(finding) => problems.add(finding),
    }
    if problems.errors() == 0 { Ok(found) } else { Err(problems.finish()) }
}
