//! `firehose-stream`: a Firehose delivery stream into S3.

mod check;
mod conversion;
mod destination;
mod processing;
mod read;
mod readings;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use aws_sdk_firehose::Client;
use aws_sdk_firehose::types::{
    DeliveryStreamEncryptionConfigurationInput, DeliveryStreamType, KeyType,
    KinesisStreamSourceConfiguration, Tag,
};
use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aws::{Aws, During, absent};
use crate::cloud::{Class, Fault};
use crate::kind::rule::replace;
use crate::kind::values::key::same_key;
use crate::kind::values::or_none::OrNone;
use crate::kind::values::tags::{unwanted, without_aws};
use crate::kind::{Flaw, Live, Name, Outputs, Place, Rule};
use crate::plan::diff::Diff;
use crate::status::reading::{Gauge, Sight};

use super::{Resource, Tags};

use conversion::{Orc, Parquet};
use destination::{Backup, Buffer, Compression, Logging, Partitioning};
use processing::Processing;

/// A Firehose delivery stream into S3.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FirehoseStream {
    pub name: Name,
    /// The Kinesis stream that it reads; `none` for records that are put into it directly.
    #[serde(default)]
    pub source: OrNone<Source>,
    /// ARN of the role that writes to the bucket.
    pub role: String,
    /// ARN of the bucket.
    pub bucket: String,
    /// What the keys of the objects start with, as `events/year=!{timestamp:yyyy}/`. Left out:
    /// `yyyy/MM/dd/HH/`.
    #[serde(default)]
    pub prefix: String,
    /// What the keys of failed records start with, as `errors/!{firehose:error-output-type}/`.
    #[serde(default)]
    pub error_prefix: String,
    #[serde(default)]
    pub buffer: Buffer,
    #[serde(default)]
    pub compression: Compression,
    /// ARN of the KMS key that encrypts the objects; `none` for the bucket's own encryption.
    #[serde(default = "none")]
    pub key: String,
    /// Converts JSON records to Parquet; `none` for no conversion.
    #[serde(default)]
    pub parquet: OrNone<Parquet>,
    /// Converts JSON records to ORC; `none` for no conversion.
    #[serde(default)]
    pub orc: OrNone<Orc>,
    #[serde(default)]
    pub processing: Processing,
    #[serde(default)]
    pub dynamic_partitioning: Partitioning,
    /// Where failures are logged; `none` for nowhere.
    #[serde(default)]
    pub logging: OrNone<Logging>,
    /// A copy of the records as they came; `none` for none. Once there is one, AWS does not take
    /// it away again.
    #[serde(default)]
    pub backup: OrNone<Backup>,
    /// Time zone of the timestamps in prefixes, as `Europe/Berlin`.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// What the keys of the objects end with, as `.json.gz`. Left out: as the format has it.
    #[serde(default)]
    pub file_extension: String,
    /// Encrypts the records while Firehose has them, where they are put directly: `none`,
    /// `aws-owned`, or the ARN of a KMS key.
    #[serde(default = "none")]
    pub encryption: String,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// A Kinesis stream, read from its newest record on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// ARN of the stream.
    pub stream: String,
    /// ARN of the role that reads it.
    pub role: String,
}

fn none() -> String {
    NONE.to_owned()
}

fn utc() -> String {
    "UTC".to_owned()
}

const NONE: &str = "none";
const AWS_OWNED: &str = "aws-owned";
const ABSENT: &[&str] = &["ResourceNotFoundException"];
/// Notes of this kind among the outputs: what `UpdateDestination` asks for.
const VERSION: &str = "version";
const DESTINATION: &str = "destination";

