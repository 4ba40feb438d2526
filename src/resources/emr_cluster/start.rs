//! The lease on starting a cluster. EMR has no token that would keep two starts apart, and lists a
//! new cluster minutes later: until then the lease tells that there is one, to `apply`, to `run`
//! and to whatever else starts clusters in our place.

use std::time::Duration;

use aws_sdk_emr::Client;
use serde::{Deserialize, Serialize};

use crate::aws::Aws;
use crate::cloud::{Class, Fault, Locks, Object, Put, Seen, nonce};
use crate::kind::Name;
use crate::kind::place::ID_TAG;

use super::find::{self, describe};
use super::spec::EmrCluster;

/// Who took the lease has sent its request within a minute, and EMR lists a new cluster within
/// three: after that it is anybody's.
const LAPSES_AFTER: Duration = Duration::from_secs(240);
const VERSION: u32 = 1;
const TAKE: &str = "s3:PutObject";

/// What the object says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Start {
    version: u32,
    /// The one that was started; none: one is about to be.
    cluster: Option<String>,
    /// Given back, because none was started.
    #[serde(default)]
    free: bool,
    /// Tells one start from every other.
    #[serde(default)]
    nonce: String,
}

/// A lease that is ours. One that is dropped lapses.
pub struct Lease<'a> {
    aws: &'a Aws,
    /// None without artifacts, or as long as their bucket is not there.
    at: Option<At>,
}

struct At {
    object: Object,
    etag: String,
}

impl<'a> Lease<'a> {
    /// Refused for now while somebody else starts the cluster, or has and it is not listed yet.
    /// What fails here fails before anything is started.
    pub async fn take(aws: &'a Aws, cluster: &EmrCluster) -> Result<Self, Fault> {
        let none = Self { aws, at: None };
        let object = cluster.tags.get(ID_TAG).and_then(|id| object(aws, id));
        let Some(object) = object else { return Ok(none) };
        let seen = aws.look(&object).await.map_err(Fault::before)?;
        if let Some(seen) = &seen {
            standing(aws, &cluster.name, seen).await.map_err(Fault::before)?;
        }
        let over = seen.map(|seen| seen.etag);
        match put(aws, &object, &Start::new(None), over.as_deref()).await.map_err(Fault::before)? {
            Put::Written(etag) => Ok(Self { aws, at: Some(At { object, etag }) }),
            Put::NoBucket => Ok(none),
            Put::Raced => Err(Fault::new(Class::NotYet, TAKE, STARTING)),
        }
    }

    /// Who comes next waits until it is listed. Where this cannot be told, they wait as long as it
    /// may take.
    pub async fn started(self, cluster: &str) {
        self.tell(&Start::new(Some(cluster.to_owned()))).await;
    }

    /// None was started.
    pub async fn give_back(self) {
        self.tell(&Start { free: true, ..Start::new(None) }).await;
    }

    async fn tell(self, start: &Start) {
        if let Some(At { object, etag }) = &self.at {
            // Whatever comes of it, the lease lapses by itself.
            let _ = put(self.aws, object, start, Some(etag)).await;
        }
    }
}

/// The lease of a cluster, by its id in the blueprint.
fn object(aws: &Aws, id: &str) -> Option<Object> {
    let starts = aws.starts.as_ref()?;
    Some(Object { bucket: starts.bucket.clone(), key: format!("{}{id}.json", starts.key) })
}

/// Why there may be a cluster though EMR lists none: it lists a new one late, and who wants it gone
/// has to wait for that.
pub async fn unlisted(aws: &Aws, id: &str, name: &Name) -> Result<Option<Fault>, Fault> {
    let Some(object) = object(aws, id) else { return Ok(None) };
    let Some(seen) = aws.look(&object).await? else { return Ok(None) };
    match standing(aws, name, &seen).await {
        Ok(()) => Ok(None),
        Err(fault) if fault.class == Class::NotYet => Ok(Some(fault)),
        Err(fault) => Err(fault),
    }
}

const STARTING: &str = "somebody else is starting this cluster";

