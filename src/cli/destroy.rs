//! `pipeline destroy`: plan the deletion, confirm, delete in reverse order.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, stderr};

use crate::apply::{Run, apply};
use crate::blueprint::Id;
use crate::cloud::{Cloud, Contents, Objects, Runner};
use crate::plan::destroy::destroy;
use crate::plan::{Action, Choice, Plan, Snapshot};
use crate::report::live::Progress;
use crate::report::style::Style;
use crate::report::{Proposal, count, ending, say, text};

use super::account::Session;
use super::apply::confirm;
use super::args::{Args, Destroy};
use super::outcome::{Error, Exit};
use super::signals::Signals;

pub async fn run(command: &Destroy, args: &Args) -> Result<Exit, Error> {
    let session = Session::open(&command.source, &command.account).await?;
    let style = args.style();
    let snapshot = session.observe(style).await?;
    let targets: BTreeSet<Id> = command.targets.iter().map(Id::new).collect();
    if let Some(id) = targets.iter().find(|id| !session.desired.nodes.contains_key(id)) {
        return Err(Error::Other(format!("the blueprint has no resource `{id}`")));
    }
    let choice = Choice { targets, delete_data: command.delete_data, ..Choice::default() };
    let plan = destroy(&session.desired, &snapshot, &choice);
    let place = &session.aws.place;
    let proposal =
        Proposal { desired: &session.desired, place, plan: &plan, jobs: &BTreeMap::new() };
    say(&text::plan(&proposal, style, args.detail()));
    if !plan.refusals.is_empty() {
        return Ok(Exit::Failed);
    }
    if plan.is_noop() {
        return Ok(Exit::Done);
    }
    busy(&session, &plan, &snapshot, command.cancel_jobs).await?;
    lost(&session, &plan, style).await?;
    confirm("Delete this, for good,", &session, &command.doing.consent)?;
    let progress = Progress::new(stderr().is_terminal(), style);
    let run = Run {
        cloud: &session.aws,
        place,
        reporter: &progress,
        parallel: command.doing.parallelism,
        delete_data: command.delete_data,
    };
    let signals = Signals::new();
    let report = apply(&run, &plan, &snapshot, signals.stop()).await;
    drop(progress);
    say(&ending::destroyed(&session.desired, &plan, &report, style));
    Ok(match signals.got() {
        Some(exit) => exit,
        None if report.succeeded() => Exit::Done,
        None => Exit::Failed,
    })
}

/// Clusters that work are not ended without the user's word.
async fn busy(
    session: &Session,
    plan: &Plan,
    snapshot: &Snapshot,
    cancel: bool,
) -> Result<(), Error> {
    let mut busy = Vec::new();
    for step in plan.steps.iter().filter(|step| step.action == Action::Delete) {
        let live = snapshot.found.get(&step.id).and_then(Option::as_ref);
        let Some(cluster) = live.and_then(|live| live.outputs.get("cluster_id")) else { continue };
        let steps = session.aws.active(cluster).await?;
        busy.extend(steps.iter().map(|name| format!("  {name} on {cluster}")));
    }
    if busy.is_empty() || cancel {
        return Ok(());
    }
    let steps = busy.join("\n");
    Err(Error::Other(format!("steps are waiting or running; --cancel-jobs ends them\n{steps}")))
}

/// Counts what is about to be lost.
async fn lost(session: &Session, plan: &Plan, style: Style) -> Result<(), Error> {
    for step in plan.steps.iter().filter(|step| step.loses_data) {
        let Some(contents) = session.aws.contents(&step.kind, &step.identity).await? else {
            continue;
        };
        let held = held(contents);
        say(&format!("{} {}: {held}", style.bad("lost:"), step.identity));
    }
    Ok(())
}

fn held(contents: Contents) -> String {
    match contents {
        Contents::Objects(Objects { objects, versions, bytes }) => {
            let (objects, versions) = (count(objects, "object"), count(versions, "version"));
            format!("{objects}, {versions}, {:.3} GB", bytes as f64 / 1e9)
        }
        Contents::Messages(messages) => format!("about {}", count(messages, "message")),
    }
}
