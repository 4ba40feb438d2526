//! `Desired -> Snapshot`: everything looked up at once.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{join, join_all};

use crate::blueprint::{Desired, Id, Node};
use crate::cloud::{Class, Cloud, Fault, Owned};
use crate::kind::{Live, Name, Place, Twin};
use crate::plan::{Snapshot, Stray};

/// Something could not be looked up, so nothing can be planned.
#[derive(Debug, Clone)]
pub struct Unknown {
    /// The resources that were asked about; none: the search for what is ours failed.
    pub ids: Vec<Id>,
    pub fault: Fault,
}

/// Looks everything up, all kinds at once; every fault is told.
pub async fn observe(
    cloud: &dyn Cloud,
    desired: &Desired,
    place: &Place,
) -> Result<Snapshot, Vec<Unknown>> {
    let (found, owned) = join(nodes(cloud, desired), cloud.owned()).await;
    let mut found = found?;
    let owned = owned.map_err(|fault| vec![Unknown { ids: Vec::new(), fault }])?;
    let mut strays = strays(cloud, desired, &found, owned).await?;
    for (id, live) in late(cloud, desired, &found, &strays).await? {
        let arn = live.outputs.get("arn");
        strays.retain(|stray| arn.is_none() || stray.live.outputs.get("arn") != arn);
        found.insert(id, Some(live));
    }
    Ok(Snapshot { place: place.clone(), found, strays })
}

/// What was not there when its name was looked up, and showed among what is ours a moment later:
/// somebody is making it, and it is no stray.
async fn late(
    cloud: &dyn Cloud,
    desired: &Desired,
    found: &Found,
    strays: &[Stray],
) -> Result<Vec<(Id, Live)>, Vec<Unknown>> {
    let mut late = Vec::new();
    for (id, node) in desired.nodes.iter().filter(|(id, _)| found[*id].is_none()) {
        let kind = node.kind.name();
        if !strays.iter().any(|stray| stray.kind == kind && stray.id == id.as_str()) {
            continue;
        }
        let answer = cloud.observe(kind, std::slice::from_ref(&node.identity)).await.pop();
        match answer {
            Some(Ok(live)) => late.extend(live.map(|live| (id.clone(), live))),
            Some(Err(fault)) => return Err(vec![Unknown { ids: vec![id.clone()], fault }]),
            None => {}
        }
    }
    Ok(late)
}

type Found = BTreeMap<Id, Option<Live>>;

async fn nodes(cloud: &dyn Cloud, desired: &Desired) -> Result<Found, Vec<Unknown>> {
    let mut by_kind: BTreeMap<&str, (Vec<Id>, Vec<Name>)> = BTreeMap::new();
    for (id, node) in &desired.nodes {
        let (ids, identities) = by_kind.entry(node.kind.name()).or_default();
        ids.push(id.clone());
        identities.push(node.identity.clone());
    }
    let looks = by_kind.iter().map(|(kind, (_, identities))| cloud.observe(kind, identities));
    let answers = join_all(looks).await;
    let (mut found, mut unknown) = (Found::new(), Vec::new());
    let each = by_kind.into_values().zip(answers).flat_map(|((ids, _), answers)| {
        // Without its answer a resource is unknown, and that is not the same as absent.
        let none = Fault::new(Class::Broken, "observe", "no answer came for it");
        ids.into_iter().zip(answers.into_iter().chain(std::iter::repeat(Err(none))))
    });
    for (id, answer) in each {
        match answer {
            Ok(live) => {
                found.insert(id, live);
            }
            Err(fault) => unknown.push(Unknown { ids: vec![id], fault }),
        }
    }
    if unknown.is_empty() { Ok(found) } else { Err(unknown) }
}

