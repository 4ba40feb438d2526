//! `Cloud`, for as long as the lock is held: a run that lost it makes no further write.

use crate::blueprint::text::Resolved;
use crate::cloud::{Boxed, Cloud, Contents, Fault, Owned};
use crate::kind::{Kind, Live, Name};
use crate::plan::diff::Diff;

use super::lease::Lease;

/// The first apply makes the bucket that keeps the lock: from that call on the lock is asked for
/// before each write, until it is held.
pub struct Guarded<'a> {
    pub cloud: &'a dyn Cloud,
    /// None of a blueprint that has no bucket for it.
    pub lease: Option<&'a Lease<'a>>,
}

impl Guarded<'_> {
    /// Before a write: whether this run may write.
    pub async fn pass(&self) -> Result<(), Fault> {
        match self.lease {
            Some(lease) => lease.pass().await,
            None => Ok(()),
        }
    }

    /// The lease, where it is about the bucket that keeps it.
    fn housed(&self, kind: &str, name: Option<&str>) -> Option<&Lease<'_>> {
        let home = |lease: &&Lease<'_>| {
            lease.home.kind == kind && Some(lease.home.identity.as_str()) == name
        };
        self.lease.filter(home)
    }
}

impl Cloud for Guarded<'_> {
    fn kind(&self, name: &str) -> Option<&dyn Kind> {
        self.cloud.kind(name)
    }

    fn observe<'a>(
        &'a self,
        kind: &'a str,
        identities: &'a [Name],
    ) -> Boxed<'a, Vec<Result<Option<Live>, Fault>>> {
        self.cloud.observe(kind, identities)
    }

    fn owned<'a>(&'a self) -> Boxed<'a, Result<Vec<Owned>, Fault>> {
        self.cloud.owned()
    }

    fn create<'a>(&'a self, kind: &'a str, spec: &'a Resolved) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move {
            self.pass().await.map_err(Fault::before)?;
            let created = self.cloud.create(kind, spec).await;
            // Also where it was refused: it may be there because another run made it.
            if let Some(lease) = self.housed(kind, spec.value()["name"].as_str()) {
                lease.want();
            }
            created
        })
    }

    fn update<'a>(
        &'a self,
        kind: &'a str,
        spec: &'a Resolved,
        live: &'a Live,
        diff: &'a Diff,
    ) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move {
            self.pass().await?;
            self.cloud.update(kind, spec, live, diff).await
        })
    }

    fn delete<'a>(
        &'a self,
        kind: &'a str,
        identity: &'a Name,
        live: &'a Live,
    ) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move {
            self.pass().await?;
            let Some(lease) = self.housed(kind, Some(identity.as_str())) else {
                return self.cloud.delete(kind, identity, live).await;
            };
            lease.let_go();
            let erased = lease.erase().await;
            let deleted = match erased {
                Ok(()) => self.cloud.delete(kind, identity, live).await,
                Err(fault) => Err(fault),
            };
            match deleted {
                Ok(()) => lease.gone(),
                Err(_) => lease.want(),
            }
            deleted
        })
    }

    fn purge<'a>(&'a self, kind: &'a str, identity: &'a Name) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move {
            self.pass().await?;
            let Some(lease) = self.housed(kind, Some(identity.as_str())) else {
                return self.cloud.purge(kind, identity).await;
            };
            lease.let_go();
            let purged = self.cloud.purge(kind, identity).await;
            lease.want();
            purged
        })
    }

    fn retire<'a>(
        &'a self,
        kind: &'a str,
        identity: &'a Name,
        live: &'a Live,
    ) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move {
            self.pass().await?;
            self.cloud.retire(kind, identity, live).await
        })
    }

    fn contents<'a>(
        &'a self,
        kind: &'a str,
        identity: &'a Name,
    ) -> Boxed<'a, Result<Option<Contents>, Fault>> {
        self.cloud.contents(kind, identity)
    }
}
