//! `Locks` by S3's conditional writes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_s3::config::ConfigBag;
use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use aws_sdk_s3::types::{Delete, ObjectIdentifier, ServerSideEncryption};

use crate::cloud::{Boxed, Class, Fault, Locks, Object, Put, Removal, Seen};

use super::{Aws, During, absent};

const NO_OBJECT: &[&str] = &["NoSuchKey", "NoSuchBucket", "NotFound"];
/// "At least one of the pre-conditions you specified did not hold", "A conflicting conditional
/// operation is currently in progress against this resource", and an object to be replaced that is
/// gone.
const RACED: &[&str] = &["PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"];

/// A thousand versions each: an apply of a day leaves six thousand in a versioned bucket.
const PAGES_MAX: u32 = 100;

/// The answer's own time, which its model leaves out.
#[derive(Debug, Clone, Default)]
struct Clock(Arc<Mutex<Option<DateTime>>>);

impl Clock {
    fn since(&self, written: Option<DateTime>) -> Option<Duration> {
        let now = self.0.lock().ok().and_then(|time| *time)?;
        Some(Duration::from_secs(u64::try_from(now.secs() - written?.secs()).unwrap_or(0)))
    }
}

impl Intercept for Clock {
    fn name(&self) -> &'static str {
        "Clock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| DateTime::from_str(date, DateTimeFormat::HttpDate).ok());
        if let Ok(mut time) = self.0.lock() {
            *time = date;
        }
        Ok(())
    }
}

impl Locks for Aws {
    fn look<'a>(&'a self, object: &'a Object) -> Boxed<'a, Result<Option<Seen>, Fault>> {
        Box::pin(async move {
            let operation = "s3:GetObject";
            let clock = Clock::default();
            let call = self.s3().get_object().bucket(&object.bucket).key(&object.key);
            let answer = call.customize().interceptor(clock.clone()).send().await;
            let answer = match answer.during(operation) {
                Err(fault) if locked_away(&fault) => return listed(self, object).await,
                answer => answer,
            };
            let Some(found) = absent(answer, NO_OBJECT)? else { return Ok(None) };
            let broken = |e: aws_sdk_s3::primitives::ByteStreamError| {
                Fault::new(Class::Lost, operation, e.to_string())
            };
            let age = clock.since(found.last_modified);
            let etag = found.e_tag.unwrap_or_default();
            let content = found.body.collect().await.map_err(broken)?.to_vec();
            Ok(Some(Seen { content, etag, age }))
        })
    }

    fn put<'a>(
        &'a self,
        object: &'a Object,
        content: Vec<u8>,
        over: Option<&'a str>,
    ) -> Boxed<'a, Result<Put, Fault>> {
        Box::pin(async move {
            let put = |encryption| {
                let call = self.s3().put_object().bucket(&object.bucket).key(&object.key);
                let call = call.content_type("application/json").body(content.clone().into());
                let call = call.set_server_side_encryption(encryption);
                match over {
                    Some(etag) => call.if_match(etag),
                    None => call.if_none_match("*"),
                }
            };
            let answer = put(None).send().await.during("s3:PutObject");
            let answer = match answer {
                Err(fault) if locked_away(&fault) => {
                    let plain = Some(ServerSideEncryption::Aes256);
                    put(plain).send().await.during("s3:PutObject")
                }
                answer => answer,
            };
            match answer {
                Ok(put) => Ok(Put::Written(put.e_tag.unwrap_or_default())),
                Err(fault) if fault.is("NoSuchBucket") => Ok(Put::NoBucket),
                Err(fault) if raced(&fault) => Ok(Put::Raced),
                Err(fault) => Err(fault),
            }
        })
    }

    fn remove<'a>(
        &'a self,
        object: &'a Object,
        etag: &'a str,
    ) -> Boxed<'a, Result<Removal, Fault>> {
        Box::pin(async move {
            let call = self.s3().delete_object().bucket(&object.bucket).key(&object.key);
            match call.if_match(etag).send().await.during("s3:DeleteObject") {
                Ok(_) => Ok(Removal::Gone),
                Err(fault) if fault.is("NoSuchBucket") || fault.is("NoSuchKey") => {
                    Ok(Removal::Gone)
                }
                Err(fault) if raced(&fault) => Ok(Removal::Raced),
                Err(fault) => Err(fault),
            }
        })
    }

    fn erase<'a>(&'a self, object: &'a Object) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move {
            for _ in 0..PAGES_MAX {
                let call = self.s3().list_object_versions().bucket(&object.bucket);
                let page = call.prefix(&object.key).send().await.during("s3:ListObjectVersions");
                let Some(page) = absent(page, NO_OBJECT)? else { return Ok(()) };
                let versions = page.versions().iter().map(|v| (v.key(), v.version_id()));
                let markers = page.delete_markers().iter().map(|m| (m.key(), m.version_id()));
                let mut doomed = Delete::builder().quiet(true);
                let meant = |key: &str| key == object.key || object.key.ends_with('/');
                let all =
                    versions.chain(markers).filter_map(|(key, version)| Some((key?, version)));
                for (key, version) in all.filter(|(key, _)| meant(key)) {
                    let one = ObjectIdentifier::builder().key(key);
                    let one = one.set_version_id(version.map(str::to_owned));
                    doomed = doomed.objects(one.build().expect("it has a key"));
                }
                let Ok(doomed) = doomed.build() else { return Ok(()) };
                if doomed.objects().is_empty() {
                    return Ok(());
                }
                let call = self.s3().delete_objects().bucket(&object.bucket).delete(doomed);
                absent(call.send().await.during("s3:DeleteObjects"), NO_OBJECT)?;
            }
            Ok(())
        })
    }
}

