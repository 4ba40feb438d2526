//! What holds for every blueprint, in every world, however the cloud behaves.

use std::collections::{BTreeMap, BTreeSet};

use pipeline::apply::{Outcome, Report};
use pipeline::blueprint::Id;
use pipeline::blueprint::text::substitute;
use pipeline::cloud::Class;
use pipeline::kind::place::ID_TAG;
use pipeline::plan::diff::diff;
use pipeline::plan::order::{Needs, order};
use pipeline::plan::{Action, Choice, Plan, Refusal};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::{Value, json};

use crate::fake::{Call, Fake, Kill, Verb};
use crate::random::{Blow, Scenario, blows, scenarios};
use crate::toys;
use crate::world::{Command, applied, desired, outcomes, owner, planned, rendered};

/// Time passes only when everybody waits.
fn run<T>(future: impl Future<Output = T>) -> T {
    let builder = &mut tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(future)
}

fn ours(owner_tag: Option<&str>) -> bool {
    owner_tag == Some(owner().0.as_str())
}

/// Nobody else's things, adopted ones apart, as they are byte for byte.
fn others(fake: &Fake) -> String {
    let foreign = fake.existing(|owner| !ours(owner));
    let foreign: Vec<_> = foreign.iter().filter(|(name, _)| name.contains("foreign")).collect();
    format!("{foreign:?}")
}

fn explained(fake: &Fake, plan: &Plan, report: &Report) -> String {
    let log = fake.log.borrow().join("\n");
    format!("{}\n{log}\n{}", rendered(plan), outcomes(plan, report))
}

/// Whether the plan said that this would be done.
fn announced(call: &Call, plan: &Plan, choice: &Choice) -> bool {
    let beside = toys::kind(&call.kind).unwrap().retires().is_some();
    let steps = plan.steps.iter().filter(|step| step.kind == call.kind);
    let mut steps = steps.filter(|step| step.identity.as_str() == call.identity);
    steps.any(|step| match (call.verb, &step.action) {
        (Verb::Create, Action::Create(_) | Action::Replace(_)) => true,
        (Verb::Update, Action::Create(_) | Action::Replace(_)) => true,
        (Verb::Update, Action::Update(diff)) => call.fields.iter().all(|field| {
            let mut planned = diff.0.iter().map(|change| change.path.as_str());
            planned.any(|path| field == path || field.starts_with(&format!("{path}.")))
        }),
        (Verb::Delete, Action::Delete) => true,
        (Verb::Delete, Action::Replace(_)) => !beside,
        (Verb::Retire, Action::Replace(_)) => beside,
        (Verb::Purge, Action::Delete | Action::Replace(_)) => choice.delete_data,
        _ => false,
    })
}

fn in_order(plan: &Plan) -> bool {
    let mut seen = BTreeSet::new();
    plan.steps.iter().all(|step| {
        let ready = step.needs.iter().all(|need| seen.contains(need));
        seen.insert(step.id.clone());
        ready
    })
}

/// Plans, applies, and checks all that must hold of any apply that succeeds.
async fn go(fake: &Fake, scenario: &Scenario, command: Command) -> Plan {
    let (desired, choice) = (desired(&scenario.resources()), scenario.choice());
    let (plan, snapshot) = planned(fake, &desired, command, &choice).await;
    assert_eq!(plan.refusals, [], "nothing is refused");
    assert!(in_order(&plan), "every step comes after what it needs:\n{}", rendered(&plan));
    *fake.habits.borrow_mut() = scenario.habits();
    fake.calls.borrow_mut().clear();
    fake.log.borrow_mut().clear();
    let report = applied(fake, &plan, &snapshot, &choice).await;
    assert!(report.succeeded(), "{}", explained(fake, &plan, &report));
    for call in fake.writes() {
        let why = explained(fake, &plan, &report);
        assert!(announced(&call, &plan, &choice), "{call:?} was not planned\n{why}");
    }
    fake.habits.borrow_mut().clear();
    plan
}

/// Planning again finds nothing, and applying that calls nothing.
async fn settled(fake: &Fake, scenario: &Scenario, command: Command) {
    let (desired, choice) = (desired(&scenario.resources()), scenario.choice());
    let (plan, snapshot) = planned(fake, &desired, command, &choice).await;
    let log = fake.log.borrow().join("\n");
    assert!(plan.is_noop() && plan.refusals.is_empty(), "again:\n{}\n{log}", rendered(&plan));
    fake.calls.borrow_mut().clear();
    let report = applied(fake, &plan, &snapshot, &choice).await;
    assert!(report.succeeded() && fake.writes().is_empty(), "{:?}", fake.writes());
}

/// Everything that should stand stands once, and nothing else of ours does.
fn each_once(fake: &Fake, scenario: &Scenario) {
    let mut count: BTreeMap<String, u32> = BTreeMap::new();
    for (_, live) in fake.existing(ours) {
        *count.entry(live.tag(ID_TAG).unwrap().to_owned()).or_default() += 1;
    }
    assert!(count.values().all(|count| *count == 1), "{count:?}");
    let there: BTreeSet<String> = count.into_keys().collect();
    assert!(scenario.standing().is_subset(&there), "{there:?}");
}

