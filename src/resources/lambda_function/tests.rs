use std::collections::BTreeMap;

use aws_sdk_lambda::operation::get_function::GetFunctionOutput;
use aws_sdk_lambda::types as sdk;
use aws_sdk_lambda::types::EventSourceMappingConfiguration as Mapping;
use serde_json::{Value, json};

use super::*;
use crate::kind::{Owner, Phase, Severity};
use crate::plan::diff::diff;

const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:arrivals";
const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/events";

fn function(fields: Value) -> LambdaFunction {
    let mut spec = json!({"name": "f", "code": "/f", "handler": "main.handle",
        "runtime": "python3.13", "role": "arn:aws:iam::123456789012:role/f"});
    spec.as_object_mut().expect("a map").extend(fields.as_object().expect("fields").clone());
    serde_json::from_value(spec).expect("a function")
}

fn json_of(function: &LambdaFunction) -> Value {
    serde_json::to_value(function).expect("a function is JSON")
}

/// What differs once the spelling is one.
fn differs(written: &LambdaFunction, mut live: LambdaFunction) -> Vec<String> {
    written.reconcile(&mut live);
    diff(&json_of(written), &json_of(&live), LambdaFunction::RULES).paths()
}

/// As Lambda answers of a function of which nothing is said.
fn configuration() -> sdk::builders::FunctionConfigurationBuilder {
    sdk::FunctionConfiguration::builder()
        .function_name("f")
        .handler("main.handle")
        .runtime(sdk::Runtime::from("python3.13"))
        .role("arn:aws:iam::123456789012:role/f")
        .description("")
        .memory_size(128)
        .timeout(3)
        .architectures(sdk::Architecture::X8664)
        .tracing_config(
            sdk::TracingConfigResponse::builder().mode(sdk::TracingMode::PassThrough).build(),
        )
        .ephemeral_storage(sdk::EphemeralStorage::builder().size(512).build().expect("a size"))
        .vpc_config(sdk::VpcConfigResponse::builder().vpc_id("").build())
        .logging_config(
            sdk::LoggingConfig::builder()
                .log_format(sdk::LogFormat::Text)
                .log_group("/aws/lambda/f")
                .build(),
        )
}

fn read(told: sdk::builders::FunctionConfigurationBuilder, mappings: &[Mapping]) -> LambdaFunction {
    let found = GetFunctionOutput::builder().configuration(told.build()).build();
    read::spec(&Name::new("f"), &found, BTreeMap::new(), mappings).expect("a function")
}

#[test]
fn a_function_of_which_nothing_is_said_is_as_lambda_makes_it() {
    assert_eq!(differs(&function(json!({})), read(configuration(), &[])), Vec::<String>::new());
}

#[test]
fn every_field_is_read_as_it_is_written() {
    let written = function(json!({
        "code_sha256": "c2hh", "architecture": "arm64", "description": "Says hello",
        "memory_mb": 256, "timeout": "5m", "ephemeral_mb": 1024,
        "environment": {"STAGE": "test"}, "key": "1234",
        "reserved_concurrency": 0, "dead_letter": QUEUE,
        "vpc": {"subnets": ["subnet-2", "subnet-1"], "security_groups": ["sg-1"]},
        "logging": {"format": "json", "group": "/f", "level": "warn", "system_level": "debug"},
        "tracing": "active", "layers": ["arn:layer:2", "arn:layer:1"], "tags": {"team": "data"}}));
    let layer = |arn: &str| sdk::Layer::builder().arn(arn).build();
    let told = configuration()
        .code_sha256("c2hh")
        .set_architectures(Some(vec![sdk::Architecture::Arm64]))
        .description("Says hello")
        .memory_size(256)
        .timeout(300)
        .ephemeral_storage(sdk::EphemeralStorage::builder().size(1024).build().expect("a size"))
        .environment(sdk::EnvironmentResponse::builder().variables("STAGE", "test").build())
        .kms_key_arn("arn:aws:kms:eu-west-1:123456789012:key/1234")
        .dead_letter_config(sdk::DeadLetterConfig::builder().target_arn(QUEUE).build())
        .vpc_config(
            sdk::VpcConfigResponse::builder()
                .subnet_ids("subnet-1")
                .subnet_ids("subnet-2")
                .security_group_ids("sg-1")
                .vpc_id("vpc-1")
                .build(),
        )
        .logging_config(
            sdk::LoggingConfig::builder()
                .log_format(sdk::LogFormat::Json)
                .application_log_level(sdk::ApplicationLogLevel::Warn)
                .system_log_level(sdk::SystemLogLevel::Debug)
                .log_group("/f")
                .build(),
        )
        .tracing_config(
            sdk::TracingConfigResponse::builder().mode(sdk::TracingMode::Active).build(),
        )
        .layers(layer("arn:layer:2"))
        .layers(layer("arn:layer:1"));
    let found = GetFunctionOutput::builder()
        .configuration(told.build())
        .concurrency(sdk::Concurrency::builder().reserved_concurrent_executions(0).build())
        .tags("team", "data")
        .tags("aws:cloudformation:stack-id", "x")
        .build();
    let live = read::spec(&Name::new("f"), &found, BTreeMap::new(), &[]).expect("a function");
    assert_eq!(differs(&written, live), Vec::<String>::new());
}

