//! The policy that SNS gives every topic, which a blueprint leaves out.

use serde_json::{Value, json};

use crate::kind::values::policy::Policy;

/// SNS's name for its statement.
const SID: &str = "__default_statement_ID";
/// What the account that has the topic may do; some topics also say `SNS:Receive`.
const ACTIONS: [&str; 8] = [
    "SNS:AddPermission",
    "SNS:DeleteTopic",
    "SNS:GetTopicAttributes",
    "SNS:ListSubscriptionsByTopic",
    "SNS:Publish",
    "SNS:RemovePermission",
    "SNS:SetTopicAttributes",
    "SNS:Subscribe",
];

/// How the default reads in a blueprint: no statement of one's own.
pub(super) fn left_out() -> Policy {
    Policy::new(&json!({"Statement": []})).expect("a policy may have no statement")
}

/// The default as it is sent to have it again.
pub(super) fn default_of(arn: &str, account: &str) -> String {
    json!({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [{
        "Sid": SID,
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": ACTIONS,
        "Resource": arn,
        "Condition": {"StringEquals": {"AWS:SourceOwner": account}},
    }]})
    .to_string()
}

/// Whether a policy says what SNS's own says, and nothing else.
pub(super) fn is_default(policy: &Policy) -> bool {
    let [statement] = policy.statements() else { return false };
    let one = |value: &Value| match value.as_array().map(Vec::as_slice) {
        Some([one]) => one.as_str().map(str::to_owned),
        _ => None,
    };
    let Some(account) = one(&statement["Condition"]["StringEquals"]["AWS:SourceOwner"]) else {
        return false;
    };
    let Some(resource) = one(&statement["Resource"]) else { return false };
    let alone = |value: &Value| value.as_object().is_some_and(|map| map.len() == 1);
    let actions: Vec<_> =
        statement["Action"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    statement["Sid"] == SID
        && statement["Effect"] == "Allow"
        && statement["Principal"] == json!({"AWS": ["*"]})
        && alone(&statement["Condition"])
        && alone(&statement["Condition"]["StringEquals"])
        && resource.split(':').nth(4) == Some(account.as_str())
        && ACTIONS.iter().all(|action| actions.contains(action))
        && actions.iter().all(|action| ACTIONS.contains(action) || *action == "SNS:Receive")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(path: &str, value: Value) -> Policy {
        let text = default_of("arn:aws:sns:eu-west-1:123456789012:t", "123456789012");
        let mut document: Value = serde_json::from_str(&text).expect("the default is JSON");
        if let Some(place) = document.pointer_mut(path) {
            *place = value;
        }
        Policy::new(&document).expect("a policy")
    }

    #[test]
    fn only_what_says_the_same_is_the_default() {
        for (path, value, default) in [
            ("/Id", json!("x"), true),
            ("/Statement/0/Sid", json!("mine"), false),
            ("/Statement/0/Effect", json!("Deny"), false),
            ("/Statement/0/Principal", json!("*"), true),
            ("/Statement/0/Action", json!("SNS:Publish"), false),
            ("/Statement/0/Condition", json!({}), false),
            ("/Statement/0/Condition/StringEquals", json!({"AWS:SourceOwner": "1"}), false),
            ("/Statement/0/Resource", json!("*"), false),
        ] {
            assert_eq!(is_default(&changed(path, value.clone())), default, "{path} {value}");
        }
        assert!(!is_default(&left_out()));
    }
}
