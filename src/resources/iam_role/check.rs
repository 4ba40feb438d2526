//! What IAM would refuse.

use serde_json::Value;

use crate::kind::Flaw;
use crate::kind::values::policy::Policy;

use super::{IamRole, NONE};

const POLICIES_CHARACTERS: usize = 10_240;
const MANAGED: usize = 20;
const SESSION_SECONDS: std::ops::RangeInclusive<u64> = 3_600..=43_200;

pub(super) fn flaws(role: &IamRole) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let name = role.name.as_str();
    if literal(name) && !named(name, 64) {
        let what = "a role's name is 1 to 64 letters, digits and any of `+=,.@_-`";
        flaws.push(Flaw::error("name", what));
    }
    let path = &role.path;
    if literal(path) && !(path.starts_with('/') && path.ends_with('/') && path.len() <= 512) {
        flaws.push(
            Flaw::error("path", format!("`{path}` is not a path"))
                .hint("a path begins and ends with a slash, as `/pipelines/`"),
        );
    }
    if role.description.chars().count() > 1000 {
        flaws.push(Flaw::error("description", "a description has at most 1000 characters"));
    }
    if !SESSION_SECONDS.contains(&role.max_session.seconds) {
        let what = format!("a session lasts 1h to 12h, not {}", role.max_session);
        flaws.push(Flaw::error("max_session", what));
    }
    for statement in role.trust.0.statements() {
        trust(statement, &mut flaws);
    }
    policies(role, &mut flaws);
    managed(role, &mut flaws);
    flaws
}

fn trust(statement: &Value, flaws: &mut Vec<Flaw>) {
    if statement.get("Resource").or(statement.get("NotResource")).is_some() {
        let what = "a trust policy has no `Resource`: it is about the role itself";
        flaws.push(Flaw::error("trust", what));
    }
    if statement.get("Principal").or(statement.get("NotPrincipal")).is_none() {
        flaws.push(Flaw::error("trust", "each statement of a trust policy needs a `Principal`"));
    }
}

fn policies(role: &IamRole, flaws: &mut Vec<Flaw>) {
    for (name, policy) in &role.policies {
        let path = format!("policies.{name}");
        if literal(name) && !named(name, 128) {
            let what = "a policy's name is 1 to 128 letters, digits and any of `+=,.@_-`";
            flaws.push(Flaw::error(&path, what));
        }
        for statement in policy.statements() {
            if statement.get("Resource").or(statement.get("NotResource")).is_none() {
                flaws.push(Flaw::error(&path, "each statement of a policy needs a `Resource`"));
            }
            if statement.get("Principal").or(statement.get("NotPrincipal")).is_some() {
                let what = "a role's policy has no `Principal`: it is about the role itself";
                flaws.push(Flaw::error(&path, what).hint("who may assume the role is its `trust`"));
            }
        }
    }
    let characters: usize = role.policies.values().map(characters).sum();
    if characters > POLICIES_CHARACTERS {
        let what = format!(
            "the inline policies have {characters} characters together, more than the \
             {POLICIES_CHARACTERS} that IAM takes"
        );
        let hint = "shorten them with wildcards, or attach managed policies";
        flaws.push(Flaw::error("policies", what).hint(hint));
    }
}

fn managed(role: &IamRole, flaws: &mut Vec<Flaw>) {
    if role.managed_policies.len() > MANAGED {
        let what = format!("a role has at most {MANAGED} managed policies");
        flaws.push(Flaw::error("managed_policies", what));
    }
    for arn in role.managed_policies.iter().filter(|arn| !policy_arn(arn)) {
        flaws.push(
            Flaw::error("managed_policies", format!("`{arn}` is not the ARN of a policy")).hint(
                format!("for one of AWS's own, write `arn:${{partition}}:iam::aws:policy/{arn}`"),
            ),
        );
    }
    if role.boundary != NONE && !policy_arn(&role.boundary) {
        let what = format!("`{}` is neither the ARN of a policy nor `none`", role.boundary);
        flaws.push(Flaw::error("boundary", what));
    }
}

fn literal(text: &str) -> bool {
    !text.contains("${")
}

fn named(name: &str, longest: usize) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    (1..=longest).contains(&name.len()) && name.chars().all(allowed)
}

fn policy_arn(arn: &str) -> bool {
    !literal(arn) || (arn.starts_with("arn:") && arn.contains(":policy/"))
}

/// No more than IAM counts: what `${id.output}` becomes is not known yet, and is left out.
fn characters(policy: &Policy) -> usize {
    let text = policy.json();
    let mut parts = text.split("${");
    let first = parts.next().map_or(0, |part| part.chars().count());
    let rest = parts.map(|part| part.split_once('}').map_or(part, |(_, after)| after));
    first + rest.map(|part| part.chars().count()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_iam_would_refuse_is_found_before() {
        let long = "x".repeat(10_300);
        let bucket = |bucket: &str| {
            let arn = format!("arn:aws:s3:::{bucket}");
            json!({"p": {"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": arn}}})
        };
        let many: Vec<_> = (0..21).map(|n| format!("arn:aws:iam::aws:policy/P{n}")).collect();
        for (fields, path) in [
            (json!({}), None),
            (json!({"boundary": "${b.arn}", "managed_policies": ["${m.arn}"]}), None),
            (json!({"policies": bucket(&format!("${{{long}.arn}}"))}), None),
            (json!({"name": "a b"}), Some("name")),
            (json!({"name": "a".repeat(65)}), Some("name")),
            (json!({"path": "pipelines"}), Some("path")),
            (json!({"max_session": "13h"}), Some("max_session")),
            (json!({"max_session": "30m"}), Some("max_session")),
            (json!({"policies": bucket(&long)}), Some("policies")),
            (
                json!({"policies": {"p": {"Statement": {"Effect": "Allow", "Action": "s3:*"}}}}),
                Some("policies.p"),
            ),
            (
                json!({"trust": {"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole"}}}),
                Some("trust"),
            ),
            (json!({"managed_policies": ["ReadOnlyAccess"]}), Some("managed_policies")),
            (json!({"managed_policies": many}), Some("managed_policies")),
            (json!({"boundary": "PowerUser"}), Some("boundary")),
        ] {
            let mut role = json!({"name": "r", "trust": "ec2.amazonaws.com"});
            for (field, value) in fields.as_object().into_iter().flatten() {
                role[field] = value.clone();
            }
            let read: IamRole = serde_json::from_value(role).expect("a role");
            let found = flaws(&read);
            let paths: Vec<_> = found.iter().map(|flaw| flaw.path.as_str()).collect();
            assert_eq!(paths, path.into_iter().collect::<Vec<_>>(), "{path:?}");
        }
    }
}
