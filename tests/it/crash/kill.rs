//! Killed at every call, on both sides of it.

use super::call::Call;
use super::family::{Story, crew};
use super::http::Answer;
use super::point::{Kill, Point, Side, points};
use super::proxy::{Deed, Reply, Rule};
use super::scene::Scene;
use super::slice::{report, slice};
use crate::e2e::Project;
use crate::e2e::machine::Machine;

/// How many points of a story CI tries.
const SLICE: usize = 24;

const FIRST: &str = "apply blueprint.yaml --env prod --no-run --yes";
const SECOND: &str = "apply changed.yaml --env prod --no-run --yes";
const LAST: &str = "destroy blueprint.yaml --env prod --delete-data --yes";

pub const APPLY: Story = Story { before: &[], act: FIRST, after: &[FIRST] };
pub const UPDATE: Story = Story { before: &[FIRST], act: SECOND, after: &[SECOND] };
pub const DESTROY: Story = Story { before: &[FIRST], act: LAST, after: &[LAST] };
const REVIVAL: Story = Story { before: &[FIRST], act: LAST, after: &[FIRST] };
const RUN: &str = "apply blueprint.yaml --yes";
pub const JOB: Story = Story { before: &[], act: RUN, after: &[RUN] };

/// Something of every kind that can be changed in place, another name, and other tags on all.
const CHANGES: &[(&str, &str)] = &[
    ("team: data", "team: lake"),
    ("retention_hours: 48", "retention_hours: 72"),
    ("expire_days: 730", "expire_days: 365"),
    ("retention_days: 30", "retention_days: 14"),
    ("interval: 5m", "interval: 10m"),
    ("What the Spark jobs write", "What the jobs write"),
    ("{ name: events, type: bigint }", "{ name: events, type: int }"),
    ("visibility_timeout: 6m", "visibility_timeout: 7m"),
    ("memory_mb: 256", "memory_mb: 512"),
    ("threshold: 100000", "threshold: 200000"),
    ("-oncall", "-pager"),
    ("Encrypts the events", "Encrypts events"),
    ("s3:AbortMultipartUpload]", "s3:AbortMultipartUpload, s3:GetObject]"),
    ("ALARM(\"${arrivals_old.name}\")", "ALARM(\"${traffic_surge.name}\")"),
    ("start: -PT6H", "start: -PT12H"),
];

/// One resource each of which something can go wrong between two calls.
const SMALL: &str = r"name: NAME
region: eu-west-1
artifacts: lake
resources:
  key: { kind: kms-key, name: NAME }
  lake: { kind: s3-bucket, name: 'NAME-${account}', versioning: true, encryption: { sse: kms, key: '${key.arn}' } }
  log: { kind: log-group, name: NAME, retention_days: 7 }
  role:
    kind: iam-role
    name: NAME
    trust: firehose.amazonaws.com
    policies: { lake: { Statement: [{ Effect: Allow, Action: s3:PutObject, Resource: '${lake.arn}/*' }] } }
";

#[test]
fn an_apply_killed_at_any_call_is_taken_up_by_the_next() {
    everywhere("apply, killed", APPLY, flagship);
}

#[test]
fn an_update_killed_at_any_call_is_taken_up_by_the_next() {
    everywhere("update, killed", UPDATE, flagship);
}

#[test]
fn a_destroy_killed_at_any_call_is_taken_up_by_the_next() {
    everywhere("destroy, killed", DESTROY, flagship);
}

#[test]
fn a_destroy_killed_at_any_call_is_undone_by_an_apply() {
    everywhere("destroy, killed, then apply", REVIVAL, flagship);
}

#[test]
fn an_apply_killed_at_any_call_of_its_job_neither_starts_nor_submits_anything_twice() {
    everywhere("apply with a job, killed", JOB, |machine| Project::small_on(machine, "crash"));
}

#[test]
fn two_applies_killed_one_after_the_other_are_taken_up_by_the_third() {
    let family = "apply, killed twice";
    let story = Story { before: &[], act: RUN, after: &[RUN] };
    let machine = Machine::start();
    let (run, end) = story.reference(&Scene::on(&machine, small(&machine)));
    let writes = u32::try_from(run.writes().count()).expect("there are few");
    let once = || (1..=writes).flat_map(|at| [(at, Side::Before), (at, Side::After)]);
    let twice = once().flat_map(|first| once().map(move |second| (first, second)));
    let tries = slice(family, twice.collect(), SLICE);
    let name = |(first, second): &((u32, Side), (u32, Side))| format!("{first:?}, {second:?}");
    let tally = crew(small, &tries, name, |scene, (first, second)| {
        scene.run(story.act, vec![Box::new(KillWrite::at(*first))]);
        story.told(scene, vec![Box::new(KillWrite::at(*second))], &end)
    });
    report(&tally.row(family));
    tally.holds(family);
}

fn small(machine: &Machine) -> Project<'_> {
    Project::on(machine, "crash", SMALL)
}

/// The flagship, and beside it the same with changes.
pub fn flagship(machine: &Machine) -> Project<'_> {
    let project = Project::flagship_on(machine, "crash");
    project.write("changed.yaml", &project.read("blueprint.yaml"));
    for (before, after) in CHANGES {
        project.edit("changed.yaml", before, after);
    }
    project
}

fn everywhere(family: &str, story: Story, project: fn(&Machine) -> Project<'_>) {
    let machine = Machine::start();
    let (run, end) = story.reference(&Scene::on(&machine, project(&machine)));
    let sides = |point: Point| [(point.clone(), Side::Before), (point, Side::After)];
    let all: Vec<_> = points(&run.made).into_iter().flat_map(sides).collect();
    let tries = slice(family, all, SLICE);
    let name = |(point, side): &(Point, Side)| format!("{side:?} {point}");
    let tally = crew(project, &tries, name, |scene, (point, side)| {
        story.told(scene, vec![Box::new(Kill::at(point.clone(), *side))], &end)
    });
    report(&tally.row(family));
    tally.holds(family);
}

/// Kills the program at its n-th write, whichever that is.
struct KillWrite {
    left: u32,
    side: Side,
    due: Option<String>,
}

impl KillWrite {
    fn at((number, side): (u32, Side)) -> Self {
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
