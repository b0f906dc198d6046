//! The lister: takes a schedule's ticks and claims the files that wait. Wiring only.

use std::process::ExitCode;

use sluice_lambdas::{Role, lister, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    Box::pin(serve(Role::Lister, lister::handle)).await
}
