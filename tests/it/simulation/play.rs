//! Plays a history, and at its end one undisturbed apply; tells the first rule that it breaks.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use pipeline::apply::{Report, Run as Apply, apply};
use pipeline::blueprint::{Desired, Id};
use pipeline::cloud::Object;
use pipeline::lock::Lock;
use pipeline::lock::guard::Guarded;
use pipeline::lock::lease::{Answer, Home, Lease};
use pipeline::observe::observe;
use pipeline::plan::destroy::destroy;
use pipeline::plan::{Choice, Plan, Refusal, Snapshot, plan};
use tokio::time::timeout;

use crate::fake::{Fake, Habit};
use crate::world::{desired, outcomes, place, rendered};

use super::history::{Act, Blow, History, Run};
use super::line::Line;
use super::meddle::meddle;
use super::rules::{Broken, announced, each_once, in_order, skipped_rightly};
use super::sheet::{Part, edit, resources};
use super::shelf::Shelf;
use super::tally::Tally;

/// By then every wait of every step has ended: two hours each, in a chain of six.
const ENDS_WITHIN: Duration = Duration::from_secs(24 * 3600);
/// Refusals that make room for others, as long as each is settled.
const SETTLEMENTS: u32 = 6;

pub async fn play(history: &History) -> Result<Tally, Broken> {
    let fake = Fake::new(place());
    let shelf = Shelf::new(&fake);
    let mut world = World {
        fake: &fake,
        shelf: &shelf,
        parts: history.parts.clone(),
        locks: history.locks,
        ends: history.ends,
        tally: RefCell::default(),
        story: RefCell::default(),
        holders: RefCell::default(),
    };
    let played = world.all(history).await;
    let story = world.story.take().join("\n");
    match played {
        Ok(()) => Ok(world.tally.take()),
        Err(rule) => Err(Broken { rule, story }),
    }
}

pub struct World<'a> {
    fake: &'a Fake,
    shelf: &'a Shelf<'a>,
    parts: Vec<Part>,
    locks: bool,
    ends: bool,
    tally: RefCell<Tally>,
    /// What was planned, called and found, for who has to read it.
    story: RefCell<Vec<String>>,
    /// How many runs there were: each holds its lock under its number.
    holders: RefCell<u64>,
}

/// How far a run got.
enum Ended {
    /// Something could not be looked up.
    Blind,
    Refused,
    Nothing,
    Locked,
    Applied(Report),
}

/// The plan that was shown last, and what is known of what became of it.
#[derive(Default)]
struct Shown {
    plan: RefCell<Plan>,
    taken: RefCell<Option<Answer>>,
}

type Rule = String;

