//! Random blueprints, random worlds that they meet, and random misbehaviour of the cloud.

use std::collections::{BTreeMap, BTreeSet};

use pipeline::blueprint::Id;
use pipeline::blueprint::text::{fill, references};
use pipeline::kind::{Outputs, Phase};
use pipeline::plan::Choice;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::fake::{Answer, Fake, Habit, Verb};
use crate::toys;
use crate::world::{Resources, owner, place, tagged};

/// One resource of a blueprint and what is there of it at first.
#[derive(Debug, Clone)]
pub struct Part {
    kind: usize,
    variant: u8,
    /// Which of the earlier resources it refers to.
    refers: Vec<usize>,
    start: Start,
    pub habit: Nature,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Absent,
    AsDesired,
    Drifted,
    /// A create-only field differs.
    Unlike,
    Gone,
    Leaving,
    Settling,
    Failed,
    /// Nobody's, and adopted.
    Untagged,
    /// It has to be emptied before it is deleted.
    Full,
}

/// A habit that an apply gets through.
#[derive(Debug, Clone)]
pub struct Nature {
    settles: u32,
    forgets: u32,
    leaves: u32,
    one_field: bool,
    answers: BTreeMap<Verb, Vec<Answer>>,
}

#[derive(Debug, Clone)]
pub struct Scenario {
    pub parts: Vec<Part>,
    /// Kinds of things that are ours and not in the blueprint.
    strays: Vec<usize>,
    /// Kinds of things that are others'.
    foreign: Vec<usize>,
}

/// Something that an apply cannot get through, or finds otherwise than the plan did.
#[derive(Debug, Clone, Copy)]
pub enum Blow {
    Answer(Verb, Answer),
    /// AWS gives up on what is made.
    Fails,
    /// It ends as soon as it is made.
    Ends,
    /// No update changes anything.
    Stuck,
    /// Somebody deletes it between plan and apply.
    Vanishes,
    /// Somebody changes it between plan and apply.
    Drifts,
}

pub fn blows() -> impl Strategy<Value = Vec<(usize, Blow)>> {
    use Answer::*;
    let answers = [Denied, Invalid, Dropped, Broken];
    let verbs = [Verb::Look, Verb::Create, Verb::Update, Verb::Delete, Verb::Retire];
    let answer = (prop::sample::select(verbs.to_vec()), prop::sample::select(answers.to_vec()))
        .prop_map(|(verb, answer)| Blow::Answer(verb, answer));
    let other =
        prop::sample::select(&[Blow::Fails, Blow::Ends, Blow::Stuck, Blow::Vanishes, Blow::Drifts]);
    vec((0..8usize, prop_oneof![answer, other]), 1..4)
}

impl Nature {
    pub fn habit(&self) -> Habit {
        let answers = self.answers.iter().map(|(verb, all)| (*verb, all.iter().copied().collect()));
        Habit {
            settles: self.settles,
            forgets: self.forgets,
            leaves: self.leaves,
            one_field: self.one_field,
            answers: answers.collect(),
            ..Habit::default()
        }
    }
}

fn natures() -> impl Strategy<Value = Nature> {
    use Answer::*;
    let some = |answers: &'static [Answer]| vec(prop::sample::select(answers), 0..3);
    // A create that may never have arrived is looked for, in vain: that is a case of its own.
    let create = some(&[NotYet, Throttled, Conflict, Lost]);
    let write = || some(&[NotYet, Throttled, Conflict, Lost, Dropped, Broken]);
    let answers = (some(&[Throttled, Lost, Broken]), create, write(), write(), write(), write());
    (0..3u32, 0..3u32, 0..3u32, any::<bool>(), answers).prop_map(
        |(settles, forgets, leaves, one_field, (look, create, update, delete, purge, retire))| {
            let answers = BTreeMap::from([
                (Verb::Look, look),
                (Verb::Create, create),
                (Verb::Update, update),
                (Verb::Delete, delete),
                (Verb::Purge, purge),
                (Verb::Retire, retire),
            ]);
            Nature { settles, forgets, leaves, one_field, answers }
        },
    )
}

fn parts() -> impl Strategy<Value = Part> {
    use Start::*;
    let starts = prop::sample::select(&[
        Absent, AsDesired, Drifted, Unlike, Gone, Leaving, Settling, Failed, Untagged, Full,
    ]);
    (0..toys::KINDS.len(), any::<u8>(), vec(0..8usize, 0..3), starts, natures()).prop_map(
        |(kind, variant, refers, start, habit)| Part { kind, variant, refers, start, habit },
    )
}

