//! The bucket's policy: the blueprint's own statements, and the one that refuses plain HTTP.

use serde_json::{Value, json};

use crate::kind::values::policy::Policy;

/// The whole document that AWS holds, none without statements.
pub fn compose(name: &str, partition: &str, own: &Policy, tls_only: Tls) -> Result<Policy, String> {
    let mut document = own.value().clone();
    if tls_only == Tls::Only
        && let Some(statements) = document["Statement"].as_array_mut()
    {
        let bucket = format!("arn:{partition}:s3:::{name}");
        statements.push(json!({
            "Sid": "DenyInsecureTransport", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
            "Resource": [bucket, format!("{bucket}/*")],
            "Condition": { "Bool": { "aws:SecureTransport": "false" } },
        }));
    }
    Policy::new(&document)
}

/// The blueprint's own statements, and whether plain HTTP is refused.
pub fn split(name: &str, whole: &Policy) -> (Policy, Tls) {
    let own = whole.without(|statement| denies_plain_http(name, statement));
    let tls = match own.statements().len() < whole.statements().len() {
        true => Tls::Only,
        false => Tls::Any,
    };
    (if own.is_empty() { Policy::default() } else { own }, tls)
}

/// Whether a bucket may be used without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    Only,
    Any,
}

impl From<bool> for Tls {
    fn from(only: bool) -> Self {
        if only { Self::Only } else { Self::Any }
    }
}

/// Whether a canonical statement refuses everyone everything in the bucket without TLS, whatever
/// its `Sid`.
pub fn denies_plain_http(name: &str, statement: &Value) -> bool {
    let (bucket, objects) = (format!(":s3:::{name}"), format!(":s3:::{name}/*"));
    let resources = statement["Resource"].as_array().map_or(&[][..], Vec::as_slice);
    let covers = |end: &str| resources.iter().any(|r| r.as_str().is_some_and(|r| r.ends_with(end)));
    statement["Effect"] == "Deny"
        && statement["Principal"] == json!({ "AWS": ["*"] })
        && statement["Action"] == json!(["s3:*"])
        && statement["Condition"] == json!({ "Bool": { "aws:SecureTransport": ["false"] } })
        && resources.len() == 2
        && covers(&bucket)
        && covers(&objects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_composed_is_split_again() {
        let own = json!({"Statement": [{"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject",
            "Principal": {"AWS": "123456789012"}, "Resource": "arn:aws:s3:::lake/*"}]});
        let own = Policy::new(&own).expect("a policy");
        for (policy, tls, statements) in [
            (Policy::default(), Tls::Any, 0),
            (Policy::default(), Tls::Only, 1),
            (own.clone(), Tls::Any, 1),
            (own, Tls::Only, 2),
        ] {
            let whole = compose("lake", "aws", &policy, tls).expect("a policy");
            assert_eq!(whole.statements().len(), statements);
            assert_eq!(split("lake", &whole), (policy, tls));
        }
    }

    #[test]
    fn a_narrower_refusal_is_the_blueprints_own() {
        let whole = compose("lake", "aws", &Policy::default(), Tls::Only).expect("a policy");
        assert_eq!(split("pond", &whole), (whole.clone(), Tls::Any));
    }

    #[test]
    fn the_refusal_is_recognised_under_another_name_and_in_another_form() {
        let text = r#"{"Version": "2008-10-17", "Id": "x", "Statement": {"Sid": "TLS",
            "Effect": "Deny",
            "Principal": {"AWS": "*"}, "Action": ["s3:*"],
            "Resource": ["arn:aws-cn:s3:::lake/*", "arn:aws-cn:s3:::lake"],
            "Condition": {"Bool": {"aws:SecureTransport": false}}}}"#;
        let whole = Policy::parse(text).expect("a policy");
        assert_eq!(split("lake", &whole), (Policy::default(), Tls::Only));
    }
}
