//! What AWS fills in, what it calls off, and what is sent.

use aws_sdk_firehose::types::{
    BufferingHints, CloudWatchLoggingOptions, CompressionFormat, DataFormatConversionConfiguration,
    DeliveryStreamDescription, DeliveryStreamEncryptionConfiguration,
    DeliveryStreamEncryptionStatus, DeliveryStreamFailureType, DeliveryStreamStatus,
    DestinationDescription, DynamicPartitioningConfiguration, EncryptionConfiguration,
    ExtendedS3DestinationConfiguration, ExtendedS3DestinationDescription, FailureDescription,
    KinesisStreamSourceDescription, NoEncryptionConfig, ProcessingConfiguration,
    ProcessorParameter, ProcessorParameterName, S3BackupMode, S3DestinationDescription,
    SourceDescription,
};
use serde_json::{Value, json};

use super::*;
use crate::kind::{Owner, Phase, Severity};
use crate::plan::diff::diff;

const ROLE: &str = "arn:aws:iam::123456789012:role/delivery";

fn place() -> Place {
    Place {
        partition: "aws".into(),
        account: "123456789012".into(),
        region: "eu-west-1".into(),
        owner: Owner::new("lake", "default", "eu-west-1"),
    }
}

fn stream(spec: Value) -> FirehoseStream {
    let mut all = json!({"name": "events", "role": ROLE, "bucket": "arn:aws:s3:::lake"});
    all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    serde_json::from_value(all).unwrap()
}

fn full() -> FirehoseStream {
    stream(json!({
        "source": {"stream": "arn:aws:kinesis:eu-west-1:123456789012:stream/events", "role": ROLE},
        "prefix": "events/c=!{partitionKeyFromQuery:c}/",
        "error_prefix": "errors/!{firehose:error-output-type}/",
        "buffer": {"size_mb": 128, "interval": "2m"},
        "key": "arn:aws:kms:eu-west-1:123456789012:key/1",
        "parquet": {
            "database": "lake", "table": "events", "compression": "gzip", "page_size_kb": 512,
            "input": {"openx": {"mappings": {"ts": "timestamp"}}},
        },
        "processing": {
            "lambda": {"function": "arn:aws:lambda:eu-west-1:123456789012:function:f"},
            "metadata_query": "{c: .c}",
            "deaggregate": "json",
            "delimiter": "\n",
        },
        "dynamic_partitioning": {"enabled": true},
        "logging": {"group": "/firehose", "stream": "s3"},
        "backup": {"bucket": "arn:aws:s3:::raw", "compression": "gzip"},
        "file_extension": ".parquet",
        "time_zone": "Europe/Berlin",
    }))
}

/// What `configuration` sends, as `DescribeDeliveryStream` answers it.
fn described(sent: &ExtendedS3DestinationConfiguration) -> ExtendedS3DestinationDescription {
    let backup = sent.s3_backup_configuration().map(|backup| {
        S3DestinationDescription::builder()
            .role_arn(backup.role_arn())
            .bucket_arn(backup.bucket_arn())
            .set_prefix(backup.prefix.clone())
            .set_buffering_hints(backup.buffering_hints.clone())
            .set_compression_format(backup.compression_format.clone())
            .set_encryption_configuration(backup.encryption_configuration.clone())
            .set_cloud_watch_logging_options(backup.cloud_watch_logging_options.clone())
            .build()
            .unwrap()
    });
    ExtendedS3DestinationDescription::builder()
        .role_arn(sent.role_arn())
        .bucket_arn(sent.bucket_arn())
        .set_prefix(sent.prefix.clone())
        .set_error_output_prefix(sent.error_output_prefix.clone())
        .set_buffering_hints(sent.buffering_hints.clone())
        .set_compression_format(sent.compression_format.clone())
        .set_encryption_configuration(sent.encryption_configuration.clone())
        .set_cloud_watch_logging_options(sent.cloud_watch_logging_options.clone())
        .set_processing_configuration(sent.processing_configuration.clone())
        .set_s3_backup_mode(sent.s3_backup_mode.clone())
        .set_s3_backup_description(backup)
        .set_data_format_conversion_configuration(sent.data_format_conversion_configuration.clone())
        .set_dynamic_partitioning_configuration(sent.dynamic_partitioning_configuration.clone())
        .set_file_extension(sent.file_extension.clone())
        .set_custom_time_zone(sent.custom_time_zone.clone())
        .build()
        .unwrap()
}

