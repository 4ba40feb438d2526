//! What Lambda would refuse.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::kind::Flaw;

use super::settings::{Format, Level, Logging, SystemLevel};
use super::source::EventSource;
use super::{LambdaFunction, NONE};

const LAYERS_MAX: usize = 5;
const SUBNETS_MAX: usize = 16;
const GROUPS_MAX: usize = 5;
/// Names and values together.
const ENVIRONMENT_BYTES_MAX: usize = 4 * 1024;
const DESCRIPTION_CHARACTERS: usize = 256;
/// More of a queue than a call of ReceiveMessage answers.
const BATCH_WITHOUT_WINDOW: u32 = 10;

/// Runtimes of which AWS has ended the support: it makes no new function of most of them.
const ENDED: [&str; 27] = [
    "dotnet5.0",
    "dotnet6",
    "dotnet7",
    "dotnetcore1.0",
    "dotnetcore2.0",
    "dotnetcore2.1",
    "dotnetcore3.1",
    "go1.x",
    "java8",
    "nodejs",
    "nodejs10.x",
    "nodejs12.x",
    "nodejs14.x",
    "nodejs16.x",
    "nodejs18.x",
    "nodejs4.3",
    "nodejs4.3-edge",
    "nodejs6.10",
    "nodejs8.10",
    "provided",
    "python2.7",
    "python3.6",
    "python3.7",
    "python3.8",
    "python3.9",
    "ruby2.5",
    "ruby2.7",
];

/// Names of the environment that are Lambda's own.
const RESERVED: [&str; 17] = [
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
    "_HANDLER",
];

pub(super) fn flaws(function: &LambdaFunction) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    names(function, &mut flaws);
    sizes(function, &mut flaws);
    environment(&function.environment, &mut flaws);
    arns(function, &mut flaws);
    logging(&function.logging, &mut flaws);
    for id in function.permissions.keys() {
        let sound = (1..=100).contains(&id.len()) && id.chars().all(word);
        if !sound && literal(id) {
            let what = format!("`{id}` is not the id of a statement");
            let hint = "1 to 100 letters, digits, `-` and `_`";
            flaws.push(Flaw::error(format!("permissions.{id}"), what).hint(hint));
        }
    }
    let mut from = BTreeMap::new();
    for (name, one) in &function.sources {
        flaws.extend(source(&format!("sources.{name}."), one));
        if let Some(other) = from.insert(&one.from, name) {
            let what = format!("`{other}` reads from there already");
            flaws.push(Flaw::error(format!("sources.{name}.from"), what));
        }
    }
    flaws
}

fn word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

fn literal(text: &str) -> bool {
    !text.contains("${")
}

fn names(function: &LambdaFunction, flaws: &mut Vec<Flaw>) {
    let name = function.name.as_str();
    if literal(name) && !((1..=64).contains(&name.len()) && name.chars().all(word)) {
        let what = format!("`{name}` is not a function's name");
        flaws.push(Flaw::error("name", what).hint("1 to 64 letters, digits, `-` and `_`"));
    }
    let handler = &function.handler;
    if literal(handler) && (!(1..=128).contains(&handler.len()) || handler.contains(' ')) {
        let what = format!("`{handler}` is not a handler");
        flaws.push(Flaw::error("handler", what).hint("`main.handle` is `handle` of `main.py`"));
    }
    let runtime = function.runtime.as_str();
    let part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-';
    if literal(runtime) && !(runtime.starts_with(char::is_alphabetic) && runtime.chars().all(part))
    {
        let what = format!("`{runtime}` is not a runtime");
        flaws.push(Flaw::error("runtime", what).hint("as `python3.13` or `provided.al2023`"));
    }
    if ENDED.contains(&runtime) {
        let what = format!("AWS no longer supports `{runtime}`");
        let hint = "it may refuse to make or change a function that runs on it";
        flaws.push(Flaw::warning("runtime", what).hint(hint));
    }
    if function.description.chars().count() > DESCRIPTION_CHARACTERS {
        let what = format!("a description has at most {DESCRIPTION_CHARACTERS} characters");
        flaws.push(Flaw::error("description", what));
    }
}

