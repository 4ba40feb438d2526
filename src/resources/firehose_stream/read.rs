//! What AWS answers, in the blueprint's own vocabulary.

use std::collections::BTreeMap;

use aws_sdk_firehose::types::{
    BufferingHints, CloudWatchLoggingOptions, CompressionFormat, DeliveryStreamDescription,
    DeliveryStreamEncryptionConfiguration, DeliveryStreamEncryptionStatus, DeliveryStreamStatus,
    DeliveryStreamType, EncryptionConfiguration, ExtendedS3DestinationDescription,
    FailureDescription, KeyType, S3BackupMode, S3DestinationDescription,
};

use crate::aws::During;
use crate::cloud::{Class, Fault};
use crate::kind::values::duration::Duration;
use crate::kind::values::or_none::OrNone;
use crate::kind::{Live, Name, Phase, Place};

use super::destination::{Backup, Buffer, Compression, Logging, Partitioning};
use super::{
    AWS_OWNED, DESTINATION, FirehoseStream, NONE, Source, Tags, VERSION, conversion, none, outputs,
    processing,
};

const CALL: &str = "firehose:DescribeDeliveryStream";

pub fn read(
    stream: &DeliveryStreamDescription,
    tags: Tags,
    place: &Place,
) -> Result<Live<FirehoseStream>, Fault> {
    let name = Name::new(stream.delivery_stream_name());
    // A stream that failed early has no destination to tell of.
    let destination = match stream.destinations().first() {
        None => destination(&nowhere()?),
        Some(found) => match found.extended_s3_destination_description() {
            Some(s3) => destination(s3),
            None => return Err(elsewhere(&name)),
        },
    };
    let mut outputs = outputs(&name, place);
    outputs.insert(VERSION.into(), stream.version_id().into());
    if let Some(found) = stream.destinations().first() {
        outputs.insert(DESTINATION.into(), found.destination_id().into());
    }
    let encryption = stream.delivery_stream_encryption_configuration();
    let spec = FirehoseStream {
        name,
        source: source(stream),
        encryption: encryption.map_or_else(none, read_encryption),
        tags,
        ..destination
    };
    Ok(Live { spec, outputs, phase: phase(stream) })
}

fn elsewhere(name: &Name) -> Fault {
    let what = format!("`{name}` does not deliver to S3: it is no `firehose-stream`");
    Fault::new(Class::Invalid, CALL, what)
}

fn nowhere() -> Result<ExtendedS3DestinationDescription, Fault> {
    ExtendedS3DestinationDescription::builder()
        .role_arn("")
        .bucket_arn("")
        .compression_format(CompressionFormat::Uncompressed)
        .build()
        .during(CALL)
}

/// The fields that the destination tells.
fn destination(s3: &ExtendedS3DestinationDescription) -> FirehoseStream {
    let (parquet, orc) = conversion::read(s3.data_format_conversion_configuration());
    let partitioning =
        s3.dynamic_partitioning_configuration().filter(|p| p.enabled() == Some(true));
    let retry = partitioning.and_then(|p| p.retry_options()?.duration_in_seconds());
    FirehoseStream {
        name: Name::new(""),
        source: OrNone(None),
        role: s3.role_arn().to_owned(),
        bucket: s3.bucket_arn().to_owned(),
        prefix: s3.prefix().unwrap_or_default().to_owned(),
        error_prefix: s3.error_output_prefix().unwrap_or_default().to_owned(),
        buffer: buffer(s3.buffering_hints()),
        compression: Compression::read(s3.compression_format()),
        key: key(s3.encryption_configuration()),
        parquet,
        orc,
        processing: processing::read(s3.processing_configuration()),
        dynamic_partitioning: Partitioning {
            enabled: partitioning.is_some(),
            retry: retry.map_or(Partitioning::default().retry, |s| seconds(Some(s), 0)),
        },
        logging: logging(s3.cloud_watch_logging_options()),
        backup: OrNone(
            s3.s3_backup_description()
                .filter(|_| s3.s3_backup_mode() == Some(&S3BackupMode::Enabled))
                .map(backup),
        ),
        time_zone: s3.custom_time_zone().map_or_else(super::utc, str::to_owned),
        file_extension: s3.file_extension().unwrap_or_default().to_owned(),
        encryption: none(),
        tags: BTreeMap::new(),
    }
}