fn answer(s3: ExtendedS3DestinationDescription) -> DeliveryStreamDescription {
    let destination = DestinationDescription::builder()
        .destination_id("destinationId-000000000001")
        .extended_s3_destination_description(s3);
    DeliveryStreamDescription::builder()
        .delivery_stream_name("events")
        .delivery_stream_arn("arn:aws:firehose:eu-west-1:123456789012:deliverystream/events")
        .delivery_stream_status(DeliveryStreamStatus::Active)
        .delivery_stream_type(DeliveryStreamType::DirectPut)
        .version_id("7")
        .destinations(destination.build().unwrap())
        .has_more_destinations(false)
        .build()
        .unwrap()
}

fn from_kinesis(
    mut found: DeliveryStreamDescription,
    source: &Source,
) -> DeliveryStreamDescription {
    let kinesis = KinesisStreamSourceDescription::builder()
        .kinesis_stream_arn(&source.stream)
        .role_arn(&source.role)
        .build();
    found.delivery_stream_type = DeliveryStreamType::KinesisStreamAsSource;
    found.source =
        Some(SourceDescription::builder().kinesis_stream_source_description(kinesis).build());
    found
}

fn differences(spec: &FirehoseStream, found: &DeliveryStreamDescription) -> Vec<String> {
    let mut live = read::read(found, Tags::new(), &place()).unwrap().spec;
    spec.reconcile(&mut live);
    let value = |spec: &FirehoseStream| serde_json::to_value(spec).unwrap();
    diff(&value(spec), &value(&live), FirehoseStream::RULES).paths()
}

#[test]
fn what_is_written_reads_back_the_same() {
    for (case, spec) in [
        ("nothing but where", stream(json!({}))),
        ("gzip", stream(json!({"compression": "gzip", "prefix": "x/", "key": "none"}))),
        ("orc", {
            let orc = json!({"database": "lake", "table": "events", "compression": "zlib",
                             "input": {"hive": {"timestamp_formats": ["millis"]}}});
            stream(json!({"orc": orc}))
        }),
        ("logs", {
            let processing = json!({"decompress": true, "extract_messages": true});
            stream(json!({"processing": processing}))
        }),
        ("delimited", {
            stream(json!({"processing": {"deaggregate": {"delimited": "IyMjIw=="}}}))
        }),
    ] {
        let found = answer(described(&spec.configuration("test").unwrap()));
        assert_eq!(differences(&spec, &found), Vec::<String>::new(), "{case}");
    }
    let found = answer(described(&full().configuration("test").unwrap()));
    let found = from_kinesis(found, full().source.as_ref().unwrap());
    assert_eq!(differences(&full(), &found), Vec::<String>::new());
}

#[test]
fn both_spellings_of_off_are_no_difference() {
    let spec = stream(json!({}));
    let bare = ExtendedS3DestinationDescription::builder()
        .role_arn(ROLE)
        .bucket_arn("arn:aws:s3:::lake")
        .compression_format(CompressionFormat::Uncompressed)
        .build()
        .unwrap();
    assert_eq!(differences(&spec, &answer(bare.clone())), Vec::<String>::new());
    let mut off = bare;
    let off_hints = BufferingHints::builder().size_in_mbs(5).interval_in_seconds(300);
    off.buffering_hints = Some(off_hints.build());
    let none = EncryptionConfiguration::builder();
    off.encryption_configuration =
        Some(none.no_encryption_config(NoEncryptionConfig::NoEncryption).build());
    off.cloud_watch_logging_options =
        Some(CloudWatchLoggingOptions::builder().enabled(false).log_group_name("old").build());
    off.processing_configuration = Some(
        ProcessingConfiguration::builder().enabled(false).set_processors(Some(vec![])).build(),
    );
    off.data_format_conversion_configuration =
        Some(DataFormatConversionConfiguration::builder().enabled(false).build());
    off.dynamic_partitioning_configuration =
        Some(DynamicPartitioningConfiguration::builder().enabled(false).build());
    off.s3_backup_mode = Some(S3BackupMode::Disabled);
    off.custom_time_zone = Some("UTC".into());
    off.prefix = Some(String::new());
    assert_eq!(differences(&spec, &answer(off)), Vec::<String>::new());
}

