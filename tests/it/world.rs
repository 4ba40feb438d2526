//! A blueprint over toy kinds, the fake cloud, and the commands that bring them together.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::future::pending;

use pipeline::apply::{Event, Outcome, Report, Reporter, Run, apply};
use pipeline::blueprint::text::references;
use pipeline::blueprint::{At, Desired, Id, Node, Protect};
use pipeline::kind::place::{ID_TAG, OWNER_TAG};
use pipeline::kind::{Owner, Place};
use pipeline::observe::observe;
use pipeline::plan::destroy::destroy;
use pipeline::plan::diff::Diff;
use pipeline::plan::{Action, Choice, Plan, Reason, Refusal, Snapshot, plan};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::fake::Fake;
use crate::toys;

/// Resources by id; `kind`, `depends_on`, `protect` and `ignore` beside the fields of the kind.
pub type Resources = BTreeMap<String, Map<String, Value>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    Apply,
    Destroy,
}

pub fn owner() -> Owner {
    Owner::new("shop", "dev", "eu-west-1")
}

pub fn place() -> Place {
    let (partition, account, region) = ("aws".into(), "1".into(), "eu-west-1".into());
    Place { partition, account, region, owner: owner() }
}

/// The spec with the tags that say whose it is, and by which id.
pub fn tagged(mut spec: Map<String, Value>, owner: &str, id: &str) -> Value {
    let tags = spec.entry("tags").or_insert_with(|| json!({}));
    tags[OWNER_TAG] = owner.into();
    tags[ID_TAG] = id.into();
    Value::Object(spec)
}

pub fn desired(resources: &Resources) -> Desired {
    let nodes = resources.iter().map(|(id, fields)| (Id::new(id), node(id, fields)));
    Desired {
        name: "shop".into(),
        environment: "dev".into(),
        region: "eu-west-1".into(),
        owner: owner(),
        file: "shop.yaml".into(),
        nodes: nodes.collect(),
        jobs: BTreeMap::new(),
        artifacts: None,
        outputs: BTreeMap::new(),
    }
}

fn node(id: &str, fields: &Map<String, Value>) -> Node {
    let mut fields = fields.clone();
    let kind = fields.remove("kind").expect("a resource has a kind");
    let kind = toys::kind(kind.as_str().unwrap()).expect("the kind is a toy");
    let names = |value: Option<Value>| -> Vec<String> {
        value.map(|value| serde_json::from_value(value).unwrap()).unwrap_or_default()
    };
    let written = fields.remove("protect").map(|protect| protect.as_bool().unwrap());
    let protect = match (written, kind.holds_data()) {
        (Some(true), _) => Protect::Written,
        (None, true) => Protect::ByDefault,
        _ => Protect::No,
    };
    let ignore = names(fields.remove("ignore"));
    let depends_on = names(fields.remove("depends_on"));
    let spec = tagged(fields, &owner().0, id);
    let normal = kind.normalize(&spec).unwrap_or_else(|flaw| panic!("{id}: {}", flaw.what));
    let refers = references(&normal.spec).into_iter().map(|reference| reference.id);
    Node {
        kind,
        identity: normal.identity,
        needs: refers.chain(depends_on.into_iter().map(Id)).collect(),
        spec: normal.spec,
        protect,
        ignore,
        on_demand: normal.on_demand,
        at: At { line: 1, column: 1 },
        fields: BTreeMap::new(),
    }
}

pub async fn snapshot(fake: &Fake, desired: &Desired) -> Snapshot {
    observe(fake, desired, &fake.place).await.expect("everything can be looked up")
}

pub async fn planned(
    fake: &Fake,
    desired: &Desired,
    command: Command,
    choice: &Choice,
) -> (Plan, Snapshot) {
    let snapshot = snapshot(fake, desired).await;
    let plan = match command {
        Command::Apply => plan(desired, &snapshot, choice),
        Command::Destroy => destroy(desired, &snapshot, choice),
    };
    (plan, snapshot)
}

