//! Circles among things that need one another.

use std::collections::{BTreeMap, BTreeSet};

/// Each circle once, as `a -> b -> a`, beginning with its first name.
pub(super) fn circles<'a>(needs: &BTreeMap<&'a str, Vec<&'a str>>) -> Vec<Vec<&'a str>> {
    let mut walk = Walk { needs, state: BTreeMap::new(), found: BTreeSet::new() };
    for start in needs.keys() {
        walk.from(start);
    }
    walk.found.into_iter().collect()
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Open,
    Done,
}

struct Walk<'n, 'a> {
    needs: &'n BTreeMap<&'a str, Vec<&'a str>>,
    state: BTreeMap<&'a str, State>,
    found: BTreeSet<Vec<&'a str>>,
}

impl<'a> Walk<'_, 'a> {
    /// Depth first with a stack of its own: a chain may be as long as a blueprint.
    fn from(&mut self, start: &'a str) {
        if self.state.contains_key(start) {
            return;
        }
        self.state.insert(start, State::Open);
        let mut path: Vec<(&'a str, usize)> = vec![(start, 0)];
        while let Some((node, next)) = path.last_mut() {
            let needed = self.needs.get(*node).and_then(|needed| needed.get(*next)).copied();
            *next += 1;
            let Some(needed) = needed else {
                self.state.insert(*node, State::Done);
                path.pop();
                continue;
            };
            match self.state.get(needed) {
                None if self.needs.contains_key(needed) => {
                    self.state.insert(needed, State::Open);
                    path.push((needed, 0));
                }
                Some(State::Open) => {
                    let begin = path.iter().position(|(node, _)| *node == needed);
                    let circle = path[begin.unwrap_or(0)..].iter().map(|(node, _)| *node);
                    self.found.insert(from_first(circle.collect()));
                }
                _ => {}
            }
        }
    }
}

fn from_first(mut circle: Vec<&str>) -> Vec<&str> {
    let first = circle.iter().enumerate().min_by_key(|(_, name)| **name).map_or(0, |(i, _)| i);
    circle.rotate_left(first);
    circle
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_are_named_once_each() {
        for (needs, found) in [
            (vec![("a", "b"), ("b", "c")], vec![]),
            (vec![("a", "a")], vec!["a"]),
            (vec![("b", "a"), ("a", "b"), ("c", "a")], vec!["a b"]),
            (
                vec![("c", "a"), ("a", "b"), ("b", "c"), ("x", "y"), ("y", "x")],
                vec!["a b c", "x y"],
            ),
        ] {
            let mut graph: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for (from, to) in &needs {
                graph.entry(from).or_default().push(to);
                graph.entry(to).or_default();
            }
            let circles: Vec<String> =
                circles(&graph).into_iter().map(|circle| circle.join(" ")).collect();
            assert_eq!(circles, found, "{needs:?}");
        }
    }
}
