//! What is waited for, where AWS lets a call wait.

use crate::cloud::{NO_ANSWER, Waited};

use super::say;

/// As many calls are named at once.
const NAMED_MAX: usize = 3;

pub fn tell(waited: &[Waited]) {
    say(&format!("waiting for AWS: {}", told(waited)));
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
