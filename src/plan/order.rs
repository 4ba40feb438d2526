//! Dependencies first; ties in the order of the alphabet, so that a plan is the same every time.

use std::collections::{BTreeMap, BTreeSet};

use crate::blueprint::Id;

pub type Needs = BTreeMap<Id, BTreeSet<Id>>;

/// Every id after all that it needs. What is needed but not listed is taken as there.
/// A cycle comes back as its path.
pub fn order(needs: &Needs) -> Result<Vec<Id>, Vec<Id>> {
    let mut waiting: Needs = needs
        .iter()
        .map(|(id, on)| {
            (id.clone(), on.iter().filter(|n| needs.contains_key(*n)).cloned().collect())
        })
        .collect();
    let mut dependents: BTreeMap<Id, Vec<Id>> = BTreeMap::new();
    for (id, on) in &waiting {
        for need in on {
            dependents.entry(need.clone()).or_default().push(id.clone());
        }
    }
    let mut ready: BTreeSet<Id> =
        waiting.iter().filter(|(_, on)| on.is_empty()).map(|(id, _)| id.clone()).collect();
    let mut ordered = Vec::with_capacity(waiting.len());
    while let Some(id) = ready.pop_first() {
        waiting.remove(&id);
        for dependent in dependents.remove(&id).unwrap_or_default() {
            let on = waiting.get_mut(&dependent).expect("what still waits has not been ordered");
            on.remove(&id);
            if on.is_empty() {
                ready.insert(dependent);
            }
        }
        ordered.push(id);
    }
    if waiting.is_empty() { Ok(ordered) } else { Err(cycle(&waiting)) }
}

/// Every node of `waiting` needs another one of it, so a walk must come round.
fn cycle(waiting: &Needs) -> Vec<Id> {
    let mut path: Vec<Id> = Vec::new();
    let mut next = waiting.keys().next().cloned();
    while let Some(id) = next {
        if let Some(start) = path.iter().position(|seen| *seen == id) {
            path.drain(..start);
            path.push(id);
            return path;
        }
        next = waiting.get(&id).and_then(|on| on.first().cloned());
        path.push(id);
    }
    path
}

/// `of` and everything that they need, however far.
pub fn closure(of: &BTreeSet<Id>, needs: &Needs) -> BTreeSet<Id> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&Id> = of.iter().collect();
    while let Some(id) = open.pop() {
        if reached.insert(id.clone()) {
            open.extend(needs.get(id).into_iter().flatten());
        }
    }
    reached
}

/// The same edges, the other way round.
pub fn reversed(needs: &Needs) -> Needs {
    let mut reversed: Needs = needs.keys().map(|id| (id.clone(), BTreeSet::new())).collect();
    for (id, on) in needs {
        for need in on {
            if let Some(dependents) = reversed.get_mut(need) {
                dependents.insert(id.clone());
            }
        }
    }
    reversed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(edges: &[(&str, &[&str])]) -> Needs {
        edges
            .iter()
            .map(|(id, on)| (Id::new(*id), on.iter().map(|n| Id::new(*n)).collect()))
            .collect()
    }

    fn names(ids: &[Id]) -> String {
        ids.iter().map(Id::as_str).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_needed_comes_first_and_ties_are_alphabetical() {
        let edges = needs(&[("c", &[]), ("a", &["b"]), ("b", &["c"]), ("d", &["elsewhere"])]);
        assert_eq!(order(&edges).map(|o| names(&o)), Ok("c b a d".into()));
    }

    #[test]
    fn a_cycle_is_named_by_its_path() {
        let edges = needs(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"]), ("d", &[])]);
        assert_eq!(order(&edges).map_err(|c| names(&c)), Err("b c b".into()));
    }

    #[test]
    fn closures_follow_needs_and_reversed_follows_dependents() {
        let edges = needs(&[("a", &["b"]), ("b", &["c"]), ("c", &[]), ("d", &["b"])]);
        let of = |id: &str| BTreeSet::from([Id::new(id)]);
        assert_eq!(
            closure(&of("a"), &edges),
            of("a").into_iter().chain(of("b")).chain(of("c")).collect()
        );
        assert_eq!(closure(&of("b"), &reversed(&edges)).len(), 3);
    }
}
