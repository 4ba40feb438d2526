//! Each service's documented rate limits: one token bucket a limit, a second's worth in each.

use std::collections::BTreeMap;
use std::time::Instant;

use super::super::call::Call;
use super::super::proxy::{Deed, Rule};
use super::answer::refuse;
use super::world::World;

/// Calls a second that an account and region may make.
struct Limit {
    service: &'static str,
    /// Each of these on its own; none: all other calls of the service together.
    operations: &'static [&'static str],
    per_second: f64,
}

const LIMITS: &[Limit] = &[
    limit("kinesis", &["DescribeStreamSummary"], 20.0),
    limit(
        "kinesis",
        &[
            "CreateStream",
            "DeleteStream",
            "ListStreams",
            "ListTagsForStream",
            "AddTagsToStream",
            "RemoveTagsFromStream",
        ],
        5.0,
    ),
    limit("kinesis", &["UpdateShardCount", "DescribeStream"], 10.0),
    limit(
        "firehose",
        &[
            "CreateDeliveryStream",
            "DeleteDeliveryStream",
            "DescribeDeliveryStream",
            "ListDeliveryStreams",
            "UpdateDestination",
            "TagDeliveryStream",
            "UntagDeliveryStream",
            "ListTagsForDeliveryStream",
            "StartDeliveryStreamEncryption",
            "StopDeliveryStreamEncryption",
        ],
        5.0,
    ),
    // One bucket for the account, of a few a second.
    limit("elasticmapreduce", &[], 5.0),
    limit("lambda", &["GET functions"], 100.0),
    limit("lambda", &["GET functions/policy"], 15.0),
    limit("lambda", &[], 15.0),
    limit("kms", &["ListAliases", "ListKeys"], 500.0),
    limit(
        "kms",
        &[
            "PutKeyPolicy",
            "EnableKeyRotation",
            "DisableKeyRotation",
            "ScheduleKeyDeletion",
            "CancelKeyDeletion",
            "DeleteAlias",
        ],
        15.0,
    ),
    limit("kms", &["TagResource"], 10.0),
    limit(
        "kms",
        &["CreateKey", "CreateAlias", "UpdateAlias", "EnableKey", "DisableKey", "UntagResource"],
        5.0,
    ),
    limit("monitoring", &["DescribeAlarms"], 9.0),
    limit("monitoring", &["PutMetricAlarm", "PutCompositeAlarm"], 3.0),
    limit("monitoring", &["GetDashboard", "PutDashboard", "DeleteDashboards"], 10.0),
    limit("logs", &["CreateLogGroup", "DeleteLogGroup", "DescribeLogGroups"], 5.0),
    limit("sns", &["ListTopics", "ListSubscriptionsByTopic", "ListSubscriptions"], 30.0),
    limit("sns", &["TagResource", "UntagResource", "ListTagsForResource"], 10.0),
    // Not published; others see the first refusals after 10 to 20 reads.
    limit("iam", &[], 20.0),
];

const fn limit(
    service: &'static str,
    operations: &'static [&'static str],
    per_second: f64,
) -> Limit {
    Limit { service, operations, per_second }
}

pub const REFUSED: &str = "too many calls a second are refused";
pub const BEHAVIOURS: &[&str] = &[REFUSED];

#[derive(Clone)]
pub struct Pace {
    world: World,
    /// What is left, and since when, by the row and its operation.
    buckets: BTreeMap<(usize, String), (f64, Instant)>,
}

impl Pace {
    pub fn new(world: &World) -> Self {
        Self { world: world.clone(), buckets: BTreeMap::new() }
    }

    fn takes(&mut self, call: &Call) -> bool {
        let matches = |limit: &Limit| {
            let operations = limit.operations;
            let named = operations.is_empty() || operations.contains(&call.operation.as_str());
            limit.service == call.service && named
        };
        let Some(row) = LIMITS.iter().position(matches) else { return true };
        let Limit { operations, per_second, .. } = &LIMITS[row];
        let own = if operations.is_empty() { String::new() } else { call.operation.clone() };
        let now = self.world.now();
        let (left, at) = self.buckets.entry((row, own)).or_insert((*per_second, now));
        let filled = *left + now.duration_since(*at).as_secs_f64() * per_second;
        (*left, *at) = (filled.min(*per_second), now);
        let takes = *left >= 1.0;
        if takes {
            *left -= 1.0;
        }
        takes
    }
}

impl Rule for Pace {
    fn before(&mut self, call: &Call) -> Deed {
        if self.takes(call) {
            return Deed::Forward;
        }
        self.world.strike(REFUSED);
        self.world.refused_for_rate(call);
        let code = match call.service.as_str() {
            "kinesis" => "LimitExceededException",
            "lambda" => "TooManyRequestsException",
            "iam" | "monitoring" | "sns" => "Throttling",
            _ => "ThrottlingException",
        };
        refuse(call, code, "Rate exceeded")
    }
}
