//! `sqs-queue`: an SQS queue.

mod attributes;
mod check;
mod readings;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aws::{Aws, During, absent};
use crate::cloud::{Class, Contents, Fault};
use crate::kind::rule::replace;
use crate::kind::values::duration::Duration;
use crate::kind::values::key::same_key;
use crate::kind::values::or_none::OrNone;
use crate::kind::values::policy::Policy;
use crate::kind::values::tags::{unwanted, without_aws};
use crate::kind::{Flaw, Live, Name, Outputs, Phase, Place, Rule};
use crate::plan::diff::Diff;
use crate::status::reading::{Gauge, Sight};

use super::{Resource, Tags};

/// An SQS queue. Deleting it loses its messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqsQueue {
    /// Up to 80 letters, digits, `-` and `_`; that of a FIFO queue ends with `.fifo`. A name is
    /// free again 60 s after its queue was deleted.
    pub name: Name,
    /// Keeps the order of messages; it cannot be changed.
    #[serde(default)]
    pub fifo: bool,
    /// A FIFO queue takes messages of equal content within 5 minutes for one.
    #[serde(default)]
    pub content_based_deduplication: bool,
    /// Among which messages a FIFO queue looks for equal ones.
    #[serde(default)]
    pub deduplication_scope: DeduplicationScope,
    /// What the quota of a FIFO queue counts for; `per-message-group-id` gives more to each group.
    #[serde(default)]
    pub throughput_limit: ThroughputLimit,
    /// How long a message is kept, `60s` to `14d`. Making it shorter loses what is older.
    #[serde(default = "four_days")]
    pub retention: Duration,
    /// How long a message that was received is hidden from others, up to `12h`. For a queue that
    /// feeds a Lambda function AWS advises six times the function's timeout.
    #[serde(default = "half_a_minute")]
    pub visibility_timeout: Duration,
    /// How long a new message is hidden at first, up to `15m`.
    #[serde(default = "at_once")]
    pub delay: Duration,
    /// How long a receiver waits for a message, up to `20s`; at `0s` it gets an empty answer.
    #[serde(default = "at_once")]
    pub receive_wait: Duration,
    /// Bytes of the largest message, 1024 to 1048576. Left out: AWS decides, and leaving it out
    /// later changes nothing.
    #[serde(default)]
    pub max_message_size: Option<u32>,
    /// How messages are encrypted at rest.
    #[serde(default)]
    pub encryption: Encryption,
    /// Where messages go that were received too often; `none` keeps them until they expire.
    #[serde(default)]
    pub redrive: OrNone<Redrive>,
    /// Which queues may have this one as their dead-letter queue.
    #[serde(default)]
    pub redrive_allow: RedriveAllow,
    /// Who else may use the queue, as S3 to send to it. Left out: nobody beside those whom IAM
    /// lets in the queue's own account.
    #[serde(default)]
    pub policy: Policy,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// Among which messages equal ones are looked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeduplicationScope {
    #[default]
    Queue,
    MessageGroup,
}

/// What the quota counts for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ThroughputLimit {
    #[default]
    PerQueue,
    PerMessageGroupId,
}

/// How messages are encrypted at rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Encryption {
    /// `sqs` by SQS's own keys, `kms` by a KMS key; `none` for none.
    pub sse: Sse,
    /// The KMS key: id, ARN or alias. S3 and SNS can send only by a key whose policy lets them,
    /// which that of `alias/aws/sqs` does not.
    pub key: String,
    /// How long SQS uses a data key before it asks KMS for another, `60s` to `1d`.
    pub key_reuse: Duration,
}

impl Default for Encryption {
    fn default() -> Self {
        Self { sse: Sse::Sqs, key: AWS_KEY.into(), key_reuse: Duration::seconds(300) }
    }
}

const AWS_KEY: &str = "alias/aws/sqs";

/// Whose keys encrypt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sse {
    Sqs,
    Kms,
    None,
}

/// Where messages go that were received too often.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redrive {
    /// ARN of the dead-letter queue, in the same account and region. AWS counts its retention
    /// from when a message was first sent, so it should be the longer one.
    pub queue: String,
    /// After how many receives without a deletion, 1 to 1000.
    pub max_receives: u32,
}

/// Which queues may have this one as their dead-letter queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RedriveAllow {
    /// Any of the account and region.
    #[default]
    All,
    /// No queue.
    None,
    /// Up to 10, by ARN. A reference to a queue whose `redrive` refers to this one would go in a
    /// circle: write its ARN with `${region}` and `${account}`.
    Queues(BTreeSet<String>),
}

const fn four_days() -> Duration {
    Duration::seconds(345_600)
}

const fn half_a_minute() -> Duration {
    Duration::seconds(30)
}

const fn at_once() -> Duration {
    Duration::seconds(0)
}

/// The SDK tells the code of SQS's older protocol where the answer has it, and else the new one's.
const ABSENT: &[&str] = &["AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"];
const GET: &str = "sqs:GetQueueAttributes";

