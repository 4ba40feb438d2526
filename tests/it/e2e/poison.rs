//! Poison on the flagship's path: results right, poison in its place with a reason, nothing lost,
//! and the sums add up to what was sent.

use serde_json::{Value, json};

use super::flagship::compare;
use super::machine::Machine;
use super::{Ended, Project};

const BUCKET: &str = "poison-rehearsal-000000000000-ap-northeast-2";
const REST: &str = "blueprint.yaml --local --env rehearsal";
const THROWN: &str = "2013-01-15T10";
const POISONED: &str = "2013-01-15T11";
const CUT: &str = "2013-01-15T12";
const FAILING: &str = "2013-01-15T13";
const HOURS: [&str; 4] = [THROWN, POISONED, CUT, FAILING];

/// What was made to be sent.
struct Made {
    sent: usize,
    /// Records that Firehose cannot place.
    refused: Value,
    /// Lines that can be read of the object that is cut.
    cut: usize,
}

/// See `poison.py`; `NAME` in it is the stem of the names of all that is rehearsed with.
fn outside(project: &Project<'_>, script: &str) -> Value {
    let script = script.replace("NAME", "'poison-rehearsal'");
    project.machine.outside(&format!("from poison import *\n{script}"))
}

fn folder(project: &Project<'_>) -> String {
    format!("{:?}", project.path("").display().to_string())
}

fn make(project: &Project<'_>) -> Made {
    let made = outside(project, &format!("answer(make({}))", folder(project)));
    let number = |name: &str| made[name].as_u64().expect("a number") as usize;
    Made { sent: number("sent"), refused: made["refused"].clone(), cut: number("cut") }
}

fn send(project: &Project<'_>, hour: &str) -> usize {
    let records = project.read(&format!("{hour}.jsonl")).lines().count();
    let line = format!("send blueprint.yaml events {hour}.jsonl --local --env rehearsal");
    project.run(&line).code(0).answers(&[&format!("Sent: {records} records")]);
    records
}

fn status(project: &Project<'_>) -> Ended {
    project.run(&format!("status {REST}")).code(0)
}

fn reasons(project: &Project<'_>) -> Vec<(Value, Value)> {
    let given_up = outside(project, "answer(given_up(NAME))");
    let pair = |message: &Value| (message[0].clone(), message[1].clone());
    given_up.as_array().expect("messages").iter().map(pair).collect()
}

/// Records of all sorts in one batch, which is delivered twice and of which S3 tells twice.
fn poison(project: &Project<'_>, made: &Made) -> usize {
    let twice = "control('firehose', {'stream': NAME + '-delivery', 'deliver_twice': 1})
control('notifications', {'deliver_twice': 2})
answer(None)";
    outside(project, twice);
    let sent = send(project, POISONED);
    let refused = made.refused.as_array().map(Vec::len).expect("lines");
    let did = outside(project, &format!("answer(delivered(NAME, {sent}))"));
    let count = json!({"taken": sent, "delivered": sent - refused, "refused": refused, "held": 0});
    assert_eq!(did, count);
    sent
}

/// An object whose end is missing, and one of another sort on which the step fails.
fn break_objects(project: &Project<'_>) {
    let cut = format!("{}/data/streaming-data/", project.path("").display());
    let script = "key = f'{place(CUT)}/cut.jsonl.gz'
put(bucket(NAME), f'streaming-data/{key}', open(FOLDER + key, 'rb').read(), R)
put(bucket(NAME), f'streaming-data/{place(FAILING)}/table.parquet', b'PAR1', R)
answer(None)";
    outside(project, &script.replace("FOLDER", &format!("{cut:?}")));
}

/// The trigger is called several times at once, and one step is sent.
fn at_once(project: &Project<'_>) {
    let answers = outside(project, "answer(at_once(NAME, CUT))");
    let good = json!([null, {"batchItemFailures": []}]);
    assert_eq!(answers, json!([good, good, good, good, good, good]));
}

