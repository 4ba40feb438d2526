//! Two of ours where the blueprint has one, from the look to what is told, on the cloud in memory.

use std::cell::Cell;
use std::collections::BTreeMap;

use pipeline::apply::{Outcome, Run, apply};
use pipeline::blueprint::Desired;
use pipeline::blueprint::text::Resolved;
use pipeline::cloud::{Boxed, Cloud, Contents, Fault, Owned};
use pipeline::kind::{Kind, Live, Name, Outputs, Phase, Twin};
use pipeline::observe::observe;
use pipeline::plan::destroy::destroy;
use pipeline::plan::diff::Diff;
use pipeline::plan::{Action, Choice, Plan, Snapshot, plan};
use pipeline::report::style::Style;
use pipeline::report::text::{self, Detail};
use pipeline::report::{Proposal, json, markdown};
use serde_json::json;

use crate::fake::Fake;
use crate::toys;
use crate::world::{desired, owner, place, tagged};

const WHY: &str = "a second cluster of this name; j-1 is kept";

/// The cloud in memory, where the name `spark` means the cluster `j-1`, and `j-2` is its twin.
struct Doubled {
    fake: Fake,
    in_use: bool,
    /// The name shows nothing to who looks first.
    late: Cell<bool>,
}

impl Doubled {
    fn new(in_use: bool) -> Self {
        Self::with(2, in_use)
    }

    fn with(clusters: u32, in_use: bool) -> Self {
        let fake = Fake::new(place());
        let kind = toys::kind("cluster").expect("it is a toy");
        for _ in 0..clusters {
            let spec = json!({"name": "spark"});
            let spec = tagged(spec.as_object().expect("fields").clone(), &owner().0, "spark");
            fake.put(kind, &spec, &Phase::Ready, 0);
        }
        Self { fake, in_use, late: Cell::new(false) }
    }

    async fn look(&self, kind: &str, id: &str) -> Result<Option<Live>, Fault> {
        let found = self.fake.observe(kind, &[Name::new(id)]).await;
        found.into_iter().next().expect("an answer")
    }

    async fn by_name(&self, kind: &str) -> Result<Option<Live>, Fault> {
        if self.late.replace(false) {
            return Ok(None);
        }
        let Some(mut kept) = self.look(kind, "j-1").await? else { return Ok(None) };
        if self.look(kind, "j-2").await?.is_some_and(|other| other.exists()) {
            let (identity, why) = (Name::new("j-2"), WHY.to_owned());
            Twin { identity, why, in_use: self.in_use }.note(&mut kept.outputs);
        }
        Ok(Some(kept))
    }

    fn bare(live: &Live) -> Live {
        let of_its_own = |(key, _): &(String, String)| !key.starts_with("twin.");
        let outputs: Outputs = live.outputs.clone().into_iter().filter(of_its_own).collect();
        Live { outputs, ..live.clone() }
    }

    async fn planned(&self, desired: &Desired, choice: &Choice) -> (Plan, Snapshot) {
        let snapshot = observe(self, desired, &self.fake.place).await.expect("it can be looked up");
        (plan(desired, &snapshot, choice), snapshot)
    }
}

impl Cloud for Doubled {
    fn kind(&self, name: &str) -> Option<&dyn Kind> {
        self.fake.kind(name)
    }

    fn observe<'a>(
        &'a self,
        kind: &'a str,
        identities: &'a [Name],
    ) -> Boxed<'a, Vec<Result<Option<Live>, Fault>>> {
        match identities {
            [one] if one.as_str() == "spark" => {
                Box::pin(async move { vec![self.by_name(kind).await] })
            }
            _ => self.fake.observe(kind, identities),
        }
    }

    fn owned<'a>(&'a self) -> Boxed<'a, Result<Vec<Owned>, Fault>> {
        // The index knows one that is late, and neither of two.
        let text = |text: &str| text.to_owned();
        let spark = Owned {
            kind: text("cluster"),
            id: text("spark"),
            identity: Name::new("j-1"),
            arn: Some(text("arn:toy:j-1")),
        };
        let listed = if self.late.get() { vec![spark] } else { Vec::new() };
        Box::pin(async { Ok(listed) })
    }

    fn create<'a>(&'a self, kind: &'a str, spec: &'a Resolved) -> Boxed<'a, Result<(), Fault>> {
        self.fake.create(kind, spec)
    }

    fn update<'a>(
        &'a self,
        kind: &'a str,
        spec: &'a Resolved,
        live: &'a Live,
        diff: &'a Diff,
    ) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move { self.fake.update(kind, spec, &Self::bare(live), diff).await })
    }

    fn delete<'a>(
        &'a self,
        kind: &'a str,
        identity: &'a Name,
        live: &'a Live,
    ) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move { self.fake.delete(kind, identity, &Self::bare(live)).await })
    }

    fn purge<'a>(&'a self, kind: &'a str, identity: &'a Name) -> Boxed<'a, Result<(), Fault>> {
        self.fake.purge(kind, identity)
    }

    fn retire<'a>(
        &'a self,
        kind: &'a str,
        identity: &'a Name,
        live: &'a Live,
    ) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move { self.fake.retire(kind, identity, &Self::bare(live)).await })
    }

    fn contents<'a>(
        &'a self,
        kind: &'a str,
        identity: &'a Name,
    ) -> Boxed<'a, Result<Option<Contents>, Fault>> {
        self.fake.contents(kind, identity)
    }
}

