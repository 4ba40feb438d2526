//! A subscription of a topic.

use std::collections::BTreeMap;

use aws_sdk_sns::Client;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::aws::{During, absent};
use crate::cloud::Fault;

use super::{ABSENT, NONE, none, taken, young};

/// A subscription of a topic: how and which messages are delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subscription {
    /// The message as it was published, without SNS's envelope: sqs, http, https and firehose.
    #[serde(default)]
    pub raw_delivery: bool,
    /// Only messages that match, as `{ severity: [high] }`.
    #[serde(default)]
    pub filter_policy: BTreeMap<String, Value>,
    /// What the filter looks at.
    #[serde(default)]
    pub filter_policy_scope: Scope,
    /// ARN of the queue that gets what cannot be delivered; `none` for none.
    #[serde(default = "none")]
    pub dead_letter_queue: String,
    /// ARN of the role with which SNS writes to a Firehose stream; `none` elsewhere.
    #[serde(default = "none")]
    pub role: String,
    /// Whether its receiver has yet to confirm it. AWS says this; a blueprint does not.
    #[serde(default)]
    pub pending: Option<bool>,
}

/// What a filter policy looks at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    #[default]
    MessageAttributes,
    MessageBody,
}

const SCOPE: &str = "FilterPolicyScope";

/// `https://user:secret@host/` as SNS tells it again.
pub(super) fn masked(endpoint: &str) -> String {
    let Some((scheme, rest)) = endpoint.split_once("://") else { return endpoint.to_owned() };
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    match authority.rsplit_once('@').map(|(user, host)| (user.split_once(':'), host)) {
        Some((Some((user, _)), host)) => format!("{scheme}://{user}:****@{host}{path}"),
        _ => endpoint.to_owned(),
    }
}

/// Ends a subscription. One that has no ARN is pending, and cannot be ended.
pub(super) async fn end(api: &Client, arn: Option<&String>) -> Result<(), Fault> {
    let Some(arn) = arn else { return Ok(()) };
    let answer = api.unsubscribe().subscription_arn(arn).send().await.during("sns:Unsubscribe");
    match absent(answer, ABSENT) {
        // "Cannot unsubscribe a subscription that is pending confirmation"
        Err(fault) if fault.says("InvalidParameter", "pending confirmation") => Ok(()),
        Err(fault) => Err(fault),
        Ok(_) => Ok(()),
    }
}

impl Subscription {
    pub(super) fn read(attributes: &BTreeMap<String, String>) -> Self {
        let text = |name: &str| attributes.get(name).map(String::as_str).unwrap_or_default();
        let json = |name| serde_json::from_str::<Value>(text(name)).unwrap_or_default();
        let filter = match json("FilterPolicy") {
            Value::Object(filter) => filter.into_iter().collect(),
            _ => BTreeMap::new(),
        };
        // The scope of no filter means nothing, and stays behind when the filter goes.
        let body = !filter.is_empty() && text(SCOPE) == "MessageBody";
        let queue = json("RedrivePolicy")["deadLetterTargetArn"].as_str().map(str::to_owned);
        let role = text("SubscriptionRoleArn");
        Self {
            raw_delivery: text("RawMessageDelivery") == "true",
            filter_policy: filter,
            filter_policy_scope: if body { Scope::MessageBody } else { Scope::MessageAttributes },
            dead_letter_queue: queue.unwrap_or_else(none),
            role: if role.is_empty() { none() } else { role.to_owned() },
            pending: Some(text("PendingConfirmation") == "true"),
        }
    }

    /// One that SNS lists as pending, of which nothing more can be asked.
    pub(super) fn unconfirmed() -> Self {
        Self { pending: Some(true), ..Self::read(&BTreeMap::new()) }
    }

