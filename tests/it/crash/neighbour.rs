//! What others own in the same account, put there by calls as they would make them.

use serde_json::{Value, json};

use super::http::{Answer, Request, exchange};

/// Somebody else in a region.
pub struct Neighbour {
    pub port: u16,
    pub region: &'static str,
}

pub type Tags<'a> = &'a [(&'a str, &'a str)];

pub const ACCOUNT: &str = "000000000000";
const ROLE: &str = "arn:aws:iam::000000000000:role/somebody";
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}"#;
/// A zip with nothing in it.
const ZIP: &str = "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==";

impl Neighbour {
    fn send(
        &self,
        service: &str,
        method: &str,
        path: &str,
        more: (&str, &str),
        body: &str,
    ) -> Answer {
        let Self { port, region } = self;
        let signed = format!(
            "AWS4-HMAC-SHA256 Credential=other/20260101/{region}/{service}/aws4_request, \
             SignedHeaders=host, Signature=0"
        );
        let host = format!("127.0.0.1:{port}");
        let headers = [("host", host.as_str()), ("authorization", &signed), more];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let (method, path, body) = (method.to_owned(), path.to_owned(), body.into());
        let answer = exchange(*port, &Request { method, path, headers, body });
        answer.expect("the local AWS answers")
    }

    fn done(
        &self,
        service: &str,
        method: &str,
        path: &str,
        more: (&str, &str),
        body: &str,
    ) -> Vec<u8> {
        let answer = self.send(service, method, path, more, body);
        let said = String::from_utf8_lossy(&answer.body);
        assert!(answer.status < 300, "{service} {method} {path} {body}: {said}");
        answer.body
    }

    /// One of the services that speak JSON.
    pub fn json(&self, operation: &str, said: &Value) -> Value {
        let (prefix, _) = operation.split_once('.').expect("a service's own prefix");
        let service = match prefix {
            "TrentService" => "kms",
            "Logs_20140328" => "logs",
            "AmazonSQS" => "sqs",
            "AWSGlue" => "glue",
            "Kinesis_20131202" => "kinesis",
            "Firehose_20150804" => "firehose",
            "GraniteServiceVersion20100801" => "monitoring",
            _ => "elasticmapreduce",
        };
        let path = "/";
        let target = ("x-amz-target", operation);
        let answer = self.done(service, "POST", path, target, &said.to_string());
        serde_json::from_slice(&answer).unwrap_or_default()
    }

    fn form(&self, service: &str, action: &str, said: &[(&str, &str)], tags: Tags<'_>) {
        let mut body = format!("Action={action}");
        let numbered = tags.iter().enumerate().flat_map(|(at, (key, value))| {
            let member = format!("Tags.member.{}", at + 1);
            [(format!("{member}.Key"), *key), (format!("{member}.Value"), *value)]
        });
        let said = said.iter().map(|(name, value)| ((*name).to_owned(), *value));
        for (name, value) in said.chain(numbered) {
            body.push_str(&format!("&{name}={}", encoded(value)));
        }
        let kind = ("content-type", "application/x-www-form-urlencoded");
        self.done(service, "POST", "/", kind, &body);
    }

    fn rest(&self, path: &str, said: &Value) -> Value {
        let kind = ("content-type", "application/json");
        let answer = self.done("lambda", "POST", path, kind, &said.to_string());
        serde_json::from_slice(&answer).unwrap_or_default()
    }

    pub fn s3(&self, path: &str, body: &str) {
        self.done("s3", "PUT", path, ("content-type", "application/xml"), body);
    }

