//! A fake HTTP client for tests: a real SDK client gets prepared answers without a network, and every request is
//! recorded.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aws_sdk_s3::config::http::{HttpRequest, HttpResponse};
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};

use crate::{Aws, ConfigOrigin, Endpoint, Settings};

/// Answers each request with the next prepared answer, and records the request.
#[derive(Clone, Debug, Default)]
pub(crate) struct FakeHttp {
    answers: Arc<Mutex<VecDeque<(u16, String)>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// A recorded request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) uri: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl FakeHttp {
    /// Gives these answers in order. Each is an HTTP status and a body.
    pub(crate) fn answering(answers: &[(u16, &str)]) -> Self {
        let answers = answers.iter().map(|(status, body)| (*status, (*body).to_owned())).collect();
        Self { answers: Arc::new(Mutex::new(answers)), ..Self::default() }
    }

    /// An account whose calls go through this client.
    pub(crate) async fn aws(&self) -> Aws {
        let settings = Settings {
            config: ConfigOrigin::Object { bucket: "bucket".to_owned(), key: "sluice.toml".to_owned() },
            worker_function: Some("worker".to_owned()),
            s3_path_style: true,
        };
        let text = str::to_owned;
        let endpoint = Endpoint {
            url: text("http://localhost:1"),
            access_key_id: text("test"),
            secret_access_key: text("test"),
            region: text("us-east-1"),
        };
        Aws::over(self.client(), endpoint, settings).await
    }

    /// The requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    fn client(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self.clone());
        http_client_fn(move |_, _| connector.clone())
    }
}

impl HttpConnector for FakeHttp {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        self.asked.lock().unwrap().push(Asked {
            uri: request.uri().to_owned(),
            headers: request.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            body: text(request.body().bytes()),
        });
        let (status, body) = self.answers.lock().unwrap().pop_front().expect("no answer is left");
        let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
        response.headers_mut().insert("etag", "\"new\"");
        HttpConnectorFuture::ready(Ok(response))
    }
}