#[test]
fn code_that_someone_else_sent_shows() {
    let written = function(json!({"code_sha256": "b3Vycw=="}));
    let live = read(configuration().code_sha256("dGhlaXJz"), &[]);
    assert_eq!(differs(&written, live), ["code_sha256"]);
}

#[test]
fn the_default_log_group_written_out_is_the_default() {
    let written = function(json!({"logging": {"group": "/aws/lambda/f"}}));
    assert_eq!(differs(&written, read(configuration(), &[])), Vec::<String>::new());
    let elsewhere = sdk::LoggingConfig::builder().log_format(sdk::LogFormat::Text).log_group("/x");
    let live = read(configuration().logging_config(elsewhere.build()), &[]);
    assert_eq!(differs(&function(json!({})), live), ["logging.group"]);
}

#[test]
fn what_lambda_cannot_tell_is_not_nothing() {
    let error = sdk::EnvironmentError::builder().error_code("KMSDisabledException").build();
    let environment = sdk::EnvironmentResponse::builder().error(error).build();
    let error = sdk::TagsError::builder().error_code("AccessDenied").message("no lambda:ListTags");
    let error = error.build().expect("an error");
    for found in [
        GetFunctionOutput::builder()
            .configuration(configuration().environment(environment).build()),
        GetFunctionOutput::builder().configuration(configuration().build()).tags_error(error),
    ] {
        let told = read::spec(&Name::new("f"), &found.build(), BTreeMap::new(), &[]);
        assert_eq!(told.map(|_| ()).map_err(|fault| fault.class), Err(Class::Denied));
    }
}

#[test]
fn a_function_is_ready_when_it_and_its_sources_stand_still() {
    use sdk::{LastUpdateStatus as Update, State};
    let mapping = |state: &str| Mapping::builder().event_source_arn(QUEUE).state(state).build();
    let settling = |why: &str| Phase::Settling(why.into());
    for (state, update, source, phase) in [
        (State::Pending, Update::InProgress, "Enabled", settling("Pending")),
        (State::Active, Update::InProgress, "Enabled", settling("update InProgress")),
        (State::Active, Update::Successful, "Creating", settling(&format!("{QUEUE} Creating"))),
        (State::Active, Update::Successful, "Deleting", settling(&format!("{QUEUE} Deleting"))),
        (State::Active, Update::Successful, "Disabled", Phase::Ready),
        (State::Inactive, Update::Successful, "Enabled", Phase::Ready),
        (State::Failed, Update::Failed, "Enabled", Phase::Failed("Failed: no subnet".into())),
        (State::Active, Update::Failed, "Enabled", Phase::Failed("update failed: no key".into())),
        (State::Deleting, Update::Successful, "Enabled", Phase::Leaving("Deleting".into())),
    ] {
        let told = configuration()
            .state(state)
            .state_reason("no subnet")
            .last_update_status(update)
            .last_update_status_reason("no key")
            .build();
        assert_eq!(read::phase(Some(&told), &[mapping(source)]), phase);
    }
}

