//! Records into a stream: several batches at once, and of each again what was not taken.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc::Receiver;
use tokio::time::{MissedTickBehavior, interval};

use crate::cloud::{Class, Fault, Intake, Record};

use super::batch::Batch;
use super::records::Flaw;

/// Batches on their way at once: enough to keep AWS busy, and few enough to be held in memory.
const LANES: usize = 4;
/// How often progress is told where nothing else happens.
const BEAT: Duration = Duration::from_millis(500);
/// Milliseconds before each further try; the last one repeats. A shard takes more within a second.
const BACKOFF: [u64; 5] = [200, 500, 1_000, 2_000, 5_000];
/// Tries of which none got a record through; a minute or so.
const TRIES: u32 = 15;

/// How far a sending is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub records: u64,
    /// Of data.
    pub bytes: u64,
    /// Records that were sent again, each time counted.
    pub retried: u64,
    /// Lines without anything in them.
    pub empty: u64,
    /// Records that lack the field that was to be their key.
    pub keyless: u64,
    /// How much of the file is through, as it is stored.
    pub offset: u64,
    /// The first lines of batches that are on their way, or failed.
    pending: BTreeSet<u64>,
    /// The line that is read next.
    next_line: u64,
}

impl Tally {
    pub fn new(from_line: u64) -> Self {
        Self { next_line: from_line, ..Self::default() }
    }

    /// All lines before this one were taken by the stream.
    pub fn resume(&self) -> u64 {
        self.pending.first().copied().unwrap_or(self.next_line)
    }

    fn start(&mut self, batch: &Batch) {
        self.empty += batch.empty;
        self.keyless += batch.keyless;
        self.next_line = batch.next_line;
        if !batch.records.is_empty() {
            self.pending.insert(batch.first_line);
        }
    }

    fn end(&mut self, first_line: u64, offset: u64) {
        self.pending.remove(&first_line);
        self.offset = self.offset.max(offset);
    }

    fn took(&mut self, records: u64, bytes: usize) {
        self.records += records;
        self.bytes += bytes as u64;
    }
}

pub trait SendReporter {
    fn progress(&self, tally: &Tally);
}

/// Why not everything was sent.
#[derive(Debug)]
pub enum Halt {
    File(Flaw),
    Refused(Fault),
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(flaw) => flaw.fmt(f),
            Self::Refused(fault) => fault.fmt(f),
        }
    }
}

/// A stream, and who hears of what goes into it.
pub struct Sending<'a> {
    pub intake: &'a dyn Intake,
    pub stream: &'a str,
    pub reporter: &'a dyn SendReporter,
    /// What is known of it even when it is dropped in the middle.
    pub tally: &'a RefCell<Tally>,
}

impl Sending<'_> {
    /// Sends all batches. What stops one lets the others on their way come to their ends, so that
    /// as much as possible is known.
    pub async fn run(&self, mut batches: Receiver<Result<Batch, Flaw>>) -> Result<(), Halt> {
        let mut working = FuturesUnordered::new();
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut open, mut halt) = (true, None);
        while open || !working.is_empty() {
            tokio::select! {
                batch = batches.recv(), if open && working.len() < LANES => match batch {
                    Some(Ok(batch)) => {
                        self.tally.borrow_mut().start(&batch);
                        working.push(self.deliver(batch));
                    }
                    Some(Err(flaw)) => (open, halt) = (false, Some(Halt::File(flaw))),
                    None => open = false,
                },
                Some(ended) = working.next(), if !working.is_empty() => {
                    if let Err(fault) = ended {
                        (open, halt) = (false, Some(Halt::Refused(fault)));
                    }
                    self.reporter.progress(&self.tally.borrow());
                },
                _ = beat.tick() => self.reporter.progress(&self.tally.borrow()),
            }
        }
        halt.map_or(Ok(()), Err)
    }

    async fn deliver(&self, batch: Batch) -> Result<(), Fault> {
        let (first, offset, mut left, mut tries) =
            (batch.first_line, batch.offset, batch.records, 0);
        while !left.is_empty() {
            let answers = self.intake.put(self.stream, &left).await?;
            let before = left.len();
            let (taken, refused) = sorted(left, answers)?;
            let bytes = taken.iter().map(|record| record.data.len()).sum();
            self.tally.borrow_mut().took(taken.len() as u64, bytes);
            let Some(why) = refused.first().map(|(_, why)| why.clone()) else { break };
            left = refused.into_iter().map(|(record, _)| record).collect();
            tries = if left.len() < before { 1 } else { tries + 1 };
            let Some(wait) = wait(tries) else { return Err(why) };
            pause(wait).await;
            self.tally.borrow_mut().retried += left.len() as u64;
        }
        self.tally.borrow_mut().end(first, offset);
        Ok(())
    }
}