impl Resource for FirehoseStream {
    const KIND: &'static str = "firehose-stream";
    const OUTPUTS: &'static [&'static str] = &["arn", "name"];
    const RULES: &'static [Rule] =
        &[replace("name"), replace("source"), replace("dynamic_partitioning.enabled")];

    fn identity(&self) -> Name {
        self.name.clone()
    }

    fn check(&self) -> Vec<Flaw> {
        check::check(self)
    }

    fn predict(&self, place: &Place) -> Outputs {
        outputs(&self.name, place)
    }

    fn reconcile(&self, live: &mut Self) {
        self.processing.reconcile(&mut live.processing);
        if same_key(&self.key, &live.key) {
            live.key.clone_from(&self.key);
        }
        if same_key(&self.encryption, &live.encryption) {
            live.encryption.clone_from(&self.encryption);
        }
        if let (Some(ours), Some(theirs)) = (self.backup.as_ref(), &mut live.backup.0)
            && same_key(&ours.key, &theirs.key)
        {
            theirs.key.clone_from(&ours.key);
        }
    }

    async fn observe(aws: &Aws, identity: &Name) -> Result<Option<Live<Self>>, Fault> {
        let api = aws.client::<Client>();
        let name = identity.as_str();
        let arn = arn(identity, &aws.place);
        let (stream, tags) = futures_util::join!(
            api.describe_delivery_stream().delivery_stream_name(name).send(),
            aws.tags(&arn, tags_of(&api, name)),
        );
        let Some(found) = absent(stream.during("firehose:DescribeDeliveryStream"), ABSENT)? else {
            return Ok(None);
        };
        let Some(tags) = tags? else { return Ok(None) };
        let Some(stream) = found.delivery_stream_description() else { return Ok(None) };
        read::read(stream, tags, &aws.place).map(Some)
    }

    async fn create(&self, aws: &Aws) -> Result<(), Fault> {
        const CALL: &str = "firehose:CreateDeliveryStream";
        let mut call = aws
            .client::<Client>()
            .create_delivery_stream()
            .delivery_stream_name(self.name.as_str())
            .extended_s3_destination_configuration(self.configuration(CALL)?)
            .delivery_stream_type(DeliveryStreamType::DirectPut);
        if let Some(Source { stream, role }) = self.source.as_ref() {
            let source = KinesisStreamSourceConfiguration::builder();
            let source = source.kinesis_stream_arn(stream).role_arn(role).build().during(CALL)?;
            call = call
                .delivery_stream_type(DeliveryStreamType::KinesisStreamAsSource)
                .kinesis_stream_source_configuration(source);
        }
        if self.encryption != NONE {
            let encryption = self.encryption_input(CALL)?;
            call = call.delivery_stream_encryption_configuration_input(encryption);
        }
        // AWS takes tags, but no empty list of them.
        if !self.tags.is_empty() {
            call = call.set_tags(Some(self.sdk_tags(CALL)?));
        }
        call.send().await.during(CALL).map_err(young)?;
        Ok(())
    }

    async fn update(&self, aws: &Aws, live: &Live<Self>, diff: &Diff) -> Result<(), Fault> {
        if diff.touches("tags") {
            self.update_tags(aws, &live.spec.tags).await?;
        }
        let elsewhere = ["tags", "encryption"];
        let at = |path: &str| path.split('.').next().is_some_and(|top| elsewhere.contains(&top));
        if diff.0.iter().any(|change| !at(&change.path)) {
            self.redirect(aws, live).await?;
        }
        if diff.touches("encryption") {
            self.encrypt(aws).await?;
        }
        Ok(())
    }

    async fn delete(aws: &Aws, identity: &Name, _live: &Live<Self>) -> Result<(), Fault> {
        let call = aws.client::<Client>().delete_delivery_stream();
        // A grant on a key that is gone cannot be given back, and does not keep the stream.
        let call = call.delivery_stream_name(identity.as_str()).allow_force_delete(true);
        absent(call.send().await.during("firehose:DeleteDeliveryStream"), ABSENT)?;
        Ok(())
    }

    async fn watch(aws: &Aws, identities: &[Name]) -> Vec<Result<Sight, Fault>> {
        join_all(identities.iter().map(|name| readings::sight(aws, name))).await
    }

    fn gauges(identity: &Name) -> Vec<Gauge> {
        readings::gauges(identity)
    }

    fn listed(arn: &str, _tags: &Tags) -> Option<Name> {
        let (_, name) = arn.split_once(":firehose:")?.1.split_once(":deliverystream/")?;
        Some(Name::new(name))
    }
}

fn arn(name: &Name, place: &Place) -> String {
    place.arn("firehose", &format!("deliverystream/{name}"))
}

