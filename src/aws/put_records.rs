//! `Intake` by Kinesis.

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::BuildError;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, PutRecordsResultEntry};

use crate::cloud::{Boxed, Class, Fault, Intake, Record};

use super::{Aws, During};

const OPERATION: &str = "kinesis:PutRecords";

impl Intake for Aws {
    fn put<'a>(
        &'a self,
        stream: &'a str,
        records: &'a [Record],
    ) -> Boxed<'a, Result<Vec<Option<Fault>>, Fault>> {
        Box::pin(async move {
            let entries: Result<Vec<_>, _> = records.iter().map(entry).collect();
            let call = self.client::<Client>().put_records().stream_name(stream);
            let call = call.set_records(Some(entries.during(OPERATION)?));
            let answer = call.send().await.during(OPERATION)?;
            Ok(answer.records().iter().map(refusal).collect())
        })
    }
}

fn entry(record: &Record) -> Result<PutRecordsRequestEntry, BuildError> {
    let entry = PutRecordsRequestEntry::builder().partition_key(&record.key);
    entry.data(Blob::new(record.data.clone())).build()
}

/// A record is refused by itself where its shard is full, or where Kinesis failed.
fn refusal(answer: &PutRecordsResultEntry) -> Option<Fault> {
    let code = answer.error_code()?;
    let class = match code {
        "ProvisionedThroughputExceededException" => Class::Throttled,
        _ => Class::Broken,
    };
    let fault = Fault::new(class, OPERATION, answer.error_message().unwrap_or_default());
    Some(Fault { code: Some(code.to_owned()), ..fault })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_with_a_code_is_a_refusal() {
        let taken = PutRecordsResultEntry::builder().sequence_number("1").shard_id("s").build();
        assert_eq!(refusal(&taken), None);
        for (code, class) in [
            ("ProvisionedThroughputExceededException", Class::Throttled),
            ("InternalFailure", Class::Broken),
        ] {
            let answer = PutRecordsResultEntry::builder().error_code(code).error_message("why");
            let fault = refusal(&answer.build()).expect("it is one");
            assert_eq!((fault.class, fault.is(code), &*fault.message), (class, true, "why"));
        }
    }
}
