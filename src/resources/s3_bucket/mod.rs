//! `s3-bucket`: an S3 bucket, with all that S3 keeps beside it in documents of their own.

mod contents;
mod lifecycle;
mod policy;
mod settings;

use std::collections::BTreeMap;

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration, Tag, Tagging,
    VersioningConfiguration,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aws::{Aws, During, absent};
use crate::cloud::{Class, Contents, Fault};
use crate::kind::rule::replace;
use crate::kind::values::key::same_key;
use crate::kind::values::policy::Policy;
use crate::kind::{Flaw, Live, Name, Outputs, Phase, Place, Rule};
use crate::plan::diff::Diff;

use self::lifecycle::LifecycleRule;
use self::settings::{Encryption, Ownership, Parts, PublicAccessBlock};
use super::s3::name_flaw;
use super::{Resource, Tags};

/// An S3 bucket.
///
/// Its policy, lifecycle and tags are the blueprint's alone: what others add there is taken away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct S3Bucket {
    /// Unique among all buckets of all accounts: 3 to 63 lower-case letters, digits and hyphens.
    pub name: Name,
    /// Keeps what is overwritten and deleted as old versions. Turned off again, it keeps those
    /// that there are and makes no more.
    #[serde(default)]
    pub versioning: bool,
    /// How objects are encrypted that do not say it themselves.
    #[serde(default)]
    pub encryption: Encryption,
    /// What keeps the bucket from being public, all of it on by default.
    #[serde(default)]
    pub public_access_block: PublicAccessBlock,
    /// Who owns the objects, and whether access lists count.
    #[serde(default)]
    pub ownership: Ownership,
    /// Refuses requests without TLS, by a statement in the bucket's policy.
    #[serde(default = "yes")]
    pub tls_only: bool,
    /// The bucket's policy without the statement that `tls_only` makes. Left out: none.
    #[serde(default)]
    pub policy: Policy,
    /// When objects move to cheaper storage and when they are deleted, by a name of your choice.
    #[serde(default)]
    pub lifecycle: BTreeMap<String, LifecycleRule>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

fn yes() -> bool {
    true
}

/// HEAD has no body to say more.
const ABSENT: &[&str] = &["NoSuchBucket", "NotFound"];

