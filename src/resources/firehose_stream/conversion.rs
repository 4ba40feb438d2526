//! JSON records into Parquet or ORC, by the schema of a Glue table.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_firehose::types::{
    DataFormatConversionConfiguration, Deserializer, HiveJsonSerDe, InputFormatConfiguration,
    OpenXJsonSerDe, OrcFormatVersion, OrcSerDe, OutputFormatConfiguration, ParquetSerDe,
    ParquetWriterVersion, SchemaConfiguration, Serializer,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kind::values::or_none::OrNone;

use super::FirehoseStream;

/// Parquet output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parquet {
    /// Glue database of the table whose columns are the schema.
    pub database: String,
    /// Glue table whose columns are the schema.
    pub table: String,
    /// ARN of the role that reads the table. Left out: the role of the stream.
    #[serde(default)]
    pub role: Option<String>,
    /// Region of the table. Left out: the region of the stream.
    #[serde(default)]
    pub region: Option<String>,
    /// Account whose catalog has the table. Left out: the account of the stream.
    #[serde(default)]
    pub catalog: Option<String>,
    /// Version of the table.
    #[serde(default = "latest")]
    pub version: String,
    /// How the JSON of the records is read.
    #[serde(default)]
    pub input: Input,
    /// How the pages of a file are compressed.
    #[serde(default)]
    pub compression: ParquetCompression,
    /// HDFS block size in MB, at least 64.
    #[serde(default = "block_size")]
    pub block_size_mb: u32,
    /// Parquet page size in KB, at least 64.
    #[serde(default = "page_size")]
    pub page_size_kb: u32,
    /// Compresses by dictionary.
    #[serde(default)]
    pub dictionary: bool,
    /// The most padding to apply, in bytes.
    #[serde(default)]
    pub padding_bytes: u32,
    /// Version of the row format.
    #[serde(default)]
    pub writer: Writer,
}

/// ORC output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Orc {
    /// Glue database of the table whose columns are the schema.
    pub database: String,
    /// Glue table whose columns are the schema.
    pub table: String,
    /// ARN of the role that reads the table. Left out: the role of the stream.
    #[serde(default)]
    pub role: Option<String>,
    /// Region of the table. Left out: the region of the stream.
    #[serde(default)]
    pub region: Option<String>,
    /// Account whose catalog has the table. Left out: the account of the stream.
    #[serde(default)]
    pub catalog: Option<String>,
    /// Version of the table.
    #[serde(default = "latest")]
    pub version: String,
    /// How the JSON of the records is read.
    #[serde(default)]
    pub input: Input,
    /// How the blocks of a file are compressed.
    #[serde(default)]
    pub compression: OrcCompression,
    /// Stripe size in MB, at least 8.
    #[serde(default = "stripe_size")]
    pub stripe_size_mb: u32,
    /// HDFS block size in MB, at least 64.
    #[serde(default = "block_size")]
    pub block_size_mb: u32,
    /// Rows between index entries, at least 1000.
    #[serde(default = "stride")]
    pub row_index_stride: u32,
    /// Columns with a Bloom filter.
    #[serde(default)]
    pub bloom_filter_columns: BTreeSet<String>,
    /// Version of the file format.
    #[serde(default)]
    pub format_version: OrcVersion,
}

/// How JSON records are read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Input {
    /// The OpenX JSON reader.
    Openx(OpenX),
    /// The Hive JSON reader.
    Hive(Hive),
}

/// Options of the OpenX JSON reader.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OpenX {
    /// Reads keys in lower case.
    pub case_insensitive: bool,
    /// Reads the dots in keys as underscores.
    pub dots_to_underscores: bool,
    /// Columns whose JSON key has another name: column to key.
    pub mappings: BTreeMap<String, String>,
}

