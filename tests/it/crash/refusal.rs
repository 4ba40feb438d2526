//! AWS's refusals, each in the words of the service's own protocol.

use super::call::Call;
use super::http::Answer;

/// An answer that the SDK reads as this error.
pub fn refusal(call: &Call, status: u16, code: &str, message: &str) -> Answer {
    let (kind, body) = match call.service.as_str() {
        "s3" => ("application/xml", s3(code, message)),
        "iam" | "sns" | "sts" => ("text/xml", query(code, message)),
        "monitoring" => ("application/cbor", cbor(code, message)),
        _ => ("application/x-amz-json-1.1", json(code, message)),
    };
    let mut headers = vec![("content-type".to_owned(), kind.to_owned())];
    headers.push(("x-amzn-errortype".into(), code.into()));
    headers.push(("x-amzn-requestid".into(), "imposed".into()));
    if call.service == "monitoring" {
        headers.push(("smithy-protocol".into(), "rpc-v2-cbor".into()));
    }
    Answer { status, headers, body }
}

fn s3(code: &str, message: &str) -> Vec<u8> {
    format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>").into_bytes()
}

fn query(code: &str, message: &str) -> Vec<u8> {
    let error = format!("<Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>");
    let id = "<RequestId>imposed</RequestId>";
    format!("<ErrorResponse><Error>{error}</Error>{id}</ErrorResponse>").into_bytes()
}

fn json(code: &str, message: &str) -> Vec<u8> {
    serde_json::json!({ "__type": code, "message": message }).to_string().into_bytes()
}

/// A map of two texts.
fn cbor(code: &str, message: &str) -> Vec<u8> {
    let mut bytes = vec![0xa2];
    for text in ["__type", code, "message", message] {
        let length = u16::try_from(text.len()).expect("a refusal is short");
        bytes.push(0x79);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}