fn blueprint() -> Desired {
    let spark = json!({"kind": "cluster", "name": "spark"});
    desired(&[("spark".to_owned(), spark.as_object().expect("fields").clone())].into())
}

fn shown(desired: &Desired, plan: &Plan) -> [String; 3] {
    let (place, jobs) = (&place(), &BTreeMap::new());
    let proposal = Proposal { desired, place, plan, jobs };
    let document = json::plan(&proposal)["steps"].to_string();
    [text::plan(&proposal, Style::Plain, Detail::Short), markdown::plan(&proposal), document]
}

#[tokio::test(start_paused = true)]
async fn the_twin_is_planned_for_deletion_in_words_and_the_other_one_stays() {
    let (cloud, desired, choice) = (Doubled::new(false), blueprint(), Choice::default());
    let (plan, snapshot) = cloud.planned(&desired, &choice).await;
    let changes: Vec<_> = plan.changes().map(|s| (s.identity.as_str(), &s.action)).collect();
    assert_eq!(changes, [("j-2", &Action::Delete)]);
    for text in shown(&desired, &plan) {
        assert!(text.contains("j-2") && text.contains(WHY), "{text}");
    }
    let [text, ..] = shown(&desired, &plan);
    assert!(text.contains("Ours by their tag, and there twice:\n  - cluster/j-2"), "{text}");

    let run = Run {
        cloud: &cloud,
        place: &cloud.fake.place,
        reporter: &cloud.fake,
        parallel: 1,
        delete_data: false,
    };
    let report = apply(&run, &plan, &snapshot, std::future::pending()).await;
    assert!(report.outcomes.values().all(|outcome| matches!(outcome, Outcome::Done(_))));
    let left = cloud.fake.existing(|_| true);
    assert_eq!(left.iter().map(|(_, live)| &live.outputs["id"]).collect::<Vec<_>>(), ["j-1"]);
    assert!(cloud.planned(&desired, &choice).await.0.is_noop());
}

#[tokio::test(start_paused = true)]
async fn a_twin_that_may_be_in_use_stays_without_the_users_word() {
    let (cloud, desired) = (Doubled::new(true), blueprint());
    let (plan, _) = cloud.planned(&desired, &Choice::default()).await;
    assert!(plan.is_noop());
    let [text, ..] = shown(&desired, &plan);
    assert!(text.contains(&format!("kept: {WHY}; --delete-data deletes it")), "{text}");
    let choice = Choice { delete_data: true, ..Choice::default() };
    let (plan, _) = cloud.planned(&desired, &choice).await;
    assert!(plan.changes().all(|step| step.loses_data) && !plan.is_noop());
}

#[tokio::test(start_paused = true)]
async fn a_destroy_takes_both() {
    let (cloud, desired) = (Doubled::new(false), blueprint());
    let (_, snapshot) = cloud.planned(&desired, &Choice::default()).await;
    let plan = destroy(&desired, &snapshot, &Choice::default());
    let gone: Vec<_> = plan.steps.iter().map(|step| step.identity.as_str()).collect();
    assert_eq!(gone.len(), 2, "{gone:?}");
    let [text, ..] = shown(&desired, &plan);
    assert!(text.contains(WHY), "{text}");
}

#[tokio::test]
async fn what_shows_while_it_is_looked_for_is_neither_made_nor_deleted() {
    let cloud = Doubled::with(1, false);
    cloud.late.set(true);
    let (plan, snapshot) = cloud.planned(&blueprint(), &Choice::default()).await;
    assert!(plan.is_noop() && snapshot.strays.is_empty(), "{:?}", plan.steps);
}
