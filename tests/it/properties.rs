//! What holds for every value, however odd: differences, orders, and equal spellings.

use pipeline::blueprint::Id;
use pipeline::plan::diff::diff;
use pipeline::plan::order::{Needs, order};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::toys;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn json_values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-c.]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c]{1,2}", inner, 0..4)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #![proptest_config(config(1_000))]

    #[test]
    fn nothing_differs_from_itself(value in json_values()) {
        prop_assert_eq!(diff(&value, &value, &[]).paths(), Vec::<String>::new());
    }

    #[test]
    fn a_difference_is_within_itself_and_touches_its_own_paths(
        one in json_values(), other in json_values()
    ) {
        let found = diff(&one, &other, &[]);
        prop_assert!(found.within(&found));
        prop_assert!(found.paths().iter().all(|path| found.touches(path)));
    }

    #[test]
    fn order_puts_what_is_needed_first_or_names_a_cycle(
        edges in vec((0..8usize, btree_set(0..8usize, 0..3)), 0..8)
    ) {
        let id = |index: usize| Id(index.to_string());
        let needs: Needs = edges
            .into_iter()
            .map(|(from, to)| (id(from), to.into_iter().map(id).collect()))
            .collect();
        match order(&needs) {
            Ok(ordered) => {
                prop_assert_eq!(ordered.len(), needs.len());
                let place = |id: &Id| ordered.iter().position(|other| other == id);
                for (id, on) in &needs {
                    prop_assert!(on.iter().all(|need| place(need) < place(id)));
                }
            }
            Err(cycle) => {
                prop_assert!(cycle.len() > 1 && cycle.first() == cycle.last());
                prop_assert!(cycle.windows(2).all(|pair| needs[&pair[0]].contains(&pair[1])));
            }
        }
    }

    #[test]
    fn reconciling_adds_no_difference(ours in "(arn:aws:kms:r:1:key/)?[ab]", theirs in "[ab]") {
        let bucket = toys::kind("bucket").unwrap();
        let spec = |key: &str| bucket.normalize(&json!({"name": "n", "key": key})).unwrap().spec;
        let (ours, theirs) = (spec(&ours), spec(&theirs));
        let plain = diff(&ours, &theirs, &[]);
        let reconciled = diff(&ours, &bucket.reconcile(&ours, &theirs), &[]);
        prop_assert!(reconciled.within(&plain));
    }
}