pub fn scenarios() -> impl Strategy<Value = Scenario> {
    let kinds = || vec(0..toys::KINDS.len(), 0..3);
    (vec(parts(), 1..7), kinds(), kinds()).prop_map(|(parts, strays, foreign)| Scenario {
        parts,
        strays,
        foreign,
    })
}

impl Part {
    fn kind(&self) -> &'static str {
        toys::KINDS[self.kind].name()
    }

    fn on_demand(&self) -> bool {
        self.kind() == "cluster" && self.variant & 4 != 0
    }

    fn bit(&self, bit: u8) -> bool {
        self.variant & (1 << bit) != 0
    }

    /// What others may ask it for; of what is only there now and then, only its name.
    fn reference(&self, id: &str, choice: u8) -> String {
        let outputs: &[&str] = match self.kind() {
            "key" => &["key_id", "arn"],
            "cluster" if self.on_demand() => &["name"],
            "cluster" => &["id", "arn"],
            _ => &["arn", "name"],
        };
        format!("${{{id}.{}}}", outputs[choice as usize % outputs.len()])
    }
}

impl Scenario {
    pub fn resources(&self) -> Resources {
        (0..self.parts.len()).map(|index| (id(index), self.fields(index))).collect()
    }

    fn fields(&self, index: usize) -> Map<String, Value> {
        let part = &self.parts[index];
        let earlier = part.refers.iter().filter(|_| index > 0).map(|to| to % index.max(1));
        let earlier: BTreeSet<usize> = earlier.collect();
        let refs: Vec<String> =
            earlier.iter().map(|to| self.parts[*to].reference(&id(*to), part.variant)).collect();
        let first = refs.first().cloned();
        let number = u32::from(part.variant);
        let mut set: Vec<String> = refs.clone();
        set.push("literal".into());
        let name = id(index);
        let fields = match part.kind() {
            "role" => json!({"name": name, "trust": first.unwrap_or_default(), "policies": set}),
            "key" => json!({"alias": name, "rotate": part.bit(0)}),
            "bucket" => json!({
                "name": name, "versioned": part.bit(0), "key": first, "readers": set,
                "rules": {"old": {"days": number}},
            }),
            "stream" => json!({
                "name": name, "key": first, "retention_hours": number, "mode": refs.get(1).cloned().unwrap_or_default(),
                "shards": part.bit(1).then_some(number),
            }),
            "cluster" => json!({
                "name": name, "size": number, "role": first.unwrap_or_default(),
                "on_demand": part.on_demand(), "release": "7",
            }),
            _ => json!({
                "name": name, "threshold": f64::from(part.variant), "watches": refs,
                "subject": if part.bit(0) { first.clone().unwrap_or_default() } else { "s".into() },
                "dimensions": {first.unwrap_or("d".into()): "1", "a": "b"},
            }),
        };
        let mut fields = fields.as_object().unwrap().clone();
        fields.insert("kind".into(), part.kind().into());
        fields.insert("protect".into(), false.into());
        fields
    }

    pub fn choice(&self) -> Choice {
        let adopt = self.parts.iter().enumerate().filter(|(_, p)| p.start == Start::Untagged);
        Choice {
            adopt: adopt.map(|(index, _)| Id(id(index))).collect(),
            targets: BTreeSet::new(),
            delete_data: true,
        }
    }

    /// The world before the first plan.
    pub fn fake(&self) -> Fake {
        let fake = Fake::new(place());
        let mut known = BTreeMap::new();
        for (index, part) in self.parts.iter().enumerate() {
            self.put(&fake, index, part, &mut known);
        }
        for (index, kind) in self.strays.iter().enumerate() {
            let spec = tagged(named(*kind, &format!("stray-{index}")), &owner().0, "once");
            fake.put(toys::KINDS[*kind], &spec, &Phase::Ready, index as u32);
        }
        for (index, kind) in self.foreign.iter().enumerate() {
            let fields = named(*kind, &format!("foreign-{index}"));
            let spec = match index % 2 {
                0 => tagged(fields, "shop/prod/eu-west-1", "r0"),
                _ => Value::Object(fields),
            };
            fake.put(toys::KINDS[*kind], &spec, &Phase::Ready, index as u32);
        }
        fake
    }

