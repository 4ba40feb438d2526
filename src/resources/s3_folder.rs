//! `s3-folder`: a folder beside the blueprint, as objects under a prefix.
//!
//! A kind reads no files to compare. Who reads the blueprint makes `source` an absolute path and
//! fills `files`: each file's path below `source`, with `/`, and its SHA-256 in lower-case hex,
//! before the spec is normalised. Each object says in its metadata which folder it is part of;
//! other objects under the prefix are left alone.

use std::collections::BTreeMap;
use std::path::Path;

use aws_sdk_s3::Client;
use futures_util::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aws::{Aws, During, absent};
use crate::cloud::{Class, Fault};
use crate::kind::rule::{replace, write_only};
use crate::kind::{Flaw, Live, Name, Outputs, Phase, Place, Rule};
use crate::plan::diff::Diff;

use super::Resource;
use super::s3::{
    ABSENT, Origin, Over, Stored, Upload, bucket_flaw, delete_keys, head, key_flaw, tags_flaw,
};

/// A folder beside the blueprint, as objects under a prefix. Files that change are put again,
/// files that go are deleted, and objects of others under the prefix are left alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct S3Folder {
    /// The bucket's name, or `${id.name}` of a bucket in this blueprint.
    pub bucket: String,
    /// What the keys of the files begin with, as `jobs/`.
    pub prefix: String,
    /// The folder, beside the blueprint.
    pub source: String,
    /// Each file's path below `source` and its SHA-256; whoever reads the blueprint fills it in.
    #[serde(default)]
    #[schemars(skip)]
    pub files: BTreeMap<String, String>,
    /// Kept in the metadata of each object.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// Every object under the prefix is asked whose it is: more are not a folder's but a lake's.
const OBJECTS_MAX: usize = 5000;
const HEADS_AT_ONCE: usize = 20;
const UPLOADS_AT_ONCE: usize = 8;
/// What objects of one folder say differently of the same tag.
const MIXED: &str = "(differs from file to file)";

impl Resource for S3Folder {
    const KIND: &'static str = "s3-folder";
    const OUTPUTS: &'static [&'static str] = &["arn", "bucket", "prefix", "url"];
    const RULES: &'static [Rule] = &[replace("bucket"), replace("prefix"), write_only("source")];

    fn identity(&self) -> Name {
        Name::new(format!("{}/{}", self.bucket, self.folder()))
    }

    fn check(&self) -> Vec<Flaw> {
        let mut flaws: Vec<_> = bucket_flaw(&self.bucket).into_iter().collect();
        flaws.extend(key_flaw("prefix", &self.prefix));
        if self.files.is_empty() {
            flaws.push(Flaw::error("source", "there is no file in this folder"));
        }
        if self.files.len() > OBJECTS_MAX {
            let what =
                format!("a folder has at most {OBJECTS_MAX} files, not {}", self.files.len());
            flaws.push(Flaw::error("source", what));
        }
        let keys = self.files.keys().map(|file| format!("{}{file}", self.folder()));
        flaws.extend(keys.filter_map(|key| key_flaw("source", &key)).next());
        flaws.extend(tags_flaw(&self.tags));
        flaws
    }

    fn predict(&self, place: &Place) -> Outputs {
        outputs(&self.bucket, &self.folder(), place)
    }

    fn reconcile(&self, live: &mut Self) {
        if self.folder() == live.folder() {
            live.prefix.clone_from(&self.prefix);
        }
    }

    async fn observe(aws: &Aws, identity: &Name) -> Result<Option<Live<Self>>, Fault> {
        let Some((bucket, folder)) = identity.as_str().split_once('/') else { return Ok(None) };
        let api = aws.s3();
        let Some(keys) = absent(list(&api, bucket, folder).await, ABSENT)? else {
            return Ok(None);
        };
        let heads = stream::iter(keys)
            .map(|key| {
                let api = &api;
                async move { head(api, bucket, &key).await.map(|found| (key, found)) }
            })
            .buffer_unordered(HEADS_AT_ONCE);
        let found: BTreeMap<_, _> = heads
            .try_filter_map(|(key, found)| async move {
                Ok(found.map(|found| (key, Stored::read(found.metadata()))))
            })
            .try_collect()
            .await?;
        let outputs = outputs(bucket, folder, &aws.place);
        let spec = Self::read(bucket, folder, found);
        Ok(spec.map(|spec| Live { spec, outputs, phase: Phase::Ready }))
    }

    async fn create(&self, aws: &Aws) -> Result<(), Fault> {
        let files = self.files.iter().map(|(file, hash)| (file, hash, Over::Nothing));
        self.put(&aws.s3(), files.collect()).await
    }

    async fn update(&self, aws: &Aws, live: &Live<Self>, diff: &Diff) -> Result<(), Fault> {
        let api = aws.s3();
        let live = &live.spec.files;
        let all = diff.touches("tags");
        let over = |file| if live.contains_key(file) { Over::Ours } else { Over::Nothing };
        let stale = self.files.iter().filter(|(file, hash)| all || live.get(*file) != Some(*hash));
        self.put(&api, stale.map(|(file, hash)| (file, hash, over(file))).collect()).await?;
        let gone = live.keys().filter(|file| !self.files.contains_key(*file));
        let gone: Vec<_> = gone.map(|file| format!("{}{file}", self.folder())).collect();
        delete_keys(&api, &self.bucket, &gone).await
    }

    async fn delete(aws: &Aws, _identity: &Name, live: &Live<Self>) -> Result<(), Fault> {
        let Self { bucket, files, .. } = &live.spec;
        let folder = live.spec.folder();
        let keys: Vec<_> = files.keys().map(|file| format!("{folder}{file}")).collect();
        absent(delete_keys(&aws.s3(), bucket, &keys).await, ABSENT)?;
        Ok(())
    }
}

