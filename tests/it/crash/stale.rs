//! Answers that are older than they should be: what was done is not seen yet.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::call::Call;
use super::family::Outcome;
use super::http::Answer;
use super::kill::KillWrite;
use super::lent::Lent;
use super::point::{Count, Point, Side, points};
use super::proxy::{Deed, Reply, Rule};
use super::refusal::refusal;
use super::scene::Scene;
use super::stories::{ABANDONED, APPLY, DESTROY, JOB, UPDATE};
use super::story::Story;

/// How many points of a story CI tries.
const SLICE: usize = 12;

/// How long what a killed run wrote last is unseen by the next.
const UNSEEN: Duration = Duration::from_millis(1500);

/// What each read was answered before the last write.
#[derive(Clone, Default)]
struct History(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    now: BTreeMap<String, Answer>,
    /// As it was before the last write.
    before: BTreeMap<String, Answer>,
}

impl History {
    fn read(&self, call: &Call, answer: &Answer) {
        self.told().now.insert(question(call), answer.clone());
    }

    fn written(&self) {
        let mut told = self.told();
        told.before = told.now.clone();
    }

    fn old(&self, call: &Call) -> Option<Answer> {
        self.told().before.get(&question(call)).cloned()
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.0.lock().expect("nothing panics in here")
    }
}