impl Resource for SqsQueue {
    const KIND: &'static str = "sqs-queue";
    const OUTPUTS: &'static [&'static str] = &["arn", "name", "url"];
    const RULES: &'static [Rule] = &[replace("name"), replace("fifo")];
    const HOLDS_DATA: bool = true;

    fn identity(&self) -> Name {
        self.name.clone()
    }

    fn check(&self) -> Vec<Flaw> {
        check::flaws(self)
    }

    fn predict(&self, place: &Place) -> Outputs {
        outputs(&self.name, place)
    }

    fn reconcile(&self, live: &mut Self) {
        if same_key(&self.encryption.key, &live.encryption.key) {
            live.encryption.key.clone_from(&self.encryption.key);
        }
    }

    async fn observe(aws: &Aws, identity: &Name) -> Result<Option<Live<Self>>, Fault> {
        let api = aws.client::<Client>();
        let url = url(identity, &aws.place);
        let arn = arn(identity, &aws.place);
        let all = QueueAttributeName::All;
        let (told, tags) = futures_util::join!(
            api.get_queue_attributes().queue_url(&url).attribute_names(all).send(),
            aws.tags(&arn, tags_of(&api, &url)),
        );
        let Some(told) = absent(told.during(GET), ABSENT)? else { return Ok(None) };
        let Some(tags) = tags? else { return Ok(None) };
        let spec = attributes::read(identity, &told.attributes.unwrap_or_default(), tags)?;
        Ok(Some(Live { spec, outputs: outputs(identity, &aws.place), phase: Phase::Ready }))
    }

    async fn create(&self, aws: &Aws) -> Result<(), Fault> {
        let call = aws
            .client::<Client>()
            .create_queue()
            .queue_name(self.name.as_str())
            .set_attributes(Some(attributes::new(self)))
            .set_tags(Some(self.tags.clone().into_iter().collect()));
        call.send().await.during("sqs:CreateQueue").map_err(|fault| self.refused(fault))?;
        Ok(())
    }

    async fn update(&self, aws: &Aws, live: &Live<Self>, diff: &Diff) -> Result<(), Fault> {
        let api = aws.client::<Client>();
        let url = url(&self.name, &aws.place);
        let changed = attributes::changed(self, &live.spec, diff);
        if !changed.is_empty() {
            let call = api.set_queue_attributes().queue_url(&url).set_attributes(Some(changed));
            let done = call.send().await.during("sqs:SetQueueAttributes");
            done.map_err(|fault| self.refused(fault))?;
        }
        if diff.touches("tags") {
            self.tag(&api, &url, &live.spec.tags).await.map_err(|fault| self.refused(fault))?;
        }
        Ok(())
    }

    async fn delete(aws: &Aws, identity: &Name, _live: &Live<Self>) -> Result<(), Fault> {
        let call = aws.client::<Client>().delete_queue().queue_url(url(identity, &aws.place));
        absent(call.send().await.during("sqs:DeleteQueue"), ABSENT)?;
        Ok(())
    }

    /// Messages that wait, that are being worked on, and that are delayed.
    async fn contents(aws: &Aws, identity: &Name) -> Result<Option<Contents>, Fault> {
        let call = aws
            .client::<Client>()
            .get_queue_attributes()
            .queue_url(url(identity, &aws.place))
            .attribute_names(QueueAttributeName::All);
        let Some(told) = absent(call.send().await.during(GET), ABSENT)? else { return Ok(None) };
        let messages = attributes::messages(&told.attributes.unwrap_or_default());
        Ok(Some(Contents::Messages(messages)))
    }

    async fn watch(aws: &Aws, identities: &[Name]) -> Vec<Result<Sight, Fault>> {
        join_all(identities.iter().map(|name| readings::sight(aws, name))).await
    }

    fn gauges(identity: &Name) -> Vec<Gauge> {
        readings::gauges(identity)
    }

    fn listed(arn: &str, _tags: &Tags) -> Option<Name> {
        let (_, name) = arn.split_once(":sqs:")?.1.rsplit_once(':')?;
        Some(Name::new(name))
    }
}

async fn tags_of(api: &Client, url: &str) -> Result<Option<Tags>, Fault> {
    let answer = api.list_queue_tags().queue_url(url).send().await;
    let answer = absent(answer.during("sqs:ListQueueTags"), ABSENT)?;
    Ok(answer.map(|answer| without_aws(answer.tags.unwrap_or_default())))
}

fn arn(name: &Name, place: &Place) -> String {
    place.arn("sqs", name.as_str())
}

fn outputs(name: &Name, place: &Place) -> Outputs {
    Outputs::from([
        ("arn".into(), arn(name, place)),
        ("name".into(), name.to_string()),
        ("url".into(), url(name, place)),
    ])
}

fn url(name: &Name, place: &Place) -> String {
    format!("https://sqs.{}.{}/{}/{name}", place.region, place.domain(), place.account)
}

