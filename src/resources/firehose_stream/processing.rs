//! What Firehose does to the records on their way.

use aws_sdk_firehose::types::{
    ProcessingConfiguration, Processor, ProcessorParameter, ProcessorParameterName as Parameter,
    ProcessorType,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aws::During;
use crate::cloud::Fault;
use crate::kind::values::duration::Duration;
use crate::kind::values::or_none::OrNone;

use super::{NONE, none};

/// What is done to the records, in this order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Processing {
    /// Unpacks the GZIP of CloudWatch Logs subscriptions.
    pub decompress: bool,
    /// Takes the messages out of the envelope of CloudWatch Logs; needs `decompress`.
    pub extract_messages: bool,
    /// Splits what was sent as one record into several.
    pub deaggregate: Deaggregate,
    /// A Lambda function that the records go through; `none` for none.
    pub lambda: OrNone<Lambda>,
    /// jq 1.6 query whose answer has the partition keys, as `{customer: .customer_id}`; `none`
    /// for none.
    pub metadata_query: String,
    /// What is put after each record, as `\n` for a new line; `none` for nothing.
    pub delimiter: String,
}

/// How the records inside a record are told apart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Deaggregate {
    #[default]
    None,
    /// They are JSON objects, one after the other.
    Json,
    /// There is a delimiter between them; this is it, in base64.
    Delimited(String),
}

/// A Lambda function that transforms the records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lambda {
    /// ARN of the function, its version or its alias.
    pub function: String,
    /// Records are collected up to this many MB before a call, 0.2 to 3.
    #[serde(default = "one")]
    pub buffer_size_mb: f64,
    /// Records are collected for this long before a call, up to 15 minutes.
    #[serde(default = "a_minute")]
    pub buffer_interval: Duration,
    /// Calls are tried again this many times, 0 to 300.
    #[serde(default = "thrice")]
    pub retries: u32,
    /// ARN of the role that calls the function. Left out: the role of the stream.
    #[serde(default)]
    pub role: Option<String>,
}

fn one() -> f64 {
    1.0
}

fn a_minute() -> Duration {
    Duration::seconds(60)
}

fn thrice() -> u32 {
    3
}

impl Default for Processing {
    fn default() -> Self {
        Self {
            decompress: false,
            extract_messages: false,
            deaggregate: Deaggregate::None,
            lambda: OrNone(None),
            metadata_query: none(),
            delimiter: none(),
        }
    }
}

impl Processing {
    pub fn is_off(&self) -> bool {
        *self == Self::default()
    }

    /// The whole of it, which replaces what was there: off is said in so many words.
    pub fn to_sdk(&self, operation: &'static str) -> Result<ProcessingConfiguration, Fault> {
        let processors: Result<Vec<_>, _> = self
            .processors()
            .into_iter()
            .map(|(kind, parameters)| processor(kind, parameters, operation))
            .collect();
        let configuration = ProcessingConfiguration::builder().enabled(!self.is_off());
        Ok(configuration.set_processors(Some(processors?)).build())
    }

    fn processors(&self) -> Vec<(ProcessorType, Vec<(Parameter, String)>)> {
        let mut all = Vec::new();
        if self.decompress {
            let gzip = vec![(Parameter::CompressionFormat, "GZIP".to_owned())];
            all.push((ProcessorType::Decompression, gzip));
        }
        if self.extract_messages {
            let extract = vec![(Parameter::DataMessageExtraction, "true".to_owned())];
            all.push((ProcessorType::CloudWatchLogProcessing, extract));
        }
        match &self.deaggregate {
            Deaggregate::None => {}
            Deaggregate::Json => {
                let json = vec![(Parameter::SubRecordType, "JSON".to_owned())];
                all.push((ProcessorType::RecordDeAggregation, json));
            }
            Deaggregate::Delimited(delimiter) => {
                let delimited = vec![
                    (Parameter::SubRecordType, "DELIMITED".to_owned()),
                    (Parameter::Delimiter, delimiter.clone()),
                ];
                all.push((ProcessorType::RecordDeAggregation, delimited));
            }
        }
        if let Some(lambda) = self.lambda.as_ref() {
            all.push((ProcessorType::Lambda, lambda.parameters()));
        }
        if self.metadata_query != NONE {
            let query = vec![
                (Parameter::MetadataExtractionQuery, self.metadata_query.clone()),
                (Parameter::JsonParsingEngine, "JQ-1.6".to_owned()),
            ];
            all.push((ProcessorType::MetadataExtraction, query));
        }
        if self.delimiter != NONE {
            let delimiter = vec![(Parameter::Delimiter, escaped(&self.delimiter))];
            all.push((ProcessorType::AppendDelimiterToRecord, delimiter));
        }
        all
    }

