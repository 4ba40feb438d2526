//! The SDK: credentials, one HTTP client, and AWS's errors as faults.

pub mod calls;
#[cfg(test)]
pub mod canned;
mod clients;
pub mod connect;
mod draft;
mod emr_steps;
pub mod fault;
mod locks;
mod look;
pub mod pace;
mod put_records;
mod queues;
mod tagged;

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_types::SdkConfig;
use tokio::sync::OnceCell;

use crate::cloud::Object;
use crate::kind::Place;

pub use clients::Service;
pub use draft::body;
pub use fault::{During, absent};
use look::Look;
use tagged::{Hopes, Tags};

/// An account and region to talk to.
#[derive(Debug, Clone)]
pub struct Aws {
    config: SdkConfig,
    pub place: Place,
    /// The owner's KMS keys that have no alias, with their tags, as they were when first listed.
    pub keys: Arc<OnceCell<BTreeMap<String, Tags>>>,
    /// Below this are the leases on starting clusters; none of a blueprint without artifacts.
    pub starts: Option<Object>,
    hopes: Arc<Hopes>,
    /// What was found so far, of who looks at everything.
    look: Option<Arc<Look>>,
}

impl Aws {
    pub fn new(config: SdkConfig, place: Place) -> Self {
        Self {
            config,
            place,
            keys: Arc::default(),
            starts: None,
            hopes: Arc::default(),
            look: None,
        }
    }
}
