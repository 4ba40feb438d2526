//! The same story told again and again, disturbed at another point each time, by a crew of scenes.

use std::fmt::Write as _;
use std::sync::{Mutex, mpsc};
use std::thread;

use super::honest::beyond;
use super::image::Image;
use super::proxy::Rule;
use super::scene::{Run, Scene};
use crate::e2e::Project;
use crate::e2e::machine::Machine;

/// What is done before, what is disturbed, and what a person types afterwards.
#[derive(Clone, Copy)]
pub struct Story {
    pub before: &'static [&'static str],
    pub act: &'static str,
    pub after: &'static [&'static str],
    /// What then finds nothing to do.
    pub plan: &'static str,
}

/// What came of one try.
#[derive(Debug, Default, Clone)]
pub struct Outcome {
    pub converged: bool,
    pub duplicates: u32,
    pub orphans: u32,
    pub foreign: u32,
    pub beyond: u32,
    pub hangs: u32,
    /// What a person reads who looks for the cause.
    pub notes: Vec<String>,
}

/// The sum of a family's tries.
#[derive(Debug, Default)]
pub struct Tally {
    pub tried: u32,
    pub converged: u32,
    pub duplicates: u32,
    pub orphans: u32,
    pub foreign: u32,
    pub beyond: u32,
    pub hangs: u32,
    pub notes: Vec<String>,
}

impl Tally {
    fn add(&mut self, what: &str, outcome: Outcome) {
        self.tried += 1;
        self.converged += u32::from(outcome.converged);
        self.duplicates += outcome.duplicates;
        self.orphans += outcome.orphans;
        self.foreign += outcome.foreign;
        self.beyond += outcome.beyond;
        self.hangs += outcome.hangs;
        self.notes.extend(outcome.notes.into_iter().map(|note| format!("{what}: {note}")));
    }

    /// A row of the table in docs/reliability.md.
    pub fn row(&self, family: &str) -> String {
        let Self { tried, converged, duplicates, orphans, foreign, beyond, hangs, .. } = self;
        format!(
            "| {family} | {tried} | {converged} | {duplicates} | {orphans} | {foreign} \
             | {beyond} | {hangs} |"
        )
    }

    #[track_caller]
    pub fn holds(&self, family: &str) {
        let mut told = self.row(family);
        for note in self.notes.iter().take(40) {
            let _ = write!(told, "\n{note}");
        }
        assert!(self.tried > 0 && self.converged == self.tried && self.notes.is_empty(), "{told}");
    }
}

/// How many scenes play at once: runs wait more than they work.
const CREW: usize = 8;

/// Tries each of these on a scene of its own, `CREW` at a time.
pub fn crew<T: Sync>(
    project: impl Fn(&Machine) -> Project<'_> + Sync,
    tries: &[T],
    name: impl Fn(&T) -> String + Sync,
    one: impl Fn(&Scene<'_>, &T) -> Outcome + Sync,
) -> Tally {
    let left = Mutex::new(tries.iter());
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..CREW.min(tries.len()) {
            let (tell, left, project, name, one) = (tell.clone(), &left, &project, &name, &one);
            scope.spawn(move || {
                let machine = Machine::start();
                let scene = Scene::on(&machine, project(&machine));
                while let Some(next) = next(left) {
                    scene.reset();
                    let _ = tell.send((name(next), one(&scene, next)));
                }
            });
        }
        drop(tell);
        let mut tally = Tally::default();
        for (what, outcome) in told {
            tally.add(&what, outcome);
        }
        tally
    })
}

fn next<'t, T>(left: &Mutex<std::slice::Iter<'t, T>>) -> Option<&'t T> {
    left.lock().expect("nothing panics in here").next()
}

impl Story {
    /// Without any disturbance: the calls of the act, and what AWS holds at the end.
    pub fn reference(&self, scene: &Scene<'_>) -> (Run, Image) {
        scene.reset();
        self.begin(scene);
        let run = scene.undisturbed(self.act);
        assert_eq!(run.ended.code, Some(0), "{}", run.ended);
        for line in self.after {
            let ended = scene.undisturbed(line).ended;
            assert_eq!(ended.code, Some(0), "{ended}");
        }
        (run, scene.image())
    }

    fn begin(&self, scene: &Scene<'_>) {
        for line in self.before {
            let ended = scene.undisturbed(line).ended;
            assert_eq!(ended.code, Some(0), "{ended}");
        }
    }

    /// The act disturbed by these rules, then undisturbed commands, then the checks.
    pub fn told(&self, scene: &Scene<'_>, rules: Vec<Box<dyn Rule>>, end: &Image) -> Outcome {
        self.begin(scene);
        let mut outcome = Outcome { converged: true, ..Outcome::default() };
        let disturbed = scene.run(self.act, rules);
        outcome.ended_well(&disturbed, &[None, Some(0), Some(1), Some(4), Some(5), Some(6)]);
        for line in self.after {
            outcome.ended_well(&scene.undisturbed(line), &[Some(0)]);
        }
        outcome.ended_well(&scene.undisturbed(self.plan), &[Some(0)]);
        if let Some(line) = self.after.last() {
            let again = scene.undisturbed(line);
            outcome.ended_well(&again, &[Some(0)]);
            for made in again.writes() {
                outcome.miss(format!("a further run wrote: {}", made.call.name()));
            }
        }
        outcome.compare(end, &scene.image());
        outcome.leaves_others_alone(scene);
        outcome
    }
}

impl Outcome {
    pub fn miss(&mut self, note: String) {
        self.converged = false;
        self.notes.push(note);
    }

    pub fn ended_well(&mut self, run: &Run, codes: &[Option<i32>]) {
        if run.hung {
            self.hangs += 1;
        }
        if run.hung || !codes.contains(&run.ended.code) {
            self.miss(format!("{}", run.ended));
        }
        for write in beyond(&run.ended.err, &run.made) {
            self.beyond += 1;
            self.miss(format!("a write that the plan does not imply: {write}"));
        }
    }

    pub fn leaves_others_alone(&mut self, scene: &Scene<'_>) {
        for change in scene.trespasses() {
            self.foreign += 1;
            self.miss(format!("not ours, and changed: {change}"));
        }
    }

    fn compare(&mut self, wanted: &Image, found: &Image) {
        for difference in wanted.differences(found) {
            if difference.contains(" (2)") {
                self.duplicates += 1;
            } else if difference.contains(": nothing / ") {
                self.orphans += 1;
            }
            self.miss(difference);
        }
    }
}