/// Kills an apply at one call and applies again.
async fn survives(scenario: &Scenario, kill: Kill) -> bool {
    let fake = scenario.fake();
    let foreign = others(&fake);
    let (desired, choice) = (desired(&scenario.resources()), scenario.choice());
    let (plan, snapshot) = planned(&fake, &desired, Command::Apply, &choice).await;
    *fake.habits.borrow_mut() = scenario.mortal_habits();
    fake.kill(Some(kill));
    let report = applied(&fake, &plan, &snapshot, &choice).await;
    let killed = fake.killed();
    assert_eq!(killed, report.interrupted(), "a killed run says so");
    fake.kill(None);
    for habit in fake.habits.borrow_mut().values_mut() {
        habit.answers.clear();
    }
    let (plan, snapshot) = planned(&fake, &desired, Command::Apply, &choice).await;
    let report = applied(&fake, &plan, &snapshot, &choice).await;
    assert!(report.succeeded(), "{kill:?}: {}", explained(&fake, &plan, &report));
    let calls = fake.writes();
    for cluster in scenario.clusters() {
        let made = calls.iter().filter(|call| {
            let taken = matches!(call.refused, None | Some(Class::Lost));
            call.verb == Verb::Create && call.identity == cluster && taken
        });
        assert!(made.count() <= 1, "{cluster} is made once: {}", fake.log.borrow().join("\n"));
    }
    settled(&fake, scenario, Command::Apply).await;
    each_once(&fake, scenario);
    assert_eq!(others(&fake), foreign);
    killed
}

/// An apply that fails here and there does nothing that its plan did not say, and the next one, once
/// AWS is well again, ends where an undisturbed one would.
async fn recovers(scenario: &Scenario, blows: &[(usize, Blow)]) {
    let fake = scenario.fake();
    let foreign = others(&fake);
    let (desired, mut choice) = (desired(&scenario.resources()), scenario.choice());
    let (plan, snapshot) = planned(&fake, &desired, Command::Apply, &choice).await;
    *fake.habits.borrow_mut() = scenario.mortal_habits();
    scenario.strike(&fake, blows);
    let report = applied(&fake, &plan, &snapshot, &choice).await;
    for call in fake.writes() {
        let why = explained(&fake, &plan, &report);
        assert!(announced(&call, &plan, &choice), "{call:?} was not planned\n{why}");
    }
    for step in &plan.steps {
        let done = |id: &Id| matches!(report.outcomes[id], Outcome::Done(_));
        let skipped = matches!(report.outcomes[&step.id], Outcome::Skipped(_));
        assert_eq!(skipped, !step.needs.iter().all(done), "only what needs a failure is skipped");
    }
    fake.calm();
    // Those whose tags somebody took away are adopted again.
    choice.adopt = desired.nodes.keys().cloned().collect();
    let (plan, snapshot) = planned(&fake, &desired, Command::Apply, &choice).await;
    let foreign_now = plan.refusals.iter().any(|r| matches!(r, Refusal::AdoptReplaces { .. }));
    if foreign_now {
        return;
    }
    let report = applied(&fake, &plan, &snapshot, &choice).await;
    assert!(report.succeeded(), "{}", explained(&fake, &plan, &report));
    settled(&fake, scenario, Command::Apply).await;
    each_once(&fake, scenario);
    assert_eq!(others(&fake), foreign);
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(250))]

    #[test]
    fn a_plan_after_an_apply_is_empty_and_an_apply_does_what_its_plan_said(
        scenario in scenarios()
    ) {
        run(async {
            let fake = scenario.fake();
            let foreign = others(&fake);
            go(&fake, &scenario, Command::Apply).await;
            settled(&fake, &scenario, Command::Apply).await;
            each_once(&fake, &scenario);
            assert_eq!(others(&fake), foreign);
        });
    }

    #[test]
    fn a_destroy_leaves_nothing_of_ours_and_everything_of_others(
        scenario in scenarios(), first in any::<bool>()
    ) {
        run(async {
            let fake = scenario.fake();
            let foreign = others(&fake);
            if first {
                go(&fake, &scenario, Command::Apply).await;
            }
            go(&fake, &scenario, Command::Destroy).await;
            assert_eq!(fake.existing(ours), []);
            assert_eq!(others(&fake), foreign);
            settled(&fake, &scenario, Command::Destroy).await;
        });
    }

    #[test]
    fn after_failures_the_next_apply_ends_where_an_undisturbed_one_would(
        scenario in scenarios(), blows in blows()
    ) {
        run(recovers(&scenario, &blows));
    }

    #[test]
    fn after_a_kill_anywhere_the_next_apply_ends_where_an_undisturbed_one_would(
        scenario in scenarios(), call in 1..60u32
    ) {
        run(async {
            survives(&scenario, Kill::Before(call)).await;
            survives(&scenario, Kill::After(call)).await;
        });
    }
}

#[test]
fn a_run_may_be_killed_at_each_of_its_calls() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..12 {
        let scenario = scenarios().new_tree(&mut runner).unwrap().current();
        let killed = |kill| run(survives(&scenario, kill));
        for call in 1.. {
            if !killed(Kill::Before(call)) {
                break;
            }
            killed(Kill::After(call));
        }
    }
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
    fn a_normal_spec_is_normal_and_reconciling_keeps_equals_equal(scenario in scenarios()) {
        let desired = desired(&scenario.resources());
        for node in desired.nodes.values() {
            let again = node.kind.normalize(&node.spec).unwrap().spec;
            prop_assert_eq!(&again, &node.spec);
            prop_assert_eq!(node.kind.reconcile(&node.spec, &node.spec), node.spec.clone());
            let filled = substitute(node.kind, &node.spec, &BTreeMap::new());
            prop_assert_eq!(filled, Ok(node.spec.clone()));
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