/// The step of an hour fails, which shows; its cause is mended, and its message brought back.
fn fail_and_mend(project: &Project<'_>) {
    outside(project, "answer(ended(NAME, [FAILING], 'failed'))");
    let messages = reasons(project);
    let [(body, reason)] = &messages[..] else { panic!("one failed: {messages:#?}") };
    assert!(body.as_str().is_some_and(|body| body.contains(FAILING)), "{body}");
    let told = reason.as_str().unwrap_or_default();
    assert!(told.contains(FAILING) && told.contains("; log s3://"), "{reason}");
    let why = "table.parquet is not JSON lines: turn format conversion off for this prefix";
    project.run("logs blueprint.yaml process --local --env rehearsal").answers(&[why]);
    let off = "off = {'step-failed', 'unhandled-messages', 'unwell'}
answer(patiently(lambda: off <= set(alarms(NAME))))";
    outside(project, off);
    status(project)
        .answers(&["unhandled", "1 visible"])
        .answers(&["step_failed", "ALARM, for"])
        .answers(&["unhandled_messages", "ALARM, for"])
        .answers(&["pipeline_unwell", "ALARM, for"]);

    let mend = "key = f'streaming-data/{place(FAILING)}/table.parquet'
client('s3', R).delete_object(Bucket=bucket(NAME), Key=key)
answer(None)";
    outside(project, mend);
    redrive(project, "1 message", &[FAILING]);
    outside(project, "answer(ended(NAME, [FAILING]))");
}

fn redrive(project: &Project<'_>, messages: &str, shown: &[&str]) {
    let line = "redrive blueprint.yaml unhandled --local --env rehearsal --show 10 --yes";
    let moved = format!("Moved: {messages} from `unhandled` to `arrivals`");
    project.run(line).code(0).says(shown).answers(&[&moved]);
}

/// The trigger can do nothing with what it is told, first about the job and then about itself.
/// `apply` puts both right.
fn throw_and_mend(project: &Project<'_>, before: usize) {
    outside(project, "answer(spoil_job(NAME))");
    let sent = send(project, THROWN);
    outside(project, &format!("answer(delivered(NAME, {}))", before + sent));
    outside(project, "answer(patiently(lambda: given_up(NAME)))");
    let messages = reasons(project);
    assert!(messages.iter().all(|(_, reason)| is_about_json(reason)), "{messages:#?}");

    let thrown = json!({"hour": THROWN}).to_string();
    let script = format!(
        "spoil_function(NAME)
client('sqs', R).send_message(QueueUrl=queue(NAME, 'arrivals'), MessageBody={thrown:?})
patiently(lambda: [{thrown:?}, None] in given_up(NAME))
off = {{'trigger-errors', 'unhandled-messages', 'unwell'}}
answer(patiently(lambda: off <= set(alarms(NAME))))"
    );
    outside(project, &script);
    status(project).answers(&["trigger_errors", "ALARM, for"]).answers(&["unhandled", "visible"]);

    // What was put in its place says no more whose it is.
    let refused = project.run(&format!("plan {REST} --detailed-exitcode")).code(1);
    refused.answers(&["refused: `job_request`", "take it over with --adopt job_request"]);
    let adopt = format!("{REST} --adopt job_request");
    let plan = project.run(&format!("plan {adopt} --detailed-exitcode")).code(2);
    let plan = plan.answers(&["arrivals", "visibility_timeout: 20s -> 6m"]);
    let plan = plan.answers(&["trigger ", "environment.SETTLE_SECONDS: soon -> 8"]);
    plan.answers(&["job_request", "Plan: 3 to update; 28 unchanged"]);
    project.run(&format!("apply {adopt} --yes")).code(0).says(&["Applied: 3 changed"]);
    project.run(&format!("plan {REST} --detailed-exitcode")).code(0);
    let count = reasons(project).len();
    redrive(project, &format!("{count} messages"), &["JSONDecodeError"]);
    outside(project, "answer(ended(NAME, [THROWN]))");
}

fn is_about_json(reason: &Value) -> bool {
    reason.as_str().is_some_and(|reason| reason.starts_with("JSONDecodeError: "))
}

