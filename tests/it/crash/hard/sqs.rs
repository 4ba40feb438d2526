//! SQS: the name of a deleted queue cools down.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::super::call::Call;
use super::super::http::Answer;
use super::super::proxy::{Deed, Reply, Rule};
use super::answer::{refuse, text, well};
use super::world::{World, plain};

/// 60 s.
const COOLS_FOR: Duration = Duration::from_secs(3);

pub const COOLING: &str = "a deleted queue's name cools down";
pub const BEHAVIOURS: &[&str] = &[COOLING];

#[derive(Clone)]
pub struct Queues {
    world: World,
    gone: BTreeMap<String, Instant>,
}

impl Queues {
    pub fn new(world: &World) -> Self {
        Self { world: world.clone(), gone: BTreeMap::new() }
    }
}

impl Rule for Queues {
    fn before(&mut self, call: &Call) -> Deed {
        let name = text(call, "QueueName");
        let creates = call.name() == "sqs:CreateQueue";
        let warm =
            |gone: &Instant| self.world.recent(format!("{name} since {gone:?}"), *gone, COOLS_FOR);
        if creates && self.gone.get(&name).is_some_and(warm) {
            self.world.strike(COOLING);
            let message = "You must wait 60 seconds after deleting a queue before you can create \
                           another with the same name.";
            return refuse(call, "AWS.SimpleQueueService.QueueDeletedRecently", message);
        }
        Deed::Forward
    }

    fn after(&mut self, call: &Call, answer: &mut Answer) -> Reply {
        if call.name() == "sqs:DeleteQueue" && well(answer) {
            self.gone.insert(plain(&text(call, "QueueUrl")).to_owned(), self.world.now());
        }
        Reply::Send
    }
}
