//! `SdkError` -> `Fault`: AWS's own code decides the class.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::cloud::{Class, Fault};

/// Names the operation that an error came from.
pub trait During<T> {
    fn during(self, operation: &'static str) -> Result<T, Fault>;
}

impl<T, E> During<T> for Result<T, SdkError<E, HttpResponse>>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    fn during(self, operation: &'static str) -> Result<T, Fault> {
        self.map_err(|error| fault(error, operation))
    }
}

/// `Ok(None)` where AWS says, with one of `codes`, that there is no such thing.
pub fn absent<T>(answer: Result<T, Fault>, codes: &[&str]) -> Result<Option<T>, Fault> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(fault) if fault.code.as_deref().is_some_and(|code| codes.contains(&code)) => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn fault<E>(error: SdkError<E, HttpResponse>, operation: &'static str) -> Fault
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let response = error.raw_response();
    let status = response.map(|r| r.status().as_u16());
    let request_id = response.and_then(|r| {
        ["x-amzn-requestid", "x-amz-request-id"]
            .iter()
            .find_map(|h| r.headers().get(*h))
            .map(str::to_owned)
    });
    let (code, message) = match &error {
        SdkError::ServiceError(service) => {
            let meta = service.err();
            let code = meta.code().map(str::to_owned);
            let message = meta.message().map(str::to_owned);
            let what = if unread(meta, status) { "what cannot be read" } else { "no message" };
            let bare = || format!("AWS answered {} and {what}", status.unwrap_or_default());
            (code.or_else(|| not_found(status)), message.unwrap_or_else(bare))
        }
        // Our own words, which need none of the SDK's before them.
        SdkError::DispatchFailure(failure) if failure.is_other() => {
            let source = failure.as_connector_error().and_then(std::error::Error::source);
            (None, source.map_or_else(|| chain(&error), chain))
        }
        other => (None, chain(other)),
    };
    let class = match &error {
        SdkError::ConstructionFailure(_) => Class::Invalid,
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
            Class::Lost
        }
        SdkError::ServiceError(service) if unread(service.err(), status) => Class::Broken,
        _ => class(code.as_deref().unwrap_or_default(), &message, status.unwrap_or_default()),
    };
    Fault { class, operation, code, message, request_id }
}

/// Whether AWS tells success and nothing that can be read of it: it was not refused.
fn unread(error: &impl ProvideErrorMetadata, status: Option<u16>) -> bool {
    error.code().is_none() && status.is_some_and(|status| (200..300).contains(&status))
}

/// An error and its causes, each in its own words.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !said.contains(&words) {
            said = format!("{said}: {words}");
        }
        cause = error.source();
    }
    said
}

/// An answer to HEAD has no body, so its status is its code.
fn not_found(status: Option<u16>) -> Option<String> {
    match status {
        Some(404) => Some("NotFound".into()),
        Some(403) => Some("AccessDenied".into()),
        Some(301) => Some("PermanentRedirect".into()),
        _ => None,
    }
}

/// `LimitExceededException` is not among them, though the SDK tries it again: it is a quota, unless
/// it says that it is a rate. Kinds know where else it passes.
const THROTTLED: [&str; 12] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "SlowDown",
    "PriorRequestNotComplete",
    "RequestThrottled",
    "RequestThrottledException",
    "ProvisionedThroughputExceededException",
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
];
/// AWS's own trouble, whatever the status says.
const BROKEN: [&str; 3] =
    ["RequestTimeout", "RequestTimeoutException", "OperationTimeoutException"];
const DENIED: [&str; 13] = [
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "AuthorizationError",
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
    "InvalidAccessKeyId",
    "InvalidSignatureException",
    "AuthFailure",
];
const CONFLICT: [&str; 9] = [
    "ConcurrentModificationException",
    "ConcurrentModification",
    "ResourceConflictException",
    "OperationAborted",
    "OperationAbortedException",
    "ResourceInUseException",
    "DeleteConflict",
    "ConflictException",
    "ConditionalRequestConflict",
];

/// The code in an answer that nobody has parsed yet, in whatever protocol.
pub(super) fn code(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let (_, rest) = text.split_once("<Code>").or_else(|| text.split_once("__type"))?;
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '#' | '_');
    // Before a text CBOR puts its length, which may look like a letter or two.
    let word = rest.split(|c| !part(c)).find(|word| word.len() > 3)?;
    word.rsplit('#').next().map(str::to_owned)
}

