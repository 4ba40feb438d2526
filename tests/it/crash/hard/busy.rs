//! What takes one change at a time, and refuses the next until that has settled.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::super::call::Call;
use super::super::http::Answer;
use super::super::proxy::{Deed, Reply, Rule};
use super::Behaviour;
use super::answer::{form, json_of, path, refuse, text};
use super::world::World;

struct Kept {
    behaviour: &'static str,
    /// What a call changes, if it changes such a thing.
    changes: fn(&Call) -> Option<String>,
    code: &'static str,
    message: &'static str,
    /// After the answer to a change.
    settles: Duration,
}

/// A change that was never answered keeps nothing for longer.
const HELD: Duration = Duration::from_secs(5);

pub const ATTACHED: &str = "a role takes one attachment at a time";
pub const GROUP: &str = "a log group takes one change at a time";
pub const DATABASE: &str = "a database of Glue takes one change at a time";

const KEPT: &[Kept] = &[
    // 5 to 20 minutes are what others wait for.
    Kept {
        behaviour: "a bucket takes one change at a time",
        changes: of_bucket,
        code: "OperationAborted",
        message: "A conflicting conditional operation is currently in progress against this \
                  resource. Please try again.",
        settles: Duration::from_millis(400),
    },
    Kept {
        behaviour: ATTACHED,
        changes: of_role,
        code: "ConcurrentModification",
        message: "The request was rejected because multiple requests to change this object were \
                  submitted simultaneously.",
        settles: Duration::ZERO,
    },
    // Up to 1 minute.
    Kept {
        behaviour: GROUP,
        changes: of_group,
        code: "OperationAbortedException",
        message: "A conflicting operation is currently in progress against this resource. Please \
                  try again.",
        settles: Duration::from_millis(400),
    },
    Kept {
        behaviour: DATABASE,
        changes: of_database,
        code: "ConcurrentModificationException",
        message: "Update failed due to concurrent modifications.",
        settles: Duration::from_millis(600),
    },
];

fn of_bucket(call: &Call) -> Option<String> {
    let whole = matches!(call.operation.as_str(), "PUT bucket" | "DELETE bucket");
    let part = call.operation.contains(" ?") && call.operation != "POST ?delete";
    (call.service == "s3" && call.writes() && (whole || part)).then(|| path(call).swap_remove(0))
}

fn of_role(call: &Call) -> Option<String> {
    let attaches = matches!(call.operation.as_str(), "AttachRolePolicy" | "DetachRolePolicy");
    (call.service == "iam" && attaches).then(|| form(call).remove("RoleName"))?
}

fn of_group(call: &Call) -> Option<String> {
    let changes = matches!(
        call.operation.as_str(),
        "CreateLogGroup" | "DeleteLogGroup" | "PutRetentionPolicy"
    );
    (call.service == "logs" && changes).then(|| text(call, "logGroupName"))
}

fn of_database(call: &Call) -> Option<String> {
    if call.service != "glue" || !call.writes() {
        return None;
    }
    let sent = json_of(call);
    let names = [&sent["DatabaseName"], &sent["Name"], &sent["DatabaseInput"]["Name"]];
    names.into_iter().find_map(|name| name.as_str().map(str::to_owned))
}

/// One row at work.
#[derive(Clone)]
pub struct OneAtATime {
    kept: &'static Kept,
    world: World,
    until: BTreeMap<String, Instant>,
}

pub fn behaviours() -> impl Iterator<Item = &'static str> {
    KEPT.iter().map(|kept| kept.behaviour)
}

pub fn all(world: &World) -> impl Iterator<Item = Box<dyn Behaviour>> {
    KEPT.iter().map(|kept| -> Box<dyn Behaviour> {
        Box::new(OneAtATime { kept, world: world.clone(), until: BTreeMap::new() })
    })
}

impl Rule for OneAtATime {
    fn before(&mut self, call: &Call) -> Deed {
        let Some(subject) = (self.kept.changes)(call) else { return Deed::Forward };
        let now = self.world.now();
        if self.until.get(&subject).is_some_and(|until| now < *until) {
            self.world.strike(self.kept.behaviour);
            return refuse(call, self.kept.code, self.kept.message);
        }
        self.until.insert(subject, now + HELD);
        Deed::Forward
    }

    fn after(&mut self, call: &Call, _answer: &mut Answer) -> Reply {
        if let Some(subject) = (self.kept.changes)(call) {
            self.until.insert(subject, self.world.now() + self.kept.settles);
        }
        Reply::Send
    }
}