    /// Makes one thing of a kind, whole: with what the kind consists of.
    pub fn has(&self, kind: &str, name: &str, tags: Tags<'_>) {
        match kind {
            "kms-key" => drop(self.key(Some(name), tags)),
            "iam-role" => self.role(name, tags),
            "log-group" => {
                let said = json!({ "logGroupName": name, "tags": map(tags) });
                self.json("Logs_20140328.CreateLogGroup", &said);
            }
            "s3-bucket" => self.bucket(name, tags),
            "sns-topic" => {
                self.form("sns", "CreateTopic", &[("Name", name)], tags);
                let arn = format!("arn:aws:sns:{}:{ACCOUNT}:{name}", self.region);
                let said =
                    [("TopicArn", arn.as_str()), ("Protocol", "email"), ("Endpoint", "a@b.c")];
                self.form("sns", "Subscribe", &said, &[]);
            }
            "sqs-queue" => {
                self.json(
                    "AmazonSQS.CreateQueue",
                    &json!({ "QueueName": name, "tags": map(tags) }),
                );
            }
            "glue-database" => self.database(name, tags),
            "kinesis-stream" => {
                let said = json!({ "StreamName": name, "ShardCount": 1, "Tags": map(tags) });
                self.json("Kinesis_20131202.CreateStream", &said);
            }
            "emr-security-configuration" => {
                let said = json!({ "Name": name, "SecurityConfiguration": "{}" });
                self.json("ElasticMapReduce.CreateSecurityConfiguration", &said);
            }
            "lambda-function" => self.function(name, tags),
            "firehose-stream" => {
                let to = json!({ "RoleARN": ROLE, "BucketARN": "arn:aws:s3:::somebody" });
                self.json(
                    "Firehose_20150804.CreateDeliveryStream",
                    &json!({
                        "DeliveryStreamName": name, "DeliveryStreamType": "DirectPut",
                        "ExtendedS3DestinationConfiguration": to, "Tags": pairs(tags),
                    }),
                );
            }
            "emr-cluster" => drop(self.cluster(name, tags)),
            "cloudwatch-alarm" => self.alarm(name, tags),
            "cloudwatch-composite-alarm" => {
                self.composite(name, "ALARM(\"somebody\")", tags);
            }
            "cloudwatch-dashboard" => {
                let body = r#"{"widgets":[{"type":"text","properties":{"markdown":"a"}}]}"#;
                self.json(
                    "GraniteServiceVersion20100801.PutDashboard",
                    &json!({ "DashboardName": name, "DashboardBody": body, "Tags": pairs(tags) }),
                );
            }
            other => panic!("nobody has a {other}"),
        }
    }

    pub fn key(&self, name: Option<&str>, tags: Tags<'_>) -> String {
        let tags: Vec<_> =
            tags.iter().map(|(key, value)| json!({ "TagKey": key, "TagValue": value })).collect();
        let made = self.json("TrentService.CreateKey", &json!({ "Tags": tags }));
        let id = made["KeyMetadata"]["KeyId"].as_str().expect("a key has an id").to_owned();
        if let Some(name) = name {
            let said = json!({ "AliasName": format!("alias/{name}"), "TargetKeyId": id });
            self.json("TrentService.CreateAlias", &said);
        }
        id
    }

    fn role(&self, name: &str, tags: Tags<'_>) {
        let said = [("RoleName", name), ("AssumeRolePolicyDocument", TRUST)];
        self.form("iam", "CreateRole", &said, tags);
        let said = [("RoleName", name), ("PolicyName", "lake"), ("PolicyDocument", POLICY)];
        self.form("iam", "PutRolePolicy", &said, &[]);
        self.form("iam", "CreateInstanceProfile", &[("InstanceProfileName", name)], tags);
        let said = [("RoleName", name), ("InstanceProfileName", name)];
        self.form("iam", "AddRoleToInstanceProfile", &said, &[]);
    }

    fn bucket(&self, name: &str, tags: Tags<'_>) {
        let place = match self.region {
            "us-east-1" => String::new(),
            region => format!("<LocationConstraint>{region}</LocationConstraint>"),
        };
        let body = format!("<CreateBucketConfiguration>{place}</CreateBucketConfiguration>");
        self.s3(&format!("/{name}"), &body);
        if !tags.is_empty() {
            let each =
                tags.iter().map(|(k, v)| format!("<Tag><Key>{k}</Key><Value>{v}</Value></Tag>"));
            let set: String = each.collect();
            self.s3(
                &format!("/{name}?tagging"),
                &format!("<Tagging><TagSet>{set}</TagSet></Tagging>"),
            );
        }
        self.s3(&format!("/{name}/trigger/cluster.json"), "{}");
    }

