//! The worker: takes a claim from the lister and loads its batch. Wiring only.

use std::process::ExitCode;

use sluice_lambdas::{Role, serve, worker};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    Box::pin(serve(Role::Worker, worker::handle)).await
}