type Refused = Vec<(Record, Fault)>;

/// The records that were taken, and those that were not, in their order.
fn sorted(
    records: Vec<Record>,
    answers: Vec<Option<Fault>>,
) -> Result<(Vec<Record>, Refused), Fault> {
    if records.len() != answers.len() {
        let what = format!("{} answers for {} records", answers.len(), records.len());
        return Err(Fault::new(Class::Broken, "kinesis:PutRecords", what));
    }
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    for (record, answer) in records.into_iter().zip(answers) {
        match answer {
            None => taken.push(record),
            Some(why) => refused.push((record, why)),
        }
    }
    Ok((taken, refused))
}

/// The wait after so many tries without any success; `None`: give up.
fn wait(tries: u32) -> Option<Duration> {
    let index = usize::try_from(tries.saturating_sub(1)).unwrap_or(usize::MAX);
    let wait = Duration::from_millis(BACKOFF[index.min(BACKOFF.len() - 1)]);
    (tries < TRIES).then_some(wait)
}

#[expect(clippy::disallowed_methods, reason = "a full shard takes more after a while")]
async fn pause(wait: Duration) {
    tokio::time::sleep(wait).await;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tokio::sync::mpsc::channel;

    use crate::cloud::Boxed;

    use super::*;

    /// A stream that refuses some records as often as it is told, and then takes them.
    #[derive(Default)]
    struct Fake {
        /// How often each record is refused, by its data.
        refuses: RefCell<BTreeMap<String, u32>>,
        calls: RefCell<Vec<Vec<String>>>,
        taken: RefCell<Vec<String>>,
        /// The call as a whole fails when this record is in it.
        fails_at: Option<&'static str>,
    }

    fn full() -> Fault {
        Fault::new(Class::Throttled, "kinesis:PutRecords", "Rate exceeded for shard")
    }

    impl Intake for Fake {
        fn put<'a>(
            &'a self,
            _: &'a str,
            records: &'a [Record],
        ) -> Boxed<'a, Result<Vec<Option<Fault>>, Fault>> {
            let data = |record: &Record| String::from_utf8(record.data.clone()).expect("text");
            let names: Vec<String> = records.iter().map(data).collect();
            self.calls.borrow_mut().push(names.clone());
            let answer = names.iter().map(|name| {
                match self.refuses.borrow_mut().get_mut(name).filter(|left| **left > 0) {
                    Some(left) => {
                        *left -= 1;
                        Some(full())
                    }
                    None => {
                        self.taken.borrow_mut().push(name.clone());
                        None
                    }
                }
            });
            let fails = self.fails_at.is_some_and(|name| names.iter().any(|n| n == name));
            let answer = if fails {
                Err(Fault::new(Class::Denied, "kinesis:PutRecords", "not allowed"))
            } else {
                Ok(answer.collect())
            };
            Box::pin(async move {
                tokio::task::yield_now().await;
                answer
            })
        }
    }

    impl SendReporter for RefCell<u32> {
        fn progress(&self, _: &Tally) {
            *self.borrow_mut() += 1;
        }
    }

    /// Sends batches of two lines: `a b`, `c d`, ...
    async fn send(fake: &Fake, letters: &str) -> (Result<(), Halt>, Tally) {
        let (sender, receiver) = channel(100);
        let letters: Vec<char> = letters.chars().collect();
        for (index, pair) in letters.chunks(2).enumerate() {
            let mut batch = Batch::default();
            for (place, letter) in pair.iter().enumerate() {
                let record = Record { data: letter.to_string().into_bytes(), key: "k".into() };
                batch.push(record, (2 * index + place + 1) as u64);
            }
            batch.next_line = (2 * index + pair.len() + 1) as u64;
            sender.send(Ok(batch)).await.expect("there is room");
        }
        drop(sender);
        let (tally, reporter) = (RefCell::new(Tally::new(1)), RefCell::new(0));
        let sending = Sending { intake: fake, stream: "s", reporter: &reporter, tally: &tally };
        let ended = sending.run(receiver).await;
        assert!(*reporter.borrow() > 0);
        (ended, tally.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_was_refused_is_sent_again() {
        let refuses = BTreeMap::from([("b".to_owned(), 2), ("c".to_owned(), 1)]);
        let fake = Fake { refuses: RefCell::new(refuses), ..Fake::default() };
        let (ended, tally) = send(&fake, "abcd").await;
        assert!(ended.is_ok(), "{ended:?}");
        assert_eq!((tally.records, tally.bytes, tally.retried), (4, 4, 3));
        assert_eq!(tally.resume(), 5);
        let mut calls = fake.calls.take();
        calls.sort();
        assert_eq!(calls, [vec!["a", "b"], vec!["b"], vec!["b"], vec!["c"], vec!["c", "d"]]);
        let mut taken = fake.taken.take();
        taken.sort();
        assert_eq!(taken, ["a", "b", "c", "d"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_that_is_never_taken_is_given_up_and_the_first_line_to_send_again_is_known() {
        let refuses = BTreeMap::from([("d".to_owned(), u32::MAX)]);
        let fake = Fake { refuses: RefCell::new(refuses), ..Fake::default() };
        let (ended, tally) = send(&fake, "abcdefghijklmnop").await;
        let halt = ended.expect_err("it cannot be sent").to_string();
        assert_eq!(halt, "kinesis:PutRecords: Rate exceeded for shard");
        assert_eq!(tally.resume(), 3);
        let alone = fake.calls.borrow().iter().filter(|call| **call == ["d"]).count();
        // The first try of all was with `c`, which was taken.
        assert_eq!(alone, TRIES as usize - 1);
        // The other lanes went on meanwhile.
        assert_eq!(tally.records, 15);
    }

    #[tokio::test(start_paused = true)]
    async fn progress_makes_patience_new() {
        let refuses = BTreeMap::from([("a".to_owned(), TRIES - 1), ("b".to_owned(), TRIES + 3)]);
        let fake = Fake { refuses: RefCell::new(refuses), ..Fake::default() };
        let (ended, tally) = send(&fake, "ab").await;
        assert!(ended.is_ok(), "{ended:?}");
        assert_eq!(tally.records, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_of_a_whole_call_starts_nothing_new_and_lets_the_others_end() {
        let fake = Fake { fails_at: Some("c"), ..Fake::default() };
        let (ended, tally) = send(&fake, "abcdefghijklmnopqrstuvwxyz").await;
        let halt = ended.expect_err("it was refused").to_string();
        assert_eq!(halt, "kinesis:PutRecords: not allowed");
        assert_eq!(tally.resume(), 3);
        assert!(fake.calls.borrow().len() < 13, "{:?}", fake.calls);
        assert_eq!(tally.records as usize, fake.taken.borrow().len());
        assert!(fake.taken.borrow().contains(&"b".to_owned()));
    }

    #[test]
    fn an_answer_for_each_record_is_needed() {
        let record = Record { data: b"a".to_vec(), key: "k".into() };
        assert_eq!(sorted(vec![record], vec![]).expect_err("one is missing").class, Class::Broken);
    }
}