fn outputs(bucket: &str, folder: &str, place: &Place) -> Outputs {
    Outputs::from([
        ("arn".into(), format!("arn:{}:s3:::{bucket}/{folder}", place.partition)),
        ("bucket".into(), bucket.into()),
        ("prefix".into(), folder.into()),
        ("url".into(), format!("s3://{bucket}/{folder}")),
    ])
}

/// The keys under a prefix.
async fn list(api: &Client, bucket: &str, folder: &str) -> Result<Vec<String>, Fault> {
    let operation = "s3:ListObjectsV2";
    let mut pages = api.list_objects_v2().bucket(bucket).prefix(folder).into_paginator().send();
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await {
        keys.extend(page.during(operation)?.contents().iter().filter_map(|o| o.key.clone()));
        if keys.len() > OBJECTS_MAX {
            let what = format!(
                "there are more than {OBJECTS_MAX} objects under s3://{bucket}/{folder}; give the \
                 folder a prefix of its own"
            );
            return Err(Fault::new(Class::Invalid, operation, what));
        }
    }
    Ok(keys)
}

impl S3Folder {
    /// The prefix with the `/` that ends it.
    fn folder(&self) -> String {
        let bare = self.prefix.trim_end_matches('/');
        if bare.is_empty() { String::new() } else { format!("{bare}/") }
    }

    /// The objects that say they are part of this folder; `None` where there are none.
    fn read(bucket: &str, folder: &str, objects: BTreeMap<String, Stored>) -> Option<Self> {
        let mut files = BTreeMap::new();
        let mut tags: Vec<BTreeMap<String, String>> = Vec::new();
        for (key, stored) in objects {
            if stored.folder.as_deref() != Some(folder) {
                continue;
            }
            let Some(file) = key.strip_prefix(folder) else { continue };
            files.insert(file.to_owned(), stored.sha256);
            tags.push(stored.tags);
        }
        (!files.is_empty()).then(|| Self {
            bucket: bucket.into(),
            prefix: folder.into(),
            source: String::new(),
            files,
            tags: common(&tags),
        })
    }

    async fn put(&self, api: &Client, files: Vec<(&String, &String, Over)>) -> Result<(), Fault> {
        let folder = self.folder();
        let uploads = files.into_iter().map(|(file, sha256, over)| {
            let (folder, source) = (&folder, Path::new(&self.source).join(file));
            async move {
                let key = format!("{folder}{file}");
                let upload = Upload {
                    bucket: &self.bucket,
                    key: &key,
                    origin: Origin::File(&source),
                    sha256,
                    content_type: None,
                    tags: &self.tags,
                    folder: Some(folder),
                };
                match upload.put(api, over).await {
                    Err(fault) if fault.is("PreconditionFailed") => {
                        let found = head(api, &self.bucket, &key).await?;
                        let stored = found.map(|found| Stored::read(found.metadata()));
                        come_before(stored.as_ref(), folder, fault)
                    }
                    done => done,
                }
            }
        });
        stream::iter(uploads)
            .buffer_unordered(UPLOADS_AT_ONCE)
            .try_for_each(|()| async { Ok(()) })
            .await
    }
}

