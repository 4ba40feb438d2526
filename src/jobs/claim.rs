//! The claim on an input: EMR has no token that would keep two submissions of one step apart, and
//! lists a new step late. Until it is listed the claim tells that it may be there.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cloud::{Class, Fault, Locks, Object, Put, nonce};

/// A submission whose answer was lost shows in the list of steps within this time.
pub const LISTED_WITHIN: Duration = Duration::from_secs(120);

const VERSION: u32 = 1;
const PUT: &str = "s3:PutObject";

/// What is about to be submitted, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    version: u32,
    pub cluster: String,
    /// Where its steps log.
    #[serde(default)]
    pub log_uri: Option<String>,
    /// The newest step of its name that was there before: any other one came of this.
    pub before: Option<String>,
    /// Given back, because EMR refused the step.
    free: bool,
    /// Tells one claim from every other.
    nonce: String,
}

impl Claim {
    pub fn new(cluster: &str, log_uri: Option<&str>, before: Option<String>) -> Self {
        let (cluster, log_uri) = (cluster.to_owned(), log_uri.map(str::to_owned));
        Self { version: VERSION, cluster, log_uri, before, free: false, nonce: nonce() }
    }

    /// With a newer step of its name that was there before.
    pub fn after(self, before: Option<String>) -> Self {
        Self { before, ..self }
    }

    /// Who knows this claim by its ETag does not take the new one for it.
    pub fn anew(self) -> Self {
        Self { nonce: nonce(), ..self }
    }

    fn content(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("plain data is always JSON")
    }
}

/// A claim as it was read.
#[derive(Debug)]
pub struct Found {
    pub claim: Option<Claim>,
    /// How long it has been there, by the clock of who keeps it.
    age: Option<Duration>,
    pub etag: String,
}

impl Found {
    /// The claim, if a step of it may be on its way, and for how much longer that may take.
    pub fn standing(&self) -> Option<(&Claim, Duration)> {
        let claim = self.claim.as_ref().filter(|claim| !claim.free)?;
        let left = LISTED_WITHIN.checked_sub(self.age?)?;
        Some((claim, left))
    }
}

/// Where the claim on one input is.
pub struct Claims<'a> {
    pub locks: &'a dyn Locks,
    pub object: Object,
}

impl Claims<'_> {
    pub async fn look(&self) -> Result<Option<Found>, Fault> {
        let seen = self.locks.look(&self.object).await?;
        Ok(seen.map(|seen| Found {
            // What cannot be read keeps nobody from anything.
            claim: serde_json::from_slice(&seen.content).ok(),
            age: seen.age,
            etag: seen.etag,
        }))
    }

    /// The ETag of a claim that is ours; `None`: somebody else was quicker.
    pub async fn take(&self, claim: &Claim, over: Option<&str>) -> Result<Option<String>, Fault> {
        let content = claim.content();
        match self.locks.put(&self.object, content.clone(), over).await? {
            Put::Written(etag) => Ok(Some(etag)),
            Put::NoBucket => Err(Fault::new(Class::Invalid, PUT, "the artifacts have no bucket")),
            // One whose answer was lost is sent again, and then refused because of itself.
            Put::Raced => {
                let seen = self.locks.look(&self.object).await?;
                Ok(seen.filter(|seen| seen.content == content).map(|seen| seen.etag))
            }
        }
    }

    /// Nothing was submitted. Whatever comes of this, the claim lapses by itself.
    pub async fn give_back(&self, claim: Claim, etag: &str) {
        let free = Claim { free: true, ..claim };
        let _ = self.locks.put(&self.object, free.content(), Some(etag)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_stands_until_its_step_would_be_listed() {
        let claim = Claim::new("j-1", None, None);
        let free = Claim { free: true, ..claim.clone() };
        for (claim, age, left) in [
            (Some(&claim), Some(0), Some(120)),
            (Some(&claim), Some(119), Some(1)),
            (Some(&claim), Some(121), None),
            (Some(&claim), None, None),
            (Some(&free), Some(0), None),
            (None, Some(0), None),
        ] {
            let age = age.map(Duration::from_secs);
            let found = Found { claim: claim.cloned(), age, etag: "1".into() };
            let stands = found.standing().map(|(_, left)| left.as_secs());
            assert_eq!(stands, left, "{found:?}");
        }
    }
    #[test]
    fn a_claim_made_anew_is_another_object() {
        let claim = Claim::new("j-1", None, None);
        assert_ne!(claim.clone().anew().content(), claim.content());
    }

    #[test]
    fn a_claim_of_an_older_version_is_read() {
        let claim = Claim::new("j-1", None, Some("s-1".into()));
        let mut older = serde_json::to_value(&claim).expect("it is plain data");
        older.as_object_mut().expect("it is an object").remove("log_uri");
        assert_eq!(serde_json::from_value::<Claim>(older).expect("it is one"), claim);
    }
}
