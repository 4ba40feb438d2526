//! One job for many hours, a few at a time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
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
    /// Runs the hours in their order.
    pub async fn run(&self, hours: &[Hour]) {
        let ended = |hour, outcome| {
            self.reporter.hour(hour, &Event::Finished(self.job, &outcome));
            self.outcomes.borrow_mut().insert(hour, outcome);
        };
        few(hours, self.parallel, |hour| self.hour(hour), ended).await;
    }

    async fn hour(&self, hour: Hour) -> JobOutcome {
        let reporter = OfHour { hour, reporter: self.reporter };
        let params = with_hour(&self.params, hour);
        one(self.jobs, &reporter, self.job, &params, self.force).await
    }
}

/// A few at a time. A run that fails by itself stops no other; where there is no cluster or no
/// permission the next one would fare no better, and none is started.
async fn few<R: Future<Output = JobOutcome>>(
    hours: &[Hour],
    parallel: usize,
    run: impl Fn(Hour) -> R,
    ended: impl Fn(Hour, JobOutcome),
) {
    let run = &run;
    let mut left = hours.iter().copied();
    let mut working = FuturesUnordered::new();
    let mut open = true;
    loop {
        while open && working.len() < parallel.max(1) {
            match left.next() {
                Some(hour) => working.push(async move { (hour, run(hour).await) }),
                None => open = false,
            }
        }
        let Some((hour, outcome)) = working.next().await else { return };
        if let JobOutcome::Failed(failure) = &outcome {
            open &= its_own(failure);
        }
        ended(hour, outcome);
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use crate::blueprint::{At, When};
    use crate::jobs::hours::span;
    use crate::jobs::run::Success;

    use super::*;

    fn job(script: &Path) -> Job {
        Job {
            cluster: Id::new("spark"),
            script: script.to_owned(),
            args: vec!["${param.hour}".into()],
            conf: BTreeMap::new(),
            params: BTreeMap::from([("hour".into(), String::new())]),
            after: BTreeSet::new(),
            needs: BTreeSet::new(),
            timeout: None,
            retries: 0,
            when: When::Manual,
            at: At { line: 1, column: 1 },
        }
    }

    #[test]
    fn an_hour_that_succeeded_with_the_same_input_is_not_missing() {
        let script = std::env::temp_dir().join(format!("backfill-{}.py", std::process::id()));
        fs::write(&script, "print(1)").expect("there is room");
        let (id, job, known) = (Id::new("process"), job(&script), BTreeMap::new());
        let hours = span("2013-01-15T10", "2013-01-15T12").expect("they are hours");
        let params = Params::new();
        let hash = |hour| {
            let input = input(&job, &known, &with_hour(&params, hour)).expect("it can be read");
            input.expect("nothing is missing").hash
        };
        let records =
            Records::from([(id.clone(), hash(hours[1])), (Id::new("another"), hash(hours[2]))]);
        let left = |params: &Params| {
            missing((&id, &job), &known, params, &hours, &records).expect("it can be read")
        };
        assert_eq!(left(&params), [hours[0], hours[2]]);
        assert_eq!(left(&Params::from([("more".into(), "1".into())])), hours);
        fs::write(&script, "print(2)").expect("there is room");
        assert_eq!(left(&params), hours);
        fs::remove_file(script).expect("it is there");
    }

    /// Runs hours of which each letter says how it ends; those that were run, and the most at once.
    async fn ran(letters: &str, parallel: usize) -> (String, usize) {
        let all = span("2013-01-15", "2013-01-15").expect("they are hours");
        let hours = &all[..letters.len()];
        let (now, most) = (RefCell::new(0), RefCell::new(0));
        let ended = RefCell::new(BTreeMap::new());
        let run = |hour: Hour| {
            let at = hours.iter().position(|other| *other == hour).expect("it is one of them");
            let (letter, now, most) = (letters.as_bytes()[at], &now, &most);
            async move {
                *now.borrow_mut() += 1;
                let at_once = *now.borrow();
                most.replace_with(|most| at_once.max(*most));
                tokio::task::yield_now().await;
                *now.borrow_mut() -= 1;
                let failed = |why: WhyFailed| JobOutcome::Failed(why.into());
                match letter {
                    b'j' => failed(WhyFailed::Job("it".into())),
                    b't' => failed(WhyFailed::TimedOut("2h".into())),
                    b'c' => failed(WhyFailed::Cluster("it".into())),
                    b'i' => failed(WhyFailed::Input("it".into())),
                    _ => JobOutcome::Succeeded(Success {
                        step: "s-1".into(),
                        cluster: "j-1".into(),
                        seconds: 1,
                    }),
                }
            }
        };
        few(hours, parallel, run, |hour, outcome| {
            ended.borrow_mut().insert(hour, outcome);
        })
        .await;
        let ended = ended.take();
        let letter = |(hour, letter)| if ended.contains_key(hour) { letter } else { '-' };
        (hours.iter().zip(letters.chars()).map(letter).collect(), most.take())
    }

    #[tokio::test]
    async fn a_failure_stops_others_only_where_they_would_fare_no_better() {
        for (letters, parallel, expected) in [
            ("ssssss", 2, ("ssssss", 2)),
            ("sjtsjs", 1, ("sjtsjs", 1)),
            ("jjjjjj", 3, ("jjjjjj", 3)),
            ("scssss", 1, ("sc----", 1)),
            ("cccccc", 3, ("ccc---", 3)),
            ("sissss", 1, ("si----", 1)),
            ("ss", 9, ("ss", 2)),
            ("", 2, ("", 0)),
        ] {
            let (ended, most) = ran(letters, parallel).await;
            assert_eq!((ended.as_str(), most), expected, "{letters}, {parallel} at once");
        }
    }
}
