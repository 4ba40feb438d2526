//! One diff for every kind: two specs in, the fields that differ out.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::blueprint::text::{Part, references, scan};
use crate::kind::{Mark, Rule};

/// The fields that differ, in the order of their paths.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Diff(pub Vec<Change>);

/// One field, as it is and as it should be; `null` where there is nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub path: String,
    pub before: Value,
    pub after: Value,
    pub effect: Effect,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    Update,
    Replace,
}

impl Diff {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the field at `path`, or anything below it, differs.
    pub fn touches(&self, path: &str) -> bool {
        self.0.iter().any(|change| below(&change.path, path) || below(path, &change.path))
    }

    /// Whether every field that differs here was among those that `planned` changes.
    pub fn within(&self, planned: &Self) -> bool {
        self.beyond(planned).is_empty()
    }

    /// The fields that `planned` does not change. One key of a map is no leave to write the map.
    pub fn beyond(&self, planned: &Self) -> Vec<String> {
        let covered = |path: &str| planned.0.iter().any(|change| below(path, &change.path));
        self.paths().into_iter().filter(|path| !covered(path)).collect()
    }

    pub fn paths(&self) -> Vec<String> {
        self.0.iter().map(|change| change.path.clone()).collect()
    }

    pub fn replaces(&self) -> bool {
        self.0.iter().any(|change| change.effect == Effect::Replace)
    }

    /// The diff without the fields that others look after.
    pub fn ignoring(mut self, paths: &[String]) -> Self {
        self.0.retain(|change| !paths.iter().any(|path| below(&change.path, path)));
        self
    }
}