fn sizes(function: &LambdaFunction, flaws: &mut Vec<Flaw>) {
    let mut within = |path: &str, number: u64, range: RangeInclusive<u64>, of: &str| {
        if !range.contains(&number) {
            let what = format!("{of} is {} to {}, not {number}", range.start(), range.end());
            flaws.push(Flaw::error(path, what));
        }
    };
    within("memory_mb", function.memory_mb.into(), 128..=10_240, "memory in MB");
    within("ephemeral_mb", function.ephemeral_mb.into(), 512..=10_240, "`/tmp` in MB");
    let (least, most) = (1, 15 * 60);
    if !(least..=most).contains(&function.timeout.seconds) {
        let what = format!("a call takes `1s` to `15m`, not `{}`", function.timeout);
        flaws.push(Flaw::error("timeout", what));
    }
    let mut at_most = |path: &str, number: usize, most: usize, of: &str| {
        if number > most {
            flaws.push(Flaw::error(path, format!("at most {most} {of}, not {number}")));
        }
    };
    at_most("layers", function.layers.len(), LAYERS_MAX, "layers");
    let Some(vpc) = function.vpc.as_ref() else { return };
    at_most("vpc.subnets", vpc.subnets.len(), SUBNETS_MAX, "subnets");
    at_most("vpc.security_groups", vpc.security_groups.len(), GROUPS_MAX, "security groups");
    for (path, ids) in
        [("vpc.subnets", &vpc.subnets), ("vpc.security_groups", &vpc.security_groups)]
    {
        if ids.is_empty() {
            let what = "a function in a network has subnets and security groups";
            flaws.push(Flaw::error(path, what).hint("or leave out `vpc`"));
        }
    }
}

fn environment(environment: &BTreeMap<String, String>, flaws: &mut Vec<Flaw>) {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for name in environment.keys().filter(|name| literal(name)) {
        let path = format!("environment.{name}");
        let starts = name.starts_with(|c: char| c.is_ascii_alphabetic());
        if RESERVED.contains(&name.as_str()) {
            flaws.push(Flaw::error(path, format!("`{name}` is for Lambda to set")));
        } else if name.len() < 2 || !starts || !name.chars().all(part) {
            let what = format!("`{name}` is not the name of a variable");
            let hint = "a letter, and then at least one letter, digit or `_`";
            flaws.push(Flaw::error(path, what).hint(hint));
        }
    }
    let bytes: usize = environment.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > ENVIRONMENT_BYTES_MAX {
        let what = format!("an environment has at most {ENVIRONMENT_BYTES_MAX} bytes, not {bytes}");
        flaws.push(Flaw::error("environment", what));
    }
}

fn arns(function: &LambdaFunction, flaws: &mut Vec<Flaw>) {
    let mut be = |path: &str, text: &str, services: &[&str], what: &str| {
        let told = services.iter().any(|service| text.contains(&format!(":{service}:")));
        if text != NONE && literal(text) && !(text.starts_with("arn:") && told) {
            flaws.push(Flaw::error(path, format!("`{text}` is not the ARN of {what}")));
        }
    };
    be("role", &function.role, &["iam"], "a role");
    be("key", &function.key, &["kms"], "a key");
    be("dead_letter", &function.dead_letter, &["sqs", "sns"], "a queue or topic");
    for (index, layer) in function.layers.iter().enumerate() {
        be(&format!("layers.{index}"), layer, &["lambda"], "a version of a layer");
    }
    if function.role == NONE {
        flaws.push(Flaw::error("role", "a function has a role"));
    }
    for (id, permission) in &function.permissions {
        let account = &permission.source_account;
        let digits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        if account != NONE && literal(account) && !digits {
            let path = format!("permissions.{id}.source_account");
            flaws.push(Flaw::error(path, format!("`{account}` is not an account's id")));
        }
        let arn = &permission.source_arn;
        if arn != NONE && literal(arn) && !arn.starts_with("arn:") {
            let path = format!("permissions.{id}.source_arn");
            flaws.push(Flaw::error(path, format!("`{arn}` is not an ARN")));
        }
        let action = &permission.action;
        if literal(action) && !action.starts_with("lambda:") {
            let path = format!("permissions.{id}.action");
            let hint = "as `lambda:InvokeFunction`";
            let what = format!("`{action}` is not an action of Lambda");
            flaws.push(Flaw::error(path, what).hint(hint));
        }
    }
}

