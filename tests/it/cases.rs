//! Runs every folder of `tests/cases`: `case.yaml` in, `expected.txt` out. `BLESS=1` rewrites.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

use futures_util::FutureExt;
use pipeline::kind::Phase;
use pipeline::plan::Choice;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::fake::{Fake, Habit};
use crate::toys;
use crate::world::{
    Command, Resources, applied, desired, ids, outcomes, owner, place, planned, rendered, tagged,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// A sentence about behaviour.
    shows: String,
    resources: Resources,
    #[serde(default)]
    live: Vec<There>,
    runs: Vec<Go>,
}

/// Something that exists before the first run.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct There {
    kind: String,
    /// The id it has in its tags; none: it carries no tag of ours.
    id: Option<String>,
    /// Whose it is, if not ours.
    owner: Option<String>,
    spec: Map<String, Value>,
    #[serde(default = "ready")]
    phase: Phase,
    #[serde(default)]
    holds: u32,
}

fn ready() -> Phase {
    Phase::Ready
}

/// One plan and, unless it is refused, its apply.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Go {
    #[serde(default = "apply")]
    command: Command,
    /// Takes the place of the blueprint's resources from here on; `null` takes one out.
    #[serde(default)]
    edit: BTreeMap<String, Option<Map<String, Value>>>,
    #[serde(default)]
    adopt: Vec<String>,
    #[serde(default)]
    targets: Vec<String>,
    #[serde(default)]
    delete_data: bool,
    /// How AWS behaves from the end of the planning to the end of the apply.
    #[serde(default)]
    habits: BTreeMap<String, Habit>,
    /// What others do between plan and apply.
    #[serde(default)]
    between: Vec<Meddling>,
}

fn apply() -> Command {
    Command::Apply
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Meddling {
    Set { name: String, field: String, value: Value },
    Vanish(String),
    End(String),
    Appear(There),
}

impl There {
    fn put(self, fake: &Fake) {
        let whose = self.owner.unwrap_or_else(|| owner().0);
        let spec = match &self.id {
            Some(id) => tagged(self.spec, &whose, id),
            None => Value::Object(self.spec),
        };
        let kind = toys::kind(&self.kind).expect("the kind is a toy");
        fake.put(kind, &spec, &self.phase, self.holds);
    }
}

fn meddle(fake: &Fake, meddling: Meddling) {
    match meddling {
        Meddling::Set { name, field, value } => fake.edit(&name, &field, value),
        Meddling::Vanish(name) => fake.vanish(&name),
        Meddling::End(name) => fake.end(&name),
        Meddling::Appear(there) => there.put(fake),
    }
}

async fn play(case: Case) -> String {
    let fake = Fake::new(place());
    case.live.into_iter().for_each(|there| there.put(&fake));
    let mut text = format!("{}\n", case.shows);
    let mut resources = case.resources;
    let mut last = (Command::Apply, Choice::default());
    for (number, run) in case.runs.into_iter().enumerate() {
        for (id, fields) in run.edit {
            match fields {
                Some(fields) => resources.insert(id, fields),
                None => resources.remove(&id),
            };
        }
        let choice = Choice {
            adopt: ids(&run.adopt),
            targets: ids(&run.targets),
            delete_data: run.delete_data,
        };
        let desired = desired(&resources);
        let (plan, snapshot) = planned(&fake, &desired, run.command, &choice).await;
        writeln!(text, "\n# {}. {:?}\n{}", number + 1, run.command, rendered(&plan)).unwrap();
        if plan.refusals.is_empty() {
            *fake.habits.borrow_mut() = run.habits;
            run.between.into_iter().for_each(|meddling| meddle(&fake, meddling));
            let report = applied(&fake, &plan, &snapshot, &choice).await;
            for line in fake.log.take() {
                writeln!(text, "{line}").unwrap();
            }
            writeln!(text, "{}", outcomes(&plan, &report)).unwrap();
            fake.calm();
        }
        last = (run.command, choice);
    }
    let (plan, _) = planned(&fake, &desired(&resources), last.0, &last.1).await;
    assert!(plan.is_noop() && plan.refusals.is_empty(), "planning again:\n{}", rendered(&plan));
    text.trim_end().to_owned() + "\n"
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

#[expect(clippy::disallowed_methods, reason = "the one switch that a person sets by hand")]
fn blessing() -> bool {
    std::env::var("BLESS").is_ok_and(|value| value == "1")
}

/// The first line that differs, which is most of what a person wants to know.
fn compared(expected: &str, found: &str) -> Option<String> {
    (expected != found).then(|| {
        let same = expected.lines().zip(found.lines()).take_while(|(e, f)| e == f).count();
        let line = |text: &str| text.lines().nth(same).unwrap_or("(the end)").to_owned();
        format!("line {}: expected `{}`, found `{}`", same + 1, line(expected), line(found))
    })
}

#[tokio::test(start_paused = true)]
async fn every_case_plans_calls_and_ends_as_its_golden_text_says() {
    let mut wrong = Vec::new();
    let mut names: Vec<_> =
        std::fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    assert!(names.len() >= 25, "the cases are there");
    for folder in names {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let yaml = std::fs::read_to_string(folder.join("case.yaml")).unwrap();
        let case: Case =
            serde_saphyr::from_str(&yaml).unwrap_or_else(|error| panic!("{name}: {error}"));
        let found = match AssertUnwindSafe(play(case)).catch_unwind().await {
            Ok(found) => found,
            Err(panic) => {
                wrong.push(format!("{name}: {}", said(&*panic)));
                continue;
            }
        };
        let golden = folder.join("expected.txt");
        if blessing() {
            std::fs::write(&golden, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        wrong.extend(compared(&expected, &found).map(|what| format!("{name}: {what}")));
    }
    assert!(wrong.is_empty(), "{}\n(BLESS=1 rewrites)", wrong.join("\n"));
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let literal = panic.downcast_ref::<&str>().copied();
    literal.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it panicked")
}
