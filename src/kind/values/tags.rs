//! Tags as people set them: AWS adds its own, under `aws:`, and nobody can write those.

use std::collections::BTreeMap;

/// What AWS answers, without its own tags.
pub fn without_aws(tags: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
    tags.into_iter().filter(|(key, _)| !key.starts_with("aws:")).collect()
}

/// The keys that are held and no longer wanted.
pub fn unwanted(wanted: &BTreeMap<String, String>, held: &BTreeMap<String, String>) -> Vec<String> {
    held.keys().filter(|key| !wanted.contains_key(*key)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_aws_are_not_seen_and_others_can_go() {
        let answer = [("aws:cloudformation:stack-id", "x"), ("team", "data"), ("old", "")];
        let held = without_aws(answer.map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert_eq!(held.keys().collect::<Vec<_>>(), ["old", "team"]);
        let wanted = BTreeMap::from([("team".to_owned(), "lake".to_owned())]);
        assert_eq!(unwanted(&wanted, &held), ["old"]);
    }
}
