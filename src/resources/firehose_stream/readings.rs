//! How a delivery stream does.

use aws_sdk_firehose::Client;
use aws_sdk_firehose::types::{DeliveryStreamDescription, DeliveryStreamStatus};

use crate::aws::{Aws, During, absent};
use crate::cloud::Fault;
use crate::kind::Name;
use crate::status::reading::{Gauge, Health, Of, Reading, Sight, whatever};

use super::ABSENT;

/// The longest that a buffer holds records is 15 minutes; a little more is on its way.
const FRESH_SECONDS: u64 = 20 * 60;
/// Firehose is behind.
const STALE_SECONDS: u64 = 60 * 60;

pub(super) fn gauges(identity: &Name) -> Vec<Gauge> {
    let gauge = |what, metric, of, within, judge| Gauge {
        what,
        namespace: "AWS/Firehose",
        metric,
        dimensions: vec![("DeliveryStreamName", identity.to_string())],
        of,
        within,
        judge,
    };
    vec![
        gauge("records delivered in 1 h", "DeliveryToS3.Records", Of::Sum, 3600, whatever),
        // Told while records are delivered, and not of a stream that has none: an old value says
        // nothing of now, and a new one not whether anything waits still.
        gauge("latest delay", "DeliveryToS3.DataFreshness", Of::LatestSeconds, FRESH_SECONDS, late),
    ]
}

fn late(seconds: u64) -> Health {
    match seconds {
        0..FRESH_SECONDS => Health::Good,
        FRESH_SECONDS..STALE_SECONDS => Health::Attention,
        _ => Health::Bad,
    }
}

pub(super) async fn sight(aws: &Aws, name: &Name) -> Result<Sight, Fault> {
    let call = aws.client::<Client>().describe_delivery_stream();
    let call = call.delivery_stream_name(name.as_str());
    let answer = absent(call.send().await.during("firehose:DescribeDeliveryStream"), ABSENT)?;
    let stream = answer.and_then(|found| found.delivery_stream_description);
    Ok(stream.map_or(Sight::Absent(Vec::new()), |stream| Sight::There(readings(&stream))))
}

fn readings(stream: &DeliveryStreamDescription) -> Vec<Reading> {
    let status = stream.delivery_stream_status();
    let health = match status {
        DeliveryStreamStatus::Active => Health::Good,
        DeliveryStreamStatus::CreatingFailed | DeliveryStreamStatus::DeletingFailed => Health::Bad,
        _ => Health::Attention,
    };
    let why = stream.failure_description().map(|failure| failure.details());
    let mut readings = vec![Reading::text("state", status.as_str()).health(health)];
    readings.extend(why.map(|why| Reading::text("reason", why)));
    readings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delivery_is_late_once_no_buffer_explains_it() {
        for (seconds, health) in [
            (0, Health::Good),
            (900, Health::Good),
            (1201, Health::Attention),
            (3600, Health::Bad),
            (90_000, Health::Bad),
        ] {
            assert_eq!(late(seconds), health, "{seconds}");
        }
    }
}
