//! An AWS that answers what a test tells it to, behind the SDK as it is.

use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use aws_types::region::Region;

use super::{connect, pace};

/// The service and operation of each request, where it names them.
pub type Heard = Arc<Mutex<Vec<Option<(String, String)>>>>;

/// One answer to every request, and the targets of those that came.
#[derive(Debug, Clone, Default)]
pub struct Canned {
    pub status: u16,
    pub headers: Vec<(&'static str, &'static str)>,
    pub body: Vec<u8>,
    pub heard: Heard,
}

impl Canned {
    /// What clients are made from that talk to it, each call sent once.
    pub fn config(&self) -> SdkConfig {
        Self::behind(SharedHttpClient::new(self.clone()))
    }

    pub fn behind(client: SharedHttpClient) -> SdkConfig {
        let credentials = Credentials::new("key", "secret", None, None, "test");
        SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(client)
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .timeout_config(connect::timeouts())
            .build()
    }
}

impl HttpClient for Canned {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Canned {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.heard.lock().expect("no test panics here").push(pace::target(&request));
        let status = self.status.try_into().expect("a status");
        let mut answer = HttpResponse::new(status, SdkBody::from(self.body.clone()));
        for (name, value) in &self.headers {
            answer.headers_mut().insert(*name, *value);
        }
        HttpConnectorFuture::ready(Ok(answer))
    }
}
