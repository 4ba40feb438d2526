//! Every call, answered in every way that AWS and the way to it can fail.

use std::time::Duration;

use super::call::Call;
use super::http::Answer;
use super::lent::Lent;
use super::point::{Count, Point, points};
use super::proxy::{Deed, Reply, Rule};
use super::refusal::refusal;
use super::scene::Scene;
use super::stories::{APPLY, DESTROY, JOB, UPDATE};
use super::story::Story;

/// How many faults of a story CI tries.
const SLICE: usize = 24;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request is lost.
    Unsent,
    /// It is carried out, and the answer lost.
    Lost,
    Throttled,
    Broken,
    Denied,
    Conflict,
    Expired,
    /// Carried out, and the answer is not one.
    Garbage,
    Late,
}

const FAULTS: [Fault; 9] = [
    Fault::Unsent,
    Fault::Lost,
    Fault::Throttled,
    Fault::Broken,
    Fault::Denied,
    Fault::Conflict,
    Fault::Expired,
    Fault::Garbage,
    Fault::Late,
];

const LATE: Duration = Duration::from_secs(2);

/// Does a fault to a call and the next ones of its name.
struct Faulty {
    point: Point,
    fault: Fault,
    left: u32,
    count: Count,
    striking: u32,
}

impl Faulty {
    fn new(point: Point, fault: Fault, times: u32) -> Self {
        Self { point, fault, left: times, count: Count::default(), striking: 0 }
    }
}

impl Rule for Faulty {
    fn before(&mut self, call: &Call) -> Deed {
        let point = self.count.point(call);
        let reached = point.call == self.point.call && point.occurrence >= self.point.occurrence;
        if !reached || self.left == 0 {
            return Deed::Forward;
        }
        self.left -= 1;
        match self.fault {
            Fault::Unsent => Deed::Close,
            Fault::Late => Deed::Delay(LATE),
            Fault::Lost | Fault::Garbage => {
                self.striking += 1;
                Deed::Forward
            }
            _ => Deed::Answer(refused(call, self.fault)),
        }
    }

    fn after(&mut self, call: &Call, answer: &mut Answer) -> Reply {
        if self.striking == 0 || call.name() != self.point.call {
            return Reply::Send;
        }
        self.striking -= 1;
        if self.fault == Fault::Garbage {
            answer.body = b"<html>\x00\xff{".to_vec();
            return Reply::Send;
        }
        Reply::Close
    }
}

fn refused(call: &Call, fault: Fault) -> Answer {
    let xml = matches!(call.service.as_str(), "s3" | "iam" | "sns" | "sts");
    let (status, code) = match (fault, call.service.as_str()) {
        (Fault::Throttled, "s3") => (503, "SlowDown"),
        (Fault::Throttled, _) if xml => (400, "Throttling"),
        (Fault::Throttled, _) => (400, "ThrottlingException"),
        (Fault::Denied, _) if xml => (403, "AccessDenied"),
        (Fault::Denied, _) => (400, "AccessDeniedException"),
        (Fault::Expired, "s3") => (400, "ExpiredToken"),
        (Fault::Expired, _) if xml => (403, "ExpiredToken"),
        (Fault::Expired, _) => (400, "ExpiredTokenException"),
        (Fault::Conflict, "s3") => (409, "OperationAborted"),
        (Fault::Conflict, "iam") => (409, "ConcurrentModification"),
        (Fault::Conflict, "kinesis") => (400, "ResourceInUseException"),
        (Fault::Conflict, "lambda") => (409, "ResourceConflictException"),
        (Fault::Conflict, "logs") => (400, "OperationAbortedException"),
        (Fault::Conflict, "sns") => (400, "ConcurrentAccess"),
        (Fault::Conflict, _) => (400, "ConcurrentModificationException"),
        (_, "s3") => (500, "InternalError"),
        (_, _) => (500, "InternalFailure"),
    };
    refusal(call, status, code, "imposed by the test")
}

#[test]
fn an_apply_goes_on_after_every_fault_of_every_call() {
    everywhere(APPLY);
}

#[test]
fn an_update_goes_on_after_every_fault_of_every_call() {
    everywhere(UPDATE);
}

#[test]
fn a_destroy_goes_on_after_every_fault_of_every_call() {
    everywhere(DESTROY);
}

#[test]
fn a_job_goes_on_after_every_fault_of_every_call() {
    everywhere(JOB);
}

/// AWS has done nothing then, and takes the same call a moment later.
#[test]
fn what_is_sent_once_is_sent_again_after_a_throttle() {
    let machine = Lent::take();
    for call in ["elasticmapreduce:RunJobFlow", "elasticmapreduce:AddJobFlowSteps"] {
        let scene = Scene::in_mode(JOB.mode, &machine, (JOB.project)(&machine));
        let point = Point { call: call.to_owned(), occurrence: 1 };
        let run = scene.run(JOB.act, vec![Box::new(Faulty::new(point, Fault::Throttled, 2))]);
        assert_eq!(run.ended.code, Some(0), "{}", run.ended);
        let told = format!("refused, again in 1 s: {call}: ThrottlingException");
        assert!(run.ended.err.contains(&told), "no `{told}`\n{}", run.ended);
    }
}

/// AWS has done it then: what was sent is looked for, and nothing is given back to be begun anew.
#[test]
fn what_is_sent_once_is_looked_for_where_the_answer_cannot_be_read() {
    let machine = Lent::take();
    for name in ["elasticmapreduce:RunJobFlow", "elasticmapreduce:AddJobFlowSteps"] {
        let scene = Scene::in_mode(JOB.mode, &machine, (JOB.project)(&machine));
        let point = Point { call: name.to_owned(), occurrence: 1 };
        let run = scene.run(JOB.act, vec![Box::new(Faulty::new(point, Fault::Garbage, 1))]);
        assert_eq!(run.ended.code, Some(0), "{}", run.ended);
        assert_eq!(run.writes().filter(|made| made.call.name() == name).count(), 1, "{name}");
    }
}

pub fn everywhere(story: Story) {
    let (run, end) = story.reference();
    let all = points(&run.made).into_iter().flat_map(|point| {
        let each = move |fault| [1, 3].map(|times| (point.clone(), fault, times));
        FAULTS.into_iter().flat_map(each)
    });
    let name = |(point, fault, times): &(Point, Fault, u32)| format!("{fault:?} {point} x{times}");
    story.family("faults", (all.collect(), SLICE), name, |scene, (point, fault, times)| {
        let rule = Faulty::new(point.clone(), *fault, *times);
        story.told(scene, vec![Box::new(rule)], end)
    });
}
