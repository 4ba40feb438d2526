//! What is done before, what is disturbed, and what a person types afterwards.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::family::{Outcome, crew};
use super::image::Image;
use super::lent::Lent;
use super::proxy::Rule;
use super::scene::{Mode, Run, Scene};
use super::slice::{report, slice};
use super::stories::DESTROY;
use crate::e2e::Project;
use crate::e2e::machine::Machine;

/// Where AWS is hard everything takes ten times as long: CI tries a part of what it tries else.
const HARD: usize = 3;

#[derive(Clone, Copy)]
pub struct Story {
    pub name: &'static str,
    pub project: fn(&Machine) -> Project<'_>,
    pub before: &'static [&'static str],
    pub act: &'static str,
    /// After these the last of them finds nothing to do.
    pub after: &'static [&'static str],
    pub mode: Mode,
}

impl Story {
    /// The same on an AWS that is hard to deal with.
    pub fn hard(self) -> Self {
        Self { mode: Mode::Hard, ..self }
    }

    /// Without any disturbance: the act, and what AWS holds at the end. It is told once.
    pub fn reference(&self) -> &'static (Run, Image) {
        static TOLD: Mutex<BTreeMap<String, &OnceLock<(Run, Image)>>> = Mutex::new(BTreeMap::new());
        let mut all = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
        let of = format!("{} {:?}", self.name, self.mode);
        let told = *all.entry(of).or_insert_with(|| Box::leak(Box::default()));
        drop(all);
        told.get_or_init(|| self.undisturbed())
    }

    fn undisturbed(&self) -> (Run, Image) {
        let machine = Lent::take();
        let scene = Scene::in_mode(self.mode, &machine, (self.project)(&machine));
        self.begin(&scene);
        let run = scene.undisturbed(self.act);
        assert_eq!(run.ended.code, Some(0), "{}", run.ended);
        for line in self.after {
            let ended = scene.undisturbed(line).ended;
            assert_eq!(ended.code, Some(0), "{ended}");
        }
        (run, scene.image())
    }

    /// Tells it once for each of these, or for some of them; all must come to the same end.
    pub fn family<T: Sync + Clone>(
        &self,
        disturbed: &str,
        some: (Vec<T>, usize),
        name: impl Fn(&T) -> String + Sync,
        one: impl Fn(&Scene<'_>, &T) -> Outcome + Sync,
    ) {
        let hard = if self.mode == Mode::Hard { ", hard" } else { "" };
        let family = format!("{}, {disturbed}{hard}", self.name);
        let (every, many) = some;
        let many = if self.mode == Mode::Hard { many.div_ceil(HARD) } else { many };
        let tries = slice(&family, (every, many), &name);
        let tally = crew(self, &tries, name, one);
        report(&tally.row(&family));
        tally.holds(&family);
    }

    /// All that comes before the act, on an AWS that was empty.
    pub fn begin(&self, scene: &Scene<'_>) {
        scene.reset();
        for line in self.before {
            let ended = scene.undisturbed(line).ended;
            assert_eq!(ended.code, Some(0), "{ended}");
        }
    }

    /// The act disturbed by these rules, then undisturbed commands, then the checks.
    pub fn told(&self, scene: &Scene<'_>, rules: Vec<Box<dyn Rule>>, end: &Image) -> Outcome {
        let disturbed = scene.run(self.act, rules);
        self.checked(scene, &[disturbed], end)
    }

    /// The undisturbed commands after these runs, and the checks.
    pub fn checked(&self, scene: &Scene<'_>, disturbed: &[Run], end: &Image) -> Outcome {
        let mut outcome = Outcome::good();
        for run in disturbed {
            outcome.ended_well(run, &[None, Some(0), Some(1), Some(4), Some(5), Some(6)]);
        }
        self.ends(scene, end, &mut outcome);
        outcome
    }

    /// The undisturbed commands, and the checks.
    pub fn ends(&self, scene: &Scene<'_>, end: &Image, outcome: &mut Outcome) {
        let mut last = None;
        for line in self.after {
            let run = scene.undisturbed(line);
            outcome.ended_well(&run, &[Some(0)]);
            last = Some((line, run));
        }
        // One that wrote nothing is a further run itself.
        if let Some((line, _)) = last.filter(|(_, run)| run.writes().next().is_some()) {
            let again = scene.undisturbed(line);
            outcome.ended_well(&again, &[Some(0)]);
            let wrote: Vec<_> = again.writes().map(|made| made.call.name()).collect();
            if !wrote.is_empty() {
                outcome.miss(format!("a further run wrote {wrote:?}"));
            }
        }
        outcome.compare(end, &scene.image());
        outcome.leaves_others_alone(scene);
    }
}

#[test]
fn a_story_that_is_told_again_begins_as_the_first_time() {
    begins_as_the_first_time(DESTROY);
}

#[test]
fn a_story_that_is_told_again_begins_as_the_first_time_where_aws_is_hard() {
    begins_as_the_first_time(DESTROY.hard());
}

fn begins_as_the_first_time(story: Story) {
    let machine = Lent::take();
    let scene = Scene::in_mode(story.mode, &machine, (story.project)(&machine));
    story.begin(&scene);
    scene.keep();
    let first = scene.image();
    assert_eq!(scene.undisturbed(story.act).ended.code, Some(0));
    assert_ne!(scene.image(), first);
    scene.restore();
    let now = scene.image();
    assert!(now == first, "{:#?}", first.differences(&now));
    assert_eq!(scene.trespasses(), [""; 0]);
    let plan = scene.undisturbed("plan blueprint.yaml --env prod --detailed-exitcode");
    assert_eq!(plan.ended.code, Some(0), "{}", plan.ended);
}
