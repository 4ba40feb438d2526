//! S3: a bucket that is young has no parts yet, one that is gone keeps its name, and a target of
//! notifications is tried.
//!
//! That a bucket is encrypted, blocked and owned by default, and keeps its versions when it is to
//! be deleted, the local AWS does by itself.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::super::call::Call;
use super::super::http::Answer;
use super::super::proxy::{Deed, Reply, Rule};
use super::answer::{json_of, path, refuse, well};
use super::world::{World, plain};

/// Up to 2 minutes.
const YOUNG_FOR: Duration = Duration::from_millis(700);
/// Minutes to hours.
const TAKEN_FOR: Duration = Duration::from_secs(3);
/// Up to 1 minute.
const PERMITTED_AFTER: Duration = Duration::from_secs(5);

pub const YOUNG: &str = "a young bucket takes no settings";
pub const TAKEN: &str = "a deleted bucket's name is taken for a while";
pub const UNREACHABLE: &str = "S3 may not notify while the permission is young";
pub const BEHAVIOURS: &[&str] = &[YOUNG, TAKEN, UNREACHABLE];

#[derive(Clone)]
pub struct Buckets {
    world: World,
    made: BTreeMap<String, Instant>,
    gone: BTreeMap<String, Instant>,
    /// Queues and functions by name, and when they were last told whom to let in.
    permitted: BTreeMap<String, Instant>,
}

impl Buckets {
    pub fn new(world: &World) -> Self {
        let world = world.clone();
        Self { world, made: BTreeMap::new(), gone: BTreeMap::new(), permitted: BTreeMap::new() }
    }

    fn recent(&self, since: &BTreeMap<String, Instant>, name: &str, time: Duration) -> bool {
        let Some(since) = since.get(name) else { return false };
        self.world.recent(format!("{name} since {since:?}"), *since, time)
    }

    fn unreachable(&self, call: &Call) -> bool {
        let text = call.text();
        let told = |name: &&String| text.contains(&format!(":{name}<"));
        let mut targets = self.permitted.keys().filter(told);
        targets.any(|name| self.recent(&self.permitted, name, PERMITTED_AFTER))
    }

    fn permits(&mut self, call: &Call) {
        let now = self.world.now();
        let sent = json_of(call);
        match (call.service.as_str(), call.operation.as_str()) {
            ("lambda", "POST functions/policy") => {
                self.permitted.extend(path(call).into_iter().nth(2).map(|name| (name, now)));
            }
            ("sqs", "CreateQueue" | "SetQueueAttributes")
                if sent["Attributes"]["Policy"].is_string() =>
            {
                let named = sent["QueueUrl"].as_str().or(sent["QueueName"].as_str());
                self.permitted.extend(named.map(|name| (plain(name).to_owned(), now)));
            }
            _ => {}
        }
    }
}

impl Rule for Buckets {
    fn before(&mut self, call: &Call) -> Deed {
        if call.service != "s3" {
            return Deed::Forward;
        }
        let bucket = path(call).swap_remove(0);
        let operation = call.operation.as_str();
        if operation == "PUT bucket" && self.recent(&self.gone, &bucket, TAKEN_FOR) {
            self.world.strike(TAKEN);
            let message = "A conflicting conditional operation is currently in progress against \
                           this resource. Please try again.";
            return refuse(call, "OperationAborted", message);
        }
        if operation.starts_with("PUT ?") && self.recent(&self.made, &bucket, YOUNG_FOR) {
            self.world.strike(YOUNG);
            return refuse(call, "NoSuchBucket", "The specified bucket does not exist");
        }
        if operation == "PUT ?notification" && self.unreachable(call) {
            self.world.strike(UNREACHABLE);
            let message = "Unable to validate the following destination configurations";
            return refuse(call, "InvalidArgument", message);
        }
        Deed::Forward
    }

    fn after(&mut self, call: &Call, answer: &mut Answer) -> Reply {
        if !well(answer) {
            return Reply::Send;
        }
        self.permits(call);
        let now = self.world.now();
        match (call.service.as_str(), call.operation.as_str()) {
            ("s3", "PUT bucket") => self.made.insert(path(call).swap_remove(0), now),
            ("s3", "DELETE bucket") => self.gone.insert(path(call).swap_remove(0), now),
            _ => None,
        };
        Reply::Send
    }
}
