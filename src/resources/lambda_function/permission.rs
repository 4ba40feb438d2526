//! A statement of a function's policy. Lambda has no call that changes one.

use std::collections::BTreeMap;

use aws_sdk_lambda::Client;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::aws::{During, absent};
use crate::cloud::{Class, Fault};

use super::{ABSENT, LambdaFunction, NONE, none};

/// Who may call a function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Permission {
    /// A service, as `s3.amazonaws.com`, an account's id, or the ARN of a role or user.
    pub principal: String,
    /// What it may do, of Lambda's actions.
    #[serde(default = "invoke")]
    pub action: String,
    /// ARN of what the call comes from, as a bucket's; `*` and `?` stand for others. `none` for
    /// anything.
    #[serde(default = "none")]
    pub source_arn: String,
    /// Id of the account that has what the call comes from; `none` for any. A bucket's ARN does
    /// not tell whose it is.
    #[serde(default = "none")]
    pub source_account: String,
    /// Id of the organisation that the caller is in; `none` for any.
    #[serde(default = "none")]
    pub organization: String,
}

fn invoke() -> String {
    INVOKE.to_owned()
}

const INVOKE: &str = "lambda:InvokeFunction";
const ADD: &str = "lambda:AddPermission";
const GET: &str = "lambda:GetPolicy";

/// The statements of a policy by their ids.
pub(super) fn read(policy: &str) -> Result<BTreeMap<String, Permission>, Fault> {
    let wrong = |why: String| Fault::new(Class::Broken, GET, format!("not a policy: {why}"));
    let document: Value = serde_json::from_str(policy).map_err(|e| wrong(e.to_string()))?;
    let statements = match &document["Statement"] {
        Value::Array(many) => many.as_slice(),
        one @ Value::Object(_) => std::slice::from_ref(one),
        _ => return Err(wrong("it has no statement".into())),
    };
    Ok(statements.iter().map(|one| (text(&one["Sid"]), Permission::read(one))).collect())
}

/// A text, or a list of one.
fn text(value: &Value) -> String {
    let one = value.as_array().and_then(|list| list.first()).unwrap_or(value);
    one.as_str().unwrap_or_default().to_owned()
}

/// `arn:aws:iam::123456789012:root` is the account.
fn account(principal: &str) -> &str {
    match principal.split(':').collect::<Vec<_>>().as_slice() {
        ["arn", _, "iam", "", account, "root"] => account,
        _ => principal,
    }
}

impl Permission {
    fn read(statement: &Value) -> Self {
        let principal = match &statement["Principal"] {
            Value::Object(by_sort) => by_sort.values().next().map(text).unwrap_or_default(),
            all => text(all),
        };
        let condition = |wanted: &str| {
            let operators = statement["Condition"].as_object().into_iter().flatten();
            let keys = operators.filter_map(|(_, keys)| keys.as_object()).flatten();
            let mut found = keys.filter(|(key, _)| key.eq_ignore_ascii_case(wanted));
            found.next().map_or_else(none, |(_, value)| text(value))
        };
        Self {
            principal: account(&principal).to_owned(),
            action: text(&statement["Action"]),
            source_arn: condition("aws:SourceArn"),
            source_account: condition("aws:SourceAccount"),
            organization: condition("aws:PrincipalOrgID"),
        }
    }

    /// An account has two spellings.
    pub(super) fn spell_as(&mut self, written: &Self) {
        if account(&written.principal) == self.principal {
            self.principal.clone_from(&written.principal);
        }
    }

    async fn add(&self, api: &Client, function: &str, id: &str) -> Result<(), Fault> {
        let said = |text: &String| (text != NONE).then(|| text.clone());
        let call = api
            .add_permission()
            .function_name(function)
            .statement_id(id)
            .principal(&self.principal)
            .action(&self.action)
            .set_source_arn(said(&self.source_arn))
            .set_source_account(said(&self.source_account))
            .set_principal_org_id(said(&self.organization));
        call.send().await.during(ADD).map_err(|fault| self.passes(fault))?;
        Ok(())
    }

