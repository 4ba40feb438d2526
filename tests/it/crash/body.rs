//! What a request says: JSON, a form or CBOR, all as one sort of value.

use serde_json::{Map, Value, json};

use super::http::{Request, header};

/// The members of a body; null where it is none of these, as S3's XML.
pub fn members(request: &Request) -> Value {
    let body = &request.body;
    match header(&request.headers, "content-type").unwrap_or_default() {
        kind if kind.contains("cbor") => cbor(&mut body.as_slice()).unwrap_or_default(),
        kind if kind.contains("x-www-form-urlencoded") => form(body),
        _ => serde_json::from_slice(body).unwrap_or_default(),
    }
}

/// A text with its `%2F` written out.
pub fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let hex = (*first == b'%').then(|| tail.get(..2)).flatten();
        let hex = hex.and_then(|hex| u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok());
        if hex.is_some() {
            rest = &tail[2..];
        }
        bytes.push(hex.unwrap_or(*first));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What stands between each `<name>` and its end.
pub fn elements(text: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let each = text.split(&open).skip(1).filter_map(|rest| rest.split_once(&close));
    each.map(|(value, _)| value.replace("&quot;", "\"").replace("&amp;", "&")).collect()
}

fn form(body: &[u8]) -> Value {
    let text = String::from_utf8_lossy(body).replace('+', " ");
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), Value::from(decoded(value)))).collect()
}

const BREAK: u8 = 0xff;

/// The next item; nothing where there is none, or the end of items whose number was not told.
fn cbor(from: &mut &[u8]) -> Option<Value> {
    let (first, rest) = from.split_first()?;
    *from = rest;
    if *first == BREAK {
        return None;
    }
    let (major, low) = (first >> 5, first & 31);
    let argument = match low {
        31 => None,
        _ => Some(argument(from, low)?),
    };
    match major {
        0 => argument.map(Value::from),
        1 => argument.map(|number| Value::from(-1 - number.cast_signed())),
        2 | 3 => text(from, argument).map(Value::from),
        4 => Some(items(argument, || cbor(from)).into()),
        5 => {
            let pair = || Some((cbor(from)?.as_str()?.to_owned(), cbor(from)?));
            Some(items(argument, pair).into_iter().collect::<Map<_, _>>().into())
        }
        6 => cbor(from),
        _ => Some(match low {
            20 => false.into(),
            21 => true.into(),
            26 => f64::from(f32::from_bits(u32::try_from(argument?).ok()?)).into(),
            27 => f64::from_bits(argument?).into(),
            _ => Value::Null,
        }),
    }
}

fn argument(from: &mut &[u8], low: u8) -> Option<u64> {
    let length = match low {
        0..24 => return Some(low.into()),
        24 => 1,
        25 => 2,
        26 => 4,
        _ => 8,
    };
    let (bytes, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn text(from: &mut &[u8], length: Option<u64>) -> Option<String> {
    let Some(length) = length else {
        let parts = items(None, || cbor(from)?.as_str().map(str::to_owned));
        return Some(parts.concat());
    };
    let (bytes, rest) = from.split_at_checked(usize::try_from(length).ok()?)?;
    *from = rest;
    Some(String::from_utf8_lossy(bytes).into_owned())
}

fn items<T>(number: Option<u64>, next: impl FnMut() -> Option<T>) -> Vec<T> {
    let number = number.and_then(|number| usize::try_from(number).ok());
    std::iter::from_fn(next).take(number.unwrap_or(usize::MAX)).collect()
}

#[test]
fn a_body_is_read_whatever_its_encoding() {
    let half = 0.5_f64.to_be_bytes();
    let open = &b"\xbf\x69AlarmName\x63a-b\x65Names\x9f\x61a\x61b\xff\x64Rate\xfb"[..];
    let packed = [open, &half, b"\x63Few\x82\x01\x20\x62On\xf5\xff"].concat();
    let alarm =
        json!({"AlarmName": "a-b", "Names": ["a", "b"], "Rate": 0.5, "Few": [1, -1], "On": true});
    for (kind, body, expected) in [
        ("application/x-amz-json-1.1", &b"{\"a\":[1]}"[..], json!({"a": [1]})),
        ("application/x-www-form-urlencoded", b"A=b%2Fc&D=e+f", json!({"A": "b/c", "D": "e f"})),
        ("application/cbor", &packed, alarm),
        ("application/xml", b"<Delete/>", Value::Null),
    ] {
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        let (method, path) = ("POST".to_owned(), "/".to_owned());
        let found = members(&Request { method, path, headers, body: body.into() });
        assert_eq!(found, expected, "{kind}");
    }
}

#[test]
fn elements_and_paths_are_read_as_they_were_meant() {
    let text = "<Delete><Object><Key>a&amp;b</Key></Object><Object><Key>c</Key></Object>";
    assert_eq!(elements(text, "Key"), ["a&b", "c"]);
    assert_eq!(decoded("/lake/hour%3D01/%zz%4"), "/lake/hour=01/%zz%4");
}
