//! `s3-object`: a file beside the blueprint, as an object in a bucket.
//!
//! A kind reads no files to compare. Who reads the blueprint makes `source` an absolute path and
//! puts the SHA-256 of the file, in lower-case hex, into `sha256` before the spec is normalised; so
//! changed content is a changed field. S3 keeps no hash that holds for every object, so the hash
//! and the tags go into the object's metadata: what someone else put there has neither.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aws::{Aws, During, absent};
use crate::cloud::{Class, Fault};
use crate::kind::rule::{replace, write_only};
use crate::kind::{Flaw, Live, Name, Outputs, Phase, Place, Rule};
use crate::plan::diff::Diff;

use super::Resource;

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

pub const ABSENT: &[&str] = &["NoSuchKey", "NoSuchBucket", "NotFound"];

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

pub fn bucket_flaw(bucket: &str) -> Option<Flaw> {
    let flaw = super::s3_bucket::name_flaw(bucket)?;
    Some(Flaw { path: "bucket".into(), ..flaw })
}

pub fn key_flaw(path: &str, key: &str) -> Option<Flaw> {
    if key.starts_with('/') {
        let what = "a key that begins with `/` has a nameless folder before it";
        return Some(
            Flaw::error(path, what).hint(format!("write `{}`", key.trim_start_matches('/'))),
        );
    }
    (key.len() > 1024).then(|| Flaw::error(path, "a key has at most 1024 bytes"))
}

/// S3 keeps 2 KB of metadata; the hash and the names of the entries take some of it.
const TAGS_MAX: usize = 1800;

pub fn tags_flaw(tags: &BTreeMap<String, String>) -> Option<Flaw> {
    let bytes = encode_tags(tags).len();
    let what = format!("the tags of an object have at most {TAGS_MAX} bytes together, not {bytes}");
    (bytes > TAGS_MAX).then(|| Flaw::error("tags", what))
}

/// An object's head; `None` where there is none.
pub async fn head(
    api: &Client,
    bucket: &str,
    key: &str,
) -> Result<Option<HeadObjectOutput>, Fault> {
    let answer = api.head_object().bucket(bucket).key(key).send().await;
    absent(answer.during("s3:HeadObject"), ABSENT).map_err(|fault| match fault.class {
        Class::Denied => {
            let message = format!(
                "s3://{bucket}/{key} may not be seen: it needs s3:GetObject, and s3:ListBucket \
                 to tell what is not there"
            );
            Fault { message, ..fault }
        }
        _ => fault,
    })
}

/// What an object that this program put says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub sha256: String,
    pub tags: BTreeMap<String, String>,
    /// The folder that it is part of.
    pub folder: Option<String>,
}

const SHA256: &str = "pipeline-sha256";
const TAGS: &str = "pipeline-tags";
const FOLDER: &str = "pipeline-folder";
/// The hash of what someone else put: unlike any.
const UNKNOWN: &str = "unknown";
/// Metadata are HTTP headers; all but these is percent-encoded.
const PLAIN: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'/').remove(b':').remove(b' ');

impl Stored {
    pub fn read(metadata: Option<&HashMap<String, String>>) -> Self {
        let entry = |key| metadata.and_then(|metadata| metadata.get(key)).map(String::as_str);
        Self {
            sha256: entry(SHA256).unwrap_or(UNKNOWN).to_owned(),
            tags: entry(TAGS).map_or_else(BTreeMap::new, decode_tags),
            folder: entry(FOLDER).map(decode),
        }
    }
}

/// Keys of metadata are lower-cased and few; tags are one entry, `a=b&c=d`.
fn encode_tags(tags: &BTreeMap<String, String>) -> String {
    let pair = |(key, value): (&String, &String)| format!("{}={}", encode(key), encode(value));
    tags.iter().map(pair).collect::<Vec<_>>().join("&")
}

fn decode_tags(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (decode(key), decode(value))).collect()
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// What an object may be put over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// There was none at the last look; one that has come since is someone else's.
    Nothing,
    Ours,
}

/// A file on its way to S3.
#[derive(Debug, Clone, Copy)]
pub struct Upload<'a> {
    pub bucket: &'a str,
    pub key: &'a str,
    pub source: &'a Path,
    pub sha256: &'a str,
    pub content_type: Option<&'a str>,
    pub tags: &'a BTreeMap<String, String>,
    pub folder: Option<&'a str>,
}

const PUT: &str = "s3:PutObject";
/// A file goes up in one call, which may take this long; the SDK gives up one that stands still.
const UPLOAD: Duration = Duration::from_secs(30 * 60);
const CONNECT: Duration = Duration::from_secs(5);

