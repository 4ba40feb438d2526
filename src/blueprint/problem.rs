//! What is wrong with a blueprint, where, and what would mend it.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::kind::Severity;

use super::At;
use super::nearest::suggest;
use super::tree::Spot;

/// One thing wrong with a blueprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub file: PathBuf,
    pub at: At,
    /// The line of the file that `at` points into, or the part of a long line around it.
    pub snippet: String,
    /// How many columns of the snippet stand before what is meant.
    pub indent: u32,
    /// How many columns of the snippet are meant.
    pub width: u32,
    pub what: String,
    pub hint: Option<String>,
    pub severity: Severity,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let At { line, column } = self.at;
        let gutter = line.to_string();
        let pad = " ".repeat(gutter.len());
        writeln!(f, "{word}: {}", self.what)?;
        writeln!(f, "{pad}--> {}:{line}:{column}", self.file.display())?;
        writeln!(f, "{pad} |")?;
        writeln!(f, "{gutter} | {}", self.snippet)?;
        let indent = " ".repeat(self.indent as usize);
        writeln!(f, "{pad} | {indent}{}", "^".repeat(self.width.max(1) as usize))?;
        if let Some(hint) = &self.hint {
            writeln!(f, "{pad} = hint: {hint}")?;
        }
        Ok(())
    }
}

/// A problem that does not show its line yet.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub spot: Spot,
    pub what: String,
    pub hint: Option<String>,
    pub severity: Severity,
}

impl Finding {
    pub fn error(spot: Spot, what: impl Into<String>) -> Self {
        Self { spot, what: what.into(), hint: None, severity: Severity::Error }
    }

    pub fn warning(spot: Spot, what: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(spot, what) }
    }

    pub fn hint(self, hint: impl Into<String>) -> Self {
        self.maybe(Some(hint.into()))
    }

    pub fn maybe(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }
}

/// More than anybody reads of one file.
const FOUND_MAX: usize = 1_000;

/// Everything found in one file, so far.
pub(super) struct Problems<'a> {
    file: &'a Path,
    text: &'a str,
    found: Vec<Finding>,
    errors: usize,
}

impl<'a> Problems<'a> {
    pub fn new(file: &'a Path, text: &'a str) -> Self {
        Self { file, text, found: Vec::new(), errors: 0 }
    }

    pub fn add(&mut self, finding: Finding) {
        self.errors += usize::from(finding.severity == Severity::Error);
        if !self.is_full() {
            self.found.push(finding);
        }
    }

    fn is_full(&self) -> bool {
        self.found.len() >= FOUND_MAX
    }

    /// `nearest::suggest`, as long as somebody will read it.
    pub fn suggest<'k>(
        &self,
        word: &str,
        known: impl IntoIterator<Item = &'k str>,
        plural: &str,
    ) -> Option<String> {
        const KNOWN_MAX: usize = 2_000;
        if self.is_full() { None } else { suggest(word, known.into_iter().take(KNOWN_MAX), plural) }
    }

    /// How many errors there are: compared before and after, it tells whether a part is sound.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// The text of the file that stands at `spot`.
    pub fn source(&self, spot: Spot) -> &'a str {
        self.text.get(spot.range()).unwrap_or_default()
    }

    /// The place of the first `${..}` within what stands at `spot`, or `spot` itself.
    pub fn first_reference(&self, spot: Spot) -> Spot {
        let source = self.source(spot);
        let Some(begin) = source.find("${") else { return spot };
        let end = source[begin..].find('}').map_or(source.len(), |end| begin + end + 1);
        self.within(spot, &source[begin..end])
    }

    /// The place of `needle` within what stands at `spot`, or `spot` itself.
    pub fn within(&self, spot: Spot, needle: &str) -> Spot {
        let source = if self.is_full() { "" } else { self.source(spot) };
        let Some(before) = source.find(needle).map(|index| &source[..index]) else { return spot };
        let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let from = spot.from + small(before.len());
        let to = from + small(needle.len());
        match before.rsplit_once('\n') {
            None => Spot { column: spot.column + small(before.chars().count()), from, to, ..spot },
            Some((above, last)) => Spot {
                line: spot.line + 1 + small(above.matches('\n').count()),
                column: 1 + small(last.chars().count()),
                from,
                to,
            },
        }
    }

    /// All of them in the order of the file, each once.
    pub fn finish(self) -> Vec<Problem> {
        let full = self.is_full();
        let Self { file, text, mut found, errors } = self;
        found.sort_by_key(|a| (a.spot, a.severity));
        let mut seen = BTreeSet::new();
        found.retain(|finding| seen.insert((finding.spot, finding.what.clone())));
        if let Some(last) = found.last().map(|last| last.spot).filter(|_| full) {
            let what = format!("{errors} problems were found, and {} are shown", found.len());
            found.push(Finding::error(last, what).hint("mend these and look again"));
        }
        let lines: Vec<&str> = text.split('\n').collect();
        found.into_iter().map(|finding| show(file, &lines, text, finding)).collect()
    }
}

/// Bytes of a line that are shown; a longer one is cut around what is meant.
const SHOWN_MAX: usize = 120;
/// Bytes that stay before what is meant when a line is cut.
const LEAD: usize = 40;

fn show(file: &Path, lines: &[&str], text: &str, finding: Finding) -> Problem {
    let Finding { spot, what, hint, severity } = finding;
    let line = lines.get(spot.line as usize - 1).copied().unwrap_or_default();
    let from = (line.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    let before = (spot.from as usize).saturating_sub(from).min(line.len());
    let cut = if line.len() > SHOWN_MAX { before.saturating_sub(LEAD) } else { 0 };
    let cut = line.floor_char_boundary(cut);
    let window = &line[cut..line.floor_char_boundary(cut + SHOWN_MAX)];
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let (dots_before, dots_after) = (cut > 0, cut + window.len() < line.trim_end().len());
    let dots = |shown: bool| if shown { "…" } else { "" };
    let shown: String = window.chars().map(plain).collect();
    let snippet = format!("{}{}{}", dots(dots_before), shown.trim_end(), dots(dots_after));
    let before = &window[..window.floor_char_boundary(before - cut)];
    let indent = columns(before) + u32::from(dots_before);
    let room = columns(&snippet).saturating_sub(indent);
    let meant = text.get(spot.range()).and_then(|source| source.lines().next()).unwrap_or_default();
    Problem {
        file: file.to_owned(),
        at: spot.at(),
        snippet,
        indent,
        width: columns(meant.trim_end()).min(room).max(1),
        what,
        hint,
        severity,
    }
}

/// How wide a terminal shows these characters.
fn columns(text: &str) -> u32 {
    text.chars()
        .map(|c| match u32::from(c) {
            0x0300..=0x036f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
            0x1100..=0x115f
            | 0x2e80..=0xa4cf
            | 0xac00..=0xd7a3
            | 0xf900..=0xfaff
            | 0xfe30..=0xfe6f
            | 0xff00..=0xff60
            | 0xffe0..=0xffe6
            | 0x1f300..=0x1faff
            | 0x20000..=0x3fffd => 2,
            _ => 1,
        })
        .sum()
}
