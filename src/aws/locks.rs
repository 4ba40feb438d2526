//! `Locks` by S3's conditional writes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_s3::config::ConfigBag;
use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::{ByteStream, DateTime, DateTimeFormat};
use aws_sdk_s3::types::{Delete, ObjectIdentifier};

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
    fn told(&self) -> Option<DateTime> {
        self.0.lock().ok().and_then(|time| *time)
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
            let Some(found) = absent(answer.during(operation), NO_OBJECT)? else {
                return Ok(None);
            };
            let broken = |e: aws_sdk_s3::primitives::ByteStreamError| {
                Fault::new(Class::Lost, operation, e.to_string())
            };
            let age = clock.told().zip(found.last_modified).map(|(now, written)| {
                Duration::from_secs(u64::try_from(now.secs() - written.secs()).unwrap_or(0))
            });
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
            let call = self.s3().put_object().bucket(&object.bucket).key(&object.key);
            let call = call.content_type("application/json").body(ByteStream::from(content));
            let call = match over {
                Some(etag) => call.if_match(etag),
                None => call.if_none_match("*"),
            };
            match call.send().await.during("s3:PutObject") {
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

fn raced(fault: &Fault) -> bool {
    fault.code.as_deref().is_some_and(|code| RACED.contains(&code))
}
