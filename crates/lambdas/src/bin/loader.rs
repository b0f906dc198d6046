//! The loader: takes S3's events and loads the files that they announce. Wiring only.

use std::process::ExitCode;

use sluice_lambdas::{Role, loader, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    Box::pin(serve(Role::Loader, loader::handle)).await
}