    /// A bucket's document of notifications with one entry of this id, and its queue.
    pub fn notification(&self, bucket: &str, id: &str, queue: &str) {
        let arn = format!("arn:aws:sqs:{}:{ACCOUNT}:{queue}", self.region);
        let statement = json!({
            "Effect": "Allow", "Principal": { "Service": "s3.amazonaws.com" },
            "Action": "sqs:SendMessage", "Resource": arn,
        });
        let policy = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
        let said = json!({ "QueueName": queue, "Attributes": { "Policy": policy } });
        self.json("AmazonSQS.CreateQueue", &said);
        let queue = arn;
        let one = format!("<Id>{id}</Id><Queue>{queue}</Queue><Event>s3:ObjectCreated:*</Event>");
        let body = format!(
            "<NotificationConfiguration><QueueConfiguration>{one}</QueueConfiguration>\
             </NotificationConfiguration>"
        );
        self.s3(&format!("/{bucket}?notification"), &body);
    }

    fn database(&self, name: &str, tags: Tags<'_>) {
        let input = json!({ "Name": name, "Parameters": map(tags) });
        let said = json!({ "DatabaseInput": input, "Tags": map(tags) });
        self.json("AWSGlue.CreateDatabase", &said);
        let table = json!({ "Name": "user_activity", "Parameters": map(tags) });
        let said = json!({ "DatabaseName": name, "TableInput": table });
        self.json("AWSGlue.CreateTable", &said);
    }

    fn function(&self, name: &str, tags: Tags<'_>) {
        let said = json!({
            "FunctionName": name, "Runtime": "python3.13", "Handler": "a.b", "Role": ROLE,
            "Code": { "ZipFile": ZIP }, "Tags": map(tags),
        });
        self.rest("/2015-03-31/functions", &said);
    }

    /// Turned off, so that it takes no messages.
    pub fn mapping(&self, function: &str, queue: &str) {
        let queue = format!("arn:aws:sqs:{}:{ACCOUNT}:{queue}", self.region);
        let said = json!({ "FunctionName": function, "EventSourceArn": queue, "Enabled": false });
        self.rest("/2015-03-31/event-source-mappings/", &said);
    }

    pub fn cluster(&self, name: &str, tags: Tags<'_>) -> String {
        let instances = json!({
            "KeepJobFlowAliveWhenNoSteps": true, "InstanceGroups": [
                { "InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1 },
            ],
        });
        let said = json!({
            "Name": name, "ReleaseLabel": "emr-7.9.0", "Instances": instances,
            "ServiceRole": "a", "JobFlowRole": "b", "Tags": pairs(tags),
        });
        let made = self.json("ElasticMapReduce.RunJobFlow", &said);
        made["JobFlowId"].as_str().expect("a cluster has an id").to_owned()
    }

    fn alarm(&self, name: &str, tags: Tags<'_>) {
        self.json(
            "GraniteServiceVersion20100801.PutMetricAlarm",
            &json!({
                "AlarmName": name, "Namespace": "AWS/Kinesis", "MetricName": "IncomingRecords",
                "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1, "Threshold": 1.0,
                "ComparisonOperator": "GreaterThanThreshold", "Tags": pairs(tags),
            }),
        );
    }

    pub fn composite(&self, name: &str, rule: &str, tags: Tags<'_>) {
        self.json(
            "GraniteServiceVersion20100801.PutCompositeAlarm",
            &json!({ "AlarmName": name, "AlarmRule": rule, "Tags": pairs(tags) }),
        );
    }
}

fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let each = text.bytes().map(|byte| match plain(&byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    each.collect()
}

fn map(tags: Tags<'_>) -> Value {
    tags.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect()
}

fn pairs(tags: Tags<'_>) -> Value {
    tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
}
