//! What somebody may have meant who wrote a word that does not exist.

/// Longer lists of what exists help nobody.
const LISTED_MAX: usize = 16;

/// The word that is most like `word`, if one is like it at all.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_', ' '], "");
    let written = plain(word);
    let apart = |candidate: &str| {
        let other = plain(candidate);
        let allowed = (written.len().min(other.len()) / 3).min(4);
        let begins = written.len() >= 4 && other.len() >= 4;
        let begins = begins && (other.starts_with(&written) || written.starts_with(&other));
        if !begins && written.len().abs_diff(other.len()) > allowed {
            return None;
        }
        let apart = strsim::damerau_levenshtein(&written, &other);
        (begins || apart <= allowed).then_some((apart.min(allowed), apart))
    };
    known
        .into_iter()
        .filter_map(|candidate| Some((apart(candidate)?, candidate)))
        .min()
        .map(|(_, candidate)| candidate)
}

/// A hint that names the nearest word, or all of them where they are few.
pub fn suggest<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
    plural: &str,
) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(near) = nearest(word, known.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    match known.as_slice() {
        [] => None,
        [one] => Some(format!("write `{one}`")),
        few if few.len() <= LISTED_MAX => Some(format!("{plural} are {}", list(few))),
        _ => None,
    }
}

/// `` `a`, `b` and `c` ``
pub(super) fn list<T: AsRef<str>>(words: &[T]) -> String {
    joined(words, "and")
}

/// `` `a`, `b` or `c` ``
pub(super) fn either<T: AsRef<str>>(words: &[T]) -> String {
    joined(words, "or")
}

fn joined<T: AsRef<str>>(words: &[T], last_by: &str) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{}`", word.as_ref())).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {last_by} {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_nonsense_finds_none() {
        let known = ["name", "shards", "retention_hours", "key", "tags", "depends_on"];
        for (word, found) in [
            ("shard", Some("shards")),
            ("retentionHours", Some("retention_hours")),
            ("retention", Some("retention_hours")),
            ("tag", Some("tags")),
            ("depend_on", Some("depends_on")),
            ("nmae", Some("name")),
            ("colour", None),
            ("x", None),
            ("stages", None),
        ] {
            assert_eq!(nearest(word, known), found, "{word}");
        }
    }
}