/// An object is where a file was to go. It is this folder's where the answer of a call was lost and
/// the call sent again; what is someone else's is still so a moment later.
fn come_before(found: Option<&Stored>, folder: &str, fault: Fault) -> Result<(), Fault> {
    match found {
        Some(stored) if stored.folder.as_deref() == Some(folder) => Ok(()),
        Some(_) => Err(fault.class(Class::Invalid)),
        None => Err(fault),
    }
}

/// The tags that all agree on. One that some lack or say otherwise is unlike any that is wanted, so
/// that it differs until all files say the same.
fn common(tags: &[BTreeMap<String, String>]) -> BTreeMap<String, String> {
    let mut common = BTreeMap::new();
    for (key, value) in tags.iter().flatten() {
        let agreed = tags.iter().all(|others| others.get(key) == Some(value));
        common.insert(key.clone(), if agreed { value.clone() } else { MIXED.to_owned() });
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn spec(fields: Value) -> S3Folder {
        let mut spec = json!({"bucket": "lake", "prefix": "jobs", "source": "/jobs",
            "files": {"a.py": "aa"}});
        spec.as_object_mut()
            .expect("an object")
            .extend(fields.as_object().expect("fields").clone());
        serde_json::from_value(spec).expect("a spec")
    }

    fn stored(folder: Option<&str>, sha256: &str, team: &str) -> Stored {
        let tags = BTreeMap::from([("team".to_owned(), team.to_owned())]);
        Stored { sha256: sha256.into(), tags, folder: folder.map(str::to_owned) }
    }

    #[test]
    fn only_what_says_it_is_part_of_the_folder_is() {
        let objects = BTreeMap::from([
            ("jobs/a.py".to_owned(), stored(Some("jobs/"), "aa", "x")),
            ("jobs/sub/b.py".to_owned(), stored(Some("jobs/"), "bb", "x")),
            ("jobs/sub/c.py".to_owned(), stored(Some("jobs/sub/"), "cc", "y")),
            ("jobs/d.csv".to_owned(), stored(None, "unknown", "z")),
        ]);
        let live = S3Folder::read("lake", "jobs/", objects.clone()).expect("a folder");
        let files = json!({"a.py": "aa", "sub/b.py": "bb"});
        assert_eq!(
            live,
            spec(json!({"prefix": "jobs/", "source": "", "files": files,
            "tags": {"team": "x"}}))
        );
        assert_eq!(S3Folder::read("lake", "other/", objects), None);
    }

    #[test]
    fn a_tag_that_some_files_lack_differs_from_any() {
        let x = || BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        for (tags, expected) in [
            (vec![x(), x()], x()),
            (vec![], BTreeMap::new()),
            (vec![x(), BTreeMap::new()], BTreeMap::from([("a".to_owned(), MIXED.to_owned())])),
        ] {
            assert_eq!(common(&tags), expected);
        }
    }

    #[test]
    fn what_someone_else_put_where_a_file_goes_stays() {
        for (found, class) in [
            (Some(stored(Some("jobs/"), "aa", "x")), None),
            (Some(stored(None, "unknown", "x")), Some(Class::Invalid)),
            (Some(stored(Some("other/"), "aa", "x")), Some(Class::Invalid)),
            (None, Some(Class::Conflict)),
        ] {
            let fault = Fault::new(Class::Conflict, "s3:PutObject", "it is there already");
            let outcome = come_before(found.as_ref(), "jobs/", fault);
            assert_eq!(outcome.err().map(|fault| fault.class), class, "{found:?}");
        }
    }

    #[test]
    fn a_prefix_with_and_without_its_slash_is_one() {
        for (prefix, identity) in
            [("jobs", "lake/jobs/"), ("jobs/", "lake/jobs/"), ("", "lake/"), ("/", "lake/")]
        {
            let folder = spec(json!({"prefix": prefix}));
            assert_eq!(folder.identity().as_str(), identity);
            let mut live = S3Folder { prefix: folder.folder(), ..folder.clone() };
            folder.reconcile(&mut live);
            assert_eq!(live, folder);
        }
    }

    #[test]
    fn what_cannot_be_put_is_a_flaw() {
        for (fields, path) in [
            (json!({}), None),
            (json!({"files": {}}), Some("source")),
            (json!({"prefix": "/jobs"}), Some("prefix")),
            (json!({"bucket": "Lake"}), Some("bucket")),
            (json!({"files": {"f".repeat(1024): "aa"}}), Some("source")),
        ] {
            let flaws = spec(fields.clone()).check();
            assert_eq!(flaws.first().map(|flaw| flaw.path.as_str()), path, "{fields}");
        }
    }
}
