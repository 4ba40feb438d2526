//! Which of the account's clusters is meant. Names are labels, many clusters may share one, and the
//! dead stay listed: ours is told by its tags, among those that live.

use std::time::{Duration, SystemTime};

use aws_sdk_emr::Client;
use aws_sdk_emr::primitives::DateTime;
use aws_sdk_emr::types::{
    Cluster, ClusterState, ClusterStateChangeReasonCode, ClusterSummary, StepState,
};
use futures_util::future::{FutureExt, join_all};

use crate::aws::{Aws, During};
use crate::cloud::Fault;
use crate::kind::place::OWNER_TAG;
use crate::kind::{Live, Name, Outputs, Owner, Phase, Place, Twin};
use crate::status::reading::rfc3339;

use super::read::{self, Details};
use super::spec::EmrCluster;
use super::words::NONE;

/// The tag of a cluster whose successor was made: it no longer goes by its name.
pub const RETIRED_TAG: &str = "pipeline:retired";

const ALIVE: [ClusterState; 4] = [
    ClusterState::Starting,
    ClusterState::Bootstrapping,
    ClusterState::Running,
    ClusterState::Waiting,
];
const ENDED: [ClusterState; 2] = [ClusterState::Terminated, ClusterState::TerminatedWithErrors];

/// How far back the dead are looked for. Accounts with many clusters page through what is older.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
/// How many of the newest dead of one name are asked whose they are.
const DEAD: usize = 3;

type Listed = Result<Vec<ClusterSummary>, Fault>;

/// Looks up clusters by name or id, in the order asked; the names share one listing.
pub async fn find(aws: &Aws, identities: &[Name]) -> Vec<Result<Option<Live<EmrCluster>>, Fault>> {
    let api = aws.client::<Client>();
    let living = async {
        let names = identities.iter().any(|identity| !is_id(identity.as_str()));
        if names { list(&api, Listing::Living).await } else { Ok(Vec::new()) }
    };
    let living = living.shared();
    let dead = list(&api, Listing::Dead).shared();
    let look = |identity| {
        let (api, living, dead) = (&api, living.clone(), dead.clone());
        async move {
            if is_id(Name::as_str(identity)) {
                return by_id(aws, api, identity).await;
            }
            match by_name(aws, api, identity, living.await?).await? {
                Some(live) => Ok(Some(live)),
                None => {
                    let last = remembered(aws, api, identity, dead.await?).await?;
                    let dead = Details::default();
                    Ok(last.map(|cluster| live(identity, &cluster, &dead, &aws.place)))
                }
            }
        }
    };
    join_all(identities.iter().map(look)).await
}

/// Whether an identity is an id, as `j-2AXXXXXXGAPLF`.
pub fn is_id(identity: &str) -> bool {
    identity.strip_prefix("j-").is_some_and(|rest| {
        rest.len() >= 8 && rest.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    })
}

enum Listing {
    /// Those that live, and those on their way out, which may be ours.
    Living,
    /// Those that ended lately.
    Dead,
}

async fn list(api: &Client, listing: Listing) -> Listed {
    let (states, after) = match listing {
        Listing::Living => ([&ALIVE[..], &[ClusterState::Terminating]].concat(), None),
        Listing::Dead => (ENDED.to_vec(), Some(SystemTime::now() - REMEMBERED)),
    };
    let call = api.list_clusters().set_cluster_states(Some(states));
    let call = call.set_created_after(after.map(DateTime::from));
    let pages = call.into_paginator().items();
    pages.send().try_collect().await.during("elasticmapreduce:ListClusters")
}