fn logging(logging: &Logging, flaws: &mut Vec<Flaw>) {
    let levels = [
        ("logging.level", logging.level == Level::default()),
        ("logging.system_level", logging.system_level == SystemLevel::default()),
    ];
    for (path, _) in levels.iter().filter(|(_, plain)| !plain && logging.format == Format::Text) {
        let what = "lines of text have no level";
        flaws.push(Flaw::error(*path, what).hint("write `format: json`"));
    }
}

/// What is wrong with a source whose paths begin with `at`; where it reads from may not be known
/// yet.
pub(super) fn source(at: &str, source: &EventSource) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let queue = source.is_queue();
    let stream = [":kinesis:", ":dynamodb:"].iter().any(|service| source.from.contains(service));
    let known = literal(&source.from);
    if known && !(source.from.starts_with("arn:") && (queue || stream)) {
        let what = format!("`{}` is not the ARN of a queue or stream", source.from);
        flaws.push(Flaw::error(format!("{at}from"), what));
        return flaws;
    }
    ranges(at, source, &mut flaws);
    let plain = EventSource::plain(String::new());
    for (field, written) in [
        ("starting_position", source.starting_position.is_some()),
        ("parallelization", source.parallelization != plain.parallelization),
        ("retries", source.retries != plain.retries),
        ("max_record_age", !source.max_record_age.is_none()),
        ("bisect", source.bisect),
        ("on_failure", source.on_failure != NONE),
    ] {
        if queue && written {
            let what = format!("`{field}` is for streams, and this is a queue");
            flaws.push(Flaw::error(format!("{at}{field}"), what));
        }
    }
    if stream && !source.maximum_concurrency.is_none() {
        let what = "`maximum_concurrency` is for queues, and this is a stream";
        let hint = "`parallelization` is for streams";
        flaws.push(Flaw::error(format!("{at}maximum_concurrency"), what).hint(hint));
    }
    let many = source.batch_size.is_some_and(|size| size > BATCH_WITHOUT_WINDOW);
    let ordered = queue && source.from.ends_with(".fifo");
    if queue && many && !ordered && source.window == plain.window {
        let what = format!("a queue gives more than {BATCH_WITHOUT_WINDOW} only with a `window`");
        flaws.push(Flaw::error(format!("{at}batch_size"), what).hint("as `window: 5s`"));
    }
    if ordered && many {
        let what = format!("a FIFO queue gives at most {BATCH_WITHOUT_WINDOW}");
        flaws.push(Flaw::error(format!("{at}batch_size"), what));
    }
    if ordered && source.window != plain.window {
        let what = "a FIFO queue has no `window`";
        flaws.push(Flaw::error(format!("{at}window"), what));
    }
    flaws
}

fn ranges(at: &str, source: &EventSource, flaws: &mut Vec<Flaw>) {
    let mut within = |field: &str, number: i64, range: RangeInclusive<i64>| {
        if !range.contains(&number) {
            let (least, most) = (range.start(), range.end());
            let what = format!("`{field}` is {least} to {most}, not {number}");
            flaws.push(Flaw::error(format!("{at}{field}"), what));
        }
    };
    if let Some(size) = source.batch_size {
        within("batch_size", size.into(), 1..=10_000);
    }
    if let Some(most) = source.maximum_concurrency.as_ref() {
        within("maximum_concurrency", (*most).into(), 2..=1_000);
    }
    within("parallelization", source.parallelization.into(), 1..=10);
    within("retries", source.retries.into(), -1..=10_000);
    if source.window.seconds > 5 * 60 {
        let what = format!("`window` is at most `5m`, not `{}`", source.window);
        flaws.push(Flaw::error(format!("{at}window"), what));
    }
    let age = source.max_record_age.as_ref();
    if let Some(age) = age.filter(|age| !(60..=7 * 86_400).contains(&age.seconds)) {
        let what = format!("`max_record_age` is `1m` to `7d`, not `{age}`");
        flaws.push(Flaw::error(format!("{at}max_record_age"), what));
    }
}
