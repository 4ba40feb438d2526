//! What never answers, or refuses without end: the wait for it is told of, and ends in an error
//! that says what to do. What takes more than two minutes is tried by a clock that is set forward,
//! in `apply.rs` and beside the code.

use super::call::Call;
use super::family::Outcome;
use super::http::Answer;
use super::lent::Lent;
use super::proxy::{Deed, Rule};
use super::refusal::refusal;
use super::scene::{Run, Scene};
use super::stories::SMALL;
use super::story::Story;
use crate::e2e::Project;
use crate::e2e::machine::Machine;

const BLUEPRINT: &str = r"name: NAME
region: eu-west-1
artifacts: lake
resources:
  lake: { kind: s3-bucket, name: 'NAME-${account}' }
  events: { kind: kinesis-stream, name: NAME, shards: 1, depends_on: [lake] }
  told: { kind: sns-topic, name: NAME, depends_on: [lake] }
";
const LINE: &str = "apply blueprint.yaml --yes";

/// Calls that meet with something, from the first of them on, and what is said then.
struct Trial {
    call: &'static str,
    evil: Evil,
    code: i32,
    says: &'static [&'static str],
}

#[derive(Debug, Clone, Copy)]
enum Evil {
    Hangs,
    /// Within its answer.
    Stalls,
    /// And so does every call after it.
    Dies,
    Refuses(u16, &'static str),
    Babbles,
}

static TRIALS: [Trial; 11] = [
    Trial {
        call: "sts:GetCallerIdentity",
        evil: Evil::Hangs,
        code: 1,
        says: &[
            "waiting for AWS: sts:GetCallerIdentity: no answer for 1",
            "error: sts:GetCallerIdentity: ",
            "given up after 6",
            "hint: AWS could not be reached; check the network and --endpoint-url",
        ],
    },
    Trial {
        call: "kinesis:DescribeStreamSummary",
        evil: Evil::Hangs,
        code: 1,
        says: &[
            "waiting for AWS: kinesis:DescribeStreamSummary: no answer for 1",
            "waiting for AWS: kinesis:DescribeStreamSummary: no answer for 3",
            "error: `events` cannot be looked up: kinesis:DescribeStreamSummary: ",
            "--> blueprint.yaml:6:3",
            "hint: AWS could not be reached",
        ],
    },
    Trial {
        call: "kinesis:DescribeStreamSummary",
        evil: Evil::Stalls,
        code: 1,
        says: &[
            "waiting for AWS: kinesis:DescribeStreamSummary: no answer for 1",
            "error: `events` cannot be looked up: kinesis:DescribeStreamSummary: ",
            "given up after 6",
            "hint: AWS could not be reached",
        ],
    },
    Trial {
        call: "s3:PUT object",
        evil: Evil::Hangs,
        code: 1,
        says: &[
            "waiting for AWS: s3:PUT /crash-000000000000/pipeline/crash/default/lock.json",
            "failed: `lake` (s3-bucket crash-000000000000): s3:PutObject: the lock was asked for, and \
             no answer in time",
            "hint: AWS could not be reached",
            "skipped: `events`, because `lake` failed",
            "0 changed, 1 failed, 2 not reached; mend the cause and run the same command again",
        ],
    },
    Trial {
        call: "kinesis:CreateStream",
        evil: Evil::Dies,
        code: 5,
        says: &[
            "waiting for AWS: kinesis:CreateStream",
            "this run no longer holds the lock",
            "the lock could not be renewed in time: no answer in time",
            "the same command goes on from here",
        ],
    },
    Trial {
        call: "kinesis:DescribeStreamSummary",
        evil: Evil::Refuses(400, "ThrottlingException"),
        code: 1,
        says: &[
            "error: `events` cannot be looked up: kinesis:DescribeStreamSummary: \
             ThrottlingException: imposed by the test (request imposed)",
            "hint: AWS takes no more calls for now",
        ],
    },
    Trial {
        call: "kinesis:DescribeStreamSummary",
        evil: Evil::Refuses(503, "ServiceUnavailable"),
        code: 1,
        says: &["ServiceUnavailable: imposed by the test", "hint: AWS fails at this for now"],
    },
    Trial {
        call: "sns:CreateTopic",
        evil: Evil::Refuses(403, "ExpiredToken"),
        code: 1,
        says: &[
            "failed: `told` (sns-topic crash): sns:CreateTopic: ExpiredToken: imposed by the test \
             (request imposed)",
            "--> blueprint.yaml:7:3",
            "hint: the credentials in use have expired",
            "done: `lake`, `events`",
            "2 changed, 1 failed",
            "  next: pipeline apply blueprint.yaml --yes --endpoint-url http://127.0.0.1:",
        ],
    },
    Trial {
        call: "kinesis:CreateStream",
        evil: Evil::Refuses(400, "AccessDeniedException"),
        code: 1,
        says: &[
            "failed: `events` (kinesis-stream crash): kinesis:CreateStream: AccessDeniedException: ",
            "--> blueprint.yaml:6:3",
            "hint: the credentials in use need permission for kinesis:CreateStream",
            "2 changed, 1 failed",
        ],
    },
    Trial {
        call: "kinesis:CreateStream",
        evil: Evil::Refuses(400, "LimitExceededException"),
        code: 1,
        says: &["LimitExceededException: imposed by the test"],
    },
    Trial {
        call: "kinesis:DescribeStreamSummary",
        evil: Evil::Babbles,
        code: 1,
        says: &["error: `events` cannot be looked up: kinesis:DescribeStreamSummary: "],
    },
];

#[test]
fn whatever_never_answers_ends_in_an_error_that_says_what_to_do() {
    let name = |trial: &&Trial| format!("{} {:?}", trial.call, trial.evil);
    let trials: Vec<&'static Trial> = TRIALS.iter().collect();
    let many = trials.len();
    STORY.family("without end", (trials, many), name, told);
}

/// What a saved plan saw is no longer so once a part of it was done.
#[test]
fn a_saved_plan_that_was_done_in_part_gives_way_to_a_new_one() {
    let machine = Lent::take();
    let scene = Scene::in_mode(STORY.mode, &machine, project(&machine));
    let told = |run: &Run, code: i32, says: &[&str]| {
        assert_eq!(run.ended.code, Some(code), "{}", run.ended);
        for words in says {
            assert!(run.ended.err.contains(words), "no `{words}`\n{}", run.ended);
        }
    };
    told(&scene.undisturbed("plan blueprint.yaml --out plan.json"), 0, &[]);
    let denied = Endless { trial: &DENIED, struck: false };
    told(&scene.run("apply plan.json", vec![Box::new(denied)]), DENIED.code, DENIED.says);
    told(
        &scene.undisturbed("apply plan.json"),
        4,
        &[
            "`lake` (s3-bucket crash-000000000000): it exists now",
            "`told` (sns-topic crash): it exists now",
            "  next: pipeline plan blueprint.yaml --out plan.json --endpoint-url http://127.0.0.1:",
        ],
    );
    told(&scene.undisturbed("plan blueprint.yaml --out plan.json"), 0, &[]);
    told(&scene.undisturbed("apply plan.json"), 0, &["Applied: 1 changed"]);
}

static DENIED: Trial = Trial {
    call: "kinesis:CreateStream",
    evil: Evil::Refuses(400, "AccessDeniedException"),
    code: 1,
    says: &[
        "failed: `events` (kinesis-stream crash): kinesis:CreateStream: AccessDeniedException: \
         imposed by the test (request imposed)",
        "--> blueprint.yaml:6:3",
        "done: `lake`, `told`",
        "2 changed, 1 failed, 0 not reached; mend the cause and make a new plan",
        "  next: pipeline plan blueprint.yaml --out plan.json --endpoint-url http://127.0.0.1:",
    ],
};

const STORY: Story = Story { name: "apply", project, act: LINE, after: &[LINE], ..SMALL };

fn project(machine: &Machine) -> Project<'_> {
    Project::on(machine, "crash", BLUEPRINT)
}