/// `Ok(None)`: EMR no longer knows the id.
pub async fn describe(api: &Client, id: &str) -> Result<Option<Cluster>, Fault> {
    let answer = api
        .describe_cluster()
        .cluster_id(id)
        .send()
        .await
        .during("elasticmapreduce:DescribeCluster");
    match answer {
        Ok(found) => Ok(found.cluster),
        Err(fault) if unknown_id(&fault) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// "Cluster id 'j-…' is not valid", two months after its end.
pub fn unknown_id(fault: &Fault) -> bool {
    fault.says("InvalidRequestException", "is not valid")
        || fault.says("InvalidRequestException", "NoSuchCluster")
}

/// Describes candidates at once and keeps those that are ours and go by their name.
async fn ours(
    api: &Client,
    owner: &Owner,
    candidates: impl Iterator<Item = &ClusterSummary>,
) -> Result<Vec<Cluster>, Fault> {
    let ids = candidates.filter_map(ClusterSummary::id);
    let found = join_all(ids.map(|id| describe(api, id))).await;
    let found: Vec<Option<Cluster>> = found.into_iter().collect::<Result<_, _>>()?;
    Ok(found.into_iter().flatten().filter(|cluster| goes_by_its_name(cluster, owner)).collect())
}

fn tag<'a>(cluster: &'a Cluster, key: &str) -> Option<&'a str> {
    cluster.tags().iter().find(|tag| tag.key() == Some(key)).and_then(|tag| tag.value())
}

fn owned(cluster: &Cluster, owner: &Owner) -> bool {
    tag(cluster, OWNER_TAG) == Some(owner.0.as_str())
}

/// Whether it takes steps, or will, and is the one of this name.
pub fn lives(cluster: &Cluster, name: &Name, owner: &Owner) -> bool {
    let alive = state(cluster).is_some_and(|state| ALIVE.contains(state));
    alive && cluster.name() == Some(name.as_str()) && goes_by_its_name(cluster, owner)
}

pub fn goes_by_its_name(cluster: &Cluster, owner: &Owner) -> bool {
    owned(cluster, owner) && tag(cluster, RETIRED_TAG).is_none()
}

fn state(cluster: &Cluster) -> Option<&ClusterState> {
    cluster.status()?.state()
}

async fn by_name(
    aws: &Aws,
    api: &Client,
    name: &Name,
    living: Vec<ClusterSummary>,
) -> Result<Option<Live<EmrCluster>>, Fault> {
    let Some(Chosen { cluster, twins }) = chosen(aws, api, name, living).await? else {
        return Ok(None);
    };
    let details = read::details(api, &cluster).await?;
    let mut found = live(name, &cluster, &details, &aws.place);
    for twin in twins {
        twin.note(&mut found.outputs);
    }
    Ok(Some(found))
}

async fn chosen(
    aws: &Aws,
    api: &Client,
    name: &Name,
    living: Vec<ClusterSummary>,
) -> Result<Option<Chosen>, Fault> {
    let named = living.iter().filter(|cluster| cluster.name() == Some(name.as_str()));
    Ok(choose(ours(api, &aws.place.owner, named).await?))
}

/// The clusters that names mean, in the order asked: those that live, else the last that did.
pub async fn clusters(aws: &Aws, names: &[Name]) -> Vec<Result<Option<Chosen>, Fault>> {
    let api = aws.client::<Client>();
    let living = list(&api, Listing::Living).shared();
    let dead = list(&api, Listing::Dead).shared();
    let look = |name| {
        let (api, living, dead) = (&api, living.clone(), dead.clone());
        async move {
            match chosen(aws, api, name, living.await?).await? {
                Some(chosen) => Ok(Some(chosen)),
                None => {
                    let last = remembered(aws, api, name, dead.await?).await?;
                    Ok(last.map(|cluster| Chosen { cluster, twins: Vec::new() }))
                }
            }
        }
    };
    join_all(names.iter().map(look)).await
}

/// The cluster that a name means.
#[derive(Debug)]
pub struct Chosen {
    pub cluster: Cluster,
    /// Those that live beside it and are ours as well.
    pub twins: Vec<Twin>,
}