async fn tags_of(api: &Client, name: &str) -> Result<Option<Tags>, Fault> {
    let answer = api.list_tags_for_delivery_stream().delivery_stream_name(name).limit(50).send();
    let answer = absent(answer.await.during("firehose:ListTagsForDeliveryStream"), ABSENT)?;
    let pair = |tag: &Tag| (tag.key().to_owned(), tag.value().unwrap_or_default().to_owned());
    Ok(answer.map(|answer| without_aws(answer.tags().iter().map(pair))))
}

fn outputs(name: &Name, place: &Place) -> Outputs {
    Outputs::from([("arn".into(), arn(name, place)), ("name".into(), name.to_string())])
}

/// What a role, a policy, a grant or a key made in this apply may still be refused with:
/// "Firehose is unable to assume role arn:… Please check the role provided.", "Access was denied
/// when calling Glue", "… is not authorized to perform: …", "Verify that the IAM role has access".
fn young(fault: Fault) -> Fault {
    const ROLE: [&str; 4] = [
        "unable to assume role",
        "Access was denied",
        "is not authorized to",
        "Verify that the IAM role has access",
    ];
    let role = ROLE.iter().any(|words| fault.says("InvalidArgumentException", words));
    if role || fault.is("InvalidKMSResourceException") { fault.class(Class::NotYet) } else { fault }
}

impl FirehoseStream {
    fn sdk_tags(&self, operation: &'static str) -> Result<Vec<Tag>, Fault> {
        let tag = |(key, value)| Tag::builder().key(key).value(value).build().during(operation);
        self.tags.iter().map(tag).collect()
    }

    fn encryption_input(
        &self,
        operation: &'static str,
    ) -> Result<DeliveryStreamEncryptionConfigurationInput, Fault> {
        let input = DeliveryStreamEncryptionConfigurationInput::builder();
        let input = if self.encryption == AWS_OWNED {
            input.key_type(KeyType::AwsOwnedCmk)
        } else {
            input.key_type(KeyType::CustomerManagedCmk).key_arn(&self.encryption)
        };
        input.build().during(operation)
    }

    /// The version is the one that was looked at: AWS refuses if another change got there first.
    async fn redirect(&self, aws: &Aws, live: &Live<Self>) -> Result<(), Fault> {
        const CALL: &str = "firehose:UpdateDestination";
        if self.backup.is_none() && !live.spec.backup.is_none() {
            let what = "AWS never disables the backup of a delivery stream again; keep `backup`, \
                        or delete the stream and let it be made anew";
            return Err(Fault::new(Class::Invalid, CALL, what));
        }
        let note = |key: &str| live.outputs.get(key).cloned();
        let call = aws
            .client::<Client>()
            .update_destination()
            .delivery_stream_name(self.name.as_str())
            .set_current_delivery_stream_version_id(note(VERSION))
            .set_destination_id(note(DESTINATION))
            .extended_s3_destination_update(self.destination_update(&live.spec, CALL)?);
        call.send().await.during(CALL).map_err(young)?;
        Ok(())
    }

    async fn encrypt(&self, aws: &Aws) -> Result<(), Fault> {
        let (api, name) = (aws.client::<Client>(), self.name.as_str());
        if self.encryption == NONE {
            let call = api.stop_delivery_stream_encryption().delivery_stream_name(name);
            call.send().await.during("firehose:StopDeliveryStreamEncryption")?;
        } else {
            const CALL: &str = "firehose:StartDeliveryStreamEncryption";
            let call = api.start_delivery_stream_encryption().delivery_stream_name(name);
            let call =
                call.delivery_stream_encryption_configuration_input(self.encryption_input(CALL)?);
            call.send().await.during(CALL).map_err(young)?;
        }
        Ok(())
    }

    async fn update_tags(&self, aws: &Aws, live: &BTreeMap<String, String>) -> Result<(), Fault> {
        let (api, name) = (aws.client::<Client>(), self.name.as_str());
        let gone = unwanted(&self.tags, live);
        if !gone.is_empty() {
            let call = api.untag_delivery_stream().delivery_stream_name(name);
            let call = call.set_tag_keys(Some(gone));
            call.send().await.during("firehose:UntagDeliveryStream")?;
        }
        if !self.tags.is_empty() {
            const CALL: &str = "firehose:TagDeliveryStream";
            let call = api.tag_delivery_stream().delivery_stream_name(name);
            call.set_tags(Some(self.sdk_tags(CALL)?)).send().await.during(CALL)?;
        }
        Ok(())
    }
}