impl World<'_> {
    async fn all(&mut self, history: &History) -> Result<(), Rule> {
        for act in &history.acts {
            self.tell(|| format!("# {act:?}"));
            match act {
                Act::Edit(change) => edit(&mut self.parts, change),
                Act::Outside(what) => meddle(self.fake, &self.parts, what),
                Act::Pass(seconds) => tokio::time::advance(Duration::from_secs(*seconds)).await,
                Act::Run(run) => self.race(std::slice::from_ref(run)).await?,
                Act::Race(runs) => {
                    self.tally.borrow_mut().races += 1;
                    self.race(runs).await?;
                }
            }
        }
        self.settle().await
    }

    fn tell(&self, what: impl FnOnce() -> String) {
        self.story.borrow_mut().push(what());
    }

    async fn race(&self, runs: &[Run]) -> Result<(), Rule> {
        let desired = desired(&resources(&self.parts));
        *self.fake.habits.borrow_mut() =
            runs.first().map(|run| self.habits(run)).unwrap_or_default();
        let choices = runs.iter().map(|run| choice(run.delete_data, &BTreeSet::new()));
        let choices: Vec<Choice> = choices.collect();
        let each = runs.iter().zip(&choices).map(|(run, how)| self.run(run, &desired, how));
        let ended = join_all(each).await;
        self.fake.habits.borrow_mut().clear();
        self.tally.borrow_mut().seen(self.fake);
        ended.into_iter().try_for_each(|ended| ended.map(|_| ()))
    }

    /// One run, and what must hold of every run.
    async fn run(
        &self,
        run: &Run,
        desired: &Desired,
        choice: &Choice,
    ) -> Result<Option<Ended>, Rule> {
        *self.holders.borrow_mut() += 1;
        let number = *self.holders.borrow();
        let line = Line::new(self.fake, self.shelf, run, number);
        line.adopt(desired, choice);
        let shown = Shown::default();
        let work = self.work(&line, run, desired, choice, &shown);
        let killed = line.dead.notified();
        let ended = match timeout(ENDS_WITHIN, select(pin!(work), pin!(killed))).await {
            Ok(Either::Left((ended, _))) => Some(ended),
            Ok(Either::Right(_)) => None,
            Err(_) => return Err(format!("a run ends: run {number} hangs")),
        };
        self.judge(number, &line, &shown.plan.borrow(), choice, ended.as_ref())?;
        self.tally.borrow_mut().count(&line, ended.is_none(), &shown.taken.borrow());
        Ok(ended)
    }

    fn judge(
        &self,
        number: u64,
        line: &Line<'_>,
        plan: &Plan,
        choice: &Choice,
        ended: Option<&Ended>,
    ) -> Result<(), Rule> {
        self.tell(|| told(number, line, plan, ended));
        if line.endless.get() {
            return Err("a run ends: it makes calls without end".into());
        }
        if let Some(rule) = line.broken.borrow().as_ref() {
            return Err(rule.clone());
        }
        if !in_order(plan) {
            return Err("every step comes after what it needs".into());
        }
        for call in line.writes() {
            if !announced(&call, plan, choice) {
                return Err(format!("every write was planned: {call:?}"));
            }
        }
        match ended {
            Some(Ended::Applied(report)) if !skipped_rightly(plan, report) => {
                Err("only what needs a failure is skipped".into())
            }
            _ => Ok(()),
        }
    }

    /// As `pipeline apply --yes` and `pipeline destroy --yes` do it.
    async fn work(
        &self,
        line: &Line<'_>,
        run: &Run,
        desired: &Desired,
        choice: &Choice,
        shown: &Shown,
    ) -> Ended {
        let Some(mut snapshot) = planned(line, run, desired, choice, shown).await else {
            return Ended::Blind;
        };
        if let Some(ended) = over(&shown.plan.borrow()) {
            return ended;
        }
        let lease = self.lease(line, desired);
        if let Some(lease) = lease.as_ref().filter(|lease| housed(lease, &snapshot)) {
            let answer = lease.wait(true, &[], Duration::from_secs(run.patience), &|_, _| {}).await;
            *shown.taken.borrow_mut() = answer.as_ref().ok().cloned();
            if !matches!(answer, Ok(Answer::Ours | Answer::NoBucket)) {
                return Ended::Locked;
            }
            line.holds.set(answer == Ok(Answer::Ours));
            let again = planned(line, run, desired, choice, shown).await;
            let stopped = match &again {
                Some(_) => over(&shown.plan.borrow()),
                None => Some(Ended::Blind),
            };
            if let Some(ended) = stopped {
                let _ = lease.release().await;
                return ended;
            }
            snapshot = again.unwrap();
        }
        for what in &run.between {
            meddle(self.fake, &self.parts, what);
        }
        line.agreed();
        let plan = shown.plan.borrow().clone();
        let report = carried_out(line, lease.as_ref(), &plan, &snapshot, choice).await;
        if let Some(lease) = &lease {
            let _ = lease.release().await;
        }
        Ended::Applied(report)
    }

    /// The first bucket of the blueprint keeps the lock.
    fn lease<'l>(&self, line: &'l Line<'_>, desired: &Desired) -> Option<Lease<'l>> {
        let bucket = self.parts.iter().find(|part| part.kind() == "bucket");
        let identity = desired.nodes[&Id(bucket.filter(|_| self.locks)?.id())].identity.clone();
        let object = Object { bucket: identity.to_string(), key: "lock.json".into() };
        let starts = Object { key: "starts/".into(), ..object.clone() };
        let home = Home { object, starts, kind: "bucket".into(), identity };
        Some(Lease::new(line, home, lock(line.holder())))
    }

    /// How AWS behaves; only clusters end by themselves.
    fn habits(&self, run: &Run) -> BTreeMap<String, Habit> {
        let nature = run.nature;
        let usual = Habit {
            settles: nature.settles,
            forgets: nature.forgets,
            leaves: nature.leaves,
            unlisted: nature.unlisted,
            one_field: nature.one_field,
            ..Habit::default()
        };
        let lasts = |slot| self.parts.iter().any(|p| p.slot == slot && p.kind() != "cluster");
        let blows = run.blows.iter().filter(|(slot, blow)| *blow != Blow::Ends || !lasts(*slot));
        let struck = blows.map(|(slot, blow)| (format!("r{slot}"), blown(&usual, *blow)));
        struck.chain([("*".to_owned(), usual.clone())]).collect()
    }

    /// AWS has caught up, what is others' under our names is adopted or taken away, and an apply
    /// that nothing happens to goes through.
    async fn settle(&self) -> Result<(), Rule> {
        self.tell(|| "# at last".into());
        self.fake.catch_up();
        let desired = desired(&resources(&self.parts));
        let quiet = Run::quiet();
        let adopting = choice(true, &self.adopted(&desired).await?);
        let said = match self.run(&quiet, &desired, &adopting).await? {
            Some(Ended::Nothing) => None,
            Some(Ended::Applied(report)) if report.succeeded() => None,
            Some(Ended::Applied(_)) => Some("a step fails"),
            Some(Ended::Refused) => Some("it is refused"),
            Some(Ended::Locked) => Some("the lock is not to be had"),
            Some(Ended::Blind) | None => Some("it does not get to its end"),
        };
        if let Some(what) = said {
            return Err(format!("an undisturbed apply succeeds: {what}"));
        }
        let usual = choice(true, &BTreeSet::new());
        match self.run(&quiet, &desired, &usual).await? {
            Some(Ended::Nothing) => {}
            _ => return Err("the plan after it is empty".into()),
        }
        each_once(self.fake, &desired)?;
        if self.ends { self.end(&desired, &usual).await } else { Ok(()) }
    }

    /// What may be taken over. What would have to be replaced for it is taken away by its owner.
    async fn adopted(&self, desired: &Desired) -> Result<BTreeSet<Id>, Rule> {
        let mut adopt = BTreeSet::new();
        for _ in 0..SETTLEMENTS {
            let snapshot = observe(self.fake, desired, &self.fake.place).await;
            let snapshot = snapshot.map_err(|unknown| format!("all is known: {unknown:?}"))?;
            let refusals = plan(desired, &snapshot, &choice(true, &adopt)).refusals;
            if refusals.is_empty() {
                break;
            }
            for refusal in refusals {
                match refusal {
                    Refusal::NotOurs { id, .. } => {
                        self.tally.borrow_mut().adopted += 1;
                        adopt.insert(id);
                    }
                    Refusal::AdoptReplaces { kind, identity, .. } => {
                        self.tally.borrow_mut().taken_away += 1;
                        self.fake.lose(&kind, identity.as_str());
                    }
                    other => return Err(format!("nothing else is refused: {other:?}")),
                }
            }
        }
        Ok(adopt)
    }

    /// An undisturbed destroy leaves nothing of ours.
    async fn end(&self, desired: &Desired, choice: &Choice) -> Result<(), Rule> {
        let destroy = Run { destroy: true, ..Run::quiet() };
        match self.run(&destroy, desired, choice).await? {
            Some(Ended::Nothing) => {}
            Some(Ended::Applied(report)) if report.succeeded() => {}
            _ => return Err("an undisturbed destroy succeeds".into()),
        }
        let left = self.fake.existing(|owner| owner == Some(desired.owner.0.as_str()));
        if left.is_empty() { Ok(()) } else { Err(format!("a destroy leaves nothing: {left:?}")) }
    }
}

