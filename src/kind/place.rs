//! Where a blueprint lives: the account, the region, and the owner that says "ours".

use std::fmt;

use serde::{Deserialize, Serialize};

/// The tag whose value is the owner.
pub const OWNER_TAG: &str = "pipeline:owner";
/// The tag whose value is the resource's id in the blueprint.
pub const ID_TAG: &str = "pipeline:id";

/// `name/environment/region`: whose things they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner(pub String);

impl Owner {
    pub fn new(name: &str, environment: &str, region: &str) -> Self {
        Self(format!("{name}/{environment}/{region}"))
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What `${account}`, `${region}` and `${partition}` stand for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub partition: String,
    pub account: String,
    pub region: String,
    pub owner: Owner,
}

impl Place {
    /// `arn:aws:kinesis:eu-west-1:123456789012:stream/events` from `kinesis` and `stream/events`.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{resource}", self.partition, self.region, self.account)
    }

    /// An ARN of a service that knows no region, as IAM.
    pub fn global_arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}::{}:{resource}", self.partition, self.account)
    }
}

/// The partition that a region belongs to.
pub fn partition(region: &str) -> &'static str {
    const PREFIXES: [(&str, &str); 7] = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("us-isof-", "aws-iso-f"),
        ("eu-isoe-", "aws-iso-e"),
        ("eusc-", "aws-eusc"),
    ];
    let found = PREFIXES.iter().find(|(prefix, _)| region.starts_with(prefix));
    found.map_or("aws", |(_, partition)| partition)
}
