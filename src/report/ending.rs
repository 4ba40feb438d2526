//! How a run ended: what exists, what failed and why, and what to do next.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::apply::next::Stop;
use crate::apply::{Outcome, Report};
use crate::blueprint::{At, Desired, Id};
use crate::cloud::{CREDENTIALS, Class, Fault};
use crate::jobs::run::{Failure, Force, JobOutcome, WhyFailed};
use crate::observe::Unknown;
use crate::plan::{Plan, Step};

use super::style::Style;
use super::text;

/// The command that goes on where a run ended early.
pub enum Next {
    /// The same again.
    Same(String),
    /// A saved plan is applied once: what it saw is no longer so.
    Plan(String),
}

/// As many of the resources that are done are named.
const NAMED_MAX: usize = 10;

/// What a look after an apply saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    AsWanted,
    /// What was written does not show, or somebody else has changed it since.
    NotYet,
    /// It could not be looked at.
    Nothing,
}

/// All of a plan was applied.
pub fn applied(plan: &Plan, seen: Seen) -> String {
    let changed = plan.changes().count();
    let seen = match seen {
        Seen::AsWanted => ", live is as the blueprint says",
        Seen::NotYet => "; looked at again, live is not yet as the blueprint says:",
        Seen::Nothing => "",
    };
    format!("Applied: {changed} changed{seen}")
}

/// Not all of a plan was applied.
pub fn unfinished(
    desired: &Desired,
    plan: &Plan,
    report: &Report,
    next: &Next,
    style: Style,
) -> String {
    let (mut out, mut done, mut failed, mut left) = (String::new(), Vec::new(), 0, 0);
    for step in plan.changes() {
        match report.outcomes.get(&step.id) {
            Some(Outcome::Done(_)) => done.push(step.id.as_str()),
            Some(Outcome::Failed(stop)) => {
                failed += 1;
                out.push_str(&wrong(desired, step, stop, style));
            }
            Some(Outcome::Skipped(cause)) => {
                let skipped = style.care("skipped");
                let _ = writeln!(out, "{skipped}: `{}`, because `{cause}` failed", step.id);
                left += 1;
            }
            Some(Outcome::Interrupted) | None => left += 1,
        }
    }
    let changed = done.len();
    if changed > 0 {
        let _ = writeln!(out, "{}: {}", style.good("done"), named(&done));
    }
    let (stopped, failed) = match (report.interrupted(), failed) {
        (true, 0) => ("Stopped: ", String::new()),
        (true, failed) => ("Stopped: ", format!(", {failed} failed")),
        (false, failed) => ("", format!(", {failed} failed")),
    };
    let (how, command) = onward(next, report.interrupted());
    let _ = writeln!(out, "{stopped}{changed} changed{failed}, {left} not reached; {how}");
    let _ = writeln!(out, "  next: {command}");
    out
}

/// All of a plan was applied, and nothing was looked at or run afterwards.
pub fn stopped_after(plan: &Plan, next: &Next) -> String {
    let (how, command) = onward(next, true);
    format!("Stopped: {} changed, 0 not reached; {how}\n  next: {command}", plan.changes().count())
}

/// Jobs were left where they run. Who forces a job runs it again once it has ended.
pub fn left(force: Force, next: &Next) -> String {
    let (who, command) = match next {
        Next::Same(command) => ("the same command", command),
        Next::Plan(command) => ("an apply of a new plan", command),
    };
    let meanwhile = if force == Force::Yes { "while it does, " } else { "" };
    let stopped = "Stopped: a job that was submitted goes on where it runs";
    format!("{stopped}; {meanwhile}{who} finds it again\n  next: {command}")
}

fn onward(next: &Next, interrupted: bool) -> (&'static str, &str) {
    match (next, interrupted) {
        (Next::Same(command), true) => ("the same command goes on from here", command),
        (Next::Same(command), false) => ("mend the cause and run the same command again", command),
        (Next::Plan(command), true) => ("a new plan goes on from here", command),
        (Next::Plan(command), false) => ("mend the cause and make a new plan", command),
    }
}