    pub(super) async fn start(
        &self,
        api: &Client,
        topic: &str,
        protocol: &str,
        endpoint: &str,
    ) -> Result<(), Fault> {
        let attributes = self.attributes();
        let plain = Self::read(&BTreeMap::new()).attributes();
        let said = attributes.into_iter().filter(|(name, value)| plain.get(name) != Some(value));
        let said = said.filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let call = api.subscribe().topic_arn(topic).protocol(protocol).endpoint(endpoint);
        let call = call.set_attributes(Some(said.collect()));
        call.send().await.during("sns:Subscribe").map_err(taken).map_err(young)?;
        Ok(())
    }

    /// Each attribute is a call. Reading bodies allows more of a filter than reading attributes,
    /// so that scope comes before a new filter and the other one after.
    pub(super) async fn configure(
        &self,
        api: &Client,
        arn: &str,
        live: &Self,
    ) -> Result<(), Fault> {
        let mut now = live.attributes();
        if live.filter_policy.is_empty() {
            now.remove(SCOPE); // The scope of an earlier filter may have stayed.
        }
        let mut changed: Vec<_> = self.attributes().into_iter().collect();
        changed.retain(|(name, value)| now.get(name) != Some(value));
        let first = self.filter_policy_scope == Scope::MessageBody;
        changed.sort_by_key(|(name, _)| (*name == SCOPE) != first);
        for (name, value) in changed {
            let call = api.set_subscription_attributes().subscription_arn(arn);
            let call = call.attribute_name(name).set_attribute_value(value);
            call.send().await.during("sns:SetSubscriptionAttributes").map_err(young)?;
        }
        Ok(())
    }

    /// As SNS takes them. No redrive policy is no value: an empty one is refused.
    fn attributes(&self) -> BTreeMap<&'static str, Option<String>> {
        let scope = match self.filter_policy_scope {
            Scope::MessageAttributes => "MessageAttributes",
            Scope::MessageBody => "MessageBody",
        };
        let queue = (self.dead_letter_queue != NONE)
            .then(|| json!({"deadLetterTargetArn": self.dead_letter_queue}).to_string());
        let mut attributes = BTreeMap::from([
            ("RawMessageDelivery", Some(self.raw_delivery.to_string())),
            ("FilterPolicy", Some(json!(self.filter_policy).to_string())),
            ("RedrivePolicy", queue),
        ]);
        if !self.filter_policy.is_empty() {
            attributes.insert(SCOPE, Some(scope.to_owned()));
        }
        if self.role != NONE {
            attributes.insert("SubscriptionRoleArn", Some(self.role.clone()));
        }
        attributes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_masked_as_sns_masks_it() {
        for (endpoint, shown) in [
            ("https://user:secret@host/a", "https://user:****@host/a"),
            ("https://user:****@host/a", "https://user:****@host/a"),
            ("https://host/a@b:c", "https://host/a@b:c"),
            ("https://host", "https://host"),
            ("ops@example.com", "ops@example.com"),
        ] {
            assert_eq!(masked(endpoint), shown);
        }
    }

    #[test]
    fn attributes_are_read_as_they_are_written() {
        let written: Subscription = serde_json::from_value(json!({
            "raw_delivery": true, "filter_policy": {"severity": ["high", {"numeric": [">", 3]}]},
            "filter_policy_scope": "message-body", "dead_letter_queue": "arn:aws:sqs:::q",
            "role": "arn:aws:iam::1:role/r"}))
        .expect("a subscription");
        let attributes = written.attributes().into_iter();
        let told = attributes.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        let read = Subscription { pending: None, ..Subscription::read(&told) };
        assert_eq!(read, written);
    }

    #[test]
    fn the_scope_of_no_filter_is_not_seen() {
        let told = BTreeMap::from([
            (SCOPE.to_owned(), "MessageBody".to_owned()),
            ("FilterPolicy".to_owned(), "{}".to_owned()),
        ]);
        assert_eq!(Subscription::read(&told).filter_policy_scope, Scope::MessageAttributes);
    }
}
