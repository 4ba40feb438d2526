//! `Cloud` by the SDK: each call goes to its kind's driver.

use futures_util::future::{join, join_all};

use crate::aws::Aws;
use crate::blueprint::text::Resolved;
use crate::cloud::{Boxed, Class, Cloud, Contents, Fault, Owned};
use crate::kind::place::ID_TAG;
use crate::kind::{Kind, Live, Name};
use crate::plan::diff::Diff;

use super::{Driver, KINDS, Tags, driver_of};

fn driver(kind: &str) -> Result<&'static dyn Driver, Fault> {
    driver_of(kind)
        .ok_or_else(|| Fault::new(Class::Invalid, "kind", format!("there is no kind `{kind}`")))
}

impl Cloud for Aws {
    fn kind(&self, name: &str) -> Option<&dyn Kind> {
        driver_of(name).map(|driver| driver as &dyn Kind)
    }

    fn observe<'a>(
        &'a self,
        kind: &'a str,
        identities: &'a [Name],
    ) -> Boxed<'a, Vec<Result<Option<Live>, Fault>>> {
        match driver(kind) {
            Ok(driver) => driver.observe(self, identities),
            Err(fault) => {
                Box::pin(async move { identities.iter().map(|_| Err(fault.clone())).collect() })
            }
        }
    }

    fn owned<'a>(&'a self) -> Boxed<'a, Result<Vec<Owned>, Fault>> {
        Box::pin(async move {
            let each = join_all(KINDS.iter().map(|kind| kind.owned(self)));
            let (tagged, others) = join(self.listed(), each).await;
            // The listing lags behind: what it names is looked up before it is believed.
            let mut owned: Vec<_> = tagged?.iter().flat_map(named).collect();
            for found in others {
                owned.extend(found?);
            }
            Ok(owned)
        })
    }

    fn create<'a>(&'a self, kind: &'a str, spec: &'a Resolved) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move { driver(kind)?.create(self, spec).await })
    }

    fn update<'a>(
        &'a self,
        kind: &'a str,
        spec: &'a Resolved,
        live: &'a Live,
        diff: &'a Diff,
    ) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move { driver(kind)?.update(self, spec, live, diff).await })
    }

    fn delete<'a>(
        &'a self,
        kind: &'a str,
        identity: &'a Name,
        live: &'a Live,
    ) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move { driver(kind)?.delete(self, identity, live).await })
    }

    fn purge<'a>(&'a self, kind: &'a str, identity: &'a Name) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move { driver(kind)?.purge(self, identity).await })
    }

    fn retire<'a>(
        &'a self,
        kind: &'a str,
        identity: &'a Name,
        live: &'a Live,
    ) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move { driver(kind)?.retire(self, identity, live).await })
    }

    fn contents<'a>(
        &'a self,
        kind: &'a str,
        identity: &'a Name,
    ) -> Boxed<'a, Result<Option<Contents>, Fault>> {
        Box::pin(async move { driver(kind)?.contents(self, identity).await })
    }
}

/// One for each kind that it may be: an alarm's ARN does not say of which sort it is.
fn named((arn, tags): &(String, Tags)) -> Vec<Owned> {
    let id = tags.get(ID_TAG).cloned().unwrap_or_default();
    let each = KINDS.iter().filter_map(|kind| Some((kind.name(), kind.listed(arn, tags)?)));
    each.map(|(kind, identity)| Owned {
        kind: kind.into(),
        id: id.clone(),
        identity,
        arn: Some(arn.clone()),
    })
    .collect()
}
