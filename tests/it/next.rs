//! `next`, row by row: what is there and what was done, to what comes next.

use std::collections::BTreeMap;

use pipeline::apply::next::{Call, Memory, Move, QUIET_LOOKS, Stop, UPDATES_MAX, View, next};
use pipeline::blueprint::Id;
use pipeline::blueprint::text::{Resolved, resolve};
use pipeline::kind::{Kind, Live, Name, Outputs, Phase};
use pipeline::plan::diff::{Diff, diff};
use pipeline::plan::{Action, Reason, Step};
use serde_json::{Map, Value, json};

use crate::toys;
use crate::world::{owner, tagged};

/// What is there: `trust` and `policies` of a role, or a cluster's fields.
struct Scene {
    kind: &'static dyn Kind,
    spec: Resolved,
    on_demand: bool,
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn normal(kind: &dyn Kind, spec: &Value) -> Value {
    kind.normalize(spec).unwrap().spec
}

fn scene(kind: &str, spec: Value) -> Scene {
    let kind = toys::kind(kind).unwrap();
    let spec = normal(kind, &tagged(object(spec), &owner().0, "it"));
    let on_demand = spec.get("on_demand") == Some(&json!(true));
    Scene { kind, spec: resolve(kind, &spec, &BTreeMap::new()).unwrap(), on_demand }
}

fn alarm() -> Scene {
    scene("alarm", json!({"name": "a", "threshold": 2, "subject": "s"}))
}

fn cluster() -> Scene {
    scene("cluster", json!({"name": "c", "size": 2, "release": "7"}))
}

fn on_demand() -> Scene {
    scene("cluster", json!({"name": "c", "size": 2, "release": "7", "on_demand": true}))
}

fn outputs(id: &str) -> Outputs {
    Outputs::from([("id".into(), id.into())])
}

impl Scene {
    /// Ours, with these fields otherwise.
    fn live(&self, otherwise: Value, phase: Phase) -> Option<Live> {
        let mut spec = self.spec.value().clone();
        for (field, value) in object(otherwise) {
            spec[field] = value;
        }
        Some(Live { spec: normal(self.kind, &spec), outputs: outputs("1"), phase })
    }

    fn ready(&self, otherwise: Value) -> Option<Live> {
        self.live(otherwise, Phase::Ready)
    }

    fn diff(&self, otherwise: Value) -> Diff {
        let live = self.ready(otherwise).unwrap();
        diff(self.spec.value(), &live.spec, self.kind.rules())
    }

