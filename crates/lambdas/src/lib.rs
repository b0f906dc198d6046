//! Sluice's three functions on the Lambda runtime.
//!
//! ```text
//! bin/loader ─┐            cold start: environment, configuration, ports
//! bin/lister ─┼─ serve ──▶ invocation: configuration again, event ──▶ handle ──▶ the core ──▶ answer, one log line
//! bin/worker ─┘
//! ```
//!
//! Each function is a `handle` over the core's ports, so that tests can run it in memory. Nothing here knows a step of
//! the protocol, and only [`serve`] knows the environment.

mod error;
pub mod event;
mod function;
mod init_error;
pub mod lister;
pub mod loader;
mod log;
pub mod worker;

pub use error::Error;
pub use function::{Answer, Invocation, Role, serve};
pub use sluice_aws::DeployedPorts;
