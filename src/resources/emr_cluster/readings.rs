//! How a cluster does: its state, its steps, and for how long it has been idle.

use std::time::SystemTime;

use aws_sdk_emr::Client;
use aws_sdk_emr::types::{Cluster, ClusterState, StepState, StepSummary};
use futures_util::future::join_all;

use crate::aws::{Aws, During};
use crate::cloud::Fault;
use crate::kind::{Name, Phase, Twin};
use crate::status::reading::{Health, RUNNING, Reading, Sight, Value, WAITING};

use super::find::{self, Chosen};

pub(super) async fn watch(aws: &Aws, names: &[Name]) -> Vec<Result<Sight, Fault>> {
    let found = find::clusters(aws, names).await;
    join_all(found.into_iter().map(|cluster| sight(aws, cluster))).await
}

async fn sight(aws: &Aws, chosen: Result<Option<Chosen>, Fault>) -> Result<Sight, Fault> {
    let now = SystemTime::now();
    let Some(Chosen { cluster, twins }) = chosen? else { return Ok(Sight::Absent(Vec::new())) };
    if let Phase::Gone(how) = find::phase(&cluster, now) {
        return Ok(Sight::Absent(vec![last(&cluster, how)]));
    }
    let call = aws.client::<Client>().list_steps();
    let page = call.cluster_id(cluster.id().unwrap_or_default()).send().await;
    let page = page.during("elasticmapreduce:ListSteps")?;
    let mut told = readings(&cluster, page.steps(), now);
    told.extend(twins.iter().map(second));
    Ok(Sight::There(told))
}

/// A cluster too many, which is paid for until an apply ends it.
fn second(twin: &Twin) -> Reading {
    let what = format!("{}; an apply ends it", twin.identity);
    Reading::text("second", what).health(Health::Attention)
}

/// The last one of this name, which has ended.
fn last(cluster: &Cluster, how: String) -> Reading {
    let failed = cluster.status().and_then(|status| status.state())
        == Some(&ClusterState::TerminatedWithErrors);
    let health = if failed { Health::Bad } else { Health::Good };
    Reading::text("last", format!("{}: {how}", cluster.id().unwrap_or_default())).health(health)
}

/// EMR lists the newest steps first, and a page of them is enough.
fn readings(cluster: &Cluster, steps: &[StepSummary], now: SystemTime) -> Vec<Reading> {
    let status = cluster.status();
    let state = status.and_then(|status| status.state());
    let word = state.map_or("UNKNOWN", ClusterState::as_str);
    let mut readings =
        vec![Reading::text("state", word), Reading::text("id", cluster.id().unwrap_or_default())];
    let timeline = status.and_then(|status| status.timeline());
    let created = timeline.and_then(|timeline| timeline.creation_date_time());
    readings.extend(created.map(|at| Reading::new("created", Value::At(at.secs()))));
    let of = |wanted: &[StepState], what| {
        let state = |step: &StepSummary| step.status().and_then(|status| status.state()).cloned();
        let wanted = wanted.to_vec();
        let is = move |step: &&StepSummary| state(step).is_some_and(|s| wanted.contains(&s));
        let named = steps.iter().filter(is).filter_map(|step| step.name());
        named.map(|name| Reading::text(what, name)).collect::<Vec<_>>()
    };
    let running = of(&[StepState::Running, StepState::CancelPending], RUNNING);
    let waiting = of(&[StepState::Pending], WAITING);
    let busy = !running.is_empty() || !waiting.is_empty();
    readings.extend(running);
    readings.extend(waiting);
    if state == Some(&ClusterState::Waiting) && !busy {
        let ends = steps.iter().filter_map(|step| step.status()?.timeline()?.end_date_time());
        let ready = timeline.and_then(|timeline| timeline.ready_date_time());
        let since = ends.chain(ready).map(|at| at.secs()).max();
        let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let idle = since.and_then(|since| now.checked_sub(u64::try_from(since).ok()?));
        readings.extend(idle.map(|idle| Reading::new("idle", Value::Seconds(idle))));
    }
    readings
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use aws_sdk_emr::primitives::DateTime;
    use aws_sdk_emr::types::{ClusterStatus, ClusterTimeline, StepStatus, StepTimeline};

    fn cluster(state: ClusterState) -> Cluster {
        let timeline = ClusterTimeline::builder()
            .creation_date_time(DateTime::from_secs(100))
            .ready_date_time(DateTime::from_secs(400));
        let status = ClusterStatus::builder().state(state).timeline(timeline.build());
        Cluster::builder().id("j-1").status(status.build()).build()
    }

    fn step(name: &str, state: StepState, ended: Option<i64>) -> StepSummary {
        let timeline =
            StepTimeline::builder().set_end_date_time(ended.map(DateTime::from_secs)).build();
        let status = StepStatus::builder().state(state).timeline(timeline).build();
        StepSummary::builder().name(name).status(status).build()
    }

    fn told(state: ClusterState, steps: &[StepSummary]) -> Vec<(&'static str, Value)> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let told = readings(&cluster(state), steps, now);
        told.into_iter().skip(3).map(|one| (one.what, one.value)).collect()
    }

    #[test]
    fn a_cluster_says_what_runs_or_for_how_long_nothing_did() {
        use ClusterState::{Running, Starting, Waiting};
        let done = step("process#a", StepState::Completed, Some(700));
        let runs = step("process#b", StepState::Running, None);
        let waits = step("process#c", StepState::Pending, None);
        let text = |text: &str| Value::Text(text.into());
        for (state, steps, wanted) in [
            (Waiting, vec![], vec![("idle", Value::Seconds(600))]),
            (Waiting, vec![done.clone()], vec![("idle", Value::Seconds(300))]),
            (
                Running,
                vec![waits.clone(), runs, done.clone()],
                vec![(RUNNING, text("process#b")), (WAITING, text("process#c"))],
            ),
            (Waiting, vec![waits, done], vec![(WAITING, text("process#c"))]),
            (Starting, vec![], vec![]),
        ] {
            assert_eq!(told(state, &steps), wanted);
        }
    }
}
