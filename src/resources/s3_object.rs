//! `s3-object`: a file beside the blueprint, or text in it, as an object in a bucket.
//!
//! A kind reads no files to compare. Who reads the blueprint makes `source` an absolute path and
//! puts the SHA-256 of the file, in lower-case hex, into `sha256` before the spec is normalised; so
//! changed content is a changed field. That of `content` is known once its references are. S3
//! keeps no hash that holds for every object, so the hash and the tags go into the object's
//! metadata: what someone else put there has neither.

use std::collections::BTreeMap;
use std::path::Path;

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aws::{Aws, During, absent};
use crate::blueprint::text::{Part, scan};
use crate::cloud::Fault;
use crate::kind::rule::{replace, secret, write_only};
use crate::kind::{Flaw, Live, Name, Outputs, Phase, Place, Rule};
use crate::plan::diff::Diff;

use super::Resource;
use super::s3::{
    ABSENT, Origin, Over, Stored, Upload, bucket_flaw, head, key_flaw, sha256, tags_flaw,
};

/// A file beside the blueprint, or text in it, as an object in a bucket. Changed content is put
/// again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct S3Object {
    /// The bucket's name, or `${id.name}` of a bucket in this blueprint.
    pub bucket: String,
    /// Where it goes in the bucket, as `jobs/clean.py`.
    pub key: String,
    /// The file, beside the blueprint; up to 5 GB. Either this or `content`.
    #[serde(default)]
    pub source: Option<String>,
    /// The text itself, which may hold references; up to 1 MiB.
    #[serde(default)]
    pub content: Option<String>,
    /// SHA-256 of what is put, in hex.
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

const CONTENT_MAX: usize = 1024 * 1024;

impl Resource for S3Object {
    const KIND: &'static str = "s3-object";
    const OUTPUTS: &'static [&'static str] = &["arn", "bucket", "key", "url"];
    const RULES: &'static [Rule] = &[
        replace("bucket"),
        replace("key"),
        write_only("source"),
        write_only("content"),
        secret("content"),
    ];

    fn identity(&self) -> Name {
        Name::new(format!("{}/{}", self.bucket, self.key))
    }

    /// While a reference in the content has no value, its hash is as unknown.
    fn completed(self) -> Self {
        let Some(content) = &self.content else { return self };
        let unknown = scan(content).into_iter().find_map(|part| match part {
            Part::Reference { id, output } => Some(format!("${{{id}.{output}}}")),
            Part::Literal(_) => None,
        });
        Self { sha256: unknown.unwrap_or_else(|| sha256(content)), ..self }
    }

    fn check(&self) -> Vec<Flaw> {
        let mut flaws: Vec<_> = bucket_flaw(&self.bucket).into_iter().collect();
        if self.key.is_empty() || self.key.ends_with('/') {
            flaws.push(Flaw::error("key", "the key of an object ends with the name of a file"));
        }
        flaws.extend(key_flaw("key", &self.key));
        flaws.extend(self.origin_flaw());
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
            source: None,
            content: None,
            sha256,
            content_type: found.content_type().map(str::to_owned),
            tags,
        }
    }

    fn origin_flaw(&self) -> Option<Flaw> {
        let flaw = match (&self.source, &self.content) {
            (None, None) => Flaw::error("", "an s3-object has a `source` or a `content`")
                .hint("`source` is a file beside the blueprint, `content` is text"),
            (Some(_), Some(_)) => {
                Flaw::error("content", "an s3-object has a `source` or a `content`, not both")
            }
            (None, Some(content)) if content.len() > CONTENT_MAX => {
                let what = format!("`content` has at most 1 MiB, not {} bytes", content.len());
                Flaw::error("content", what).hint("put it into a file, and name that as `source`")
            }
            _ => return None,
        };
        Some(flaw)
    }

    fn upload(&self) -> Upload<'_> {
        Upload {
            bucket: &self.bucket,
            key: &self.key,
            origin: match (&self.source, &self.content) {
                (Some(source), _) => Origin::File(Path::new(source)),
                (None, content) => Origin::Text(content.as_deref().unwrap_or_default()),
            },
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
    fn the_hash_of_content_is_known_when_its_references_are() {
        for (content, sha256) in [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("${aws:x}", "fa8ae09e3aa3b950e332f43ff385dee1ef85d1bcd6ef290030e9cc91a9c24d78"),
            ("a ${key.arn} b ${c.d}", "${key.arn}"),
        ] {
            let spec = spec(json!({"source": null, "content": content})).completed();
            assert_eq!(spec.sha256, sha256, "{content}");
        }
        assert_eq!(spec(json!({"sha256": "ab"})).completed().sha256, "ab");
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
            (json!({"source": null, "content": "x"}), None),
            (json!({"source": null}), Some("")),
            (json!({"content": "x"}), Some("content")),
            (json!({"source": null, "content": "x".repeat(CONTENT_MAX + 1)}), Some("content")),
        ] {
            let flaws = spec(fields.clone()).check();
            assert_eq!(flaws.first().map(|flaw| flaw.path.as_str()), path, "{fields}");
        }
    }
}
