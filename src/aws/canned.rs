//! An AWS that answers what a test tells it to, behind the SDK as it is.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

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
use aws_types::sdk_config::TimeSource;
use serde_json::{Value, json};

use crate::kind::Place;

use super::{Aws, connect, pace};

/// The service and operation of each request, where it names them.
pub type Heard = Arc<Mutex<Vec<Option<pace::Target>>>>;

/// The time of a test that does not wait for it.
#[derive(Debug)]
struct Paused(tokio::time::Instant);

impl TimeSource for Paused {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + self.0.elapsed()
    }
}

/// What one request is answered.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, &'static str)>,
    pub body: Vec<u8>,
}

impl From<Answer> for HttpConnectorFuture {
    fn from(answer: Answer) -> Self {
        let status = answer.status.try_into().expect("a status");
        let mut response = HttpResponse::new(status, SdkBody::from(answer.body));
        for (name, value) in answer.headers {
            response.headers_mut().insert(name, value);
        }
        Self::ready(Ok(response))
    }
}

/// An AWS that answers each request as it deserves.
#[derive(Clone)]
pub struct Replying(Arc<dyn Fn(&HttpRequest) -> Answer + Send + Sync>);

impl Replying {
    /// A client that talks to it.
    pub fn client(
        reply: impl Fn(&HttpRequest) -> Answer + Send + Sync + 'static,
    ) -> SharedHttpClient {
        SharedHttpClient::new(Self(Arc::new(reply)))
    }
}

impl fmt::Debug for Replying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Replying")
    }
}

impl HttpClient for Replying {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Replying {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        (self.0)(&request).into()
    }
}

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
            .stalled_stream_protection(connect::stalls())
            .time_source(Paused(tokio::time::Instant::now()))
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
        let Self { status, headers, body, .. } = self.clone();
        Answer { status, headers, body }.into()
    }
}

/// An AWS that speaks JSON and knows what each operation is answered, by its name and what it is
/// asked; `Err` is the code of a refusal.
pub struct Scripted;

impl Scripted {
    pub fn aws(
        place: Place,
        script: impl Fn(&str, &Value) -> Result<Value, &'static str> + Send + Sync + 'static,
    ) -> Aws {
        let replies = Replying::client(move |request| {
            let target = request.headers().get("x-amz-target").unwrap_or_default();
            let operation = target.rsplit('.').next().unwrap_or_default();
            let asked = request.body().bytes().unwrap_or_default();
            let asked = serde_json::from_slice(asked).unwrap_or_default();
            let (status, body) = match script(operation, &asked) {
                Ok(body) => (200, body),
                Err(code) => (400, json!({ "__type": code })),
            };
            Answer { status, headers: Vec::new(), body: body.to_string().into_bytes() }
        });
        Aws::new(Canned::behind(replies), place)
    }
}
