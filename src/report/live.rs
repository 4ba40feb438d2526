//! Progress: a line a resource with a spinner on a terminal, plain lines without one.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::apply::next::Call;
use crate::apply::{self, Outcome};
use crate::blueprint::Id;
use crate::cloud::{Class, Fault, State};
use crate::jobs::run::{self as jobs, JobOutcome};
use crate::plan::{Action, Step};

use super::style::Style;
use super::{ending, say};

/// The longest silence while something is waited for.
const HEARTBEAT: Duration = Duration::from_secs(25);

/// Tells a run's events on stderr.
pub struct Progress {
    style: Style,
    screen: Option<MultiProgress>,
    rows: RefCell<BTreeMap<String, Row>>,
}

/// What is under way, since when, and what was last said of it.
struct Row {
    since: Instant,
    said: String,
    said_at: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// On a terminal lines move; elsewhere each event is a line of its own.
    pub fn new(terminal: bool, style: Style) -> Self {
        let screen = terminal.then(MultiProgress::new);
        super::show(screen.clone());
        Self { style, screen, rows: RefCell::default() }
    }

    pub(super) fn start(&self, name: &str) {
        let now = Instant::now();
        let bar = self.screen.as_ref().map(|screen| {
            let bar = screen.add(ProgressBar::new_spinner());
            let style = ProgressStyle::with_template("{spinner} {prefix} ({elapsed}) {wide_msg}");
            bar.set_style(style.expect("the template is a constant"));
            bar.set_prefix(self.style.name(name));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        let row = Row { since: now, said: String::new(), said_at: now, bar };
        self.rows.borrow_mut().insert(name.to_owned(), row);
    }

    /// Says it once, and again when the silence gets long.
    fn update(&self, name: &str, what: &str) {
        let mut rows = self.rows.borrow_mut();
        let Some(row) = rows.get_mut(name) else { return };
        if let Some(bar) = &row.bar {
            bar.set_message(what.to_owned());
        } else if row.said != what || row.said_at.elapsed() > HEARTBEAT {
            say(&format!("{name}: {what} ({} s)", row.since.elapsed().as_secs()));
            row.said_at = Instant::now();
        }
        row.said = what.to_owned();
    }

    /// Shows it where lines move; elsewhere only when the silence gets long.
    pub(super) fn murmur(&self, name: &str, what: &str) {
        let mut rows = self.rows.borrow_mut();
        let Some(row) = rows.get_mut(name) else { return };
        if let Some(bar) = &row.bar {
            bar.set_message(what.to_owned());
        } else if row.said_at.elapsed() > HEARTBEAT {
            say(&format!("{name}: {what} ({} s)", row.since.elapsed().as_secs()));
            row.said_at = Instant::now();
        }
    }

    pub(super) fn end(&self, name: &str, what: &str) {
        let row = self.rows.borrow_mut().remove(name);
        let seconds = row.as_ref().map_or(0, |row| row.since.elapsed().as_secs());
        if let Some(bar) = row.and_then(|row| row.bar) {
            bar.finish_and_clear();
        }
        self.line(&format!("{}: {what} ({seconds} s)", self.style.name(name)));
    }

    /// A line that stays.
    pub(super) fn line(&self, text: &str) {
        say(text);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        super::show(None);
        if let Some(screen) = &self.screen {
            let _ = screen.clear();
        }
    }
}

fn doing(call: &Call) -> String {
    match call {
        Call::Create => "creating".into(),
        Call::Update(diff) => format!("changing {}", diff.paths().join(", ")),
        Call::Retire => "retiring the old one".into(),
        Call::Delete => "deleting".into(),
        Call::Purge => "emptying".into(),
    }
}

fn done(step: &Step) -> &'static str {
    match step.action {
        Action::Create(_) => "created",
        Action::Update(_) => "ready",
        Action::Replace(_) => "replaced",
        Action::Delete => "gone",
        Action::Keep(_) | Action::Dormant(_) => "unchanged",
    }
}

impl apply::Reporter for Progress {
    fn tell(&self, event: &apply::Event<'_>) {
        use apply::Event;
        match event {
            Event::Started(step) => self.start(step.id.as_str()),
            Event::Calling(step, call) => self.update(step.id.as_str(), &doing(call)),
            Event::Waiting(step, why) => self.update(step.id.as_str(), &format!("waiting: {why}")),
            Event::Retrying(step, fault, wait) => {
                self.update(step.id.as_str(), &refused(fault, *wait));
            }
            Event::Finished(step, outcome) => match outcome {
                Outcome::Done(_) => self.end(step.id.as_str(), &self.style.good(done(step))),
                Outcome::Failed(stop) => {
                    let why = format!("{}: {}", self.style.bad("failed"), ending::stopped(stop));
                    self.end(step.id.as_str(), &why);
                }
                Outcome::Skipped(cause) => {
                    let skipped = self.style.care("skipped");
                    self.line(&format!("{}: {skipped}, because `{cause}` failed", step.id));
                }
                Outcome::Interrupted => self.end(step.id.as_str(), "stopped"),
            },
        }
    }
}

/// Why a call is made again, and when.
pub fn refused(fault: &Fault, wait: Duration) -> String {
    let refused = if fault.class == Class::NotYet { "not yet" } else { "refused" };
    format!("{refused}, again in {} s: {fault}", wait.as_secs())
}

/// What a job waits for that somebody else submits.
pub fn claimed(cluster: &str) -> String {
    format!("somebody else submitted it to {cluster}, or was about to: looking for its step")
}

impl jobs::JobReporter for Progress {
    fn job(&self, event: &jobs::Event<'_>) {
        use jobs::Event;
        let row = |id: &Id| format!("job {id}");
        match event {
            Event::Started(id) => self.start(&row(id)),
            Event::Submitting(id, cluster) => {
                self.update(&row(id), &format!("submitting to {cluster}"))
            }
            Event::Running(id, step, _) => {
                let state =
                    if step.state == State::Pending { "waits for its turn" } else { "running" };
                self.update(&row(id), &format!("{state} as step {}", step.step));
            }
            Event::Output(id, line) => {
                self.line(&format!("{} {line}", self.style.faint(&format!("{id} |"))));
            }
            Event::Refused(id, fault, wait) => self.update(&row(id), &refused(fault, *wait)),
            Event::Claimed(id, cluster) => self.update(&row(id), &claimed(cluster)),
            Event::Blind(id, fault) => self.update(&row(id), &format!("cannot be seen: {fault}")),
            Event::Cancelling(id) => self.update(&row(id), "cancelling"),
            Event::WaitingForLog(id) => self.update(&row(id), "waiting for its log"),
            Event::Retrying(id, failure, tries) => {
                self.line(&ending::failed(id, failure, self.style));
                self.update(&row(id), &format!("trying again ({tries})"));
            }
            Event::Finished(id, outcome) => match outcome {
                JobOutcome::Succeeded(_) => self.end(&row(id), &self.style.good("succeeded")),
                JobOutcome::Failed(_) => self.end(&row(id), &self.style.bad("failed")),
                JobOutcome::Skipped(cause) => {
                    self.line(&format!("{}: skipped, because `{cause}` failed", row(id)))
                }
            },
        }
    }
}
