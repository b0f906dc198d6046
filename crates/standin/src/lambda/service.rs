//! The handle of the service: what its owner may ask of it.
//!
//! Never speaks HTTP: the Lambda API and the Runtime API do, each in its file.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::broadcast;

use super::{
    function::Function,
    logs::LogLine,
    options::Options,
    process::exited,
    queue::Inner,
    report::{Failure, InvokeError, Report, Stats},
    state::Registered,
};

/// The service. Clones are the same service.
#[derive(Clone, Debug)]
pub struct Lambda {
    pub(super) inner: Arc<Inner>,
}

impl Lambda {
    /// A service without functions. It needs a Tokio runtime only when a function is invoked.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { inner: Arc::new(Inner::new(options)) }
    }

    /// Adds a function, or replaces the settings of the function with that name.
    pub fn register(&self, mut function: Function) {
        if let Ok(binary) = function.binary.canonicalize() {
            function.binary = binary;
        }
        let mut state = self.inner.state();
        match state.functions.get_mut(&function.name) {
            Some(registered) => registered.replace(function),
            None => {
                state.functions.insert(function.name.clone(), Registered::new(function));
            }
        }
    }

    /// Invokes a function and waits for its answer.
    pub async fn invoke(&self, function: &str, payload: impl Into<Bytes>) -> Result<Arc<Report>, InvokeError> {
        let answer = self.inner.request(function, payload.into())?;
        answer.await.map_err(|_| InvokeError::Stopping { function: function.to_owned() })
    }

    /// Queues an event, as S3 notifications and schedules do, and returns its request id. Lambda's retries apply.
    pub fn deliver(&self, function: &str, payload: impl Into<Bytes>) -> Result<String, InvokeError> {
        self.inner.event(function, payload.into())
    }

    /// From now on delivers every event of `function` this many times: Lambda promises at least once, not exactly once.
    pub fn deliver_times(&self, function: &str, times: usize) {
        if let Some(registered) = self.inner.state().functions.get_mut(function) {
            registered.deliveries = times.max(1);
        }
    }

    /// Kills the process that signs with `caller` (`fn-<function>-<instance>`) and waits until it is dead. False if
    /// there is none.
    pub async fn kill(&self, caller: &str) -> bool {
        let instance = self.inner.host.instances.lock().values().find(|instance| instance.caller == caller).cloned();
        let Some(mut instance) = instance else {
            return false;
        };
        instance.kill.cancel();
        exited(&mut instance.exit).await;
        true
    }

    /// The access key ids of all living processes.
    #[must_use]
    pub fn callers(&self) -> Vec<String> {
        let mut callers: Vec<_> =
            self.inner.host.instances.lock().values().map(|instance| instance.caller.clone()).collect();
        callers.sort();
        callers
    }

    /// The names of all functions.
    #[must_use]
    pub fn functions(&self) -> Vec<String> {
        self.inner.state().functions.keys().cloned().collect()
    }

    /// The function's settings.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<Arc<Function>> {
        self.inner.state().functions.get(name).map(|registered| Arc::clone(&registered.function))
    }

    /// The function's counts; zeros if the function does not exist.
    #[must_use]
    pub fn stats(&self, function: &str) -> Stats {
        self.inner.state().functions.get(function).map(Registered::stats).unwrap_or_default()
    }

    /// The function's finished attempts that are still kept, oldest first.
    #[must_use]
    pub fn reports(&self, function: &str) -> Vec<Arc<Report>> {
        let state = self.inner.state();
        state.functions.get(function).map(|registered| registered.reports.iter().cloned().collect()).unwrap_or_default()
    }

    /// Every finished attempt of every function, from now on.
    #[must_use]
    pub fn follow(&self) -> broadcast::Receiver<Arc<Report>> {
        self.inner.reports.subscribe()
    }

    /// The function's events that failed for good.
    #[must_use]
    pub fn failures(&self, function: &str) -> Vec<Failure> {
        self.inner.state().functions.get(function).map(|registered| registered.failures.clone()).unwrap_or_default()
    }

    /// The function's lines that are still kept, oldest first.
    #[must_use]
    pub fn logs(&self, function: &str) -> Vec<Arc<LogLine>> {
        self.inner.host.logs.of(function)
    }

    /// The function's first line that fits; waits if there is none yet.
    pub async fn log_line(&self, function: &str, fits: impl Fn(&LogLine) -> bool) -> Arc<LogLine> {
        self.inner.host.logs.find(function, fits).await
    }

    /// Waits until nothing is queued, running, or waiting for a retry.
    pub async fn idle(&self) {
        // The sender is in `inner`, so this cannot fail while `self` lives.
        let _ = self.inner.busy.subscribe().wait_for(|busy| *busy == 0).await;
    }

    /// Refuses new invocations and kills every process, without waiting for them to end.
    pub fn stop(&self) {
        self.inner.host.stop.cancel();
        self.inner.forget_queues();
    }

    /// Refuses new invocations, kills every process and waits until all are gone.
    pub async fn shutdown(&self) {
        self.stop();
        self.inner.host.tasks.close();
        self.inner.host.tasks.wait().await;
    }
}
