//! One job for many hours, a few at a time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;

use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::blueprint::{Id, Job};
use crate::kind::Outputs;

use super::hours::Hour;
use super::run::{Event, Failure, Force, JobOutcome, JobReporter, Jobs, WhyFailed, one};
use super::{Params, Records, input};

/// The parameter that says which hour.
pub const HOUR: &str = "hour";
/// How many hours go at once unless the user says otherwise: while one runs, the next one waits on
/// the cluster, which runs as many as its step concurrency.
pub const PARALLEL: usize = 2;

/// What happens to each hour, as it happens.
pub trait HourReporter {
    fn hour(&self, hour: Hour, event: &Event<'_>);
}

/// A job and how it is run for its hours.
pub struct Backfill<'a> {
    pub jobs: &'a Jobs<'a>,
    pub job: &'a Id,
    /// The others, the same for each hour.
    pub params: Params,
    pub force: Force,
    pub parallel: usize,
    pub reporter: &'a dyn HourReporter,
    /// What is known of it even when it is dropped in the middle.
    pub outcomes: &'a RefCell<BTreeMap<Hour, JobOutcome>>,
}

/// The hours for which the job has not succeeded with what it would be run with now. One whose
/// input is not known is among them.
pub fn missing(
    (id, job): (&Id, &Job),
    known: &BTreeMap<Id, Outputs>,
    params: &Params,
    hours: &[Hour],
    records: &Records,
) -> io::Result<Vec<Hour>> {
    let mut missing = Vec::new();
    for hour in hours {
        let input = input(job, known, &with_hour(params, *hour))?;
        if !input.is_ok_and(|input| records.contains(&(id.clone(), input.hash))) {
            missing.push(*hour);
        }
    }
    Ok(missing)
}

fn with_hour(params: &Params, hour: Hour) -> Params {
    let mut params = params.clone();
    params.insert(HOUR.to_owned(), hour.to_string());
    params
}

impl Backfill<'_> {
    /// Runs the hours in their order. A run that fails by itself stops no other; where there is no
    /// cluster or no permission, the next one would fare no better, and none is started.
    pub async fn run(&self, hours: &[Hour]) {
        let mut left = hours.iter().copied();
        let mut working = FuturesUnordered::new();
        let mut open = true;
        loop {
            while open && working.len() < self.parallel.max(1) {
                match left.next() {
                    Some(hour) => working.push(self.hour(hour)),
                    None => open = false,
                }
            }
            let Some((hour, outcome)) = working.next().await else { return };
            if let JobOutcome::Failed(failure) = &outcome {
                open &= its_own(failure);
            }
            let finished = Event::Finished(self.job, &outcome);
            self.reporter.hour(hour, &finished);
            self.outcomes.borrow_mut().insert(hour, outcome);
        }
    }

    async fn hour(&self, hour: Hour) -> (Hour, JobOutcome) {
        let reporter = OfHour { hour, reporter: self.reporter };
        let params = with_hour(&self.params, hour);
        (hour, one(self.jobs, &reporter, self.job, &params, self.force).await)
    }
}

/// Whether the run itself failed, and not what it runs on.
fn its_own(failure: &Failure) -> bool {
    matches!(failure.why, WhyFailed::Job(_) | WhyFailed::TimedOut(_))
}

/// Tells which hour it was.
struct OfHour<'a> {
    hour: Hour,
    reporter: &'a dyn HourReporter,
}

impl JobReporter for OfHour<'_> {
    fn job(&self, event: &Event<'_>) {
        self.reporter.hour(self.hour, event);
    }
}
