//! How many times the SDK tried a call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Counts the tries of one call.
#[derive(Clone, Default)]
pub(super) struct Attempts(Arc<AtomicU32>);

impl Attempts {
    /// Returns the hook to call with each request that is sent.
    pub(super) fn counter<R>(&self) -> impl Fn(&mut R) + Send + Sync + 'static {
        let count = Arc::clone(&self.0);
        move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether there was more than one try. If so, the reply to a try that took effect may have been lost.
    pub(super) fn repeated(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 1
    }
}
