//! `s3-notification`: whom a bucket tells of what happens to its objects.
//!
//! A bucket has one document of such configurations, written as a whole, and no tags on them. The
//! configurations of this program carry whose they are in their ids; the others in the document
//! are somebody else's: not shown, and written back as they are.

mod check;
mod document;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_s3::Client;
use futures_util::future::try_join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aws::{Aws, During, absent};
use crate::cloud::{Class, Fault, Owned};
use crate::kind::place::{ID_TAG, OWNER_TAG};
use crate::kind::rule::replace;
use crate::kind::{Flaw, Live, Name, Outputs, Owner, Phase, Place, Rule};
use crate::plan::diff::Diff;

use super::Resource;
use document::{Document, Validation, ours};

/// Whom a bucket tells of what happens to its objects. Configurations that others made on the
/// same bucket are left alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct S3Notification {
    /// The bucket's name, or `${id.name}` of a bucket in this blueprint.
    pub bucket: String,
    /// Who is told of what, by a name of your choice. In AWS, and in each message as
    /// `configurationId`, the name comes after a mark of whose it is.
    #[serde(default)]
    pub to: BTreeMap<String, Target>,
    /// Whether all events go to EventBridge's default bus too. Left out: as it is, for nothing in
    /// S3 says who turned it on.
    #[serde(default)]
    pub event_bridge: Option<bool>,
    /// Kept by no one: the ids of the configurations say whose they are.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// One that is told: a queue, a topic or a function, and what it is told of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// ARN of an SQS queue, not a FIFO one, whose policy lets `s3.amazonaws.com` send to it.
    #[serde(default)]
    pub queue: Option<String>,
    /// ARN of an SNS topic, not a FIFO one, whose policy lets `s3.amazonaws.com` publish to it.
    #[serde(default)]
    pub topic: Option<String>,
    /// ARN of a Lambda function that permits `s3.amazonaws.com` to invoke it.
    #[serde(default)]
    pub function: Option<String>,
    /// As `s3:ObjectCreated:*`.
    pub events: BTreeSet<String>,
    /// What the keys begin with; S3 tells of one event of an object to one target only.
    #[serde(default)]
    pub prefix: String,
    /// What the keys end with.
    #[serde(default)]
    pub suffix: String,
}

const ABSENT: &[&str] = &["NoSuchBucket", "NotFound"];
const GET: &str = "s3:GetBucketNotificationConfiguration";
const PUT: &str = "s3:PutBucketNotificationConfiguration";

impl Resource for S3Notification {
    const KIND: &'static str = "s3-notification";
    const OUTPUTS: &'static [&'static str] = &["bucket"];
    const RULES: &'static [Rule] = &[replace("bucket")];

    fn identity(&self) -> Name {
        Name::new(&self.bucket)
    }

    fn check(&self) -> Vec<Flaw> {
        check::flaws(self)
    }

    fn predict(&self, _place: &Place) -> Outputs {
        outputs(&self.bucket)
    }

    fn reconcile(&self, live: &mut Self) {
        // There are no tags in AWS: the ids say whose they are, and the rest is the blueprint's.
        if live.tags.get(OWNER_TAG) == self.tags.get(OWNER_TAG) {
            let id = live.tags.remove(ID_TAG);
            live.tags.clone_from(&self.tags);
            live.tags.extend(id.map(|id| (ID_TAG.to_owned(), id)));
        }
    }

    async fn observe(aws: &Aws, identity: &Name) -> Result<Option<Live<Self>>, Fault> {
        let (api, bucket) = (aws.s3(), identity.as_str());
        let owner = &aws.place.owner;
        let found = seen(aws, bucket).await?;
        let Some(found) = found.as_ref() else { return Ok(None) };
        let spec = read(bucket, owner, found);
        // EventBridge has no id: it is ours where the bucket is.
        let nothing = spec.to.is_empty() && spec.event_bridge == Some(false);
        if nothing || spec.to.is_empty() && !owns(&api, bucket, owner).await? {
            return Ok(None);
        }
        Ok(Some(Live { spec, outputs: outputs(bucket), phase: Phase::Ready }))
    }

    async fn create(&self, aws: &Aws) -> Result<(), Fault> {
        self.put(aws).await
    }

    async fn update(&self, aws: &Aws, _live: &Live<Self>, _diff: &Diff) -> Result<(), Fault> {
        self.put(aws).await
    }

    /// What is others' stays. It is not validated again: one of them may have lost its target.
    async fn delete(aws: &Aws, identity: &Name, _live: &Live<Self>) -> Result<(), Fault> {
        let (api, bucket) = (aws.s3(), identity.as_str());
        let owner = &aws.place.owner;
        let Some(mut left) = absent(get(&api, bucket).await, ABSENT)? else { return Ok(()) };
        left.drop(|id| ours(owner, id).is_some());
        if owns(&api, bucket, owner).await? {
            left.event_bridge = None;
        }
        absent(left.put(&api, bucket, Validation::Skipped).await, ABSENT)?;
        Ok(())
    }

    /// The configurations that carry our mark, on the buckets that carry our tag.
    async fn owned(aws: &Aws) -> Result<Vec<Owned>, Fault> {
        let owner = &aws.place.owner;
        let found = try_join_all(buckets(aws).await?.into_iter().map(async |bucket| {
            let bucket = bucket.as_str();
            let found = seen(aws, bucket).await?;
            let Some(found) = found.as_ref() else { return Ok(None) };
            let id = read(bucket, owner, found).tags.remove(ID_TAG);
            let (kind, identity) = (Self::KIND.to_owned(), Name::new(bucket));
            Ok(id.map(|id| Owned { kind, id, identity, arn: None }))
        }));
        Ok(found.await?.into_iter().flatten().collect())
    }
}

