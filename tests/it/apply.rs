//! What cases cannot say about `apply`: how much at once, how long, and what it is not to be given.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::{pending, ready};

use pipeline::apply::next::Stop;
use pipeline::apply::{Event, Outcome, Reporter, Run, apply};
use pipeline::blueprint::Id;
use pipeline::cloud::Class;
use pipeline::plan::Choice;
use serde_json::json;
use tokio::time::Instant;

use crate::fake::{Answer, Fake, Habit, Verb};
use crate::world::{Command, Resources, desired, place, planned};

/// So many roles, none of which needs another.
fn roles(count: usize) -> Resources {
    let role = |index| json!({"kind": "role", "name": format!("r{index}")});
    (0..count).map(|i| (format!("r{i}"), role(i).as_object().unwrap().clone())).collect()
}

/// Counts the steps under way.
#[derive(Default)]
struct Gauge {
    now: Cell<u32>,
    most: Cell<u32>,
    finished: Cell<u32>,
}

impl Reporter for Gauge {
    fn tell(&self, event: &Event<'_>) {
        match event {
            Event::Started(_) => self.now.set(self.now.get() + 1),
            Event::Finished(..) => {
                self.now.set(self.now.get() - 1);
                self.finished.set(self.finished.get() + 1);
            }
            _ => {}
        }
        self.most.set(self.most.get().max(self.now.get()));
    }
}

