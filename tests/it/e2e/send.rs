//! Records into a stream, and read back from it.

use std::io::Write;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::{Ended, Project};

const BLUEPRINT: &str = "name: NAME
region: eu-west-1
resources:
  events: { kind: kinesis-stream, name: NAME-events, shards: 2 }
  lake: { kind: s3-bucket, name: \"NAME-${account}\" }
";

/// What is in the stream, by shard: partition key and data of each record.
const RECORDS: &str = "
kinesis, found = client('kinesis'), {}
for shard in kinesis.list_shards(StreamName='NAME-events')['Shards']:
    at = kinesis.get_shard_iterator(
        StreamName='NAME-events', ShardId=shard['ShardId'], ShardIteratorType='TRIM_HORIZON')['ShardIterator']
    records = found.setdefault(shard['ShardId'], [])
    while True:
        answered = kinesis.get_records(ShardIterator=at, Limit=1000)
        records += [[r['PartitionKey'], r['Data'].decode()] for r in answered['Records']]
        at = answered['NextShardIterator']
        if not answered['Records']:
            break
answer(found)";

/// The lines of a file of events, of a few users.
fn events(number: usize) -> Vec<String> {
    let event = |index: usize| {
        json!({"event_id": format!("e{index}"), "user_id": format!("u{}", index % 7)}).to_string()
    };
    (0..number).map(event).collect()
}

/// All records as data, sorted; and the shard of each key.
fn held(found: &Value) -> (Vec<String>, Vec<(String, String)>) {
    let (mut data, mut keys) = (Vec::new(), Vec::new());
    for (shard, records) in found.as_object().expect("shards") {
        for record in records.as_array().expect("records") {
            data.push(record[1].as_str().expect("text").to_owned());
            keys.push((record[0].as_str().expect("text").to_owned(), shard.clone()));
        }
    }
    data.sort();
    keys.sort();
    keys.dedup();
    (data, keys)
}

fn sorted(lines: &[String]) -> Vec<String> {
    let mut lines = lines.to_vec();
    lines.sort();
    lines
}

#[test]
fn every_record_of_a_file_is_in_the_stream_once_and_a_user_in_one_shard() {
    let project = Project::with("sending", BLUEPRINT);
    project.apply().code(0);
    let lines = events(2300);
    project.write("events.jsonl", &format!("\n{}\n\n", lines.join("\n")));
    project
        .run("send blueprint.yaml events events.jsonl --local --key user_id")
        .code(0)
        .answers(&["Sent: 2300 records (0.1 MB) in ", "; 0 retried; 2 empty lines skipped"])
        .never_says("hint");
    let (data, keys) = held(&project.outside(RECORDS));
    assert!(data == sorted(&lines), "{} records", data.len());
    let users: Vec<_> = keys.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(users, ["u0", "u1", "u2", "u3", "u4", "u5", "u6"]);
    let shards: std::collections::BTreeSet<_> = keys.iter().map(|(_, shard)| shard).collect();
    assert_eq!(shards.len(), 2, "both are used");
}

#[test]
fn a_replay_goes_to_the_same_shards_compressed_or_from_a_pipe_or_in_part() {
    let project = Project::with("replaying", BLUEPRINT);
    project.apply().code(0);
    let lines = events(300);
    let text = lines.join("\n");
    project.write("events.jsonl", &text);
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(text.as_bytes()).expect("there is room");
    std::fs::write(project.path("events.gz"), packed.finish().expect("there is room"))
        .expect("it can be written");

    let file = "send blueprint.yaml events events.jsonl --local";
    project.run(file).code(0).answers(&["Sent: 300 records"]);
    let (_, once) = held(&project.outside(RECORDS));
    project
        .run("send blueprint.yaml events events.gz --local")
        .code(0)
        .answers(&["Sent: 300 records"]);
    let mut child = project
        .command("send blueprint.yaml events - --local")
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut pipe = child.stdin.take().expect("it is a pipe");
    pipe.write_all(text.as_bytes()).expect("it reads");
    drop(pipe);
    Ended::new("send -", child.wait_with_output().expect("it ends"))
        .code(0)
        .answers(&["Sent: 300 records"]);
    project.run(&format!("{file} --from-line 299")).code(0).answers(&["Sent: 2 records"]);

    let (data, keys) = held(&project.outside(RECORDS));
    let expected = [&lines[..], &lines, &lines, &lines[298..]].concat();
    assert!(data == sorted(&expected), "{} records", data.len());
    assert_eq!(keys, once, "another key, or another shard");
}

#[test]
fn a_line_that_is_too_long_is_named_with_the_way_on() {
    let project = Project::with("overlong", BLUEPRINT);
    project.apply().code(0);
    let mut lines = events(1201);
    lines[800] = "x".repeat(1024 * 1024);
    project.write("events.jsonl", &lines.join("\n"));
    let line = "send blueprint.yaml events events.jsonl --local";
    project.run(line).code(1).says(&[
        "error: line 801 is too long: a record has at most 1048576 bytes",
        "Stopped: 800 records",
        "hint: go on with `pipeline send blueprint.yaml events events.jsonl --local \
         --from-line 802`, which leaves line 801 out",
    ]);
    project.run(&format!("{line} --from-line 802")).code(0).answers(&["Sent: 400 records"]);
    lines.remove(800);
    let (data, _) = held(&project.outside(RECORDS));
    assert!(data == sorted(&lines), "{} records", data.len());
}

#[test]
fn what_cannot_be_sent_or_may_not_is_said_before_anything_is_sent() {
    let project = Project::with("unsent", BLUEPRINT);
    project.write("events.jsonl", "{}\n");
    let send = "send blueprint.yaml";
    for (line, says) in [
        ("events nothing.jsonl", &["error: cannot read nothing.jsonl: No such file"][..]),
        ("events .", &["error: cannot read .: is a directory"]),
        ("evnts events.jsonl", &["has no stream `evnts`", "hint: did you mean `events`?"]),
        ("lake events.jsonl", &["`lake` is of kind s3-bucket, not kinesis-stream", "`events`"]),
        ("events events.jsonl", &["`events` is not there: apply first"]),
        ("events events.jsonl --from-line 0", &["--from-line"]),
    ] {
        project.run(&format!("{send} {line} --local")).code(1).says(says);
    }
    project.outside(
        "client('kinesis').create_stream(StreamName='NAME-events', ShardCount=1)
wait(lambda: client('kinesis').describe_stream_summary(
    StreamName='NAME-events')['StreamDescriptionSummary']['StreamStatus'] == 'ACTIVE')",
    );
    project
        .run("send blueprint.yaml events events.jsonl --local")
        .code(1)
        .says(&["error: `events`: it carries no owner tag of ours"]);
    assert_eq!(held(&project.outside(RECORDS)).0, Vec::<String>::new());
}

#[test]
fn a_signal_says_how_far_it_got_and_what_was_sent_is_sent() {
    let project = Project::with("unfinished", BLUEPRINT);
    project.apply().code(0);
    let line = "send blueprint.yaml events - --local";
    let mut child = project
        .command(line)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut pipe = child.stdin.take().expect("it is a pipe");
    pipe.write_all(b"{\"a\": 1}\n{\"a\": 2}\n").expect("it reads");
    pipe.flush().expect("it reads");
    // What came is sent although the pipe stays open.
    let count = RECORDS.replace("answer(found)", "return sum(map(len, found.values()))");
    let count = count.replace('\n', "\n    ");
    project.outside(&format!("def count():{count}\nwait(lambda: count() == 2)"));
    let kill = Command::new("kill").arg("-INT").arg(child.id().to_string()).status();
    assert!(kill.expect("kill runs").success());
    let ended = Ended::new(line, child.wait_with_output().expect("it ends")).code(130);
    drop(pipe);
    ended.says(&[
        "stopping: nothing new is started",
        "Stopped: 2 records (0.0 MB) in ",
        "hint: go on with `pipeline send blueprint.yaml events - --local --from-line 3`, all \
         lines before 3 are in the stream",
    ]);
}
