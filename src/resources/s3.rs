//! What the kinds of S3 share: names, objects on their way up and down, and what they say of
//! themselves.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::aws::{During, absent};
use crate::cloud::{Class, Fault};
use crate::kind::Flaw;

pub const ABSENT: &[&str] = &["NoSuchKey", "NoSuchBucket", "NotFound"];

/// What S3 says of names, as far as it is not said by trying.
pub fn name_flaw(name: &str) -> Option<Flaw> {
    const STARTS: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
    const ENDS: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];
    if name.contains("${") {
        return None;
    }
    let flaw = |what: &str| Some(Flaw::error("name", what));
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !(3..=63).contains(&name.len()) {
        return flaw("a bucket's name has 3 to 63 characters");
    }
    if !name.chars().all(|c| plain(c) || c == '-' || c == '.') {
        return flaw("a bucket's name has lower-case letters, digits, hyphens and dots");
    }
    if !name.starts_with(plain) || !name.ends_with(plain) || name.contains("..") {
        return flaw("a bucket's name begins and ends with a letter or digit, and has no two dots");
    }
    if name.parse::<std::net::Ipv4Addr>().is_ok() {
        return flaw("a bucket's name is not an IP address");
    }
    if let Some(start) = STARTS.iter().find(|start| name.starts_with(**start)) {
        return flaw(&format!("names that begin with `{start}` are AWS's own"));
    }
    if let Some(end) = ENDS.iter().find(|end| name.ends_with(**end)) {
        return flaw(&format!("names that end with `{end}` are AWS's own"));
    }
    None
}

pub fn bucket_flaw(bucket: &str) -> Option<Flaw> {
    let flaw = name_flaw(bucket)?;
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

/// Where an object's content comes from.
#[derive(Debug, Clone, Copy)]
pub enum Origin<'a> {
    File(&'a Path),
    Text(&'a str),
}

/// An object on its way to S3.
#[derive(Debug, Clone, Copy)]
pub struct Upload<'a> {
    pub bucket: &'a str,
    pub key: &'a str,
    pub origin: Origin<'a>,
    pub sha256: &'a str,
    pub content_type: Option<&'a str>,
    pub tags: &'a BTreeMap<String, String>,
    pub folder: Option<&'a str>,
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Text(_) => f.write_str("the content"),
        }
    }
}

const PUT: &str = "s3:PutObject";
/// A file goes up in one call, which may take this long; the SDK gives up one that stands still.
const UPLOAD: Duration = Duration::from_secs(30 * 60);
const CONNECT: Duration = Duration::from_secs(5);

impl Upload<'_> {
    /// S3 refuses content that is not what the hash says: the file changed since it was read.
    pub async fn put(self, api: &Client, over: Over) -> Result<(), Fault> {
        let timeouts =
            TimeoutConfig::builder().connect_timeout(CONNECT).read_timeout(UPLOAD).build();
        let unreadable = |error: aws_sdk_s3::primitives::ByteStreamError| {
            Fault::new(Class::Invalid, PUT, format!("cannot read {}: {error}", self.origin))
        };
        let body = match self.origin {
            Origin::File(path) => ByteStream::from_path(path).await.map_err(unreadable)?,
            Origin::Text(text) => ByteStream::from(text.as_bytes().to_vec()),
        };
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
        let what = format!("the hash of {} is not known", self.origin);
        Fault::new(Class::Invalid, PUT, what)
    }

    fn refused(&self, fault: Fault) -> Fault {
        let Self { bucket, key, origin, .. } = self;
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
                let message = format!("{origin} changed since it was read: plan again");
                Fault { message, ..fault }
            }
            _ => fault,
        }
    }
}

pub fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 64 hex digits as S3 writes a hash.
fn base64(hex: &str) -> Option<String> {
    let digits: Option<Vec<u8>> =
        hex.chars().map(|c| c.to_digit(16).and_then(|d| d.try_into().ok())).collect();
    let digits = digits.filter(|digits| digits.len() == 64)?;
    let bytes: Vec<_> = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    Some(aws_smithy_types::base64::encode(bytes))
}

pub fn identifier(key: Option<&str>, version: Option<&str>) -> Result<ObjectIdentifier, Fault> {
    let object = ObjectIdentifier::builder().set_key(key.map(str::to_owned));
    object.set_version_id(version.map(str::to_owned)).build().during(DELETE)
}

const DELETE: &str = "s3:DeleteObjects";

/// Deletes up to a thousand objects; what S3 refuses one by one is a fault as a whole.
pub async fn delete(
    api: &Client,
    bucket: &str,
    objects: Vec<ObjectIdentifier>,
) -> Result<(), Fault> {
    let objects =
        Delete::builder().set_objects(Some(objects)).quiet(true).build().during(DELETE)?;
    let done = api.delete_objects().bucket(bucket).delete(objects).send().await.during(DELETE)?;
    let Some(error) = done.errors().first() else { return Ok(()) };
    let code = error.code().unwrap_or_default();
    let class = match code {
        "AccessDenied" => Class::Denied,
        "SlowDown" => Class::Throttled,
        "InternalError" => Class::Broken,
        _ => Class::Invalid,
    };
    let key = error.key().unwrap_or_default();
    let message = error.message().unwrap_or("no reason given");
    let what = format!("`{key}`, one of {} objects: {message}", done.errors().len());
    Err(Fault { code: Some(code.to_owned()), ..Fault::new(class, DELETE, what) })
}

/// Deletes objects by key, however many.
pub async fn delete_keys(api: &Client, bucket: &str, keys: &[String]) -> Result<(), Fault> {
    for thousand in keys.chunks(1000) {
        let objects = thousand.iter().map(|key| identifier(Some(key), None));
        delete(api, bucket, objects.collect::<Result<_, _>>()?).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_s3_refuses_are_flaws() {
        for name in ["lake", "a-b.c", "123", "${var.x}-L"] {
            assert_eq!(name_flaw(name), None, "{name}");
        }
        for name in ["ab", "Lake", "a_b", "-ab", "ab-", "a..b", "10.0.0.1", "xn--a", "x-s3alias"] {
            assert!(name_flaw(name).is_some(), "{name}");
        }
        assert!(name_flaw(&"a".repeat(64)).is_some());
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

    fn upload<'a>(tags: &'a BTreeMap<String, String>, folder: Option<&'a str>) -> Upload<'a> {
        let origin = Origin::File(Path::new("/a.py"));
        let (bucket, key, sha256) = ("lake", "jobs/a.py", "ab");
        Upload { bucket, key, origin, sha256, content_type: None, tags, folder }
    }

    #[test]
    fn what_is_put_reads_back_the_same() {
        let tags = [("pipeline:owner", "a/b/eu-west-1"), ("Team", "Größe & Co = 1"), ("empty", "")];
        let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        for folder in [None, Some("jobs/é/")] {
            let metadata = upload(&tags, folder).metadata();
            assert!(metadata.values().all(|v| v.bytes().all(|b| (32..127).contains(&b))));
            let stored = Stored::read(Some(&metadata));
            assert_eq!((stored.sha256.as_str(), &stored.tags), ("ab", &tags));
            assert_eq!(stored.folder.as_deref(), folder);
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
            assert_eq!(upload(&BTreeMap::new(), None).refused(fault).class, class, "{code}");
        }
    }
}
