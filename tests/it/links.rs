//! The pages' links to each other.

use std::fs;
use std::path::{Path, PathBuf};

use pipeline::blueprint::load::{Choice, load};

use crate::bad::kinds;
use crate::kinds::root;

/// The pages that people read.
fn pages() -> Vec<PathBuf> {
    let (mut found, mut open) = (vec![root().join("README.md")], vec![root().join("docs")]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found
}

/// The text of a page without its code.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut wrong = Vec::new();
    for path in pages() {
        let text = prose(&fs::read_to_string(&path).unwrap());
        let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        for (link, _) in links.filter(|(link, _)| !link.contains("://")) {
            let (file, part) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.with_file_name(file) };
            let there = target.exists() && (part.is_empty() || has_part(&target, part));
            if !there {
                wrong.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "links that lead nowhere:\n{}", wrong.join("\n"));
}

#[test]
fn every_alarm_of_the_flagship_names_its_runbook() {
    let file = root().join("blueprints/clickstream.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let loaded = load(&file, &text, &Choice::default(), &kinds());
    let desired = loaded.unwrap_or_else(|problems| panic!("{}", problems[0])).desired;
    let index = fs::read_to_string(root().join("docs/runbooks/README.md")).unwrap();
    let alarms = desired.nodes.iter().filter(|(_, node)| node.kind.name().ends_with("alarm"));
    let alarms: Vec<_> = alarms.collect();
    assert!(alarms.len() > 8, "it has {} alarms", alarms.len());
    for (id, node) in alarms {
        let page = format!("docs/runbooks/{id}.md");
        let told = node.spec["description"].as_str().unwrap_or_default();
        assert!(told.ends_with(&format!("; {page}")), "`{id}` says `{told}` and not `{page}`");
        assert!(root().join(&page).exists(), "{page} is not there");
        assert!(index.contains(&format!("({id}.md)")), "the index of runbooks has no {page}");
    }
}

fn has_part(page: &Path, part: &str) -> bool {
    let text = prose(&fs::read_to_string(page).unwrap());
    let titles = text.lines().filter(|line| line.starts_with('#'));
    titles.map(|line| slug(line.trim_start_matches('#').trim())).any(|slug| slug == part)
}

/// As GitHub makes it of a title.
pub fn slug(title: &str) -> String {
    let kept = title.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
