//! Lambda: a function is made and changed in its own time, takes one change at once, and tries its
//! role.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::call::Call;
use super::super::http::Answer;
use super::super::proxy::{Deed, Reply, Rule};
use super::answer::{edit, json_of, path, refuse, text, well};
use super::world::World;

/// Seconds; a minute or two in a VPC.
const PENDING_FOR: Duration = Duration::from_secs(3);
/// Seconds.
const UPDATES_FOR: Duration = Duration::from_secs(2);
/// Seconds to a minute.
const MAPS_FOR: Duration = Duration::from_secs(3);
/// 5 to 15 s, and up to 5 minutes.
const ROLE_AGE: Duration = Duration::from_secs(2);

pub const PENDING: &str = "a young function is Pending";
pub const UPDATING: &str = "a change of a function is InProgress";
pub const CONFLICT: &str = "a function that changes refuses a change";
pub const ROLE: &str = "Lambda cannot assume a young role";
pub const PERMISSIONS: &str = "a young policy does not let a function read its source";
pub const MAPPING: &str = "a mapping is Creating or Updating";
pub const BEHAVIOURS: &[&str] = &[PENDING, UPDATING, CONFLICT, ROLE, PERMISSIONS, MAPPING];

#[derive(Clone)]
pub struct Functions {
    world: World,
    made: BTreeMap<String, Instant>,
    changed: BTreeMap<String, Instant>,
    roles: BTreeMap<String, String>,
    mappings: BTreeMap<String, Instant>,
}

impl Functions {
    pub fn new(world: &World) -> Self {
        let (made, changed) = (BTreeMap::new(), BTreeMap::new());
        let (roles, mappings) = (BTreeMap::new(), BTreeMap::new());
        Self { world: world.clone(), made, changed, roles, mappings }
    }

    fn within(&self, since: &BTreeMap<String, Instant>, name: &str, time: Duration) -> bool {
        since.get(name).is_some_and(|since| self.world.since(*since) < time)
    }

    fn of_function(&self, call: &Call, name: &str) -> Deed {
        let moves = self.within(&self.made, name, PENDING_FOR)
            || self.within(&self.changed, name, UPDATES_FOR);
        let changes = matches!(
            call.operation.as_str(),
            "PUT functions/code" | "PUT functions/configuration" | "PUT functions/concurrency"
        );
        if changes && moves {
            self.world.strike(CONFLICT);
            let message = format!(
                "The operation cannot be performed at this time. An update is in progress for \
                 resource: {name}"
            );
            return refuse(call, "ResourceConflictException", &message);
        }
        let role = text(call, "Role");
        if call.request.method != "GET" && self.world.unusable(&role, "lambda", ROLE_AGE) {
            self.world.strike(ROLE);
            let message = "The role defined for the function cannot be assumed by Lambda.";
            return refuse(call, "InvalidParameterValueException", message);
        }
        Deed::Forward
    }

    fn of_mapping(&self, call: &Call) -> Deed {
        let id = path(call).into_iter().nth(2).unwrap_or_default();
        let changes = matches!(call.request.method.as_str(), "PUT" | "DELETE");
        if changes && self.within(&self.mappings, &id, MAPS_FOR) {
            let message = "Cannot update the event source mapping because it is in use.";
            return refuse(call, "ResourceInUseException", message);
        }
        let role = self.roles.get(&text(call, "FunctionName"));
        if role.is_some_and(|role| self.world.unusable(role, "sources", ROLE_AGE)) {
            self.world.strike(PERMISSIONS);
            let message = "The provided execution role does not have permissions to call \
                           ReceiveMessage on SQS";
            return refuse(call, "InvalidParameterValueException", message);
        }
        Deed::Forward
    }

    fn shown(&self, name: &str, told: &mut Value) {
        let told = &mut told["Configuration"];
        if self.within(&self.made, name, PENDING_FOR) {
            self.world.strike(PENDING);
            told["State"] = "Pending".into();
            told["StateReason"] = "The function is being created.".into();
        } else if self.within(&self.changed, name, UPDATES_FOR) {
            self.world.strike(UPDATING);
            told["LastUpdateStatus"] = "InProgress".into();
        }
    }

    fn listed(&self, told: &mut Value) {
        for mapping in told["EventSourceMappings"].as_array_mut().into_iter().flatten() {
            let id = mapping["UUID"].as_str().unwrap_or_default();
            if self.within(&self.mappings, id, MAPS_FOR) {
                self.world.strike(MAPPING);
                mapping["State"] = "Creating".into();
            }
        }
    }

    fn made(&mut self, call: &Call) {
        let name = text(call, "FunctionName");
        self.roles.insert(name.clone(), text(call, "Role"));
        self.made.insert(name, self.world.now());
    }
}

impl Rule for Functions {
    fn before(&mut self, call: &Call) -> Deed {
        if call.service != "lambda" {
            return Deed::Forward;
        }
        let words = path(call);
        match words.get(1).map(String::as_str) {
            Some("functions") => self.of_function(call, words.get(2).map_or("", String::as_str)),
            Some("event-source-mappings") => self.of_mapping(call),
            _ => Deed::Forward,
        }
    }

    fn after(&mut self, call: &Call, answer: &mut Answer) -> Reply {
        if call.service != "lambda" || !well(answer) {
            return Reply::Send;
        }
        let named = path(call).into_iter().nth(2).unwrap_or_default();
        match call.operation.as_str() {
            "POST functions" => self.made(call),
            "PUT functions/code" | "PUT functions/configuration" => {
                self.changed.insert(named.clone(), self.world.now());
                if let Some(role) = json_of(call)["Role"].as_str() {
                    self.roles.insert(named, role.to_owned());
                }
            }
            "GET functions" => edit(answer, |told| self.shown(&named, told)),
            "POST event-source-mappings" | "PUT event-source-mappings" => {
                let told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                let id = told["UUID"].as_str().unwrap_or_default();
                self.mappings.insert(id.to_owned(), self.world.now());
            }
            "GET event-source-mappings" => edit(answer, |told| self.listed(told)),
            _ => {}
        }
        Reply::Send
    }
}
