//! `sns-topic`: an SNS topic and its subscriptions.

mod check;
mod policy;
mod read;
mod subscription;

use std::collections::BTreeMap;

use aws_sdk_sns::Client;
use aws_sdk_sns::types::Tag;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::aws::{Aws, During, absent};
use crate::cloud::{Class, Fault};
use crate::kind::rule::replace;
use crate::kind::values::key::same_key;
use crate::kind::values::policy::Policy;
use crate::kind::values::tags::unwanted;
use crate::kind::{Flaw, Live, Name, Outputs, Place, Rule};
use crate::plan::diff::Diff;

use super::{Resource, Tags};
use subscription::{Subscription, masked};

/// An SNS topic and its subscriptions.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnsTopic {
    /// Letters, digits, `-` and `_`; that of a FIFO topic ends with `.fifo`.
    pub name: Name,
    /// From whom emails and text messages say they come.
    #[serde(default)]
    pub display_name: String,
    /// KMS key that encrypts the messages: id, ARN or alias; `none` for none.
    #[serde(default = "none")]
    pub key: String,
    /// Who may publish and subscribe. Left out: the account that has the topic, and nobody else.
    #[serde(default = "policy::left_out")]
    pub policy: Policy,
    /// Keeps the order of messages; it cannot be changed.
    #[serde(default)]
    pub fifo: bool,
    /// A FIFO topic takes messages of equal content within 5 minutes for one.
    #[serde(default)]
    pub content_based_deduplication: bool,
    /// By protocol, then by endpoint, as `email: { ops@example.com: {} }`. One by email or HTTP
    /// is pending until its receiver confirms it; it counts as there.
    #[serde(default, deserialize_with = "not_empty")]
    pub subscriptions: Subscriptions,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// SNS has one subscription for a protocol and an endpoint.
type Subscriptions = BTreeMap<String, BTreeMap<String, Subscription>>;

fn none() -> String {
    NONE.to_owned()
}

/// A protocol without subscriptions is no protocol.
fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Subscriptions, D::Error> {
    let mut by_protocol = Subscriptions::deserialize(deserializer)?;
    by_protocol.retain(|_, subscriptions| !subscriptions.is_empty());
    Ok(by_protocol)
}

const NONE: &str = "none";
const ABSENT: &[&str] =
    &["NotFound", "NotFoundException", "ResourceNotFound", "ResourceNotFoundException"];

impl Resource for SnsTopic {
    const KIND: &'static str = "sns-topic";
    const OUTPUTS: &'static [&'static str] = &["arn", "name"];
    const RULES: &'static [Rule] = &[replace("name"), replace("fifo")];

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
        if same_key(&self.key, &live.key) {
            live.key.clone_from(&self.key);
        }
        if policy::is_default(&self.policy) && live.policy == policy::left_out() {
            live.policy.clone_from(&self.policy);
        }
        self.unmask(&mut live.subscriptions);
        self.leave_pending(&mut live.subscriptions);
    }

    fn created(&self) -> Option<Self> {
        Some(Self { subscriptions: Subscriptions::new(), ..self.clone() })
    }

    async fn observe(aws: &Aws, identity: &Name) -> Result<Option<Live<Self>>, Fault> {
        read::observe(aws, identity).await
    }

    async fn create(&self, aws: &Aws) -> Result<(), Fault> {
        const CREATE: &str = "sns:CreateTopic";
        let mut call = aws.client::<Client>().create_topic().name(self.name.as_str());
        if self.fifo {
            call = call.attributes("FifoTopic", "true");
        }
        if self.content_based_deduplication {
            call = call.attributes("ContentBasedDeduplication", "true");
        }
        if !self.display_name.is_empty() {
            call = call.attributes("DisplayName", &self.display_name);
        }
        if self.key != NONE {
            call = call.attributes("KmsMasterKeyId", &self.key);
        }
        if self.policy != policy::left_out() {
            call = call.attributes("Policy", self.policy.json());
        }
        let call = call.set_tags(Some(tags(&self.tags, CREATE)?));
        call.send().await.during(CREATE).map_err(taken).map_err(young)?;
        Ok(())
    }

    async fn update(&self, aws: &Aws, live: &Live<Self>, diff: &Diff) -> Result<(), Fault> {
        let api = aws.client::<Client>();
        let arn = arn(&self.name, &aws.place);
        for (attribute, value) in self.changed(aws, diff) {
            let call = api.set_topic_attributes().topic_arn(&arn);
            let call = call.attribute_name(attribute).attribute_value(value);
            call.send().await.during("sns:SetTopicAttributes").map_err(young)?;
        }
        if diff.touches("tags") {
            self.tag(&api, &arn, &live.spec.tags).await?;
        }
        if diff.touches("subscriptions") {
            self.subscribe(&api, &arn, live).await?;
        }
        Ok(())
    }

    /// Subscriptions first: those of a deleted topic stay for days.
    async fn delete(aws: &Aws, identity: &Name, live: &Live<Self>) -> Result<(), Fault> {
        let api = aws.client::<Client>();
        for (protocol, endpoints) in &live.spec.subscriptions {
            for endpoint in endpoints.keys() {
                subscription::end(&api, live.outputs.get(&note(protocol, endpoint))).await?;
            }
        }
        let call = api.delete_topic().topic_arn(arn(identity, &aws.place));
        absent(call.send().await.during("sns:DeleteTopic"), ABSENT)?;
        Ok(())
    }

    fn listed(arn: &str, _tags: &Tags) -> Option<Name> {
        let place_and_name = arn.split_once(":sns:")?.1;
        match place_and_name.split(':').collect::<Vec<_>>().as_slice() {
            [_region, _account, name] => Some(Name::new(*name)),
            _ => None,
        }
    }
}

