//! Killed at every call, on both sides of it.

use super::family::{Story, crew};
use super::point::{Kill, Point, Side, points};
use super::scene::Scene;
use super::slice::{report, slice};
use crate::e2e::Project;
use crate::e2e::machine::Machine;

/// How many points of a story CI tries.
const SLICE: usize = 24;

const APPLY: Story = Story {
    before: &[],
    act: "apply blueprint.yaml --env prod --no-run --yes",
    after: &["apply blueprint.yaml --env prod --no-run --yes"],
    plan: "plan blueprint.yaml --env prod --detailed-exitcode",
};

#[test]
fn an_apply_killed_at_any_call_is_taken_up_by_the_next() {
    everywhere("apply, killed", APPLY);
}

fn flagship(machine: &Machine) -> Project<'_> {
    Project::flagship_on(machine, "crash")
}

fn everywhere(family: &str, story: Story) {
    let machine = Machine::start();
    let scene = Scene::on(&machine, flagship(&machine));
    let (run, end) = story.reference(&scene);
    let sides = |point: Point| [(point.clone(), Side::Before), (point, Side::After)];
    let all: Vec<_> = points(&run.made).into_iter().flat_map(sides).collect();
    let tries = slice(family, all, SLICE);
    let name = |(point, side): &(Point, Side)| format!("{side:?} {point}");
    let tally = crew(flagship, &tries, name, |scene, (point, side)| {
        story.told(scene, vec![Box::new(Kill::at(point.clone(), *side))], &end)
    });
    report(&tally.row(family));
    tally.holds(family);
}