#[tokio::test(start_paused = true)]
async fn as_many_steps_go_at_once_as_the_user_says() {
    for (parallel, most) in [(0, 1), (1, 1), (3, 3), (10, 7)] {
        let (fake, gauge) = (Fake::new(place()), Gauge::default());
        let slow = Habit { settles: 2, ..Habit::default() };
        fake.habits.borrow_mut().insert("*".into(), slow);
        let choice = Choice::default();
        let (plan, found) = planned(&fake, &desired(&roles(7)), Command::Apply, &choice).await;
        let place = &fake.place;
        let run = Run { cloud: &fake, place, reporter: &gauge, parallel, delete_data: false };
        let report = apply(&run, &plan, &found, pending()).await;
        assert!(report.succeeded());
        assert_eq!((gauge.most.get(), gauge.finished.get()), (most, 7), "{parallel} at once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_plan_is_not_applied_whoever_asks() {
    let fake = Fake::new(place());
    let role = crate::toys::kind("role").unwrap();
    fake.put(role, &json!({"name": "r0"}), &pipeline::kind::Phase::Ready, 0);
    let choice = Choice::default();
    let (plan, found) = planned(&fake, &desired(&roles(2)), Command::Apply, &choice).await;
    let (place, reporter) = (&fake.place, &Gauge::default());
    let run = Run { cloud: &fake, place, reporter, parallel: 2, delete_data: true };
    let report = apply(&run, &plan, &found, pending()).await;
    assert_eq!(fake.writes(), []);
    assert_eq!(report.outcomes[&Id::new("r1")], Outcome::Skipped(Id::new("r0")));
    assert!(!report.succeeded());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_stopped_says_what_was_not_done() {
    let fake = Fake::new(place());
    let choice = Choice::default();
    let (plan, found) = planned(&fake, &desired(&roles(2)), Command::Apply, &choice).await;
    let (place, reporter) = (&fake.place, &Gauge::default());
    let slow = Habit { settles: 5, ..Habit::default() };
    fake.habits.borrow_mut().insert("r1".into(), slow);
    let run = Run { cloud: &fake, place, reporter, parallel: 2, delete_data: false };
    let report = apply(&run, &plan, &found, ready(())).await;
    assert!(report.interrupted() && !report.succeeded());
    assert!(report.outcomes.values().all(|outcome| *outcome == Outcome::Interrupted));
}

#[tokio::test(start_paused = true)]
async fn refusals_that_take_turns_come_to_an_end() {
    let fake = Fake::new(place());
    let choice = Choice::default();
    let (plan, found) = planned(&fake, &desired(&roles(1)), Command::Apply, &choice).await;
    let turns = [Answer::NotYet, Answer::Throttled].into_iter().cycle().take(2_000);
    let answers = BTreeMap::from([(Verb::Create, turns.collect())]);
    fake.habits.borrow_mut().insert("r0".into(), Habit { answers, ..Habit::default() });
    let (place, reporter) = (&fake.place, &Gauge::default());
    let run = Run { cloud: &fake, place, reporter, parallel: 1, delete_data: false };
    let report = apply(&run, &plan, &found, pending()).await;
    let end = &report.outcomes[&Id::new("r0")];
    assert!(
        matches!(end, Outcome::Failed(Stop::Refused(fault)) if fault.class == Class::Throttled
            || fault.class == Class::NotYet),
        "{end:?}"
    );
}

/// By a clock that is set forward: how long each kind of trouble without end is borne.
#[tokio::test(start_paused = true)]
async fn trouble_without_end_is_told_of_and_ends_within_its_bound() {
    let minute = 60;
    for (verb, answer, bound) in [
        (Verb::Create, Answer::Denied, 0),
        (Verb::Create, Answer::Invalid, 0),
        (Verb::Create, Answer::NotYet, 6 * minute),
        (Verb::Create, Answer::Conflict, 11 * minute),
        (Verb::Create, Answer::Throttled, 2 * minute),
        (Verb::Create, Answer::Dropped, 3 * minute),
        (Verb::Look, Answer::Throttled, 2 * minute),
        (Verb::Look, Answer::Broken, 2 * minute),
    ] {
        let fake = Fake::new(place());
        let choice = Choice::default();
        let (plan, found) = planned(&fake, &desired(&roles(1)), Command::Apply, &choice).await;
        let mut answers =
            BTreeMap::from([(verb, [answer].into_iter().cycle().take(500).collect())]);
        if verb == Verb::Look {
            answers.insert(Verb::Create, [Answer::Dropped].into());
        }
        fake.habits.borrow_mut().insert("r0".into(), Habit { answers, ..Habit::default() });
        let (place, reporter) = (&fake.place, &Silence::default());
        let run = Run { cloud: &fake, place, reporter, parallel: 1, delete_data: false };
        let started = Instant::now();
        let report = apply(&run, &plan, &found, pending()).await;
        let (took, case) = (started.elapsed().as_secs(), format!("{verb:?} {answer:?}"));
        assert!(!report.succeeded() && took <= bound, "{case} took {took} s");
        assert!(reporter.longest() <= 30, "{case}: silent for {} s", reporter.longest());
    }
}

#[tokio::test(start_paused = true)]
async fn what_never_settles_is_waited_for_no_longer_than_anything_takes() {
    let fake = Fake::new(place());
    let choice = Choice::default();
    let (plan, found) = planned(&fake, &desired(&roles(1)), Command::Apply, &choice).await;
    fake.habits.borrow_mut().insert("r0".into(), Habit { settles: 2_000, ..Habit::default() });
    let (place, reporter) = (&fake.place, &Silence::default());
    let run = Run { cloud: &fake, place, reporter, parallel: 1, delete_data: false };
    let started = Instant::now();
    let report = apply(&run, &plan, &found, pending()).await;
    let end = &report.outcomes[&Id::new("r0")];
    assert!(matches!(end, Outcome::Failed(Stop::TimedOut(_))), "{end:?}");
    assert!(started.elapsed().as_secs() <= 2 * 60 * 60 + 30, "{:?}", started.elapsed());
    assert!(reporter.longest() <= 30, "silent for {} s", reporter.longest());
}

/// How long nothing was told.
#[derive(Default)]
struct Silence(Cell<Option<Instant>>, Cell<u64>);

impl Silence {
    fn longest(&self) -> u64 {
        self.1.get()
    }
}

impl Reporter for Silence {
    fn tell(&self, _: &Event<'_>) {
        if let Some(last) = self.0.replace(Some(Instant::now())) {
            self.1.set(self.1.get().max(last.elapsed().as_secs()));
        }
    }
}
