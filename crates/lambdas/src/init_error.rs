//! Reports to Lambda why a function did not start, so that the caller reads the reason and not "exit status 1".
//!
//! The runtime crate has this call too, but keeps it private.

use std::env;

use lambda_runtime::Diagnostic;
use lambda_runtime_api_client::PooledClient;
use lambda_runtime_api_client::body::Body;

/// Reports the error to the Runtime API, if there is one.
/// Source: AWS Lambda Developer Guide, "Lambda runtime API", initialization error.
///
/// # Errors
/// When the Runtime API cannot be called.
pub(crate) async fn report(diagnostic: &Diagnostic) -> Result<(), lambda_runtime::Error> {
    let Ok(endpoint) = env::var("AWS_LAMBDA_RUNTIME_API") else {
        return Ok(());
    };
    let request = http::Request::post("/2018-06-01/runtime/init/error")
        .header("lambda-runtime-function-error-type", format!("Runtime.{}", diagnostic.error_type))
        .body(Body::from(serde_json::to_string(diagnostic)?))?;
    PooledClient::builder().with_endpoint(endpoint.parse()?).build().call(request).await?;
    Ok(())
}
