//! A file of records, a line each, read a batch at a time: memory does not grow with the file.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use tokio::sync::mpsc::{Receiver, channel};

use crate::cloud::Record;

use super::batch::Batch;
use super::key;

/// The largest record of a stream that was not made for larger ones, with its key.
const RECORD_MAX: usize = 1024 * 1024;
/// One read from the disk; a pipe gives less.
const BUFFER: usize = 256 * 1024;
/// Batches that are read ahead.
const AHEAD: usize = 1;

/// A file of records that is open.
pub struct Source {
    input: Box<dyn Read + Send>,
    /// As it is stored, where that is known.
    pub bytes: Option<u64>,
    /// More may come at any time: what is there is not held back to wait for it.
    live: bool,
}

/// How a file is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The field that is the partition key; none: the content is.
    pub key: Option<String>,
    /// The first line that is sent.
    pub from_line: u64,
}

/// Why the rest of a file is not read.
#[derive(Debug)]
pub enum Flaw {
    /// This line is longer than a record may be.
    TooLong(u64),
    /// Something went wrong in this line.
    Unreadable(u64, io::Error),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(line) => write!(
                f,
                "line {line} is too long: a record has at most {RECORD_MAX} bytes with its key"
            ),
            Self::Unreadable(line, error) => write!(f, "cannot read line {line}: {error}"),
        }
    }
}

impl Source {
    /// The file; `-` is standard input.
    pub fn open(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self { input: Box::new(io::stdin()), bytes: None, live: true });
        }
        let file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let bytes = about.is_file().then_some(about.len());
        Ok(Self { input: Box::new(file), live: bytes.is_none(), bytes })
    }

    /// Its records, in batches, read on a thread of its own: standard input may have nothing for
    /// as long as it likes, and meanwhile what was sent is to be heard of. It ends with the
    /// receiver.
    pub fn feed(self, reading: Reading) -> Receiver<Result<Batch, Flaw>> {
        let (sender, receiver) = channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            let mut records = match Records::new(self, reading) {
                Ok(records) => records,
                Err(flaw) => {
                    let _ = sender.blocking_send(Err(flaw));
                    return;
                }
            };
            while let Some(batch) = records.next() {
                if sender.blocking_send(batch).is_err() {
                    return;
                }
            }
        });
        receiver
    }
}

/// The batches of a file, one after the other.
struct Records {
    input: BufReader<Box<dyn Read + Send>>,
    offset: Arc<AtomicU64>,
    live: bool,
    key: Option<String>,
    /// The line that is read next.
    line: u64,
    /// What there was no room for in the batch before, and its line.
    left: Option<(Line, u64)>,
    /// What ends the file, once the batch before it is out.
    flaw: Option<Flaw>,
    ended: bool,
}

/// What a line has.
enum Line {
    Empty,
    Record { record: Record, keyless: bool },
}

impl Records {
    fn new(source: Source, reading: Reading) -> Result<Self, Flaw> {
        let offset = Arc::new(AtomicU64::new(0));
        let counted = Counted { input: source.input, read: offset.clone() };
        let input = unpacked(counted).map_err(|error| Flaw::Unreadable(1, error))?;
        let mut records = Self {
            input: BufReader::with_capacity(BUFFER, input),
            offset,
            live: source.live,
            key: reading.key,
            line: 1,
            left: None,
            flaw: None,
            ended: false,
        };
        while records.line < reading.from_line {
            let skipped = records.input.skip_until(b'\n');
            if skipped.map_err(|error| Flaw::Unreadable(records.line, error))? == 0 {
                break;
            }
            records.line += 1;
        }
        Ok(records)
    }

    fn next(&mut self) -> Option<Result<Batch, Flaw>> {
        let mut batch = Batch::default();
        while !self.ended && !batch.is_full() {
            let waits = self.live && self.input.buffer().is_empty() && self.left.is_none();
            if waits && !batch.is_nothing() {
                break;
            }
            match self.left.take().map_or_else(|| self.line(), |left| Ok(Some(left))) {
                Ok(Some((Line::Empty, _))) => batch.empty += 1,
                Ok(Some((Line::Record { record, keyless }, line))) if batch.takes(&record) => {
                    batch.keyless += u64::from(keyless);
                    batch.push(record, line);
                }
                Ok(Some(left)) => {
                    self.left = Some(left);
                    break;
                }
                Ok(None) => self.ended = true,
                Err(flaw) => {
                    self.flaw = Some(flaw);
                    self.ended = true;
                }
            }
        }
        if batch.is_nothing() {
            return self.flaw.take().map(Err);
        }
        batch.next_line = self.left.as_ref().map_or(self.line, |(_, line)| *line);
        if let Some(Flaw::TooLong(line) | Flaw::Unreadable(line, _)) = &self.flaw {
            batch.next_line = *line;
        }
        batch.offset = self.offset.load(Ordering::Relaxed);
        Some(Ok(batch))
    }

