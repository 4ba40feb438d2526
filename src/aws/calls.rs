//! Calls under way: none is tried without end, and who waits is told for what.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use tokio::time::{Instant, timeout};

use crate::cloud::{Class, NO_ANSWER, Waited};

use super::fault::{chain, class, code};
use super::pace::target;

/// No further try of a call that was not answered begins after this long: two were made by then.
const UNANSWERED_FOR: Duration = Duration::from_secs(45);
/// The same where AWS answered, and refused for a reason that passes.
const REFUSED_FOR: Duration = Duration::from_secs(90);
/// No call takes as long when all is well.
const LONG: Duration = Duration::from_secs(10);
/// How often is looked for such calls, and how often they are told.
const LOOK: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_secs(20);
/// Between two tries the SDK waits no longer than twenty seconds: what is not tried again by then
/// was given up.
const AGAIN_WITHIN: Duration = Duration::from_secs(21);
/// An answer that has begun is given up after this long, as is one that has not.
pub(super) const ATTEMPT: Duration = Duration::from_secs(30);

/// What is waited for, by the SDK's name for each call.
#[derive(Debug, Clone, Default)]
pub struct Calls(Arc<Mutex<BTreeMap<String, Call>>>);

#[derive(Debug, Clone)]
struct Call {
    name: String,
    since: Instant,
    tries: Tries,
    trouble: Option<Trouble>,
    /// Whether a try is under way.
    sent: bool,
}

/// What came of the last try.
#[derive(Debug, Clone)]
struct Trouble {
    why: String,
    /// How long such a call is tried.
    tried_for: Duration,
    at: Instant,
}

/// Which try this is, and of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tries {
    now: u32,
    most: u32,
}

impl Calls {
    /// Tells of calls that take long, for as long as it is polled.
    pub async fn watch(self, tell: impl Fn(&[Waited])) {
        let mut told = None;
        loop {
            pause(LOOK).await;
            let waited = self.waited(LONG);
            if !waited.is_empty() && told.is_none_or(|at: Instant| at.elapsed() >= AGAIN) {
                tell(&waited);
                told = Some(Instant::now());
            }
        }
    }

