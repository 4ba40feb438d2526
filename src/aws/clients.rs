//! A client of each service. A lost call is sent again however many others are lost with it: the
//! SDK's own quota would be used up by fifty at once, and a blueprint asks for more at a time.

use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_sdk_s3::config::retry::{RetryPartition, TokenBucket};
use aws_types::SdkConfig;

use super::Aws;

/// What a client can be made of.
pub trait Service {
    fn of(config: &SdkConfig, retries: RetryPartition) -> Self;
}

macro_rules! services {
    ($($service:ident)*) => {$(
        impl Service for $service::Client {
            fn of(config: &SdkConfig, retries: RetryPartition) -> Self {
                let config = $service::config::Builder::from(config);
                Self::from_conf(config.retry_partition(retries).build())
            }
        }
    )*};
}

services! {
    aws_sdk_cloudwatch
    aws_sdk_cloudwatchlogs
    aws_sdk_emr
    aws_sdk_firehose
    aws_sdk_glue
    aws_sdk_iam
    aws_sdk_kinesis
    aws_sdk_kms
    aws_sdk_lambda
    aws_sdk_sns
    aws_sdk_sqs
}

impl Aws {
    pub fn client<S: Service>(&self) -> S {
        S::of(&self.config, without_quota())
    }

    /// An S3 client; behind an endpoint of the user's own the bucket is part of the path.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.config)
            .force_path_style(self.config.endpoint_url().is_some())
            .stalled_stream_protection(StalledStreamProtectionConfig::enabled().build())
            .retry_partition(without_quota())
            .build();
        aws_sdk_s3::Client::from_conf(config)
    }
}

fn without_quota() -> RetryPartition {
    RetryPartition::custom("pipeline").token_bucket(TokenBucket::unlimited()).build()
}