/// Options of the Hive JSON reader.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Hive {
    /// Patterns of timestamps, tried in this order, as `yyyy-MM-dd'T'HH:mm:ss` or `millis`.
    pub timestamp_formats: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ParquetCompression {
    #[default]
    Snappy,
    Gzip,
    Uncompressed,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OrcCompression {
    #[default]
    Snappy,
    Zlib,
    None,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Writer {
    #[default]
    V1,
    V2,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OrcVersion {
    #[default]
    #[serde(rename = "V0_12")]
    V012,
    #[serde(rename = "V0_11")]
    V011,
}

fn latest() -> String {
    "LATEST".to_owned()
}

fn block_size() -> u32 {
    256
}

fn page_size() -> u32 {
    1024
}

fn stripe_size() -> u32 {
    64
}

fn stride() -> u32 {
    10_000
}

const KB: u32 = 1024;
const MB: u32 = 1024 * 1024;

impl Default for Input {
    fn default() -> Self {
        Self::Openx(OpenX::default())
    }
}

impl Default for OpenX {
    fn default() -> Self {
        Self { case_insensitive: true, dots_to_underscores: false, mappings: BTreeMap::new() }
    }
}

/// The whole of it, which replaces what was there: off is said in so many words.
pub fn to_sdk(stream: &FirehoseStream) -> DataFormatConversionConfiguration {
    let (builder, role) = (DataFormatConversionConfiguration::builder(), &stream.role);
    let serializer = Serializer::builder();
    let (schema, input, serializer) = if let Some(parquet) = stream.parquet.as_ref() {
        let serializer = serializer.parquet_ser_de(parquet.serializer());
        (parquet.schema(role), &parquet.input, serializer)
    } else if let Some(orc) = stream.orc.as_ref() {
        (orc.schema(role), &orc.input, serializer.orc_ser_de(orc.serializer()))
    } else {
        return builder.enabled(false).build();
    };
    let output = OutputFormatConfiguration::builder().serializer(serializer.build()).build();
    builder
        .enabled(true)
        .schema_configuration(schema)
        .input_format_configuration(input.to_sdk())
        .output_format_configuration(output)
        .build()
}

impl Parquet {
    fn schema(&self, role: &str) -> SchemaConfiguration {
        SchemaConfiguration::builder()
            .database_name(&self.database)
            .table_name(&self.table)
            .role_arn(self.role.as_deref().unwrap_or(role))
            .set_region(self.region.clone())
            .set_catalog_id(self.catalog.clone())
            .version_id(&self.version)
            .build()
    }

    fn serializer(&self) -> ParquetSerDe {
        use aws_sdk_firehose::types::ParquetCompression as Sdk;
        ParquetSerDe::builder()
            .compression(match self.compression {
                ParquetCompression::Snappy => Sdk::Snappy,
                ParquetCompression::Gzip => Sdk::Gzip,
                ParquetCompression::Uncompressed => Sdk::Uncompressed,
            })
            .block_size_bytes(bytes(self.block_size_mb, MB))
            .page_size_bytes(bytes(self.page_size_kb, KB))
            .enable_dictionary_compression(self.dictionary)
            .max_padding_bytes(bytes(self.padding_bytes, 1))
            .writer_version(match self.writer {
                Writer::V1 => ParquetWriterVersion::V1,
                Writer::V2 => ParquetWriterVersion::V2,
            })
            .build()
    }
}

impl Orc {
    fn schema(&self, role: &str) -> SchemaConfiguration {
        SchemaConfiguration::builder()
            .database_name(&self.database)
            .table_name(&self.table)
            .role_arn(self.role.as_deref().unwrap_or(role))
            .set_region(self.region.clone())
            .set_catalog_id(self.catalog.clone())
            .version_id(&self.version)
            .build()
    }

    fn serializer(&self) -> OrcSerDe {
        use aws_sdk_firehose::types::OrcCompression as Sdk;
        OrcSerDe::builder()
            .compression(match self.compression {
                OrcCompression::Snappy => Sdk::Snappy,
                OrcCompression::Zlib => Sdk::Zlib,
                OrcCompression::None => Sdk::None,
            })
            .stripe_size_bytes(bytes(self.stripe_size_mb, MB))
            .block_size_bytes(bytes(self.block_size_mb, MB))
            .row_index_stride(bytes(self.row_index_stride, 1))
            .set_bloom_filter_columns(Some(self.bloom_filter_columns.iter().cloned().collect()))
            .format_version(match self.format_version {
                OrcVersion::V011 => OrcFormatVersion::V011,
                OrcVersion::V012 => OrcFormatVersion::V012,
            })
            .build()
    }
}

impl Input {
    fn to_sdk(&self) -> InputFormatConfiguration {
        let reader = match self {
            Self::Openx(OpenX { case_insensitive, dots_to_underscores, mappings }) => {
                let openx = OpenXJsonSerDe::builder()
                    .case_insensitive(*case_insensitive)
                    .convert_dots_in_json_keys_to_underscores(*dots_to_underscores)
                    .set_column_to_json_key_mappings(Some(mappings.clone().into_iter().collect()));
                Deserializer::builder().open_x_json_ser_de(openx.build())
            }
            Self::Hive(Hive { timestamp_formats }) => {
                let hive =
                    HiveJsonSerDe::builder().set_timestamp_formats(Some(timestamp_formats.clone()));
                Deserializer::builder().hive_json_ser_de(hive.build())
            }
        };
        InputFormatConfiguration::builder().deserializer(reader.build()).build()
    }

    fn read(configuration: Option<&InputFormatConfiguration>) -> Self {
        let Some(reader) = configuration.and_then(InputFormatConfiguration::deserializer) else {
            return Self::default();
        };
        if let Some(hive) = reader.hive_json_ser_de() {
            return Self::Hive(Hive { timestamp_formats: hive.timestamp_formats().to_vec() });
        }
        let Some(openx) = reader.open_x_json_ser_de() else { return Self::default() };
        let mappings = openx.column_to_json_key_mappings();
        Self::Openx(OpenX {
            case_insensitive: openx.case_insensitive().unwrap_or(true),
            dots_to_underscores: openx.convert_dots_in_json_keys_to_underscores().unwrap_or(false),
            mappings: mappings.into_iter().flatten().map(|(c, k)| (c.clone(), k.clone())).collect(),
        })
    }
}

/// A size in AWS's unit; `check` keeps it far from the end of an `i32`.
fn bytes(size: u32, unit: u32) -> i32 {
    i32::try_from(u64::from(size) * u64::from(unit)).unwrap_or(i32::MAX)
}

fn size(bytes: Option<i32>, unit: u32, default: u32) -> u32 {
    bytes.map_or(default, |bytes| bytes.unsigned_abs() / unit)
}

/// "No conversion" has two spellings: absent, and not enabled.
pub fn read(
    configuration: Option<&DataFormatConversionConfiguration>,
) -> (OrNone<Parquet>, OrNone<Orc>) {
    let enabled = configuration.filter(|c| c.enabled() != Some(false));
    let Some((configuration, schema)) = enabled.and_then(|c| Some((c, c.schema_configuration()?)))
    else {
        return (OrNone(None), OrNone(None));
    };
    let input = Input::read(configuration.input_format_configuration());
    let serializer =
        configuration.output_format_configuration().and_then(OutputFormatConfiguration::serializer);
    match serializer.and_then(Serializer::orc_ser_de) {
        Some(orc) => (OrNone(None), OrNone(Some(read_orc(schema, input, orc)))),
        None => {
            let parquet = serializer.and_then(Serializer::parquet_ser_de).cloned();
            let parquet = parquet.unwrap_or_else(|| ParquetSerDe::builder().build());
            (OrNone(Some(read_parquet(schema, input, &parquet))), OrNone(None))
        }
    }
}

fn read_parquet(schema: &SchemaConfiguration, input: Input, parquet: &ParquetSerDe) -> Parquet {
    use aws_sdk_firehose::types::ParquetCompression as Sdk;
    Parquet {
        database: schema.database_name().unwrap_or_default().to_owned(),
        table: schema.table_name().unwrap_or_default().to_owned(),
        role: schema.role_arn().map(str::to_owned),
        region: schema.region().map(str::to_owned),
        catalog: schema.catalog_id().map(str::to_owned),
        version: schema.version_id().map_or_else(latest, str::to_owned),
        input,
        compression: match parquet.compression() {
            Some(Sdk::Gzip) => ParquetCompression::Gzip,
            Some(Sdk::Uncompressed) => ParquetCompression::Uncompressed,
            _ => ParquetCompression::Snappy,
        },
        block_size_mb: size(parquet.block_size_bytes(), MB, block_size()),
        page_size_kb: size(parquet.page_size_bytes(), KB, page_size()),
        dictionary: parquet.enable_dictionary_compression().unwrap_or(false),
        padding_bytes: size(parquet.max_padding_bytes(), 1, 0),
        writer: match parquet.writer_version() {
            Some(ParquetWriterVersion::V2) => Writer::V2,
            _ => Writer::V1,
        },
    }
}

fn read_orc(schema: &SchemaConfiguration, input: Input, orc: &OrcSerDe) -> Orc {
    use aws_sdk_firehose::types::OrcCompression as Sdk;
    Orc {
        database: schema.database_name().unwrap_or_default().to_owned(),
        table: schema.table_name().unwrap_or_default().to_owned(),
        role: schema.role_arn().map(str::to_owned),
        region: schema.region().map(str::to_owned),
        catalog: schema.catalog_id().map(str::to_owned),
        version: schema.version_id().map_or_else(latest, str::to_owned),
        input,
        compression: match orc.compression() {
            Some(Sdk::Zlib) => OrcCompression::Zlib,
            Some(Sdk::None) => OrcCompression::None,
            _ => OrcCompression::Snappy,
        },
        stripe_size_mb: size(orc.stripe_size_bytes(), MB, stripe_size()),
        block_size_mb: size(orc.block_size_bytes(), MB, block_size()),
        row_index_stride: size(orc.row_index_stride(), 1, stride()),
        bloom_filter_columns: orc.bloom_filter_columns().iter().cloned().collect(),
        format_version: match orc.format_version() {
            Some(OrcFormatVersion::V011) => OrcVersion::V011,
            _ => OrcVersion::V012,
        },
    }
}
