//! Faults on demand: a decorator over a bucket or a warehouse that asks the test, at each call, what should go wrong.
//!
//! Never makes up a result: a call either reaches what it decorates or it fails.

mod destination;
mod objects;

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use super::lock;
use crate::ports::{PortError, PortErrorKind};

/// A call that is about to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its place among the calls of all decorators that share the [`Faults`], from 0.
    pub number: usize,
    /// The port's method, such as `put` or `start`.
    pub method: &'static str,
    /// Its subject: a key, a prefix, a batch, a statement.
    pub subject: String,
}

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails and has no effect.
    Before(PortErrorKind),
    /// It takes effect, and its caller gets an error: a lost reply.
    After(PortErrorKind),
}

type Decide = dyn FnMut(&Call) -> Option<Fault> + Send;

/// Decides what goes wrong, and keeps the journal of calls. Clones are the same, so that one sequence of calls can span
/// the bucket and the warehouse.
#[derive(Clone)]
pub struct Faults {
    decide: Arc<Mutex<Box<Decide>>>,
    journal: Arc<Mutex<Vec<Call>>>,
    yields: bool,
}

impl Faults {
    /// Asks `decide` at each call.
    pub fn new(decide: impl FnMut(&Call) -> Option<Fault> + Send + 'static) -> Self {
        Self { decide: Arc::new(Mutex::new(Box::new(decide))), journal: Arc::default(), yields: false }
    }

    /// Nothing goes wrong; only the journal is kept.
    #[must_use]
    pub fn none() -> Self {
        Self::new(|_| None)
    }

    /// The caller dies at call `number`: that call takes effect or not, and no later call does.
    #[must_use]
    pub fn crash(number: usize, takes_effect: bool) -> Self {
        Self::new(move |call| match call.number.cmp(&number) {
            std::cmp::Ordering::Less => None,
            std::cmp::Ordering::Equal if takes_effect => Some(Fault::After(PortErrorKind::Unavailable)),
            _ => Some(Fault::Before(PortErrorKind::Unavailable)),
        })
    }

    /// Each call lets the caller's other calls go first once, so that what it does at the same time is interleaved.
    #[must_use]
    pub fn interleaved(self) -> Self {
        Self { yields: true, ..self }
    }

    /// From now on asks `decide`.
    pub fn then(&self, decide: impl FnMut(&Call) -> Option<Fault> + Send + 'static) {
        *lock(&self.decide) = Box::new(decide);
    }

    /// All calls so far.
    #[must_use]
    pub fn journal(&self) -> Vec<Call> {
        lock(&self.journal).clone()
    }

    /// `inner`, with these faults.
    #[must_use]
    pub fn over<T>(&self, inner: T) -> Faulty<T> {
        Faulty { inner, faults: self.clone() }
    }

    fn at(&self, method: &'static str, subject: String) -> (Call, Option<Fault>) {
        let mut journal = lock(&self.journal);
        let call = Call { number: journal.len(), method, subject };
        journal.push(call.clone());
        drop(journal);
        let fault = (lock(&self.decide))(&call);
        (call, fault)
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("journal", &lock(&self.journal)).finish_non_exhaustive()
    }
}

/// A port with faults.
#[derive(Clone, Debug)]
pub struct Faulty<T> {
    /// What is decorated.
    pub inner: T,
    /// What goes wrong.
    pub faults: Faults,
}

impl<T> Faulty<T> {
    /// Makes the call, or not, or makes it and fails.
    async fn call<A, E: From<PortError>>(
        &self,
        method: &'static str,
        subject: impl fmt::Display + Send,
        effect: impl Future<Output = Result<A, E>> + Send,
    ) -> Result<A, E> {
        if self.faults.yields {
            yield_now().await;
        }
        let (call, fault) = self.faults.at(method, subject.to_string());
        let failed = |kind| PortError::new(call.method, call.subject, kind, format!("call {} fails", call.number));
        match fault {
            None => effect.await,
            Some(Fault::Before(kind)) => Err(failed(kind).into()),
            Some(Fault::After(kind)) => {
                effect.await?;
                Err(failed(kind).into())
            }
        }
    }
}

async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::ports::{Objects, Put, PutIf};
    use crate::testing::{ManualClock, MemoryObjects, key};

    #[tokio::test]
    async fn a_crash_ends_all_calls_and_may_hide_the_last_ones_effect() {
        for (takes_effect, there) in [(false, vec!["a"]), (true, vec!["a", "b"])] {
            let bucket = MemoryObjects::new(&ManualClock::default());
            let faulty = Faults::crash(1, takes_effect).over(bucket.clone());
            let put = async |name| faulty.put(&key(name), vec![], PutIf::Absent).await;
            assert!(matches!(put("a").await, Ok(Put::Written(_))));
            put("b").await.unwrap_err();
            put("c").await.unwrap_err();
            assert_eq!(bucket.keys(""), there);
            assert_eq!(faulty.faults.journal().len(), 3);
        }
    }
}
