//! What is waited for, where AWS lets a call wait.

use std::time::Duration;

use tokio::time::Instant;

use crate::aws::calls::{Calls, NO_ANSWER, Waited};

use super::say;

/// No call of AWS's takes as long when all is well.
const LONG: Duration = Duration::from_secs(10);
/// How often it is said again.
const AGAIN: Duration = Duration::from_secs(20);
/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// As many calls are named at once.
const NAMED_MAX: usize = 3;

/// Tells of calls that take long, for as long as it is polled.
pub async fn tell(calls: Calls) {
    let mut said = None;
    loop {
        pause(LOOK).await;
        let waited = calls.waited(LONG);
        if !waited.is_empty() && said.is_none_or(|at: Instant| at.elapsed() >= AGAIN) {
            say(&format!("waiting for AWS: {}", told(&waited)));
            said = Some(Instant::now());
        }
    }
}

fn told(waited: &[Waited]) -> String {
    let mut named: Vec<_> = waited.iter().take(NAMED_MAX).map(one).collect();
    if waited.len() > NAMED_MAX {
        named.push(format!("and {} more", waited.len() - NAMED_MAX));
    }
    named.join("; ")
}

fn one(call: &Waited) -> String {
    let Waited { name, waited, now, most, trouble } = call;
    let (why, seconds) = (trouble.as_deref().unwrap_or(NO_ANSWER), waited.as_secs());
    let tries = if *most > 1 { format!(", try {now} of {most}") } else { String::new() };
    format!("{name}: {why} for {seconds} s{tries}")
}

#[expect(clippy::disallowed_methods, reason = "what takes long is told by the clock")]
async fn pause(wait: Duration) {
    tokio::time::sleep(wait).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_calls_are_named_and_the_rest_counted() {
        let call = |name: &str, most, trouble: Option<&str>| Waited {
            name: name.into(),
            waited: Duration::from_secs(12),
            now: 1,
            most,
            trouble: trouble.map(str::to_owned),
        };
        let calls = [
            call("kinesis:CreateStream", 8, Some("ThrottlingException")),
            call("kms:CreateKey", 1, None),
            call("s3:PUT /lake", 8, None),
            call("iam:GetRole", 8, None),
        ];
        let said = "kinesis:CreateStream: ThrottlingException for 12 s, try 1 of 8; \
                    kms:CreateKey: no answer for 12 s; \
                    s3:PUT /lake: no answer for 12 s, try 1 of 8; and 1 more";
        assert_eq!(told(&calls), said);
        assert_eq!(told(&calls[1..2]), "kms:CreateKey: no answer for 12 s");
    }
}