    /// Those under way for at least this long, the longest first.
    fn waited(&self, least: Duration) -> Vec<Waited> {
        let mut calls = self.lock();
        calls.retain(|_, call| {
            let lately = |trouble: &Trouble| trouble.at.elapsed() < AGAIN_WITHIN;
            call.sent || call.trouble.as_ref().is_some_and(lately)
        });
        let long = calls.values().filter(|call| call.since.elapsed() >= least);
        let mut waited: Vec<_> = long
            .map(|call| Waited {
                name: call.name.clone(),
                waited: call.since.elapsed(),
                now: call.tries.now,
                most: call.tries.most,
                trouble: call.trouble.as_ref().map(|trouble| trouble.why.clone()),
            })
            .collect();
        waited.sort_by_key(|call| std::cmp::Reverse(call.waited));
        waited
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Call>> {
        self.0.lock().expect("no holder of this lock panics")
    }

    /// What is no call of AWS is waited for until this is dropped.
    pub(super) fn waits_for(&self, name: &str) -> Try {
        let tries = Tries { now: 1, most: 1 };
        let (name, id, since) = (name.to_owned(), name.to_owned(), Instant::now());
        self.lock().insert(id.clone(), Call { name, since, tries, trouble: None, sent: true });
        Try { calls: self.clone(), id, tries }
    }

    /// A try begins, unless the call was tried for long enough.
    fn begin(&self, request: &HttpRequest) -> Result<Try, ConnectorError> {
        let header = |name: &str| request.headers().get(name).unwrap_or_default().to_owned();
        let (id, tries) = (header("amz-sdk-invocation-id"), tries(&header("amz-sdk-request")));
        let mut calls = self.lock();
        let now = Instant::now();
        let fresh = || Call { name: name(request), since: now, tries, trouble: None, sent: true };
        let call = calls.entry(id.clone()).or_insert_with(fresh);
        let waited = call.since.elapsed();
        if let Some(Trouble { why, .. }) = call.trouble.take_if(|it| waited >= it.tried_for) {
            calls.remove(&id);
            let (seconds, before) = (waited.as_secs(), tries.now.saturating_sub(1));
            let why = format!("given up after {seconds} s and {before} tries: {why}");
            return Err(ConnectorError::other(why.into(), None));
        }
        (call.tries, call.sent) = (tries, true);
        Ok(Try { calls: self.clone(), id, tries })
    }
}

/// A try that is under way; what is dropped before its end is waited for by nobody.
pub(super) struct Try {
    calls: Calls,
    id: String,
    tries: Tries,
}

impl Try {
    /// What failed like this is tried again, as often as the SDK does.
    fn failed(&self, why: String, tried_for: Duration) {
        let mut calls = self.calls.lock();
        let Some(call) = calls.get_mut(&self.id) else { return };
        if self.tries.now < self.tries.most {
            call.trouble = Some(Trouble { why, tried_for, at: Instant::now() });
            call.sent = false;
        }
    }
}

impl Drop for Try {
    fn drop(&mut self) {
        let mut calls = self.calls.lock();
        if calls.get(&self.id).is_some_and(|call| call.sent) {
            calls.remove(&self.id);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "what takes long is told by the clock")]
async fn pause(wait: Duration) {
    tokio::time::sleep(wait).await;
}

/// `attempt=2; max=8`.
fn tries(header: &str) -> Tries {
    let number = |word: &str| {
        let parts = header.split(';').filter_map(|part| part.trim().split_once('='));
        parts.filter(|(name, _)| *name == word).find_map(|(_, value)| value.parse().ok())
    };
    let now = number("attempt").unwrap_or(1);
    Tries { now, most: number("max").unwrap_or(now) }
}

/// `kinesis:CreateStream`; where only the path tells, `s3:PUT /bucket/key`.
fn name(request: &HttpRequest) -> String {
    let signed = request.headers().get("authorization").unwrap_or_default();
    let service = signed.split("Credential=").nth(1).and_then(|it| it.split('/').nth(3));
    let operation = target(request).map(|(_, operation)| operation).filter(|it| !it.is_empty());
    let of_path = || {
        let rest = request.uri().split_once("://").map_or(request.uri(), |(_, rest)| rest);
        let path = rest.find('/').map_or("/", |at| &rest[at..]);
        format!("{} {}", request.method(), path.split(['?', '&']).next().unwrap_or_default())
    };
    format!("{}:{}", service.unwrap_or("aws"), operation.unwrap_or_else(of_path))
}

/// An HTTP client whose calls are known while they are under way.
pub struct Watched {
    inner: SharedHttpClient,
    calls: Calls,
}

impl Watched {
    pub fn new(inner: SharedHttpClient, calls: Calls) -> Self {
        Self { inner, calls }
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watched")
    }
}

impl HttpClient for Watched {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(WatchedConnector { inner, calls: self.calls.clone() })
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.inner.connector_metadata()
    }
}

#[derive(Debug)]
struct WatchedConnector {
    inner: SharedHttpConnector,
    calls: Calls,
}

impl HttpConnector for WatchedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (inner, calls) = (self.inner.clone(), self.calls.clone());
        HttpConnectorFuture::new(async move {
            let under_way = calls.begin(&request)?;
            match answered(&inner, request).await {
                Ok(answer) => {
                    if let Some(why) = trouble(&answer) {
                        under_way.failed(why, REFUSED_FOR);
                    }
                    Ok(answer)
                }
                Err(error) => {
                    if error.is_timeout() {
                        under_way.failed(NO_ANSWER.into(), UNANSWERED_FOR);
                    } else if error.is_io() {
                        under_way.failed(chain(&error), UNANSWERED_FOR);
                    }
                    Err(error)
                }
            }
        })
    }
}

/// The whole answer: one that stands still has not come. Objects are read as they come, and watched
/// by the SDK.
async fn answered(
    inner: &SharedHttpConnector,
    request: HttpRequest,
) -> Result<HttpResponse, ConnectorError> {
    let object = request.uri().contains("x-id=GetObject");
    let mut answer = inner.call(request).await?;
    if object && answer.status().is_success() {
        return Ok(answer);
    }
    let body = std::mem::replace(answer.body_mut(), SdkBody::empty());
    let read = timeout(ATTEMPT, ByteStream::new(body).collect()).await;
    let read = read.map_err(|late| ConnectorError::timeout(late.into()))?;
    let read = read.map_err(|lost| ConnectorError::io(lost.into()))?;
    *answer.body_mut() = SdkBody::from(read.into_bytes());
    Ok(answer)
}

/// In AWS's words, what it is that passes by itself.
fn trouble(answer: &HttpResponse) -> Option<String> {
    let status = answer.status().as_u16();
    if status < 400 {
        return None;
    }
    let body = answer.body().bytes().unwrap_or_default();
    let code = code(body).unwrap_or_default();
    let text = String::from_utf8_lossy(body);
    let passes = matches!(class(&code, &text, status), Class::Throttled | Class::Broken);
    passes.then(|| if code.is_empty() { format!("HTTP {status}") } else { code })
}

#[cfg(test)]
mod tests {
    use aws_config::retry::RetryConfig;

    use super::super::canned::Canned;
    use super::*;

