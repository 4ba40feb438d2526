//! A call as the SDK would send it, without sending it.

use std::future::Future;
use std::sync::{Arc, Mutex};

use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_types::SdkConfig;
use futures_util::FutureExt;

/// The body of the call that `call` makes: nothing leaves the machine, so it is there at once.
pub fn body<F: Future>(call: impl FnOnce(&SdkConfig) -> F) -> Option<String> {
    let kept = Keeper::default();
    let credentials = Credentials::new("nobody", "nothing", None, None, "draft");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .identity_cache(IdentityCache::no_cache())
        .http_client(SharedHttpClient::new(kept.clone()))
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build();
    call(&config).now_or_never()?;
    kept.0.lock().ok()?.take()
}

/// Takes a request's body, and refuses the request.
#[derive(Debug, Clone, Default)]
struct Keeper(Arc<Mutex<Option<String>>>);

impl HttpClient for Keeper {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Keeper {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = request.body().bytes().and_then(|bytes| std::str::from_utf8(bytes).ok());
        if let Ok(mut kept) = self.0.lock() {
            *kept = body.map(str::to_owned);
        }
        HttpConnectorFuture::ready(Err(ConnectorError::user("it is a draft".into())))
    }
}
