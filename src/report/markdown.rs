//! A plan for a pull request: summary first, details folded, short enough for a comment.

use std::fmt::Write;

use crate::plan::{Action, Reason, Step};

use super::text::{refused, summary, values, written};
use super::{Proposal, sign};

/// A comment on a pull request takes 65,536 characters.
const LIMIT: usize = 64_000;
/// What the table of changes may take of it; the details have the rest.
const TABLE: usize = 40_000;

pub fn plan(proposal: &Proposal<'_>) -> String {
    let mut out = format!("### {}\n\n**{}**\n", proposal.title(), summary(proposal.counts()));
    for refusal in &proposal.plan.refusals {
        let _ = writeln!(out, "\n> **refused** {}", refused(refusal).replace('\n', "\n> "));
    }
    let mut steps = proposal.plan.changes().peekable();
    if steps.peek().is_some() {
        out += "\n| | id | kind | name |\n|---|---|---|---|\n";
    }
    let mut left = proposal.plan.changes().count();
    for step in steps {
        if out.len() > TABLE {
            let _ = writeln!(out, "| … | | and {left} more | |");
            break;
        }
        left -= 1;
        let (glyph, word) = sign(&step.action);
        let lost = if step.loses_data { " **loses data**" } else { "" };
        let _ = writeln!(
            out,
            "| {glyph} {word}{lost} | `{}` | {} | `{}` |",
            step.id, step.kind, step.identity
        );
    }
    for (id, why) in proposal.due() {
        let _ = writeln!(out, "\nJob `{id}` runs: {why}");
    }
    for step in proposal.plan.changes() {
        let details = details(step);
        if out.len() + details.len() > LIMIT {
            out += "\nThe rest is too long for a comment: run `pipeline plan` to see it.\n";
            break;
        }
        out += &details;
    }
    out
}

fn details(step: &Step) -> String {
    let rows: String = match &step.action {
        Action::Update(diff) | Action::Replace(Reason::Fields(diff)) => diff
            .0
            .iter()
            .map(|change| {
                let (before, after) = values(change);
                format!("- {}: {before}\n+ {}: {after}\n", change.path, change.path)
            })
            .collect(),
        Action::Create(_) => {
            written(&step.spec).iter().map(|(path, value)| format!("+ {path}: {value}\n")).collect()
        }
        _ => return String::new(),
    };
    format!(
        "\n<details><summary><code>{}</code></summary>\n\n```diff\n{rows}```\n\n</details>\n",
        step.id
    )
}
