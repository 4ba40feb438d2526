//! An event source mapping: a queue or stream that feeds a function.
//!
//! Lambda has one for a function and what it reads from, and names it by an id of its own: a
//! blueprint's name for it is known to the blueprint alone. As Lambda tells them they are keyed by
//! what they read from, until [`named`] gives them their names.

use std::collections::BTreeMap;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::{self as sdk, EventSourceMappingConfiguration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::aws::{During, absent};
use crate::cloud::{Class, Fault};
use crate::kind::Live;
use crate::kind::values::duration::Duration;
use crate::kind::values::or_none::OrNone;

use super::{ABSENT, LambdaFunction, NONE, check, none, young};

/// A queue or stream that feeds a function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventSource {
    /// ARN of an SQS queue, a Kinesis stream or a DynamoDB stream.
    pub from: String,
    /// Whether it feeds the function now.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// The most messages of a call, up to 10000. Left out: AWS decides, 10 of a queue and 100 of a
    /// stream, and leaving it out later changes nothing.
    #[serde(default)]
    pub batch_size: Option<u32>,
    /// How long messages are gathered before a call, up to `5m`. More than 10 of a queue need one.
    #[serde(default = "at_once")]
    pub window: Duration,
    /// Only messages that match one of these, as `{ body: { kind: [trip] } }`.
    #[serde(default)]
    pub filters: Vec<Pattern>,
    /// The function answers which messages of a batch it could not handle, and only these come
    /// again: `ReportBatchItemFailures`.
    #[serde(default)]
    pub report_failures: bool,
    /// How many calls a queue has at once, 2 to 1000; `none` for as many as there can be.
    #[serde(default)]
    pub maximum_concurrency: OrNone<u32>,
    /// Where a stream is read from at first; another one is another mapping. Left out: from its
    /// beginning, and leaving it out later changes nothing.
    #[serde(default)]
    pub starting_position: Option<Start>,
    /// How many batches of a shard are handled at once, 1 to 10; of a stream.
    #[serde(default = "one")]
    pub parallelization: u32,
    /// How often a batch of a stream is tried again, up to 10000; -1, the default, for as long as
    /// the stream has it.
    #[serde(default = "for_ever")]
    pub retries: i32,
    /// Records of a stream that are older are passed over, `1m` to `7d`; `none` for none.
    #[serde(default)]
    pub max_record_age: OrNone<Duration>,
    /// A batch of a stream that failed is tried again in halves.
    #[serde(default)]
    pub bisect: bool,
    /// ARN of the queue, topic or bucket that is told which records of a stream were given up;
    /// `none` for none. What a queue gives up goes where its own redrive policy says.
    #[serde(default = "none")]
    pub on_failure: String,
}

/// What a message has to have.
type Pattern = BTreeMap<String, Value>;

/// Where a stream is read from at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// From its oldest record.
    TrimHorizon,
    /// From the records that come now.
    Latest,
}

fn yes() -> bool {
    true
}

fn at_once() -> Duration {
    Duration::seconds(0)
}

fn one() -> u32 {
    1
}

fn for_ever() -> i32 {
    FOR_EVER
}

const FOR_EVER: i32 = -1;
const CREATE: &str = "lambda:CreateEventSourceMapping";

/// Under which of the outputs the id of a mapping is noted.
pub(super) fn note(from: &str) -> String {
    format!("source {from}")
}

/// Where a mapping reads from; one that reads from no ARN, as of Kafka elsewhere, by its id.
pub(super) fn origin(told: &EventSourceMappingConfiguration) -> String {
    told.event_source_arn().or(told.uuid()).unwrap_or_default().to_owned()
}

/// The sources that are held, each under the name that the blueprint has for what it reads from.
/// One that began elsewhere is another one, and keeps its own.
pub(super) fn named(
    written: &BTreeMap<String, EventSource>,
    held: BTreeMap<String, EventSource>,
) -> BTreeMap<String, EventSource> {
    let each = held.into_iter().map(|(key, mut source)| {
        let same = written.iter().find(|(_, written)| written.begins_as(&source));
        let Some((name, written)) = same else { return (key, source) };
        source.spell_as(written);
        (name.clone(), source)
    });
    each.collect()
}

/// Makes the sources what they are to be, as far as Lambda takes it now: one that is to begin
/// elsewhere ends, and begins once it is gone.
pub(super) async fn change(
    api: &Client,
    wanted: &LambdaFunction,
    live: &Live<LambdaFunction>,
) -> Result<(), Fault> {
    let held = named(&wanted.sources, live.spec.sources.clone());
    for (name, source) in &held {
        if !wanted.sources.get(name).is_some_and(|wanted| wanted.begins_as(source)) {
            end(api, live, &source.from).await?;
        }
    }
    for (name, source) in &wanted.sources {
        match held.get(name).filter(|held| source.begins_as(held)) {
            Some(held) if held == source => {}
            Some(held) => source.configure(api, live, held).await?,
            None if held.values().any(|held| held.from == source.from) => {}
            None => source.start(api, wanted.name.as_str()).await?,
        }
    }
    Ok(())
}