    /// Spells `live` as `self` does: a delimiter with its escape or as the character, a function
    /// with or without `:$LATEST`.
    pub fn reconcile(&self, live: &mut Self) {
        if escaped(&self.delimiter) == escaped(&live.delimiter) {
            live.delimiter.clone_from(&self.delimiter);
        }
        if let (Some(ours), Some(theirs)) = (self.lambda.as_ref(), &mut live.lambda.0) {
            let plain = |arn: &str| arn.strip_suffix(":$LATEST").unwrap_or(arn).to_owned();
            if plain(&ours.function) == plain(&theirs.function) {
                theirs.function.clone_from(&ours.function);
            }
        }
    }
}

impl Lambda {
    /// AWS takes size and interval together only, and fills in what is left out.
    fn parameters(&self) -> Vec<(Parameter, String)> {
        let mut all = vec![
            (Parameter::LambdaArn, self.function.clone()),
            (Parameter::LambdaNumberOfRetries, self.retries.to_string()),
            (Parameter::BufferSizeInMb, self.buffer_size_mb.to_string()),
            (Parameter::BufferIntervalInSeconds, self.buffer_interval.seconds.to_string()),
        ];
        all.extend(self.role.clone().map(|role| (Parameter::RoleArn, role)));
        all
    }
}

/// Firehose takes a new line as a backslash and an `n`.
fn escaped(delimiter: &str) -> String {
    delimiter.replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t")
}

fn processor(
    kind: ProcessorType,
    parameters: Vec<(Parameter, String)>,
    operation: &'static str,
) -> Result<Processor, Fault> {
    let parameters: Result<Vec<_>, _> = parameters
        .into_iter()
        .map(|(name, value)| {
            let parameter = ProcessorParameter::builder();
            parameter.parameter_name(name).parameter_value(value).build().during(operation)
        })
        .collect();
    let processor = Processor::builder().r#type(kind).set_parameters(Some(parameters?));
    processor.build().during(operation)
}

/// "No processing" has two spellings: absent, and not enabled.
pub fn read(configuration: Option<&ProcessingConfiguration>) -> Processing {
    let mut processing = Processing::default();
    let Some(configuration) = configuration.filter(|c| c.enabled() != Some(false)) else {
        return processing;
    };
    for processor in configuration.processors() {
        let parameter = |name: Parameter| {
            let found = processor.parameters().iter().find(|p| *p.parameter_name() == name);
            found.map(|p| p.parameter_value().to_owned())
        };
        match processor.r#type() {
            ProcessorType::Decompression => processing.decompress = true,
            ProcessorType::CloudWatchLogProcessing => processing.extract_messages = true,
            ProcessorType::RecordDeAggregation => {
                let delimiter = parameter(Parameter::Delimiter);
                processing.deaggregate =
                    delimiter.map_or(Deaggregate::Json, Deaggregate::Delimited);
            }
            ProcessorType::Lambda => processing.lambda = OrNone(Some(lambda(parameter))),
            ProcessorType::MetadataExtraction => {
                let query = parameter(Parameter::MetadataExtractionQuery);
                processing.metadata_query = query.unwrap_or_default();
            }
            ProcessorType::AppendDelimiterToRecord => {
                let delimiter = parameter(Parameter::Delimiter);
                processing.delimiter = delimiter.unwrap_or_else(|| "\\n".to_owned());
            }
            _ => {}
        }
    }
    processing
}

fn lambda(parameter: impl Fn(Parameter) -> Option<String>) -> Lambda {
    let interval = parameter(Parameter::BufferIntervalInSeconds);
    Lambda {
        function: parameter(Parameter::LambdaArn).unwrap_or_default(),
        buffer_size_mb: parameter(Parameter::BufferSizeInMb)
            .and_then(|size| size.parse().ok())
            .unwrap_or_else(one),
        buffer_interval: interval
            .and_then(|seconds| seconds.parse().ok())
            .map_or_else(a_minute, Duration::seconds),
        retries: parameter(Parameter::LambdaNumberOfRetries)
            .and_then(|count| count.parse().ok())
            .unwrap_or_else(thrice),
        role: parameter(Parameter::RoleArn),
    }
}
