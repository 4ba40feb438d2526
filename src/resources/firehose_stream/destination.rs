//! Where the records go: the S3 destination as it is written to AWS.

use aws_sdk_firehose::types::{
    BufferingHints, CloudWatchLoggingOptions, CompressionFormat, DynamicPartitioningConfiguration,
    EncryptionConfiguration, ExtendedS3DestinationConfiguration, ExtendedS3DestinationUpdate,
    KmsEncryptionConfig, NoEncryptionConfig, RetryOptions, S3BackupMode,
    S3DestinationConfiguration, S3DestinationUpdate,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aws::During;
use crate::cloud::Fault;
use crate::kind::values::duration::Duration;
use crate::kind::values::or_none::OrNone;

use super::{FirehoseStream, NONE, conversion, none};

/// Records are collected until there are this many or this much time has passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Buffer {
    /// In MB, 1 to 128. Left out: 5, or 128 with format conversion or dynamic partitioning, where
    /// at least 64 is needed.
    pub size_mb: Option<u32>,
    /// Up to 15 minutes.
    pub interval: Duration,
}

impl Default for Buffer {
    fn default() -> Self {
        Self { size_mb: None, interval: Duration::seconds(300) }
    }
}

/// How the objects are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    #[default]
    Uncompressed,
    Gzip,
    Snappy,
    Zip,
    HadoopSnappy,
}

/// Where Firehose logs what it could not deliver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Logging {
    /// Name of the CloudWatch log group.
    pub group: String,
    /// Name of the log stream in it.
    pub stream: String,
}

/// A copy of the records as they came, before they are processed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// ARN of the bucket.
    pub bucket: String,
    /// ARN of the role that writes to it. Left out: the role of the stream.
    #[serde(default)]
    pub role: Option<String>,
    /// What the keys of the copies start with.
    #[serde(default)]
    pub prefix: String,
    /// What the keys of copies that failed start with.
    #[serde(default)]
    pub error_prefix: String,
    #[serde(default)]
    pub buffer: Buffer,
    #[serde(default)]
    pub compression: Compression,
    /// ARN of the KMS key that encrypts the objects; `none` for the bucket's own encryption.
    #[serde(default = "none")]
    pub key: String,
    /// Where failures of the backup are logged; `none` for nowhere.
    #[serde(default)]
    pub logging: OrNone<Logging>,
}

/// Partitions of the objects by what is in the records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Partitioning {
    /// AWS sets it when the stream is made: another value means another stream.
    pub enabled: bool,
    /// How long delivery to a partition is tried again, up to 2 hours.
    pub retry: Duration,
}

impl Default for Partitioning {
    fn default() -> Self {
        Self { enabled: false, retry: Duration::seconds(300) }
    }
}

/// The least that conversion and dynamic partitioning take.
pub const LARGE_MB: u32 = 64;

impl FirehoseStream {
    pub fn needs_large_buffer(&self) -> bool {
        self.parquet.as_ref().is_some() || self.orc.as_ref().is_some() || self.partitions()
    }

    pub fn partitions(&self) -> bool {
        self.dynamic_partitioning.enabled
    }

    pub fn configuration(
        &self,
        operation: &'static str,
    ) -> Result<ExtendedS3DestinationConfiguration, Fault> {
        let size = self.buffer.size_mb.unwrap_or(self.default_size());
        let mut builder = ExtendedS3DestinationConfiguration::builder()
            .role_arn(&self.role)
            .bucket_arn(&self.bucket)
            .set_prefix(written(&self.prefix))
            .set_error_output_prefix(written(&self.error_prefix))
            .buffering_hints(hints(size, self.buffer.interval))
            .compression_format(self.compression.to_sdk())
            .encryption_configuration(encryption(&self.key, operation)?)
            .cloud_watch_logging_options(logging(&self.logging))
            .set_file_extension(written(&self.file_extension))
            .custom_time_zone(&self.time_zone)
            .s3_backup_mode(S3BackupMode::Disabled);
        if !self.processing.is_off() {
            builder = builder.processing_configuration(self.processing.to_sdk(operation)?);
        }
        if self.parquet.as_ref().is_some() || self.orc.as_ref().is_some() {
            builder = builder.data_format_conversion_configuration(conversion::to_sdk(self));
        }
        if self.partitions() {
            builder = builder.dynamic_partitioning_configuration(self.partitioning());
        }
        if let Some(backup) = self.backup.as_ref() {
            let copy = backup.configuration(&self.role, operation)?;
            builder = builder.s3_backup_mode(S3BackupMode::Enabled).s3_backup_configuration(copy);
        }
        builder.build().during(operation)
    }

