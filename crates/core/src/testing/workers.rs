//! Workers that only record which claims were dispatched.
//!
//! Never runs a worker: a test takes the claims and runs it.

use std::sync::{Arc, Mutex};

use super::lock;
use crate::object::Key;
use crate::ports::{PortError, PortErrorKind, Service, Workers};

/// Records each dispatch. Clones share one record.
#[derive(Clone, Debug, Default)]
pub struct RecordedWorkers {
    dispatched: Arc<Mutex<Vec<Key>>>,
    refusal: Arc<Mutex<Option<PortErrorKind>>>,
}

impl RecordedWorkers {
    /// The claims dispatched since the last call, in order.
    #[must_use]
    pub fn take(&self) -> Vec<Key> {
        std::mem::take(&mut lock(&self.dispatched))
    }

    /// From now on each dispatch fails with this kind. `None`: none fails.
    pub fn refuse(&self, kind: Option<PortErrorKind>) {
        *lock(&self.refusal) = kind;
    }
}

impl Workers for RecordedWorkers {
    async fn dispatch(&self, claim: &Key) -> Result<(), PortError> {
        if let Some(kind) = *lock(&self.refusal) {
            return Err(PortError::new(
                Service::Functions.call("lambda:Invoke"),
                claim.as_str(),
                kind,
                "the test says so",
            ));
        }
        lock(&self.dispatched).push(claim.clone());
        Ok(())
    }
}