/// By the code, and by what the message says where the code says too little.
pub(super) fn class(code: &str, message: &str, status: u16) -> Class {
    match code {
        "LimitExceededException" if message.contains("Rate exceeded") => Class::Throttled,
        code if THROTTLED.contains(&code) => Class::Throttled,
        code if DENIED.contains(&code) => Class::Denied,
        code if CONFLICT.contains(&code) => Class::Conflict,
        code if BROKEN.contains(&code) => Class::Broken,
        "BucketNotEmpty" => Class::NotEmpty,
        _ if status == 429 => Class::Throttled,
        _ if status >= 500 || status == 408 => Class::Broken,
        _ => Class::Invalid,
    }
}

/// The SDK refuses to build a request that lacks a required part.
impl<T> During<T> for Result<T, aws_smithy_types::error::operation::BuildError> {
    fn during(self, operation: &'static str) -> Result<T, Fault> {
        self.map_err(|error| Fault::new(Class::Invalid, operation, error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::canned::Canned;
    use super::*;

    const CBOR: &[(&str, &str)] = &[("smithy-protocol", "rpc-v2-cbor"), ("x-amzn-requestid", "r")];
    const PLAIN: &[(&str, &str)] = &[("x-amzn-requestid", "r")];

    fn canned(status: u16, headers: &[(&'static str, &'static str)], body: &[u8]) -> Canned {
        Canned { status, headers: headers.to_vec(), body: body.to_vec(), ..Canned::default() }
    }

    fn told(fault: Fault) -> (Class, Option<String>, String, Option<String>) {
        (fault.class, fault.code, fault.message, fault.request_id)
    }

    fn expected(
        class: Class,
        code: &str,
        message: &str,
    ) -> (Class, Option<String>, String, Option<String>) {
        (class, Some(code.into()), message.into(), Some("r".into()))
    }

    #[tokio::test]
    async fn json_tells_its_code_and_its_message_in_either_case() {
        let body = br#"{"__type":"com.amazonaws.kinesis#LimitExceededException","message":"many"}"#;
        let api = aws_sdk_kinesis::Client::new(&canned(400, PLAIN, body).config());
        let fault = api.list_streams().send().await.during("x").expect_err("refused");
        assert_eq!(told(fault), expected(Class::Invalid, "LimitExceededException", "many"));

        let body = br#"{"__type":"EntityNotFoundException","Message":"none"}"#;
        let api = aws_sdk_glue::Client::new(&canned(400, PLAIN, body).config());
        let fault = api.get_databases().send().await.during("x").expect_err("refused");
        assert_eq!(told(fault), expected(Class::Invalid, "EntityNotFoundException", "none"));

        let body = br#"{"__type":"InvalidRequestException","ErrorCode":"NoSuchCluster",
            "Message":"Cluster id 'j-1' is not valid."}"#;
        let api = aws_sdk_emr::Client::new(&canned(400, PLAIN, body).config());
        let fault = api.list_steps().cluster_id("j-1").send().await.during("x").expect_err("none");
        let message = "Cluster id 'j-1' is not valid.";
        assert_eq!(told(fault), expected(Class::Invalid, "InvalidRequestException", message));

        let body = br#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#;
        let api = aws_sdk_kms::Client::new(&canned(400, PLAIN, body).config());
        let fault = api.list_keys().send().await.during("x").expect_err("refused");
        assert_eq!(told(fault), expected(Class::Throttled, "ThrottlingException", "Rate exceeded"));
    }

    /// SQS speaks JSON and tells the code of its older protocol beside it.
    #[tokio::test]
    async fn sqs_tells_its_older_code_where_it_has_one() {
        const OLDER: &str = "AWS.SimpleQueueService.NonExistentQueue";
        let headers = [("x-amzn-query-error", "AWS.SimpleQueueService.NonExistentQueue;Sender")];
        let body = br#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"none"}"#;
        for (headers, code) in [(&headers[..], OLDER), (&[], "QueueDoesNotExist")] {
            let headers = [headers, PLAIN].concat();
            let api = aws_sdk_sqs::Client::new(&canned(400, &headers, body).config());
            let answer = api.list_queue_tags().queue_url("https://q").send().await;
            let fault = answer.during("x").expect_err("refused");
            assert_eq!(told(fault), expected(Class::Invalid, code, "none"));
        }
    }

    #[tokio::test]
    async fn cbor_tells_its_code_and_its_message() {
        fn text(text: &str) -> Vec<u8> {
            let length = u8::try_from(text.len()).expect("a short text");
            [&[0x78, length], text.as_bytes()].concat()
        }
        let code = "com.amazonaws.cloudwatch#ConcurrentModificationException";
        let body = [vec![0xa2], text("__type"), text(code), text("message"), text("busy")].concat();
        let api = aws_sdk_cloudwatch::Client::new(&canned(400, CBOR, &body).config());
        let fault = api.describe_alarms().send().await.during("x").expect_err("refused");
        assert_eq!(
            told(fault),
            expected(Class::Conflict, "ConcurrentModificationException", "busy")
        );
    }

    #[tokio::test]
    async fn xml_tells_its_code_and_its_message() {
        let body = b"<ErrorResponse><Error><Type>Sender</Type><Code>DeleteConflict</Code>\
            <Message>in use</Message></Error><RequestId>r</RequestId></ErrorResponse>";
        let config = canned(409, PLAIN, body).config();
        let iam = aws_sdk_iam::Client::new(&config);
        let fault = iam.get_role().role_name("a").send().await.during("x").expect_err("refused");
        assert_eq!(told(fault), expected(Class::Conflict, "DeleteConflict", "in use"));
        let sns = aws_sdk_sns::Client::new(&config);
        let fault = sns.list_topics().send().await.during("x").expect_err("refused");
        assert_eq!(told(fault), expected(Class::Conflict, "DeleteConflict", "in use"));

        let body = b"<Error><Code>SlowDown</Code><Message>slower</Message></Error>";
        let s3 = aws_sdk_s3::Client::new(&canned(503, PLAIN, body).config());
        let fault = s3.get_bucket_acl().bucket("a").send().await.during("x").expect_err("refused");
        assert_eq!(told(fault), expected(Class::Throttled, "SlowDown", "slower"));
    }

    #[tokio::test]
    async fn an_answer_without_a_body_is_told_by_its_status() {
        for (status, class, code) in [
            (404, Class::Invalid, Some("NotFound")),
            (403, Class::Denied, Some("AccessDenied")),
            (301, Class::Invalid, Some("PermanentRedirect")),
            (429, Class::Throttled, None),
            (500, Class::Broken, None),
            (503, Class::Broken, None),
        ] {
            let s3 = aws_sdk_s3::Client::new(&canned(status, PLAIN, b"").config());
            let fault = s3.head_bucket().bucket("a").send().await.during("x").expect_err("refused");
            assert_eq!((fault.class, fault.code.as_deref()), (class, code), "{status}");
        }
    }

    /// A proxy on the way has no words of AWS.
    #[tokio::test]
    async fn what_is_no_answer_of_aws_is_trouble_that_may_pass() {
        let config = canned(502, PLAIN, b"<html><body>Bad gateway</body></html>").config();
        let iam = aws_sdk_iam::Client::new(&config);
        let one = iam.get_role().role_name("a").send().await.during("x").expect_err("no answer");
        let emr = aws_sdk_emr::Client::new(&config);
        let other = emr.list_clusters().send().await.during("x").expect_err("no answer");
        for fault in [one, other] {
            assert!(matches!(fault.class, Class::Lost | Class::Broken), "{fault:?}");
        }
    }

    /// It may have been done: whoever sends it once has to look.
    #[tokio::test]
    async fn a_success_that_cannot_be_read_is_no_refusal() {
        let config = canned(200, PLAIN, b"<html>\x00\xff{").config();
        let emr = aws_sdk_emr::Client::new(&config);
        let emr = emr.run_job_flow().send().await.during("x").expect_err("no answer");
        let kms = aws_sdk_kms::Client::new(&config);
        let kms = kms.create_key().send().await.during("x").expect_err("no answer");
        let sns = aws_sdk_sns::Client::new(&config);
        let sns = sns.create_topic().name("a").send().await.during("x").expect_err("no answer");
        let lambda = aws_sdk_lambda::Client::new(&config);
        let call = lambda.create_event_source_mapping().function_name("a");
        let lambda = call.send().await.during("x").expect_err("no answer");
        for fault in [emr, kms, sns, lambda] {
            let message = "AWS answered 200 and what cannot be read";
            assert_eq!(told(fault), (Class::Broken, None, message.into(), Some("r".into())));
        }
    }

    #[test]
    fn a_code_says_more_than_a_status() {
        for (code, message, status, expected) in [
            ("RequestTimeout", "", 400, Class::Broken),
            ("OperationTimeoutException", "", 400, Class::Broken),
            ("TooManyRequestsException", "", 400, Class::Throttled),
            ("ResourceInUseException", "", 400, Class::Conflict),
            ("InternalFailure", "", 500, Class::Broken),
            ("", "", 408, Class::Broken),
            ("LimitExceeded", "", 409, Class::Invalid),
            ("LimitExceededException", "would exceed the shard limit", 400, Class::Invalid),
            ("LimitExceededException", "Rate exceeded for stream", 400, Class::Throttled),
            ("RequestExpired", "", 400, Class::Denied),
        ] {
            assert_eq!(class(code, message, status), expected, "{code} {message}");
        }
    }
}