    fn next(&self, action: Action, live: Option<&Live>, memory: &Memory) -> Move {
        let step = Step {
            id: Id::new("it"),
            kind: self.kind.name().into(),
            identity: Name::new("a"),
            action,
            needs: Default::default(),
            spec: self.spec.value().clone(),
            ignore: vec!["dimensions".into()],
            on_demand: self.on_demand,
            stray: false,
            loses_data: false,
            at: None,
        };
        let spec = (step.action != Action::Delete).then_some(&self.spec);
        let owner = owner();
        next(&View { step: &step, kind: self.kind, owner: &owner, spec, live, memory })
    }
}

/// A move in a few words.
fn told(step: Move) -> String {
    match step {
        Move::Call(Call::Update(diff)) => format!("update {}", diff.paths().join(" ")),
        Move::Call(call) => format!("{call:?}").to_lowercase(),
        Move::Wait(why) => format!("wait: {why}"),
        Move::Done(outputs) if outputs.is_empty() => "done, nothing there".into(),
        Move::Done(_) => "done".into(),
        Move::Stop(Stop::Stale(why)) => format!("stale: {why}"),
        Move::Stop(Stop::Stuck(fields)) => format!("stuck: {}", fields.join(" ")),
        Move::Stop(Stop::NotOurs(owner)) => format!("not ours: {}", owner.unwrap_or_default()),
        Move::Stop(Stop::Failed(why)) => format!("failed: {why}"),
        Move::Stop(Stop::TimedOut(why)) => format!("timed out: {why}"),
        Move::Stop(stop) => format!("{stop:?}"),
    }
}

type Row = (&'static str, Option<Live>, Memory, &'static str);

fn check(scene: &Scene, action: &Action, rows: Vec<Row>) {
    for (case, live, memory, expected) in rows {
        let found = told(scene.next(action.clone(), live.as_ref(), &memory));
        assert_eq!(found, expected, "{case}");
    }
}

fn new() -> Memory {
    Memory::default()
}

fn created() -> Memory {
    Memory { created: true, ..new() }
}

fn settling() -> Phase {
    Phase::Settling("MAKING".into())
}

fn leaving() -> Phase {
    Phase::Leaving("ENDING".into())
}

fn gone() -> Phase {
    Phase::Gone("ENDED".into())
}

fn failed() -> Phase {
    Phase::Failed("no room".into())
}

#[test]
fn what_is_kept_only_has_to_be_ready() {
    let it = alarm();
    let keep = Action::Keep(outputs("1"));
    check(
        &it,
        &keep,
        vec![
            ("it is ready", it.ready(json!({})), new(), "done"),
            ("it is still made", it.live(json!({}), settling()), new(), "wait: MAKING"),
            (
                "once made, it is not as it seemed",
                it.ready(json!({"threshold": 1})),
                new(),
                "stale: threshold changed since the plan",
            ),
            ("it failed meanwhile", it.live(json!({}), failed()), new(), "failed: no room"),
            ("it is gone", None, new(), "stale: it is gone"),
        ],
    );
    let it = on_demand();
    let rows =
        vec![("it ended by itself", it.live(json!({}), gone()), new(), "done, nothing there")];
    check(&it, &keep, rows);
    check(&it, &Action::Dormant(None), vec![("no work", None, new(), "done, nothing there")]);
}

#[test]
fn a_create_is_sent_once_and_then_looked_for() {
    let it = alarm();
    let late = Memory { quiet: QUIET_LOOKS, ..created() };
    let lost = Memory { lost: true, ..created() };
    let lost_late = Memory { quiet: QUIET_LOOKS, ..lost.clone() };
    let before = Memory { remembered: Some(outputs("1")), ..created() };
    let (theirs, nobodys) = (json!({"tags": {"pipeline:owner": "them"}}), json!({"tags": {}}));
    let another = json!({"tags": {"pipeline:owner": owner().0, "pipeline:id": "other"}});
    let unlike = json!({"subject": "other"});
    let exists = "stale: a alarm named `a` exists now";
    let unseen = "timed out: it was created and AWS does not show it; apply again to look again";
    let tagging = "update tags.pipeline:id tags.pipeline:owner";
    check(
        &it,
        &Action::Create(None),
        vec![
            ("nothing there", None, new(), "create"),
            ("remembered", it.live(json!({}), gone()), new(), "create"),
            (
                "its predecessor is on its way out",
                it.live(json!({}), leaving()),
                new(),
                "wait: ENDING",
            ),
            ("it does not show yet", None, created(), "wait: created, not visible yet"),
            ("it never shows", None, late.clone(), unseen),
            ("it settles", it.live(json!({}), settling()), created(), "wait: MAKING"),
            ("it is there", it.ready(json!({})), created(), "done"),
            (
                "its rest is to be made",
                it.ready(json!({"threshold": 1})),
                created(),
                "update threshold",
            ),
            ("it failed", it.live(json!({}), failed()), created(), "failed: no room"),
            ("it ended at once", it.live(json!({}), gone()), created(), "failed: ENDED"),
            (
                "the one taken back is not seen back yet",
                it.live(json!({}), gone()),
                before,
                "wait: created, not visible yet",
            ),
            ("somebody made one", it.ready(theirs.clone()), new(), exists),
            ("a nameless somebody made one", it.ready(nobodys.clone()), new(), exists),
            ("another id of ours has it", it.ready(another), new(), exists),
            ("ours, but it would have to be replaced", it.ready(unlike.clone()), new(), exists),
            ("a killed run made it for this step", it.ready(json!({})), new(), "done"),
            ("somebody was quicker", it.ready(theirs), created(), "not ours: them"),
            ("AWS tags it later", it.ready(nobodys.clone()), created(), tagging),
            (
                "no answer came, and it does not say whose it is",
                it.ready(nobodys.clone()),
                lost.clone(),
                "wait: it does not show whose it is yet",
            ),
            ("it never says whose it is", it.ready(nobodys), lost_late, "not ours: "),
            ("no answer came, and it is ours", it.ready(json!({})), lost, "done"),
            (
                "a create-only field still shows the one before",
                it.ready(unlike.clone()),
                created(),
                "wait: subject not changed yet",
            ),
            ("a create-only field is wrong", it.ready(unlike), late, "stuck: subject"),
        ],
    );
}

#[test]
fn an_update_changes_what_was_planned_and_waits_until_it_shows() {
    let it = alarm();
    let old = json!({"threshold": 1});
    let sent = Memory { sent: Some(it.diff(old.clone())), updates: 1, ..new() };
    let late = Memory { quiet: QUIET_LOOKS, ..sent.clone() };
    let many = Memory { updates: UPDATES_MAX, sent: None, ..late.clone() };
    let unheard = Memory { unheard: true, ..sent.clone() };
    let unheard_late = Memory { quiet: QUIET_LOOKS, ..unheard.clone() };
    let unheard_often = Memory { updates: UPDATES_MAX, ..unheard_late.clone() };
    let both = json!({"threshold": 1, "watches": ["x"]});
    let moved = "stale: watches changed since the plan";
    check(
        &it,
        &Action::Update(it.diff(old.clone())),
        vec![
            ("it differs", it.ready(old.clone()), new(), "update threshold"),
            ("it does not differ", it.ready(json!({})), new(), "done"),
            (
                "sent, and not shown",
                it.ready(old.clone()),
                sent.clone(),
                "wait: threshold not changed yet",
            ),
            ("sent, and under way", it.live(old.clone(), settling()), sent.clone(), "wait: MAKING"),
            (
                "sent, and half way",
                it.ready(json!({"threshold": 1.5})),
                sent.clone(),
                "update threshold",
            ),
            ("sent, and never shown", it.ready(old.clone()), late, "stuck: threshold"),
            ("never the same twice", it.ready(json!({"threshold": 9})), many, "stuck: threshold"),
            (
                "no answer came, and it may show yet",
                it.ready(json!({"threshold": 1.5})),
                unheard.clone(),
                "wait: threshold not changed yet",
            ),
            ("no answer came, and it shows", it.ready(json!({})), unheard, "done"),
            (
                "no answer came, and it would show by now",
                it.ready(old.clone()),
                unheard_late,
                "update threshold",
            ),
            (
                "no answer comes however often",
                it.ready(old.clone()),
                unheard_often,
                "stuck: threshold",
            ),
            ("another field moved", it.ready(both.clone()), new(), moved),
            (
                "another field moved, it is not ready",
                it.live(both, settling()),
                new(),
                "wait: MAKING",
            ),
            ("an ignored field moved", it.ready(json!({"dimensions": {"a": "b"}})), new(), "done"),
            ("it failed", it.live(old.clone(), failed()), sent, "failed: no room"),
            ("it is deleted", it.live(old.clone(), leaving()), new(), "wait: ENDING"),
            ("it is gone", None, new(), "stale: it is gone"),
        ],
    );
    let it = on_demand();
    let action = Action::Update(it.diff(json!({"size": 1})));
    check(&it, &action, vec![("it ended by itself", None, new(), "done, nothing there")]);
}

#[test]
fn a_replacement_deletes_first_where_the_name_is_the_identity() {
    let it = alarm();
    let old = json!({"subject": "old", "threshold": 1});
    let deleted = Memory { deleted: true, ..new() };
    let made = Memory { created: true, ..deleted.clone() };
    let theirs = json!({"subject": "old", "tags": {"pipeline:owner": "them"}});
    check(
        &it,
        &Action::Replace(Reason::Fields(it.diff(old.clone()))),
        vec![
            ("it stands", it.ready(old.clone()), new(), "delete"),
            ("it is being changed", it.live(old.clone(), settling()), new(), "wait: MAKING"),
            (
                "it still shows",
                it.ready(old.clone()),
                deleted.clone(),
                "wait: deleted, not gone yet",
            ),
            (
                "it is on its way out",
                it.live(old.clone(), leaving()),
                deleted.clone(),
                "wait: ENDING",
            ),
            ("it is gone", None, deleted, "create"),
            ("it was gone before", None, new(), "create"),
            ("the new one does not show", None, made.clone(), "wait: created, not visible yet"),
            ("the new one is there", it.ready(json!({})), made, "done"),
            ("it turns out to be right", it.ready(json!({})), new(), "done"),
            (
                "only the rest is wrong",
                it.ready(json!({"threshold": 1})),
                new(),
                "update threshold",
            ),
            ("it is somebody else's now", it.ready(theirs), new(), "not ours: them"),
        ],
    );
    let failed_one = Action::Replace(Reason::Failed("no room".into()));
    check(&it, &failed_one, vec![("it failed", it.live(json!({}), failed()), new(), "delete")]);
}

#[test]
fn a_replacement_retires_first_where_the_name_can_be_given_on() {
    let it = cluster();
    let old = json!({"release": "6"});
    let retired = Memory { retired: true, ..new() };
    let made = Memory { created: true, ..retired.clone() };
    let action = Action::Replace(Reason::Fields(it.diff(old.clone())));
    check(
        &it,
        &action,
        vec![
            ("it stands", it.ready(old.clone()), new(), "retire"),
            (
                "it still has the name",
                it.ready(old.clone()),
                retired.clone(),
                "wait: the old one still shows",
            ),
            (
                "another one has the name",
                it.live(old, Phase::Ready),
                Memory { remembered: Some([("id".into(), "0".into())].into()), ..retired.clone() },
                "stale: another cluster named `a` shows now",
            ),
            ("the name is free", None, retired, "create"),
            ("the new one does not show", None, made.clone(), "wait: created, not visible yet"),
            ("the new one stands", it.ready(json!({})), made, "done"),
            ("it ended by itself", None, new(), "create"),
        ],
    );
    let rows = vec![("its successor comes with the work", None, new(), "done, nothing there")];
    check(&on_demand(), &action, rows);
}

#[test]
fn a_deletion_is_done_when_nothing_shows() {
    let it = alarm();
    let deleted = Memory { deleted: true, ..new() };
    let theirs = json!({"tags": {"pipeline:owner": "them"}});
    check(
        &it,
        &Action::Delete,
        vec![
            ("it stands", it.ready(json!({})), new(), "delete"),
            ("it failed", it.live(json!({}), failed()), new(), "delete"),
            ("it is being changed", it.live(json!({}), settling()), new(), "wait: MAKING"),
            ("it is on its way out", it.live(json!({}), leaving()), new(), "wait: ENDING"),
            ("it still shows", it.ready(json!({})), deleted.clone(), "wait: deleted, not gone yet"),
            ("it is gone", None, deleted.clone(), "done, nothing there"),
            ("it is remembered", it.live(json!({}), gone()), deleted, "done, nothing there"),
            ("it was gone before", None, new(), "done, nothing there"),
            ("it is somebody else's", it.ready(theirs), new(), "not ours: them"),
        ],
    );
}