/// What can be known of an object that cannot be read.
async fn listed(aws: &Aws, object: &Object) -> Result<Option<Seen>, Fault> {
    let clock = Clock::default();
    let call = aws.s3().list_objects_v2().bucket(&object.bucket).prefix(&object.key);
    let answer = call.max_keys(1).customize().interceptor(clock.clone()).send().await;
    let page = answer.during("s3:ListBucket")?;
    let found = page.contents().iter().find(|found| found.key() == Some(&object.key));
    Ok(found.map(|found| Seen {
        content: Vec::new(),
        etag: found.e_tag().unwrap_or_default().to_owned(),
        age: clock.since(found.last_modified),
    }))
}

/// The bucket's key is off, and with it all that it encrypts: an apply could not take the lock and
/// turn it on again.
fn locked_away(fault: &Fault) -> bool {
    fault.code.as_deref().is_some_and(|code| code.starts_with("KMS."))
}

fn raced(fault: &Fault) -> bool {
    fault.code.as_deref().is_some_and(|code| RACED.contains(&code))
}

#[cfg(test)]
mod tests {
    use crate::aws::canned::{Answer, Canned, Replying};
    use crate::kind::{Owner, Place};

    use super::*;

    /// A bucket whose key is off: what is sealed with it cannot be written or read.
    fn sealed() -> Aws {
        let place = Place {
            partition: "aws".into(),
            account: "1".into(),
            region: "eu-west-1".into(),
            owner: Owner::new("shop", "dev", "eu-west-1"),
        };
        let replies = Replying::client(|request| {
            let plain = request.headers().get("x-amz-server-side-encryption") == Some("AES256");
            let (status, body) = match request.method() {
                "PUT" if plain => (200, ""),
                "GET" if request.uri().contains("list-type=2") => (200, LISTED),
                _ => (400, "<Error><Code>KMS.DisabledException</Code></Error>"),
            };
            let headers = vec![("etag", "\"e2\""), ("date", "Wed, 21 Oct 2015 07:29:30 GMT")];
            Answer { status, headers, body: body.as_bytes().to_vec() }
        });
        Aws::new(Canned::behind(replies), place)
    }

    const LISTED: &str = "<ListBucketResult><Contents><Key>lock.json</Key><ETag>\"e1\"</ETag>\
        <LastModified>2015-10-21T07:28:00.000Z</LastModified></Contents></ListBucketResult>";

    #[tokio::test]
    async fn a_lock_is_taken_over_where_the_key_of_its_bucket_is_off() {
        let aws = sealed();
        let at = |key: &str| Object { bucket: "lake".into(), key: key.into() };
        let (lock, other) = (at("lock.json"), at("lock"));
        let seen = aws.look(&lock).await.expect("it is listed").expect("it is there");
        assert_eq!((seen.etag.as_str(), seen.age), ("\"e1\"", Some(Duration::from_secs(90))));
        assert_eq!(aws.look(&other).await.expect("it is not listed").map(|seen| seen.etag), None);
        let put = aws.put(&lock, b"{}".to_vec(), Some(&seen.etag)).await;
        assert_eq!(put, Ok(Put::Written("\"e2\"".into())));
    }
}
