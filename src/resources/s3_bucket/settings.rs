//! The parts of a bucket that are a document each: read all at once, written one by one.

use std::collections::BTreeMap;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_bucket_encryption::GetBucketEncryptionOutput;
use aws_sdk_s3::operation::get_bucket_lifecycle_configuration as get_lifecycle;
use aws_sdk_s3::operation::get_bucket_ownership_controls::GetBucketOwnershipControlsOutput;
use aws_sdk_s3::operation::get_bucket_policy::GetBucketPolicyOutput;
use aws_sdk_s3::operation::get_bucket_versioning::GetBucketVersioningOutput;
use aws_sdk_s3::operation::get_public_access_block::GetPublicAccessBlockOutput;
use aws_sdk_s3::types::{
    BucketVersioningStatus, ObjectOwnership, OwnershipControls, OwnershipControlsRule,
    PublicAccessBlockConfiguration, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aws::{Aws, During, absent};
use crate::cloud::{Class, Fault};
use crate::kind::values::policy::Policy;
use crate::kind::values::tags::without_aws;
use crate::kind::{Flaw, Name};

use super::policy::{Tls, split};
use super::{S3Bucket, Tags, arn, lifecycle};

/// How objects are encrypted that do not say it themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Encryption {
    /// `aes256` by S3's own keys; `kms` by a KMS key, `kms-dsse` by it twice.
    pub sse: Sse,
    /// The KMS key: id, ARN or alias. Left out: `alias/aws/s3`, the account's key for S3.
    pub key: String,
    /// One request to KMS for many objects, with `kms` only.
    pub bucket_key: bool,
}

impl Default for Encryption {
    fn default() -> Self {
        Self { sse: Sse::Aes256, key: AWS_KEY.into(), bucket_key: false }
    }
}

const AWS_KEY: &str = "alias/aws/s3";

/// Whose keys encrypt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sse {
    Aes256,
    Kms,
    KmsDsse,
}

impl Encryption {
    pub fn check(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        if self.sse == Sse::Aes256 && self.key != AWS_KEY {
            flaws.push(
                Flaw::error("encryption.key", "`aes256` encrypts with S3's own keys")
                    .hint("write `sse: kms` beside it"),
            );
        }
        if self.sse != Sse::Kms && self.bucket_key {
            flaws.push(
                Flaw::error("encryption.bucket_key", "only `sse: kms` has bucket keys")
                    .hint("leave out `bucket_key`, or write `sse: kms`"),
            );
        }
        flaws
    }

    fn read(found: Option<&GetBucketEncryptionOutput>) -> Self {
        let rules = found.and_then(|f| f.server_side_encryption_configuration()).map(|c| c.rules());
        let Some(rule) = rules.and_then(<[_]>::first) else { return Self::default() };
        let Some(by_default) = rule.apply_server_side_encryption_by_default() else {
            return Self::default();
        };
        let sse = match by_default.sse_algorithm() {
            ServerSideEncryption::AwsKms => Sse::Kms,
            ServerSideEncryption::AwsKmsDsse => Sse::KmsDsse,
            _ => Sse::Aes256,
        };
        let key = by_default.kms_master_key_id().filter(|_| sse != Sse::Aes256);
        Self {
            sse,
            key: key.unwrap_or(AWS_KEY).to_owned(),
            bucket_key: sse == Sse::Kms && rule.bucket_key_enabled().unwrap_or_default(),
        }
    }

    pub async fn put(&self, api: &Client, bucket: &str) -> Result<(), Fault> {
        let operation = "s3:PutBucketEncryption";
        let algorithm = match self.sse {
            Sse::Aes256 => ServerSideEncryption::Aes256,
            Sse::Kms => ServerSideEncryption::AwsKms,
            Sse::KmsDsse => ServerSideEncryption::AwsKmsDsse,
        };
        let key = (self.key != AWS_KEY).then(|| self.key.clone());
        let by_default = ServerSideEncryptionByDefault::builder().sse_algorithm(algorithm);
        let by_default = by_default.set_kms_master_key_id(key).build().during(operation)?;
        let rule = ServerSideEncryptionRule::builder()
            .apply_server_side_encryption_by_default(by_default)
            .bucket_key_enabled(self.bucket_key)
            .build();
        let config = ServerSideEncryptionConfiguration::builder().rules(rule).build();
        let call = api.put_bucket_encryption().bucket(bucket);
        let call = call.server_side_encryption_configuration(config.during(operation)?);
        call.send().await.during(operation).map(|_| ())
    }
}

