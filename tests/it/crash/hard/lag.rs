//! What was written shows late: for some looks a read is answered as it was before. What was just
//! made is thus not there yet, and what was just deleted still is.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::super::call::Call;
use super::super::http::Answer;
use super::super::proxy::{Deed, Reply, Rule};
use super::Behaviour;
use super::answer::{form, json_of, path, query, text, well};
use super::world::{World, plain};

/// Which reads show which writes late, and for how long at most.
struct Late {
    behaviour: &'static str,
    service: &'static str,
    reads: &'static [&'static str],
    writes: &'static [&'static str],
    /// What both are about; the same for all where nothing tells.
    about: fn(&Call) -> String,
    looks: u32,
    within: Duration,
}

/// What is behind by looks is so for no longer; AWS's own figures stand beside each.
const FOR_A_WHILE: Duration = Duration::from_secs(8);

const LATE: &[Late] = &[
    // A stream shows within seconds of its making.
    Late {
        behaviour: "a young stream is not shown",
        service: "kinesis",
        reads: &["DescribeStreamSummary"],
        writes: &["CreateStream"],
        about: |call| text(call, "StreamName"),
        looks: 1,
        within: FOR_A_WHILE,
    },
    Late {
        behaviour: "tags of a stream show late",
        service: "kinesis",
        reads: &["ListTagsForStream"],
        writes: &["AddTagsToStream", "RemoveTagsFromStream"],
        about: |call| text(call, "StreamName"),
        looks: 2,
        within: FOR_A_WHILE,
    },
    Late {
        behaviour: "a young delivery stream is not shown",
        service: "firehose",
        reads: &["DescribeDeliveryStream"],
        writes: &["CreateDeliveryStream"],
        about: |call| text(call, "DeliveryStreamName"),
        looks: 1,
        within: FOR_A_WHILE,
    },
    // Up to 2 minutes.
    Late {
        behaviour: "a young bucket is not shown",
        service: "s3",
        reads: &["HEAD bucket"],
        writes: &["PUT bucket"],
        about: bucket,
        looks: 1,
        within: FOR_A_WHILE,
    },
    // Up to 3 minutes; 3 equal reads, 10 s apart, are what others wait for.
    Late {
        behaviour: "a lifecycle shows late",
        service: "s3",
        reads: &["GET ?lifecycle"],
        writes: &["PUT ?lifecycle", "DELETE ?lifecycle"],
        about: bucket,
        looks: 2,
        within: FOR_A_WHILE,
    },
    Late {
        behaviour: "versioning shows late",
        service: "s3",
        reads: &["GET ?versioning"],
        writes: &["PUT ?versioning"],
        about: bucket,
        looks: 2,
        within: FOR_A_WHILE,
    },
    Late {
        behaviour: "a notification shows late",
        service: "s3",
        reads: &["GET ?notification"],
        writes: &["PUT ?notification"],
        about: bucket,
        looks: 1,
        within: FOR_A_WHILE,
    },
    // Up to 2 minutes.
    Late {
        behaviour: "a young role is not shown",
        service: "iam",
        reads: &["GetRole"],
        writes: &["CreateRole"],
        about: role,
        looks: 1,
        within: FOR_A_WHILE,
    },
    Late {
        behaviour: "a role's policies show late",
        service: "iam",
        reads: &["ListRolePolicies", "GetRolePolicy", "ListAttachedRolePolicies"],
        writes: &["PutRolePolicy", "DeleteRolePolicy", "AttachRolePolicy", "DetachRolePolicy"],
        about: role,
        looks: 2,
        within: FOR_A_WHILE,
    },
    Late {
        behaviour: "a role's instance profile shows late",
        service: "iam",
        reads: &["ListInstanceProfilesForRole"],
        writes: &["AddRoleToInstanceProfile", "RemoveRoleFromInstanceProfile"],
        about: role,
        looks: 1,
        within: FOR_A_WHILE,
    },
    // Up to 10 minutes; 5 equal reads are what others wait for.
    Late {
        behaviour: "a key's policy shows late",
        service: "kms",
        reads: &["GetKeyPolicy"],
        writes: &["PutKeyPolicy"],
        about: key,
        looks: 2,
        within: FOR_A_WHILE,
    },
    Late {
        behaviour: "a key's tags show late",
        service: "kms",
        reads: &["ListResourceTags"],
        writes: &["TagResource", "UntagResource"],
        about: key,
        looks: 2,
        within: FOR_A_WHILE,
    },
    Late {
        behaviour: "a key's rotation shows late",
        service: "kms",
        reads: &["GetKeyRotationStatus"],
        writes: &["EnableKeyRotation", "DisableKeyRotation"],
        about: key,
        looks: 2,
        within: FOR_A_WHILE,
    },
    Late {
        behaviour: "a key's description shows late",
        service: "kms",
        reads: &["DescribeKey"],
        writes: &["UpdateKeyDescription"],
        about: nothing,
        looks: 2,
        within: FOR_A_WHILE,
    },
    Late {
        behaviour: "keys and aliases are listed late",
        service: "kms",
        reads: &["ListKeys", "ListAliases"],
        writes: &["CreateKey", "CreateAlias", "UpdateAlias"],
        about: nothing,
        looks: 1,
        within: FOR_A_WHILE,
    },
    // Up to 5 minutes.
    Late {
        behaviour: "a young function is not shown",
        service: "lambda",
        reads: &["GET functions"],
        writes: &["POST functions"],
        about: function,
        looks: 1,
        within: FOR_A_WHILE,
    },
    Late {
        behaviour: "a function's permissions show late",
        service: "lambda",
        reads: &["GET functions/policy"],
        writes: &["POST functions/policy", "DELETE functions/policy"],
        about: function,
        looks: 1,
        within: FOR_A_WHILE,
    },
    Late {
        behaviour: "a function's sources show late",
        service: "lambda",
        reads: &["GET event-source-mappings"],
        writes: &["POST event-source-mappings"],
        about: function,
        looks: 1,
        within: FOR_A_WHILE,
    },
    // Up to 60 s; 6 equal reads, 5 s apart, are what others wait for.
    Late {
        behaviour: "a queue's attributes show late",
        service: "sqs",
        reads: &["GetQueueAttributes"],
        writes: &["CreateQueue", "SetQueueAttributes"],
        about: queue,
        looks: 3,
        within: FOR_A_WHILE,
    },
    // Up to 60 s.
    Late {
        behaviour: "a deleted queue still shows",
        service: "sqs",
        reads: &["GetQueueAttributes", "ListQueueTags"],
        writes: &["DeleteQueue"],
        about: queue,
        looks: 2,
        within: FOR_A_WHILE,
    },
    Late {
        behaviour: "a queue's tags show late",
        service: "sqs",
        reads: &["ListQueueTags"],
        writes: &["TagQueue", "UntagQueue"],
        about: queue,
        looks: 2,
        within: FOR_A_WHILE,
    },
    // Up to 2 minutes.
    Late {
        behaviour: "a topic shows late",
        service: "sns",
        reads: &["GetTopicAttributes"],
        writes: &["CreateTopic", "SetTopicAttributes"],
        about: topic,
        looks: 1,
        within: FOR_A_WHILE,
    },
    Late {
        behaviour: "a topic's subscriptions show late",
        service: "sns",
        reads: &["ListSubscriptionsByTopic"],
        writes: &["Subscribe", "Unsubscribe"],
        about: topic,
        looks: 1,
        within: FOR_A_WHILE,
    },
    Late {
        behaviour: "a log group shows late",
        service: "logs",
        reads: &["DescribeLogGroups"],
        writes: &["CreateLogGroup", "PutRetentionPolicy", "DeleteLogGroup"],
        about: nothing,
        looks: 1,
        within: FOR_A_WHILE,
    },
];