/// An index of tags lags behind, so what it names is looked up before it is believed.
async fn strays(
    cloud: &dyn Cloud,
    desired: &Desired,
    found: &Found,
    owned: Vec<Owned>,
) -> Result<Vec<Stray>, Vec<Unknown>> {
    let arns: BTreeSet<&str> = found
        .values()
        .flatten()
        .filter_map(|live| live.outputs.get("arn").map(String::as_str))
        .collect();
    let named: BTreeSet<(&str, &Name)> =
        desired.nodes.values().map(|node| (node.kind.name(), &node.identity)).collect();
    let search = Search { cloud, desired, arns };
    let there = |(id, node): (&Id, &Node)| {
        found[id].as_ref().map_or_else(Vec::new, |live| twins(node.kind.name(), id.as_str(), live))
    };
    let mut candidates: Candidates = desired.nodes.iter().flat_map(there).collect();
    for owned in owned {
        let known = owned.arn.as_deref().is_some_and(|arn| search.arns.contains(arn));
        if !known && !named.contains(&(owned.kind.as_str(), &owned.identity)) {
            // Two lists may name the same thing, one with its ARN and one without.
            candidates.entry(key(&owned)).or_insert(Candidate { owned, twin: None });
        }
    }
    let mut strays = search.look(&candidates).await?;
    let more = strays.iter().flat_map(|stray| twins(&stray.kind, &stray.id, &stray.live));
    let more: Candidates = more.filter(|(key, _)| !candidates.contains_key(key)).collect();
    strays.extend(search.look(&more).await?);
    Ok(strays)
}

/// What may be ours beside what the blueprint names.
struct Candidate {
    owned: Owned,
    /// Where it was noted with one that is kept.
    twin: Option<Twin>,
}

type Candidates = BTreeMap<(String, Name), Candidate>;

fn key(owned: &Owned) -> (String, Name) {
    (owned.kind.clone(), owned.identity.clone())
}

/// What was noted with one that was found: what else goes by its name.
fn twins(kind: &str, id: &str, live: &Live) -> Vec<((String, Name), Candidate)> {
    let each = Twin::noted(&live.outputs).map(|twin| {
        let (kind, id, identity) = (kind.to_owned(), id.to_owned(), twin.identity.clone());
        let owned = Owned { kind, id, identity, arn: None };
        (key(&owned), Candidate { owned, twin: Some(twin) })
    });
    each.collect()
}

/// The search for what is ours beside what the blueprint names.
struct Search<'a> {
    cloud: &'a dyn Cloud,
    desired: &'a Desired,
    /// Of what the blueprint names.
    arns: BTreeSet<&'a str>,
}

impl Search<'_> {
    async fn look(&self, candidates: &Candidates) -> Result<Vec<Stray>, Vec<Unknown>> {
        let looks = candidates.values().map(|candidate| async move {
            let Owned { kind, identity, .. } = &candidate.owned;
            let answer = self.cloud.observe(kind, std::slice::from_ref(identity)).await;
            (candidate, answer.into_iter().next())
        });
        let answers = join_all(looks).await;
        // An ARN may be of several kinds; it is of the one that finds it.
        let seen: BTreeSet<&str> = answers
            .iter()
            .filter(|(_, answer)| matches!(answer, Some(Ok(Some(_)))))
            .filter_map(|(candidate, _)| candidate.owned.arn.as_deref())
            .collect();
        let (mut strays, mut unknown) = (Vec::new(), Vec::new());
        for (candidate, answer) in answers {
            let owned = &candidate.owned;
            let another = owned.arn.as_deref().is_some_and(|arn| seen.contains(arn));
            match answer {
                Some(Err(_)) if another => {}
                Some(Ok(Some(live))) if self.is_stray(&live) => {
                    strays.extend(self.stray(candidate, live));
                }
                Some(Err(fault)) => unknown.push(Unknown { ids: vec![Id::new(&owned.id)], fault }),
                Some(Ok(_)) | None => {}
            }
        }
        if unknown.is_empty() { Ok(strays) } else { Err(unknown) }
    }

    fn is_stray(&self, live: &Live) -> bool {
        let named = live.outputs.get("arn").is_some_and(|arn| self.arns.contains(&**arn));
        live.exists() && live.belongs_to(&self.desired.owner) && !named
    }

    fn stray(&self, candidate: &Candidate, live: Live) -> Option<Stray> {
        let Candidate { owned, twin } = candidate;
        let kind = self.cloud.kind(&owned.kind)?;
        Some(Stray {
            kind: owned.kind.clone(),
            id: owned.id.clone(),
            identity: owned.identity.clone(),
            live,
            rank: kind.rank(),
            holds_data: twin.as_ref().map_or(kind.holds_data(), |twin| twin.in_use),
            why: twin.as_ref().map(|twin| twin.why.clone()),
        })
    }
}
