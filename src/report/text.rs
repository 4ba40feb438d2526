//! A plan for people: only what changes, field by field.

use std::fmt::Write;

use serde_json::Value;

use crate::blueprint::Protect;
use crate::plan::diff::{Change, Diff, Effect};
use crate::plan::{Action, Reason, Refusal, Step};

use super::style::Style;
use super::{Counts, Proposal, count, sign};

/// How much to tell of what is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    Short,
    EveryField,
}

pub fn plan(proposal: &Proposal<'_>, style: Style, detail: Detail) -> String {
    let mut out = format!("{}\n\n", style.name(&proposal.title()));
    let width = proposal.plan.changes().map(|step| step.id.as_str().len()).max().unwrap_or(0);
    let (strays, steps): (Vec<_>, Vec<_>) = proposal.plan.changes().partition(|step| step.stray);
    for step in steps {
        out += &one(step, width, style, detail);
    }
    if !strays.is_empty() {
        let gap = if strays.len() < proposal.plan.changes().count() { "\n" } else { "" };
        out += gap;
        out += "Ours by their tag, and no longer in the blueprint:\n";
        for step in strays {
            out += &one(step, width, style, detail);
        }
    }
    out += &notes(proposal, style);
    for refusal in &proposal.plan.refusals {
        let _ = writeln!(out, "\n{}: {}", style.bad("refused"), refused(refusal));
    }
    if !out.ends_with("\n\n") {
        out.push('\n');
    }
    let _ = match proposal.plan.refusals.len() as u64 {
        0 => writeln!(out, "{}", summary(proposal.counts())),
        refusals => writeln!(out, "Nothing is changed: {}", count(refusals, "refusal")),
    };
    out
}

fn one(step: &Step, width: usize, style: Style, detail: Detail) -> String {
    let (glyph, word) = sign(&step.action);
    let id = style.name(&format!("{:width$}", step.id.as_str()));
    let mut out =
        format!("  {} {id}  {word} {} {}\n", style.glyph(glyph), step.kind, step.identity);
    match &step.action {
        Action::Update(diff) => out += &fields(diff, style),
        Action::Replace(Reason::Fields(diff)) => {
            out += &fields(diff, style);
            let fixed = diff.0.iter().filter(|c| c.effect == Effect::Replace);
            let fixed: Vec<_> = fixed.map(|change| format!("`{}`", change.path)).collect();
            let _ = writeln!(out, "      AWS cannot change {} in place", fixed.join(", "));
        }
        Action::Replace(Reason::Failed(why)) => {
            let _ = writeln!(out, "      it failed: {why}");
        }
        Action::Create(Some(how)) => {
            let _ = writeln!(out, "      AWS remembers the last one: {how}");
        }
        _ => {}
    }
    if matches!(step.action, Action::Create(_)) && detail == Detail::EveryField {
        for (path, value) in written(&step.spec) {
            let _ = writeln!(out, "      {path}: {}", show(&value));
        }
    }
    if step.loses_data {
        let _ = writeln!(out, "      {}", style.bad("what it holds is lost"));
    }
    out
}

fn fields(diff: &Diff, style: Style) -> String {
    let line = |change: &Change| {
        let (before, after) = values(change);
        format!("      {}: {} -> {}\n", change.path, style.bad(&before), style.good(&after))
    };
    diff.0.iter().map(line).collect()
}

/// A change's two values as they are shown.
pub fn values(change: &Change) -> (String, String) {
    if change.secret {
        return ("(secret)".into(), "(secret)".into());
    }
    (show(&change.before), show(&change.after))
}

fn show(value: &Value) -> String {
    match value {
        Value::Null => "(none)".into(),
        Value::String(text) if !text.is_empty() && !text.contains('\n') => text.clone(),
        other => other.to_string(),
    }
}

/// The fields of a spec that say something.
pub fn written(spec: &Value) -> Vec<(String, Value)> {
    let mut out = Vec::new();
    collect(spec, String::new(), &mut out);
    out
}

fn collect(value: &Value, path: String, out: &mut Vec<(String, Value)>) {
    match value {
        Value::Null => {}
        Value::Array(items) if items.is_empty() => {}
        Value::Object(map) => {
            for (key, item) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                collect(item, path, out);
            }
        }
        other => out.push((path, other.clone())),
    }
}

fn notes(proposal: &Proposal<'_>, style: Style) -> String {
    let mut out = String::new();
    for step in &proposal.plan.steps {
        if let Action::Dormant(waits) = &step.action
            && !step.on_demand
        {
            let waits = waits.as_deref().unwrap_or("dormant");
            let _ = writeln!(out, "    {}  {waits}", style.name(step.id.as_str()));
        } else if let Action::Dormant(last) = &step.action {
            let last =
                last.as_ref().map_or_else(String::new, |last| format!(" (the last one: {last})"));
            let _ = writeln!(
                out,
                "    {}  dormant; starts when a job runs{last}",
                style.name(step.id.as_str())
            );
        }
    }
    for id in &proposal.plan.kept {
        let why = match proposal.desired.nodes.contains_key(id) {
            true => "left alone: it is not ours",
            false => {
                "kept: it is no longer in the blueprint, but holds data; --delete-data deletes it"
            }
        };
        let _ = writeln!(out, "    {}  {why}", style.name(id.as_str()));
    }
    for (id, why) in proposal.due() {
        let _ = writeln!(out, "  {} {}  run: {why}", style.care("›"), style.name(id.as_str()));
    }
    out
}

pub fn summary(counts: Counts) -> String {
    let Counts { create, update, replace, delete, unchanged, jobs } = counts;
    if create + update + replace + delete + jobs == 0 {
        return format!(
            "Nothing to do: {} as the blueprint says",
            count(unchanged as u64, "resource")
        );
    }
    let mut parts = Vec::new();
    for (number, word) in
        [(create, "create"), (update, "update"), (replace, "replace"), (delete, "delete")]
    {
        if number > 0 {
            parts.push(format!("{number} to {word}"));
        }
    }
    if jobs > 0 {
        parts.push(format!("{} to run", count(jobs as u64, "job")));
    }
    format!("Plan: {}; {unchanged} unchanged", parts.join(", "))
}

pub fn refused(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NotOurs { id, kind, identity, owner } => {
            let whose = match owner {
                Some(owner) => format!("belongs to `{owner}`"),
                None => "carries no owner tag of ours".into(),
            };
            format!(
                "`{id}`: the {kind} `{identity}` exists and {whose}\n  \
                 hint: take it over with --adopt {id}, or use another name"
            )
        }
        Refusal::Protected { id, kind, identity, protect, verb } => {
            let hint = match protect {
                Protect::Written => "the blueprint says `protect: true`; nothing overrides it",
                _ => "it holds data; --delete-data lets it go, and what it holds with it",
            };
            format!(
                "`{id}`: the {kind} `{identity}` would be {verb}, and it is protected\n  \
                 hint: {hint}"
            )
        }
        Refusal::AdoptReplaces { id, kind, identity } => format!(
            "`{id}`: the {kind} `{identity}` is not ours and would have to be replaced\n  \
             hint: make it as the blueprint says by hand, or use another name"
        ),
        Refusal::Malformed { id, why } => format!("`{id}`: with its references filled in, {why}"),
    }
}