#[test]
fn what_aws_fills_in_is_no_difference() {
    let spec = stream(json!({
        "parquet": {"database": "lake", "table": "events"},
        "processing": {"lambda": {"function": "arn:aws:lambda:eu-west-1:1:function:f"}},
    }));
    let mut s3 = described(&spec.configuration("test").unwrap());
    let conversion = s3.data_format_conversion_configuration.as_mut().unwrap();
    let schema = conversion.schema_configuration.as_mut().unwrap();
    (schema.region, schema.catalog_id) = (Some("eu-west-1".into()), Some("123456789012".into()));
    let output = conversion.output_format_configuration.as_mut().unwrap();
    let parquet = output.serializer.as_mut().unwrap().parquet_ser_de.as_mut().unwrap();
    assert_eq!(parquet.block_size_bytes, Some(268_435_456));
    assert_eq!(parquet.page_size_bytes, Some(1_048_576));
    parquet.writer_version = None;
    let lambda = &mut s3.processing_configuration.as_mut().unwrap().processors.as_mut().unwrap()[0];
    let parameters = lambda.parameters.as_mut().unwrap();
    let filled = ProcessorParameter::builder().parameter_name(ProcessorParameterName::RoleArn);
    parameters.push(filled.parameter_value(ROLE).build().unwrap());
    parameters.reverse();
    let arn = parameters.last_mut().unwrap();
    assert_eq!(arn.parameter_name, ProcessorParameterName::LambdaArn);
    arn.parameter_value += ":$LATEST";
    assert_eq!(s3.buffering_hints.as_ref().unwrap().size_in_mbs, Some(128));
    assert_eq!(differences(&spec, &answer(s3)), Vec::<String>::new());
}

#[test]
fn an_update_says_off_in_so_many_words() {
    let (spec, live) = (stream(json!({"dynamic_partitioning": {"enabled": false}})), full());
    let sent = spec.destination_update(&live, "test").unwrap();
    assert_eq!((sent.prefix(), sent.error_output_prefix()), (Some(""), Some("")));
    assert_eq!(sent.file_extension(), Some(""));
    assert_eq!(sent.custom_time_zone(), Some("UTC"));
    let off = |enabled: Option<bool>| enabled == Some(false);
    assert!(off(sent.cloud_watch_logging_options().unwrap().enabled()));
    assert!(off(sent.data_format_conversion_configuration().unwrap().enabled()));
    let processing = sent.processing_configuration().unwrap();
    assert!(off(processing.enabled()) && processing.processors.as_ref().unwrap().is_empty());
    assert!(sent.encryption_configuration().unwrap().no_encryption_config().is_some());
    assert_eq!(sent.s3_backup_mode(), None, "AWS refuses to disable a backup");
    assert_eq!(sent.dynamic_partitioning_configuration(), None, "AWS refuses to switch it");
}

#[test]
fn both_buffering_hints_go_together_and_the_size_fits() {
    for (spec, live, size) in [
        (json!({}), json!({}), 5),
        (json!({}), json!({"buffer": {"size_mb": 9}}), 9),
        (json!({"buffer": {"size_mb": 7}}), json!({"buffer": {"size_mb": 9}}), 7),
        (json!({"parquet": {"database": "d", "table": "t"}}), json!({}), 128),
        (
            json!({"parquet": {"database": "d", "table": "t"}}),
            json!({"buffer": {"size_mb": 9}}),
            128,
        ),
        (
            json!({"parquet": {"database": "d", "table": "t"}}),
            json!({"buffer": {"size_mb": 64}}),
            64,
        ),
    ] {
        let sent = stream(spec.clone()).destination_update(&stream(live), "test").unwrap();
        let hints = sent.buffering_hints().unwrap();
        assert_eq!(hints.size_in_mbs(), Some(size), "{spec}");
        assert_eq!(hints.interval_in_seconds(), Some(300));
    }
}