/// A resource that failed, why, where the blueprint says so, and what to do.
fn wrong(desired: &Desired, step: &Step, stop: &Stop, style: Style) -> String {
    let (what, why) = (format!("{} {}", step.kind, step.identity), stopped(stop));
    let mut out = format!("{}: `{}` ({what}): {why}\n", style.bad("failed"), step.id);
    if let Some(at) = place(desired, step, stop) {
        let _ = writeln!(out, "  --> {}:{}:{}", desired.file.display(), at.line, at.column);
    }
    if let Some(hint) = hint(stop) {
        let _ = writeln!(out, "  hint: {hint}");
    }
    out
}

fn named(ids: &[&str]) -> String {
    let shown: Vec<_> = ids.iter().take(NAMED_MAX).map(|id| format!("`{id}`")).collect();
    match ids.len().saturating_sub(NAMED_MAX) {
        0 => shown.join(", "),
        more => format!("{}, and {more} more", shown.join(", ")),
    }
}

/// Where the blueprint says what went wrong: the field that is meant, or the resource.
fn place(desired: &Desired, step: &Step, stop: &Stop) -> Option<At> {
    let fields = &desired.nodes.get(&step.id)?.fields;
    let meant = match stop {
        Stop::Stuck(paths) => paths.first().cloned(),
        Stop::Refused(fault) => quoted(step, &fault.message),
        _ => None,
    };
    let mut path = meant.as_deref();
    while let Some(field) = path {
        if let Some(at) = fields.get(field) {
            return Some(*at);
        }
        path = field.rsplit_once('.').map(|(outer, _)| outer);
    }
    step.at
}

/// The field whose value AWS quotes; the longest, where it quotes several. The resource's own name
/// is in most messages and means nothing.
fn quoted(step: &Step, message: &str) -> Option<String> {
    const TELLING: usize = 4;
    let values = text::written(&step.spec).into_iter().filter_map(|(path, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let telling = value.len() >= TELLING && value != step.identity.as_str();
        (telling && !path.starts_with("tags.") && message.contains(&value)).then_some((value, path))
    });
    values.max_by_key(|(value, _)| value.len()).map(|(_, path)| path)
}

pub fn destroyed(
    desired: &Desired,
    plan: &Plan,
    report: &Report,
    next: &Next,
    style: Style,
) -> String {
    if report.succeeded() {
        let gone = super::count(plan.changes().count() as u64, "resource");
        return format!("Destroyed: {gone} gone");
    }
    unfinished(desired, plan, report, next, style)
}

pub fn stopped(stop: &Stop) -> String {
    match stop {
        Stop::Refused(fault) => fault.to_string(),
        Stop::Failed(why) => format!("AWS gave up on it: {why}"),
        Stop::Stale(why) => format!("live moved since the plan: {why}"),
        Stop::Stuck(paths) => {
            format!("AWS took the change and does not show it: {}", paths.join(", "))
        }
        Stop::NotOurs(Some(owner)) => format!("it belongs to `{owner}`"),
        Stop::NotOurs(None) => "it carries no owner tag of ours".into(),
        Stop::Unresolved(why) => why.clone(),
        Stop::TimedOut(why) => format!("it took too long: {why}"),
    }
}