impl Resource for S3Bucket {
    const KIND: &'static str = "s3-bucket";
    const OUTPUTS: &'static [&'static str] = &["arn", "name", "domain", "url"];
    const RULES: &'static [Rule] = &[replace("name")];
    const HOLDS_DATA: bool = true;

    fn identity(&self) -> Name {
        self.name.clone()
    }

    fn check(&self) -> Vec<Flaw> {
        let mut flaws: Vec<_> = name_flaw(self.name.as_str()).into_iter().collect();
        flaws.extend(self.encryption.check());
        let plain = |s: &_| policy::denies_plain_http(self.name.as_str(), s);
        if self.policy.statements().iter().any(plain) {
            let hint = "leave the statement out of `policy`, and write `tls_only: true`";
            let what = "this statement is what `tls_only` stands for";
            flaws.push(Flaw::error("policy", what).hint(hint));
        }
        for (id, rule) in &self.lifecycle {
            let at = format!("lifecycle.{id}");
            if id.is_empty() || id.len() > 255 {
                flaws.push(Flaw::error(&at, "a rule's name has 1 to 255 characters"));
            }
            flaws.extend(rule.check(&at));
        }
        flaws
    }

    fn predict(&self, place: &Place) -> Outputs {
        outputs(&self.name, place)
    }

    fn reconcile(&self, live: &mut Self) {
        if same_key(&self.encryption.key, &live.encryption.key) {
            live.encryption.key.clone_from(&self.encryption.key);
        }
    }

    /// What AWS gives every new bucket.
    fn created(&self) -> Option<Self> {
        Some(Self {
            name: self.name.clone(),
            versioning: false,
            encryption: Encryption::default(),
            public_access_block: PublicAccessBlock::default(),
            ownership: Ownership::default(),
            tls_only: false,
            policy: Policy::default(),
            lifecycle: BTreeMap::new(),
            tags: self.tags.clone(),
        })
    }

    async fn observe(aws: &Aws, identity: &Name) -> Result<Option<Live<Self>>, Fault> {
        let api = aws.s3();
        let name = identity.as_str();
        let (head, parts) =
            futures_util::join!(settings::head(aws, &api, name), Parts::get(aws, &api, name));
        if absent(head, ABSENT)?.is_none() {
            return Ok(None);
        }
        // A bucket that is only just there, or only just not, answers its parts that it is not.
        let Some(parts) = absent(parts, ABSENT)? else { return Ok(None) };
        let spec = parts.read(identity)?;
        Ok(Some(Live { spec, outputs: outputs(identity, &aws.place), phase: Phase::Ready }))
    }

    async fn create(&self, aws: &Aws) -> Result<(), Fault> {
        let mut config = CreateBucketConfiguration::builder().set_tags(Some(self.tag_list()?));
        // The first region is the one that has no name here.
        if aws.place.region != "us-east-1" {
            let region = BucketLocationConstraint::from(aws.place.region.as_str());
            config = config.location_constraint(region);
        }
        let call = aws.s3().create_bucket().bucket(self.name.as_str());
        let call = call.create_bucket_configuration(config.build());
        match call.send().await.during("s3:CreateBucket") {
            // The call was sent again after its answer was lost; the next look sees whose it is.
            Err(fault) if fault.is("BucketAlreadyOwnedByYou") => Ok(()),
            done => done.map(|_| ()).map_err(taken).map_err(passing),
        }
    }

    /// S3 takes one change of a bucket at a time. What protects comes before what opens: a policy
    /// may need the public access block to have been lifted.
    async fn update(&self, aws: &Aws, _live: &Live<Self>, diff: &Diff) -> Result<(), Fault> {
        let api = aws.s3();
        let name = self.name.as_str();
        if diff.touches("tags") {
            self.put_tags(&api).await.map_err(passing)?;
        }
        if diff.touches("ownership") {
            settings::put_ownership(&api, name, self.ownership).await.map_err(passing)?;
        }
        if diff.touches("public_access_block") {
            self.public_access_block.put(&api, name).await.map_err(passing)?;
        }
        if diff.touches("encryption") {
            self.encryption.put(&api, name).await.map_err(passing)?;
        }
        if diff.touches("versioning") {
            self.put_versioning(&api).await.map_err(passing)?;
        }
        if diff.touches("policy") || diff.touches("tls_only") {
            self.put_policy(&api, &aws.place).await.map_err(passing)?;
        }
        if diff.touches("lifecycle") {
            self.put_lifecycle(&api).await.map_err(passing)?;
        }
        Ok(())
    }

    async fn delete(aws: &Aws, identity: &Name, _live: &Live<Self>) -> Result<(), Fault> {
        let done = aws.s3().delete_bucket().bucket(identity.as_str()).send().await;
        absent(done.during("s3:DeleteBucket"), ABSENT).map_err(passing)?;
        Ok(())
    }

    async fn purge(aws: &Aws, identity: &Name) -> Result<(), Fault> {
        absent(contents::purge(&aws.s3(), identity.as_str()).await, ABSENT)?;
        Ok(())
    }

    async fn contents(aws: &Aws, identity: &Name) -> Result<Option<Contents>, Fault> {
        let held = absent(contents::count(&aws.s3(), identity.as_str()).await, ABSENT)?;
        Ok(held.map(Contents::Objects))
    }

    fn listed(arn: &str, _tags: &Tags) -> Option<Name> {
        let (_, name) = arn.split_once(":s3:::")?;
        (!name.contains('/')).then(|| Name::new(name))
    }
}

fn arn(name: &str, place: &Place) -> String {
    format!("arn:{}:s3:::{name}", place.partition)
}

fn outputs(name: &Name, place: &Place) -> Outputs {
    let Place { partition, region, .. } = place;
    let end = if partition == "aws-cn" { ".cn" } else { "" };
    Outputs::from([
        ("arn".into(), arn(name.as_str(), place)),
        ("name".into(), name.to_string()),
        ("domain".into(), format!("{name}.s3.{region}.amazonaws.com{end}")),
        ("url".into(), format!("s3://{name}")),
    ])
}

fn taken(fault: Fault) -> Fault {
    if !fault.is("BucketAlreadyExists") {
        return fault;
    }
    let message = format!("{}; names are unique among all accounts: choose another", fault.message);
    Fault { class: Class::Invalid, message, ..fault }
}

/// "A conflicting conditional operation is currently in progress against this resource", and a
/// bucket that is too young, pass by themselves.
fn passing(fault: Fault) -> Fault {
    let passes = fault.is("OperationAborted") || fault.is("NoSuchBucket");
    if passes { fault.class(Class::NotYet) } else { fault }
}

impl S3Bucket {
    fn tag_list(&self) -> Result<Vec<Tag>, Fault> {
        let tag = |(key, value): (&String, &String)| {
            Tag::builder().key(key).value(value).build().during("s3:PutBucketTagging")
        };
        self.tags.iter().map(tag).collect()
    }

