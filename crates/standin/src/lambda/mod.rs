//! Lambda: runs the real function binaries as processes, one per invocation or warm.
//!
//! Never looks into an event: events and answers are bytes.
//!
//! The owner of the stand-in calls [`Lambda::stop`] when it is dropped, or awaits [`Lambda::shutdown`]. When a Tokio
//! runtime ends, it ends the processes too. Do not count clones to see whether the service is in use: a process that
//! waits for its next event holds one.

mod api;
mod attempt;
mod clock;
mod command;
mod function;
mod host;
mod logs;
mod options;
mod process;
mod queue;
mod report;
mod runtime;
mod service;
mod state;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
pub(crate) mod testing;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
mod usage;

pub use self::{
    clock::{Clock, ManualClock, SystemClock},
    function::Function,
    logs::{LogLine, Stream},
    options::Options,
    report::{Condition, Failure, FunctionError, InvokeError, Report, Source, Stats},
    service::Lambda,
    usage::Usage,
};
pub(crate) use self::{
    clock::{between, later},
    function::ACCOUNT,
};