#[test]
fn a_stream_goes_through_its_phases() {
    use DeliveryStreamEncryptionStatus as Encryption;
    use DeliveryStreamStatus as Status;
    let failure = || {
        FailureDescription::builder()
            .r#type(DeliveryStreamFailureType::KmsAccessDenied)
            .details("no grant")
            .build()
            .unwrap()
    };
    for (status, encryption, phase, reads) in [
        (Status::Creating, None, Phase::Settling("CREATING".into()), "none"),
        (Status::Active, None, Phase::Ready, "none"),
        (Status::Active, Some(Encryption::Disabled), Phase::Ready, "none"),
        (Status::Active, Some(Encryption::Enabled), Phase::Ready, "aws-owned"),
        (
            Status::Active,
            Some(Encryption::Enabling),
            Phase::Settling("ENABLING encryption".into()),
            "aws-owned",
        ),
        (
            Status::Active,
            Some(Encryption::EnablingFailed),
            Phase::Ready,
            "ENABLING_FAILED: KMS_ACCESS_DENIED: no grant",
        ),
        (Status::Deleting, None, Phase::Leaving("DELETING".into()), "none"),
        (
            Status::CreatingFailed,
            None,
            Phase::Failed("CREATING_FAILED: KMS_ACCESS_DENIED: no grant".into()),
            "none",
        ),
    ] {
        let mut found = answer(described(&stream(json!({})).configuration("test").unwrap()));
        found.delivery_stream_status = status.clone();
        found.failure_description = (status == Status::CreatingFailed).then(failure);
        found.delivery_stream_encryption_configuration = encryption.map(|encryption| {
            DeliveryStreamEncryptionConfiguration::builder()
                .key_type(KeyType::AwsOwnedCmk)
                .set_failure_description((encryption == Encryption::EnablingFailed).then(failure))
                .status(encryption)
                .build()
        });
        let live = read::read(&found, Tags::new(), &place()).unwrap();
        assert_eq!((live.phase, live.spec.encryption.as_str()), (phase, reads));
        assert_eq!(live.outputs[VERSION], "7");
        assert_eq!(live.outputs[DESTINATION], "destinationId-000000000001");
        assert_eq!(
            FirehoseStream::listed(&live.outputs["arn"], &BTreeMap::new()),
            Some(Name::new("events"))
        );
    }
}

#[test]
fn a_stream_that_delivers_elsewhere_is_not_read_as_one_into_s3() {
    let mut found = answer(described(&stream(json!({})).configuration("test").unwrap()));
    found.destinations[0].extended_s3_destination_description = None;
    let fault = read::read(&found, Tags::new(), &place()).unwrap_err();
    assert!(fault.message.contains("does not deliver to S3"));
    found.destinations.clear();
    found.delivery_stream_status = DeliveryStreamStatus::CreatingFailed;
    let live = read::read(&found, Tags::new(), &place()).unwrap();
    assert_eq!(live.phase, Phase::Failed("CREATING_FAILED".into()));
}

#[test]
fn another_source_and_partitioning_mean_another_stream() {
    let found = answer(described(&stream(json!({})).configuration("test").unwrap()));
    let live =
        serde_json::to_value(read::read(&found, Tags::new(), &place()).unwrap().spec).unwrap();
    let value = |spec: &FirehoseStream| serde_json::to_value(spec).unwrap();
    for (spec, replaced) in [
        (full(), vec!["dynamic_partitioning.enabled", "source"]),
        (stream(json!({"dynamic_partitioning": {"retry": "10m"}})), vec![]),
        (stream(json!({"role": "arn:aws:iam::123456789012:role/other"})), vec![]),
    ] {
        let found = diff(&value(&spec), &live, FirehoseStream::RULES);
        let replaces =
            |c: &&crate::plan::diff::Change| c.effect == crate::plan::diff::Effect::Replace;
        let paths: Vec<_> = found.0.iter().filter(replaces).map(|c| c.path.as_str()).collect();
        assert_eq!(paths, replaced);
    }
}

