//! One job for many hours: a line an hour, and in the end what is left to do.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::apply;
use crate::blueprint::Id;
use crate::cloud::State;
use crate::jobs::backfill::HourReporter;
use crate::jobs::hours::{Hour, listed};
use crate::jobs::run::{Event, Force, JobOutcome};
use crate::plan::{Action, Step};

use super::live::{Progress, claimed, refused};
use super::style::Style;
use super::{count, ending};

/// Failures that are told one by one; more are alike.
const TOLD_MAX: usize = 20;

/// Tells a backfill's events on stderr.
pub struct HoursProgress {
    live: Progress,
    style: Style,
    number: usize,
    ended: Cell<usize>,
    /// Clusters of which there is something to tell.
    stirring: RefCell<BTreeSet<Id>>,
}

impl HoursProgress {
    /// `number`: how many hours are to be run.
    pub fn new(number: usize, terminal: bool, style: Style) -> Self {
        let live = Progress::new(terminal, style);
        Self { live, style, number, ended: Cell::default(), stirring: RefCell::default() }
    }

    fn end(&self, hour: Hour, how: &str) {
        self.ended.set(self.ended.get() + 1);
        let what = format!("{how}, {} of {}", self.ended.get(), self.number);
        self.live.end(&hour.to_string(), &what);
    }
}

impl HourReporter for HoursProgress {
    fn hour(&self, hour: Hour, event: &Event<'_>) {
        let row = hour.to_string();
        match event {
            Event::Started(_) => self.live.start(&row),
            Event::Submitting(_, cluster) => {
                self.live.murmur(&row, &format!("submitting to {cluster}"))
            }
            Event::Running(_, step, _) => {
                let state =
                    if step.state == State::Pending { "waits for its turn" } else { "running" };
                self.live.murmur(&row, &format!("{state} as step {}", step.step));
            }
            // Of hundreds of hours nobody reads it; failures name their logs.
            Event::Output(..) => {}
            Event::Refused(_, fault, wait) => self.live.murmur(&row, &refused(fault, *wait)),
            Event::Claimed(_, cluster) => self.live.murmur(&row, &claimed(cluster)),
            Event::Blind(_, fault) => self.live.murmur(&row, &format!("cannot be seen: {fault}")),
            Event::Cancelling(_) => self.live.murmur(&row, "cancelling"),
            Event::WaitingForLog(_) => self.live.murmur(&row, "waiting for its log"),
            Event::Retrying(_, failure, tries) => {
                let why = ending::why(failure);
                self.live.line(&format!("{row}: trying again ({tries}): {why}"));
            }
            Event::Finished(_, outcome) => match outcome {
                JobOutcome::Succeeded(_) => self.end(hour, &self.style.good("succeeded")),
                JobOutcome::Failed(_) => self.end(hour, &self.style.bad("failed")),
                JobOutcome::Skipped(cause) => self.end(hour, &format!("skipped for `{cause}`")),
            },
        }
    }
}

impl apply::Reporter for HoursProgress {
    /// The cluster is looked at for every hour; it is told of where it is not simply there.
    fn tell(&self, event: &apply::Event<'_>) {
        use apply::Event;
        let quiet = |step: &Step| matches!(&step.action, Action::Update(diff) if diff.is_empty());
        match event {
            Event::Started(step) if quiet(step) => {}
            Event::Finished(step, apply::Outcome::Done(_)) if quiet(step) => {
                if self.stirring.borrow_mut().remove(&step.id) {
                    self.live.tell(event);
                }
            }
            Event::Calling(step, _) | Event::Waiting(step, _) | Event::Retrying(step, ..)
                if quiet(step) =>
            {
                if self.stirring.borrow_mut().insert(step.id.clone()) {
                    self.live.tell(&Event::Started(step));
                }
                self.live.tell(event);
            }
            _ => self.live.tell(event),
        }
    }
}

/// A backfill as it was asked for, and how far it got.
pub struct Ended<'a> {
    pub job: &'a Id,
    pub hours: &'a [Hour],
    /// Hours that had succeeded before.
    pub before: usize,
    pub outcomes: &'a BTreeMap<Hour, JobOutcome>,
    pub force: Force,
    /// The command that runs one hour again.
    pub again: &'a dyn Fn(Hour) -> String,
}