/// The same question, whenever it is asked.
fn question(call: &Call) -> String {
    call.question().chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// Keeps what reads are answered.
struct Recording(History);

impl Rule for Recording {
    fn after(&mut self, call: &Call, answer: &mut Answer) -> Reply {
        if call.writes() {
            self.0.written()
        } else {
            self.0.read(call, answer)
        }
        Reply::Send
    }
}

/// Answers some reads of one name as before the last write.
struct Stale {
    history: History,
    point: Point,
    left: u32,
    count: Count,
}

impl Rule for Stale {
    fn after(&mut self, call: &Call, answer: &mut Answer) -> Reply {
        let point = self.count.point(call);
        let reached = point.call == self.point.call && point.occurrence >= self.point.occurrence;
        if reached && self.left > 0 {
            self.left -= 1;
            if let Some(old) = self.history.old(call) {
                *answer = old;
            }
        }
        Reply::Send
    }
}

/// Answers every read as before the last write of the run before, for a while.
struct Unseen {
    history: History,
    since: Option<Instant>,
}

impl Rule for Unseen {
    fn after(&mut self, call: &Call, answer: &mut Answer) -> Reply {
        let since = *self.since.get_or_insert_with(Instant::now);
        if !call.writes()
            && since.elapsed() < UNSEEN
            && let Some(old) = self.history.old(call)
        {
            *answer = old;
        }
        Reply::Send
    }
}

#[test]
fn an_apply_gets_over_old_answers_to_any_read() {
    views(APPLY);
}

#[test]
fn an_update_gets_over_old_answers_to_any_read() {
    views(UPDATE);
}

#[test]
fn a_destroy_gets_over_old_answers_to_any_read() {
    views(DESTROY);
}

#[test]
fn an_apply_that_does_not_see_what_a_killed_one_made_comes_to_the_same_end() {
    unseen(APPLY);
}

#[test]
fn an_apply_that_does_not_see_a_killed_ones_cluster_or_step_comes_to_the_same_end() {
    unseen(JOB);
}

#[test]
fn a_destroy_that_does_not_see_a_killed_ones_cluster_leaves_nothing() {
    unseen(ABANDONED);
}

/// AWS shows no bucket yet, by its name or by its tags.
struct Blind {
    left: u32,
}

impl Rule for Blind {
    fn before(&mut self, call: &Call) -> Deed {
        match call.operation.as_str() {
            "HEAD bucket" if self.left > 0 => {
                self.left -= 1;
                Deed::Answer(refusal(call, 404, "NotFound", "not yet"))
            }
            "GetResources" if self.left > 0 => {
                let headers = vec![("content-type".into(), "application/x-amz-json-1.1".into())];
                let body = br#"{"ResourceTagMappingList": []}"#.to_vec();
                Deed::Answer(Answer { status: 200, headers, body })
            }
            _ => Deed::Forward,
        }
    }
}

/// The bucket was all that a killed apply had made.
#[test]
fn a_destroy_that_is_shown_nothing_at_first_leaves_nothing() {
    let (run, end) = ABANDONED.reference();
    let made = run.writes().position(|made| made.call.operation == "PUT bucket");
    let made = u32::try_from(made.expect("a bucket is made") + 1).expect("there are few");
    let machine = Lent::take();
    let scene = Scene::in_mode(ABANDONED.mode, &machine, (ABANDONED.project)(&machine));
    scene.run(ABANDONED.act, vec![Box::new(KillWrite::at((made, Side::After)))]);
    let away = scene.run(ABANDONED.after[0], vec![Box::new(Blind { left: 2 })]);
    let mut outcome = Outcome::good();
    outcome.ended_well(&away, &[Some(0)]);
    outcome.compare(end, &scene.image());
    assert!(outcome.converged, "{}", outcome.told());
}

/// Two things were lost. The plan and the look under the lock show one of them.
#[test]
fn what_the_first_looks_do_not_show_is_done_by_the_same_apply() {
    const LOSE: &str = "
client('iam').delete_role_policy(RoleName='NAME-prod-delivery-ap-northeast-2', PolicyName='deliver')
client('logs', 'ap-northeast-2').delete_retention_policy(logGroupName='/NAME/prod/delivery')
answer(True)";
    let (_, end) = APPLY.reference();
    let machine = Lent::take();
    let scene = Scene::in_mode(APPLY.mode, &machine, (APPLY.project)(&machine));
    assert_eq!(scene.undisturbed(APPLY.act).ended.code, Some(0));
    let history = History::default();
    let planned = "plan blueprint.yaml --env prod";
    scene.run(planned, vec![Box::new(Recording(history.clone()))]);
    history.written();
    scene.project.outside(LOSE);
    let listed = "iam:GetAccountAuthorizationDetails".to_owned();
    let point = Point { call: listed, occurrence: 1 };
    let stale = Stale { history, point, left: 2, count: Count::default() };
    let run = scene.run(APPLY.act, vec![Box::new(stale)]);
    assert!(run.ended.err.contains("live is not yet as the blueprint says"), "{}", run.ended);
    let mut outcome = Outcome::good();
    outcome.ended_well(&run, &[Some(0)]);
    outcome.compare(end, &scene.image());
    assert!(outcome.converged, "{}", outcome.told());
}

pub fn views(story: Story) {
    let (run, end) = story.reference();
    let reads: Vec<_> = run.made.iter().filter(|made| !made.call.writes()).cloned().collect();
    let all = points(&reads).into_iter().flat_map(|point| [(point.clone(), 1), (point, 3)]);
    let name = |(point, times): &(Point, u32)| format!("{point} x{times}");
    story.family("old answers", (all.collect(), SLICE), name, |scene, (point, left)| {
        let history = History::default();
        let (point, count) = (point.clone(), Count::default());
        let stale = Stale { history: history.clone(), point, left: *left, count };
        story.told(scene, vec![Box::new(stale), Box::new(Recording(history))], end)
    });
}

pub fn unseen(story: Story) {
    let (run, end) = story.reference();
    let writes = u32::try_from(run.writes().count()).expect("there are few");
    let all = ((1..=writes).collect(), SLICE);
    let name = |write: &u32| format!("write {write}");
    story.family("killed, the last write unseen", all, name, |scene, write| {
        let history = History::default();
        let kill = KillWrite::at((*write, Side::After));
        scene.run(story.act, vec![Box::new(kill), Box::new(Recording(history.clone()))]);
        story.told(scene, vec![Box::new(Unseen { history, since: None })], end)
    });
}
