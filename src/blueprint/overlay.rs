//! An environment laid over the blueprint: maps go into maps, all else replaces.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::{Entry, Tree, Yaml};

/// Lays `over` on `base`. A null takes the field away; in what `base` does not have it stays away.
pub(super) fn lay(base: &mut Tree, over: &Tree) {
    let (Yaml::Map(below), Yaml::Map(above)) = (&mut base.value, &over.value) else {
        *base = without_nulls(over);
        return;
    };
    let index: BTreeMap<String, usize> =
        below.iter().enumerate().map(|(i, entry)| (entry.key.text.clone(), i)).collect();
    for Entry { key, value } in above {
        match (index.get(&key.text), value.is_null()) {
            (Some(found), true) => below[*found].value = value.clone(),
            (Some(found), false) => lay(&mut below[*found].value, value),
            (None, true) => {}
            (None, false) => {
                below.push(Entry { key: key.clone(), value: without_nulls(value) });
            }
        }
    }
    let gone: BTreeSet<&str> = above
        .iter()
        .filter(|entry| entry.value.is_null())
        .map(|entry| entry.key.text.as_str())
        .collect();
    below.retain(|entry| !gone.contains(entry.key.text.as_str()));
}

/// What an environment adds, as if it had been laid over an empty map.
fn without_nulls(tree: &Tree) -> Tree {
    match &tree.value {
        Yaml::Map(_) => {
            let mut empty = Tree::empty_map(tree.spot);
            lay(&mut empty, tree);
            empty
        }
        _ => tree.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::yaml::read;
    use super::*;

    #[test]
    fn an_environment_is_laid_over_the_blueprint() {
        for (base, over, laid) in [
            ("a: 1", "a: 2", r#"{"a":2}"#),
            ("{a: 1, b: 2}", "b: ~", r#"{"a":1}"#),
            ("a: {b: 1, c: 2}", "a: {c: 3, d: 4}", r#"{"a":{"b":1,"c":3,"d":4}}"#),
            ("a: [1, 2]", "a: [3]", r#"{"a":[3]}"#),
            ("a: {b: 1}", "a: 5", r#"{"a":5}"#),
            ("a: 5", "a: {b: 1, c: ~}", r#"{"a":{"b":1}}"#),
            ("{}", "{a: ~, b: {c: ~, d: 1}}", r#"{"b":{"d":1}}"#),
        ] {
            let mut tree = read(base).expect("YAML");
            lay(&mut tree, &read(over).expect("YAML"));
            assert_eq!(tree.to_json().to_string(), laid, "{over} over {base}");
        }
    }
}
