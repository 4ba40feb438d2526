//! Each service's rate limits, kept before AWS has to refuse: one token bucket a limit.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use tokio::sync::Mutex as Line;
use tokio::time::Instant;

/// Requests a second that a service takes, and the operations that share them.
struct Limit {
    /// What the request names its target by, up to the operation.
    service: &'static str,
    /// Each of these on its own; empty: all operations of the service together.
    operations: &'static [&'static str],
    per_second: f64,
}

/// The documented limits an account and region, with room left for others in the account.
const LIMITS: &[Limit] = &[
    Limit { service: "Kinesis", operations: &["DescribeStreamSummary"], per_second: 15.0 },
    Limit {
        service: "Kinesis",
        operations: &[
            "CreateStream",
            "DeleteStream",
            "ListStreams",
            "ListTagsForStream",
            "AddTagsToStream",
            "RemoveTagsFromStream",
        ],
        per_second: 4.0,
    },
    Limit { service: "Kinesis", operations: &["UpdateShardCount"], per_second: 8.0 },
    Limit {
        service: "Firehose",
        operations: &[
            "CreateDeliveryStream",
            "DeleteDeliveryStream",
            "DescribeDeliveryStream",
            "ListDeliveryStreams",
            "UpdateDestination",
            "TagDeliveryStream",
            "UntagDeliveryStream",
            "ListTagsForDeliveryStream",
            "StartDeliveryStreamEncryption",
            "StopDeliveryStreamEncryption",
        ],
        per_second: 4.0,
    },
    Limit { service: "ElasticMapReduce", operations: &[], per_second: 4.0 },
    Limit {
        service: "TrentService",
        operations: &[
            "CreateKey",
            "CreateAlias",
            "UpdateAlias",
            "EnableKey",
            "DisableKey",
            "UntagResource",
        ],
        per_second: 4.0,
    },
    Limit { service: "TrentService", operations: &["TagResource"], per_second: 8.0 },
    Limit {
        service: "TrentService",
        operations: &[
            "PutKeyPolicy",
            "EnableKeyRotation",
            "DisableKeyRotation",
            "ScheduleKeyDeletion",
            "CancelKeyDeletion",
            "DeleteAlias",
        ],
        per_second: 12.0,
    },
    Limit {
        service: "Logs",
        operations: &["CreateLogGroup", "DeleteLogGroup", "DescribeLogGroups"],
        per_second: 4.0,
    },
    Limit { service: "GraniteServiceVersion", operations: &["DescribeAlarms"], per_second: 8.0 },
    Limit {
        service: "GraniteServiceVersion",
        operations: &["PutMetricAlarm", "PutCompositeAlarm"],
        per_second: 2.5,
    },
    Limit {
        service: "GraniteServiceVersion",
        operations: &["GetDashboard", "PutDashboard", "DeleteDashboards"],
        per_second: 8.0,
    },
    Limit { service: "AWSGlue", operations: &[], per_second: 10.0 },
    // SQS publishes none but for tags.
    Limit {
        service: "AmazonSQS",
        operations: &["ListQueueTags", "TagQueue", "UntagQueue"],
        per_second: 4.0,
    },
    Limit { service: "sns", operations: &["ListSubscriptionsByTopic"], per_second: 24.0 },
    Limit {
        service: "sns",
        operations: &["ListTagsForResource", "TagResource", "UntagResource"],
        per_second: 8.0,
    },
    Limit { service: "iam", operations: &[], per_second: 15.0 },
    Limit { service: LAMBDA, operations: &[GET_FUNCTION], per_second: 80.0 },
    Limit { service: LAMBDA, operations: &[GET_POLICY], per_second: 12.0 },
    Limit { service: LAMBDA, operations: &[], per_second: 12.0 },
];

const LAMBDA: &str = "lambda";
const GET_FUNCTION: &str = "GetFunction";
const GET_POLICY: &str = "GetPolicy";

/// A second's worth may go at once; after that they go at the limit's rate.
#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    /// Takes a token, or else tells how long it is until there is one.
    fn take(&mut self, per_second: f64, now: Instant) -> Option<Duration> {
        let burst = per_second.max(1.0);
        self.tokens =
            (self.tokens + now.duration_since(self.at).as_secs_f64() * per_second).min(burst);
        self.at = now;
        if self.tokens < 1.0 {
            return Some(Duration::from_secs_f64((1.0 - self.tokens) / per_second));
        }
        self.tokens -= 1.0;
        None
    }
}