/// Looks everything up and shows what is to be done.
async fn planned(
    line: &Line<'_>,
    run: &Run,
    desired: &Desired,
    choice: &Choice,
    shown: &Shown,
) -> Option<Snapshot> {
    let snapshot = observe(line, desired, line.place()).await.ok()?;
    *shown.plan.borrow_mut() = match run.destroy {
        false => plan(desired, &snapshot, choice),
        true => destroy(desired, &snapshot, choice),
    };
    Some(snapshot)
}

/// Whether there is nothing to carry out.
fn over(plan: &Plan) -> Option<Ended> {
    match plan {
        refused if !refused.refusals.is_empty() => Some(Ended::Refused),
        noop if noop.is_noop() => Some(Ended::Nothing),
        _ => None,
    }
}

fn housed(lease: &Lease<'_>, snapshot: &Snapshot) -> bool {
    let found = snapshot.found.get(&Id::new(lease.home.identity.as_str().trim_end_matches('b')));
    found.is_some_and(|live| live.as_ref().is_some_and(|live| live.exists()))
}

/// Stops when it is told to, and when its lock is lost.
async fn carried_out(
    line: &Line<'_>,
    lease: Option<&Lease<'_>>,
    plan: &Plan,
    snapshot: &Snapshot,
    choice: &Choice,
) -> Report {
    let guarded = Guarded { cloud: line, lease };
    let run = Apply {
        cloud: &guarded,
        place: line.place(),
        reporter: line,
        parallel: pipeline::apply::PARALLEL,
        delete_data: choice.delete_data,
    };
    let kept = async {
        match lease {
            Some(lease) => lease.keep().await,
            None => pending().await,
        }
    };
    let told = line.stop.notified();
    let stop = async {
        select(pin!(kept), pin!(told)).await;
    };
    apply(&run, plan, snapshot, stop).await
}

