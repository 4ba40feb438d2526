//! How a function does: its state, its sources, and what became of its runs.

use aws_sdk_lambda::Client;
use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use aws_sdk_lambda::types::{EventSourceMappingConfiguration as Mapping, LastUpdateStatus, State};

use crate::aws::{Aws, During, absent};
use crate::cloud::Fault;
use crate::kind::Name;
use crate::status::reading::{Gauge, Health, Of, Reading, Sight, none_is_good, whatever};

use super::ABSENT;

pub(super) fn gauges(identity: &Name) -> Vec<Gauge> {
    let gauge = |what, metric, judge| Gauge {
        what,
        namespace: "AWS/Lambda",
        metric,
        dimensions: vec![("FunctionName", identity.to_string())],
        of: Of::Sum,
        within: 3600,
        judge,
    };
    vec![
        gauge("runs in 1 h", "Invocations", whatever),
        gauge("errors in 1 h", "Errors", none_is_good),
        gauge("throttled in 1 h", "Throttles", whatever),
    ]
}

pub(super) async fn sight(aws: &Aws, name: &Name) -> Result<Sight, Fault> {
    let api = aws.client::<Client>();
    let (told, mappings) = futures_util::join!(
        api.get_function_configuration().function_name(name.as_str()).send(),
        api.list_event_source_mappings().function_name(name.as_str()).send(),
    );
    let Some(told) = absent(told.during("lambda:GetFunctionConfiguration"), ABSENT)? else {
        return Ok(Sight::Absent(vec![]));
    };
    let mappings = absent(mappings.during("lambda:ListEventSourceMappings"), ABSENT)?;
    let mappings = mappings.and_then(|page| page.event_source_mappings).unwrap_or_default();
    Ok(Sight::There(readings(&told, &mappings)))
}

fn readings(told: &GetFunctionConfigurationOutput, mappings: &[Mapping]) -> Vec<Reading> {
    let state = told.state();
    let health = match state {
        // One that nobody called for weeks is inactive, and wakes up when it is called.
        Some(State::Active | State::Inactive) | None => Health::Good,
        Some(State::Failed) => Health::Bad,
        Some(_) => Health::Attention,
    };
    let word = state.map_or("Active", State::as_str);
    let mut readings = vec![Reading::text("state", word).health(health)];
    if told.last_update_status() == Some(&LastUpdateStatus::Failed) {
        readings.push(Reading::text("update", "Failed").health(Health::Bad));
    }
    let reasons = [told.state_reason(), told.last_update_status_reason()];
    let reasons = reasons.into_iter().flatten().filter(|reason| !reason.is_empty());
    if readings.iter().any(|one| one.health == Health::Bad) {
        readings.extend(reasons.map(|reason| Reading::text("reason", reason)));
    }
    readings.extend(mappings.iter().map(source));
    readings
}

/// `arrivals Enabled`: the last part of its source's ARN, and the state of the mapping.
fn source(mapping: &Mapping) -> Reading {
    let arn = mapping.event_source_arn().unwrap_or_default();
    let name = arn.rsplit([':', '/']).next().unwrap_or_default();
    let state = mapping.state().unwrap_or("Unknown");
    let health = if state == "Enabled" { Health::Good } else { Health::Attention };
    Reading::text("source", format!("{name} {state}")).health(health)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::reading::Value;

    fn mapping(state: &str) -> Mapping {
        let arn = "arn:aws:sqs:eu-west-1:1:arrivals";
        Mapping::builder().event_source_arn(arn).state(state).build()
    }

    #[test]
    fn a_function_is_as_well_as_its_state_and_its_sources() {
        let told = GetFunctionConfigurationOutput::builder;
        for (told, mappings, health) in [
            (told(), vec![], Health::Good),
            (told().state(State::Active), vec![mapping("Enabled")], Health::Good),
            (told().state(State::Inactive), vec![], Health::Good),
            (told().state(State::Pending), vec![], Health::Attention),
            (told().state(State::Active), vec![mapping("Disabled")], Health::Attention),
            (told().state(State::Failed).state_reason("no role"), vec![], Health::Bad),
            (told().last_update_status(LastUpdateStatus::Failed), vec![], Health::Bad),
        ] {
            let readings = readings(&told.build(), &mappings);
            assert_eq!(readings.iter().map(|one| one.health).max(), Some(health), "{readings:?}");
        }
        assert_eq!(source(&mapping("Enabled")).value, Value::Text("arrivals Enabled".into()));
    }
}
