//! How much is tried: a slice by seed, or all of it.

/// `PIPELINE_CRASH=all` tries everything, `2/4` the second of four parts of everything; a number is
/// the seed of another slice; any other word tries what has it in its name, as a failure tells it.
const WORD: &str = "PIPELINE_CRASH";

fn word() -> Option<String> {
    std::env::var_os(WORD).and_then(|word| word.into_string().ok())
}

/// Whether somebody asked for more than the slice of a seed, and waits for nothing else.
pub fn asked() -> bool {
    word().is_some_and(|word| word.parse::<u64>().is_err())
}

/// Which part of everything, of how many.
fn part(word: &str) -> Option<(usize, usize)> {
    if word == "all" {
        return Some((1, 1));
    }
    let (part, of) = word.split_once('/')?;
    let (part, of) = (part.parse().ok()?, of.parse().ok()?);
    assert!((1..=of).contains(&part), "{WORD}={word}: there is no such part");
    Some((part, of))
}

/// As many of these as a test has time for, drawn by the seed; all of them, or a part, where
/// the word says so.
pub fn slice<T: Clone>(
    family: &str,
    (every, many): (Vec<T>, usize),
    name: impl Fn(&T) -> String,
) -> Vec<T> {
    let word = word();
    if let Some((part, of)) = word.as_deref().and_then(part) {
        return every.into_iter().skip(part - 1).step_by(of).collect();
    }
    let seed = match word.as_ref().map_or(Ok(1), |word| word.parse::<u64>()) {
        Ok(seed) => seed,
        Err(_) => {
            let asked = |one: &T| word.as_ref().is_some_and(|word| name(one).contains(word));
            return every.into_iter().filter(asked).collect();
        }
    };
    report(&format!("{family}: {many} of {}, {WORD}={seed}", every.len()));
    let mut left = every;
    let mut random = Random(seed);
    let mut drawn = Vec::new();
    while drawn.len() < many && !left.is_empty() {
        let at = random.below(left.len() as u64);
        drawn.push(left.swap_remove(usize::try_from(at).expect("it is an index")));
    }
    drawn
}

/// What a full run is read by; the harness shows it where a test fails or is asked to.
pub fn report(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// SplitMix64, from a seed.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

#[test]
fn a_word_says_how_much_is_tried() {
    assert_eq!(part("all"), Some((1, 1)));
    assert_eq!(part("2/4"), Some((2, 4)));
    for other in ["7", "CreateKey", "GET /key/lock.json"] {
        assert_eq!(part(other), None, "{other}");
    }
}
