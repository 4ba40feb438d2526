//! `Desired -> Snapshot`: everything looked up at once.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{join, join_all};

use crate::blueprint::{Desired, Id};
use crate::cloud::{Class, Cloud, Fault, Owned};
use crate::kind::{Live, Name, Place};
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
    let found = found?;
    let owned = owned.map_err(|fault| vec![Unknown { ids: Vec::new(), fault }])?;
    let strays = strays(cloud, desired, &found, owned).await?;
    Ok(Snapshot { place: place.clone(), found, strays })
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
    // Two lists may name the same thing, one with its ARN and one without.
    let candidates: BTreeMap<(String, Name), Owned> = owned
        .into_iter()
        .filter(|owned| !owned.arn.as_deref().is_some_and(|arn| arns.contains(arn)))
        .filter(|owned| !named.contains(&(owned.kind.as_str(), &owned.identity)))
        .map(|owned| ((owned.kind.clone(), owned.identity.clone()), owned))
        .collect();
    let known = |live: &Live| live.outputs.get("arn").is_some_and(|arn| arns.contains(&**arn));
    let looks = candidates.values().map(|owned| async move {
        let answer = cloud.observe(&owned.kind, std::slice::from_ref(&owned.identity)).await;
        (owned, answer.into_iter().next())
    });
    let answers = join_all(looks).await;
    // An ARN may be of several kinds; it is of the one that finds it.
    let seen: BTreeSet<&str> = answers
        .iter()
        .filter(|(_, answer)| matches!(answer, Some(Ok(Some(_)))))
        .filter_map(|(owned, _)| owned.arn.as_deref())
        .collect();
    let (mut strays, mut unknown) = (Vec::new(), Vec::new());
    for (owned, answer) in answers {
        let another = owned.arn.as_deref().is_some_and(|arn| seen.contains(arn));
        match answer {
            Some(Err(_)) if another => {}
            Some(Ok(Some(live)))
                if live.exists() && live.belongs_to(&desired.owner) && !known(&live) =>
            {
                strays.extend(stray(cloud, owned, live));
            }
            Some(Err(fault)) => unknown.push(Unknown { ids: vec![Id::new(&owned.id)], fault }),
            Some(Ok(_)) | None => {}
        }
    }
    if unknown.is_empty() { Ok(strays) } else { Err(unknown) }
}

fn stray(cloud: &dyn Cloud, owned: &Owned, live: Live) -> Option<Stray> {
    let kind = cloud.kind(&owned.kind)?;
    Some(Stray {
        kind: owned.kind.clone(),
        id: owned.id.clone(),
        identity: owned.identity.clone(),
        live,
        rank: kind.rank(),
        holds_data: kind.holds_data(),
    })
}
