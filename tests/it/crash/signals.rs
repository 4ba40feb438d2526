//! SIGINT and SIGTERM at every call.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::call::Call;
use super::family::Outcome;
use super::http::exchange;
use super::image::Image;
use super::point::{Count, Point, points};
use super::proxy::{Deed, Made, Rule};
use super::scene::{Run, Scene};
use super::stories::{APPLY, DESTROY, JOB, UPDATE};
use super::story::Story;

/// How many points of a story CI tries.
const SLICE: usize = 8;

/// What the program promises, and gives itself less time for.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// Calls of one look.
const TOGETHER: usize = 4;

/// It changes nothing, so that all is to be made by the apply that follows.
const PLAN: Story = Story { name: "plan", act: "plan blueprint.yaml --env prod", ..APPLY };

#[test]
fn an_apply_that_is_signalled_at_any_call_says_how_to_go_on() {
    everywhere(&APPLY);
}

#[test]
fn an_update_that_is_signalled_at_any_call_says_how_to_go_on() {
    everywhere(&UPDATE);
}

#[test]
fn a_destroy_that_is_signalled_at_any_call_says_how_to_go_on() {
    everywhere(&DESTROY);
}

#[test]
fn a_plan_that_is_signalled_at_any_call_says_so() {
    everywhere(&PLAN);
}

#[test]
fn a_job_that_is_left_by_a_signal_is_found_again() {
    everywhere(&JOB);
}

/// What comes of the call at which the signal arrives.
#[derive(Debug, Clone, Copy)]
enum How {
    Goes,
    Hangs,
    /// It goes, and the next call brings another signal.
    Twice,
}

#[derive(Debug, Clone)]
struct Try {
    point: Point,
    signal: &'static str,
    how: How,
}

impl fmt::Display for Try {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.signal, self.point, self.how)
    }
}

fn tries(made: &[Made]) -> Vec<Try> {
    const ALL: [(&str, How); 4] =
        [("-INT", How::Goes), ("-TERM", How::Goes), ("-TERM", How::Hangs), ("-INT", How::Twice)];
    let points = points(made).into_iter();
    let each = |point: Point| {
        ALL.into_iter().map(move |(signal, how)| Try { point: point.clone(), signal, how })
    };
    points.flat_map(each).collect()
}

fn everywhere(story: &Story) {
    let (run, end) = story.reference();
    let name = |one: &Try| one.to_string();
    story.family("signals", (tries(&run.made), SLICE), name, |scene, one| {
        told(story, scene, one, end)
    });
}

/// The act until the signal, then undisturbed commands, then the checks.
fn told(story: &Story, scene: &Scene<'_>, one: &Try, end: &Image) -> Outcome {
    let mut outcome = Outcome::good();
    let at = Arc::new(Mutex::new(None));
    let rule = Signal { one: one.clone(), count: Count::default(), at: at.clone(), again: false };
    let run = scene.run(story.act, vec![Box::new(rule)]);
    let at = *at.lock().expect("the proxy does not panic");
    match at.map(|at: Instant| at.elapsed()) {
        // How often a state is looked at is not the same in every run.
        None => outcome.ended_well(&run, &[Some(0)]),
        Some(took) if took > GONE_WITHIN => {
            outcome.hangs += 1;
            outcome.miss(format!("gone after {took:?}\n{}", run.ended));
        }
        Some(_) => judge(scene, one, &run, &mut outcome),
    }
    story.ends(scene, end, &mut outcome);
    outcome
}

fn judge(scene: &Scene<'_>, one: &Try, run: &Run, outcome: &mut Outcome) {
    let code = if one.signal == "-INT" { 130 } else { 143 };
    // At the last call of all it may be done before it hears of the signal; as many as a look at
    // one thing makes are under way together.
    let last = points(&run.made).iter().rev().take(TOGETHER).any(|point| *point == one.point);
    let codes = [Some(code), Some(0)];
    outcome.ended_well(run, if last { &codes } else { &codes[..1] });
    if matches!(one.how, How::Twice) {
        return;
    }
    let said = |word: &&str| run.ended.err.contains(word);
    if !["the same command", "Applied: ", "Destroyed: "].iter().any(said) {
        outcome.miss(format!("it does not say how to go on\n{}", run.ended));
    }
    // Where it is the removal of the lock that is not answered, the lock lapses.
    let lapses = run.ended.err.contains("the lock could not be given back, and lapses");
    if left(scene, &run.made) && !(lapses && matches!(one.how, How::Hangs)) {
        outcome.miss(format!("its lock is left\n{}", run.ended));
    }
}

/// Whether the lock that a run wrote is still there.
fn left(scene: &Scene<'_>, made: &[Made]) -> bool {
    let lock = |made: &&Made| made.call.writes() && made.call.request.path.contains("/lock.json");
    let Some(written) = made.iter().find(lock) else { return false };
    let (mut request, ours) = (written.call.request.clone(), ["host", "authorization"]);
    request.method = "HEAD".into();
    request.body = Vec::new();
    request.headers.retain(|(name, _)| ours.contains(&name.as_str()));
    exchange(scene.upstream(), &request).is_ok_and(|answer| answer.status == 200)
}

/// Sends a signal at a point.
struct Signal {
    one: Try,
    count: Count,
    /// When it was sent.
    at: Arc<Mutex<Option<Instant>>>,
    /// Whether it was sent again.
    again: bool,
}

impl Rule for Signal {
    fn before(&mut self, call: &Call) -> Deed {
        let mut at = self.at.lock().expect("the harness does not panic");
        if at.is_some() {
            return match self.one.how {
                How::Twice if !std::mem::replace(&mut self.again, true) => {
                    Deed::Signal(self.one.signal)
                }
                _ => Deed::Forward,
            };
        }
        if self.count.point(call) != self.one.point {
            return Deed::Forward;
        }
        *at = Some(Instant::now());
        match self.one.how {
            How::Hangs => Deed::SignalAndHang(self.one.signal),
            How::Goes | How::Twice => Deed::Signal(self.one.signal),
        }
    }
}
