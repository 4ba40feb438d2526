//! What is wrong with a blueprint, where, and what would mend it.

use std::fmt;
use std::path::PathBuf;

use crate::kind::Severity;

use super::At;

/// One thing wrong with a blueprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub file: PathBuf,
    pub at: At,
    /// The line of the file that `at` points into.
    pub snippet: String,
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
        let indent = " ".repeat(column.saturating_sub(1) as usize);
        writeln!(f, "{pad} | {indent}{}", "^".repeat(self.width.max(1) as usize))?;
        if let Some(hint) = &self.hint {
            writeln!(f, "{pad} = hint: {hint}")?;
        }
        Ok(())
    }
}
