//! Plan, events and reports, for people and for machines. The only module that prints.

pub mod calls;
pub mod ending;
pub mod hours;
pub mod json;
pub mod live;
pub mod lock;
pub mod markdown;
mod part;
pub mod status;
pub mod style;
pub mod text;
pub mod traffic;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::MultiProgress;

use crate::blueprint::{Desired, Id};
use crate::jobs::Due;
use crate::kind::Place;
use crate::plan::{Action, Plan};

/// A plan and all that a reader needs to judge it.
pub struct Proposal<'a> {
    pub desired: &'a Desired,
    pub place: &'a Place,
    pub plan: &'a Plan,
    pub jobs: &'a BTreeMap<Id, Due>,
}

/// How many steps do what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    pub create: usize,
    pub update: usize,
    pub replace: usize,
    pub delete: usize,
    pub unchanged: usize,
    pub jobs: usize,
}

impl Proposal<'_> {
    pub fn counts(&self) -> Counts {
        let mut counts = Counts { jobs: self.due().count(), ..Counts::default() };
        for step in &self.plan.steps {
            match step.action {
                Action::Keep(_) | Action::Dormant(_) => counts.unchanged += 1,
                Action::Create(_) => counts.create += 1,
                Action::Update(_) => counts.update += 1,
                Action::Replace(_) => counts.replace += 1,
                Action::Delete => counts.delete += 1,
            }
        }
        counts
    }

    /// Jobs that an apply of this plan runs, and why.
    pub fn due(&self) -> impl Iterator<Item = (&Id, &str)> {
        self.jobs.iter().filter_map(|(id, due)| match due {
            Due::Run(why) => Some((id, why.as_str())),
            Due::Done | Due::Manual => None,
        })
    }

    pub fn title(&self) -> String {
        title(self.desired, self.place)
    }
}

/// Which pipeline it is about, and where.
fn title(desired: &Desired, place: &Place) -> String {
    let Desired { name, environment, .. } = desired;
    format!("{name} ({environment}) in account {}, region {}", place.account, place.region)
}

/// A glyph and the word beside it.
pub fn sign(action: &Action) -> (&'static str, &'static str) {
    match action {
        Action::Keep(_) => (" ", "keep"),
        Action::Dormant(_) => (" ", "dormant"),
        Action::Create(_) => ("+", "create"),
        Action::Update(_) => ("~", "update"),
        Action::Replace(_) => ("±", "replace"),
        Action::Delete => ("-", "delete"),
    }
}

/// `1 object`, `2 objects`.
pub fn count(number: u64, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}

/// The answer of a command. A reader that has gone away has had enough.
pub fn answer(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// What a command says beside its answer.
pub fn say(text: &str) {
    let screen = SCREEN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match screen {
        Some(screen) => screen.suspend(|| write(text)),
        None => write(text),
    }
}

fn write(text: &str) {
    let mut err = io::stderr().lock();
    let _ = writeln!(err, "{}", text.trim_end_matches('\n'));
}

/// The lines that move on a terminal, while there are any: what is said goes above them.
static SCREEN: Mutex<Option<MultiProgress>> = Mutex::new(None);

fn show(screen: Option<MultiProgress>) {
    *SCREEN.lock().unwrap_or_else(PoisonError::into_inner) = screen;
}