    /// An AWS that takes every call and answers none, behind a client that gives up after 30 s.
    #[derive(Debug, Clone)]
    struct Silent;

    impl HttpConnector for Silent {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            HttpConnectorFuture::new(async {
                let never = timeout(Duration::from_secs(30), std::future::pending::<()>()).await;
                Err(ConnectorError::timeout(never.expect_err("it never ends").into()))
            })
        }
    }

    impl HttpClient for Silent {
        fn http_connector(
            &self,
            _: &HttpConnectorSettings,
            _: &RuntimeComponents,
        ) -> SharedHttpConnector {
            SharedHttpConnector::new(self.clone())
        }
    }

    fn kinesis(inner: impl HttpClient + 'static, calls: &Calls) -> aws_sdk_kinesis::Client {
        let watched = Watched::new(SharedHttpClient::new(inner), calls.clone());
        let config = Canned::behind(SharedHttpClient::new(watched)).into_builder();
        let retries = RetryConfig::standard().with_max_attempts(8);
        aws_sdk_kinesis::Client::new(&config.retry_config(retries).build())
    }

    fn refusing(status: u16, body: &str) -> Canned {
        Canned { status, body: body.as_bytes().to_vec(), ..Canned::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_never_answered_is_given_up_within_two_tries() {
        let calls = Calls::default();
        let (api, started) = (kinesis(Silent, &calls), Instant::now());
        let mut call = std::pin::pin!(api.list_streams().send());
        assert!(timeout(Duration::from_secs(12), &mut call).await.is_err());
        let waited = calls.waited(Duration::from_secs(10));
        let [Waited { name, now: 1, most: 8, trouble: None, .. }] = &waited[..] else {
            panic!("{waited:?}")
        };
        assert_eq!(name, "kinesis:ListStreams");
        let error = chain(&call.await.expect_err("nobody answers"));
        assert!(error.contains("and 2 tries: no answer"), "{error}");
        assert!(started.elapsed() < Duration::from_secs(65), "{:?}", started.elapsed());
        assert_eq!(calls.waited(Duration::ZERO), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttle_without_end_is_told_by_its_code_and_comes_to_an_end() {
        let calls = Calls::default();
        let aws = refusing(400, r#"{"__type":"ThrottlingException","message":"slow down"}"#);
        let (api, started) = (kinesis(aws.clone(), &calls), Instant::now());
        let mut call = std::pin::pin!(api.list_streams().send());
        assert!(timeout(Duration::from_millis(1), &mut call).await.is_err());
        let waited = calls.waited(Duration::ZERO);
        assert_eq!(waited[0].trouble.as_deref(), Some("ThrottlingException"));
        let error = chain(&call.await.expect_err("it refuses"));
        assert!(error.contains("slow down"), "{error}");
        assert_eq!(aws.heard.lock().expect("nobody panics").len(), 8);
        assert!(started.elapsed() < Duration::from_secs(90), "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_what_ended_or_was_dropped() {
        let calls = Calls::default();
        let wrong = refusing(400, r#"{"__type":"InvalidArgumentException","message":"no"}"#);
        let answer = kinesis(wrong, &calls).list_streams().send().await;
        assert!(chain(&answer.expect_err("it is wrong")).contains("InvalidArgument"));
        assert_eq!(calls.waited(Duration::ZERO), []);
        let api = kinesis(Silent, &calls);
        assert!(timeout(Duration::from_secs(1), api.list_streams().send()).await.is_err());
        assert_eq!(calls.waited(Duration::ZERO), []);
    }

    #[tokio::test]
    async fn a_call_is_told_by_what_its_protocol_shows() {
        let aws = Canned { status: 200, ..Canned::default() };
        let calls = Calls::default();
        let named = |uri: &str, headers: &[(&'static str, &'static str)]| {
            let mut request = HttpRequest::new(SdkBody::empty());
            request.set_uri(uri).expect("it is one");
            for (header, value) in headers {
                request.headers_mut().insert(*header, *value);
            }
            name(&request)
        };
        let s3 = ("authorization", "AWS4 Credential=a/20130115/r/s3/aws4_request, b");
        let kms = ("authorization", "AWS4 Credential=a/20130115/r/kms/aws4_request, b");
        let target = ("x-amz-target", "TrentService.CreateKey");
        assert_eq!(named("https://s3.r.amazonaws.com/lake/a?x=1", &[s3]), "s3:GET /lake/a");
        assert_eq!(named("https://kms.r.amazonaws.com/", &[kms, target]), "kms:CreateKey");
        let _ = kinesis(aws, &calls).list_streams().send().await;
        assert_eq!(calls.waited(Duration::ZERO), []);
    }
}
