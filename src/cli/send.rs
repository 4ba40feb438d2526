//! `pipeline send`: a file of records into a stream.

use std::cell::RefCell;
use std::io::{IsTerminal, stderr};
use std::pin::pin;

use futures_util::future::{Either, select};

use crate::report::say;
use crate::report::traffic::SendProgress;
use crate::traffic::records::{Flaw, Reading, Source};
use crate::traffic::send::{Halt, Sending, Tally};

use super::account::Session;
use super::args::{Args, Send};
use super::input::Input;
use super::outcome::{Error, Exit, answer, file};
use super::standing::{named, standing};
use super::words::{again, given};

const KIND: &str = "kinesis-stream";

pub async fn run(command: &Send, args: &Args) -> Result<Exit, Error> {
    let source = Source::open(&command.events)
        .map_err(file(format!("read {}", command.events.display())))?;
    let (source_of, account) = (&command.source, &command.account);
    let input = Input::read(source_of, account.region.clone(), account.local)?;
    named(&input.load(None)?.desired, &command.stream, KIND, "stream")?;
    let session = Session::of(input, account).await?;
    let (id, node) = named(&session.desired, &command.stream, KIND, "stream")?;
    standing(&session, id, node).await?;

    let progress = SendProgress::new(id, source.bytes, stderr().is_terminal(), args.style());
    let tally = RefCell::new(Tally::new(command.from_line));
    let sending = Sending {
        intake: &session.aws,
        stream: node.identity.as_str(),
        reporter: &progress,
        tally: &tally,
    };
    let reading = Reading { key: command.key.clone(), from_line: command.from_line };
    let signals = &session.signals;
    signals.begin();
    let work = sending.run(source.feed(reading));
    let ended = match select(pin!(work), pin!(signals.stop())).await {
        Either::Left((ended, _)) => Some(ended),
        Either::Right(_) => None,
    };
    progress.end();
    let tally = tally.into_inner();
    let summary = progress.summary(&tally, command.key.as_deref());
    match ended {
        Some(Ok(())) => {
            answer(&format!("Sent: {summary}\n"))?;
            Ok(Exit::Done)
        }
        Some(Err(halt)) => {
            say(&format!("{}: {halt}", args.style().bad("error")));
            say(&format!("Stopped: {summary}"));
            go_on(command, &tally, Some(&halt));
            Ok(Exit::Failed)
        }
        None => {
            say(&format!("Stopped: {summary}"));
            go_on(command, &tally, None);
            Ok(signals.got().unwrap_or(Exit::Interrupted))
        }
    }
}

/// Says how to send the rest. What was on its way when it stopped may be sent twice.
fn go_on(command: &Send, tally: &Tally, halt: Option<&Halt>) {
    let resume = tally.resume();
    let (line, why) = match halt {
        Some(Halt::File(Flaw::TooLong(line))) if *line == resume => {
            (line + 1, format!("which leaves line {line} out"))
        }
        _ if resume == command.from_line => return,
        _ => (resume, format!("all lines before {resume} are in the stream")),
    };
    let command = again(given(), &["--from-line"], &format!("--from-line {line}"));
    say(&format!("  hint: go on with `{command}`, {why}"));
}
