//! `pipeline redrive`: messages of a dead-letter queue back to where they came from.

use std::collections::BTreeMap;
use std::io::{IsTerminal, stderr};
use std::pin::pin;

use futures_util::future::{Either, select};

use crate::blueprint::{Desired, Id};
use crate::cloud::{Cloud, Depth, Move, Queues};
use crate::kind::{Live, Name};
use crate::report::style::Style;
use crate::report::traffic::{MoveProgress, depth, message};
use crate::report::{count, say};
use crate::traffic::redrive::{Halt, Queue, Route, redrive, route, running};

use super::account::Session;
use super::apply::confirm;
use super::args::{Args, Redrive};
use super::input::Input;
use super::outcome::{Error, Exit, answer};
use super::standing::{named, standing};

const KIND: &str = "sqs-queue";

pub async fn run(command: &Redrive, args: &Args) -> Result<Exit, Error> {
    let (source, account) = (&command.source, &command.account);
    let input = Input::read(source, account.region.clone(), account.local)?;
    asked(&input.load(None)?.desired, command)?;
    let session = Session::of(input, account).await?;
    for id in asked(&session.desired, command)? {
        standing(&session, id, &session.desired.nodes[id]).await?;
    }
    let queues = queues(&session).await?;
    let route = route(&queues, &command.queue, command.to.as_deref());
    let route = route.map_err(|why| Error::Other(why.to_string()))?;
    let from = &queues[&route.from];

    let style = args.style();
    let under_way = running(&session.aws, &from.arn).await?.is_some();
    let held = session.aws.depth(&from.url).await?;
    say(&format!("{}: {}", style.name(&route.from), depth(held)));
    if let Some(number) = command.show.filter(|_| held.waiting > 0) {
        for shown in session.aws.peek(&from.url, number).await? {
            say(&message(&shown, style));
        }
    }
    if under_way {
        session.signals.begin();
        say("they are being moved already");
    } else if held.waiting == 0 {
        answer(&format!("Nothing to move in `{}`\n", route.from))?;
        return Ok(Exit::Done);
    } else {
        confirm(&question(&route, held), &session, &command.consent)?;
    }
    let to = route.to.as_ref().map(|to| queues[to].arn.as_str());
    carry_out(&session, &route, from, to, style).await
}

async fn carry_out(
    session: &Session,
    route: &Route,
    from: &Queue,
    to: Option<&str>,
    style: Style,
) -> Result<Exit, Error> {
    let progress = MoveProgress::new(&route.from, stderr().is_terminal(), style);
    let signals = &session.signals;
    signals.begin();
    let work = redrive(&session.aws, &from.arn, to, &progress);
    let ended = match select(pin!(work), pin!(signals.stop())).await {
        Either::Left((ended, _)) => ended,
        Either::Right(_) => {
            progress.end();
            say("SQS goes on moving; the same command finds it again");
            return Ok(signals.got().unwrap_or(Exit::Interrupted));
        }
    };
    progress.end();
    let left = depth(session.aws.depth(&from.url).await?);
    match ended {
        Ok(Move { moved, .. }) => {
            let moved = count(moved, "message");
            answer(&format!("Moved: {moved} {}; left there: {left}\n", way(route)))?;
            Ok(Exit::Done)
        }
        Err(Halt::Refused(fault)) => Err(fault.into()),
        Err(halt) => Err(Error::Other(format!("{halt}\n  left in `{}`: {left}", route.from))),
    }
}

/// The queues that the command line names.
fn asked<'a>(desired: &'a Desired, command: &Redrive) -> Result<Vec<&'a Id>, Error> {
    let ids = [Some(&command.queue), command.to.as_ref()];
    let found = ids.into_iter().flatten().map(|id| named(desired, id, KIND, "queue"));
    found.map(|found| found.map(|(id, _)| id)).collect()
}

/// All queues of the blueprint that are there and ours.
async fn queues(session: &Session) -> Result<BTreeMap<String, Queue>, Error> {
    let nodes = session.desired.nodes.iter().filter(|(_, node)| node.kind.name() == KIND);
    let (ids, identities): (Vec<&Id>, Vec<Name>) =
        nodes.map(|(id, node)| (id, node.identity.clone())).unzip();
    let mut queues = BTreeMap::new();
    for (id, look) in ids.into_iter().zip(session.aws.observe(KIND, &identities).await) {
        let live = look?.filter(|live| live.exists() && live.belongs_to(&session.desired.owner));
        if let Some(queue) = live.as_ref().and_then(queue) {
            queues.insert(id.to_string(), queue);
        }
    }
    Ok(queues)
}

fn queue(live: &Live) -> Option<Queue> {
    let output = |name: &str| live.outputs.get(name).cloned();
    let dead_letters = live.spec["redrive"]["queue"].as_str().map(str::to_owned);
    Some(Queue { url: output("url")?, arn: output("arn")?, dead_letters })
}

fn question(route: &Route, held: Depth) -> String {
    format!("Move {} {}", count(held.waiting, "message"), way(route))
}

fn way(Route { from, to, sources }: &Route) -> String {
    match to {
        Some(to) => format!("from `{from}` to `{to}`"),
        None => {
            let sources: Vec<_> = sources.iter().map(|id| format!("`{id}`")).collect();
            format!("from `{from}` to where each came from ({})", sources.join(", "))
        }
    }
}
