//! The same story told again and again, disturbed at another point each time, by a crew of scenes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Mutex, mpsc};
use std::thread;

use super::call::Call;
use super::honest::beyond;
use super::http::header;
use super::image::Image;
use super::lent::Lent;
use super::proxy::Made;
use super::scene::{Mode, Run, Scene};
use super::slice::{asked, report};
use super::story::Story;

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
    /// Each run, as it ended and what it wrote.
    runs: Vec<String>,
}

/// How many of a point's notes a failure tells.
const NOTES: usize = 10;

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
    /// The points that were missed.
    pub missed: Vec<(String, Outcome)>,
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
        if !outcome.notes.is_empty() {
            self.missed.push((what.to_owned(), outcome));
        }
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
        for (point, outcome) in &self.missed {
            let _ = write!(told, "\n{point}: {}", outcome.told());
        }
        assert!(self.tried > 0 && self.converged == self.tried && self.missed.is_empty(), "{told}");
    }
}

/// Calls that AWS carries out as often as they come.
const ONCE: [&str; 5] = [
    "kms:CreateKey",
    "elasticmapreduce:RunJobFlow",
    "elasticmapreduce:AddJobFlowSteps",
    "elasticmapreduce:AddInstanceGroups",
    "elasticmapreduce:AddInstanceFleet",
];

/// Those of them that the SDK sent more than once for one call of the program.
fn resent(made: &[Made]) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let once = made.iter().map(|made| &made.call).filter(|call| ONCE.contains(&&*call.name()));
    let id =
        |call: &Call| header(&call.request.headers, "amz-sdk-invocation-id").map(str::to_owned);
    once.filter(|call| !seen.insert(id(call))).map(Call::name).collect()
}

/// All points of a family take up to an hour.
const SAID_EVERY: u32 = 250;

/// How many scenes play at once: runs wait more than they work, and most where AWS is hard.
fn size(mode: Mode) -> usize {
    match (asked(), mode) {
        (false, _) => 8,
        (true, Mode::Mild) => 20,
        (true, Mode::Hard) => 56,
    }
}

/// Tries each of these on a scene of its own, several at a time.
pub fn crew<T: Sync>(
    story: &Story,
    tries: &[T],
    name: impl Fn(&T) -> String + Sync,
    one: impl Fn(&Scene<'_>, &T) -> Outcome + Sync,
) -> Tally {
    let left = Mutex::new(tries.iter());
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..size(story.mode).min(tries.len()) {
            let (tell, left, name, one) = (tell.clone(), &left, &name, &one);
            scope.spawn(move || {
                let machine = Lent::take();
                let scene = Scene::in_mode(story.mode, &machine, (story.project)(&machine));
                let mut kept = false;
                while let Some(next) = next(left) {
                    if kept {
                        scene.restore();
                    } else {
                        story.begin(&scene);
                        scene.keep();
                        kept = true;
                    }
                    let _ = tell.send((name(next), one(&scene, next)));
                }
            });
        }
        drop(tell);
        let mut tally = Tally::default();
        for (what, outcome) in told {
            tally.add(&what, outcome);
            if tally.tried.is_multiple_of(SAID_EVERY) {
                report(&format!("{} of {} tried", tally.tried, tries.len()));
            }
        }
        tally
    })
}

fn next<'t, T>(left: &Mutex<std::slice::Iter<'t, T>>) -> Option<&'t T> {
    left.lock().expect("nothing panics in here").next()
}

impl Outcome {
    /// Until something is missed.
    pub fn good() -> Self {
        Self { converged: true, ..Self::default() }
    }

    /// What was missed, and how it came to that.
    pub fn told(&self) -> String {
        let Self { notes, runs, .. } = self;
        let first = notes.iter().take(NOTES).chain(runs).map(|note| format!("\n    {note}"));
        format!("{} notes{}", notes.len(), first.collect::<String>())
    }

    pub fn miss(&mut self, note: String) {
        self.converged = false;
        self.notes.push(note);
    }

    pub fn ended_well(&mut self, run: &Run, codes: &[Option<i32>]) {
        let wrote = run.writes().map(|made| format!("\n{} {:?}", made.call.name(), made.status));
        self.runs.push(format!("{}\n--- wrote{}", run.ended, wrote.collect::<String>()));
        if run.hung {
            self.hangs += 1;
        }
        if run.hung || !codes.contains(&run.ended.code) {
            self.miss(format!("exit code {:?}, none of {codes:?}", run.ended.code));
        }
        for call in resent(&run.made) {
            self.miss(format!("sent again, though AWS may have carried it out: {call}"));
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

    pub fn compare(&mut self, wanted: &Image, found: &Image) {
        let differences = wanted.differences(found);
        let extra: Vec<_> =
            differences.iter().filter(|it| it.contains(": nothing / ")).cloned().collect();
        let numbered = |thing: &&&str| thing.ends_with(')');
        let things = Image::things(&extra);
        let twice = things.iter().filter(numbered).count();
        self.duplicates += u32::try_from(twice).expect("they are few");
        self.orphans += u32::try_from(things.len() - twice).expect("they are few");
        differences.into_iter().for_each(|difference| self.miss(difference));
    }
}
