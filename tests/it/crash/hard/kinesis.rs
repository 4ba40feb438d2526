//! Kinesis: a stream is made, changed and deleted in its own time, and takes one change at once.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::super::call::Call;
use super::super::http::Answer;
use super::super::proxy::{Deed, Reply, Rule};
use super::answer::{edit, json_of, refuse, text, well};
use super::moving::Moves;
use super::world::World;

/// 10 to 60 s.
pub const CREATES_FOR: Duration = Duration::from_secs(2);
/// Seconds to an hour.
const UPDATES_FOR: Duration = Duration::from_secs(1);
/// Minutes.
const DELETES_FOR: Duration = Duration::from_secs(2);
/// Streams that are made or deleted at once.
const SLOTS: usize = 5;

const CHANGES: [&str; 10] = [
    "AddTagsToStream",
    "RemoveTagsFromStream",
    "DecreaseStreamRetentionPeriod",
    "DisableEnhancedMonitoring",
    "EnableEnhancedMonitoring",
    "IncreaseStreamRetentionPeriod",
    "StartStreamEncryption",
    "StopStreamEncryption",
    "UpdateShardCount",
    "UpdateStreamMode",
];

pub const CREATING: &str = "a stream is CREATING";
pub const UPDATING: &str = "a stream is UPDATING after a change";
pub const DELETING: &str = "a stream is DELETING";
pub const BUSY: &str = "a stream that is not ACTIVE refuses a change";
pub const FULL: &str = "no more than 5 streams are made or deleted at once";
pub const BEHAVIOURS: &[&str] = &[CREATING, UPDATING, DELETING, BUSY, FULL];

#[derive(Clone)]
pub struct Streams {
    world: World,
    moves: Moves,
    /// How each stream was described last.
    described: BTreeMap<String, Answer>,
}

impl Streams {
    pub fn new(world: &World) -> Self {
        Self { world: world.clone(), moves: Moves::new(world), described: BTreeMap::new() }
    }

    fn making(&self) -> usize {
        self.moves.under_way().filter(|word| *word != "UPDATING").count()
    }

    fn show(&mut self, name: &str, word: &str, answer: &mut Answer) {
        self.moves.show(name);
        self.world.strike(match word {
            "CREATING" => CREATING,
            "UPDATING" => UPDATING,
            _ => DELETING,
        });
        edit(answer, |told| told["StreamDescriptionSummary"]["StreamStatus"] = word.into());
    }
}

/// By name, or by the ARN where that is how it is told.
fn named(call: &Call) -> String {
    let sent = json_of(call);
    let arn = |key: &str| Some(sent[key].as_str()?.rsplit('/').next()?.to_owned());
    let name = sent["StreamName"].as_str().map(str::to_owned);
    name.or_else(|| arn("StreamARN")).or_else(|| arn("ResourceARN")).unwrap_or_default()
}

impl Rule for Streams {
    fn before(&mut self, call: &Call) -> Deed {
        if call.service != "kinesis" {
            return Deed::Forward;
        }
        let name = named(call);
        let word = self.moves.meets(&name);
        let operation = call.operation.as_str();
        if operation == "CreateStream" && word == Some("DELETING") {
            let message = format!("Stream {name} under account 000000000000 already exists.");
            return refuse(call, "ResourceInUseException", &message);
        }
        if matches!(operation, "CreateStream" | "DeleteStream") && self.making() >= SLOTS {
            self.world.strike(FULL);
            let message = "This request would exceed the number of streams that can \
                           simultaneously be in CREATING or DELETING.";
            return refuse(call, "LimitExceededException", message);
        }
        if operation == "DescribeStreamSummary" && self.moves.looks(&name) == Some("DELETING") {
            let Some(before) = self.described.get(&name) else { return Deed::Forward };
            let mut answer = before.clone();
            self.show(&name, "DELETING", &mut answer);
            return Deed::Answer(answer);
        }
        let changes = CHANGES.contains(&operation) || operation == "DeleteStream";
        match word.filter(|_| changes) {
            // Tags are refused only before the stream is there.
            Some("UPDATING") if operation.contains("Tags") => Deed::Forward,
            Some(word) => {
                self.world.strike(BUSY);
                let message = format!("Stream {name} not ACTIVE, instead in state {word}");
                refuse(call, "ResourceInUseException", &message)
            }
            None => Deed::Forward,
        }
    }

    fn after(&mut self, call: &Call, answer: &mut Answer) -> Reply {
        if call.service != "kinesis" || !well(answer) {
            return Reply::Send;
        }
        let name = named(call);
        match call.operation.as_str() {
            "CreateStream" => self.moves.start(text(call, "StreamName"), "CREATING", CREATES_FOR),
            "DeleteStream" => self.moves.start(name, "DELETING", DELETES_FOR),
            operation if CHANGES.contains(&operation) && !operation.contains("Tags") => {
                self.moves.start(name, "UPDATING", UPDATES_FOR);
            }
            "DescribeStreamSummary" => {
                if let Some(word) = self.moves.looks(&name) {
                    self.show(&name, word, answer);
                }
                let whole: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                if whole["StreamDescriptionSummary"].is_object() {
                    self.described.insert(name, answer.clone());
                }
            }
            _ => {}
        }
        Reply::Send
    }
}