/// What keeps a bucket from being public.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PublicAccessBlock {
    /// Refuses access lists that would make something public.
    pub block_public_acls: bool,
    /// Lets public access lists that exist count for nothing.
    pub ignore_public_acls: bool,
    /// Refuses a policy that would make the bucket public.
    pub block_public_policy: bool,
    /// Lets only the account and AWS's services in while the policy is public.
    pub restrict_public_buckets: bool,
}

impl Default for PublicAccessBlock {
    fn default() -> Self {
        Self::all(true)
    }
}

impl PublicAccessBlock {
    const fn all(on: bool) -> Self {
        Self {
            block_public_acls: on,
            ignore_public_acls: on,
            block_public_policy: on,
            restrict_public_buckets: on,
        }
    }

    fn read(found: Option<&GetPublicAccessBlockOutput>) -> Self {
        let Some(block) = found.and_then(|f| f.public_access_block_configuration()) else {
            return Self::all(false);
        };
        Self {
            block_public_acls: block.block_public_acls().unwrap_or_default(),
            ignore_public_acls: block.ignore_public_acls().unwrap_or_default(),
            block_public_policy: block.block_public_policy().unwrap_or_default(),
            restrict_public_buckets: block.restrict_public_buckets().unwrap_or_default(),
        }
    }

    pub async fn put(&self, api: &Client, bucket: &str) -> Result<(), Fault> {
        let block = PublicAccessBlockConfiguration::builder()
            .block_public_acls(self.block_public_acls)
            .ignore_public_acls(self.ignore_public_acls)
            .block_public_policy(self.block_public_policy)
            .restrict_public_buckets(self.restrict_public_buckets)
            .build();
        let call = api.put_public_access_block().bucket(bucket);
        let done = call.public_access_block_configuration(block).send().await;
        done.during("s3:PutPublicAccessBlock").map(|_| ())
    }
}

/// Who owns the objects, and whether access lists count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ownership {
    /// The bucket's owner; access lists do not count.
    #[default]
    BucketOwnerEnforced,
    /// The bucket's owner, where the writer says so.
    BucketOwnerPreferred,
    /// Whoever wrote them.
    ObjectWriter,
}

fn read_ownership(found: Option<&GetBucketOwnershipControlsOutput>) -> Ownership {
    let rules = found.and_then(|f| f.ownership_controls()).map(|controls| controls.rules());
    match rules.and_then(<[_]>::first).map(OwnershipControlsRule::object_ownership) {
        Some(ObjectOwnership::BucketOwnerEnforced) => Ownership::BucketOwnerEnforced,
        Some(ObjectOwnership::BucketOwnerPreferred) => Ownership::BucketOwnerPreferred,
        // Buckets from before this could be chosen.
        _ => Ownership::ObjectWriter,
    }
}

pub async fn put_ownership(api: &Client, bucket: &str, ownership: Ownership) -> Result<(), Fault> {
    let operation = "s3:PutBucketOwnershipControls";
    let ownership = match ownership {
        Ownership::BucketOwnerEnforced => ObjectOwnership::BucketOwnerEnforced,
        Ownership::BucketOwnerPreferred => ObjectOwnership::BucketOwnerPreferred,
        Ownership::ObjectWriter => ObjectOwnership::ObjectWriter,
    };
    let rule = OwnershipControlsRule::builder().object_ownership(ownership).build();
    let controls = OwnershipControls::builder().rules(rule.during(operation)?).build();
    let call = api.put_bucket_ownership_controls().bucket(bucket);
    let done = call.ownership_controls(controls.during(operation)?).send().await;
    done.during(operation).map(|_| ())
}

/// What S3 answered of a bucket, each part on its own; `None` where it is not set.
pub struct Parts {
    versioning: GetBucketVersioningOutput,
    encryption: Option<GetBucketEncryptionOutput>,
    public_access_block: Option<GetPublicAccessBlockOutput>,
    ownership: Option<GetBucketOwnershipControlsOutput>,
    policy: Option<GetBucketPolicyOutput>,
    lifecycle: Option<get_lifecycle::GetBucketLifecycleConfigurationOutput>,
    tags: Tags,
}

