//! What AWS would refuse of a delivery stream, minutes later.

use crate::kind::Flaw;

use super::destination::{Buffer, LARGE_MB};
use super::processing::Deaggregate;
use super::{AWS_OWNED, Compression, FirehoseStream, NONE};

const ERROR_TYPE: &str = "!{firehose:error-output-type}";
const EXPRESSION: &str = "!{";

pub fn check(stream: &FirehoseStream) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    name(stream, &mut flaws);
    arns(stream, &mut flaws);
    buffer("buffer", &stream.buffer, &mut flaws);
    prefixes("", &stream.prefix, &stream.error_prefix, &mut flaws);
    conversion(stream, &mut flaws);
    processing(stream, &mut flaws);
    partitioning(stream, &mut flaws);
    if let Some(backup) = stream.backup.as_ref() {
        buffer("backup.buffer", &backup.buffer, &mut flaws);
        prefixes("backup.", &backup.prefix, &backup.error_prefix, &mut flaws);
    }
    if !stream.source.is_none() && stream.encryption != NONE {
        let what = "a delivery stream that reads a Kinesis stream cannot encrypt by itself";
        flaws.push(Flaw::error("encryption", what).hint("set `key` on the `kinesis-stream`"));
    }
    let extension = &stream.file_extension;
    if literal(extension) && !extension.is_empty() && !extension.starts_with('.') {
        let what = format!("a file extension starts with a dot, as `.{extension}`");
        flaws.push(Flaw::error("file_extension", what));
    }
    flaws
}

/// Whether nothing in it waits for another resource.
fn literal(text: &str) -> bool {
    !text.contains("${")
}

fn name(stream: &FirehoseStream, flaws: &mut Vec<Flaw>) {
    let name = stream.name.as_str();
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if literal(name) && (name.is_empty() || name.len() > 64 || !name.chars().all(allowed)) {
        let what = "a name has 1 to 64 letters, digits, `_`, `.` and `-`";
        flaws.push(Flaw::error("name", what));
    }
}

fn arns(stream: &FirehoseStream, flaws: &mut Vec<Flaw>) {
    let mut all = vec![("role", &stream.role), ("bucket", &stream.bucket)];
    if stream.key != NONE {
        all.push(("key", &stream.key));
    }
    if ![NONE, AWS_OWNED].contains(&stream.encryption.as_str()) {
        all.push(("encryption", &stream.encryption));
    }
    if let Some(source) = stream.source.as_ref() {
        all.extend([("source.stream", &source.stream), ("source.role", &source.role)]);
    }
    if let Some(backup) = stream.backup.as_ref() {
        all.push(("backup.bucket", &backup.bucket));
        if backup.key != NONE {
            all.push(("backup.key", &backup.key));
        }
    }
    if let Some(lambda) = stream.processing.lambda.as_ref() {
        all.push(("processing.lambda.function", &lambda.function));
    }
    for (path, arn) in all {
        if literal(arn) && !arn.starts_with("arn:") {
            let what = format!("`{arn}` is not an ARN");
            flaws.push(Flaw::error(path, what).hint("refer to a resource, as `${id.arn}`"));
        }
    }
}

fn buffer(path: &str, buffer: &Buffer, flaws: &mut Vec<Flaw>) {
    if let Some(size) = buffer.size_mb.filter(|size| !(1..=128).contains(size)) {
        let what = format!("a buffer holds 1 to 128 MB, not {size}");
        flaws.push(Flaw::error(format!("{path}.size_mb"), what));
    }
    if buffer.interval.seconds > 900 {
        let what = format!("a buffer waits at most 15m, not {}", buffer.interval);
        flaws.push(Flaw::error(format!("{path}.interval"), what));
    }
}

fn prefixes(at: &str, prefix: &str, error_prefix: &str, flaws: &mut Vec<Flaw>) {
    if prefix.contains(ERROR_TYPE) {
        let what = format!("`{ERROR_TYPE}` belongs in the error prefix only");
        flaws.push(Flaw::error(format!("{at}prefix"), what));
    }
    if !literal(error_prefix) || error_prefix.contains(ERROR_TYPE) {
        return;
    }
    let path = format!("{at}error_prefix");
    let hint = format!("as `errors/{ERROR_TYPE}/`");
    if error_prefix.contains(EXPRESSION) {
        let what = format!("an error prefix with expressions has `{ERROR_TYPE}` among them");
        flaws.push(Flaw::error(path, what).hint(hint));
    } else if prefix.contains(EXPRESSION) && error_prefix.is_empty() {
        let what = "a prefix with expressions needs an error prefix";
        flaws.push(Flaw::error(path, what).hint(hint));
    } else if prefix.contains(EXPRESSION) {
        let what = "failures of every type land under one prefix";
        flaws.push(Flaw::warning(path, what).hint(hint));
    }
}