/// Whether the lease keeps others from starting the cluster: then that is the fault.
async fn standing(aws: &Aws, name: &Name, seen: &Seen) -> Result<(), Fault> {
    let not_yet = |what: String| Err(Fault::new(Class::NotYet, TAKE, what));
    // What cannot be read keeps nobody from anything.
    let Ok(start) = serde_json::from_slice::<Start>(&seen.content) else { return Ok(()) };
    let young = seen.age.is_some_and(|age| age < LAPSES_AFTER);
    let Some(id) = start.cluster else {
        let seconds = LAPSES_AFTER.as_secs();
        let what = format!("{STARTING}, or was about to and ended: known within {seconds} s");
        return if young && !start.free { not_yet(what) } else { Ok(()) };
    };
    let there = match describe(&aws.client::<Client>(), &id).await? {
        Some(found) => find::lives(&found, name, &aws.place.owner),
        None => young,
    };
    if there { not_yet(format!("cluster {id} was started and is not listed yet")) } else { Ok(()) }
}

/// Conditional: over the version that was seen, or over nothing.
async fn put(aws: &Aws, object: &Object, start: &Start, over: Option<&str>) -> Result<Put, Fault> {
    let content = serde_json::to_vec(start).expect("plain data is always JSON");
    let put = aws.put(object, content.clone(), over).await?;
    if put != Put::Raced {
        return Ok(put);
    }
    // One whose answer was lost is sent again by the SDK, and then refused because of itself.
    let mine = aws.look(object).await?.filter(|seen| seen.content == content);
    Ok(mine.map_or(Put::Raced, |seen| Put::Written(seen.etag)))
}

impl Start {
    fn new(cluster: Option<String>) -> Self {
        Self { version: VERSION, cluster, free: false, nonce: nonce() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::aws::canned::Scripted;
    use crate::kind::place::OWNER_TAG;
    use crate::kind::{Owner, Place};

    /// EMR knows one cluster.
    fn emr(name: &'static str, state: &'static str, retired: bool) -> Aws {
        let owner = Owner::new("shop", "dev", "eu-west-1");
        let place = Place {
            partition: "aws".into(),
            account: "1".into(),
            region: "eu-west-1".into(),
            owner: owner.clone(),
        };
        let mut tags = vec![json!({ "Key": OWNER_TAG, "Value": owner.0 })];
        tags.extend(retired.then(|| json!({ "Key": find::RETIRED_TAG, "Value": "true" })));
        Scripted::aws(place, move |operation, asked| match operation {
            "DescribeCluster" if asked["ClusterId"] == "j-1" => Ok(json!({ "Cluster": {
                "Id": "j-1", "Name": name, "Status": { "State": state }, "Tags": tags } })),
            // The words that go with it are not needed: it is the code that counts.
            _ => Err("InternalServerException"),
        })
    }

    fn seen(content: &Value, seconds: u64) -> Seen {
        let age = Some(Duration::from_secs(seconds));
        Seen { content: content.to_string().into_bytes(), etag: "1".into(), age }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_stands_while_its_cluster_may_be_there_and_no_longer() {
        let none = json!({ "version": 1, "cluster": null });
        let free = json!({ "version": 1, "cluster": null, "free": true });
        let one = json!({ "version": 1, "cluster": "j-1" });
        let here = ("spark", "STARTING", false);
        for (content, seconds, (name, state, retired), stands) in [
            (&none, 0, here, true),
            (&none, 239, here, true),
            (&none, 240, here, false),
            (&free, 0, here, false),
            (&json!("what?"), 0, here, false),
            (&one, 0, here, true),
            // However old it is: what is there and not listed is there.
            (&one, 9999, here, true),
            (&one, 0, ("spark", "TERMINATED", false), false),
            (&one, 0, ("spark", "WAITING", true), false),
            (&one, 0, ("another", "WAITING", false), false),
        ] {
            let aws = emr(name, state, retired);
            let fault = standing(&aws, &Name::new("spark"), &seen(content, seconds)).await.err();
            let class = fault.map(|fault| fault.class);
            assert_eq!(class, stands.then_some(Class::NotYet), "{content} {seconds} {state}");
        }
    }
}