impl Parts {
    pub async fn get(aws: &Aws, api: &Client, bucket: &str) -> Result<Self, Fault> {
        let arn = arn(bucket, &aws.place);
        let (versions, encryption, block, ownership, policy, rules, tags) = futures_util::join!(
            api.get_bucket_versioning().bucket(bucket).send(),
            api.get_bucket_encryption().bucket(bucket).send(),
            api.get_public_access_block().bucket(bucket).send(),
            api.get_bucket_ownership_controls().bucket(bucket).send(),
            api.get_bucket_policy().bucket(bucket).send(),
            api.get_bucket_lifecycle_configuration().bucket(bucket).send(),
            aws.tags(&arn, tags_of(api, bucket)),
        );
        let encryption = encryption.during("s3:GetEncryptionConfiguration");
        let block = block.during("s3:GetBucketPublicAccessBlock");
        let ownership = ownership.during("s3:GetBucketOwnershipControls");
        let rules = rules.during("s3:GetLifecycleConfiguration");
        Ok(Self {
            versioning: versions.during("s3:GetBucketVersioning")?,
            encryption: absent(encryption, &["ServerSideEncryptionConfigurationNotFoundError"])?,
            public_access_block: absent(block, &["NoSuchPublicAccessBlockConfiguration"])?,
            ownership: absent(ownership, &["OwnershipControlsNotFoundError"])?,
            policy: absent(policy.during("s3:GetBucketPolicy"), &["NoSuchBucketPolicy"])?,
            lifecycle: absent(rules, &["NoSuchLifecycleConfiguration"])?,
            tags: tags?.unwrap_or_default(),
        })
    }

    /// The same in the blueprint's words.
    pub fn read(&self, name: &Name) -> Result<S3Bucket, Fault> {
        let text = self.policy.as_ref().and_then(GetBucketPolicyOutput::policy);
        let whole = text.map(Policy::parse).transpose();
        let broken = |why| Fault::new(Class::Broken, "s3:GetBucketPolicy", why);
        let (policy, tls) = split(name.as_str(), &whole.map_err(broken)?.unwrap_or_default());
        Ok(S3Bucket {
            name: name.clone(),
            versioning: self.versioning.status() == Some(&BucketVersioningStatus::Enabled),
            encryption: Encryption::read(self.encryption.as_ref()),
            public_access_block: PublicAccessBlock::read(self.public_access_block.as_ref()),
            ownership: read_ownership(self.ownership.as_ref()),
            tls_only: tls == Tls::Only,
            policy,
            lifecycle: self
                .lifecycle
                .as_ref()
                .map_or_else(BTreeMap::new, |found| lifecycle::read(found.rules())),
            tags: self.tags.clone(),
        })
    }
}

async fn tags_of(api: &Client, bucket: &str) -> Result<Option<Tags>, Fault> {
    let answer = api.get_bucket_tagging().bucket(bucket).send().await;
    let answer = absent(answer.during("s3:GetBucketTagging"), &["NoSuchTagSet"])?;
    let pair = |tag: &aws_sdk_s3::types::Tag| (tag.key().to_owned(), tag.value().to_owned());
    Ok(answer.map(|answer| without_aws(answer.tag_set().iter().map(pair))))
}

/// Whether the bucket is there and this account's, in this region.
pub async fn head(aws: &Aws, api: &Client, bucket: &str) -> Result<(), Fault> {
    let call = api.head_bucket().bucket(bucket).expected_bucket_owner(&aws.place.account);
    let answer = call.send().await;
    // An answer from elsewhere says where only in this header.
    let region = match &answer {
        Ok(found) => found.bucket_region(),
        Err(error) => error.raw_response().and_then(|r| r.headers().get("x-amz-bucket-region")),
    };
    let region = region.map(str::to_owned);
    let answer = answer.during("s3:HeadBucket").map(|_| ());
    verdict(bucket, answer, region.as_deref(), &aws.place.region)
}

