//! A plan for people: only what changes, field by field.

use std::fmt::Write;

use serde_json::Value;

use crate::blueprint::Protect;
use crate::kind::Mark;
use crate::plan::diff::{Change, Diff, Effect};
use crate::plan::{Action, Reason, Refusal, Step};

use super::part::parts;
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
    let twin = |step: &&Step| proposal.plan.twins.contains_key(&step.id);
    let (twins, strays): (Vec<_>, Vec<_>) = strays.into_iter().partition(twin);
    let mut gap = "";
    for (title, steps) in [
        ("", steps),
        ("Ours by their tag, and there twice:\n", twins),
        ("Ours by their tag, and no longer in the blueprint:\n", strays),
    ] {
        if !steps.is_empty() {
            let _ = write!(out, "{gap}{title}");
            gap = "\n";
        }
        for step in steps {
            out += &one(proposal, step, width, style, detail);
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

fn one(proposal: &Proposal<'_>, step: &Step, width: usize, style: Style, detail: Detail) -> String {
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
        for (path, value) in shown(proposal, step) {
            let _ = writeln!(out, "      {path}: {}", show(&value));
        }
    }
    if let Some(why) = proposal.plan.twins.get(&step.id) {
        let _ = writeln!(out, "      {why}");
    }
    if step.loses_data {
        let _ = writeln!(out, "      {}", style.bad("what it holds is lost"));
    }
    out
}

fn fields(diff: &Diff, style: Style) -> String {
    let line = |(path, before, after): (String, String, String)| {
        format!("      {path}: {} -> {}\n", style.bad(&before), style.good(&after))
    };
    diff.0.iter().flat_map(differences).map(line).collect()
}

/// Where a change's two values differ, and how they are shown there.
pub fn differences(change: &Change) -> Vec<(String, String, String)> {
    if change.secret {
        return vec![(change.path.clone(), SECRET.into(), SECRET.into())];
    }
    let parts = parts(&change.path, &change.before, &change.after);
    parts.into_iter().map(|(path, before, after)| (path, show(before), show(after))).collect()
}

/// Stands for a value that is never shown.
const SECRET: &str = "(secret)";

/// A change's two values as they are shown whole.
pub fn values(change: &Change) -> (String, String) {
    if change.secret {
        return (SECRET.into(), SECRET.into());
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

/// The fields of what is created, as they are shown.
pub fn shown(proposal: &Proposal<'_>, step: &Step) -> Vec<(String, Value)> {
    let mut out = written(&step.spec);
    let rules = proposal.desired.nodes.get(&step.id).map_or(&[][..], |node| node.kind.rules());
    let secret = |path: &str| rules.iter().any(|r| r.mark == Mark::Secret && r.concerns(path));
    for (_, value) in out.iter_mut().filter(|(path, _)| secret(path)) {
        *value = SECRET.into();
    }
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
        let why = match (proposal.plan.twins.get(id), proposal.desired.nodes.contains_key(id)) {
            (Some(why), _) => format!("kept: {why}; --delete-data deletes it"),
            (None, true) => "left alone: it is not ours".into(),
            (None, false) => {
                "kept: it is no longer in the blueprint, but holds data; --delete-data deletes it"
                    .into()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blueprint::load::{Choice, load};
    use crate::kind::{Kind, Place};
    use crate::plan::{Choice as Wish, Snapshot, plan as plan_of};
    use crate::report::markdown;
    use std::collections::BTreeMap;
    use std::path::Path;

    const BLUEPRINT: &str = "
name: shop
region: eu-west-1
resources:
  spark:
    kind: emr-cluster
    name: spark
    release: emr-7.5.0
    lifecycle: persistent
    service_role: emr
    instance_profile: nodes
    primary: {type: m5.xlarge}
    security_configuration: kerberised
    kerberos: {realm: EC2.INTERNAL, kdc_admin_password: hunter2}
";

    #[test]
    fn a_secret_is_not_shown_where_every_field_is() {
        let kinds = crate::resources::KINDS.iter().map(|driver| *driver as &dyn Kind);
        let kinds: Vec<_> = kinds.collect();
        let loaded = load(Path::new("a.yaml"), BLUEPRINT, &Choice::default(), &kinds);
        let desired = loaded.unwrap_or_else(|problems| panic!("{problems:?}")).desired;
        let place = Place {
            partition: "aws".into(),
            account: "123456789012".into(),
            region: "eu-west-1".into(),
            owner: desired.owner.clone(),
        };
        let (found, strays) = (BTreeMap::new(), Vec::new());
        let snapshot = Snapshot { place: place.clone(), found, strays };
        let made = plan_of(&desired, &snapshot, &Wish::default());
        let jobs = BTreeMap::new();
        let proposal = Proposal { desired: &desired, place: &place, plan: &made, jobs: &jobs };
        let shown = plan(&proposal, Style::Plain, Detail::EveryField);
        assert!(shown.contains("kerberos.kdc_admin_password: (secret)"), "{shown}");
        let comment = markdown::plan(&proposal);
        assert!(!(shown + &comment).contains("hunter2"), "{comment}");
    }
}