#[test]
fn a_role_or_key_made_just_now_is_waited_for() {
    for (code, message, class) in [
        (
            "InvalidArgumentException",
            "Firehose is unable to assume role arn:aws:iam::1:role/x. Please check the role.",
            Class::NotYet,
        ),
        (
            "InvalidArgumentException",
            "x is not authorized to perform: glue:GetTable",
            Class::NotYet,
        ),
        (
            "InvalidArgumentException",
            "BufferingHints.SizeInMBs must be at least 64",
            Class::Invalid,
        ),
        ("InvalidKMSResourceException", "the key is not enabled", Class::NotYet),
        ("LimitExceededException", "too many streams", Class::Invalid),
    ] {
        let mut fault = Fault::new(Class::Invalid, "test", message);
        fault.code = Some(code.into());
        assert_eq!(young(fault).class, class, "{message}");
    }
}

#[test]
fn what_firehose_would_refuse_is_refused_before() {
    let parquet = json!({"database": "d", "table": "t"});
    let errors = "errors/!{firehose:error-output-type}/";
    for (spec, path) in [
        (json!({}), None),
        (json!({"bucket": "${lake.arn}", "role": "${role.arn}", "key": "${key.arn}"}), None),
        (json!({"bucket": "lake"}), Some("bucket")),
        (json!({"name": "a b"}), Some("name")),
        (json!({"buffer": {"size_mb": 129}}), Some("buffer.size_mb")),
        (json!({"buffer": {"interval": "16m"}}), Some("buffer.interval")),
        (json!({"buffer": {"size_mb": 63}, "parquet": parquet}), Some("buffer.size_mb")),
        (json!({"buffer": {"size_mb": 64}, "parquet": parquet}), None),
        (json!({"compression": "gzip", "parquet": parquet}), Some("compression")),
        (json!({"orc": parquet, "parquet": parquet}), Some("orc")),
        (json!({"prefix": "a/!{timestamp:yyyy}/"}), Some("error_prefix")),
        (json!({"prefix": "a/!{timestamp:yyyy}/", "error_prefix": errors}), None),
        (json!({"prefix": "a/", "error_prefix": "e/!{timestamp:yyyy}/"}), Some("error_prefix")),
        (json!({"prefix": errors, "error_prefix": errors}), Some("prefix")),
        (json!({"encryption": "aws-owned"}), None),
        (
            json!({"encryption": "aws-owned", "source": {"stream": "arn:s", "role": "arn:r"}}),
            Some("encryption"),
        ),
        (json!({"dynamic_partitioning": {"retry": "10m"}}), Some("dynamic_partitioning.retry")),
        (
            json!({"dynamic_partitioning": {"enabled": true}, "error_prefix": errors}),
            Some("prefix"),
        ),
        (
            json!({"dynamic_partitioning": {"enabled": true}, "error_prefix": errors,
                   "prefix": "!{partitionKeyFromQuery:c}/"}),
            Some("processing.metadata_query"),
        ),
        (
            json!({"prefix": "!{partitionKeyFromLambda:c}/", "error_prefix": errors}),
            Some("dynamic_partitioning"),
        ),
        (
            json!({"processing": {"lambda": {"function": "arn:f", "buffer_size_mb": 4}}}),
            Some("processing.lambda.buffer_size_mb"),
        ),
        (json!({"processing": {"extract_messages": true}}), Some("processing.extract_messages")),
        (json!({"backup": {"bucket": "raw"}}), Some("backup.bucket")),
        (json!({"file_extension": "gz"}), Some("file_extension")),
    ] {
        let flaws = stream(spec.clone()).check();
        assert_eq!(flaws.first().map(|flaw| flaw.path.as_str()), path, "{spec}: {flaws:?}");
    }
    let plain = json!({"prefix": "a/!{timestamp:yyyy}/", "error_prefix": "errors/"});
    assert_eq!(stream(plain).check()[0].severity, Severity::Warning);
    assert_eq!(full().check(), []);
}