fn verdict(
    bucket: &str,
    answer: Result<(), Fault>,
    region: Option<&str>,
    here: &str,
) -> Result<(), Fault> {
    let nowhere = answer.as_ref().is_err_and(|fault| fault.is("NotFound"));
    if let Some(region) = region.filter(|region| *region != here && !nowhere) {
        let what = format!(
            "the bucket `{bucket}` exists in {region}, and this blueprint is for {here}; names \
             are unique among all regions and accounts: choose another"
        );
        return Err(Fault::new(Class::Invalid, "s3:HeadBucket", what));
    }
    answer.map_err(|fault| match fault.class {
        Class::Denied => {
            let message = format!(
                "the bucket `{bucket}` exists, and it is another account's or these credentials \
                 may not see it (s3:ListBucket)"
            );
            Fault { message, ..fault }
        }
        _ => fault,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn bare() -> Parts {
        Parts {
            versioning: GetBucketVersioningOutput::builder().build(),
            encryption: None,
            public_access_block: None,
            ownership: None,
            policy: None,
            lifecycle: None,
            tags: Tags::new(),
        }
    }

    fn encrypted(by_default: ServerSideEncryptionByDefault) -> GetBucketEncryptionOutput {
        let rule = ServerSideEncryptionRule::builder()
            .apply_server_side_encryption_by_default(by_default)
            .bucket_key_enabled(true)
            .build();
        let config = ServerSideEncryptionConfiguration::builder().rules(rule).build();
        let config = config.expect("complete");
        GetBucketEncryptionOutput::builder().server_side_encryption_configuration(config).build()
    }

    #[test]
    fn a_bucket_without_any_part_is_open_and_unversioned() {
        let bucket = bare().read(&Name::new("lake")).expect("a bucket");
        assert_eq!(bucket.public_access_block, PublicAccessBlock::all(false));
        assert_eq!(bucket.ownership, Ownership::ObjectWriter);
        assert_eq!(bucket.encryption, Encryption::default());
        assert!(!bucket.versioning && !bucket.tls_only);
        assert!(bucket.policy.is_empty() && bucket.lifecycle.is_empty() && bucket.tags.is_empty());
    }

    #[test]
    fn a_new_bucket_lacks_only_tls_of_the_defaults() {
        let block = PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .ignore_public_acls(true)
            .block_public_policy(true)
            .restrict_public_buckets(true)
            .build();
        let rule = OwnershipControlsRule::builder()
            .object_ownership(ObjectOwnership::BucketOwnerEnforced)
            .build()
            .expect("complete");
        let controls = OwnershipControls::builder().rules(rule).build().expect("complete");
        let parts = Parts {
            public_access_block: Some(
                GetPublicAccessBlockOutput::builder()
                    .public_access_block_configuration(block)
                    .build(),
            ),
            ownership: Some(
                GetBucketOwnershipControlsOutput::builder().ownership_controls(controls).build(),
            ),
            tags: [("team".to_owned(), "x".to_owned())].into(),
            ..bare()
        };
        let written = json!({"name": "lake", "tls_only": false, "tags": {"team": "x"}});
        let written: S3Bucket = serde_json::from_value(written).expect("a spec");
        assert_eq!(parts.read(&Name::new("lake")).expect("a bucket"), written);
    }

    #[test]
    fn kms_without_a_key_is_the_accounts_own() {
        let by_default = |sse, key: Option<&str>| {
            let by_default = ServerSideEncryptionByDefault::builder().sse_algorithm(sse);
            by_default.set_kms_master_key_id(key.map(str::to_owned)).build().expect("complete")
        };
        use ServerSideEncryption as S;
        for (sse, key, expected) in [
            (S::Aes256, None, (Sse::Aes256, AWS_KEY, false)),
            (S::AwsKms, None, (Sse::Kms, AWS_KEY, true)),
            (S::AwsKms, Some("1234"), (Sse::Kms, "1234", true)),
            (S::AwsKmsDsse, Some("1234"), (Sse::KmsDsse, "1234", false)),
        ] {
            let read = Encryption::read(Some(&encrypted(by_default(sse, key))));
            assert_eq!((read.sse, read.key.as_str(), read.bucket_key), expected);
        }
    }

    #[test]
    fn a_bucket_that_is_not_ours_or_elsewhere_is_said_in_words() {
        let fault = |class, code: &str| {
            let fault = Fault::new(class, "s3:HeadBucket", "AWS answered and no message");
            Err(Fault { code: Some(code.into()), ..fault })
        };
        let here = "eu-west-1";
        for (answer, region, words) in [
            (Ok(()), Some(here), None),
            (Ok(()), None, None),
            (Ok(()), Some("us-east-1"), Some("exists in us-east-1")),
            (fault(Class::Invalid, "PermanentRedirect"), Some("us-east-1"), Some("exists in us-")),
            (fault(Class::Denied, "AccessDenied"), Some(here), Some("is another account's")),
            (fault(Class::Invalid, "NotFound"), Some("us-east-1"), Some("no message")),
        ] {
            let found = verdict("lake", answer, region, here).err().map(|fault| fault.message);
            match (&found, words) {
                (Some(message), Some(words)) => assert!(message.contains(words), "{message}"),
                _ => assert!(found.is_none() && words.is_none(), "{found:?}"),
            }
        }
    }
}
