//! Credentials from the SDK's default chain, one HTTP client, and the account behind them.

use std::env;
use std::fs;
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector, proxy::ProxyConfig};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::SdkConfig;
use tokio::time::timeout;

use crate::cloud::{CREDENTIALS, Class, Fault, NO_ANSWER};
use crate::kind::place::partition;
use crate::kind::{Owner, Place};

use super::calls::{ATTEMPT, Calls, Watched};
use super::fault::chain;
use super::pace::Paced;
use super::{Aws, During};

/// Which account, region and endpoint to talk to, as the user said it.
#[derive(Debug, Clone, Default)]
pub struct Target {
    pub profile: Option<String>,
    pub region: String,
    pub endpoint: Option<String>,
    /// Fixed credentials and account, for an AWS that knows only one.
    pub credentials: Option<SharedCredentialsProvider>,
}

/// Who gives credentials may have to ask a person for a code.
const CREDENTIALS_WITHIN: Duration = Duration::from_secs(120);
const CONNECT: Duration = Duration::from_secs(5);
/// Reads and idempotent writes: throttling and lost connections pass within these attempts.
const ATTEMPTS: u32 = 8;
/// The first call of all: where it does not get through, nothing was begun, and people wait.
const FIRST_ATTEMPTS: u32 = 4;

impl Aws {
    /// Whoever has `calls` can tell what is waited for.
    pub async fn connect(target: &Target, owner: Owner, calls: Calls) -> Result<Self, Fault> {
        let config = config(target, calls.clone()).await?;
        let account = account(&config, target.profile.as_deref(), &calls).await?;
        let region = target.region.clone();
        let place = Place { partition: partition(&region).to_owned(), account, region, owner };
        Ok(Self::new(config, place))
    }
}

/// A call's time begins when it is sent: before that it may be held back for as long as its turn
/// takes, which a timeout of the attempt would count.
pub(super) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT).read_timeout(ATTEMPT).build()
}

/// What stands still is given up where there is much to send, as S3 has: elsewhere it only waits
/// for its turn.
pub(super) fn stalls() -> StalledStreamProtectionConfig {
    StalledStreamProtectionConfig::enabled().upload_enabled(false).build()
}

async fn config(target: &Target, calls: Calls) -> Result<SdkConfig, Fault> {
    let (region, client) = (Region::new(target.region.clone()), http_client(calls)?);
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(region.clone())
        .http_client(client.clone())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(timeouts())
        .stalled_stream_protection(stalls());
    if let Some(profile) = &target.profile {
        // The default chain would take keys in the environment first, whatever their account.
        let around = ProviderConfig::without_region().with_region(Some(region));
        let named = ProfileFileCredentialsProvider::builder()
            .configure(&around.with_http_client(client))
            .profile_name(profile);
        loader = loader.profile_name(profile).credentials_provider(named.build());
    }
    if let Some(endpoint) = &target.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(credentials) = target.credentials.clone() {
        loader = loader.credentials_provider(credentials);
    }
    Ok(loader.load().await)
}

#[expect(clippy::disallowed_methods, reason = "credentials and TLS are configured here")]
fn environment(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// TLS by rustls with ring; `HTTPS_PROXY` and `AWS_CA_BUNDLE` are honoured.
fn http_client(calls: Calls) -> Result<SharedHttpClient, Fault> {
    let mut trust = TrustStore::default();
    if let Some(path) = environment("AWS_CA_BUNDLE") {
        let wrong =
            |e| Fault::new(Class::Invalid, "AWS_CA_BUNDLE", format!("cannot read {path}: {e}"));
        trust.add_pem_certificate(fs::read(&path).map_err(wrong)?);
    }
    let context = TlsContext::builder().with_trust_store(trust).build();
    let context =
        context.map_err(|e| Fault::new(Class::Invalid, "AWS_CA_BUNDLE", e.to_string()))?;
    let inner = Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder().proxy_config(ProxyConfig::from_env());
        builder.set_connector_settings(settings.cloned());
        builder.set_sleep_impl(components.and_then(|c| c.sleep_impl()));
        builder
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(context.clone())
            .build()
    });
    let watched = Watched::new(SharedHttpClient::new(inner), calls);
    Ok(SharedHttpClient::new(Paced::new(SharedHttpClient::new(watched))))
}

/// Credentials that know their account save a call.
async fn account(
    config: &SdkConfig,
    profile: Option<&str>,
    calls: &Calls,
) -> Result<String, Fault> {
    let operation = "sts:GetCallerIdentity";
    let from = profile.map_or_else(String::new, |name| format!("profile `{name}` gives none: "));
    let none = |why: String| Fault::new(Class::Denied, CREDENTIALS, format!("{from}{why}"));
    let provider = config.credentials_provider().ok_or_else(|| none("none found".into()))?;
    let waiting = calls.waits_for(CREDENTIALS);
    let given = timeout(CREDENTIALS_WITHIN, provider.provide_credentials()).await;
    drop(waiting);
    let late = |_| none(format!("{NO_ANSWER} for {} s", CREDENTIALS_WITHIN.as_secs()));
    let credentials = given.map_err(late)?.map_err(|e| none(chain(&e)))?;
    if let Some(id) = credentials.account_id() {
        return Ok(id.as_str().to_owned());
    }
    let attempts = RetryConfig::standard().with_max_attempts(FIRST_ATTEMPTS);
    let sts = aws_sdk_sts::config::Builder::from(config).retry_config(attempts).build();
    let sts = aws_sdk_sts::Client::from_conf(sts);
    let identity = sts.get_caller_identity().send().await.during(operation)?;
    let account = identity
        .account()
        .ok_or_else(|| Fault::new(Class::Broken, operation, "no account in the answer"));
    Ok(account?.to_owned())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::pending;
    use std::pin::pin;

    use aws_credential_types::credential_fn::provide_credentials_fn;
    use futures_util::future::{Either, select};

    use super::*;

    /// As from a program that waits for something itself.
    #[tokio::test(start_paused = true)]
    async fn credentials_that_do_not_come_are_told_and_given_up() {
        let never = SharedCredentialsProvider::new(provide_credentials_fn(pending));
        let config = SdkConfig::builder().credentials_provider(never).build();
        let (calls, told) = (Calls::default(), RefCell::new(Vec::new()));
        let tell = |waited: &[_]| told.borrow_mut().extend_from_slice(waited);
        let watch = pin!(calls.clone().watch(tell));
        let Either::Right((account, _)) = select(watch, pin!(account(&config, None, &calls))).await
        else {
            panic!("the watch has no end")
        };
        let fault = account.expect_err("there are no credentials");
        assert_eq!(fault.to_string(), "credentials: no answer for 120 s");
        let first = told.borrow()[0].clone();
        assert_eq!((first.name.as_str(), first.trouble), (CREDENTIALS, None));
    }
}