fn outputs(bucket: &str) -> Outputs {
    Outputs::from([("bucket".into(), bucket.to_owned())])
}

async fn get(api: &Client, bucket: &str) -> Result<Document, Fault> {
    let answer = api.get_bucket_notification_configuration().bucket(bucket).send().await;
    answer.during(GET).map(Document::from)
}

/// As this look finds it, which asks for it by name and searches it for what is ours.
async fn seen(aws: &Aws, bucket: &str) -> Result<Arc<Option<Document>>, Fault> {
    aws.once(bucket, async { absent(get(&aws.s3(), bucket).await, ABSENT) }).await
}

/// The buckets of this owner, as the tagging API lists them.
async fn buckets(aws: &Aws) -> Result<Vec<String>, Fault> {
    let listing = aws.listed().await?;
    let arns = listing.iter().filter_map(|(arn, _)| arn.split_once(":s3:::"));
    Ok(arns.map(|(_, name)| name).filter(|name| !name.contains('/')).map(str::to_owned).collect())
}

/// Whether the bucket carries the owner's tag.
async fn owns(api: &Client, bucket: &str, owner: &Owner) -> Result<bool, Fault> {
    const UNTAGGED: &[&str] = &["NoSuchTagSet", "NoSuchBucket", "NotFound"];
    let answer = api.get_bucket_tagging().bucket(bucket).send().await;
    let found = absent(answer.during("s3:GetBucketTagging"), UNTAGGED)?;
    let ours = found.is_some_and(|found| {
        found.tag_set().iter().any(|tag| tag.key() == OWNER_TAG && tag.value() == owner.0)
    });
    Ok(ours)
}

/// What of a bucket's document is this owner's.
fn read(bucket: &str, owner: &Owner, found: &Document) -> S3Notification {
    let mut to = BTreeMap::new();
    let mut tags = BTreeMap::from([(OWNER_TAG.to_owned(), owner.0.clone())]);
    for (id, target) in found.configurations() {
        let Some((resource, key)) = ours(owner, &id) else { continue };
        tags.insert(ID_TAG.to_owned(), resource.to_owned());
        to.insert(key.to_owned(), target);
    }
    let event_bridge = Some(found.event_bridge.is_some());
    S3Notification { bucket: bucket.to_owned(), to, event_bridge, tags }
}

impl S3Notification {
    /// The document as it is at this moment, with what is ours in it as the blueprint has it.
    async fn put(&self, aws: &Aws) -> Result<(), Fault> {
        let (api, owner) = (aws.s3(), &aws.place.owner);
        let mut document = get(&api, &self.bucket).await.map_err(young)?;
        document.drop(|id| ours(owner, id).is_some());
        self.clash(&document)?;
        if self.to.is_empty() && !owns(&api, &self.bucket, owner).await? {
            let what = "the bucket does not carry this blueprint's tag, so nothing would say \
                whose the setting of EventBridge is: name a target in `to`, or let the owner of \
                the bucket turn it on";
            return Err(Fault::new(Class::Invalid, PUT, what));
        }
        let resource = self.tags.get(ID_TAG).map(String::as_str).unwrap_or_default();
        for (key, target) in &self.to {
            document.add(document::id(owner, resource, key), target)?;
        }
        if let Some(on) = self.event_bridge {
            document.turn_event_bridge(on);
        }
        let done = document.put(&api, &self.bucket, Validation::Asked).await;
        done.map_err(|fault| self.refused(young(fault)))
    }

    /// S3 sends one event of an object to one target only, whoever configured it.
    fn clash(&self, others: &Document) -> Result<(), Fault> {
        for (id, theirs) in others.configurations() {
            for (key, target) in &self.to {
                if let Some(event) = check::overlap(target, &theirs) {
                    let what = format!(
                        "`{key}` wants `{event}` of objects that the bucket's configuration `{id}` \
                         has already, which this blueprint did not make; choose another prefix \
                         or suffix, or have `{id}` taken away"
                    );
                    return Err(Fault::new(Class::Invalid, PUT, what));
                }
            }
        }
        Ok(())
    }

    /// "Unable to validate the following destination configurations": S3 tries every target, and
    /// a permission or policy that is young does not let it in yet. It does not say which.
    fn refused(&self, fault: Fault) -> Fault {
        const UNREACHABLE: &str = "Unable to validate the following destination configurations";
        if !fault.says("InvalidArgument", UNREACHABLE) {
            return fault;
        }
        let arns: Vec<_> = self.to.values().filter_map(|target| target.arn()).collect();
        let message = format!(
            "{}: S3 sends a test to {}; the permission of a function, the policy of a queue or \
             topic, and of the key that encrypts it, have to let `s3.amazonaws.com` in from this \
             bucket",
            fault.message,
            arns.join(", ")
        );
        Fault { class: Class::NotYet, message, ..fault }
    }
}

impl Target {
    /// The one that is told.
    fn arn(&self) -> Option<&str> {
        self.queue.as_deref().or(self.topic.as_deref()).or(self.function.as_deref())
    }
}

/// A bucket made a moment ago.
fn young(fault: Fault) -> Fault {
    if fault.is("NoSuchBucket") { fault.class(Class::NotYet) } else { fault }
}

#[cfg(test)]
mod tests;
