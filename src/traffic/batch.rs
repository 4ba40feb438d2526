//! Records that go in one call. Pure.

use crate::cloud::Record;

/// What one call takes.
const RECORDS_MAX: usize = 500;
/// Of data and keys together. AWS writes 5 MB in one place and 5 MiB in another: this is both.
const BYTES_MAX: usize = 5_000_000;

/// Consecutive records of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Batch {
    pub records: Vec<Record>,
    /// Data and keys.
    bytes: usize,
    /// The line of the first record, and the one after the last line that was read for this batch;
    /// lines count from 1.
    pub first_line: u64,
    pub next_line: u64,
    /// Lines without anything in them.
    pub empty: u64,
    /// Records that lack the field that was to be their key.
    pub keyless: u64,
    /// How much of the file was read, as it is stored.
    pub offset: u64,
}

impl Batch {
    /// Whether there is room for one more.
    pub fn takes(&self, record: &Record) -> bool {
        self.records.len() < RECORDS_MAX && self.bytes + record.size() <= BYTES_MAX
    }

    pub fn push(&mut self, record: Record, line: u64) {
        if self.records.is_empty() {
            self.first_line = line;
        }
        self.bytes += record.size();
        self.records.push(record);
    }

    pub fn is_full(&self) -> bool {
        self.records.len() == RECORDS_MAX
    }

    /// Whether there is nothing in it to send or to tell of.
    pub fn is_nothing(&self) -> bool {
        self.records.is_empty() && self.empty == 0
    }
}
