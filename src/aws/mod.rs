//! The SDK: credentials, one HTTP client, and AWS's errors as faults.

pub mod calls;
#[cfg(test)]
mod canned;
pub mod connect;
mod draft;
mod emr_steps;
pub mod fault;
mod locks;
pub mod pace;
mod put_records;
mod queues;
mod tagged;

use std::sync::Arc;

use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_sdk_iam::types::RoleDetail;
use aws_types::SdkConfig;
use tokio::sync::OnceCell;

use crate::kind::Place;

pub use draft::body;
pub use fault::{During, absent};
use tagged::Tagged;

/// An account and region to talk to. Each kind makes its client from `config`.
#[derive(Debug, Clone)]
pub struct Aws {
    pub config: SdkConfig,
    pub place: Place,
    /// The account's roles as they were when first listed, which a plan asks for twice.
    pub roles: Arc<OnceCell<Vec<RoleDetail>>>,
    tagged: Arc<Tagged>,
}

impl Aws {
    pub fn new(config: SdkConfig, place: Place) -> Self {
        Self { config, place, roles: Arc::default(), tagged: Arc::default() }
    }

    /// An S3 client; behind an endpoint of the user's own the bucket is part of the path.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.config)
            .force_path_style(self.config.endpoint_url().is_some())
            .stalled_stream_protection(StalledStreamProtectionConfig::enabled().build())
            .build();
        aws_sdk_s3::Client::from_conf(config)
    }
}