pub async fn applied(fake: &Fake, plan: &Plan, snapshot: &Snapshot, choice: &Choice) -> Report {
    assert_eq!(plan.refusals, [], "a refused plan is never applied");
    let run = Run {
        cloud: fake,
        place: &fake.place,
        reporter: fake,
        parallel: pipeline::apply::PARALLEL,
        delete_data: choice.delete_data,
    };
    apply(&run, plan, snapshot, pending()).await
}

/// The waits go into the fake's log, between the calls.
impl Reporter for Fake {
    fn tell(&self, event: &Event<'_>) {
        if let Event::Waiting(step, why) = event {
            let line = format!("  wait {}: {why}", step.id);
            let mut log = self.log.borrow_mut();
            if log.last() != Some(&line) {
                log.push(line);
            }
        }
    }
}

pub fn rendered(plan: &Plan) -> String {
    let mut text = String::new();
    for step in &plan.steps {
        let name = format!("{} ({} {})", step.id, step.kind, step.identity);
        let line = match &step.action {
            Action::Keep(_) => format!("= keep    {name}"),
            Action::Dormant(None) => format!("z dormant {name}"),
            Action::Dormant(Some(last)) => format!("z dormant {name}: last {last}"),
            Action::Create(None) => format!("+ create  {name}"),
            Action::Create(Some(back)) => format!("+ create  {name}: was {back}"),
            Action::Update(diff) => format!("~ update  {name}{}", changes(diff)),
            Action::Replace(Reason::Failed(why)) => format!("± replace {name}: failed, {why}"),
            Action::Replace(Reason::Fields(diff)) => format!("± replace {name}{}", changes(diff)),
            Action::Delete => format!("- delete  {name}"),
        };
        let after: Vec<_> = step.needs.iter().map(Id::as_str).collect();
        let lost = if step.loses_data { "  [loses data]" } else { "" };
        writeln!(text, "{line}{lost}").unwrap();
        if !after.is_empty() && step.action.changes() {
            writeln!(text, "    after {}", after.join(", ")).unwrap();
        }
    }
    for refusal in &plan.refusals {
        let line = match refusal {
            Refusal::NotOurs { id, owner, .. } => {
                format!("{id} is not ours, but {}", owner.as_deref().unwrap_or("nobody's"))
            }
            Refusal::Protected { id, protect, verb, .. } => {
                format!("{id} is protected ({protect:?}) and would be {verb}")
            }
            Refusal::AdoptReplaces { id, .. } => {
                format!("{id} is not ours, and adopting it would replace it")
            }
            Refusal::Malformed { id, why } => format!("{id} is malformed: {why}"),
        };
        writeln!(text, "! refused: {line}").unwrap();
    }
    for id in &plan.kept {
        writeln!(text, "! kept: {id}").unwrap();
    }
    text
}

fn changes(diff: &Diff) -> String {
    let lines = diff.0.iter().map(|change| {
        let effect =
            if change.effect == pipeline::plan::diff::Effect::Replace { " (!)" } else { "" };
        let (before, after) = if change.secret {
            (json!("*"), json!("*"))
        } else {
            (change.before.clone(), change.after.clone())
        };
        format!("\n    {}: {before} -> {after}{effect}", change.path)
    });
    lines.collect()
}

pub fn outcomes(plan: &Plan, report: &Report) -> String {
    let mut text = String::new();
    for step in plan.changes() {
        let end = match &report.outcomes[&step.id] {
            Outcome::Done(_) => "done".into(),
            Outcome::Failed(stop) => format!("{stop:?}"),
            Outcome::Skipped(cause) => format!("skipped, because of {cause}"),
            Outcome::Interrupted => "interrupted".into(),
        };
        writeln!(text, "{}: {end}", step.id).unwrap();
    }
    text
}

pub fn ids(names: &[String]) -> BTreeSet<Id> {
    names.iter().map(Id::new).collect()
}
