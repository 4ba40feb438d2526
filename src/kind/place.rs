//! Where a blueprint lives: the account, the region, and the owner that says "ours".

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

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

/// Characters of a digest that marks whose something is.
const MARK: usize = 8;

impl Owner {
    /// Hex digits that stand for the owner in the names of what cannot carry tags.
    pub fn mark(&self) -> String {
        let digest = Sha256::digest(self.0.as_bytes());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        hex[..MARK].to_owned()
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

    /// What the names of AWS's endpoints end with.
    pub fn domain(&self) -> &'static str {
        match self.partition.as_str() {
            "aws-cn" => "amazonaws.com.cn",
            "aws-iso" => "c2s.ic.gov",
            "aws-iso-b" => "sc2s.sgov.gov",
            "aws-iso-e" => "cloud.adc-e.uk",
            "aws-iso-f" => "csp.hci.ic.gov",
            "aws-eusc" => "amazonaws.eu",
            _ => "amazonaws.com",
        }
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