    /// The whole set at once; AWS keeps its own `aws:` tags itself.
    async fn put_tags(&self, api: &Client) -> Result<(), Fault> {
        let name = self.name.as_str();
        if self.tags.is_empty() {
            let done = api.delete_bucket_tagging().bucket(name).send().await;
            return done.during("s3:DeleteBucketTagging").map(|_| ());
        }
        let tags = Tagging::builder().set_tag_set(Some(self.tag_list()?)).build();
        let tags = tags.during("s3:PutBucketTagging")?;
        let done = api.put_bucket_tagging().bucket(name).tagging(tags).send().await;
        done.during("s3:PutBucketTagging").map(|_| ())
    }

    async fn put_versioning(&self, api: &Client) -> Result<(), Fault> {
        let status = match self.versioning {
            true => BucketVersioningStatus::Enabled,
            false => BucketVersioningStatus::Suspended,
        };
        let versioning = VersioningConfiguration::builder().status(status).build();
        let call = api.put_bucket_versioning().bucket(self.name.as_str());
        let done = call.versioning_configuration(versioning).send().await;
        done.during("s3:PutBucketVersioning").map(|_| ())
    }

    async fn put_policy(&self, api: &Client, place: &Place) -> Result<(), Fault> {
        let name = self.name.as_str();
        let operation = "s3:PutBucketPolicy";
        let whole = policy::compose(name, &place.partition, &self.policy, self.tls_only.into())
            .map_err(|why| Fault::new(Class::Invalid, operation, why))?;
        if whole.is_empty() {
            let done = api.delete_bucket_policy().bucket(name).send().await;
            return done.during("s3:DeleteBucketPolicy").map(|_| ());
        }
        // "Invalid principal in policy": a role made in this apply is not one yet.
        let young = |fault: Fault| {
            let young = fault.says("MalformedPolicy", "principal");
            if young { fault.class(Class::NotYet) } else { fault }
        };
        let done = api.put_bucket_policy().bucket(name).policy(whole.json()).send().await;
        done.during(operation).map(|_| ()).map_err(young)
    }

    async fn put_lifecycle(&self, api: &Client) -> Result<(), Fault> {
        let name = self.name.as_str();
        if self.lifecycle.is_empty() {
            let done = api.delete_bucket_lifecycle().bucket(name).send().await;
            return done.during("s3:DeleteBucketLifecycle").map(|_| ());
        }
        let rules = lifecycle::write(&self.lifecycle)?;
        let call = api.put_bucket_lifecycle_configuration().bucket(name);
        let done = call.lifecycle_configuration(rules).send().await;
        done.during("s3:PutBucketLifecycleConfiguration").map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn spec(fields: Value) -> S3Bucket {
        let mut spec = json!({"name": "lake"});
        spec.as_object_mut()
            .expect("an object")
            .extend(fields.as_object().expect("fields").clone());
        serde_json::from_value(spec).expect("a spec")
    }

    #[test]
    fn what_aws_would_refuse_is_a_flaw() {
        let tls = json!({"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*",
            "Resource": ["arn:aws:s3:::lake", "arn:aws:s3:::lake/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]});
        for (fields, path) in [
            (json!({}), None),
            (json!({"name": "Lake"}), Some("name")),
            (json!({"policy": tls}), Some("policy")),
            (json!({"lifecycle": {"old": {"expire_days": 1}}}), None),
            (json!({"lifecycle": {"old": {}}}), Some("lifecycle.old")),
            (json!({"encryption": {"sse": "kms", "bucket_key": true}}), None),
            (json!({"encryption": {"bucket_key": true}}), Some("encryption.bucket_key")),
            (json!({"encryption": {"key": "${k.arn}"}}), Some("encryption.key")),
        ] {
            let flaws = spec(fields.clone()).check();
            assert_eq!(flaws.first().map(|flaw| flaw.path.as_str()), path, "{fields}");
        }
    }

    #[test]
    fn a_key_is_compared_by_its_id() {
        let desired = spec(json!({"encryption": {"sse": "kms", "key": "arn:aws:kms:r:1:key/12"}}));
        let mut live = spec(json!({"encryption": {"sse": "kms", "key": "12"}}));
        desired.reconcile(&mut live);
        assert_eq!(desired, live);
    }

    #[test]
    fn a_bucket_is_known_by_its_arn_and_its_objects_are_not() {
        for (arn, name) in [
            ("arn:aws:s3:::lake", Some("lake")),
            ("arn:aws:s3:::lake/key", None),
            ("arn:aws:sns:eu-west-1:1:lake", None),
        ] {
            assert_eq!(S3Bucket::listed(arn, &BTreeMap::new()), name.map(Name::new), "{arn}");
        }
    }
}