/// Where a request waits. Only the first in the line waits for a token and takes it when it goes:
/// after a time in which nothing ran, those behind it do not go all at once.
struct Turn {
    bucket: Arc<Line<Bucket>>,
    per_second: f64,
}

impl Turn {
    async fn come(self) {
        let mut bucket = self.bucket.lock().await;
        while let Some(wait) = bucket.take(self.per_second, Instant::now()) {
            pause(wait).await;
        }
    }
}

/// An HTTP client that holds each request until its service takes it.
pub struct Paced {
    inner: SharedHttpClient,
    buckets: Buckets,
}

type Buckets = Arc<Mutex<HashMap<(usize, String), Arc<Line<Bucket>>>>>;

impl Paced {
    pub fn new(inner: SharedHttpClient) -> Self {
        Self { inner, buckets: Buckets::default() }
    }
}

impl fmt::Debug for Paced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Paced")
    }
}

impl HttpClient for Paced {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(PacedConnector { inner, buckets: self.buckets.clone() })
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.inner.connector_metadata()
    }
}

#[derive(Debug)]
struct PacedConnector {
    inner: SharedHttpConnector,
    buckets: Buckets,
}

impl HttpConnector for PacedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let turn = turn(&self.buckets, &request);
        let inner = self.inner.clone();
        HttpConnectorFuture::new(async move {
            if let Some(turn) = turn {
                turn.come().await;
            }
            inner.call(request).await
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "a request that is held back is not a retry")]
async fn pause(wait: Duration) {
    tokio::time::sleep(wait).await;
}

fn turn(buckets: &Buckets, request: &HttpRequest) -> Option<Turn> {
    let target = target(request)?;
    let (index, Limit { operations, per_second, .. }) = limit(&target)?;
    let shared = if operations.is_empty() { String::new() } else { target.1 };
    let mut buckets = buckets.lock().expect("no holder of this lock panics");
    let full = || Line::new(Bucket { tokens: per_second.max(1.0), at: Instant::now() });
    let bucket = buckets.entry((index, shared)).or_insert_with(|| full().into()).clone();
    Some(Turn { bucket, per_second: *per_second })
}

/// A service and one of its operations.
pub(super) type Target = (String, String);

fn limit((service, operation): &Target) -> Option<(usize, &'static Limit)> {
    LIMITS.iter().enumerate().find(|(_, limit)| {
        service.starts_with(limit.service)
            && (limit.operations.is_empty() || limit.operations.contains(&operation.as_str()))
    })
}

/// Service and operation as the protocol names them: `X-Amz-Target: Kinesis_20131202.CreateStream`,
/// `/service/GraniteServiceVersion20100801/operation/PutMetricAlarm`, or a query form's `Action`.
/// Of Lambda, which names none, those that have a limit of their own.
pub(super) fn target(request: &HttpRequest) -> Option<Target> {
    if let Some(target) = request.headers().get("x-amz-target") {
        let (service, operation) = target.rsplit_once('.')?;
        return Some((service.to_owned(), operation.to_owned()));
    }
    if let Some((_, path)) = request.uri().split_once("/service/") {
        let (service, operation) = path.split_once("/operation/")?;
        return Some((service.to_owned(), operation.to_owned()));
    }
    let authorization = request.headers().get("authorization")?;
    let service = authorization.split("Credential=").nth(1)?.split('/').nth(3)?;
    if service == LAMBDA {
        return Some((service.to_owned(), of_lambda(request).to_owned()));
    }
    let body = std::str::from_utf8(request.body().bytes()?).ok()?;
    let action = body.strip_prefix("Action=")?.split('&').next()?;
    Some((service.to_owned(), action.to_owned()))
}

