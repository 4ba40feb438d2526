//! Calls read and answers written in each service's own form.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::super::call::Call;
use super::super::http::Answer;
use super::super::proxy::Deed;

/// Instead of AWS: an error of this code, in the form in which the service tells errors.
pub fn refuse(call: &Call, code: &str, message: &str) -> Deed {
    let (status, kind, body) = match call.service.as_str() {
        "s3" => (s3_status(code), "application/xml", format!("<Error>{}</Error>", xml(code, message))),
        "iam" | "sns" | "sts" => {
            let body = format!("<ErrorResponse><Error>{}</Error></ErrorResponse>", xml(code, message));
            (query_status(code), "text/xml", body)
        }
        "monitoring" => return cbor(code, message),
        "lambda" => (lambda_status(code), "application/json", both(code, message)),
        _ => (400, "application/x-amz-json-1.1", both(code, message)),
    };
    let mut headers = vec![("content-type".to_owned(), kind.to_owned())];
    if call.service == "lambda" {
        headers.push(("x-amzn-errortype".to_owned(), code.to_owned()));
    }
    if let Some(older) = code.strip_prefix("AWS.SimpleQueueService.") {
        headers.push(("x-amzn-query-error".to_owned(), format!("{code};Sender")));
        let body = both(older, message).into_bytes();
        return Deed::Answer(Answer { status, headers, body });
    }
    let body = if call.request.method == "HEAD" { Vec::new() } else { body.into_bytes() };
    Deed::Answer(Answer { status, headers, body })
}

fn xml(code: &str, message: &str) -> String {
    format!("<Code>{code}</Code><Message>{message}</Message>")
}

fn both(code: &str, message: &str) -> String {
    json!({"__type": code, "message": message, "Message": message}).to_string()
}

fn s3_status(code: &str) -> u16 {
    match code {
        "OperationAborted" => 409,
        "NoSuchBucket" => 404,
        "SlowDown" => 503,
        _ => 400,
    }
}

fn query_status(code: &str) -> u16 {
    match code {
        "NoSuchEntity" => 404,
        "DeleteConflict" | "ConcurrentModification" => 409,
        _ => 400,
    }
}

fn lambda_status(code: &str) -> u16 {
    match code {
        "ResourceConflictException" => 409,
        "ResourceNotFoundException" => 404,
        "TooManyRequestsException" => 429,
        _ => 400,
    }
}

/// A map of two texts.
fn cbor(code: &str, message: &str) -> Deed {
    let text = |text: &str| {
        let length = u8::try_from(text.len()).expect("a short text");
        [&[0x78, length], text.as_bytes()].concat()
    };
    let body = [vec![0xa2], text("__type"), text(code), text("message"), text(message)].concat();
    let headers = vec![
        ("content-type".to_owned(), "application/cbor".to_owned()),
        ("smithy-protocol".to_owned(), "rpc-v2-cbor".to_owned()),
    ];
    Deed::Answer(Answer { status: 400, headers, body })
}

/// The body of a call as JSON; null where it is none.
pub fn json_of(call: &Call) -> Value {
    serde_json::from_slice(&call.request.body).unwrap_or_default()
}

/// A member of a JSON body.
pub fn text(call: &Call, name: &str) -> String {
    json_of(call)[name].as_str().unwrap_or_default().to_owned()
}

/// The members of a body in the query form.
pub fn form(call: &Call) -> BTreeMap<String, String> {
    let decode = |text: &str| {
        percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
    };
    let body = call.text();
    let pairs = body.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}

/// The words of a path, decoded.
pub fn path(call: &Call) -> Vec<String> {
    let (path, _) = call.request.path.split_once('?').unwrap_or((&call.request.path, ""));
    let words = path.trim_matches('/').split('/');
    words.map(|word| percent_decode_str(word).decode_utf8_lossy().into_owned()).collect()
}

/// A member of a path's query, decoded.
pub fn query(call: &Call, name: &str) -> Option<String> {
    let (_, query) = call.request.path.split_once('?')?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(found, _)| *found == name)?;
    Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
}

pub fn well(answer: &Answer) -> bool {
    (200..300).contains(&answer.status)
}

/// Changes an answer that is JSON.
pub fn edit(answer: &mut Answer, change: impl FnOnce(&mut Value)) {
    let Ok(mut value) = serde_json::from_slice(&answer.body) else { return };
    change(&mut value);
    answer.body = value.to_string().into_bytes();
}

pub fn told(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// What stands between the first two tags of a name.
pub fn inner<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(inner, _)| inner)
}
