//! The command line as people would type it again.

use std::env;

/// The words of this command; what is no text in them is said as well as it can be.
pub fn given() -> impl Iterator<Item = String> {
    env::args_os().map(|word| word.to_string_lossy().into_owned())
}

/// This command, to be given again.
pub fn same_again() -> String {
    again(given(), &[], "").trim_end().to_owned()
}

/// The same command with some options, each with its value, left out and others at the end.
pub fn again(words: impl Iterator<Item = String>, without: &[&str], more: &str) -> String {
    let mut said = vec!["pipeline".to_owned()];
    let mut words = words.skip(1);
    while let Some(word) = words.next() {
        let name = word.split_once('=').map_or(&*word, |(name, _)| name);
        if !without.contains(&name) {
            said.push(quoted(&word));
        } else if name == word {
            words.next();
        }
    }
    said.push(more.to_owned());
    said.join(" ")
}

/// A command with those options of this one that it takes as well: some with a value, some alone.
pub fn with(
    command: &str,
    words: impl Iterator<Item = String>,
    valued: &[&str],
    alone: &[&str],
) -> String {
    let mut said = command.to_owned();
    let mut words = words.skip(1);
    while let Some(word) = words.next() {
        let name = word.split_once('=').map_or(&*word, |(name, _)| name);
        let mut taken = Vec::new();
        if alone.contains(&&*word) {
            taken.push(word.clone());
        }
        if valued.contains(&name) {
            taken.push(word.clone());
            taken.extend((name == word).then(|| words.next()).flatten());
        }
        for word in taken {
            said = format!("{said} {}", quoted(&word));
        }
    }
    said
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_said_again_with_another_end() {
        for (line, expected) in [
            ("send a.yaml events e.jsonl", "pipeline send a.yaml events e.jsonl --from-line 7"),
            ("send a.yaml --from-line 3 events -", "pipeline send a.yaml events - --from-line 7"),
            (
                "send a.yaml --from-line=3 events - --local",
                "pipeline send a.yaml events - --local --from-line 7",
            ),
        ] {
            let words = ["target/debug/pipeline"].into_iter().chain(line.split(' '));
            let said = again(words.map(str::to_owned), &["--from-line"], "--from-line 7");
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn another_command_gets_the_options_that_it_takes() {
        for (line, expected) in [
            ("apply a.yaml --yes", "pipeline unlock a.yaml"),
            (
                "apply --env prod a.yaml --parallelism 3 --var=stage=dev --local --delete-data",
                "pipeline unlock a.yaml --env prod --var=stage=dev --local",
            ),
        ] {
            let words = ["pipeline"].into_iter().chain(line.split(' ')).map(str::to_owned);
            let said = with("pipeline unlock a.yaml", words, &["--env", "--var"], &["--local"]);
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn a_word_is_quoted_where_a_shell_would_take_it_apart() {
        for (word, expected) in
            [("a.yaml", "a.yaml"), ("my events", "'my events'"), ("it's", r"'it'\''s'"), ("", "''")]
        {
            assert_eq!(quoted(word), expected);
        }
    }
}
