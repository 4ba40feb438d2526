//! What a bucket holds: counted for those who decide, deleted for those who decided.

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::list_object_versions::ListObjectVersionsOutput;
use aws_sdk_s3::types::ObjectIdentifier;
use futures_util::{StreamExt, TryStreamExt};

use crate::aws::During;
use crate::cloud::{Fault, Objects};

use super::super::s3::{delete, identifier};

/// Pages of a thousand that are counted: more objects than anyone deletes by mistake, and seconds.
const PAGES_COUNTED_MAX: usize = 100;
/// Pages of a thousand that one purge deletes, so that it can be watched and stopped between.
const PAGES_PURGED_MAX: usize = 10;
const ABORTS_AT_ONCE: usize = 16;

/// Counts up to 100,000 versions; a bucket with more holds at least what is counted.
pub async fn count(api: &Client, bucket: &str) -> Result<Objects, Fault> {
    let mut total = Objects::default();
    let (mut key, mut version) = (None, None);
    for _ in 0..PAGES_COUNTED_MAX {
        let call = api.list_object_versions().bucket(bucket);
        let call = call.set_key_marker(key).set_version_id_marker(version);
        let page = call.send().await.during("s3:ListObjectVersions")?;
        add(&mut total, &page);
        if !page.is_truncated().unwrap_or_default() {
            break;
        }
        (key, version) = (page.next_key_marker, page.next_version_id_marker);
    }
    Ok(total)
}

fn add(total: &mut Objects, page: &ListObjectVersionsOutput) {
    total.versions += (page.versions().len() + page.delete_markers().len()) as u64;
    for version in page.versions() {
        total.objects += u64::from(version.is_latest().unwrap_or_default());
        total.bytes += version.size().unwrap_or_default().unsigned_abs();
    }
}

/// Deletes versions, delete markers and uncompleted uploads, the first ten thousand.
pub async fn purge(api: &Client, bucket: &str) -> Result<(), Fault> {
    for _ in 0..PAGES_PURGED_MAX {
        let call = api.list_object_versions().bucket(bucket);
        let page = call.send().await.during("s3:ListObjectVersions")?;
        let found = identifiers(&page)?;
        if found.is_empty() {
            break;
        }
        delete(api, bucket, found).await?;
    }
    let uploads = api.list_multipart_uploads().bucket(bucket).send().await;
    let uploads = uploads.during("s3:ListMultipartUploads")?;
    let aborts = uploads.uploads().iter().map(|upload| async move {
        let call = api.abort_multipart_upload().bucket(bucket);
        let call = call.set_key(upload.key.clone()).set_upload_id(upload.upload_id.clone());
        let done = call.send().await.during("s3:AbortMultipartUpload");
        crate::aws::absent(done, &["NoSuchUpload"])
    });
    let aborts = futures_util::stream::iter(aborts).buffer_unordered(ABORTS_AT_ONCE);
    aborts.try_for_each(|_| async { Ok(()) }).await
}

fn identifiers(page: &ListObjectVersionsOutput) -> Result<Vec<ObjectIdentifier>, Fault> {
    let versions = page.versions().iter().map(|v| (v.key(), v.version_id()));
    let markers = page.delete_markers().iter().map(|m| (m.key(), m.version_id()));
    versions.chain(markers).map(|(key, version)| identifier(key, version)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::types::{DeleteMarkerEntry, ObjectVersion};

    #[test]
    fn versions_and_markers_count_and_only_the_latest_are_objects() {
        let version = |latest| ObjectVersion::builder().key("a").size(7).is_latest(latest).build();
        let page = ListObjectVersionsOutput::builder()
            .versions(version(true))
            .versions(version(false))
            .delete_markers(DeleteMarkerEntry::builder().key("b").is_latest(true).build())
            .build();
        let mut total = Objects::default();
        add(&mut total, &page);
        assert_eq!(total, Objects { objects: 1, versions: 3, bytes: 14 });
        assert_eq!(identifiers(&page).expect("keys").len(), 3);
    }
}
