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
    let api = Client::new(&aws.config);
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
    let sources = absent(sources.during("sqs:ListDeadLetterSourceQueues"), ABSENT)?;
    let is_last_resort = sources.is_some_and(|sources| !sources.queue_urls().is_empty());
    let number = |attribute: &Attribute| {
        let text = told.attributes().and_then(|all| all.get(attribute));
        text.and_then(|text| text.parse().ok()).unwrap_or(0)
    };
    Ok(Sight::There(readings(number, is_last_resort)))
}

/// What lies in a dead-letter queue waits for a person.
fn readings(number: impl Fn(&Attribute) -> u64, is_last_resort: bool) -> Vec<Reading> {
    let visible = number(&Attribute::ApproximateNumberOfMessages);
    let health = if is_last_resort && visible > 0 { Health::Attention } else { Health::Good };
    let count = |what, attribute| Reading::new(what, Value::Count(number(attribute)));
    vec![
        Reading::new("visible", Value::Count(visible)).health(health),
        count("in flight", &Attribute::ApproximateNumberOfMessagesNotVisible),
        count("delayed", &Attribute::ApproximateNumberOfMessagesDelayed),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_need_a_look_where_nobody_takes_them() {
        for (visible, is_last_resort, health) in
            [(0, true, Health::Good), (7, false, Health::Good), (7, true, Health::Attention)]
        {
            let number = |attribute: &Attribute| match attribute {
                Attribute::ApproximateNumberOfMessages => visible,
                _ => 1,
            };
            let told = readings(number, is_last_resort);
            assert_eq!(told[0].value, Value::Count(visible));
            assert_eq!(told.iter().map(|one| one.health).max(), Some(health), "{visible}");
        }
        assert_eq!((age(1800), age(1801)), (Health::Good, Health::Attention));
    }
}
