//! What tests do to the warehouse: hold COPYs, slow them down, let statements fail.
//!
//! Never active unless somebody asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// While this lives, no COPY that reaches it goes on.
#[derive(Debug)]
pub struct Hold(Arc<watch::Sender<Held>>);

#[derive(Clone, Copy, Debug, Default)]
struct Held {
    copies: usize,
    released: bool,
}

impl Hold {
    /// Returns when at least `copies` COPYs are being held.
    pub async fn reached(&self, copies: usize) {
        // The sender lives in this very struct.
        let _ = self.0.subscribe().wait_for(|held| held.copies >= copies).await;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.send_modify(|held| held.released = true);
    }
}

/// What was asked for.
#[derive(Debug, Default)]
pub(crate) struct Hooks {
    failures: Mutex<VecDeque<(String, String)>>,
    failing: Mutex<Option<String>>,
    hold: Mutex<Option<Arc<watch::Sender<Held>>>>,
    delay: Mutex<Duration>,
}

impl Hooks {
    pub(crate) fn hold_copies(&self) -> Hold {
        let hold = Arc::new(watch::Sender::new(Held::default()));
        *self.hold.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&hold));
        Hold(hold)
    }

    pub(crate) fn fail_next(&self, part: String, error: String) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).push_back((part, error));
    }

    pub(crate) fn fail_copies(&self, error: Option<String>) {
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    pub(crate) fn slow_copies(&self, by: Duration) {
        *self.delay.lock().unwrap_or_else(PoisonError::into_inner) = by;
    }

    /// The failure that somebody ordered for this statement.
    pub(crate) fn failure(&self, sql: &str) -> Option<String> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let index = failures.iter().position(|(part, _)| sql.contains(part.as_str()));
        let once = index.and_then(|index| failures.remove(index)).map(|(_, error)| error);
        let failing = || self.failing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        once.or_else(|| sql.starts_with("COPY ").then(failing).flatten())
    }

    /// Every COPY passes here before it reads anything.
    pub(crate) async fn before_copy(&self) {
        let delay = *self.delay.lock().unwrap_or_else(PoisonError::into_inner);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let hold = self.hold.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(hold) = hold {
            hold.send_modify(|held| held.copies += 1);
            let _ = hold.subscribe().wait_for(|held| held.released).await;
        }
    }
}