/// By its method and its path below the host, `/2015-03-31/functions/name/policy`.
fn of_lambda(request: &HttpRequest) -> &'static str {
    let uri = request.uri();
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let path = rest.split('?').next().unwrap_or_default();
    let steps: Vec<&str> = path.split('/').skip(2).collect();
    match (request.method(), steps.as_slice()) {
        ("GET", ["functions", _]) => GET_FUNCTION,
        ("GET", ["functions", _, "policy"]) => GET_POLICY,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::super::canned::Canned;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bucket_lets_a_burst_through_and_then_its_rate() {
        let now = Instant::now();
        let mut bucket = Bucket { tokens: 4.0, at: now };
        let waits: Vec<_> = (0..6).map(|_| bucket.take(4.0, now)).collect();
        let quarter = Some(Duration::from_millis(250));
        assert_eq!(waits, [None, None, None, None, quarter, quarter]);
        assert_eq!(bucket.take(4.0, now + Duration::from_millis(250)), None);
        assert_eq!(bucket.take(4.0, now + Duration::from_secs(10)), None);
    }

    /// As on a machine that is busy with something else.
    #[tokio::test(start_paused = true)]
    async fn calls_that_wait_do_not_go_all_at_once_after_a_time_in_which_nothing_ran() {
        let aws = Canned { status: 200, body: b"{}".to_vec(), ..Canned::default() };
        let paced = SharedHttpClient::new(Paced::new(SharedHttpClient::new(aws.clone())));
        let emr = aws_sdk_emr::Client::new(&Canned::behind(paced));
        let calls: Vec<_> = (0..20).map(|_| tokio::spawn(emr.list_clusters().send())).collect();
        let heard = || aws.heard.lock().expect("no test panics here").len();
        for busy in [Duration::ZERO, Duration::from_secs(10)] {
            tokio::time::advance(busy).await;
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(heard(), 8, "four at first, and four that a second has room for");
        futures_util::future::join_all(calls).await;
        assert_eq!(heard(), 20);
    }

    /// Each protocol names its operation elsewhere, and a client's protocol may change under us.
    #[tokio::test]
    async fn every_limit_is_found_by_what_the_sdk_sends() {
        let aws = Canned { status: 400, ..Canned::default() };
        let config = aws.config();
        let kinesis = aws_sdk_kinesis::Client::new(&config);
        let _ = kinesis.describe_stream_summary().stream_name("a").send().await;
        let firehose = aws_sdk_firehose::Client::new(&config);
        let _ = firehose.describe_delivery_stream().delivery_stream_name("a").send().await;
        let _ = aws_sdk_emr::Client::new(&config).list_clusters().send().await;
        let _ = aws_sdk_kms::Client::new(&config).create_key().send().await;
        let logs = aws_sdk_cloudwatchlogs::Client::new(&config);
        let _ = logs.create_log_group().log_group_name("a").send().await;
        let _ = aws_sdk_cloudwatch::Client::new(&config).describe_alarms().send().await;
        let _ = aws_sdk_glue::Client::new(&config).get_databases().send().await;
        let _ = aws_sdk_sqs::Client::new(&config).list_queue_tags().queue_url("a").send().await;
        let sns = aws_sdk_sns::Client::new(&config);
        let _ = sns.list_tags_for_resource().resource_arn("a").send().await;
        let _ = sns.list_subscriptions_by_topic().topic_arn("a").send().await;
        let _ = aws_sdk_iam::Client::new(&config).get_role().role_name("a").send().await;
        let lambda = aws_sdk_lambda::Client::new(&config);
        let _ = lambda.get_function().function_name("a").send().await;
        let _ = lambda.get_policy().function_name("a").send().await;
        let _ = lambda.delete_function().function_name("a").send().await;
        let heard = aws.heard.lock().expect("no holder panics");
        let found: Vec<_> = heard.iter().map(|target| limit(target.as_ref()?)).collect();
        assert!(found.iter().all(Option::is_some), "{heard:?}");
        let mut services: Vec<_> = found.iter().flatten().map(|(_, limit)| limit.service).collect();
        services.dedup();
        let mut known: Vec<_> = LIMITS.iter().map(|limit| limit.service).collect();
        known.dedup();
        assert_eq!(services, known);
        let of_lambda: Vec<_> = heard.iter().rev().take(3).flatten().map(|(_, o)| &**o).collect();
        assert_eq!(of_lambda, ["", GET_POLICY, GET_FUNCTION]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_may_wait_longer_for_its_turn_than_for_its_answer() {
        let aws = Canned { status: 200, body: b"{}".to_vec(), ..Canned::default() };
        let paced = SharedHttpClient::new(Paced::new(SharedHttpClient::new(aws.clone())));
        let emr = aws_sdk_emr::Client::new(&Canned::behind(paced));
        let calls = (0..200).map(|_| emr.list_clusters().send());
        let answers = futures_util::future::join_all(calls).await;
        assert!(answers.iter().all(Result::is_ok), "{:?}", answers.iter().find(|a| a.is_err()));
    }
}
