//! The world in memory, for tests: every port without a network, faults on demand, and the contract suites of the
//! ports.
//!
//! Never part of a deployed binary (feature `testing`), and never more lenient than the service it stands for.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::object::{Key, Prefix};

pub mod clock;
pub mod contract;
pub mod fault;
pub mod memory;
pub mod metrics;
pub mod ports;
pub mod target;
pub mod warehouse;
pub mod workers;
pub mod world;

pub use clock::ManualClock;
pub use fault::{Fault, Faults, Faulty};
pub use memory::MemoryObjects;
pub use metrics::RecordedMetrics;
pub use ports::TestPorts;
pub use target::MemoryKind;
pub use warehouse::{MemoryWarehouse, Script};
pub use workers::RecordedWorkers;

/// A key written in a test.
///
/// # Panics
/// When S3 would not take it.
#[must_use]
#[allow(clippy::expect_used, reason = "a wrong literal is the test's own mistake")]
pub fn key(text: &str) -> Key {
    Key::new(text).expect("a key that S3 takes")
}

/// A prefix written in a test.
///
/// # Panics
/// When it is not one.
#[must_use]
#[allow(clippy::expect_used, reason = "a wrong literal is the test's own mistake")]
pub fn prefix(text: &str) -> Prefix {
    Prefix::new(text).expect("a prefix that ends in a slash")
}

/// Locks, also after a panic elsewhere: a test should fail with its own message, not with that of a poisoned lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