impl SqsQueue {
    fn refused(&self, fault: Fault) -> Fault {
        let passes = match fault.code.as_deref().unwrap_or_default() {
            // "You must wait 60 seconds after deleting a queue before you can create another with
            // the same name."
            "AWS.SimpleQueueService.QueueDeletedRecently" | "QueueDeletedRecently" => true,
            // A queue made a moment ago is not known everywhere yet.
            code if ABSENT.contains(&code) => true,
            // "Value ... for parameter RedrivePolicy is invalid. Reason: Dead letter target does
            // not exist."
            "InvalidParameterValue" | "InvalidAttributeValue" => {
                fault.message.contains("Dead letter target does not exist")
                    || fault.message.contains("Invalid value for the parameter Policy")
                        && self.names_somebody()
            }
            // "A queue already exists with the same name and a different value for attribute ...":
            // made by somebody else since the last look.
            "QueueAlreadyExists" | "QueueNameExists" => return fault.class(Class::Conflict),
            _ => false,
        };
        if passes { fault.class(Class::NotYet) } else { fault }
    }

    /// "Invalid value for the parameter Policy" passes where it is about a role that is young; a
    /// policy that names no role or user stays wrong.
    fn names_somebody(&self) -> bool {
        let named = |statement: &serde_json::Value| {
            let who = statement["Principal"]["AWS"].as_array().into_iter().flatten();
            who.filter_map(|who| who.as_str()).any(|who| who.starts_with("arn:"))
        };
        self.policy.statements().iter().any(named)
    }

    async fn tag(
        &self,
        api: &Client,
        url: &str,
        live: &BTreeMap<String, String>,
    ) -> Result<(), Fault> {
        if !self.tags.is_empty() {
            let tags = self.tags.clone().into_iter().collect();
            let call = api.tag_queue().queue_url(url).set_tags(Some(tags));
            call.send().await.during("sqs:TagQueue")?;
        }
        let gone = unwanted(&self.tags, live);
        if !gone.is_empty() {
            let call = api.untag_queue().queue_url(url).set_tag_keys(Some(gone));
            call.send().await.during("sqs:UntagQueue")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    pub(super) fn queue(fields: Value) -> SqsQueue {
        let mut spec = json!({"name": "q"});
        let fields = fields.as_object().expect("fields").clone();
        spec.as_object_mut().expect("an object").extend(fields);
        serde_json::from_value(spec).expect("a queue")
    }

    fn policy(principal: Value) -> Value {
        json!({"policy": {"Statement": [{"Effect": "Allow", "Principal": principal,
            "Action": "sqs:SendMessage"}]}})
    }

    #[test]
    fn refusals_that_pass_by_themselves_are_told_from_those_that_do_not() {
        let role = policy(json!({"AWS": "arn:aws:iam::123456789012:role/r"}));
        let service = policy(json!({"Service": "s3.amazonaws.com"}));
        let bad_policy = "Invalid value for the parameter Policy.";
        let no_target = "Value {} for parameter RedrivePolicy is invalid. Reason: Dead letter \
            target does not exist.";
        for (spec, code, message, class) in [
            (&role, "AWS.SimpleQueueService.QueueDeletedRecently", "wait", Class::NotYet),
            (&role, "QueueDeletedRecently", "wait", Class::NotYet),
            (&role, "QueueDoesNotExist", "", Class::NotYet),
            (&role, "AWS.SimpleQueueService.NonExistentQueue", "", Class::NotYet),
            (&role, "InvalidAttributeValue", bad_policy, Class::NotYet),
            (&service, "InvalidAttributeValue", bad_policy, Class::Invalid),
            (&service, "InvalidParameterValue", no_target, Class::NotYet),
            (&role, "InvalidAttributeValue", "another", Class::Invalid),
            (&role, "QueueAlreadyExists", "different value", Class::Conflict),
            (&role, "QueueNameExists", "different value", Class::Conflict),
        ] {
            let fault = Fault::new(Class::Invalid, "sqs:CreateQueue", message);
            let fault = Fault { code: Some(code.into()), ..fault };
            assert_eq!(queue(spec.clone()).refused(fault).class, class, "{code} {message}");
        }
    }

    #[test]
    fn a_queue_is_known_by_its_arn() {
        for (arn, name) in [
            ("arn:aws:sqs:eu-west-1:123456789012:q.fifo", Some("q.fifo")),
            ("arn:aws:sns:eu-west-1:123456789012:q", None),
        ] {
            assert_eq!(SqsQueue::listed(arn, &BTreeMap::new()), name.map(Name::new), "{arn}");
        }
    }

    #[test]
    fn a_key_is_compared_by_its_id() {
        let desired = queue(json!({"encryption": {"sse": "kms", "key": "arn:aws:kms:r:1:key/12"}}));
        let mut live = queue(json!({"encryption": {"sse": "kms", "key": "12"}}));
        desired.reconcile(&mut live);
        assert_eq!(desired, live);
    }
}