    /// The next line and its number; `None` at the end.
    fn line(&mut self) -> Result<Option<(Line, u64)>, Flaw> {
        let (number, mut data) = (self.line, Vec::new());
        // Two more than fit, for an end of line: what is longer need not be held to be refused.
        let mut bounded = (&mut self.input).take(RECORD_MAX as u64 + 2);
        let read = bounded.read_until(b'\n', &mut data);
        if read.map_err(|error| Flaw::Unreadable(number, error))? == 0 {
            return Ok(None);
        }
        self.line += 1;
        if data.pop_if(|last| *last == b'\n').is_some() {
            data.pop_if(|last| *last == b'\r');
        }
        if data.trim_ascii().is_empty() {
            return Ok(Some((Line::Empty, number)));
        }
        let field = self.key.as_deref();
        let found = field.and_then(|field| key::of_field(&data, field));
        let keyless = field.is_some() && found.is_none();
        let key = found.unwrap_or_else(|| key::of_content(&data));
        let record = Record { data, key };
        if record.size() > RECORD_MAX {
            return Err(Flaw::TooLong(number));
        }
        Ok(Some((Line::Record { record, keyless }, number)))
    }
}

/// What is compressed says so in its first bytes, whatever its name.
fn unpacked(input: Counted) -> io::Result<Box<dyn Read + Send>> {
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    let mut input = BufReader::with_capacity(BUFFER, input);
    if input.fill_buf()?.starts_with(&GZIP) {
        return Ok(Box::new(MultiGzDecoder::new(input)));
    }
    Ok(Box::new(input))
}

/// Counts what is read.
struct Counted {
    input: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn source(content: &[u8]) -> Source {
        Source { input: Box::new(io::Cursor::new(content.to_vec())), bytes: None, live: false }
    }

    fn reading(from_line: u64) -> Reading {
        Reading { key: None, from_line }
    }

    /// The batches up to the end or a flaw.
    fn batches(source: Source, reading: Reading) -> (Vec<Batch>, Option<Flaw>) {
        let mut records = Records::new(source, reading).expect("it can be read");
        let mut batches = Vec::new();
        loop {
            match records.next() {
                Some(Ok(batch)) => batches.push(batch),
                Some(Err(flaw)) => return (batches, Some(flaw)),
                None => return (batches, None),
            }
        }
    }

    fn lines(batches: &[Batch]) -> Vec<&[u8]> {
        batches.iter().flat_map(|batch| &batch.records).map(|record| &*record.data).collect()
    }

