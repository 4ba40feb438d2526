//! Killed at every call, on both sides of it.

use super::call::Call;
use super::http::Answer;
use super::point::{Kill, Point, Side, points};
use super::proxy::{Deed, Reply, Rule};
use super::stories::{ABANDONED, APPLY, DESTROY, JOB, REVIVAL, SMALL, UPDATE};
use super::story::Story;

/// How many points of a story CI tries.
const SLICE: usize = 24;

#[test]
fn an_apply_killed_at_any_call_is_taken_up_by_the_next() {
    everywhere(APPLY);
}

#[test]
fn an_update_killed_at_any_call_is_taken_up_by_the_next() {
    everywhere(UPDATE);
}

#[test]
fn a_destroy_killed_at_any_call_is_taken_up_by_the_next() {
    everywhere(DESTROY);
}

#[test]
fn a_destroy_killed_at_any_call_is_undone_by_an_apply() {
    everywhere(REVIVAL);
}

#[test]
fn an_apply_killed_at_any_call_of_its_job_neither_starts_nor_submits_anything_twice() {
    everywhere(JOB);
}

#[test]
fn an_apply_killed_at_any_call_of_its_job_is_taken_away_by_a_destroy() {
    everywhere(ABANDONED);
}

#[test]
fn two_applies_killed_one_after_the_other_are_taken_up_by_the_third() {
    twice(SMALL);
}

pub fn twice(story: Story) {
    let (run, end) = story.reference();
    let writes = u32::try_from(run.writes().count()).expect("there are few");
    let once = || (1..=writes).flat_map(|at| [(at, Side::Before), (at, Side::After)]);
    let twice = once().flat_map(|first| once().map(move |second| (first, second)));
    let name = |(first, second): &((u32, Side), (u32, Side))| format!("{first:?}, {second:?}");
    story.family("killed twice", (twice.collect(), SLICE), name, |scene, (first, second)| {
        scene.run(story.act, vec![Box::new(KillWrite::at(*first))]);
        story.told(scene, vec![Box::new(KillWrite::at(*second))], end)
    });
}

pub fn everywhere(story: Story) {
    let (run, end) = story.reference();
    let sides = |point: Point| [(point.clone(), Side::Before), (point, Side::After)];
    let all: Vec<_> = points(&run.made).into_iter().flat_map(sides).collect();
    let name = |(point, side): &(Point, Side)| format!("{side:?} {point}");
    story.family("killed", (all, SLICE), name, |scene, (point, side)| {
        story.told(scene, vec![Box::new(Kill::at(point.clone(), *side))], end)
    });
}

/// Kills the program at its n-th write, whichever that is.
pub struct KillWrite {
    left: u32,
    side: Side,
    due: Option<String>,
}

impl KillWrite {
    pub fn at((number, side): (u32, Side)) -> Self {
        Self { left: number, side, due: None }
    }
}

impl Rule for KillWrite {
    fn before(&mut self, call: &Call) -> Deed {
        if !call.writes() || self.left == 0 {
            return Deed::Forward;
        }
        self.left -= 1;
        match (self.left, self.side) {
            (0, Side::Before) => Deed::Kill,
            (0, Side::After) => {
                self.due = Some(call.name());
                Deed::Forward
            }
            _ => Deed::Forward,
        }
    }

    fn after(&mut self, call: &Call, _answer: &mut Answer) -> Reply {
        if self.due.as_ref() == Some(&call.name()) { Reply::Kill } else { Reply::Send }
    }
}
