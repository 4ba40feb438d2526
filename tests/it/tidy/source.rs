//! What a source file says, without its comments, its strings and its tests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const TESTS: &str = "#[cfg(test)]\nmod ";

/// A source file, by its path below `src`.
pub struct Source {
    pub path: String,
    pub text: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// What is built into the program, with comments and strings blanked.
    pub fn code(&self) -> String {
        let inside = |(start, _): &(usize, &str)| {
            self.text[start + TESTS.len()..].lines().next().is_some_and(|line| line.ends_with('{'))
        };
        let end = self.text.match_indices(TESTS).find(inside).map(|(start, _)| start);
        bare(&self.text[..end.unwrap_or(self.text.len())])
    }

    /// Places of the modules that are built for tests only, as `plan/tests`.
    pub fn tests(&self) -> Vec<String> {
        let folder = self.module().join("/");
        let declared = self.text.match_indices(TESTS).filter_map(|(start, _)| {
            self.text[start + TESTS.len()..].lines().next()?.strip_suffix(';')
        });
        declared.map(|name| format!("{folder}/{name}")).collect()
    }

    /// `plan::diff` of `plan/diff.rs`; nothing of a root.
    pub fn module(&self) -> Vec<String> {
        let path = self.path.trim_end_matches(".rs").trim_end_matches("/mod");
        if ["lib", "main"].contains(&path) {
            return Vec::new();
        }
        path.split('/').map(str::to_owned).collect()
    }

    pub fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| below(&self.path, place))
    }
}

fn below(path: &str, place: &str) -> bool {
    let rest = path.strip_prefix(place);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || rest == ".rs")
}

/// The code with what is in comments, strings and characters replaced by spaces, lines kept.
fn bare(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = skipped(rest, out.chars().last());
        let (skip, keep) = rest.split_at(length);
        if length == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            out.extend(skip.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = keep;
        }
    }
    out
}

/// How much of `text` is a comment, string or character that starts here.
fn skipped(text: &str, before: Option<char>) -> usize {
    let through = |from: usize, end: &str| {
        text[from..].find(end).map_or(text.len(), |i| from + i + end.len())
    };
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return through(2, "*/");
    }
    if !in_word && text.starts_with('r') {
        let hashes = text[1..].chars().take_while(|c| *c == '#').count();
        if text[1 + hashes..].starts_with('"') {
            return through(2 + hashes, &format!("\"{}", "#".repeat(hashes)));
        }
    }
    let quote = |quote: char| {
        let mut escaped = false;
        let end = text.char_indices().skip(1).find(|(_, c)| {
            let ends = *c == quote && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        });
        end.map_or(text.len(), |(i, c)| i + c.len_utf8())
    };
    let mut chars = text.chars();
    match (chars.next(), chars.next(), chars.next()) {
        (Some('"'), ..) => quote('"'),
        (Some('\''), Some('\\'), _) | (Some('\''), Some(_), Some('\'')) => quote('\''),
        _ => 0,
    }
}

/// Every path of our own that the code names, from the crate's root.
pub fn paths(source: &Source) -> BTreeSet<Vec<String>> {
    let code = source.code();
    let mut found = BTreeSet::new();
    for (root, up) in [("crate::", false), ("super::", true)] {
        for (start, _) in code.match_indices(root) {
            let before = code[..start].chars().last();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '$') {
                continue;
            }
            let mut from = if up { source.module() } else { Vec::new() };
            let mut rest = &code[start..];
            while let Some(after) = rest.strip_prefix("super::") {
                from.pop();
                rest = after;
            }
            expand(rest.strip_prefix("crate::").unwrap_or(rest), &from, &mut found);
        }
    }
    found
}

/// `a::{b, c::d}` into `a::b` and `a::c::d`; returns what comes after it.
fn expand<'a>(text: &'a str, from: &[String], found: &mut BTreeSet<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            match rest.chars().next() {
                Some('}') => return &rest[1..],
                Some(c) if c == '{' || c.is_alphanumeric() || c == '_' || c == '*' => {
                    rest = expand(rest, from, found);
                }
                _ => return rest,
            }
        }
    }
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '*'));
    let (word, rest) = text.split_at(end.unwrap_or(text.len()));
    let mut path = from.to_vec();
    path.push(word.to_owned());
    match rest.strip_prefix("::") {
        Some(rest) => expand(rest, &path, found),
        None => {
            found.insert(path);
            let renamed = rest.trim_start().strip_prefix("as ");
            renamed.map_or(rest, |rest| {
                rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_')
            })
        }
    }
}

/// All of `src`.
pub fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut sources, mut open) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
                sources.push(Source { path: name, text: std::fs::read_to_string(&path).unwrap() });
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}
