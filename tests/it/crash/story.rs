//! What is done before, what is disturbed, and what a person types afterwards.

use super::family::{Outcome, crew};
use super::image::Image;
use super::lent::Lent;
use super::proxy::Rule;
use super::scene::{Mode, Run, Scene};
use super::slice::{report, slice};
use crate::e2e::Project;
use crate::e2e::machine::Machine;

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

    /// Without any disturbance: the act, and what AWS holds at the end.
    pub fn reference(&self) -> (Run, Image) {
        let machine = Lent::take();
        let scene = Scene::in_mode(self.mode, &machine, (self.project)(&machine));
        scene.reset();
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
        let tries = slice(&family, some, &name);
        let tally = crew(self, &tries, name, one);
        report(&tally.row(&family));
        tally.holds(&family);
    }

    pub fn begin(&self, scene: &Scene<'_>) {
        for line in self.before {
            let ended = scene.undisturbed(line).ended;
            assert_eq!(ended.code, Some(0), "{ended}");
        }
    }

    /// The act disturbed by these rules, then undisturbed commands, then the checks.
    pub fn told(&self, scene: &Scene<'_>, rules: Vec<Box<dyn Rule>>, end: &Image) -> Outcome {
        self.begin(scene);
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
                outcome.miss(format!("a further run wrote {wrote:?}: {}", again.ended));
            }
        }
        outcome.compare(end, &scene.image());
        outcome.leaves_others_alone(scene);
    }
}
