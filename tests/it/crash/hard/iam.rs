//! IAM: what was made a moment ago is not known to all of it, and roles are told by their ids.
//!
//! That documents are encoded, inline policies sorted and roles in use not deleted, the local AWS
//! does by itself.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use super::super::call::Call;
use super::super::http::Answer;
use super::super::proxy::{Deed, Reply, Rule};
use super::answer::{form, inner, refuse, told, well};
use super::world::World;

/// Seconds, up to 2 minutes.
const UNKNOWN_FOR: Duration = Duration::from_millis(1500);
/// Up to 2 minutes after the last thing was taken from it.
const IN_USE_FOR: Duration = Duration::from_millis(1000);
/// Roles look older than they are, so that what has to wait for one waits 3 s instead of 30.
pub const OLDER: u32 = 10;

pub const NO_ARN: &str = "a young role's ARN is its id";
pub const NO_ROLE: &str = "an instance profile does not know a young role";
pub const IN_USE: &str = "a role is in use until what it had has gone everywhere";
pub const BEHAVIOURS: &[&str] = &[NO_ARN, NO_ROLE, IN_USE];

#[derive(Clone)]
pub struct Roles {
    world: World,
    /// Roles whose next look is told the id instead of the ARN.
    nameless: BTreeMap<String, String>,
    stripped: BTreeMap<String, Instant>,
}

impl Roles {
    pub fn new(world: &World) -> Self {
        Self { world: world.clone(), nameless: BTreeMap::new(), stripped: BTreeMap::new() }
    }

    fn in_use(&self, name: &str) -> bool {
        let id = self.world.role_id(name).unwrap_or_default();
        let Some(since) = self.stripped.get(name) else { return false };
        self.world.recent(format!("delete {id}"), *since, IN_USE_FOR)
    }

    fn made(&mut self, name: String, answer: &Answer) {
        let xml = told(answer);
        let Some(id) = inner(&xml, "RoleId") else { return };
        self.world.role_made(&name, id);
        self.nameless.insert(name, id.to_owned());
    }

    /// In the answer to a look at a role by itself: elsewhere ARNs stand beside it.
    fn shown(&mut self, name: &str, answer: &mut Answer) {
        let xml = told(answer);
        if let Some(id) = self.nameless.remove(name)
            && let Some(arn) = inner(&xml, "Arn")
        {
            self.world.strike(NO_ARN);
            let arn = format!("<Arn>{arn}</Arn>");
            answer.body = xml.replacen(&arn, &format!("<Arn>{id}</Arn>"), 1).into_bytes();
        }
    }
}

impl Rule for Roles {
    fn before(&mut self, call: &Call) -> Deed {
        if call.service != "iam" {
            return Deed::Forward;
        }
        let name = form(call).remove("RoleName").unwrap_or_default();
        match call.operation.as_str() {
            "AddRoleToInstanceProfile" if self.world.unusable(&name, "profile", UNKNOWN_FOR) => {
                self.world.strike(NO_ROLE);
                let message = format!("The role with name {name} cannot be found.");
                refuse(call, "NoSuchEntity", &message)
            }
            "DeleteRole" if self.in_use(&name) => {
                self.world.strike(IN_USE);
                let message = "Cannot delete entity, must detach all policies first.";
                refuse(call, "DeleteConflict", message)
            }
            _ => Deed::Forward,
        }
    }

    fn after(&mut self, call: &Call, answer: &mut Answer) -> Reply {
        if call.service != "iam" || !well(answer) {
            return Reply::Send;
        }
        let name = form(call).remove("RoleName").unwrap_or_default();
        match call.operation.as_str() {
            "CreateRole" => self.made(name, answer),
            "DeleteRole" => self.world.role_gone(&name),
            "PutRolePolicy" | "AttachRolePolicy" | "UpdateAssumeRolePolicy" => {
                self.world.role_changed(&name);
            }
            "DetachRolePolicy" | "DeleteRolePolicy" | "RemoveRoleFromInstanceProfile" => {
                self.stripped.insert(name, self.world.now());
            }
            "GetRole" => self.shown(&name, answer),
            _ => {}
        }
        if call.operation.starts_with("Get") {
            age(answer);
        }
        Reply::Send
    }
}

/// Sets each time of making back.
fn age(answer: &mut Answer) {
    const OPEN: &str = "<CreateDate>";
    let xml = told(answer);
    let mut aged = String::new();
    let mut parts = xml.split(OPEN);
    aged.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (date, rest) = part.split_once('<').unwrap_or((part, ""));
        aged.push_str(&format!("{OPEN}{}<{rest}", older(date)));
    }
    answer.body = aged.into_bytes();
}

fn older(date: &str) -> String {
    let made = DateTime::from_str(date, Format::DateTime).expect("AWS tells times");
    let now = DateTime::from(SystemTime::now()).secs();
    // Times are whole seconds: never older than so many times its age.
    let age = (now - made.secs() - 1).max(0) * i64::from(OLDER);
    DateTime::from_secs(now - age).fmt(Format::DateTime).expect("it is a time")
}