fn backup(s3: &S3DestinationDescription) -> Backup {
    Backup {
        bucket: s3.bucket_arn().to_owned(),
        role: Some(s3.role_arn().to_owned()),
        prefix: s3.prefix().unwrap_or_default().to_owned(),
        error_prefix: s3.error_output_prefix().unwrap_or_default().to_owned(),
        buffer: buffer(s3.buffering_hints()),
        compression: Compression::read(s3.compression_format()),
        key: key(s3.encryption_configuration()),
        logging: logging(s3.cloud_watch_logging_options()),
    }
}

/// A stream that takes records from elsewhere is of another source than any blueprint can say.
fn source(stream: &DeliveryStreamDescription) -> OrNone<Source> {
    if *stream.delivery_stream_type() == DeliveryStreamType::DirectPut {
        return OrNone(None);
    }
    let kinesis = stream.source().and_then(|source| source.kinesis_stream_source_description());
    OrNone(Some(match kinesis {
        Some(kinesis) => Source {
            stream: kinesis.kinesis_stream_arn().unwrap_or_default().to_owned(),
            role: kinesis.role_arn().unwrap_or_default().to_owned(),
        },
        None => Source {
            stream: stream.delivery_stream_type().as_str().to_owned(),
            role: String::new(),
        },
    }))
}

fn buffer(hints: Option<&BufferingHints>) -> Buffer {
    let size = hints.and_then(BufferingHints::size_in_mbs);
    let interval = hints.and_then(BufferingHints::interval_in_seconds);
    Buffer { size_mb: size.map(i32::unsigned_abs), interval: seconds(interval, 300) }
}

fn seconds(found: Option<i32>, default: u64) -> Duration {
    Duration::seconds(found.map_or(default, |seconds| seconds.unsigned_abs().into()))
}

fn key(encryption: Option<&EncryptionConfiguration>) -> String {
    let key = encryption.and_then(EncryptionConfiguration::kms_encryption_config);
    key.map_or_else(none, |key| key.awskms_key_arn().to_owned())
}

/// "No logging" has two spellings: absent, and not enabled.
fn logging(options: Option<&CloudWatchLoggingOptions>) -> OrNone<Logging> {
    OrNone(options.filter(|options| options.enabled() == Some(true)).map(|options| Logging {
        group: options.log_group_name().unwrap_or_default().to_owned(),
        stream: options.log_stream_name().unwrap_or_default().to_owned(),
    }))
}

/// A change of key that failed leaves the old state in force, of which AWS tells nothing: the
/// failure stands for it, and differs from whatever is wanted.
fn read_encryption(found: &DeliveryStreamEncryptionConfiguration) -> String {
    use DeliveryStreamEncryptionStatus as Status;
    let failed = |what: &str| match found.failure_description() {
        Some(failure) => format!("{what}: {}", described(failure)),
        None => what.to_owned(),
    };
    match found.status() {
        Some(Status::Enabled | Status::Enabling) => match found.key_type() {
            Some(KeyType::CustomerManagedCmk) => found.key_arn().unwrap_or_default().to_owned(),
            _ => AWS_OWNED.to_owned(),
        },
        Some(Status::EnablingFailed) => failed("ENABLING_FAILED"),
        Some(Status::DisablingFailed) => failed("DISABLING_FAILED"),
        _ => NONE.to_owned(),
    }
}

fn described(failure: &FailureDescription) -> String {
    format!("{}: {}", failure.r#type().as_str(), failure.details())
}

fn phase(stream: &DeliveryStreamDescription) -> Phase {
    use DeliveryStreamEncryptionStatus as Encryption;
    let status = stream.delivery_stream_status();
    let why = || match stream.failure_description() {
        Some(failure) => format!("{}: {}", status.as_str(), described(failure)),
        None => status.as_str().to_owned(),
    };
    let encryption = stream.delivery_stream_encryption_configuration().and_then(|e| e.status());
    match (status, encryption) {
        (DeliveryStreamStatus::Active, Some(Encryption::Enabling)) => {
            Phase::Settling("ENABLING encryption".into())
        }
        (DeliveryStreamStatus::Active, Some(Encryption::Disabling)) => {
            Phase::Settling("DISABLING encryption".into())
        }
        (DeliveryStreamStatus::Active, _) => Phase::Ready,
        (DeliveryStreamStatus::Deleting, _) => Phase::Leaving("DELETING".into()),
        (DeliveryStreamStatus::CreatingFailed | DeliveryStreamStatus::DeletingFailed, _) => {
            Phase::Failed(why())
        }
        (other, _) => Phase::Settling(other.as_str().into()),
    }
}