fn conversion(stream: &FirehoseStream, flaws: &mut Vec<Flaw>) {
    let (parquet, orc) = (stream.parquet.as_ref(), stream.orc.as_ref());
    if parquet.is_some() && orc.is_some() {
        flaws.push(Flaw::error("orc", "records become Parquet or ORC, not both"));
    }
    let converts = parquet.is_some() || orc.is_some();
    if converts && stream.compression != Compression::Uncompressed {
        let what = "Parquet and ORC are compressed inside: the object itself is not";
        let hint = "leave out `compression` here, and write it under `parquet` or `orc`";
        flaws.push(Flaw::error("compression", what).hint(hint));
    }
    let small = stream.buffer.size_mb.filter(|size| *size < LARGE_MB);
    if let Some(size) = small.filter(|_| stream.needs_large_buffer()) {
        let why = if converts { "format conversion" } else { "dynamic partitioning" };
        let what = format!("{why} needs a buffer of at least {LARGE_MB} MB, not {size}");
        flaws.push(Flaw::error("buffer.size_mb", what).hint("128 makes the fewest small files"));
    }
    let mut least = |path: &str, value: u32, range: std::ops::RangeInclusive<u32>, unit: &str| {
        if !range.contains(&value) {
            let (low, high) = (range.start(), range.end());
            let what = format!("it is {low} to {high} {unit}, not {value}");
            flaws.push(Flaw::error(path, what));
        }
    };
    if let Some(parquet) = parquet {
        least("parquet.block_size_mb", parquet.block_size_mb, 64..=2047, "MB");
        least("parquet.page_size_kb", parquet.page_size_kb, 64..=1_048_576, "KB");
    }
    if let Some(orc) = orc {
        least("orc.stripe_size_mb", orc.stripe_size_mb, 8..=2047, "MB");
        least("orc.block_size_mb", orc.block_size_mb, 64..=2047, "MB");
        least("orc.row_index_stride", orc.row_index_stride, 1000..=i32::MAX as u32, "rows");
    }
}

fn processing(stream: &FirehoseStream, flaws: &mut Vec<Flaw>) {
    let processing = &stream.processing;
    if processing.extract_messages && !processing.decompress {
        let what = "the messages of CloudWatch Logs come compressed: write `decompress: true` too";
        flaws.push(Flaw::error("processing.extract_messages", what));
    }
    if matches!(&processing.deaggregate, Deaggregate::Delimited(delimiter) if delimiter.is_empty())
    {
        flaws.push(Flaw::error("processing.deaggregate", "there is no delimiter"));
    }
    let Some(lambda) = processing.lambda.as_ref() else { return };
    if !(0.2..=3.0).contains(&lambda.buffer_size_mb) {
        let what = format!("a call takes 0.2 to 3 MB, not {}", lambda.buffer_size_mb);
        flaws.push(Flaw::error("processing.lambda.buffer_size_mb", what));
    }
    if lambda.buffer_interval.seconds > 900 {
        let what = format!("records wait at most 15m for a call, not {}", lambda.buffer_interval);
        flaws.push(Flaw::error("processing.lambda.buffer_interval", what));
    }
    if lambda.retries > 300 {
        let what = format!("a call is tried again at most 300 times, not {}", lambda.retries);
        flaws.push(Flaw::error("processing.lambda.retries", what));
    }
}

fn partitioning(stream: &FirehoseStream, flaws: &mut Vec<Flaw>) {
    let query = stream.prefix.contains("!{partitionKeyFromQuery:");
    let lambda = stream.prefix.contains("!{partitionKeyFromLambda:");
    let mut flaw = |path: &str, what: &str| flaws.push(Flaw::error(path, what));
    if !stream.partitions() {
        if query || lambda {
            flaw("dynamic_partitioning", "the prefix has partition keys: write `enabled: true`");
        } else if stream.dynamic_partitioning != super::Partitioning::default() {
            flaw("dynamic_partitioning.retry", "it has no effect without `enabled: true`");
        }
        return;
    }
    if stream.buffer.interval.seconds == 0 {
        flaw("buffer.interval", "dynamic partitioning has to buffer for a while");
    }
    if stream.dynamic_partitioning.retry.seconds > 7200 {
        flaw("dynamic_partitioning.retry", "delivery is tried again for at most 2h");
    }
    if literal(&stream.prefix) && !query && !lambda {
        let what = "dynamic partitioning needs `!{partitionKeyFromQuery:…}` or \
                    `!{partitionKeyFromLambda:…}` in the prefix";
        flaw("prefix", what);
    }
    if query && stream.processing.metadata_query == NONE {
        let what = "the prefix takes partition keys from a query, and there is none";
        flaw("processing.metadata_query", what);
    }
    if lambda && stream.processing.lambda.is_none() {
        let what = "the prefix takes partition keys from a function, and there is none";
        flaw("processing.lambda", what);
    }
    if stream.error_prefix.is_empty() && !stream.prefix.contains(EXPRESSION) {
        flaw("error_prefix", "dynamic partitioning needs an error prefix");
    }
}
