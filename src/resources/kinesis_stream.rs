//! `kinesis-stream`: a Kinesis data stream.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::{
    EncryptionType, MetricsName, ScalingType, StreamMode, StreamModeDetails, StreamStatus,
};
use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aws::{Aws, During, absent};
use crate::cloud::{Class, Fault};
use crate::kind::rule::replace;
use crate::kind::values::key::same_key;
use crate::kind::values::tags::{unwanted, without_aws};
use crate::kind::{Flaw, Live, Name, Outputs, Phase, Place, Rule};
use crate::plan::diff::Diff;
use crate::status::reading::{Gauge, Health, Of, Reading, Sight, Value, whatever};

use super::{Resource, Tags};

/// A Kinesis data stream.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KinesisStream {
    pub name: Name,
    /// `provisioned` has the shards that are asked for; `on-demand` has as many as it needs.
    #[serde(default)]
    pub mode: Mode,
    /// Open shards of a provisioned stream. Left out: AWS decides, and leaving it out later changes
    /// nothing.
    #[serde(default)]
    pub shards: Option<u32>,
    /// How long records can be read, 24 to 8760 hours. Making it shorter loses what is older at
    /// once.
    #[serde(default = "a_day")]
    pub retention_hours: u32,
    /// KMS key that encrypts the records: id, ARN or alias; `none` for none.
    #[serde(default = "none")]
    pub key: String,
    /// Metrics of each shard, as `IncomingBytes`, or `ALL`.
    #[serde(default)]
    pub shard_metrics: BTreeSet<String>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// How a stream gets its shards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    #[default]
    Provisioned,
    OnDemand,
}

fn a_day() -> u32 {
    24
}

fn none() -> String {
    NONE.to_owned()
}

const NONE: &str = "none";
const ABSENT: &[&str] = &["ResourceNotFoundException"];
/// What `ALL` reads back as.
const SHARD_METRICS: [&str; 7] = [
    "IncomingBytes",
    "IncomingRecords",
    "IteratorAgeMilliseconds",
    "OutgoingBytes",
    "OutgoingRecords",
    "ReadProvisionedThroughputExceeded",
    "WriteProvisionedThroughputExceeded",
];