    /// A function made a moment ago is not known everywhere, and neither is a role: "The provided
    /// principal was invalid. Please check the principal and try again."
    fn passes(&self, fault: Fault) -> Fault {
        let role = self.principal.starts_with("arn:");
        let unknown = fault.says("InvalidParameterValueException", "principal was invalid");
        let passes = fault.is("ResourceNotFoundException") || role && unknown;
        if passes { fault.class(Class::NotYet) } else { fault }
    }
}

/// One call after another: Lambda writes a function's policy as a whole.
pub(super) async fn change(
    api: &Client,
    wanted: &LambdaFunction,
    live: &LambdaFunction,
) -> Result<(), Fault> {
    let function = wanted.name.as_str();
    let mut held = live.permissions.clone();
    for (id, permission) in &mut held {
        if let Some(written) = wanted.permissions.get(id) {
            permission.spell_as(written);
        }
    }
    for id in held.keys().filter(|id| !wanted.permissions.contains_key(*id)) {
        remove(api, function, id).await?;
    }
    for (id, permission) in &wanted.permissions {
        let old = held.get(id).filter(|old| *old != permission);
        if old.is_some() {
            remove(api, function, id).await?;
        } else if held.contains_key(id) {
            continue;
        }
        if let Err(fault) = permission.add(api, function, id).await {
            // Who could call it can do so again until the new statement is taken.
            if let Some(old) = old {
                old.add(api, function, id).await?;
            }
            return Err(fault);
        }
    }
    Ok(())
}

async fn remove(api: &Client, function: &str, id: &str) -> Result<(), Fault> {
    let call = api.remove_permission().function_name(function).statement_id(id);
    absent(call.send().await.during("lambda:RemovePermission"), ABSENT)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn permission(value: Value) -> Permission {
        serde_json::from_value(value).expect("a permission")
    }

    #[test]
    fn statements_are_read_as_they_were_asked_for() {
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:f";
        let policy = json!({"Version": "2012-10-17", "Id": "default", "Statement": [
            {"Sid": "1", "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"},
             "Action": "lambda:InvokeFunction", "Resource": arn, "Condition": {
                "StringEquals": {"AWS:SourceAccount": "123456789012"},
                "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::lake"}}},
            {"Sid": "root", "Effect": "Allow", "Resource": arn,
             "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
             "Action": "lambda:GetFunction"},
            {"Sid": "all", "Effect": "Allow", "Principal": "*", "Resource": arn,
             "Action": ["lambda:InvokeFunction"],
             "Condition": {"StringEquals": {"aws:PrincipalOrgID": ["o-1"]}}}]});
        let expected = [
            (
                "1",
                json!({"principal": "s3.amazonaws.com", "source_account": "123456789012",
                "source_arn": "arn:aws:s3:::lake"}),
            ),
            ("all", json!({"principal": "*", "organization": "o-1"})),
            ("root", json!({"principal": "123456789012", "action": "lambda:GetFunction"})),
        ];
        let expected = expected.map(|(id, value)| (id.to_owned(), permission(value)));
        assert_eq!(read(&policy.to_string()), Ok(BTreeMap::from(expected)));
        assert!(read("{}").is_err() && read("no").is_err());
    }

    #[test]
    fn an_account_and_its_root_are_one_principal() {
        let mut live = permission(json!({"principal": "123456789012"}));
        let written = permission(json!({"principal": "arn:aws:iam::123456789012:root"}));
        live.spell_as(&written);
        assert_eq!(live, written);
        live.spell_as(&permission(json!({"principal": "210987654321"})));
        assert_eq!(live, written);
    }

    #[test]
    fn a_role_that_is_not_known_yet_will_be_and_a_service_will_not() {
        let words = "The provided principal was invalid. Please check the principal and try again.";
        for (principal, class) in
            [("arn:aws:iam::1:role/r", Class::NotYet), ("s4.amazonaws.com", Class::Invalid)]
        {
            let fault = Fault {
                code: Some("InvalidParameterValueException".into()),
                ..Fault::new(Class::Invalid, ADD, words)
            };
            assert_eq!(permission(json!({"principal": principal})).passes(fault).class, class);
        }
    }
}
