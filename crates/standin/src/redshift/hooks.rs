//! What tests do to the warehouse: hold or slow down COPYs, make statements fail, spoil single files, name files in
//! another form, refuse large submissions.
//!
//! Never active unless a test asks.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::copy::names::FileNames;

/// While this lives, every COPY that reaches it waits.
#[derive(Debug)]
pub struct Hold(Arc<watch::Sender<Held>>);

#[derive(Clone, Copy, Debug, Default)]
struct Held {
    copies: usize,
    released: bool,
}

impl Hold {
    /// The number of COPYs that have arrived and were held, including those cancelled in the meantime.
    #[must_use]
    pub fn held(&self) -> usize {
        self.0.borrow().copies
    }

    /// Returns when at least `copies` COPYs are being held.
    pub async fn reached(&self, copies: usize) {
        // The sender is in `self`, so this cannot fail.
        let _ = self.0.subscribe().wait_for(|held| held.copies >= copies).await;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.send_modify(|held| held.released = true);
    }
}

/// What happens to every COPY that reads a certain file, whatever else it reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It fails with this error before it reads anything. The error need not name the file.
    Fails(String),
    /// It runs until its timeout or a cancellation ends it.
    Hangs,
}

/// Which COPYs are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holding {
    Every,
    Passes,
}

/// What tests have asked for.
#[derive(Debug, Default)]
pub(crate) struct Hooks {
    failures: Mutex<VecDeque<(String, String)>>,
    failing: Mutex<Option<String>>,
    failing_passes: Mutex<Option<String>>,
    troubles: Mutex<Vec<(String, Trouble)>>,
    hold: Mutex<Option<(Holding, Arc<watch::Sender<Held>>)>>,
    delay: Mutex<Duration>,
    view_delay: Mutex<Duration>,
    names: Mutex<Option<FileNames>>,
    largest: Mutex<Option<usize>>,
}

impl Hooks {
    pub(crate) fn hold_copies(&self) -> Hold {
        self.hold(Holding::Every)
    }

    pub(crate) fn hold_passes(&self) -> Hold {
        self.hold(Holding::Passes)
    }

    fn hold(&self, holding: Holding) -> Hold {
        let hold = Arc::new(watch::Sender::new(Held::default()));
        *self.hold.lock().unwrap_or_else(PoisonError::into_inner) = Some((holding, Arc::clone(&hold)));
        Hold(hold)
    }

    pub(crate) fn fail_next(&self, part: String, error: String) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).push_back((part, error));
    }

    pub(crate) fn fail_copies(&self, error: Option<String>) {
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    pub(crate) fn fail_passes(&self, error: Option<String>) {
        *self.failing_passes.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    pub(crate) fn spoil(&self, part: String, trouble: Trouble) {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).push((part, trouble));
    }

    pub(crate) fn unspoil(&self, part: &str) {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).retain(|(spoilt, _)| spoilt != part);
    }

    /// What happens to a COPY of the files in `keys`, which is called only if any file is spoilt.
    pub(crate) fn trouble(&self, keys: impl FnOnce() -> Vec<String>) -> Option<Trouble> {
        let troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if troubles.is_empty() {
            return None;
        }
        let keys = keys();
        let spoilt = |(part, _): &(String, Trouble)| keys.iter().any(|key| key.contains(part.as_str()));
        troubles.into_iter().find(spoilt).map(|(_, trouble)| trouble)
    }

    pub(crate) fn slow_copies(&self, by: Duration) {
        *self.delay.lock().unwrap_or_else(PoisonError::into_inner) = by;
    }

    pub(crate) fn show_loads_after(&self, delay: Duration) {
        *self.view_delay.lock().unwrap_or_else(PoisonError::into_inner) = delay;
    }

    /// How long after a COPY the system views show what it did.
    pub(crate) fn view_delay(&self) -> Duration {
        *self.view_delay.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn name_files(&self, names: Option<FileNames>) {
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = names;
    }

    /// How the system views name files, if a test has chosen a form.
    pub(crate) fn file_names(&self) -> Option<FileNames> {
        *self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn refuse_submissions_over(&self, bytes: Option<usize>) {
        *self.largest.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
    }

    /// How many bytes the statements of a submission may have together, if a test has set a limit.
    pub(crate) fn largest_submission(&self) -> Option<usize> {
        *self.largest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The failure that a test has ordered for this statement.
    pub(crate) fn failure(&self, sql: &str) -> Option<String> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let index = failures.iter().position(|(part, _)| sql.contains(part.as_str()));
        let once = index.and_then(|index| failures.remove(index)).map(|(_, error)| error);
        let of = |error: &Mutex<Option<String>>| error.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (copy, pass) = (sql.starts_with("COPY "), sql.contains(" NOLOAD"));
        once.or_else(|| (copy && pass).then(|| of(&self.failing_passes)).flatten())
            .or_else(|| copy.then(|| of(&self.failing)).flatten())
    }

    /// Every COPY calls this before it reads anything. `pass`: it loads nothing and only looks for errors.
    pub(crate) async fn before_copy(&self, pass: bool) {
        let delay = *self.delay.lock().unwrap_or_else(PoisonError::into_inner);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let hold = self.hold.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, hold)) = hold.filter(|(holding, _)| *holding == Holding::Every || pass) {
            hold.send_modify(|held| held.copies += 1);
            let _ = hold.subscribe().wait_for(|held| held.released).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(keys: &[&str]) -> Vec<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    #[test]
    fn a_copy_meets_the_trouble_of_a_file_that_it_reads() {
        let hooks = Hooks::default();
        assert_eq!(hooks.trouble(|| unreachable!("nothing is spoilt")), None);
        let fails = Trouble::Fails("no".to_owned());
        hooks.spoil("a/5.csv".to_owned(), fails.clone());
        hooks.spoil("a/6.csv".to_owned(), Trouble::Hangs);
        assert_eq!(hooks.trouble(|| keys(&["in/a/1.csv", "in/a/5.csv"])), Some(fails));
        assert_eq!(hooks.trouble(|| keys(&["in/a/6.csv"])), Some(Trouble::Hangs));
        assert_eq!(hooks.trouble(|| keys(&["in/a/1.csv"])), None);
        hooks.unspoil("a/5.csv");
        assert_eq!(hooks.trouble(|| keys(&["in/a/5.csv"])), None);
    }

    #[test]
    fn passes_fail_alone() {
        let hooks = Hooks::default();
        hooks.fail_passes(Some("no".to_owned()));
        assert_eq!(hooks.failure("COPY t FROM 's3://b/m' MANIFEST NOLOAD"), Some("no".to_owned()));
        assert_eq!(hooks.failure("COPY t FROM 's3://b/m' MANIFEST"), None);
        hooks.fail_passes(None);
        assert_eq!(hooks.failure("COPY t FROM 's3://b/m' MANIFEST NOLOAD"), None);
    }

    #[tokio::test]
    async fn passes_are_held_alone() {
        let hooks = Hooks::default();
        let hold = hooks.hold_passes();
        hooks.before_copy(false).await;
        let ((), ()) = tokio::join!(hooks.before_copy(true), async move {
            hold.reached(1).await;
            drop(hold);
        });
    }
}