/// As Lambda answers of a mapping of which nothing is said.
fn of_queue() -> sdk::builders::EventSourceMappingConfigurationBuilder {
    Mapping::builder()
        .uuid("1")
        .event_source_arn(QUEUE)
        .state("Enabled")
        .batch_size(10)
        .maximum_batching_window_in_seconds(0)
}

fn of_stream() -> sdk::builders::EventSourceMappingConfigurationBuilder {
    Mapping::builder()
        .uuid("2")
        .event_source_arn(STREAM)
        .state("Enabled")
        .starting_position(sdk::EventSourcePosition::TrimHorizon)
        .batch_size(100)
        .maximum_batching_window_in_seconds(0)
        .parallelization_factor(1)
        .maximum_record_age_in_seconds(-1)
        .maximum_retry_attempts(-1)
        .bisect_batch_on_function_error(false)
        .tumbling_window_in_seconds(0)
        .destination_config(
            sdk::DestinationConfig::builder().on_failure(sdk::OnFailure::builder().build()).build(),
        )
}

#[test]
fn sources_of_which_nothing_is_said_are_as_lambda_makes_them() {
    let written = function(json!({"sources": {
        "arrivals": {"from": QUEUE}, "events": {"from": STREAM}}}));
    let live = read(configuration(), &[of_queue().build(), of_stream().build()]);
    assert_eq!(differs(&written, live), Vec::<String>::new());
}

