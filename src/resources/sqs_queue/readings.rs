//! How a queue does: what is in it, and for how long.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName as Attribute;

use crate::aws::{Aws, During, absent};
use crate::cloud::Fault;
use crate::kind::Name;
use crate::status::reading::{Gauge, Health, Of, Reading, Sight, Value};

use super::{ABSENT, GET, url};

/// Whoever takes messages is behind.
const OLD_SECONDS: u64 = 30 * 60;

pub(super) fn gauges(identity: &Name) -> Vec<Gauge> {
    vec![Gauge {
        what: "oldest",
        namespace: "AWS/SQS",
        metric: "ApproximateAgeOfOldestMessage",
        dimensions: vec![("QueueName", identity.to_string())],
        of: Of::LatestSeconds,
        within: 600,
        judge: age,
    }]
}

fn age(seconds: u64) -> Health {
    if seconds > OLD_SECONDS { Health::Attention } else { Health::Good }
}

pub(super) async fn sight(aws: &Aws, name: &Name) -> Result<Sight, Fault> {
    let api = aws.client::<Client>();
    let url = url(name, &aws.place);
    let (told, sources) = futures_util::join!(
        api.get_queue_attributes()
            .queue_url(&url)
            .attribute_names(Attribute::ApproximateNumberOfMessages)
            .attribute_names(Attribute::ApproximateNumberOfMessagesNotVisible)
            .attribute_names(Attribute::ApproximateNumberOfMessagesDelayed)
            .send(),
        api.list_dead_letter_source_queues().queue_url(&url).max_results(1).send(),
    );
    let Some(told) = absent(told.during(GET), ABSENT)? else { return Ok(Sight::Absent(vec![])) };
    let sources = absent(sources.during("sqs:ListDeadLetterSourceQueues"), ABSENT);
    let sources = sources.map(|found| found.is_some_and(|found| !found.queue_urls().is_empty()));
    let number = |attribute: &Attribute| {
        let text = told.attributes().and_then(|all| all.get(attribute));
        text.and_then(|text| text.parse().ok()).unwrap_or(0)
    };
    Ok(Sight::There(readings(number, sources)))
}

/// What lies in a dead-letter queue waits for a person. `sources`: whether it is one, if that could
/// be asked; how much is in it is told either way.
fn readings(number: impl Fn(&Attribute) -> u64, sources: Result<bool, Fault>) -> Vec<Reading> {
    let visible = number(&Attribute::ApproximateNumberOfMessages);
    let health = match &sources {
        _ if visible == 0 => Health::Good,
        Ok(true) => Health::Attention,
        Ok(false) => Health::Good,
        Err(_) => Health::Unknown,
    };
    let count = |what, attribute| Reading::new(what, Value::Count(number(attribute)));
    let mut readings = vec![
        Reading::new("visible", Value::Count(visible)).health(health),
        count("in flight", &Attribute::ApproximateNumberOfMessagesNotVisible),
        count("delayed", &Attribute::ApproximateNumberOfMessagesDelayed),
    ];
    if let (true, Err(fault)) = (visible > 0, sources) {
        let why = format!("whether it is a dead-letter queue is not known: {fault}");
        readings.push(Reading::text("reason", why));
    }
    readings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::Class;

    #[test]
    fn messages_need_a_look_where_nobody_takes_them() {
        let denied = || Fault::new(Class::Denied, "sqs:ListDeadLetterSourceQueues", "no");
        for (visible, sources, health) in [
            (0, Ok(true), Health::Good),
            (7, Ok(false), Health::Good),
            (7, Ok(true), Health::Attention),
            (0, Err(denied()), Health::Good),
            (7, Err(denied()), Health::Unknown),
        ] {
            let told_why = visible > 0 && sources.is_err();
            let number = |attribute: &Attribute| match attribute {
                Attribute::ApproximateNumberOfMessages => visible,
                _ => 1,
            };
            let told = readings(number, sources);
            assert_eq!(told[0].value, Value::Count(visible));
            assert_eq!(told.iter().map(|one| one.health).max(), Some(health), "{visible}");
            assert_eq!(told.iter().any(|one| one.what == "reason"), told_why, "{told:?}");
        }
        assert_eq!((age(1800), age(1801)), (Health::Good, Health::Attention));
    }
}