    fn put(&self, fake: &Fake, index: usize, part: &Part, known: &mut BTreeMap<Id, Outputs>) {
        let remembered = matches!(part.kind(), "key" | "cluster");
        let (phase, holds) = match part.start {
            Start::Absent => return,
            Start::Gone if !remembered => return,
            Start::Gone => (Phase::Gone("ENDED".into()), 0),
            Start::Leaving => (Phase::Leaving("ENDING".into()), 0),
            Start::Settling => (Phase::Settling("MAKING".into()), 0),
            Start::Failed => (Phase::Failed("no room".into()), 0),
            Start::Full => (Phase::Ready, 2),
            Start::AsDesired | Start::Drifted | Start::Unlike | Start::Untagged => {
                (Phase::Ready, 0)
            }
        };
        let mut fields = self.fields(index);
        for field in ["kind", "protect"] {
            fields.remove(field);
        }
        let (field, value) = match (part.start, part.kind()) {
            (Start::Unlike | Start::Full, "stream") => ("mode", json!("unlike")),
            (Start::Unlike, "alarm") => ("subject", json!("unlike")),
            (Start::Unlike, "cluster") => ("release", json!("unlike")),
            (Start::Drifted | Start::Unlike, "key") => ("rotate", json!(!part.bit(0))),
            (Start::Drifted | Start::Unlike, "role") => ("trust", json!("drifted")),
            (Start::Drifted | Start::Unlike, "bucket") => ("rules", json!({"new": {"days": 1}})),
            (Start::Drifted, "stream") => ("retention_hours", json!(999)),
            (Start::Drifted, "cluster") => ("size", json!(999)),
            (Start::Drifted, "alarm") => ("watches", json!(["drifted"])),
            _ => ("tags", json!({})),
        };
        fields.insert(field.into(), value);
        let mut spec = Value::Object(fields);
        for reference in references(&spec) {
            let outputs = known.entry(reference.id).or_default();
            outputs.entry(reference.output).or_insert("of-old".into());
        }
        spec = serde_json::from_str(&fill(&spec.to_string(), known)).unwrap();
        if part.start != Start::Untagged {
            spec = tagged(spec.as_object().unwrap().clone(), &owner().0, &id(index));
        } else if matches!(part.kind(), "stream" | "alarm") {
            // Create-only fields that refer to what is not there would have it replaced.
            return;
        }
        fake.put(toys::KINDS[part.kind], &spec, &phase, holds);
        known.insert(Id(id(index)), fake.outputs(&id(index)));
    }

    pub fn habits(&self) -> BTreeMap<String, Habit> {
        let habits = self.parts.iter().enumerate();
        let mut habits: BTreeMap<String, Habit> =
            habits.map(|(index, part)| (id(index), part.habit.habit())).collect();
        habits.insert("*".into(), self.parts[0].habit.habit());
        habits
    }

    /// What makes this apply fail here and there.
    pub fn strike(&self, fake: &Fake, blows: &[(usize, Blow)]) {
        for (index, blow) in blows {
            let name = id(index % self.parts.len());
            let mut habits = fake.habits.borrow_mut();
            let habit = habits.get_mut(&name).unwrap();
            match blow {
                Blow::Answer(verb, answer) => {
                    habit.answers.entry(*verb).or_default().push_back(*answer);
                }
                Blow::Fails => habit.fails = Some("no room".into()),
                Blow::Ends => habit.ends = Some(0),
                Blow::Stuck => {
                    let fields = ["trust", "policies", "rules", "threshold", "tags", "size"];
                    habit.stuck = fields.map(str::to_owned).into();
                }
                Blow::Vanishes => fake.vanish(&name),
                Blow::Drifts => fake.edit(&name, "tags", json!({"theirs": "1"})),
            }
        }
    }

    /// The same for a run that may be killed: nobody can tell whether a thing without a name of its
    /// own was made, if it does not show.
    pub fn mortal_habits(&self) -> BTreeMap<String, Habit> {
        let mut habits = self.habits();
        for (index, part) in self.parts.iter().enumerate() {
            if part.kind() == "cluster" {
                habits.get_mut(&id(index)).unwrap().forgets = 0;
            }
        }
        habits
    }

    /// Ids of what exists all the time.
    pub fn standing(&self) -> BTreeSet<String> {
        let parts = self.parts.iter().enumerate();
        parts.filter(|(_, part)| !part.on_demand()).map(|(index, _)| id(index)).collect()
    }

    pub fn clusters(&self) -> BTreeSet<String> {
        let parts = self.parts.iter().enumerate();
        parts.filter(|(_, part)| part.kind() == "cluster").map(|(index, _)| id(index)).collect()
    }
}

fn id(index: usize) -> String {
    format!("r{index}")
}

fn named(kind: usize, name: &str) -> Map<String, Value> {
    let field = if toys::KINDS[kind].name() == "key" { "alias" } else { "name" };
    Map::from_iter([(field.to_owned(), name.into())])
}
