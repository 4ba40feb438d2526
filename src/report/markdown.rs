//! A plan for a pull request: summary first, details folded, short enough for a comment.

use crate::plan::{Action, Reason, Step};

use super::text::{differences, refused, shown, summary};
use super::{Proposal, sign};

/// A comment on a pull request takes 65,536 characters.
const LIMIT: usize = 65_000;

/// What is left out takes this much to say.
const REST: &str = "\nThe rest is too long for a comment: run `pipeline plan` to see it.\n";

pub fn plan(proposal: &Proposal<'_>) -> String {
    let mut out = String::new();
    for part in parts(proposal) {
        if out.len() + part.len() + REST.len() > LIMIT {
            out += REST;
            break;
        }
        out += &part;
    }
    out
}

/// The plan from what matters most to what matters least; each part can be the last.
fn parts<'a>(proposal: &'a Proposal<'_>) -> impl Iterator<Item = String> + 'a {
    let title = format!("### {}\n\n**{}**\n", proposal.title(), summary(proposal.counts()));
    let refusals = proposal.plan.refusals.iter();
    let refusals =
        refusals.map(|r| format!("\n> **refused** {}\n", refused(r).replace('\n', "\n> ")));
    let jobs = proposal.due().map(|(id, why)| format!("\nJob `{id}` runs: {why}\n"));
    let head = proposal.plan.changes().take(1);
    let head = head.map(|_| "\n| | id | kind | name |\n|---|---|---|---|\n".to_owned());
    std::iter::once(title)
        .chain(refusals)
        .chain(jobs)
        .chain(head)
        .chain(proposal.plan.changes().map(|step| row(proposal, step)))
        .chain(proposal.plan.changes().map(|step| details(proposal, step)))
}

fn row(proposal: &Proposal<'_>, step: &Step) -> String {
    let (glyph, word) = sign(&step.action);
    let lost = if step.loses_data { " **loses data**" } else { "" };
    let (id, kind, name) = (&step.id, &step.kind, &step.identity);
    let twin = proposal.plan.twins.get(id).map_or_else(String::new, |why| format!(": {why}"));
    format!("| {glyph} {word}{lost} | `{id}` | {kind} | `{name}`{twin} |\n")
}

fn details(proposal: &Proposal<'_>, step: &Step) -> String {
    let rows: String = match &step.action {
        Action::Update(diff) | Action::Replace(Reason::Fields(diff)) => diff
            .0
            .iter()
            .flat_map(differences)
            .map(|(path, before, after)| format!("- {path}: {before}\n+ {path}: {after}\n"))
            .collect(),
        Action::Create(_) => shown(proposal, step)
            .iter()
            .map(|(path, value)| format!("+ {path}: {value}\n"))
            .collect(),
        _ => return String::new(),
    };
    format!(
        "\n<details><summary><code>{}</code></summary>\n\n```diff\n{rows}```\n\n</details>\n",
        step.id
    )
}
