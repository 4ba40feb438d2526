//! What a call is aimed at, in the names that a plan has for things.

use std::collections::{BTreeMap, BTreeSet};

use pipeline::kind::Owner;
use serde_json::Value;

use super::body::{decoded, elements, members};
use super::call::Call;
use super::proxy::Made;

/// The names by which one thing goes.
type Names = BTreeSet<String>;

/// What the answers of a run told: which name stands behind an id that AWS made up.
pub struct Known {
    owner: Owner,
    /// Keys, clusters and event source mappings.
    names: BTreeMap<String, Names>,
    /// Buckets that carry our tag.
    buckets: BTreeSet<String>,
}

const OWNER: &str = "pipeline:owner";

/// Calls whose answers tell ids.
const TELLING: [&str; 9] = [
    "kms:CreateKey",
    "kms:DescribeKey",
    "kms:ListResourceTags",
    "elasticmapreduce:RunJobFlow",
    "elasticmapreduce:DescribeCluster",
    "lambda:GET event-source-mappings",
    "lambda:POST event-source-mappings",
    "s3:GET ?tagging",
    "s3:PUT bucket",
];

/// Whether the answer of a call is needed to know what later ones are aimed at.
pub fn tells(call: &Call) -> bool {
    TELLING.contains(&call.name().as_str())
}

impl Known {
    pub fn of(owner: &str) -> Self {
        let (names, buckets) = (BTreeMap::new(), BTreeSet::new());
        Self { owner: Owner(owner.to_owned()), names, buckets }
    }

    /// Takes note of what an answer tells.
    pub fn learn(&mut self, made: &Made) {
        if !tells(&made.call) || made.status.is_none_or(|status| status >= 300) {
            return;
        }
        let said = members(&made.call.request);
        let answer: Value = serde_json::from_slice(&made.answer).unwrap_or_default();
        let key = &answer["KeyMetadata"]["KeyId"];
        let cluster = &answer["Cluster"];
        match made.call.operation.as_str() {
            "CreateKey" => self.name(key, tag(&said["Tags"], "pipeline:name")),
            "DescribeKey" => self.name(key, said["KeyId"].as_str().and_then(alias)),
            "ListResourceTags" if tag(&answer["Tags"], OWNER) == Some(&self.owner.0) => {
                self.name(&said["KeyId"], tag(&answer["Tags"], "pipeline:name"));
            }
            "RunJobFlow" => self.name(&answer["JobFlowId"], said["Name"].as_str()),
            "DescribeCluster" if tag(&cluster["Tags"], OWNER) == Some(&self.owner.0) => {
                self.name(&cluster["Id"], cluster["Name"].as_str());
            }
            "GET event-source-mappings" => {
                let listed = answer["EventSourceMappings"].as_array();
                listed.into_iter().flatten().for_each(|mapping| self.mapping(mapping));
            }
            "POST event-source-mappings" => self.mapping(&answer),
            "PUT bucket" => drop(self.buckets.insert(bucket(&made.call))),
            "GET ?tagging" => {
                let text = String::from_utf8_lossy(&made.answer);
                if elements(&text, "Value").contains(&self.owner.0) {
                    self.buckets.insert(bucket(&made.call));
                }
            }
            _ => {}
        }
    }

    fn mapping(&mut self, told: &Value) {
        let function = told["FunctionArn"].as_str().and_then(|arn| arn.split_once(":function:"));
        self.name(&told["UUID"], function.map(|(_, name)| name));
    }

    fn name(&mut self, id: &Value, name: Option<&str>) {
        if let (Some(id), Some(name)) = (id.as_str(), name) {
            self.names.entry(id.to_owned()).or_default().insert(name.to_owned());
        }
    }

    /// Whether a bucket was found or made as ours.
    pub fn holds(&self, bucket: &str) -> bool {
        self.buckets.contains(bucket)
    }

    /// An id, and the names that it is known to stand for.
    fn behind(&self, id: &str) -> Names {
        self.names.get(id).into_iter().flatten().cloned().chain([id.to_owned()]).collect()
    }

    /// Each thing that a call is aimed at, taken as a call of this kind.
    pub fn aims(&self, kind: &str, call: &Call) -> Vec<Names> {
        let said = members(&call.request);
        match kind {
            "kms-key" => self.key(call, &said),
            "emr-cluster" => self.cluster(call, &said),
            "lambda-function" => self.function(call, &said),
            "emr-security-configuration" => {
                let end = format!("-{}", self.owner.mark());
                let real = said["Name"].as_str().unwrap_or_default();
                vec![one(real.strip_suffix(&end).unwrap_or_default())]
            }
            "glue-table" => {
                let name = said["TableInput"]["Name"].as_str().or(said["Name"].as_str());
                let database = said["DatabaseName"].as_str().unwrap_or_default();
                vec![one(&format!("{database}/{}", name.unwrap_or_default()))]
            }
            "s3-object" => vec![one(&object(call))],
            "s3-folder" if call.operation == "POST ?delete" => {
                let keys = elements(&call.text(), "Key").into_iter();
                keys.map(|key| folders(&format!("{}/{key}", bucket(call)))).collect()
            }
            "s3-folder" => vec![folders(&object(call))],
            "s3-bucket" | "s3-notification" => vec![one(&bucket(call))],
            _ => named(kind, &said),
        }
    }