/// The oldest that lives, else one that is on its way out. Everybody who looks chooses the same.
pub fn choose(ours: Vec<Cluster>) -> Option<Chosen> {
    let is_alive = |c: &Cluster| state(c).is_some_and(|state| ALIVE.contains(state));
    let is_leaving = |c: &Cluster| state(c) == Some(&ClusterState::Terminating);
    let (mut alive, rest): (Vec<_>, Vec<_>) = ours.into_iter().partition(is_alive);
    alive.sort_by_key(|cluster| (made(cluster), cluster.id().map(str::to_owned)));
    let mut alive = alive.into_iter();
    let Some(cluster) = alive.next() else {
        let leaving = rest.into_iter().find(is_leaving);
        return leaving.map(|cluster| Chosen { cluster, twins: Vec::new() });
    };
    let twins = alive.map(|younger| twin(&cluster, &younger)).collect();
    Some(Chosen { cluster, twins })
}

/// Its steps are what it is kept for, and those it finishes.
fn twin(kept: &Cluster, younger: &Cluster) -> Twin {
    let at = made(kept).map_or_else(String::new, |at| format!(", made at {},", rfc3339(at.secs())));
    let kept = kept.id().unwrap_or_default();
    Twin {
        identity: Name::new(younger.id().unwrap_or_default()),
        why: format!("a second cluster of this name; {kept}{at} is kept"),
        in_use: false,
    }
}

fn made(cluster: &Cluster) -> Option<DateTime> {
    cluster.status()?.timeline()?.creation_date_time().copied()
}

/// The newest of this name that ended lately: how it ended says why there is none.
async fn remembered(
    aws: &Aws,
    api: &Client,
    name: &Name,
    dead: Vec<ClusterSummary>,
) -> Result<Option<Cluster>, Fault> {
    let mut named: Vec<_> =
        dead.iter().filter(|cluster| cluster.name() == Some(name.as_str())).collect();
    named.sort_by_key(|summary| std::cmp::Reverse(created(summary)));
    let ours = ours(api, &aws.place.owner, named.into_iter().take(DEAD)).await?;
    Ok(ours.into_iter().next())
}

fn created(summary: &ClusterSummary) -> Option<i128> {
    let timeline = summary.status()?.timeline()?;
    timeline.creation_date_time().map(DateTime::as_nanos)
}

/// A cluster that was retired, or that the blueprint no longer names: it is looked at to be ended,
/// so its work is what keeps it.
async fn by_id(aws: &Aws, api: &Client, id: &Name) -> Result<Option<Live<EmrCluster>>, Fault> {
    let Some(cluster) = describe(api, id.as_str()).await? else { return Ok(None) };
    let ended = state(&cluster).is_none_or(|state| ENDED.contains(state));
    if ended || !owned(&cluster, &aws.place.owner) {
        return Ok(None);
    }
    let name = Name::new(cluster.name().unwrap_or_default());
    if state(&cluster) == Some(&ClusterState::Terminating) {
        return Ok(Some(live(&name, &cluster, &Details::default(), &aws.place)));
    }
    let (details, steps) =
        futures_util::join!(read::details(api, &cluster), unfinished(api, id.as_str()));
    let mut found = live(&name, &cluster, &details?, &aws.place);
    found.phase = match steps? {
        0 => Phase::Ready,
        1 => Phase::Settling("draining: 1 step".into()),
        steps => Phase::Settling(format!("draining: {steps} steps")),
    };
    Ok(Some(found))
}

async fn unfinished(api: &Client, id: &str) -> Result<usize, Fault> {
    let call = api
        .list_steps()
        .cluster_id(id)
        .step_states(StepState::Pending)
        .step_states(StepState::Running)
        .step_states(StepState::CancelPending);
    let answer = call.send().await.during("elasticmapreduce:ListSteps")?;
    Ok(answer.steps().len())
}

fn live(name: &Name, cluster: &Cluster, details: &Details, place: &Place) -> Live<EmrCluster> {
    let spec = read::spec(name, cluster, details);
    let phase = phase(cluster, SystemTime::now());
    let outputs = outputs(cluster, details, &spec, place);
    Live { spec, outputs, phase }
}

