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
            let bare = || format!("AWS answered {} and no message", status.unwrap_or_default());
            (code.or_else(|| not_found(status)), message.unwrap_or_else(bare))
        }
        other => (None, chain(other)),
    };
    let class = match &error {
        SdkError::ConstructionFailure(_) => Class::Invalid,
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
            Class::Lost
        }
        _ => class(code.as_deref().unwrap_or_default(), status.unwrap_or_default()),
    };
    Fault { class, operation, code, message, request_id }
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

const THROTTLED: [&str; 9] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "SlowDown",
    "PriorRequestNotComplete",
    "RequestThrottled",
    "RequestThrottledException",
];
const DENIED: [&str; 12] = [
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "AuthorizationError",
    "ExpiredToken",
    "ExpiredTokenException",
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

fn class(code: &str, status: u16) -> Class {
    match code {
        code if THROTTLED.contains(&code) => Class::Throttled,
        code if DENIED.contains(&code) => Class::Denied,
        code if CONFLICT.contains(&code) => Class::Conflict,
        "BucketNotEmpty" => Class::NotEmpty,
        _ if status >= 500 => Class::Broken,
        _ => Class::Invalid,
    }
}

/// The SDK refuses to build a request that lacks a required part.
impl<T> During<T> for Result<T, aws_smithy_types::error::operation::BuildError> {
    fn during(self, operation: &'static str) -> Result<T, Fault> {
        self.map_err(|error| Fault::new(Class::Invalid, operation, error.to_string()))
    }
}