    fn key(&self, call: &Call, said: &Value) -> Vec<Names> {
        if call.operation == "CreateKey" {
            return vec![one(tag(&said["Tags"], "pipeline:name").unwrap_or_default())];
        }
        let alias = said["AliasName"].as_str().map(|name| one(alias(name).unwrap_or_default()));
        let id = said["TargetKeyId"].as_str().or(said["KeyId"].as_str());
        alias.into_iter().chain(id.map(|id| self.behind(id))).collect()
    }

    fn cluster(&self, call: &Call, said: &Value) -> Vec<Names> {
        if call.operation == "RunJobFlow" {
            return vec![one(said["Name"].as_str().unwrap_or_default())];
        }
        let members = ["ClusterId", "ResourceId", "JobFlowId", "JobFlowIds"];
        let ids = members.iter().flat_map(|member| texts(&said[member]));
        ids.map(|id| self.behind(id)).collect()
    }

    fn function(&self, call: &Call, said: &Value) -> Vec<Names> {
        let path = decoded(call.request.path.split('?').next().unwrap_or_default());
        let place = path.splitn(4, '/').nth(3).unwrap_or_default();
        if let Some(name) = said["FunctionName"].as_str() {
            return vec![one(name)];
        }
        let (_, shape) = call.operation.split_once(' ').unwrap_or_default();
        match shape {
            "event-source-mappings" => vec![self.behind(place)],
            "tags" => vec![one(place.rsplit(':').next().unwrap_or_default())],
            _ => vec![one(place.split('/').next().unwrap_or_default())],
        }
    }
}

/// Whose a cluster is to be and as what: its tags of owner and id.
pub fn marks(call: &Call) -> Option<(String, String)> {
    let said = members(&call.request);
    let found = |key| tag(&said["Tags"], key).map(str::to_owned);
    found(OWNER).zip(found("pipeline:id"))
}

/// By the member that names a thing of a kind, or that holds its ARN, with what is before its name
/// in that.
fn named(kind: &str, said: &Value) -> Vec<Names> {
    let (members, arns): (&[&str], &[(&str, &str)]) = match kind {
        "iam-role" => {
            let [role, profile] =
                ["RoleName", "InstanceProfileName"].map(|name| texts(&said[name]));
            return vec![role.chain(profile).map(str::to_owned).collect()];
        }
        "log-group" => (&["logGroupName"], &[("resourceArn", "log-group:")]),
        "sns-topic" => {
            (&["Name"], &[("TopicArn", ""), ("ResourceArn", ""), ("SubscriptionArn", "")])
        }
        "sqs-queue" => (&["QueueName", "QueueUrl"], &[]),
        "glue-database" => (&["Name", "DatabaseName"], &[("ResourceArn", "database/")]),
        "kinesis-stream" => (&["StreamName"], &[("StreamARN", "stream/")]),
        "firehose-stream" => (&["DeliveryStreamName"], &[]),
        "cloudwatch-dashboard" => {
            (&["DashboardName", "DashboardNames"], &[("ResourceARN", "dashboard/")])
        }
        _ => (&["AlarmName", "AlarmNames"], &[("ResourceARN", "alarm:")]),
    };
    let plain = members.iter().flat_map(|member| texts(&said[*member]));
    let plain = plain.chain(texts(&said["DatabaseInput"]["Name"]));
    let plain = plain.map(|name| match name.strip_prefix("https://") {
        Some(url) => url.rsplit('/').next().unwrap_or_default(),
        None => name,
    });
    let arns = arns.iter().flat_map(|(member, before)| {
        texts(&said[*member]).map(|arn| {
            let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
            let subscription = *member == "SubscriptionArn";
            let name = resource.strip_prefix(*before).unwrap_or_default();
            if subscription { name.split(':').next().unwrap_or_default() } else { name }
        })
    });
    plain.chain(arns).map(one).collect()
}

fn one(name: &str) -> Names {
    Names::from([name.to_owned()])
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let several = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    value.as_str().into_iter().chain(several)
}

fn alias(name: &str) -> Option<&str> {
    name.strip_prefix("alias/")
}

/// A tag in a list of them, as KMS or as EMR writes it.
fn tag<'a>(tags: &'a Value, key: &str) -> Option<&'a str> {
    let is = |tag: &&Value| tag["TagKey"] == key || tag["Key"] == key;
    let found = tags.as_array()?.iter().find(is)?;
    found["TagValue"].as_str().or(found["Value"].as_str())
}

/// `BUCKET/KEY` of a call of S3.
pub fn object(call: &Call) -> String {
    let path = call.request.path.split('?').next().unwrap_or_default();
    decoded(path).trim_start_matches('/').to_owned()
}

pub fn bucket(call: &Call) -> String {
    object(call).split('/').next().unwrap_or_default().to_owned()
}

/// The folders that an object may be part of.
fn folders(object: &str) -> Names {
    object.match_indices('/').map(|(at, _)| object[..=at].to_owned()).collect()
}
