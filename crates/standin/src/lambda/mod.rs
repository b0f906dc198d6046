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
mod logs;
mod process;
mod queue;
mod report;
mod runtime;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
pub(crate) mod testing;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
mod usage;

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use http::{Request, Response};
use tokio::sync::{broadcast, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::{
    clock::{Clock, ManualClock, SystemClock},
    function::Function,
    logs::{LogLine, Stream},
    report::{Condition, Failure, FunctionError, InvokeError, Report, Source, Stats},
    usage::Usage,
};
pub(crate) use self::{
    clock::{between, later},
    function::ACCOUNT,
};
use self::{
    logs::Logs,
    process::{Instances, exited},
    queue::{Registered, State},
};
use crate::service::Call;

/// Where the functions run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The stand-in's own address, `http://127.0.0.1:<port>`, for every service and the Runtime API.
    pub endpoint: String,
    /// The region of everything.
    pub region: String,
    /// The most concurrent invocations of all functions together (Lambda's account limit).
    pub concurrency: usize,
    /// The clock for retries and the ages of events.
    pub clock: Arc<dyn Clock>,
}

impl Options {
    /// Lambda's defaults for a stand-in at `endpoint`.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            region: "us-east-1".to_owned(),
            concurrency: 1000,
            clock: Arc::new(SystemClock),
        }
    }
}

/// The service. Clones are the same service.
#[derive(Clone, Debug)]
pub struct Lambda {
    inner: Arc<Inner>,
}

/// The state that the tasks share.
#[derive(Debug)]
struct Inner {
    options: Options,
    state: Mutex<State>,
    instances: Arc<Instances>,
    instance_count: AtomicU64,
    /// Invocations that are queued, running or waiting for a retry.
    busy: watch::Sender<usize>,
    logs: Arc<Logs>,
    reports: broadcast::Sender<Arc<Report>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Lambda {
    /// A service without functions. It needs a Tokio runtime only when a function is invoked.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let inner = Inner {
            options,
            state: Mutex::default(),
            instances: Arc::default(),
            instance_count: AtomicU64::new(0),
            busy: watch::Sender::new(0),
            logs: Arc::new(Logs::new()),
            reports: broadcast::Sender::new(4096),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        Self { inner: Arc::new(inner) }
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

    /// Answers a signed request to the Lambda API.
    pub(crate) async fn call(&self, call: Call) -> Response<Bytes> {
        api::answer(self, call).await
    }

    /// The operation that a request to the Lambda API names, as IAM writes it.
    pub(crate) fn operation(request: &Request<Bytes>) -> &'static str {
        api::operation(request)
    }

    /// The function that a request to the Lambda API names.
    pub(crate) fn subject(request: &Request<Bytes>) -> Option<String> {
        api::subject(request)
    }

    /// Answers an unsigned request under `/_runtime/`: a process asks for an event or returns an answer.
    pub(crate) async fn runtime(&self, request: Request<Bytes>) -> Response<Bytes> {
        runtime::answer(&self.inner, request).await
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
        let instance = self.inner.instances.lock().values().find(|instance| instance.caller == caller).cloned();
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
            self.inner.instances.lock().values().map(|instance| instance.caller.clone()).collect();
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
        self.inner.logs.of(function)
    }

    /// Every line that any function prints, from now on.
    #[must_use]
    pub fn follow_logs(&self) -> broadcast::Receiver<Arc<LogLine>> {
        self.inner.logs.follow()
    }

    /// The function's first line that fits; waits if there is none yet.
    pub async fn log_line(&self, function: &str, fits: impl Fn(&LogLine) -> bool) -> Arc<LogLine> {
        self.inner.logs.find(function, fits).await
    }

    /// Waits until nothing is queued, running, or waiting for a retry.
    pub async fn idle(&self) {
        // The sender is in `inner`, so this cannot fail while `self` lives.
        let _ = self.inner.busy.subscribe().wait_for(|busy| *busy == 0).await;
    }

    /// Refuses new invocations and kills every process, without waiting for them to end.
    pub fn stop(&self) {
        self.inner.stop.cancel();
        self.inner.forget_queues();
    }

    /// Refuses new invocations, kills every process and waits until all are gone.
    pub async fn shutdown(&self) {
        self.stop();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_instance(&self) -> String {
        (self.instance_count.fetch_add(1, Ordering::Relaxed) + 1).to_string()
    }
}
