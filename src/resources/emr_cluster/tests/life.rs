//! Which cluster is meant, where it stands in its life, and what EMR would refuse.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use aws_sdk_emr::primitives::DateTime;
use aws_sdk_emr::types::{
    Cluster, ClusterState, ClusterStateChangeReason, ClusterStateChangeReasonCode, ClusterStatus,
    ClusterTimeline, ErrorDetail, Tag,
};
use serde_json::json;

use crate::kind::place::OWNER_TAG;
use crate::kind::{Name, Owner, Phase, Severity};

use super::super::find::{self, RETIRED_TAG};
use super::super::read;
use super::{EmrCluster, Resource, cluster, fleets, written};

fn in_state(state: ClusterState) -> Cluster {
    let mut found = cluster();
    found.status = Some(ClusterStatus::builder().state(state).build());
    found
}

fn ended(state: ClusterState, code: ClusterStateChangeReasonCode, message: &str) -> Cluster {
    let reason = ClusterStateChangeReason::builder().code(code).message(message);
    let detail = ErrorDetail::builder().error_code("X").error_message("No role".to_owned());
    let at = DateTime::from_secs(1_000_000);
    let status = ClusterStatus::builder()
        .state(state)
        .state_change_reason(reason.build())
        .timeline(ClusterTimeline::builder().end_date_time(at).build())
        .error_details(detail.build());
    let mut found = cluster();
    found.status = Some(status.build());
    found
}

#[test]
fn a_cluster_stands_where_its_state_says() {
    use ClusterStateChangeReasonCode as Code;
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + 2 * 3600 + 59);
    let settling = |why: &str| Phase::Settling(why.into());
    let gone = |why: &str| Phase::Gone(why.into());
    let mut ends_with_steps = in_state(ClusterState::Starting);
    ends_with_steps.auto_terminate = Some(true);
    for (cluster, phase) in [
        (in_state(ClusterState::Starting), settling("STARTING")),
        (in_state(ClusterState::Bootstrapping), settling("BOOTSTRAPPING")),
        (ends_with_steps, Phase::Ready),
        (in_state(ClusterState::Running), Phase::Ready),
        (in_state(ClusterState::Waiting), Phase::Ready),
        (in_state(ClusterState::Terminating), Phase::Leaving("TERMINATING".into())),
        (
            ended(ClusterState::TerminatedWithErrors, Code::ValidationError, "EMR service role"),
            gone("TERMINATED_WITH_ERRORS: VALIDATION_ERROR: EMR service role: No role"),
        ),
        (
            ended(ClusterState::Terminated, Code::AllStepsCompleted, "Steps completed"),
            gone("ended 2 h ago: all steps completed"),
        ),
        (
            ended(ClusterState::Terminated, Code::UserRequest, "By auto-termination policy"),
            gone("ended 2 h ago: idle"),
        ),
    ] {
        assert_eq!(find::phase(&cluster, now), phase);
    }
}

#[test]
fn of_many_clusters_of_one_name_the_one_that_lives_and_is_ours_is_meant() {
    let owner = Owner::new("clicks", "dev", "eu-west-1");
    let tagged = |id: &str, state: ClusterState, tags: &[(&str, &str)]| {
        let mut found = in_state(state);
        found.id = Some(id.into());
        found.tags =
            Some(tags.iter().map(|(k, v)| Tag::builder().key(*k).value(*v).build()).collect());
        found
    };
    let ours = [(OWNER_TAG, owner.0.as_str()), ("aws:x", "y")];
    let waiting = tagged("j-1", ClusterState::Waiting, &ours);
    let leaving = tagged("j-2", ClusterState::Terminating, &ours);
    let retired = tagged("j-3", ClusterState::Waiting, &[ours[0], (RETIRED_TAG, "true")]);
    let others = tagged("j-4", ClusterState::Waiting, &[(OWNER_TAG, "clicks/prod/eu-west-1")]);
    let dead = tagged("j-5", ClusterState::Terminated, &ours);
    assert_eq!(read::tags(waiting.tags()), [(OWNER_TAG.to_owned(), owner.0.clone())].into());

    for (candidates, chosen_id) in [
        (vec![&others, &retired, &dead], None),
        (vec![&others, &waiting, &leaving, &retired], Some("j-1")),
        (vec![&leaving, &dead], Some("j-2")),
    ] {
        let ours = candidates.into_iter().filter(|c| find::goes_by_its_name(c, &owner));
        let found = find::choose(ours.cloned().collect());
        assert_eq!(found.as_ref().and_then(|chosen| chosen.cluster.id()), chosen_id);
        assert!(found.is_none_or(|chosen| chosen.twins.is_empty()));
    }
}

#[test]
fn of_two_that_live_the_older_is_meant_and_the_other_is_its_twin() {
    let made = |id: &str, at: i64| {
        let timeline = ClusterTimeline::builder().creation_date_time(DateTime::from_secs(at));
        let status = ClusterStatus::builder().state(ClusterState::Waiting);
        let mut found = cluster();
        found.id = Some(id.into());
        found.status = Some(status.timeline(timeline.build()).build());
        found
    };
    for (clusters, kept, others) in [
        (vec![made("j-1", 9), made("j-2", 5)], "j-2", vec!["j-1"]),
        (vec![made("j-2", 5), made("j-1", 5), made("j-3", 7)], "j-1", vec!["j-2", "j-3"]),
    ] {
        let chosen = find::choose(clusters).expect("some live");
        assert_eq!(chosen.cluster.id(), Some(kept));
        let twins: Vec<_> = chosen.twins.iter().map(|twin| twin.identity.as_str()).collect();
        assert_eq!(twins, others);
        let why = format!("a second cluster of this name; {kept}, made at 1970-01-01T00:00:05Z,");
        assert!(chosen.twins.iter().all(|twin| twin.why.starts_with(&why) && !twin.in_use));
    }
}