    /// AWS merges an update into what it has, so everything is sent, and off in so many words.
    pub fn destination_update(
        &self,
        live: &Self,
        operation: &'static str,
    ) -> Result<ExtendedS3DestinationUpdate, Fault> {
        let kept =
            live.buffer.size_mb.filter(|size| !self.needs_large_buffer() || *size >= LARGE_MB);
        let size = self.buffer.size_mb.or(kept).unwrap_or(self.default_size());
        let mut builder = ExtendedS3DestinationUpdate::builder()
            .role_arn(&self.role)
            .bucket_arn(&self.bucket)
            .prefix(&self.prefix)
            .error_output_prefix(&self.error_prefix)
            .buffering_hints(hints(size, self.buffer.interval))
            .compression_format(self.compression.to_sdk())
            .encryption_configuration(encryption(&self.key, operation)?)
            .cloud_watch_logging_options(logging(&self.logging))
            .processing_configuration(self.processing.to_sdk(operation)?)
            .data_format_conversion_configuration(conversion::to_sdk(self))
            .file_extension(&self.file_extension)
            .custom_time_zone(&self.time_zone);
        if self.partitions() {
            builder = builder.dynamic_partitioning_configuration(self.partitioning());
        }
        if let Some(backup) = self.backup.as_ref() {
            let live = live.backup.as_ref();
            let copy = backup.update(&self.role, live, operation)?;
            builder = builder.s3_backup_mode(S3BackupMode::Enabled).s3_backup_update(copy);
        }
        Ok(builder.build())
    }

    fn default_size(&self) -> u32 {
        if self.needs_large_buffer() { 128 } else { SMALL_MB }
    }

    fn partitioning(&self) -> DynamicPartitioningConfiguration {
        let seconds = number(self.dynamic_partitioning.retry.seconds);
        let retry = RetryOptions::builder().duration_in_seconds(seconds).build();
        DynamicPartitioningConfiguration::builder().enabled(true).retry_options(retry).build()
    }
}

/// What AWS buffers where nothing is said.
const SMALL_MB: u32 = 5;

impl Backup {
    fn configuration(
        &self,
        role: &str,
        operation: &'static str,
    ) -> Result<S3DestinationConfiguration, Fault> {
        let size = self.buffer.size_mb.unwrap_or(SMALL_MB);
        S3DestinationConfiguration::builder()
            .role_arn(self.role.as_deref().unwrap_or(role))
            .bucket_arn(&self.bucket)
            .set_prefix(written(&self.prefix))
            .set_error_output_prefix(written(&self.error_prefix))
            .buffering_hints(hints(size, self.buffer.interval))
            .compression_format(self.compression.to_sdk())
            .encryption_configuration(encryption(&self.key, operation)?)
            .cloud_watch_logging_options(logging(&self.logging))
            .build()
            .during(operation)
    }

    fn update(
        &self,
        role: &str,
        live: Option<&Self>,
        operation: &'static str,
    ) -> Result<S3DestinationUpdate, Fault> {
        let kept = live.and_then(|live| live.buffer.size_mb);
        let size = self.buffer.size_mb.or(kept).unwrap_or(SMALL_MB);
        Ok(S3DestinationUpdate::builder()
            .role_arn(self.role.as_deref().unwrap_or(role))
            .bucket_arn(&self.bucket)
            .prefix(&self.prefix)
            .error_output_prefix(&self.error_prefix)
            .buffering_hints(hints(size, self.buffer.interval))
            .compression_format(self.compression.to_sdk())
            .encryption_configuration(encryption(&self.key, operation)?)
            .cloud_watch_logging_options(logging(&self.logging))
            .build())
    }
}

impl Compression {
    fn to_sdk(self) -> CompressionFormat {
        match self {
            Self::Uncompressed => CompressionFormat::Uncompressed,
            Self::Gzip => CompressionFormat::Gzip,
            Self::Snappy => CompressionFormat::Snappy,
            Self::Zip => CompressionFormat::Zip,
            Self::HadoopSnappy => CompressionFormat::HadoopSnappy,
        }
    }

    pub fn read(format: &CompressionFormat) -> Self {
        match format {
            CompressionFormat::Gzip => Self::Gzip,
            CompressionFormat::Snappy => Self::Snappy,
            CompressionFormat::Zip => Self::Zip,
            CompressionFormat::HadoopSnappy => Self::HadoopSnappy,
            _ => Self::Uncompressed,
        }
    }
}

/// AWS takes size and interval together only.
fn hints(size: u32, interval: Duration) -> BufferingHints {
    let hints = BufferingHints::builder().size_in_mbs(number(size.into()));
    hints.interval_in_seconds(number(interval.seconds)).build()
}

fn encryption(key: &str, operation: &'static str) -> Result<EncryptionConfiguration, Fault> {
    let builder = EncryptionConfiguration::builder();
    if key == NONE {
        return Ok(builder.no_encryption_config(NoEncryptionConfig::NoEncryption).build());
    }
    let key = KmsEncryptionConfig::builder().awskms_key_arn(key).build().during(operation)?;
    Ok(builder.kms_encryption_config(key).build())
}

fn logging(logging: &OrNone<Logging>) -> CloudWatchLoggingOptions {
    let builder = CloudWatchLoggingOptions::builder().enabled(logging.as_ref().is_some());
    match logging.as_ref() {
        Some(Logging { group, stream }) => {
            builder.log_group_name(group).log_stream_name(stream).build()
        }
        None => builder.build(),
    }
}

/// `check` keeps it far from the end of an `i32`.
fn number(value: u64) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

fn written(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
