//! What goes through a pipeline, as it goes.

use std::cell::Cell;
use std::fmt::Write;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::blueprint::Id;
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

#[cfg(test)]
mod tests {
    use super::*;

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