/// A cluster that ends with its last step would end without any, so it stands ready for them from
/// the moment it exists.
pub fn phase(cluster: &Cluster, now: SystemTime) -> Phase {
    let takes_steps_now = cluster.auto_terminate() == Some(true);
    match state(cluster) {
        Some(state @ (ClusterState::Starting | ClusterState::Bootstrapping)) => {
            if takes_steps_now {
                Phase::Ready
            } else {
                Phase::Settling(state.as_str().into())
            }
        }
        Some(ClusterState::Terminating) => Phase::Leaving(leaving(cluster)),
        Some(ClusterState::Terminated) => Phase::Gone(ended(cluster, now)),
        Some(ClusterState::TerminatedWithErrors) => {
            Phase::Gone(format!("TERMINATED_WITH_ERRORS: {}", reason(cluster)))
        }
        _ => Phase::Ready,
    }
}

fn leaving(cluster: &Cluster) -> String {
    match reason(cluster).as_str() {
        "" => "TERMINATING".into(),
        reason => format!("TERMINATING: {reason}"),
    }
}

/// EMR's code and words, and the details that it has beside them.
fn reason(cluster: &Cluster) -> String {
    let status = cluster.status();
    let reason = status.and_then(|status| status.state_change_reason());
    let code = reason.and_then(|r| r.code()).map(|code| code.as_str().to_owned());
    let message = reason.and_then(|r| r.message()).map(str::to_owned);
    let details = status.map(|status| status.error_details()).unwrap_or_default();
    let more = details
        .iter()
        .filter_map(|detail| detail.error_message())
        .filter(|more| !message.as_ref().is_some_and(|message| message.contains(more)))
        .map(str::to_owned);
    let parts = code.into_iter().chain(message.clone()).chain(more);
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
}

/// `ended 2 h ago: idle`.
fn ended(cluster: &Cluster, now: SystemTime) -> String {
    let status = cluster.status();
    let reason = status.and_then(|status| status.state_change_reason());
    let message = reason.and_then(|r| r.message()).unwrap_or_default().to_ascii_lowercase();
    let idle = message.contains("auto-termination") || message.contains("idle");
    let why = match reason.and_then(|r| r.code()) {
        _ if idle => "idle",
        Some(ClusterStateChangeReasonCode::AllStepsCompleted) => "all steps completed",
        Some(ClusterStateChangeReasonCode::UserRequest) => "terminated on request",
        Some(code) => code.as_str(),
        None => "no reason given",
    };
    let at = status.and_then(|status| status.timeline()).and_then(|t| t.end_date_time());
    let at = at.and_then(|at| SystemTime::try_from(*at).ok());
    match at.and_then(|at| now.duration_since(at).ok()) {
        Some(since) => format!("ended {}: {why}", ago(since)),
        None => format!("ended: {why}"),
    }
}

fn ago(since: Duration) -> String {
    match since.as_secs() / 60 {
        0 => "just now".into(),
        minutes @ 1..120 => format!("{minutes} min ago"),
        minutes => format!("{} h ago", minutes / 60),
    }
}

/// Those that a blueprint may ask for, and the ids that changes go to. Of a dead cluster only what
/// tells it from another, so that two looks at it are equal.
fn outputs(cluster: &Cluster, details: &Details, spec: &EmrCluster, place: &Place) -> Outputs {
    let id = cluster.id().unwrap_or_default();
    let arn = place.arn("elasticmapreduce", &format!("cluster/{id}"));
    let mut outputs = Outputs::from([
        ("cluster_id".into(), id.into()),
        ("arn".into(), cluster.cluster_arn().map_or(arn, Into::into)),
        ("name".into(), spec.name.to_string()),
    ]);
    if spec.log_uri != NONE {
        outputs.insert("log_uri".into(), spec.log_uri.clone());
    }
    if let Some(dns) = cluster.master_public_dns_name() {
        outputs.insert("primary_dns".into(), dns.into());
    }
    for (key, group) in read::task_groups(&details.groups) {
        outputs.insert(format!("group.task.{key}"), group.id().unwrap_or_default().into());
    }
    for (role, id) in read::single_nodes(details) {
        outputs.insert(role.into(), id);
    }
    for (role, trouble) in read::troubles(details) {
        outputs.insert(format!("trouble.{role}"), trouble);
    }
    outputs
}