#[test]
fn an_id_is_told_from_a_name() {
    for (identity, id) in [
        ("j-2AXXXXXXGAPLF", true),
        ("j-team", false),
        ("clicks", false),
        ("j-2axxxxxxgaplf", false),
    ] {
        assert_eq!(find::is_id(identity), id, "{identity}");
    }
    let arn = "arn:aws:elasticmapreduce:eu-west-1:123456789012:cluster/j-2AXXXXXXGAPLF";
    assert_eq!(EmrCluster::listed(arn, &BTreeMap::new()), Some(Name::new("j-2AXXXXXXGAPLF")));
    assert_eq!(
        EmrCluster::listed("arn:aws:elasticmapreduce:x:1:editor/e-1", &BTreeMap::new()),
        None
    );
}

#[test]
fn a_cluster_that_ends_itself_is_there_while_there_is_work() {
    for (otherwise, on_demand) in [
        (json!({}), true),
        (json!({"idle_timeout": null}), false),
        (json!({"idle_timeout": null, "terminate_after_steps": true}), true),
        (json!({"lifecycle": "persistent"}), false),
        (json!({"idle_timeout": "none", "lifecycle": "on-demand"}), true),
    ] {
        assert_eq!(written(otherwise.clone()).on_demand(), on_demand, "{otherwise}");
    }
}

#[test]
fn what_emr_would_refuse_is_told() {
    let bare = json!({"core": {"market": "on-demand"}});
    assert_eq!(written(bare).check(), []);
    let flagship: Vec<_> = written(json!({})).check();
    assert_eq!(flagship.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(), ["core.market"]);
    for (otherwise, path, severity) in [
        (json!({"name": "j-2AXXXXXXGAPLF"}), "name", Severity::Error),
        (json!({"name": "a|b"}), "name", Severity::Error),
        (json!({"release": "7.5.0"}), "release", Severity::Error),
        (json!({"release": "emr-7.5"}), "release", Severity::Error),
        (json!({"release": "emr-6.15.0"}), "release", Severity::Warning),
        (json!({"release": "emr-5.29.0"}), "idle_timeout", Severity::Error),
        (json!({"idle_timeout": "8d"}), "idle_timeout", Severity::Error),
        (json!({"terminate_after_steps": true}), "idle_timeout", Severity::Error),
        (json!({"idle_timeout": null}), "idle_timeout", Severity::Warning),
        (json!({"applications": ["Sparc"]}), "applications", Severity::Warning),
        (json!({"primary": {"count": 2}}), "primary.count", Severity::Error),
        (json!({"primary": {"type": "m5.xlrge"}}), "primary.type", Severity::Error),
        (json!({"primary": {"market": "spot"}}), "primary.market", Severity::Warning),
        (json!({"primary": {"bid_price": 0.1}}), "primary.bid_price", Severity::Error),
        (json!({"primary": null}), "primary", Severity::Error),
        (json!({"core": {"count": 60}}), "primary.type", Severity::Warning),
        (json!({"core": {"count": 0}}), "core.count", Severity::Error),
        (json!({"core": {"bid_price": "much"}}), "core.bid_price", Severity::Error),
        (
            json!({"core": {"ebs": [{"type": "io1", "size_gb": 9}]}}),
            "core.ebs.0.iops",
            Severity::Error,
        ),
        (json!({"fleets": {"primary": {"types": {"m5.xlarge": {}}}}}), "fleets", Severity::Error),
        (json!({"subnets": ["a", "b"]}), "subnets", Severity::Error),
        (json!({"managed_scaling": {"max": 4}}), "managed_scaling.min", Severity::Error),
        (
            json!({"managed_scaling": {"min": 1, "max": 4, "max_core": 5}}),
            "managed_scaling.max_core",
            Severity::Error,
        ),
        (json!({"log_uri": "/logs"}), "log_uri", Severity::Error),
        (json!({"log_uri": null}), "log_uri", Severity::Warning),
        (json!({"step_concurrency": 0}), "step_concurrency", Severity::Error),
        (json!({"security_groups": {"primary": "sg-1"}}), "security_groups", Severity::Error),
    ] {
        let flaws = written(otherwise.clone()).check();
        let found = flaws.iter().find(|flaw| flaw.path == path).map(|flaw| flaw.severity);
        assert_eq!(found, Some(severity), "{otherwise}: {flaws:?}");
    }
    let wrong_fleet = fleets(json!({"primary": {"on_demand_capacity": 2},
        "core": {"spot": {"timeout": "90s"}, "types": {"m5.xlarge": {"weight": 0}}}}));
    let flaws = wrong_fleet.check();
    for path in ["fleets.primary", "fleets.core.spot.timeout", "fleets.core.types.m5.xlarge.weight"]
    {
        assert!(flaws.iter().any(|flaw| flaw.path == path), "{path} in {flaws:?}");
    }
}

#[test]
fn references_are_not_judged() {
    let open = json!({"release": "${var.release}", "log_uri": "${lake.uri}/logs",
        "primary": {"type": "${var.type}"}, "core": {"market": "on-demand"}});
    assert_eq!(written(open).check(), []);
}
