//! Several runs at once, with the lock, and with somebody who takes the lock away.

use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use super::call::Call;
use super::family::Outcome;
use super::http::{self, Answer, Request};
use super::image::Image;
use super::lent::Lent;
use super::proxy::{Deed, Gate, Reply, Rule};
use super::scene::{Run, Scene};
use super::slice::Random;
use super::stories::{APPLY, JOB, UPDATE};
use super::story::Story;

/// How many seeds CI tries, and a full run.
const SLICE: usize = 3;
const ALL: u64 = 40;

/// No call is held up longer, so that runs overtake each other.
const HELD_MAX: u64 = 60;

/// Who stands in the way of the runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adversary {
    Nobody,
    /// Deletes the lock whenever it has been written, some of the times.
    Unlocks,
}

/// Holds every call up for a random while.
struct Jitter(Random);

impl Rule for Jitter {
    fn before(&mut self, _call: &Call) -> Deed {
        Deed::Delay(Duration::from_millis(self.0.below(HELD_MAX)))
    }
}

/// Deletes the lock after it was written.
struct Unlock {
    port: u16,
    random: Random,
}

impl Rule for Unlock {
    fn after(&mut self, call: &Call, answer: &mut Answer) -> Reply {
        let path = call.request.path.split('?').next().unwrap_or_default();
        if path.ends_with("/lock.json") && answer.status == 200 && self.random.below(2) == 0 {
            let mut request = Request { method: "DELETE".into(), ..call.request.clone() };
            request.path = path.to_owned();
            request.body.clear();
            request.headers.retain(|(name, _)| matches!(name.as_str(), "host" | "authorization"));
            let _ = http::exchange(self.port, &request);
        }
        Reply::Send
    }
}

/// Holds a run up that is about to look for a claim on its job. From then on it hears that its lock
/// is renewed, however long it is held up: whoever takes that away does so after the last renewal.
struct HeldUp {
    there: Sender<()>,
    gate: Gate,
    held: bool,
}

impl Rule for HeldUp {
    fn before(&mut self, call: &Call) -> Deed {
        let path = &call.request.path;
        if path.contains("/claims/") {
            self.held = true;
            let _ = self.there.send(());
            return Deed::WaitAt(self.gate.clone());
        }
        if self.held && path.contains("/lock.json") && call.request.method == "PUT" {
            let headers = vec![("etag".to_owned(), "\"renewed\"".to_owned())];
            return Deed::Answer(Answer { status: 200, headers, body: Vec::new() });
        }
        Deed::Forward
    }
}

/// While it was held up its lock was taken away, another apply did the job, and that one's claim
/// has lapsed.
#[test]
fn a_job_that_another_apply_did_meanwhile_is_not_submitted_again() {
    const TAKE_AWAY: &str = "lake = 'NAME-000000000000'
for key in objects(lake, 'pipeline/'):
    if '/claims/' in key or key.endswith('/lock.json'):
        client('s3').delete_object(Bucket=lake, Key=key)
answer(True)";
    let machine = Lent::take();
    let scene = Scene::in_mode(JOB.mode, &machine, (JOB.project)(&machine));
    assert_eq!(scene.undisturbed("apply blueprint.yaml --yes --no-run").ended.code, Some(0));
    let ((there, reached), gate) = (channel(), Gate::default());
    let shut = gate.lock().expect("nobody else has it yet");
    let proxy = scene.proxied();
    proxy.begin(vec![Box::new(HeldUp { there, gate: gate.clone(), held: false })]);
    let late = scene.start(JOB.act, &proxy);
    reached.recv().expect("it looks for a claim");
    scene.project.outside(TAKE_AWAY);
    assert_eq!(scene.undisturbed(JOB.act).ended.code, Some(0));
    scene.project.outside(TAKE_AWAY);
    drop(shut);
    let (ended, _) = scene.outcome(JOB.act, late);
    assert_eq!(ended.code, Some(0), "{ended}");
    let found = scene.project.outside("answer([len(steps(c)) for c in clusters('NAME-spark')])");
    assert_eq!(found, serde_json::json!([1]), "one cluster with one step\n{ended}");
}

#[test]
fn two_first_applies_at_once_come_to_the_same_end_as_one() {
    race(APPLY, 2, Adversary::Nobody);
}

#[test]
fn four_first_applies_at_once_come_to_the_same_end_as_one() {
    race(APPLY, 4, Adversary::Nobody);
}

#[test]
fn two_updates_at_once_come_to_the_same_end_as_one() {
    race(UPDATE, 2, Adversary::Nobody);
}

#[test]
fn two_applies_at_once_run_a_job_once() {
    race(JOB, 2, Adversary::Nobody);
}

#[test]
fn two_updates_at_once_without_their_lock_come_to_the_same_end_as_one() {
    race(UPDATE, 2, Adversary::Unlocks);
}

#[test]
fn four_updates_at_once_without_their_lock_come_to_the_same_end_as_one() {
    race(UPDATE, 4, Adversary::Unlocks);
}

#[test]
fn two_applies_at_once_without_their_lock_run_a_job_once() {
    race(JOB, 2, Adversary::Unlocks);
}

pub fn race(story: Story, runners: u64, adversary: Adversary) {
    let (_, end) = story.reference();
    let all = ((0..ALL).collect(), SLICE);
    let unlocked = if adversary == Adversary::Unlocks { ", the lock deleted" } else { "" };
    let disturbed = format!("{runners} at once{unlocked}");
    story.family(
        &disturbed,
        all,
        |seed| format!("seed {seed}"),
        |scene, seed| story.raced(scene, *seed, runners, adversary, end),
    );
}

/// Whether a run wrote more than the lock.
fn changes(run: &Run) -> bool {
    run.writes().any(|made| !made.call.request.path.contains("/lock.json"))
}

impl Story {
    /// The act by several at once, then the undisturbed commands and the checks.
    fn raced(
        &self,
        scene: &Scene<'_>,
        seed: u64,
        runners: u64,
        adversary: Adversary,
        end: &Image,
    ) -> Outcome {
        let start = |number: u64| {
            let proxy = scene.proxied();
            let mut rules: Vec<Box<dyn Rule>> = vec![Box::new(Jitter(Random(seed * 8 + number)))];
            if adversary == Adversary::Unlocks {
                let random = Random(seed * 8 + number + 100);
                rules.push(Box::new(Unlock { port: scene.upstream(), random }));
            }
            proxy.begin(rules);
            let child = scene.start(self.act, &proxy);
            (proxy, child)
        };
        let started: Vec<_> = (0..runners).map(start).collect();
        let ended = started.into_iter().map(|(proxy, child)| {
            let (ended, hung) = scene.outcome(self.act, child);
            Run { ended, made: proxy.end(), hung }
        });
        let runs: Vec<Run> = ended.collect();
        let mut outcome = self.checked(scene, &runs, end);
        // A first apply has no bucket for its lock yet.
        let locked = adversary == Adversary::Nobody && !self.before.is_empty();
        if locked && runs.iter().filter(|run| changes(run)).count() > 1 {
            outcome.miss("more than one of them changed something".into());
        }
        outcome
    }
}