fn below(path: &str, ancestor: &str) -> bool {
    path.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// What must change for `live` to be `desired`. A field that is `null` in `desired` is left to AWS.
pub fn diff(desired: &Value, live: &Value, rules: &[Rule]) -> Diff {
    let mut changes = Vec::new();
    walk(desired, live, &mut Vec::new(), rules, &mut changes);
    Diff(changes)
}

fn walk(
    desired: &Value,
    live: &Value,
    path: &mut Vec<String>,
    rules: &[Rule],
    out: &mut Vec<Change>,
) {
    match (desired, live) {
        (Value::Null, _) => {}
        _ if moves(desired) => push(desired.clone(), live.clone(), path, rules, out),
        (Value::Object(want), Value::Object(have)) => {
            for key in want.keys().chain(have.keys()).collect::<BTreeSet<_>>() {
                path.push(key.clone());
                match (want.get(key), have.get(key)) {
                    (Some(w), h) => walk(w, h.unwrap_or(&Value::Null), path, rules, out),
                    (None, Some(h)) => push(Value::Null, h.clone(), path, rules, out),
                    (None, None) => {}
                }
                path.pop();
            }
        }
        (Value::Array(want), Value::Array(have)) if want.len() == have.len() => {
            for (index, (w, h)) in want.iter().zip(have).enumerate() {
                path.push(index.to_string());
                walk(w, h, path, rules, out);
                path.pop();
            }
        }
        _ if same(desired, live) => {}
        _ => push(desired.clone(), live.clone(), path, rules, out),
    }
}

/// Whether paths below it may be others once its references are filled in: keys are renamed, and
/// sets sort anew. It then differs as a whole, so that the plan covers what becomes of it.
fn moves(desired: &Value) -> bool {
    let unknown = |key: &String| scan(key).iter().any(|p| matches!(p, Part::Reference { .. }));
    match desired {
        Value::Object(map) => map.keys().any(unknown),
        Value::Array(_) => !references(desired).is_empty(),
        _ => false,
    }
}

/// Equal, numbers by value: `60` is `60.0`.
fn same(desired: &Value, live: &Value) -> bool {
    match (desired.as_f64(), live.as_f64()) {
        (Some(d), Some(l)) => d == l,
        _ => desired == live,
    }
}

fn push(after: Value, before: Value, path: &[String], rules: &[Rule], out: &mut Vec<Change>) {
    let path = path.join(".");
    let marked = |mark| rules.iter().any(|rule| rule.mark == mark && rule.covers(&path));
    if marked(Mark::WriteOnly) {
        return;
    }
    let effect = if marked(Mark::Replace) { Effect::Replace } else { Effect::Update };
    // A value that appears or goes as a whole takes its secrets along.
    let secret = rules.iter().any(|rule| rule.mark == Mark::Secret && rule.concerns(&path));
    out.push(Change { path, before, after, effect, secret });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::rule::{replace, secret, write_only};
    use serde_json::json;

    #[test]
    fn only_what_the_blueprint_says_and_aws_holds_otherwise_differs() {
        for (case, desired, live, expected) in [
            ("equal", json!({"a": 1}), json!({"a": 1}), vec![]),
            ("numbers by value", json!({"a": 60}), json!({"a": 60.0}), vec![]),
            ("left to AWS", json!({"a": null}), json!({"a": 7}), vec![]),
            ("changed", json!({"a": 1, "b": 2}), json!({"a": 1, "b": 3}), vec!["b"]),
            ("a key only in AWS", json!({"tags": {}}), json!({"tags": {"x": "y"}}), vec!["tags.x"]),
            (
                "a key not yet in AWS",
                json!({"tags": {"x": "y"}}),
                json!({"tags": {}}),
                vec!["tags.x"],
            ),
            ("one element", json!({"l": [1, 2]}), json!({"l": [1, 3]}), vec!["l.1"]),
            ("another length", json!({"l": [1]}), json!({"l": [1, 3]}), vec!["l"]),
            ("another shape", json!({"m": {"x": 1}}), json!({"m": null}), vec!["m"]),
            ("write-only", json!({"w": 1}), json!({"w": null}), vec![]),
        ] {
            let found = diff(&desired, &live, &[write_only("w")]);
            assert_eq!(found.paths(), expected, "{case}");
        }
    }

    #[test]
    fn what_holds_a_reference_in_a_key_or_in_a_list_differs_as_a_whole() {
        for (case, desired, live, expected) in [
            ("a set", json!({"s": ["${a.id}", "b"]}), json!({"s": ["b", "z"]}), vec!["s"]),
            ("a key", json!({"m": {"${a.id}": 1, "b": 2}}), json!({"m": {"b": 2}}), vec!["m"]),
            ("a value", json!({"m": {"b": "${a.id}"}}), json!({"m": {"b": "c"}}), vec!["m.b"]),
            ("AWS's own", json!({"l": ["${aws:user}", 1]}), json!({"l": ["x", 1]}), vec!["l.0"]),
        ] {
            assert_eq!(diff(&desired, &live, &[]).paths(), expected, "{case}");
        }
    }

    #[test]
    fn a_plan_covers_its_paths_and_what_is_below_them_only() {
        let one = |path: &str| {
            let (before, after) = (json!(1), json!(2));
            Diff(vec![Change {
                path: path.into(),
                before,
                after,
                effect: Effect::Update,
                secret: false,
            }])
        };
        for (found, planned, within) in [
            ("rules.old", "rules.old", true),
            ("rules.old.days", "rules.old", true),
            ("rules", "rules.old", false),
            ("rules.old", "rules.older", false),
        ] {
            assert_eq!(one(found).within(&one(planned)), within, "{found} in {planned}");
        }
    }

    #[test]
    fn rules_mark_their_fields() {
        let rules = [replace("name"), secret("password")];
        let found = diff(
            &json!({"name": "b", "password": "y"}),
            &json!({"name": "a", "password": "x"}),
            &rules,
        );
        assert!(found.replaces());
        assert!(found.0[1].secret && !found.0[0].secret);
    }

    #[test]
    fn what_holds_a_secret_is_one_where_it_comes_or_goes_as_a_whole() {
        let user = json!({"user": {"name": "ann", "password": "x"}});
        for (desired, live) in
            [(&user, json!({"user": null})), (&json!({"user": {}}), user.clone())]
        {
            let found = diff(desired, &live, &[secret("user.password")]);
            let shown = found.0.iter().filter(|change| !change.secret);
            assert!(shown.clone().all(|change| !change.before.to_string().contains("\"x\"")));
            assert!(shown.clone().all(|change| !change.after.to_string().contains("\"x\"")));
            assert!(found.0.iter().any(|change| change.secret));
        }
    }

    #[test]
    fn a_diff_touches_ancestors_and_descendants_of_its_paths() {
        let found = diff(&json!({"sse": {"key": "b"}}), &json!({"sse": {"key": "a"}}), &[]);
        for (path, touched) in
            [("sse", true), ("sse.key", true), ("sse.key.id", true), ("ss", false)]
        {
            assert_eq!(found.touches(path), touched, "{path}");
        }
    }
}