impl Resource for KinesisStream {
    const KIND: &'static str = "kinesis-stream";
    const OUTPUTS: &'static [&'static str] = &["arn", "name"];
    const RULES: &'static [Rule] = &[replace("name")];
    const HOLDS_DATA: bool = true;

    fn identity(&self) -> Name {
        self.name.clone()
    }

    fn check(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        let name = self.name.as_str();
        let letter = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let sound = (1..=128).contains(&name.len()) && name.chars().all(letter);
        if !sound && !name.contains("${") {
            let what = format!("`{name}` is not a stream's name");
            flaws.push(Flaw::error("name", what).hint("1 to 128 letters, digits and any of `_.-`"));
        }
        if !(24..=8760).contains(&self.retention_hours) {
            let what = format!(
                "a stream keeps records for 24 to 8760 hours, not {}",
                self.retention_hours
            );
            flaws.push(Flaw::error("retention_hours", what));
        }
        match (self.mode, self.shards) {
            (Mode::OnDemand, Some(_)) => flaws.push(
                Flaw::error("shards", "an on-demand stream has as many shards as it needs")
                    .hint("leave out `shards`, or write `mode: provisioned`"),
            ),
            (Mode::Provisioned, Some(0)) => {
                flaws.push(Flaw::error("shards", "a stream has at least one shard"))
            }
            _ => {}
        }
        for metric in &self.shard_metrics {
            if metric != "ALL" && !SHARD_METRICS.contains(&metric.as_str()) {
                let known = SHARD_METRICS.join(", ");
                flaws.push(
                    Flaw::error("shard_metrics", format!("`{metric}` is not a metric of a shard"))
                        .hint(format!("they are {known}, or ALL")),
                );
            }
        }
        flaws
    }

    fn predict(&self, place: &Place) -> Outputs {
        outputs(&self.name, place)
    }

    fn reconcile(&self, live: &mut Self) {
        if same_key(&self.key, &live.key) {
            live.key.clone_from(&self.key);
        }
        if self.shard_metrics.contains("ALL") && live.shard_metrics.len() == SHARD_METRICS.len() {
            live.shard_metrics.clone_from(&self.shard_metrics);
        }
    }

    async fn observe(aws: &Aws, identity: &Name) -> Result<Option<Live<Self>>, Fault> {
        let api = aws.client::<Client>();
        let name = identity.as_str();
        let arn = arn(identity, &aws.place);
        let (summary, tags) = futures_util::join!(
            api.describe_stream_summary().stream_name(name).send(),
            aws.tags(&arn, tags_of(&api, name)),
        );
        let Some(found) = absent(summary.during("kinesis:DescribeStreamSummary"), ABSENT)? else {
            return Ok(None);
        };
        let Some(tags) = tags? else { return Ok(None) };
        let Some(stream) = found.stream_description_summary() else { return Ok(None) };
        let on_demand = stream.stream_mode_details().map(StreamModeDetails::stream_mode)
            == Some(&StreamMode::OnDemand);
        let metrics = stream.enhanced_monitoring().iter().flat_map(|m| m.shard_level_metrics());
        let spec = Self {
            name: identity.clone(),
            mode: if on_demand { Mode::OnDemand } else { Mode::Provisioned },
            shards: (!on_demand).then(|| stream.open_shard_count().unsigned_abs()),
            retention_hours: stream.retention_period_hours().unsigned_abs(),
            key: stream.key_id().map_or_else(none, str::to_owned),
            shard_metrics: metrics.map(|metric| metric.as_str().to_owned()).collect(),
            tags,
        };
        let phase = match stream.stream_status() {
            StreamStatus::Active => Phase::Ready,
            StreamStatus::Deleting => Phase::Leaving("DELETING".into()),
            other => Phase::Settling(other.as_str().into()),
        };
        Ok(Some(Live { spec, outputs: outputs(identity, &aws.place), phase }))
    }

    async fn create(&self, aws: &Aws) -> Result<(), Fault> {
        let mode = match self.mode {
            Mode::Provisioned => StreamMode::Provisioned,
            Mode::OnDemand => StreamMode::OnDemand,
        };
        let details = StreamModeDetails::builder().stream_mode(mode).build();
        let shards =
            (self.mode == Mode::Provisioned).then(|| self.shards.unwrap_or(1).cast_signed());
        aws.client::<Client>()
            .create_stream()
            .stream_name(self.name.as_str())
            .set_shard_count(shards)
            .stream_mode_details(details.during("kinesis:CreateStream")?)
            .set_tags(Some(self.tags.clone().into_iter().collect()))
            .send()
            .await
            .during("kinesis:CreateStream")
            .map_err(slots)?;
        Ok(())
    }

    /// Each of these leaves the stream UPDATING, so one is made at a time; tags go beside it.
    async fn update(&self, aws: &Aws, live: &Live<Self>, diff: &Diff) -> Result<(), Fault> {
        if diff.touches("tags") {
            self.update_tags(aws, &live.spec.tags).await?;
        }
        if diff.touches("mode") {
            return self.switch_mode(aws).await;
        }
        if diff.touches("shards") {
            return self.reshard(aws, live.spec.shards.unwrap_or(1)).await;
        }
        if diff.touches("retention_hours") {
            return self.retain(aws, live.spec.retention_hours).await;
        }
        if diff.touches("shard_metrics") {
            return self.monitor(aws, &live.spec.shard_metrics).await;
        }
        if diff.touches("key") {
            return self.encrypt(aws, &live.spec.key).await;
        }
        Ok(())
    }

    async fn delete(aws: &Aws, identity: &Name, _live: &Live<Self>) -> Result<(), Fault> {
        let api = aws.client::<Client>();
        let call =
            api.delete_stream().stream_name(identity.as_str()).enforce_consumer_deletion(true);
        absent(call.send().await.during("kinesis:DeleteStream").map_err(slots), ABSENT)?;
        Ok(())
    }

    async fn watch(aws: &Aws, identities: &[Name]) -> Vec<Result<Sight, Fault>> {
        join_all(identities.iter().map(|name| sight(aws, name))).await
    }

    fn gauges(identity: &Name) -> Vec<Gauge> {
        vec![Gauge {
            what: "records in 5 min",
            namespace: "AWS/Kinesis",
            metric: "IncomingRecords",
            dimensions: vec![("StreamName", identity.to_string())],
            of: Of::Sum,
            within: 300,
            judge: whatever,
        }]
    }

    fn listed(arn: &str, _tags: &Tags) -> Option<Name> {
        let (_, name) = arn.split_once(":kinesis:")?.1.split_once(":stream/")?;
        (!name.contains('/')).then(|| Name::new(name))
    }
}

