//! Calls read and answers written in each service's own form.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::super::call::Call;
use super::super::http::Answer;
use super::super::proxy::Deed;
use super::super::refusal::refusal;

/// Instead of AWS: an error of this code, in the form in which the service tells errors.
pub fn refuse(call: &Call, code: &str, message: &str) -> Deed {
    let mut answer = refusal(call, status(call, code), code, message);
    if let Some(own) = code.strip_prefix("AWS.SimpleQueueService.") {
        answer = refusal(call, 400, own, message);
        answer.headers.push(("x-amzn-query-error".to_owned(), format!("{code};Sender")));
    }
    Deed::Answer(answer)
}

fn status(call: &Call, code: &str) -> u16 {
    match (call.service.as_str(), code) {
        ("s3", "NoSuchBucket") | ("iam", "NoSuchEntity") => 404,
        ("s3", "OperationAborted")
        | ("iam", "DeleteConflict" | "ConcurrentModification")
        | ("lambda", "ResourceConflictException") => 409,
        ("lambda", "TooManyRequestsException") => 429,
        _ => 400,
    }
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
    let decode =
        |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
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
