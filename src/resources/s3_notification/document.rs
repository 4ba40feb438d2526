//! A bucket's document of notifications, as S3 has it: all of it, whoever made what.

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_bucket_notification_configuration as get;
use aws_sdk_s3::types::{
    Event, EventBridgeConfiguration, FilterRule, FilterRuleName, LambdaFunctionConfiguration,
    NotificationConfiguration, NotificationConfigurationFilter, QueueConfiguration, S3KeyFilter,
    TopicConfiguration,
};

use crate::aws::During;
use crate::cloud::{Class, Fault};
use crate::kind::Owner;

use super::{PUT, Target};

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Document {
    pub topics: Vec<TopicConfiguration>,
    pub queues: Vec<QueueConfiguration>,
    pub functions: Vec<LambdaFunctionConfiguration>,
    /// Whether it is there is all that it says.
    pub event_bridge: Option<EventBridgeConfiguration>,
}

/// Whether S3 tries the targets before it takes the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Validation {
    Asked,
    Skipped,
}

impl From<get::GetBucketNotificationConfigurationOutput> for Document {
    fn from(told: get::GetBucketNotificationConfigurationOutput) -> Self {
        Self {
            topics: told.topic_configurations.unwrap_or_default(),
            queues: told.queue_configurations.unwrap_or_default(),
            functions: told.lambda_function_configurations.unwrap_or_default(),
            event_bridge: told.event_bridge_configuration,
        }
    }
}

const MARK: &str = "pipeline-";

/// The id of a configuration: the owner's mark, the resource's id, and the key in `to`.
pub(super) fn id(owner: &Owner, resource: &str, key: &str) -> String {
    format!("{MARK}{}-{resource}.{key}", owner.mark())
}

/// The resource's id and the key in `to` of a configuration that is this owner's.
pub(super) fn ours<'a>(owner: &Owner, id: &'a str) -> Option<(&'a str, &'a str)> {
    id.strip_prefix(MARK)?.strip_prefix(&owner.mark())?.strip_prefix('-')?.split_once('.')
}

impl Document {
    /// Each configuration's id, and what it says in the blueprint's words.
    pub fn configurations(&self) -> impl Iterator<Item = (String, Target)> {
        let topics = self.topics.iter().map(|one| {
            let topic = Some(one.topic_arn.clone());
            let target = Target { topic, ..target(&one.events, one.filter.as_ref()) };
            (one.id.clone().unwrap_or_default(), target)
        });
        let queues = self.queues.iter().map(|one| {
            let queue = Some(one.queue_arn.clone());
            let target = Target { queue, ..target(&one.events, one.filter.as_ref()) };
            (one.id.clone().unwrap_or_default(), target)
        });
        let functions = self.functions.iter().map(|one| {
            let function = Some(one.lambda_function_arn.clone());
            let target = Target { function, ..target(&one.events, one.filter.as_ref()) };
            (one.id.clone().unwrap_or_default(), target)
        });
        topics.chain(queues).chain(functions)
    }

    /// Takes away the configurations whose ids are chosen.
    pub fn drop(&mut self, chosen: impl Fn(&str) -> bool) {
        let kept = |id: Option<&str>| !id.is_some_and(&chosen);
        self.topics.retain(|one| kept(one.id()));
        self.queues.retain(|one| kept(one.id()));
        self.functions.retain(|one| kept(one.id()));
    }

    pub fn add(&mut self, id: String, target: &Target) -> Result<(), Fault> {
        let events = Some(target.events.iter().map(|event| Event::from(event.as_str())).collect());
        let filter = filter(target);
        if let Some(arn) = &target.queue {
            let one = QueueConfiguration::builder().id(id).queue_arn(arn).set_events(events);
            self.queues.push(one.set_filter(filter).build().during(PUT)?);
        } else if let Some(arn) = &target.topic {
            let one = TopicConfiguration::builder().id(id).topic_arn(arn).set_events(events);
            self.topics.push(one.set_filter(filter).build().during(PUT)?);
        } else if let Some(arn) = &target.function {
            let one = LambdaFunctionConfiguration::builder().id(id).lambda_function_arn(arn);
            self.functions.push(one.set_events(events).set_filter(filter).build().during(PUT)?);
        } else {
            return Err(Fault::new(Class::Invalid, PUT, format!("`{id}` tells nobody")));
        }
        Ok(())
    }

    pub fn turn_event_bridge(&mut self, on: bool) {
        self.event_bridge = on.then(|| EventBridgeConfiguration::builder().build());
    }

    pub async fn put(
        self,
        api: &Client,
        bucket: &str,
        validation: Validation,
    ) -> Result<(), Fault> {
        let document = NotificationConfiguration::builder()
            .set_topic_configurations(Some(self.topics))
            .set_queue_configurations(Some(self.queues))
            .set_lambda_function_configurations(Some(self.functions))
            .set_event_bridge_configuration(self.event_bridge)
            .build();
        let skip = validation == Validation::Skipped;
        let call = api
            .put_bucket_notification_configuration()
            .bucket(bucket)
            .notification_configuration(document)
            .set_skip_destination_validation(skip.then_some(true));
        call.send().await.during(PUT)?;
        Ok(())
    }
}

fn target(events: &[Event], filter: Option<&NotificationConfigurationFilter>) -> Target {
    let rules = filter.and_then(|filter| filter.key()).map(S3KeyFilter::filter_rules);
    // S3 takes the name of a rule in either case, and tells it as it was sent.
    let text = |name: &str| {
        let named = |rule: &&FilterRule| {
            rule.name().is_some_and(|held| held.as_str().eq_ignore_ascii_case(name))
        };
        let rule = rules.unwrap_or_default().iter().find(named);
        rule.and_then(FilterRule::value).unwrap_or_default().to_owned()
    };
    Target {
        events: events.iter().map(|event| event.as_str().to_owned()).collect(),
        prefix: text("prefix"),
        suffix: text("suffix"),
        ..Target::default()
    }
}

fn filter(target: &Target) -> Option<NotificationConfigurationFilter> {
    let rules: Vec<_> =
        [(FilterRuleName::Prefix, &target.prefix), (FilterRuleName::Suffix, &target.suffix)]
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(name, text)| FilterRule::builder().name(name).value(text).build())
            .collect();
    let key = || S3KeyFilter::builder().set_filter_rules(Some(rules.clone())).build();
    (!rules.is_empty()).then(|| NotificationConfigurationFilter::builder().key(key()).build())
}
