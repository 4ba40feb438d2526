//! `s3-object`: a file beside the blueprint, as an object in a bucket.
//!
//! A kind reads no files to compare. Who reads the blueprint makes `source` an absolute path and
//! puts the SHA-256 of the file, in lower-case hex, into `sha256` before the spec is normalised; so
//! changed content is a changed field. S3 keeps no hash that holds for every object, so the hash
//! and the tags go into the object's metadata: what someone else put there has neither.

use std::collections::BTreeMap;
use std::path::Path;

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aws::{Aws, During, absent};
use crate::cloud::Fault;
use crate::kind::rule::{replace, write_only};
use crate::kind::{Flaw, Live, Name, Outputs, Phase, Place, Rule};
use crate::plan::diff::Diff;

use super::Resource;
use super::s3::{ABSENT, Over, Stored, Upload, bucket_flaw, head, key_flaw, tags_flaw};

/// A file beside the blueprint, as an object in a bucket. Changed content is put again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct S3Object {
    /// The bucket's name, or `${id.name}` of a bucket in this blueprint.
    pub bucket: String,
    /// Where it goes in the bucket, as `jobs/clean.py`.
    pub key: String,
    /// The file, beside the blueprint; up to 5 GB.
    pub source: String,
    /// SHA-256 of the file in hex; whoever reads the blueprint fills it in.
    #[serde(default)]
    #[schemars(skip)]
    pub sha256: String,
    /// As `text/x-python`. Left out: AWS decides, and leaving it out later changes nothing.
    #[serde(default)]
    pub content_type: Option<String>,
    /// Kept in the object's metadata.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

impl Resource for S3Object {
    const KIND: &'static str = "s3-object";
    const OUTPUTS: &'static [&'static str] = &["arn", "bucket", "key", "url"];
    const RULES: &'static [Rule] = &[replace("bucket"), replace("key"), write_only("source")];

    fn identity(&self) -> Name {
        Name::new(format!("{}/{}", self.bucket, self.key))
    }

    fn check(&self) -> Vec<Flaw> {
        let mut flaws: Vec<_> = bucket_flaw(&self.bucket).into_iter().collect();
        if self.key.is_empty() || self.key.ends_with('/') {
            flaws.push(Flaw::error("key", "the key of an object ends with the name of a file"));
        }
        flaws.extend(key_flaw("key", &self.key));
        flaws.extend(tags_flaw(&self.tags));
        flaws
    }

    fn predict(&self, place: &Place) -> Outputs {
        outputs(&self.bucket, &self.key, place)
    }

    async fn observe(aws: &Aws, identity: &Name) -> Result<Option<Live<Self>>, Fault> {
        let Some((bucket, key)) = identity.as_str().split_once('/') else { return Ok(None) };
        let Some(found) = head(&aws.s3(), bucket, key).await? else { return Ok(None) };
        let spec = Self::read(bucket, key, &found);
        let outputs = outputs(bucket, key, &aws.place);
        Ok(Some(Live { spec, outputs, phase: Phase::Ready }))
    }

    async fn create(&self, aws: &Aws) -> Result<(), Fault> {
        self.upload().put(&aws.s3(), Over::Nothing).await
    }

    /// An object's metadata is part of it: whatever differs, it is put again.
    async fn update(&self, aws: &Aws, _live: &Live<Self>, _diff: &Diff) -> Result<(), Fault> {
        self.upload().put(&aws.s3(), Over::Ours).await
    }

    async fn delete(aws: &Aws, identity: &Name, _live: &Live<Self>) -> Result<(), Fault> {
        let Some((bucket, key)) = identity.as_str().split_once('/') else { return Ok(()) };
        let done = aws.s3().delete_object().bucket(bucket).key(key).send().await;
        absent(done.during("s3:DeleteObject"), ABSENT)?;
        Ok(())
    }
}

fn outputs(bucket: &str, key: &str, place: &Place) -> Outputs {
    Outputs::from([
        ("arn".into(), format!("arn:{}:s3:::{bucket}/{key}", place.partition)),
        ("bucket".into(), bucket.into()),
        ("key".into(), key.into()),
        ("url".into(), format!("s3://{bucket}/{key}")),
    ])
}

impl S3Object {
    fn read(bucket: &str, key: &str, found: &HeadObjectOutput) -> Self {
        let Stored { sha256, tags, folder: _ } = Stored::read(found.metadata());
        Self {
            bucket: bucket.into(),
            key: key.into(),
            source: String::new(),
            sha256,
            content_type: found.content_type().map(str::to_owned),
            tags,
        }
    }

    fn upload(&self) -> Upload<'_> {
        Upload {
            bucket: &self.bucket,
            key: &self.key,
            source: Path::new(&self.source),
            sha256: &self.sha256,
            content_type: self.content_type.as_deref(),
            tags: &self.tags,
            folder: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn spec(fields: Value) -> S3Object {
        let mut spec = json!({"bucket": "lake", "key": "jobs/a.py", "source": "/a.py"});
        spec.as_object_mut()
            .expect("an object")
            .extend(fields.as_object().expect("fields").clone());
        serde_json::from_value(spec).expect("a spec")
    }

    #[test]
    fn what_someone_else_put_has_an_unknown_hash_and_no_tags() {
        let found = HeadObjectOutput::builder().content_type("text/plain").build();
        let live = S3Object::read("lake", "jobs/a.py", &found);
        assert_eq!((live.sha256.as_str(), live.tags.len()), ("unknown", 0));
        assert_eq!(live.content_type.as_deref(), Some("text/plain"));
    }

    #[test]
    fn what_aws_would_refuse_is_a_flaw() {
        for (fields, path) in [
            (json!({}), None),
            (json!({"bucket": "${lake.name}"}), None),
            (json!({"bucket": "Lake"}), Some("bucket")),
            (json!({"key": "/jobs/a.py"}), Some("key")),
            (json!({"key": "jobs/"}), Some("key")),
            (json!({"key": "k".repeat(1025)}), Some("key")),
            (json!({"tags": {"a": "x".repeat(1900)}}), Some("tags")),
        ] {
            let flaws = spec(fields.clone()).check();
            assert_eq!(flaws.first().map(|flaw| flaw.path.as_str()), path, "{fields}");
        }
    }
}
