//! Eventually stable reconciliation: whatever happened to earlier runs, one undisturbed apply ends
//! where the blueprint says, with nothing of ours doubled or left over, nothing of others touched,
//! and nothing left to do.
//!
//! Histories are drawn by seed and played in memory, by a clock that runs when everybody waits. The
//! same ones each time; `PIPELINE_HISTORIES=100000` plays so many new ones, and `PIPELINE_SEED=N`
//! the one that a failure names, and tells what happened in it.

mod draw;
mod history;
mod line;
mod meddle;
mod play;
mod rules;
mod sheet;
mod shelf;
mod shrink;
mod tally;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use pipeline::blueprint::text::substitute;

use crate::world::desired;

use history::{Act, End, History, Point, Run};
use rules::Broken;
use tally::Tally;

/// How many are played unless a person says otherwise.
const HISTORIES: u64 = 10_000;

/// Time passes only when everybody waits.
fn played(history: &History) -> Result<Tally, Broken> {
    let builder = &mut tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    let result = catch_unwind(AssertUnwindSafe(|| runtime.block_on(play::play(history))));
    result.unwrap_or_else(|_| {
        Err(Broken { rule: "nothing panics: see above".into(), story: String::new() })
    })
}

#[expect(clippy::disallowed_methods, reason = "the switches that a person sets by hand")]
fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name}={value}")))
}

/// Plays the histories of `count` seeds from the first on, on all processors; the seed of one that
/// breaks a rule.
fn all(first: u64, count: u64) -> Result<Tally, u64> {
    let (next, broken) = (AtomicU64::new(0), AtomicBool::new(false));
    let (sum, seed) = (Mutex::new(Tally::default()), Mutex::new(None));
    let worker = || {
        let mut tally = Tally::default();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count || broken.load(Ordering::Relaxed) {
                break;
            }
            match played(&draw::history(first.wrapping_add(index))) {
                Ok(one) => tally.add(&Tally { histories: 1, ..one }),
                Err(_) => {
                    broken.store(true, Ordering::Relaxed);
                    *seed.lock().unwrap() = Some(first.wrapping_add(index));
                }
            }
        }
        sum.lock().unwrap().add(&tally);
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(worker);
        }
    });
    match seed.into_inner().unwrap() {
        None => Ok(sum.into_inner().unwrap()),
        Some(seed) => Err(seed),
    }
}

/// What a history breaks, with the smallest one that breaks the same.
fn told(seed: u64) -> String {
    let history = draw::history(seed);
    let Err(broken) = played(&history) else { return format!("history {seed} breaks no rule") };
    let same = |other: &History| played(other).is_err_and(|found| found.name() == broken.name());
    let small = shrink::shrink(history, same);
    let found = played(&small).unwrap_err();
    format!(
        "history {seed} breaks a rule: {}\n{}\nthe smallest that does: {small:#?}\n\
         PIPELINE_SEED={seed} plays it again",
        found.rule, found.story
    )
}

#[test]
fn after_every_history_one_undisturbed_apply_converges() {
    if let Some(seed) = asked("PIPELINE_SEED") {
        assert!(played(&draw::history(seed)).is_ok(), "{}", told(seed));
        return;
    }
    let asked = asked("PIPELINE_HISTORIES");
    let first = if asked.is_some() { RandomState::new().hash_one(0) } else { 0 };
    let tally =
        all(first, asked.unwrap_or(HISTORIES)).unwrap_or_else(|seed| panic!("{}", told(seed)));
    tally.shows_enough();
    if asked.is_some() {
        writeln!(std::io::stderr(), "histories from {first} on: {tally:#?}").unwrap();
    }
}

#[test]
fn a_run_may_be_killed_at_each_of_its_calls() {
    for seed in 0..12 {
        let drawn = History { acts: Vec::new(), ..draw::history(seed) };
        let (mut call, mut killed) = (0, true);
        while killed {
            call += 1;
            killed = false;
            for end in [End::Before, End::After] {
                let run = Run { end: Some(end(Point::Call(call))), ..Run::quiet() };
                let history = History { acts: vec![Act::Run(run)], ..drawn.clone() };
                let tally = played(&history).unwrap_or_else(|broken| {
                    panic!("{}\n{}\n{history:#?}", broken.rule, broken.story)
                });
                killed |= tally.killed_before + tally.killed_after > 0;
            }
        }
        assert!(call > 1, "it was killed at some call");
    }
}

#[test]
fn a_normal_spec_is_normal_and_reconciling_keeps_equals_equal() {
    for seed in 0..500 {
        for node in desired(&sheet::resources(&draw::history(seed).parts)).nodes.values() {
            let again = node.kind.normalize(&node.spec).unwrap().spec;
            assert_eq!(again, node.spec);
            assert_eq!(node.kind.reconcile(&node.spec, &node.spec), node.spec);
            let filled = substitute(node.kind, &node.spec, &BTreeMap::new());
            assert_eq!(filled.as_ref(), Ok(&node.spec));
        }
    }
}
