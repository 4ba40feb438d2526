//! What goes through a pipeline, as it goes.

use std::cell::Cell;
use std::fmt::Write;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::blueprint::Id;
use crate::cloud::{Depth, Message, Move};
use crate::traffic::redrive::MoveReporter;
use crate::traffic::send::{SendReporter, Tally};

use super::style::Style;
use super::{count, say};

/// How often a line is said where lines do not move.
const EVERY: Duration = Duration::from_secs(10);

/// Tells on stderr how far a sending is: a bar on a terminal, a line now and then without one.
pub struct SendProgress {
    name: String,
    bar: Option<ProgressBar>,
    since: Instant,
    said_at: Cell<Instant>,
}

impl SendProgress {
    /// `bytes`: the size of the file, where that is known.
    pub fn new(stream: &Id, bytes: Option<u64>, terminal: bool, style: Style) -> Self {
        let name = style.name(stream.as_str());
        let bar = terminal.then(|| {
            let (bar, template) = match bytes {
                Some(bytes) => (ProgressBar::new(bytes), "{prefix} {bar:24} {percent}% {msg}"),
                None => (ProgressBar::new_spinner(), "{spinner} {prefix} {msg}"),
            };
            let template = ProgressStyle::with_template(template);
            bar.set_style(template.expect("the template is a constant"));
            bar.set_prefix(name.clone());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        let now = Instant::now();
        Self { name, bar, since: now, said_at: Cell::new(now) }
    }

    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// What went through until now; `key` is the field that was to be the key.
    pub fn summary(&self, tally: &Tally, key: Option<&str>) -> String {
        let mut said = sent(tally, self.since.elapsed());
        if tally.empty > 0 {
            let _ = write!(said, "; {} skipped", count(tally.empty, "empty line"));
        }
        if let Some(key) = key.filter(|_| tally.keyless > 0) {
            let _ = write!(said, "; {} without `{key}`", count(tally.keyless, "record"));
        }
        said
    }
}

impl SendReporter for SendProgress {
    fn progress(&self, tally: &Tally) {
        if let Some(bar) = &self.bar {
            bar.set_position(tally.offset);
            bar.set_message(sent(tally, self.since.elapsed()));
        } else if self.said_at.get().elapsed() > EVERY {
            say(&format!("{}: {}", self.name, sent(tally, self.since.elapsed())));
            self.said_at.set(Instant::now());
        }
    }
}

fn sent(tally: &Tally, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    let (records, megabytes) = (tally.records as f64, tally.bytes as f64 / 1e6);
    // Within the first moments there is nothing to divide by.
    let span = seconds.max(0.001);
    format!(
        "{} ({megabytes:.1} MB) in {seconds:.1} s: {:.0} records/s, {:.1} MB/s; {} retried",
        count(tally.records, "record"),
        records / span,
        megabytes / span,
        tally.retried
    )
}

/// Tells on stderr how far a move is.
pub struct MoveProgress {
    name: String,
    bar: Option<ProgressBar>,
    said_at: Cell<Instant>,
}

impl MoveProgress {
    pub fn new(from: &str, terminal: bool, style: Style) -> Self {
        let name = style.name(from);
        let bar = terminal.then(|| {
            let bar = ProgressBar::new_spinner();
            let template = ProgressStyle::with_template("{spinner} {prefix} ({elapsed}) {msg}");
            bar.set_style(template.expect("the template is a constant"));
            bar.set_prefix(name.clone());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { name, bar, said_at: Cell::new(Instant::now()) }
    }

    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl MoveReporter for MoveProgress {
    fn moving(&self, task: &Move) {
        let of = task.of.map_or_else(String::new, |of| format!(" of {of}"));
        let what = format!("moved {}{of}", task.moved);
        if let Some(bar) = &self.bar {
            bar.set_message(what);
        } else if self.said_at.get().elapsed() > EVERY {
            say(&format!("{}: {what}", self.name));
            self.said_at.set(Instant::now());
        }
    }
}

/// What is in a queue, in words.
pub fn depth(depth: Depth) -> String {
    let waiting = count(depth.waiting, "message");
    match depth.hidden {
        0 => waiting,
        hidden => format!("{waiting}, and {hidden} that cannot be seen for now"),
    }
}

/// A message and why it was given up, on a line or two.
pub fn message(message: &Message, style: Style) -> String {
    /// Enough to tell which it is.
    const SHOWN: usize = 200;
    let reason = message.reason.as_deref().unwrap_or("received too often without success");
    let body: String = message.body.split_whitespace().collect::<Vec<_>>().join(" ");
    let short: String = body.chars().take(SHOWN).collect();
    let more = if short.len() < body.len() { " ..." } else { "" };
    format!("  {reason}\n    {}", style.faint(&format!("{short}{more}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_told_with_its_reason_and_not_in_full() {
        let long = format!("{{\n  \"hour\": \"{}\" }}", "x".repeat(300));
        let told = |reason: Option<&str>, body: &str| {
            let message = Message { body: body.into(), reason: reason.map(str::to_owned) };
            super::message(&message, Style::Plain)
        };
        assert_eq!(told(Some("no hour"), "{}"), "  no hour\n    {}");
        let told = told(None, &long);
        assert!(told.starts_with("  received too often without success\n    { \"hour\": \"xx"));
        assert!(told.ends_with("x ...") && told.len() < 260, "{told}");
    }

    #[test]
    fn what_is_hidden_is_told_apart() {
        for (waiting, hidden, expected) in [
            (0, 0, "0 messages"),
            (1, 0, "1 message"),
            (2, 3, "2 messages, and 3 that cannot be seen for now"),
        ] {
            assert_eq!(depth(Depth { waiting, hidden }), expected);
        }
    }

    #[test]
    fn a_rate_is_told_in_records_and_in_megabytes() {
        let mut tally = Tally::new(1);
        (tally.records, tally.bytes, tally.retried) = (3000, 900_000, 12);
        let said = sent(&tally, Duration::from_millis(1500));
        assert_eq!(said, "3000 records (0.9 MB) in 1.5 s: 2000 records/s, 0.6 MB/s; 12 retried");
        (tally.records, tally.bytes, tally.retried) = (1, 300, 0);
        let said = sent(&tally, Duration::ZERO);
        assert_eq!(said, "1 record (0.0 MB) in 0.0 s: 1000 records/s, 0.3 MB/s; 0 retried");
    }
}