fn outputs(name: &Name, place: &Place) -> Outputs {
    Outputs::from([("arn".into(), arn(name, place)), ("name".into(), name.to_string())])
}

fn arn(name: &Name, place: &Place) -> String {
    place.arn("sns", name.as_str())
}

/// Under which of the outputs a subscription's ARN is noted.
fn note(protocol: &str, endpoint: &str) -> String {
    format!("subscription {protocol} {}", masked(endpoint))
}

/// "Topic already exists with different attributes" (or "tags"), and a subscription likewise:
/// made by somebody else since the last look.
fn taken(fault: Fault) -> Fault {
    let exists = fault.says("InvalidParameter", "already exists with different");
    if exists { fault.class(Class::Conflict) } else { fault }
}

/// "PrincipalNotFound", or "... is not a valid role to allow SNS to ...": a role made a moment
/// ago is not known here yet.
fn young(fault: Fault) -> Fault {
    let passes = fault.says("InvalidParameter", "PrincipalNotFound")
        || fault.says("InvalidParameter", "is not a valid role to allow SNS");
    if passes { fault.class(Class::NotYet) } else { fault }
}

fn tags(tags: &BTreeMap<String, String>, operation: &'static str) -> Result<Vec<Tag>, Fault> {
    let each = |(key, value)| Tag::builder().key(key).value(value).build().during(operation);
    tags.iter().map(each).collect()
}

impl SnsTopic {
    /// The attributes that differ and what they become; each is a call of its own.
    fn changed(&self, aws: &Aws, diff: &Diff) -> Vec<(&'static str, String)> {
        let policy = if self.policy == policy::left_out() {
            policy::default_of(&arn(&self.name, &aws.place), &aws.place.account)
        } else {
            self.policy.json()
        };
        let key = if self.key == NONE { String::new() } else { self.key.clone() };
        let deduplication = self.content_based_deduplication.to_string();
        [
            ("display_name", "DisplayName", self.display_name.clone()),
            ("key", "KmsMasterKeyId", key),
            ("policy", "Policy", policy),
            ("content_based_deduplication", "ContentBasedDeduplication", deduplication),
        ]
        .into_iter()
        .filter(|(field, _, _)| diff.touches(field))
        .map(|(_, attribute, value)| (attribute, value))
        .collect()
    }

    async fn tag(
        &self,
        api: &Client,
        arn: &str,
        live: &BTreeMap<String, String>,
    ) -> Result<(), Fault> {
        const TAG: &str = "sns:TagResource";
        if !self.tags.is_empty() {
            let call = api.tag_resource().resource_arn(arn);
            call.set_tags(Some(tags(&self.tags, TAG)?)).send().await.during(TAG)?;
        }
        let gone = unwanted(&self.tags, live);
        if !gone.is_empty() {
            let call = api.untag_resource().resource_arn(arn).set_tag_keys(Some(gone));
            call.send().await.during("sns:UntagResource")?;
        }
        Ok(())
    }

    async fn subscribe(&self, api: &Client, topic: &str, live: &Live<Self>) -> Result<(), Fault> {
        let mut held = live.spec.subscriptions.clone();
        self.unmask(&mut held);
        self.leave_pending(&mut held);
        for (protocol, endpoints) in &self.subscriptions {
            for (endpoint, wanted) in endpoints {
                let there = held.get_mut(protocol).and_then(|held| held.remove(endpoint));
                let arn = live.outputs.get(&note(protocol, endpoint));
                match (there, arn) {
                    (None, _) => wanted.start(api, topic, protocol, endpoint).await?,
                    (Some(there), Some(arn)) => wanted.configure(api, arn, &there).await?,
                    (Some(_), None) => {}
                }
            }
        }
        for (protocol, endpoints) in &held {
            for endpoint in endpoints.keys() {
                subscription::end(api, live.outputs.get(&note(protocol, endpoint))).await?;
            }
        }
        Ok(())
    }

    /// SNS answers `https://user:****@host/` for an endpoint with a password.
    fn unmask(&self, live: &mut Subscriptions) {
        for (protocol, endpoints) in &self.subscriptions {
            let Some(held) = live.get_mut(protocol) else { continue };
            for endpoint in endpoints.keys().filter(|endpoint| masked(endpoint) != **endpoint) {
                if let Some(subscription) = held.remove(&masked(endpoint)) {
                    held.insert(endpoint.clone(), subscription);
                }
            }
        }
    }

    /// Until it is confirmed, a subscription can be neither changed nor ended: what SNS has
    /// counts as what is wanted. Unconfirmed, it goes by itself after some days.
    fn leave_pending(&self, live: &mut Subscriptions) {
        for (protocol, endpoints) in &mut *live {
            let wanted = self.subscriptions.get(protocol);
            endpoints.retain(|endpoint, held| {
                if held.pending != Some(true) {
                    return true;
                }
                let wanted = wanted.and_then(|wanted| wanted.get(endpoint));
                if let Some(wanted) = wanted {
                    *held = Subscription { pending: Some(true), ..wanted.clone() };
                }
                wanted.is_some()
            });
        }
        live.retain(|_, endpoints| !endpoints.is_empty());
    }
}
