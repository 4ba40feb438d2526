//! Histories by number: the same seed draws the same history.

use crate::fake::Answer;
use crate::toys;

use super::history::{
    Act, Blow, Change, Edit, End, Guise, History, Nature, Outside, Point, Run, Trouble,
};
use super::sheet::Part;

/// Ids are `r0` to `r5`.
pub const SLOTS: u8 = 6;

/// SplitMix64: every seed is as good as every other.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u32) -> u32 {
        u32::try_from(self.next() % u64::from(end)).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn slot(&mut self) -> u8 {
        // Few, so that acts meet.
        u8::try_from(self.below(u32::from(SLOTS)).min(self.below(u32::from(SLOTS)))).unwrap()
    }

    /// One time in so many.
    fn one_in(&mut self, times: u32) -> bool {
        self.below(times) == 0
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(u32::try_from(all.len()).unwrap()) as usize]
    }

    fn some<T>(&mut self, most: u32, mut draw: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| draw(self)).collect()
    }
}

pub fn history(seed: u64) -> History {
    let dice = &mut Dice::new(seed);
    let size = 1 + dice.below(4).min(dice.below(6));
    let mut parts = Vec::new();
    for slot in 0..u8::try_from(size).unwrap() {
        parts.push(part(dice, slot));
    }
    let locks = dice.one_in(2);
    if locks {
        parts[0].kind = kind("bucket");
    }
    let number = 1 + dice.below(6).min(dice.below(6));
    let acts = (0..number).map(|_| act(dice)).collect();
    History { parts, locks, ends: dice.one_in(4), acts }
}

fn kind(name: &str) -> usize {
    toys::KINDS.iter().position(|kind| kind.name() == name).unwrap()
}

fn part(dice: &mut Dice, slot: u8) -> Part {
    let kinds = u32::try_from(toys::KINDS.len()).unwrap();
    Part {
        slot,
        kind: dice.below(kinds) as usize,
        variant: dice.byte(),
        renamed: dice.one_in(8),
        refers: dice.some(2, Dice::slot),
    }
}

fn act(dice: &mut Dice) -> Act {
    match dice.below(20) {
        0..8 => Act::Run(run(dice)),
        8..11 => {
            let runs = if dice.one_in(3) { 4 } else { 2 };
            Act::Race((0..runs).map(|_| racer(dice)).collect())
        }
        11..16 => Act::Edit(edit(dice)),
        16..19 => Act::Outside(outside(dice)),
        _ => Act::Pass(u64::from(dice.below(300))),
    }
}

fn edit(dice: &mut Dice) -> Edit {
    let slot = dice.slot();
    match dice.below(7) {
        0..4 => Edit::Put(part(dice, slot)),
        4..6 => Edit::Remove(slot),
        _ => Edit::Turn(1 + slot),
    }
}

fn outside(dice: &mut Dice) -> Outside {
    let slot = dice.slot();
    let changes =
        [Change::Field, Change::Fixed, Change::Tag, Change::Strip, Change::Seize, Change::Fill];
    let guises = [Guise::Bare, Guise::Odd, Guise::Sibling, Guise::Namesake, Guise::Neighbour];
    match dice.below(5) {
        0..1 => Outside::Delete(slot),
        1..3 => Outside::Change(slot, dice.of(&changes)),
        _ => Outside::Make(slot, dice.of(&guises)),
    }
}

fn racer(dice: &mut Dice) -> Run {
    Run { latency: 1 + dice.below(2_000), patience: dice.of(&[0, 30, 600]), ..run(dice) }
}

fn run(dice: &mut Dice) -> Run {
    let calm = dice.one_in(4);
    let blows = [Blow::Fails, Blow::Ends, Blow::Stuck];
    let ends = [End::Before, End::Before, End::After, End::After, End::Stop];
    let killed = !calm && dice.one_in(2);
    let troubled = !calm && dice.one_in(2);
    let meddled = !calm && dice.one_in(6);
    let struck = !calm && dice.one_in(6);
    let end = dice.of(&ends);
    Run {
        destroy: dice.one_in(10),
        delete_data: !dice.one_in(8),
        nature: nature(dice),
        blows: if struck { vec![(dice.slot(), dice.of(&blows))] } else { Vec::new() },
        end: killed.then(|| end(point(dice))),
        faults: if troubled { dice.some(3, trouble) } else { Vec::new() },
        between: if meddled { dice.some(2, outside) } else { Vec::new() },
        unlocked: dice.one_in(6).then(|| 1 + dice.below(20)),
        latency: if dice.one_in(2) { 1 + dice.below(500) } else { 0 },
        patience: 600,
    }
}

fn nature(dice: &mut Dice) -> Nature {
    let few = |dice: &mut Dice| if dice.one_in(2) { 0 } else { dice.below(4) };
    Nature {
        settles: few(dice),
        forgets: few(dice),
        leaves: few(dice),
        unlisted: few(dice),
        one_field: dice.one_in(4),
    }
}

fn point(dice: &mut Dice) -> Point {
    match dice.one_in(3) {
        true => Point::Call(1 + dice.below(16)),
        false => Point::Write(1 + dice.below(4)),
    }
}

fn trouble(dice: &mut Dice) -> Trouble {
    let answers = [
        Answer::NotYet,
        Answer::Throttled,
        Answer::Conflict,
        Answer::Denied,
        Answer::Invalid,
        Answer::Broken,
        Answer::Lost,
        Answer::Lost,
        Answer::Dropped,
    ];
    Trouble { at: point(dice), answer: dice.of(&answers), times: dice.of(&[1, 1, 2, 3, 40]) }
}
