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
