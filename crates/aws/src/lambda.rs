//! Workers: the function that the lister invokes with a claim.
//!
//! Never sends more than the claim's key: the worker reads the claim itself.

use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use sluice_core::object::Key;
use sluice_core::ports::{Operation, PortError, PortErrorKind, Service, Workers};

use crate::error::failed;
use crate::lazy::Lazy;

const INVOKE: Operation = Service::Functions.call("lambda:Invoke");

/// The worker function, which is invoked asynchronously.
#[derive(Clone, Debug)]
pub struct LambdaWorkers {
    client: Lazy<Client>,
    function: Option<String>,
}

impl LambdaWorkers {
    pub(crate) fn new(client: Lazy<Client>, function: Option<String>) -> Self {
        Self { client, function }
    }
}

impl Workers for LambdaWorkers {
    async fn dispatch(&self, claim: &Key) -> Result<(), PortError> {
        let Some(function) = &self.function else {
            let cause = "no worker is known: set SLUICE_WORKER_FUNCTION to its name, or fan_out = false";
            return Err(PortError::new(INVOKE, claim.as_str(), PortErrorKind::Invalid, cause));
        };
        let payload = serde_json::json!({ "claim": claim }).to_string();
        let invoke = self.client.invoke().function_name(function).invocation_type(InvocationType::Event);
        let sent = invoke.payload(Blob::new(payload)).send().await;
        sent.map(drop).map_err(|error| failed(INVOKE, format!("{function} with {claim}"), error))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fake_http::FakeHttp;

    #[tokio::test]
    async fn a_claim_is_an_asynchronous_event() {
        let http = FakeHttp::answering(&[(202, "")]);
        let claim = Key::new("sluice/claims/flights/0.json").unwrap();
        http.aws().await.workers().dispatch(&claim).await.unwrap();
        let asked = &http.asked()[0];
        assert!(asked.uri.ends_with("/2015-03-31/functions/worker/invocations"), "{}", asked.uri);
        assert_eq!(asked.header("x-amz-invocation-type"), Some("Event"));
        assert_eq!(asked.json(), serde_json::json!({ "claim": "sluice/claims/flights/0.json" }));
    }

    #[tokio::test]
    async fn a_worker_that_is_not_known_is_named_as_what_is_missing() {
        let workers = LambdaWorkers::new(Lazy::new(|| unreachable!("nobody is called")), None);
        let error = workers.dispatch(&Key::new("claim").unwrap()).await.unwrap_err();
        assert_eq!(error.kind, PortErrorKind::Invalid);
        assert!(error.to_string().contains("SLUICE_WORKER_FUNCTION"), "{error}");
    }
}
