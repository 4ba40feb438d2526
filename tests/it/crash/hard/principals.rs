//! Roles in the policies of resources: each is stored by its unique id, and told by its ARN only
//! where the role of that id is known. One that is too young is refused.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::super::call::Call;
use super::super::http::Answer;
use super::super::proxy::{Deed, Reply, Rule};
use super::answer::{form, json_of, path, refuse, text, told, well};
use super::world::{World, plain};

/// 5 to 15 s, and up to 2 minutes.
const REFUSED_FOR: Duration = Duration::from_millis(1500);
/// Up to 2 minutes.
const ID_FOR: Duration = Duration::from_millis(3500);
/// At the first look after a policy was written.
const UNREAD_FOR: Duration = Duration::from_secs(10);

pub const REFUSED: &str = "a policy may not name a young role";
pub const BY_ID: &str = "a policy names a young or deleted role by its id";
pub const BEHAVIOURS: &[&str] = &[REFUSED, BY_ID];

#[derive(Clone)]
pub struct Principals {
    world: World,
    /// By the resource.
    held: BTreeMap<String, Held>,
}

/// The roles that a policy names.
#[derive(Clone)]
struct Held {
    /// By their ARNs.
    ids: BTreeMap<String, String>,
    /// Nobody looked since it was written.
    unread: bool,
}

impl Principals {
    pub fn new(world: &World) -> Self {
        Self { world: world.clone(), held: BTreeMap::new() }
    }
}

/// The policy that a call writes, and what of.
fn written(call: &Call) -> Option<(String, String)> {
    match (call.service.as_str(), call.operation.as_str()) {
        ("s3", "PUT ?policy") => Some((subject(call), call.text())),
        // What CreateKey makes has no name yet.
        ("kms", "PutKeyPolicy" | "CreateKey") => Some((subject(call), text(call, "Policy"))),
        ("sqs", "SetQueueAttributes" | "CreateQueue") => {
            let policy = json_of(call)["Attributes"]["Policy"].as_str()?.to_owned();
            Some((subject(call), policy))
        }
        ("sns", "SetTopicAttributes" | "CreateTopic") => Some((subject(call), policy_of(call)?)),
        _ => None,
    }
}

fn made(call: &Call, answer: &Answer) -> Option<String> {
    let told: Value = serde_json::from_slice(&answer.body).ok()?;
    let id = told["KeyMetadata"]["KeyId"].as_str().filter(|_| call.operation == "CreateKey")?;
    Some(format!("kms {id}"))
}

/// Among the attributes that are set: by its own name, or as one of several.
fn policy_of(call: &Call) -> Option<String> {
    let mut form = form(call);
    if form.get("AttributeName").is_some_and(|name| name == "Policy") {
        return form.remove("AttributeValue");
    }
    let entry = form.iter().find(|(name, value)| name.ends_with(".key") && *value == "Policy");
    let value = entry?.0.replace(".key", ".value");
    form.remove(&value)
}

fn reads(call: &Call) -> bool {
    let read = [
        ("s3", "GET ?policy"),
        ("kms", "GetKeyPolicy"),
        ("sqs", "GetQueueAttributes"),
        ("sns", "GetTopicAttributes"),
    ];
    read.contains(&(call.service.as_str(), call.operation.as_str()))
}

fn subject(call: &Call) -> String {
    let name = match call.service.as_str() {
        "s3" => path(call).swap_remove(0),
        "kms" => text(call, "KeyId"),
        "sqs" => text(call, "QueueUrl") + &text(call, "QueueName"),
        _ => {
            let mut form = form(call);
            let arn = form.remove("TopicArn").or_else(|| form.remove("Name")).unwrap_or_default();
            arn.rsplit(':').next().unwrap_or_default().to_owned()
        }
    };
    format!("{} {}", call.service, plain(&name))
}

/// The ARNs of roles in a policy.
fn roles_in(policy: &str) -> impl Iterator<Item = &str> {
    let starts = policy.match_indices("arn:aws:iam::").map(|(at, _)| &policy[at..]);
    let arns = starts.filter_map(|rest| rest.split(['"', '\\', '&']).next());
    arns.filter(|arn| arn.contains(":role/"))
}

fn refusal(call: &Call) -> Deed {
    let (code, message) = match call.service.as_str() {
        "s3" => ("MalformedPolicy", "Invalid principal in policy"),
        "kms" => (
            "MalformedPolicyDocumentException",
            "Policy contains a statement with one or more invalid principals.",
        ),
        "sqs" => ("InvalidAttributeValue", "Invalid value for the parameter Policy."),
        _ => ("InvalidParameter", "Invalid parameter: Policy Error: PrincipalNotFound"),
    };
    refuse(call, code, message)
}

impl Rule for Principals {
    fn before(&mut self, call: &Call) -> Deed {
        let Some((_, policy)) = written(call) else { return Deed::Forward };
        let unknown = |role| self.world.unusable(role, &call.service, REFUSED_FOR);
        if roles_in(&policy).any(unknown) {
            self.world.strike(REFUSED);
            return refusal(call);
        }
        Deed::Forward
    }

    fn after(&mut self, call: &Call, answer: &mut Answer) -> Reply {
        if !well(answer) {
            return Reply::Send;
        }
        if let Some((subject, policy)) = written(call) {
            let subject = made(call, answer).unwrap_or(subject);
            let id = |arn: &str| Some((arn.to_owned(), self.world.role_id(plain(arn))?));
            let ids = roles_in(&policy).filter_map(id).collect();
            self.held.insert(subject, Held { ids, unread: true });
        } else if reads(call)
            && let Some(held) = self.held.get_mut(&subject(call))
        {
            let unread = std::mem::take(&mut held.unread);
            for (arn, id) in &held.ids {
                let known = self.world.role_id(plain(arn)).as_ref() == Some(id);
                let age = if unread { UNREAD_FOR } else { ID_FOR };
                if !known || self.world.young(arn, age) {
                    self.world.strike(BY_ID);
                    answer.body = told(answer).replace(arn, id).into_bytes();
                }
            }
        }
        Reply::Send
    }
}