/// What failed and how to run it again; then how many hours ended how.
pub fn backfilled(ended: &Ended<'_>, style: Style) -> String {
    let mut out = String::new();
    let failures = ended.outcomes.iter().filter_map(|(hour, outcome)| match outcome {
        JobOutcome::Failed(failure) => Some((*hour, failure)),
        JobOutcome::Succeeded(_) | JobOutcome::Skipped(_) => None,
    });
    let failures: Vec<_> = failures.collect();
    for (hour, failure) in failures.iter().take(TOLD_MAX) {
        let _ = writeln!(out, "{}: {hour}: {}", style.bad("failed"), ending::why(failure));
        if let Some(log) = &failure.log {
            let _ = writeln!(out, "  log: {log}");
        }
        let _ = writeln!(out, "  again: {}", (ended.again)(*hour));
    }
    if let Some(more) = failures.get(TOLD_MAX..).filter(|more| !more.is_empty()) {
        let more = listed(more.iter().map(|(hour, _)| *hour));
        let _ = writeln!(out, "{}: {more}", style.bad("failed as well"));
    }
    let left = ended.hours.len() - ended.outcomes.len();
    let succeeded = count((ended.outcomes.len() - failures.len()) as u64, "hour");
    let _ = write!(out, "Backfill of `{}`: {succeeded} succeeded", ended.job);
    for (number, what) in
        [(failures.len(), "failed"), (ended.before, "had succeeded before"), (left, "not run")]
    {
        if number > 0 {
            let _ = write!(out, ", {number} {what}");
        }
    }
    // Where all are run again, the same command does just that.
    let open = left + failures.len() > 0 && ended.force != Force::Yes;
    out.push_str(if open { "; the same command runs what has not succeeded\n" } else { "\n" });
    out
}

#[cfg(test)]
mod tests {
    use crate::jobs::hours::span;
    use crate::jobs::run::{Failure, Success, WhyFailed};

    use super::*;

    /// The end of a backfill of which each letter is an hour: `s` succeeded, `f` failed, `-` was
    /// not run.
    fn ended(letters: &str, before: usize, force: Force) -> String {
        let all = span("2013-01-15", "2014-01-15").expect("they are hours");
        let hours = &all[..letters.len()];
        let success = Success { step: "s-1".into(), cluster: "j-1".into(), seconds: 3 };
        let failure = Failure {
            why: WhyFailed::Job("ValueError: x (a.py:1)".into()),
            log: Some("s3://b/logs/".into()),
            step: None,
        };
        let outcome = |letter| match letter {
            's' => Some(JobOutcome::Succeeded(success.clone())),
            'f' => Some(JobOutcome::Failed(failure.clone())),
            _ => None,
        };
        let outcomes =
            hours.iter().zip(letters.chars()).filter_map(|(hour, l)| Some((*hour, outcome(l)?)));
        let again = |hour| format!("pipeline run a.yaml process --param hour={hour}");
        let job = Id::new("process");
        let outcomes = outcomes.collect();
        let ended = Ended { job: &job, hours, before, outcomes: &outcomes, force, again: &again };
        backfilled(&ended, Style::Plain)
    }

    #[test]
    fn the_end_of_a_backfill_says_what_is_left_to_do() {
        assert_eq!(ended("ss", 0, Force::Never), "Backfill of `process`: 2 hours succeeded\n");
        assert_eq!(
            ended("s", 3, Force::Never),
            "Backfill of `process`: 1 hour succeeded, 3 had succeeded before\n"
        );
        assert_eq!(
            ended("sfs--", 1, Force::Never),
            "failed: 2013-01-15T01: ValueError: x (a.py:1)\n  log: s3://b/logs/\n  again: \
             pipeline run a.yaml process --param hour=2013-01-15T01\nBackfill of `process`: \
             2 hours succeeded, 1 failed, 1 had succeeded before, 2 not run; the same command \
             runs what has not succeeded\n"
        );
        let again = ended("s-", 0, Force::Yes);
        assert_eq!(again, "Backfill of `process`: 1 hour succeeded, 1 not run\n");
    }

    #[test]
    fn hundreds_of_failures_fit_on_a_screen() {
        let said = ended(&"f".repeat(300), 0, Force::Never);
        assert_eq!(said.lines().count(), 3 * TOLD_MAX + 2, "{said}");
        assert!(said.contains("failed as well: 2013-01-15T20..2013-01-27T11\n"), "{said}");
    }
}
