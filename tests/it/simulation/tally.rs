//! How often what a history may meet was met: a simulation in which nothing happens proves nothing.

use std::collections::BTreeMap;

use pipeline::kind::place::{ID_TAG, OWNER_TAG};
use pipeline::lock::lease::Answer;

use crate::fake::Fake;

use super::history::End;
use super::line::Line;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    pub histories: u64,
    pub runs: u64,
    pub races: u64,
    pub calls: u64,
    pub writes: u64,
    pub killed_before: u64,
    pub killed_after: u64,
    pub stopped: u64,
    /// Calls that were answered with a fault.
    pub faults: u64,
    pub locks_taken: u64,
    pub locked_out: u64,
    pub locks_removed: u64,
    /// Times that two of ours stood where one should.
    pub twins: u64,
    /// What was others' under a name of ours, and was settled by adopting it, or by its owner.
    pub adopted: u64,
    pub taken_away: u64,
}

impl Tally {
    pub fn count(&mut self, line: &Line<'_>, killed: bool, taken: &Option<Answer>) {
        self.runs += 1;
        self.calls += line.calls.borrow().len() as u64;
        self.writes += line.writes().len() as u64;
        match line.ended.get() {
            Some(End::Before(_)) if killed => self.killed_before += 1,
            Some(End::After(_)) if killed => self.killed_after += 1,
            Some(End::Stop(_)) => self.stopped += 1,
            _ => {}
        }
        self.faults += u64::from(line.answered.get());
        match taken {
            Some(Answer::Ours) => self.locks_taken += 1,
            Some(Answer::Theirs(_) | Answer::Elsewhere(..)) => self.locked_out += 1,
            Some(Answer::NoBucket) | None => {}
        }
        self.locks_removed += u64::from(line.unlocked.get());
    }

    /// Looks at what the runs have left.
    pub fn seen(&mut self, fake: &Fake) {
        let mut ids: BTreeMap<String, u64> = BTreeMap::new();
        for (name, live) in fake.existing(|owner| owner == Some(fake.place.owner.0.as_str())) {
            let tag = |key| live.tag(key).unwrap_or_default();
            *ids.entry(format!("{name} {} {}", tag(OWNER_TAG), tag(ID_TAG))).or_default() += 1;
        }
        self.twins += ids.values().filter(|count| **count > 1).count() as u64;
    }

    pub fn add(&mut self, other: &Self) {
        let other = &mut other.clone();
        let pairs = self.figures().into_iter().zip(other.figures());
        pairs.for_each(|(mine, theirs)| *mine += *theirs);
    }

    /// Of each thing that a history may meet, there is one in a thousand histories at least.
    pub fn shows_enough(&self) {
        let (all, least) = (self.clone().figures().map(|figure| *figure), self.histories / 1_000);
        assert!(all.iter().all(|figure| *figure >= least), "too little happens: {self:#?}");
    }

    fn figures(&mut self) -> [&mut u64; 15] {
        [
            &mut self.histories,
            &mut self.runs,
            &mut self.races,
            &mut self.calls,
            &mut self.writes,
            &mut self.killed_before,
            &mut self.killed_after,
            &mut self.stopped,
            &mut self.faults,
            &mut self.locks_taken,
            &mut self.locked_out,
            &mut self.locks_removed,
            &mut self.twins,
            &mut self.adopted,
            &mut self.taken_away,
        ]
    }
}