fn hint(stop: &Stop) -> Option<String> {
    let hint = match stop {
        Stop::Refused(fault) => return advice(fault),
        Stop::Stale(_) => "plan again",
        Stop::NotOurs(_) => "take it over with --adopt, or use another name",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// What to do about a fault.
pub fn advice(fault: &Fault) -> Option<String> {
    let advice = match fault.class {
        _ if fault.operation == CREDENTIALS => {
            "set credentials as for the AWS CLI, or name a profile with --profile"
        }
        Class::Denied if among(fault, &EXPIRED) => {
            "the credentials in use have expired; get new ones, and give the same command again"
        }
        Class::Denied if among(fault, &UNKNOWN) => {
            "AWS does not know the credentials in use; check --profile and the environment"
        }
        Class::Denied => {
            return Some(format!("the credentials in use need permission for {}", fault.operation));
        }
        Class::Throttled => {
            "AWS takes no more calls for now; give the same command again later, or with a lower \
             --parallelism"
        }
        Class::Broken => "AWS fails at this for now; give the same command again later",
        Class::NotYet | Class::Conflict => {
            "it did not pass within the time that it may take; give the same command again later"
        }
        Class::NotEmpty => "it holds data; --delete-data lets it go, and what it holds with it",
        Class::Lost => "AWS could not be reached; check the network and --endpoint-url",
        Class::Unheard => "give the same command again: it looks first for what this one made",
        Class::Invalid => return None,
    };
    Some(advice.to_owned())
}

/// Sessions end, as those of single sign-on and of CI do.
const EXPIRED: [&str; 3] = ["ExpiredToken", "ExpiredTokenException", "RequestExpired"];
const UNKNOWN: [&str; 6] = [
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
    "InvalidAccessKeyId",
    "InvalidSignatureException",
    "AuthFailure",
];

fn among(fault: &Fault, codes: &[&str]) -> bool {
    fault.code.as_deref().is_some_and(|code| codes.contains(&code))
}

pub fn ran(outcomes: &BTreeMap<Id, JobOutcome>, style: Style) -> String {
    let mut out = String::new();
    for (id, outcome) in outcomes {
        let _ = match outcome {
            JobOutcome::Succeeded(success) => writeln!(
                out,
                "{}: job `{id}` in {} s (step {} on {})",
                style.good("succeeded"),
                success.seconds,
                success.step,
                success.cluster
            ),
            JobOutcome::Failed(failure) => writeln!(out, "{}", failed(id, failure, style)),
            JobOutcome::Skipped(cause) => {
                writeln!(out, "{}: job `{id}`, because `{cause}` failed", style.care("skipped"))
            }
        };
    }
    out
}

pub fn failed(id: &Id, failure: &Failure, style: Style) -> String {
    let mut said = format!("{}: job `{id}`: {}", style.bad("failed"), why(failure));
    if let Some(log) = &failure.log {
        let _ = write!(said, "\n  log: {log}");
    }
    if let WhyFailed::Refused(fault) = &failure.why {
        if let Some(step) = &failure.step {
            let _ = write!(said, "\n  step {step} goes on, and is found again while it does");
        }
        if let Some(advice) = advice(fault) {
            let _ = write!(said, "\n  hint: {advice}");
        }
    }
    said
}

/// Why a job failed, on a line.
pub fn why(failure: &Failure) -> String {
    match &failure.why {
        WhyFailed::Job(why) | WhyFailed::Cluster(why) | WhyFailed::Input(why) => why.clone(),
        WhyFailed::TimedOut(limit) => {
            format!("it ran longer than its timeout of {limit} and was cancelled")
        }
        WhyFailed::Refused(fault) => fault.to_string(),
    }
}

pub fn unknown(desired: &Desired, unknown: &[Unknown], style: Style) -> String {
    let mut out = String::new();
    for Unknown { ids, fault } in unknown {
        let what = match ids.first() {
            Some(id) => format!("`{id}` cannot be looked up"),
            None => "the search for what is ours failed".into(),
        };
        let _ = writeln!(out, "{}: {what}: {fault}", style.bad("error"));
        let node = ids.first().and_then(|id| desired.nodes.get(id));
        if let Some(node) = node {
            let (line, column) = (node.at.line, node.at.column);
            let _ = writeln!(out, "  --> {}:{line}:{column}", desired.file.display());
        }
        if let Some(hint) = hint(&Stop::Refused(fault.clone())) {
            let _ = writeln!(out, "  hint: {hint}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Name;
    use crate::plan::Action;
    use serde_json::json;

    #[test]
    fn the_field_that_aws_quotes_is_the_one_that_is_meant() {
        let step = Step {
            id: Id::new("spark"),
            kind: "emr-cluster".into(),
            identity: Name::new("shop-spark"),
            action: Action::Create(None),
            needs: Default::default(),
            spec: json!({"name": "shop-spark", "release": "emr-9.9.9", "core": {"type": "m5.large"},
                "tags": {"release": "emr-9.9.9-candidate"}}),
            ignore: Vec::new(),
            on_demand: false,
            stray: false,
            loses_data: false,
            at: None,
        };
        for (message, field) in [
            ("The supplied release label is invalid: emr-9.9.9.", Some("release")),
            ("shop-spark: m5.large is not available", Some("core.type")),
            ("cluster shop-spark: too many", None),
        ] {
            assert_eq!(quoted(&step, message).as_deref(), field, "{message}");
        }
    }
}