impl Upload<'_> {
    /// S3 refuses content that is not what the hash says: the file changed since it was read.
    pub async fn put(self, api: &Client, over: Over) -> Result<(), Fault> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(UPLOAD)
            .build();
        let unreadable = |error: aws_sdk_s3::primitives::ByteStreamError| {
            let what = format!("cannot read {}: {error}", self.source.display());
            Fault::new(Class::Invalid, PUT, what)
        };
        let body = ByteStream::from_path(self.source).await.map_err(unreadable)?;
        api.put_object()
            .bucket(self.bucket)
            .key(self.key)
            .body(body)
            .checksum_sha256(base64(self.sha256).ok_or_else(|| self.unread())?)
            .set_content_type(self.content_type.map(str::to_owned))
            .set_metadata(Some(self.metadata()))
            .set_if_none_match((over == Over::Nothing).then(|| "*".to_owned()))
            .customize()
            .config_override(Builder::new().timeout_config(timeouts))
            .send()
            .await
            .during(PUT)
            .map(|_| ())
            .map_err(|fault| self.refused(fault))
    }

    fn metadata(&self) -> HashMap<String, String> {
        let mut metadata = HashMap::from([
            (SHA256.to_owned(), self.sha256.to_owned()),
            (TAGS.to_owned(), encode_tags(self.tags)),
        ]);
        metadata.extend(self.folder.map(|folder| (FOLDER.to_owned(), encode(folder))));
        metadata
    }

    fn unread(&self) -> Fault {
        let what = format!("the hash of {} is not known", self.source.display());
        Fault::new(Class::Invalid, PUT, what)
    }

    fn refused(&self, fault: Fault) -> Fault {
        let Self { bucket, key, source, .. } = self;
        let code = fault.code.as_deref().unwrap_or_default();
        match code {
            // A bucket or key made in this apply may not be usable yet.
            "NoSuchBucket" => fault.class(Class::NotYet),
            code if code.starts_with("KMS") => fault.class(Class::NotYet),
            // Also what a call answers that was sent again after its answer was lost.
            "PreconditionFailed" => {
                let message = format!(
                    "s3://{bucket}/{key} is there already, and this blueprint did not put it \
                     there; delete it, or choose another key"
                );
                Fault { class: Class::Conflict, message, ..fault }
            }
            "BadDigest" | "XAmzContentSHA256Mismatch" => {
                let message = format!("{} changed since it was read: plan again", source.display());
                Fault { message, ..fault }
            }
            _ => fault,
        }
    }
}

/// 64 hex digits as S3 writes a hash.
fn base64(hex: &str) -> Option<String> {
    let digits: Option<Vec<u8>> =
        hex.chars().map(|c| c.to_digit(16).and_then(|d| d.try_into().ok())).collect();
    let digits = digits.filter(|digits| digits.len() == 64)?;
    let bytes: Vec<_> = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    Some(aws_smithy_types::base64::encode(bytes))
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
    fn what_is_put_reads_back_the_same() {
        let tags =
            json!({"pipeline:owner": "a/b/eu-west-1", "Team": "Größe & Co = 1", "empty": ""});
        for folder in [None, Some("jobs/é/")] {
            let object = spec(json!({"tags": tags, "sha256": "ab"}));
            let upload = Upload { folder, ..object.upload() };
            let metadata = upload.metadata();
            assert!(metadata.values().all(|v| v.bytes().all(|b| (32..127).contains(&b))));
            let stored = Stored::read(Some(&metadata));
            assert_eq!((stored.sha256.as_str(), &stored.tags), ("ab", &object.tags));
            assert_eq!(stored.folder.as_deref(), folder);
        }
    }

    #[test]
    fn what_someone_else_put_has_an_unknown_hash_and_no_tags() {
        let found = HeadObjectOutput::builder().content_type("text/plain").build();
        let live = S3Object::read("lake", "jobs/a.py", &found);
        assert_eq!((live.sha256.as_str(), live.tags.len()), (UNKNOWN, 0));
        assert_eq!(live.content_type.as_deref(), Some("text/plain"));
    }

    #[test]
    fn a_hash_is_sent_as_s3_writes_it() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let written = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert_eq!(base64(empty).as_deref(), Some(written));
        for wrong in ["", "unknown", &empty[1..], &empty.replace('e', "g")] {
            assert_eq!(base64(wrong), None, "{wrong}");
        }
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

    #[test]
    fn refusals_that_pass_by_themselves_are_told_from_those_that_do_not() {
        for (code, class) in [
            ("NoSuchBucket", Class::NotYet),
            ("KMS.DisabledException", Class::NotYet),
            ("PreconditionFailed", Class::Conflict),
            ("BadDigest", Class::Invalid),
        ] {
            let fault = Fault { code: Some(code.into()), ..Fault::new(Class::Invalid, PUT, "x") };
            assert_eq!(spec(json!({})).upload().refused(fault).class, class, "{code}");
        }
    }
}