async fn sight(aws: &Aws, name: &Name) -> Result<Sight, Fault> {
    let call = aws.client::<Client>().describe_stream_summary().stream_name(name.as_str());
    let answer = absent(call.send().await.during("kinesis:DescribeStreamSummary"), ABSENT)?;
    let Some(found) = answer else { return Ok(Sight::Absent(Vec::new())) };
    let Some(stream) = found.stream_description_summary() else {
        return Ok(Sight::Absent(Vec::new()));
    };
    let status = stream.stream_status();
    let health = match status {
        StreamStatus::Active | StreamStatus::Updating => Health::Good,
        _ => Health::Attention,
    };
    let shards = u64::from(stream.open_shard_count().unsigned_abs());
    Ok(Sight::There(vec![
        Reading::text("state", status.as_str()).health(health),
        Reading::new("shards", Value::Count(shards)),
    ]))
}

fn outputs(name: &Name, place: &Place) -> Outputs {
    Outputs::from([("arn".into(), arn(name, place)), ("name".into(), name.to_string())])
}

/// `LimitExceededException` has three meanings; only "too many in CREATING or DELETING" passes.
fn slots(fault: Fault) -> Fault {
    if fault.says("LimitExceededException", "simultaneously be in CREATING or DELETING") {
        fault.class(Class::NotYet)
    } else {
        fault
    }
}

/// A key made in this apply may not be usable yet.
fn young_key(fault: Fault) -> Fault {
    if fault.code.as_deref().is_some_and(|code| code.starts_with("KMS")) {
        fault.class(Class::NotYet)
    } else {
        fault
    }
}

fn arn(name: &Name, place: &Place) -> String {
    place.arn("kinesis", &format!("stream/{name}"))
}

async fn tags_of(api: &Client, name: &str) -> Result<Option<Tags>, Fault> {
    let answer = api.list_tags_for_stream().stream_name(name).limit(50).send().await;
    let answer = absent(answer.during("kinesis:ListTagsForStream"), ABSENT)?;
    let pair = |tag: &aws_sdk_kinesis::types::Tag| {
        (tag.key().to_owned(), tag.value().unwrap_or_default().to_owned())
    };
    Ok(answer.map(|answer| without_aws(answer.tags().iter().map(pair))))
}

fn metric_names(metrics: &BTreeSet<String>) -> Vec<MetricsName> {
    metrics.iter().map(|metric| MetricsName::from(metric.as_str())).collect()
}