/// Ends a mapping; it is gone a while later.
pub(super) async fn end(
    api: &Client,
    live: &Live<LambdaFunction>,
    from: &str,
) -> Result<(), Fault> {
    let Some(id) = live.outputs.get(&note(from)) else { return Ok(()) };
    let call = api.delete_event_source_mapping().uuid(id);
    absent(call.send().await.during("lambda:DeleteEventSourceMapping"), ABSENT)?;
    Ok(())
}

/// What of a mapping is sent: nothing where it is as it should be.
struct Sent {
    enabled: Option<bool>,
    batch_size: Option<i32>,
    window: Option<i32>,
    filters: Option<sdk::FilterCriteria>,
    answers: Option<Vec<sdk::FunctionResponseType>>,
    scaling: Option<sdk::ScalingConfig>,
    parallelization: Option<i32>,
    retries: Option<i32>,
    max_record_age: Option<i32>,
    bisect: Option<bool>,
    destination: Option<sdk::DestinationConfig>,
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.seconds).unwrap_or(i32::MAX)
}

impl EventSource {
    /// One of which nothing is said but what it reads from.
    pub(super) fn plain(from: String) -> Self {
        Self {
            from,
            enabled: yes(),
            batch_size: None,
            window: at_once(),
            filters: Vec::new(),
            report_failures: false,
            maximum_concurrency: OrNone(None),
            starting_position: None,
            parallelization: one(),
            retries: FOR_EVER,
            max_record_age: OrNone(None),
            bisect: false,
            on_failure: none(),
        }
    }

    pub(super) fn is_queue(&self) -> bool {
        self.from.contains(":sqs:")
    }

    /// Of a queue, Lambda tells nothing that only streams have, or tells what means nothing.
    pub(super) fn read(told: &EventSourceMappingConfiguration) -> Self {
        let plain = Self::plain(origin(told));
        let answers = told.function_response_types();
        let scaling = told.scaling_config().and_then(|scaling| scaling.maximum_concurrency());
        let source = Self {
            enabled: !matches!(told.state(), Some("Disabled" | "Disabling")),
            batch_size: told.batch_size().map(i32::unsigned_abs),
            window: period(told.maximum_batching_window_in_seconds()).unwrap_or(plain.window),
            filters: filters(told),
            report_failures: answers.contains(&sdk::FunctionResponseType::ReportBatchItemFailures),
            maximum_concurrency: OrNone(scaling.map(i32::unsigned_abs)),
            ..plain
        };
        if source.is_queue() { source } else { source.read_stream(told) }
    }

    fn read_stream(self, told: &EventSourceMappingConfiguration) -> Self {
        let destination = told.destination_config().and_then(|told| told.on_failure());
        let destination = destination.and_then(|told| told.destination());
        Self {
            starting_position: match told.starting_position() {
                Some(sdk::EventSourcePosition::TrimHorizon) => Some(Start::TrimHorizon),
                Some(sdk::EventSourcePosition::Latest) => Some(Start::Latest),
                _ => None,
            },
            parallelization: told.parallelization_factor().map_or(1, i32::unsigned_abs),
            retries: told.maximum_retry_attempts().unwrap_or(FOR_EVER),
            max_record_age: OrNone(period(told.maximum_record_age_in_seconds())),
            bisect: told.bisect_batch_on_function_error().unwrap_or_default(),
            on_failure: destination.filter(|arn| !arn.is_empty()).map_or_else(none, str::to_owned),
            ..self
        }
    }

    /// The order of filters means nothing: one that matches is enough.
    fn spell_as(&mut self, written: &Self) {
        let same = written.filters.len() == self.filters.len()
            && written.filters.iter().all(|filter| self.filters.contains(filter))
            && self.filters.iter().all(|filter| written.filters.contains(filter));
        if same {
            self.filters.clone_from(&written.filters);
        }
        if written.batch_size.is_none() {
            self.batch_size = None;
        }
        if written.starting_position.is_none() {
            self.starting_position = None;
        }
    }

    /// Whether one can become the other: where it reads from and begins is fixed.
    fn begins_as(&self, held: &Self) -> bool {
        let start = self.starting_position;
        self.from == held.from && (start.is_none() || start == held.starting_position)
    }

    /// Until now it may have been `${arrivals.arn}`, of which nothing could be said.
    fn fits(&self, operation: &'static str) -> Result<(), Fault> {
        let told = check::source("", self).into_iter().next();
        told.map_or(Ok(()), |flaw| {
            let what = format!("the source {}: {}", self.from, flaw.what);
            Err(Fault::new(Class::Invalid, operation, what))
        })
    }