/// Each record in one place, by what is in the lake, and as many as were sent.
fn account(project: &Project<'_>, made: &Made) {
    let twice = outside(project, &format!("answer(written_twice(NAME, {}))", folder(project)));
    let twice = twice.as_u64().expect("a number") as usize;
    let figures = compare(project, BUCKET, &format!("{}..{}", HOURS[0], HOURS[3]));
    let found = outside(project, "answer(account(NAME))");
    let lines = |list: &Value| list.as_array().expect("a list").len();
    let mut ends = lines(&made.refused);
    for hour in HOURS {
        let figures = &figures[hour];
        let broken = figures["broken_objects"].as_array().expect("a list");
        let expected = json!({
            "accepted": figures["accepted"],
            "duplicates": figures["duplicates"],
            "rejected": lines(&figures["rejected"]),
            "dead_letter": lines(&figures["dead_letter"]),
            "broken_objects": broken.iter().map(|one| &one["line"]).collect::<Vec<_>>(),
        });
        assert_eq!(found[hour], expected, "{hour}");
        for end in ["accepted", "duplicates", "rejected", "dead_letter"] {
            ends += found[hour][end].as_u64().expect("a number") as usize;
        }
    }
    assert_eq!(ends, made.sent + made.cut + twice, "{found:#}");
    assert!(twice > 0 && made.cut > 0, "{found:#}");

    let reasons = |hour: &str, place: &str| figures[hour][place].to_string();
    assert!(reasons(POISONED, "dead_letter").contains(r#"unknown field: \"colour\""#));
    assert!(reasons(POISONED, "rejected").contains("value: outside -120 to 1440"));
    assert!(reasons(CUT, "broken_objects").contains("object is truncated after 30 lines"));
    let refused = outside(project, "answer(refused(NAME))");
    let refused = refused.as_array().expect("a list");
    let raw: Vec<_> = refused.iter().map(|each| &each[3]).collect();
    assert_eq!(json!(raw), made.refused);
    let explained = |each: &Value| {
        each[0] == "metadata-extraction-failed"
            && each[1] == "DynamicPartitioning.MetadataExtractionFailed"
            && each[2].as_str().is_some_and(|message| !message.is_empty())
    };
    assert!(refused.iter().all(explained), "{refused:#?}");
}

/// One step for each state of an hour, whoever asked and how often, and one cluster for all.
fn steps(project: &Project<'_>) {
    let script =
        "answer([sent_steps(NAME), all_steps(NAME), len(clusters(NAME + '-spark', region=R))])";
    let found = outside(project, script);
    let sent: Vec<_> = found[0].as_array().expect("steps").iter().map(|step| &step[0]).collect();
    assert_eq!(json!(sent), json!([THROWN, POISONED, CUT, FAILING, FAILING]), "{found:#}");
    let mut states: Vec<_> = found[1].as_array().expect("steps").iter().map(|s| &s[1]).collect();
    states.sort_by_key(|state| state.to_string());
    let done = "COMPLETED";
    assert_eq!(json!(states), json!([done, done, done, done, "FAILED"]), "{found:#}");
    assert_eq!(found[2], 1, "{found:#}");
}

#[test]
fn poison_ends_in_its_place_and_the_sums_add_up_to_what_was_sent() {
    let machine = Machine::start();
    let project = Project::flagship_on(&machine, "poison");
    project.run(&format!("apply {REST} --yes")).code(0);
    status(&project).answers(&["unhandled", "0 visible"]).never_says("bad");
    let made = make(&project);

    let mut sent = poison(&project, &made);
    break_objects(&project);
    sent += send(&project, CUT) + send(&project, FAILING);
    outside(&project, &format!("answer(delivered(NAME, {sent}))"));
    at_once(&project);
    fail_and_mend(&project);
    outside(&project, "answer(ended(NAME, [POISONED, CUT]) and at_rest(NAME))");
    throw_and_mend(&project, sent);
    outside(&project, "answer(at_rest(NAME))");

    account(&project, &made);
    steps(&project);
    assert_eq!(reasons(&project), []);
    let well = "advance(400)\nanswer(patiently(lambda: not alarms(NAME)))";
    outside(&project, well);
    status(&project).never_says("bad");
    project.run(&format!("plan {REST} --detailed-exitcode")).code(0);
}