fn choice(delete_data: bool, adopt: &BTreeSet<Id>) -> Choice {
    Choice { adopt: adopt.clone(), targets: BTreeSet::new(), delete_data }
}

fn lock(holder: String) -> Lock {
    let text = |text: &str| text.to_owned();
    Lock {
        version: 1,
        holder,
        who: text("a@b"),
        job: None,
        command: text("apply"),
        since: String::new(),
        until: String::new(),
        renewed: 0,
        process: None,
    }
}

fn blown(usual: &Habit, blow: Blow) -> Habit {
    let fields = ["trust", "policies", "rules", "threshold", "tags", "size"];
    match blow {
        Blow::Fails => Habit { fails: Some("no room".into()), ..usual.clone() },
        Blow::Ends => Habit { ends: Some(0), ..usual.clone() },
        Blow::Stuck => Habit { stuck: fields.map(str::to_owned).into(), ..usual.clone() },
    }
}

fn told(number: u64, line: &Line<'_>, plan: &Plan, ended: Option<&Ended>) -> String {
    let calls = line.writes().into_iter().map(|call| {
        let answer = call.refused.map_or_else(|| "done".into(), |class| format!("{class:?}"));
        let fields = call.fields.join(" ");
        format!("    {:?} {} {} {fields} -> {answer}\n", call.verb, call.kind, call.identity)
    });
    let end = match ended {
        None => "killed".into(),
        Some(Ended::Blind) => "could not look".into(),
        Some(Ended::Refused) => "refused".into(),
        Some(Ended::Nothing) => "nothing to do".into(),
        Some(Ended::Locked) => "locked out".into(),
        Some(Ended::Applied(report)) => outcomes(plan, report),
    };
    format!("run {number} plans\n{}{}{end}", rendered(plan), calls.collect::<String>())
}