impl KinesisStream {
    async fn update_tags(&self, aws: &Aws, live: &BTreeMap<String, String>) -> Result<(), Fault> {
        let api = aws.client::<Client>();
        let gone = unwanted(&self.tags, live);
        if !gone.is_empty() {
            let call = api
                .remove_tags_from_stream()
                .stream_name(self.name.as_str())
                .set_tag_keys(Some(gone));
            call.send().await.during("kinesis:RemoveTagsFromStream")?;
        }
        let call = api.add_tags_to_stream().stream_name(self.name.as_str());
        let call = call.set_tags(Some(self.tags.clone().into_iter().collect()));
        call.send().await.during("kinesis:AddTagsToStream")?;
        Ok(())
    }

    async fn switch_mode(&self, aws: &Aws) -> Result<(), Fault> {
        let mode = match self.mode {
            Mode::Provisioned => StreamMode::Provisioned,
            Mode::OnDemand => StreamMode::OnDemand,
        };
        let details = StreamModeDetails::builder().stream_mode(mode).build();
        let arn = arn(&self.name, &aws.place);
        let call = aws.client::<Client>().update_stream_mode().stream_arn(arn);
        let call = call.stream_mode_details(details.during("kinesis:UpdateStreamMode")?);
        call.send().await.during("kinesis:UpdateStreamMode")?;
        Ok(())
    }

    /// A call at most doubles or halves the shards; the next look finds what is left to do.
    async fn reshard(&self, aws: &Aws, open: u32) -> Result<(), Fault> {
        let wanted = self.shards.unwrap_or(open);
        let step = wanted.clamp(open.div_ceil(2), open.saturating_mul(2));
        let call = aws.client::<Client>().update_shard_count().stream_name(self.name.as_str());
        let call =
            call.target_shard_count(step.cast_signed()).scaling_type(ScalingType::UniformScaling);
        call.send().await.during("kinesis:UpdateShardCount")?;
        Ok(())
    }

    async fn retain(&self, aws: &Aws, live: u32) -> Result<(), Fault> {
        let api = aws.client::<Client>();
        let (name, hours) = (self.name.as_str(), self.retention_hours.cast_signed());
        if self.retention_hours > live {
            let call = api
                .increase_stream_retention_period()
                .stream_name(name)
                .retention_period_hours(hours);
            call.send().await.during("kinesis:IncreaseStreamRetentionPeriod")?;
        } else {
            let call = api
                .decrease_stream_retention_period()
                .stream_name(name)
                .retention_period_hours(hours);
            call.send().await.during("kinesis:DecreaseStreamRetentionPeriod")?;
        }
        Ok(())
    }

    async fn monitor(&self, aws: &Aws, live: &BTreeSet<String>) -> Result<(), Fault> {
        let api = aws.client::<Client>();
        let extra: BTreeSet<_> = live.difference(&self.shard_metrics).cloned().collect();
        if !extra.is_empty() && !self.shard_metrics.contains("ALL") {
            let call = api.disable_enhanced_monitoring().stream_name(self.name.as_str());
            let call = call.set_shard_level_metrics(Some(metric_names(&extra)));
            call.send().await.during("kinesis:DisableEnhancedMonitoring")?;
            return Ok(());
        }
        let call = api.enable_enhanced_monitoring().stream_name(self.name.as_str());
        let call = call.set_shard_level_metrics(Some(metric_names(&self.shard_metrics)));
        call.send().await.during("kinesis:EnableEnhancedMonitoring")?;
        Ok(())
    }

    /// Stopping needs the key that is in use.
    async fn encrypt(&self, aws: &Aws, live: &str) -> Result<(), Fault> {
        let api = aws.client::<Client>();
        if self.key == NONE {
            let call = api.stop_stream_encryption().stream_name(self.name.as_str());
            let call = call.encryption_type(EncryptionType::Kms).key_id(live);
            call.send().await.during("kinesis:StopStreamEncryption")?;
        } else {
            let call = api.start_stream_encryption().stream_name(self.name.as_str());
            let call = call.encryption_type(EncryptionType::Kms).key_id(self.key.as_str());
            call.send().await.during("kinesis:StartStreamEncryption").map_err(young_key)?;
        }
        Ok(())
    }
}