fn nothing(_call: &Call) -> String {
    String::new()
}

fn bucket(call: &Call) -> String {
    path(call).swap_remove(0)
}

fn role(call: &Call) -> String {
    form(call).remove("RoleName").unwrap_or_default()
}

fn key(call: &Call) -> String {
    plain(&text(call, "KeyId")).to_owned()
}

fn queue(call: &Call) -> String {
    let url = text(call, "QueueUrl");
    if url.is_empty() { text(call, "QueueName") } else { plain(&url).to_owned() }
}

fn topic(call: &Call) -> String {
    let mut form = form(call);
    let arn = form.remove("TopicArn").or_else(|| form.remove("ResourceArn"));
    let named = |arn: String| arn.rsplit(':').next().unwrap_or_default().to_owned();
    arn.map(named).or_else(|| form.remove("Name")).unwrap_or_default()
}

/// In the path, in the query of a listing, or in what is sent.
fn function(call: &Call) -> String {
    let sent = || json_of(call)["FunctionName"].as_str().map(str::to_owned);
    let named = path(call).into_iter().nth(2);
    named.or_else(|| query(call, "FunctionName")).or_else(sent).unwrap_or_default()
}

/// Since when a subject is shown as it was, and how many looks more.
#[derive(Clone)]
struct Behind {
    since: Instant,
    looks: u32,
}

/// One row at work.
#[derive(Clone)]
pub struct Lag {
    late: &'static Late,
    world: World,
    /// The answers since the last write, by the subject and the whole request.
    known: BTreeMap<(String, String), Answer>,
    /// Those that were true just before it.
    before: BTreeMap<(String, String), Answer>,
    behind: BTreeMap<String, Behind>,
}

pub fn behaviours() -> impl Iterator<Item = &'static str> {
    LATE.iter().map(|late| late.behaviour)
}

pub fn all(world: &World) -> impl Iterator<Item = Box<dyn Behaviour>> {
    LATE.iter().map(|late| -> Box<dyn Behaviour> {
        let (known, before, behind) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Box::new(Lag { late, world: world.clone(), known, before, behind })
    })
}

impl Lag {
    fn reads(&self, call: &Call) -> bool {
        call.service == self.late.service && self.late.reads.contains(&call.operation.as_str())
    }

    fn writes(&self, call: &Call) -> bool {
        call.service == self.late.service && self.late.writes.contains(&call.operation.as_str())
    }
}

impl Rule for Lag {
    fn before(&mut self, call: &Call) -> Deed {
        if !self.reads(call) {
            return Deed::Forward;
        }
        let about = (self.late.about)(call);
        let Some(behind) = self.behind.get_mut(&about) else { return Deed::Forward };
        let key = (about, call.question());
        match self.before.get(&key) {
            Some(before)
                if behind.looks > 0 && self.world.since(behind.since) < self.late.within =>
            {
                behind.looks -= 1;
                self.world.strike(self.late.behaviour);
                Deed::Answer(before.clone())
            }
            _ => Deed::Forward,
        }
    }

    fn after(&mut self, call: &Call, answer: &mut Answer) -> Reply {
        if self.reads(call) {
            let key = ((self.late.about)(call), call.question());
            self.known.insert(key, answer.clone());
        } else if self.writes(call) && well(answer) {
            let about = (self.late.about)(call);
            self.before.retain(|(subject, _), _| *subject != about);
            let of_it = self.known.extract_if(.., |(subject, _), _| *subject == about);
            self.before.extend(of_it);
            let behind = Behind { since: self.world.now(), looks: self.late.looks };
            self.behind.insert(about, behind);
        }
        Reply::Send
    }
}