    /// Lines of all lengths, the longest that fit among them; a file of many is made of runs.
    fn runs() -> impl Strategy<Value = Vec<(usize, usize)>> {
        let length = prop_oneof![0..300_usize, 100_000..RECORD_MAX - 32, Just(RECORD_MAX - 32)];
        vec((length, 1..6_usize), 0..5).prop_flat_map(|long| {
            let many = vec((1..40_usize, 1..700_usize), 0..3);
            many.prop_map(move |many| [long.clone(), many].concat())
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn no_batch_is_over_a_limit_and_nothing_is_lost_or_out_of_order(runs in runs()) {
            let letter = |index: usize| b'a' + u8::try_from(index % 26).expect("it is small");
            let all: Vec<Vec<u8>> = runs
                .iter()
                .enumerate()
                .flat_map(|(run, (length, times))| {
                    (0..*times).map(move |time| vec![letter(run + time); *length])
                })
                .collect();
            let (found, flaw) = batches(source(&all.join(&b'\n')), reading(1));
            prop_assert!(flaw.is_none());
            for batch in &found {
                let bytes: usize = batch.records.iter().map(Record::size).sum();
                prop_assert!(batch.records.len() <= 500 && bytes <= 5_000_000);
            }
            let full: Vec<&[u8]> =
                all.iter().map(Vec::as_slice).filter(|line| !line.is_empty()).collect();
            prop_assert!(lines(&found) == full);
            let empty: u64 = found.iter().map(|batch| batch.empty).sum();
            // The end of a file is no line.
            let last = u64::from(all.last().is_some_and(Vec::is_empty));
            prop_assert_eq!(empty + last, (all.len() - full.len()) as u64);
            for pair in found.windows(2) {
                prop_assert!(pair[0].next_line <= pair[1].first_line);
                prop_assert!(pair[0].first_line < pair[0].next_line);
            }
        }
    }

    #[test]
    fn lines_are_numbered_as_an_editor_does() {
        let text = b"\n a\r\n\n   \nb\n\n";
        let (found, _) = batches(source(text), reading(1));
        assert_eq!(lines(&found), [&b" a"[..], b"b"]);
        let [batch] = &found[..] else { panic!("{found:?}") };
        assert_eq!((batch.first_line, batch.next_line, batch.empty), (2, 7, 4));

        for (from, expected) in [(2, vec![&b" a"[..], b"b"]), (3, vec![b"b"]), (6, vec![])] {
            assert_eq!(lines(&batches(source(text), reading(from)).0), expected, "{from}");
        }
        assert!(batches(source(text), reading(99)).0.is_empty());
    }

    #[test]
    fn a_line_that_is_too_long_ends_the_file_and_is_named() {
        let long = vec![b'x'; RECORD_MAX - 31];
        let text = [b"a\n\n", &long[..], b"\nb\n"].concat();
        let (found, flaw) = batches(source(&text), reading(1));
        assert_eq!(lines(&found), [b"a"]);
        assert_eq!(found[0].next_line, 3);
        let flaw = flaw.expect("it is too long").to_string();
        assert!(
            flaw.starts_with("line 3 is too long: a record has at most 1048576 bytes"),
            "{flaw}"
        );
        assert_eq!(lines(&batches(source(&text), reading(4)).0), [b"b"]);
        // With an end of line that does not count, this one just fits.
        let fits = [&long[1..], b"\r\n"].concat();
        assert_eq!(lines(&batches(source(&fits), reading(1)).0), [&long[1..]]);
    }

    #[test]
    fn what_is_compressed_is_unpacked_and_what_is_cut_off_is_told() {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(b"a\nb\n").expect("memory is there");
        let packed = packed.finish().expect("memory is there");
        // Several in one file, as `cat a.gz b.gz` makes them.
        let twice = [&packed[..], &packed[..]].concat();
        assert_eq!(lines(&batches(source(&twice), reading(1)).0), [b"a", b"b", b"a", b"b"]);

        let (_, flaw) = batches(source(&packed[..packed.len() - 6]), reading(1));
        let flaw = flaw.expect("its end is missing").to_string();
        assert!(flaw.starts_with("cannot read line "), "{flaw}");
    }

    #[test]
    fn a_record_without_its_field_goes_by_its_content_and_is_counted() {
        let reading = Reading { key: Some("user".into()), from_line: 1 };
        let text = b"{\"user\": \"u1\"}\nnot JSON\n{\"user\": \"u2\"}\n";
        let (found, _) = batches(source(text), reading);
        let keys: Vec<&str> = found[0].records.iter().map(|record| record.key.as_str()).collect();
        assert_eq!(keys, ["u1", &key::of_content(b"not JSON"), "u2"]);
        assert_eq!(found[0].keyless, 1);
    }

    /// Gives a piece at a time, as a pipe does.
    struct Pieces(Vec<&'static [u8]>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some(piece) = self.0.pop() else { return Ok(0) };
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    #[test]
    fn what_came_is_not_held_back_while_more_may_come() {
        for (live, expected) in [(true, vec![2, 1]), (false, vec![3])] {
            let input = Box::new(Pieces(vec![b"c\n", b"a\nb\n"]));
            let (found, _) = batches(Source { input, bytes: None, live }, reading(1));
            let sizes: Vec<usize> = found.iter().map(|batch| batch.records.len()).collect();
            assert_eq!(sizes, expected, "live: {live}");
        }
    }
}
