//! Two of ours where one is meant, as a race or a kill can leave them where AWS keeps no two of a
//! name apart.

use serde::{Deserialize, Serialize};

use super::{Name, Outputs};

/// Begins the notes about twins among the outputs of the one that is kept.
const NOTE: &str = "twin.";

/// The other one: ours, and by its tags the same as one that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Twin {
    /// Leads to it and to no other.
    pub identity: Name,
    /// Which one is kept, for people.
    pub why: String,
    /// Something may rest on it: without the user's word it stays.
    pub in_use: bool,
}

impl Twin {
    /// Written down with the one that is kept, by the kind that saw both.
    pub fn note(&self, outputs: &mut Outputs) {
        let text = serde_json::to_string(self).expect("plain data is always JSON");
        outputs.insert(format!("{NOTE}{}", self.identity), text);
    }

    pub fn noted(outputs: &Outputs) -> impl Iterator<Item = Self> {
        let notes = outputs.iter().filter(|(key, _)| key.starts_with(NOTE));
        notes.filter_map(|(_, text)| serde_json::from_str(text).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written_and_other_outputs_are_none() {
        let why = "j-1, made at 12:00, is kept".to_owned();
        let twin = Twin { identity: Name::new("j-2"), why, in_use: true };
        let mut outputs = Outputs::from([("arn".into(), "arn:aws:x".into())]);
        twin.note(&mut outputs);
        assert_eq!(Twin::noted(&outputs).collect::<Vec<_>>(), [twin]);
    }
}