fn told(scene: &Scene<'_>, trial: &&'static Trial) -> Outcome {
    let mut outcome = Outcome::good();
    let run = scene.run(LINE, vec![Box::new(Endless { trial, struck: false })]);
    outcome.ended_well(&run, &[Some(trial.code)]);
    for words in trial.says.iter().filter(|words| !run.ended.err.contains(**words)) {
        outcome.miss(format!("it does not say `{words}`\n{}", run.ended));
    }
    for line in [LINE, "plan blueprint.yaml --detailed-exitcode"] {
        outcome.ended_well(&scene.undisturbed(line), &[Some(0)]);
    }
    outcome
}

struct Endless {
    trial: &'static Trial,
    struck: bool,
}

impl Rule for Endless {
    fn before(&mut self, call: &Call) -> Deed {
        let struck = call.name() == self.trial.call;
        self.struck |= struck;
        match self.trial.evil {
            Evil::Dies if self.struck => Deed::Hang,
            _ if !struck => Deed::Forward,
            Evil::Hangs | Evil::Dies => Deed::Hang,
            Evil::Refuses(status, code) => {
                Deed::Answer(refusal(call, status, code, "imposed by the test"))
            }
            Evil::Babbles => Deed::Answer(answer("text/html", b"<html>\x00\xff{")),
            Evil::Stalls => Deed::Begin(answer("application/x-amz-json-1.1", b"{")),
        }
    }
}

fn answer(kind: &str, body: &[u8]) -> Answer {
    let headers = vec![("content-type".into(), kind.into())];
    Answer { status: 200, headers, body: body.to_vec() }
}