#[test]
fn sources_are_read_as_they_are_written() {
    let written = function(json!({"sources": {
        "arrivals": {"from": QUEUE, "enabled": false, "batch_size": 100, "window": "5s",
            "filters": [{"body": {"kind": ["a"]}}, {"body": {"kind": ["b"]}}],
            "report_failures": true, "maximum_concurrency": 2},
        "events": {"from": STREAM, "starting_position": "latest", "parallelization": 2,
            "retries": 3, "max_record_age": "1h", "bisect": true, "on_failure": QUEUE}}}));
    let filter = |text: &str| sdk::Filter::builder().pattern(text).build();
    let filters = sdk::FilterCriteria::builder()
        .filters(filter(r#"{ "body": { "kind": ["b"] } }"#))
        .filters(filter(r#"{"body":{"kind":["a"]}}"#));
    let queue = of_queue()
        .state("Disabled")
        .batch_size(100)
        .maximum_batching_window_in_seconds(5)
        .filter_criteria(filters.build())
        .function_response_types(sdk::FunctionResponseType::ReportBatchItemFailures)
        .scaling_config(sdk::ScalingConfig::builder().maximum_concurrency(2).build());
    let failures = sdk::OnFailure::builder().destination(QUEUE).build();
    let stream = of_stream()
        .starting_position(sdk::EventSourcePosition::Latest)
        .parallelization_factor(2)
        .maximum_retry_attempts(3)
        .maximum_record_age_in_seconds(3600)
        .bisect_batch_on_function_error(true)
        .destination_config(sdk::DestinationConfig::builder().on_failure(failures).build());
    let live = read(configuration(), &[queue.build(), stream.build()]);
    assert_eq!(differs(&written, live), Vec::<String>::new());
}

#[test]
fn a_source_is_known_by_what_it_reads_from() {
    let one = |name: &str, from: &str| function(json!({"sources": {name: {"from": from}}}));
    let live = || read(configuration(), &[of_queue().build()]);
    for (written, expected) in [
        (one("arrivals", QUEUE), vec![]),
        (one("renamed", QUEUE), vec![]),
        (one("arrivals", STREAM), vec![format!("sources.{QUEUE}"), "sources.arrivals".into()]),
        (function(json!({})), vec![format!("sources.{QUEUE}")]),
    ] {
        assert_eq!(differs(&written, live()), expected);
    }
    // One that began elsewhere is another one.
    let late = json!({"from": STREAM, "starting_position": "latest"});
    let written = function(json!({"sources": {"events": late}}));
    let live = read(configuration(), &[of_stream().build()]);
    assert_eq!(differs(&written, live), [format!("sources.{STREAM}"), "sources.events".into()]);
    // Two whose names are changed over keep what they read from.
    let written = function(json!({"sources": {
        STREAM: {"from": QUEUE}, "events": {"from": STREAM, "retries": 5}}}));
    let live = read(configuration(), &[of_queue().build(), of_stream().build()]);
    assert_eq!(differs(&written, live), ["sources.events.retries"]);
}

/// Cases with the path of the flaw that each has.
fn flawed(cases: &[(Value, Option<&str>)]) {
    for (fields, path) in cases {
        let flaws = function(fields.clone()).check();
        let paths: Vec<_> = flaws.iter().map(|flaw| flaw.path.as_str()).collect();
        assert_eq!(paths, path.iter().copied().collect::<Vec<_>>(), "{fields}");
    }
}

#[test]
fn what_lambda_would_refuse_of_a_function_is_found_before() {
    flawed(&[
        (json!({}), None),
        (json!({"name": "a.b"}), Some("name")),
        (json!({"name": "f${account}"}), None),
        (json!({"handler": "main handle"}), Some("handler")),
        (json!({"handler": ""}), Some("handler")),
        (json!({"runtime": "Python 3"}), Some("runtime")),
        (json!({"runtime": "provided.al2023"}), None),
        (json!({"role": "f"}), Some("role")),
        (json!({"role": "${role.arn}"}), None),
        (json!({"role": "none"}), Some("role")),
        (json!({"description": "x".repeat(257)}), Some("description")),
        (json!({"memory_mb": 127}), Some("memory_mb")),
        (json!({"memory_mb": 10_241}), Some("memory_mb")),
        (json!({"timeout": "16m"}), Some("timeout")),
        (json!({"timeout": "0s"}), Some("timeout")),
        (json!({"ephemeral_mb": 511}), Some("ephemeral_mb")),
        (json!({"environment": {"AWS_REGION": "x"}}), Some("environment.AWS_REGION")),
        (json!({"environment": {"A": "x"}}), Some("environment.A")),
        (json!({"environment": {"_AB": "x"}}), Some("environment._AB")),
        (json!({"environment": {"AB": "x".repeat(4095)}}), Some("environment")),
        (json!({"key": "alias/a"}), Some("key")),
        (json!({"dead_letter": "arn:aws:s3:::a"}), Some("dead_letter")),
        (json!({"vpc": {"subnets": [], "security_groups": ["sg-1"]}}), Some("vpc.subnets")),
        (
            json!({"vpc": {"subnets": ["subnet-1"], "security_groups": []}}),
            Some("vpc.security_groups"),
        ),
        (json!({"logging": {"level": "warn"}}), Some("logging.level")),
        (json!({"logging": {"system_level": "warn"}}), Some("logging.system_level")),
        (json!({"logging": {"level": "warn", "format": "json"}}), None),
        (json!({"layers": ["a"]}), Some("layers.0")),
    ]);
}

#[test]
fn what_lambda_would_refuse_of_a_permission_is_found_before() {
    flawed(&[
        (
            json!({"permissions": {"a b": {"principal": "s3.amazonaws.com"}}}),
            Some("permissions.a b"),
        ),
        (
            json!({"permissions": {"a": {"principal": "*", "source_account": "1"}}}),
            Some("permissions.a.source_account"),
        ),
        (
            json!({"permissions": {"a": {"principal": "*", "source_arn": "lake"}}}),
            Some("permissions.a.source_arn"),
        ),
        (
            json!({"permissions": {"a": {"principal": "*", "action": "s3:Get"}}}),
            Some("permissions.a.action"),
        ),
    ]);
}

#[test]
fn what_lambda_would_refuse_of_a_source_is_found_before() {
    let queue = |fields: Value| {
        let mut source = json!({"from": QUEUE});
        source.as_object_mut().expect("a map").extend(fields.as_object().expect("a map").clone());
        json!({"sources": {"q": source}})
    };
    let fifo = format!("{QUEUE}.fifo");
    flawed(&[
        (json!({"sources": {"q": {"from": "arrivals"}}}), Some("sources.q.from")),
        (json!({"sources": {"q": {"from": "${q.arn}", "retries": 3}}}), None),
        (json!({"sources": {"a": {"from": QUEUE}, "b": {"from": QUEUE}}}), Some("sources.b.from")),
        (queue(json!({"batch_size": 0})), Some("sources.q.batch_size")),
        (queue(json!({"batch_size": 11})), Some("sources.q.batch_size")),
        (queue(json!({"batch_size": 11, "window": "1s"})), None),
        (queue(json!({"window": "6m"})), Some("sources.q.window")),
        (queue(json!({"from": fifo, "window": "1s"})), Some("sources.q.window")),
        (queue(json!({"from": fifo, "batch_size": 11})), Some("sources.q.batch_size")),
        (queue(json!({"maximum_concurrency": 1})), Some("sources.q.maximum_concurrency")),
        (queue(json!({"retries": 1})), Some("sources.q.retries")),
        (queue(json!({"on_failure": QUEUE})), Some("sources.q.on_failure")),
        (queue(json!({"starting_position": "latest"})), Some("sources.q.starting_position")),
        (
            queue(json!({"from": STREAM, "maximum_concurrency": 2})),
            Some("sources.q.maximum_concurrency"),
        ),
        (queue(json!({"from": STREAM, "parallelization": 11})), Some("sources.q.parallelization")),
        (queue(json!({"from": STREAM, "max_record_age": "8d"})), Some("sources.q.max_record_age")),
        (queue(json!({"from": STREAM, "batch_size": 500})), None),
    ]);
}

#[test]
fn a_runtime_that_is_no_longer_supported_is_told() {
    let flaws = function(json!({"runtime": "python3.8"})).check();
    let told: Vec<_> = flaws.iter().map(|flaw| (flaw.path.as_str(), flaw.severity)).collect();
    assert_eq!(told, [("runtime", Severity::Warning)]);
}

#[test]
fn what_lambda_says_of_what_is_young_passes() {
    for (code, words, class) in [
        (
            "InvalidParameterValueException",
            "The role defined for the function cannot be assumed by Lambda.",
            Class::NotYet,
        ),
        (
            "InvalidParameterValueException",
            "The provided execution role does not have permissions to call ReceiveMessage on SQS",
            Class::NotYet,
        ),
        ("InvalidParameterValueException", "Error occurred while GetObject.", Class::Invalid),
        ("AccessDeniedException", "cannot be assumed by Lambda", Class::Invalid),
    ] {
        let fault = Fault { code: Some(code.into()), ..Fault::new(Class::Invalid, "x", words) };
        assert_eq!(young(fault).class, class, "{words}");
    }
}

#[tokio::test]
async fn files_that_changed_since_the_plan_are_not_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("main.py");
    std::fs::write(&file, "def handle(event, context): pass\n").expect("written");
    let planned = crate::folder::zipped(folder.path()).expect("a zip").sha256;
    let written = function(json!({"code": folder.path(), "code_sha256": planned}));
    std::fs::write(&file, "def handle(event, context): return 1\n").expect("written");
    // No call is made, so that no answer is needed.
    let config = aws_types::SdkConfig::builder().build();
    let place = Place {
        partition: "aws".into(),
        account: "123456789012".into(),
        region: "eu-west-1".into(),
        owner: Owner::new("n", "e", "eu-west-1"),
    };
    let aws = Aws::new(config, place);
    let fault = written.create(&aws).await.expect_err("refused");
    assert_eq!(fault.class, Class::Invalid);
    assert!(fault.message.contains("changed since the plan was made"), "{fault}");
}

#[test]
fn a_version_and_a_mapping_are_no_function() {
    for (arn, name) in [
        ("arn:aws:lambda:eu-west-1:123456789012:function:f", Some("f")),
        ("arn:aws:lambda:eu-west-1:123456789012:function:f:1", None),
        ("arn:aws:lambda:eu-west-1:123456789012:event-source-mapping:1", None),
        ("arn:aws:sqs:eu-west-1:123456789012:f", None),
    ] {
        assert_eq!(LambdaFunction::listed(arn, &BTreeMap::new()), name.map(Name::new), "{arn}");
    }
}