    /// A second one of the same is refused, so that sending it again is safe:
    /// "An event source mapping with … already exists".
    async fn start(&self, api: &Client, function: &str) -> Result<(), Fault> {
        self.fits(CREATE)?;
        let position = match self.starting_position {
            _ if self.is_queue() => None,
            Some(Start::Latest) => Some(sdk::EventSourcePosition::Latest),
            Some(Start::TrimHorizon) | None => Some(sdk::EventSourcePosition::TrimHorizon),
        };
        let sent = self.sent(&Self::plain(self.from.clone()));
        let call = api
            .create_event_source_mapping()
            .function_name(function)
            .event_source_arn(&self.from)
            .set_starting_position(position)
            .set_enabled(sent.enabled)
            .set_batch_size(sent.batch_size)
            .set_maximum_batching_window_in_seconds(sent.window)
            .set_filter_criteria(sent.filters)
            .set_function_response_types(sent.answers)
            .set_scaling_config(sent.scaling)
            .set_parallelization_factor(sent.parallelization)
            .set_maximum_retry_attempts(sent.retries)
            .set_maximum_record_age_in_seconds(sent.max_record_age)
            .set_bisect_batch_on_function_error(sent.bisect)
            .set_destination_config(sent.destination);
        call.send().await.during(CREATE).map_err(young)?;
        Ok(())
    }

    async fn configure(
        &self,
        api: &Client,
        live: &Live<LambdaFunction>,
        held: &Self,
    ) -> Result<(), Fault> {
        const UPDATE: &str = "lambda:UpdateEventSourceMapping";
        self.fits(UPDATE)?;
        let Some(id) = live.outputs.get(&note(&self.from)) else { return Ok(()) };
        let sent = self.sent(held);
        let call = api
            .update_event_source_mapping()
            .uuid(id)
            .set_enabled(sent.enabled)
            .set_batch_size(sent.batch_size)
            .set_maximum_batching_window_in_seconds(sent.window)
            .set_filter_criteria(sent.filters)
            .set_function_response_types(sent.answers)
            .set_scaling_config(sent.scaling)
            .set_parallelization_factor(sent.parallelization)
            .set_maximum_retry_attempts(sent.retries)
            .set_maximum_record_age_in_seconds(sent.max_record_age)
            .set_bisect_batch_on_function_error(sent.bisect)
            .set_destination_config(sent.destination);
        call.send().await.during(UPDATE).map_err(young)?;
        Ok(())
    }

    /// What turns `held` into this one; an empty value takes away what is held.
    fn sent(&self, held: &Self) -> Sent {
        let answers = || match self.report_failures {
            true => vec![sdk::FunctionResponseType::ReportBatchItemFailures],
            false => Vec::new(),
        };
        let age = || self.max_record_age.as_ref().map_or(FOR_EVER, |age| seconds(*age));
        let concurrency = self.maximum_concurrency.as_ref().map(|most| most.cast_signed());
        let scaling = || sdk::ScalingConfig::builder().set_maximum_concurrency(concurrency).build();
        Sent {
            enabled: (self.enabled != held.enabled).then_some(self.enabled),
            batch_size: self
                .batch_size
                .filter(|size| Some(*size) != held.batch_size)
                .map(u32::cast_signed),
            window: (self.window != held.window).then(|| seconds(self.window)),
            filters: (self.filters != held.filters).then(|| self.criteria()),
            answers: (self.report_failures != held.report_failures).then(answers),
            scaling: (self.maximum_concurrency != held.maximum_concurrency).then(scaling),
            parallelization: (self.parallelization != held.parallelization)
                .then(|| self.parallelization.cast_signed()),
            retries: (self.retries != held.retries).then_some(self.retries),
            max_record_age: (self.max_record_age != held.max_record_age).then(age),
            bisect: (self.bisect != held.bisect).then_some(self.bisect),
            destination: (self.on_failure != held.on_failure).then(|| self.destination()),
        }
    }

    fn criteria(&self) -> sdk::FilterCriteria {
        let each = self.filters.iter().map(|pattern| {
            let text = serde_json::to_string(pattern).expect("a pattern is plain data");
            sdk::Filter::builder().pattern(text).build()
        });
        sdk::FilterCriteria::builder().set_filters(Some(each.collect())).build()
    }

    fn destination(&self) -> sdk::DestinationConfig {
        let arn = (self.on_failure != NONE).then(|| self.on_failure.clone());
        let failures = sdk::OnFailure::builder().set_destination(arn).build();
        sdk::DestinationConfig::builder().on_failure(failures).build()
    }
}

/// -1 is for ever.
fn period(seconds: Option<i32>) -> Option<Duration> {
    seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::seconds)
}

fn filters(told: &EventSourceMappingConfiguration) -> Vec<Pattern> {
    let filters = told.filter_criteria().map(|criteria| criteria.filters()).unwrap_or_default();
    let each = filters.iter().filter_map(|filter| filter.pattern());
    let read = |text: &str| {
        serde_json::from_str(text).unwrap_or_else(|_| Pattern::from([(text.into(), Value::Null)]))
    };
    each.map(read).collect()
}
