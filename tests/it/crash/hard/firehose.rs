//! Firehose: a delivery stream is made and deleted in its own time, and tries its role.
//!
//! That an update is merged into what is there, that an old version is refused and that processors
//! have more parameters than they were given, the local AWS does by itself.

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
const CREATES_FOR: Duration = Duration::from_secs(2);
/// Minutes.
const DELETES_FOR: Duration = Duration::from_secs(2);
/// 5 to 15 s, and up to 2 minutes.
const ROLE_AGE: Duration = Duration::from_secs(2);

pub const CREATING: &str = "a delivery stream is CREATING";
pub const DELETING: &str = "a delivery stream is DELETING";
pub const ROLE: &str = "Firehose is unable to assume a young role";
pub const BEHAVIOURS: &[&str] = &[CREATING, DELETING, ROLE];

#[derive(Clone)]
pub struct Deliveries {
    world: World,
    moves: Moves,
    /// How each delivery stream was described last.
    described: BTreeMap<String, Answer>,
}

impl Deliveries {
    pub fn new(world: &World) -> Self {
        Self { world: world.clone(), moves: Moves::new(world), described: BTreeMap::new() }
    }

    fn show(&mut self, name: &str, word: &str, answer: &mut Answer) {
        self.moves.show(name);
        self.world.strike(if word == "CREATING" { CREATING } else { DELETING });
        let status = "DeliveryStreamStatus";
        edit(answer, |told| told["DeliveryStreamDescription"][status] = word.into());
    }

    fn unassumable(&self, call: &Call) -> Option<String> {
        let mut roles = Vec::new();
        roles_in(&json_of(call), &mut roles);
        roles.into_iter().find(|role| self.world.unusable(role, "firehose", ROLE_AGE))
    }
}

/// Every `RoleARN` of a request, wherever it stands.
fn roles_in(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(role) if name == "RoleARN" => found.push(role.clone()),
                    other => roles_in(other, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| roles_in(item, found)),
        _ => {}
    }
}

impl Rule for Deliveries {
    fn before(&mut self, call: &Call) -> Deed {
        if call.service != "firehose" {
            return Deed::Forward;
        }
        let name = text(call, "DeliveryStreamName");
        let operation = call.operation.as_str();
        if matches!(operation, "CreateDeliveryStream" | "UpdateDestination")
            && let Some(role) = self.unassumable(call)
        {
            self.world.strike(ROLE);
            let message = format!(
                "Firehose is unable to assume role {role}. Please check the role provided."
            );
            return refuse(call, "InvalidArgumentException", &message);
        }
        if operation == "DescribeDeliveryStream" && self.moves.looks(&name) == Some("DELETING") {
            let Some(before) = self.described.get(&name) else { return Deed::Forward };
            let mut answer = before.clone();
            self.show(&name, "DELETING", &mut answer);
            return Deed::Answer(answer);
        }
        match self.moves.meets(&name) {
            Some(word) if call.writes() => {
                let message = format!("Firehose {name} under account 000000000000 is {word}.");
                refuse(call, "ResourceInUseException", &message)
            }
            _ => Deed::Forward,
        }
    }

    fn after(&mut self, call: &Call, answer: &mut Answer) -> Reply {
        if call.service != "firehose" || !well(answer) {
            return Reply::Send;
        }
        let name = text(call, "DeliveryStreamName");
        match call.operation.as_str() {
            "CreateDeliveryStream" => self.moves.start(name, "CREATING", CREATES_FOR),
            "DeleteDeliveryStream" => self.moves.start(name, "DELETING", DELETES_FOR),
            "DescribeDeliveryStream" => {
                if let Some(word) = self.moves.looks(&name) {
                    self.show(&name, word, answer);
                }
                self.described.insert(name, answer.clone());
            }
            _ => {}
        }
        Reply::Send
    }
}
