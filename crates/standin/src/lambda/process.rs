//! One process of a function: its life, and the one invocation that it serves at a time.
//!
//! Never decides whether to retry an invocation.

use std::{
    process::ExitStatus,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    process::Child,
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    command::command,
    function::Function,
    host::{Delivery, Host, Instance, Instances, Message},
    logs::{Printer, Stream},
    report::{FunctionError, TIMED_OUT},
    usage::Usage,
};

/// How long a process may take to ask for its first event.
const INIT_LIMIT: Duration = Duration::from_secs(10);

/// How long to wait for the last lines of a dead process. It takes time only if another process still holds the pipe
/// open.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A running process. Its owner gives it its next invocation.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) id: String,
    instances: Arc<Instances>,
    messages: mpsc::UnboundedReceiver<Message>,
    next: Option<oneshot::Sender<Delivery>>,
    serving: Arc<Mutex<Option<String>>>,
    printer: Printer,
    output: Vec<JoinHandle<()>>,
    exit: watch::Receiver<Option<String>>,
    kill: CancellationToken,
    pid: Option<u32>,
}

/// The process was gone before it saw the event, so another one may have it.
#[derive(Debug)]
pub(super) struct Undelivered;

enum Heard {
    Message(Message),
    Exit(String),
    Silence,
}

impl Process {
    /// Starts a process and waits until it asks for its first event.
    pub(super) async fn start(host: &Host, function: &Function, request_id: &str) -> Result<Self, FunctionError> {
        let id = host.next_instance();
        let caller = format!("fn-{}-{id}", function.name);
        // Register first: on a busy machine the new process may ask for its first event before this thread returns from
        // starting it, and the Runtime API turns an unknown instance away.
        let (mut process, exited) = Self::register(host, function, id, &caller);
        let child = command(&host.options, function, &process.id, &caller).spawn().map_err(|error| {
            let reason = format!("Couldn't find valid bootstrap(s): {}: {error}", function.binary.display());
            FunctionError::platform(request_id, "Runtime.InvalidEntrypoint", &reason)
        })?;
        process.attach(host, child, exited);
        process.init(request_id).await?;
        Ok(process)
    }

    /// Registers an instance, for the Runtime API and for tests that kill, before its process exists.
    fn register(host: &Host, function: &Function, id: String, caller: &str) -> (Self, watch::Sender<Option<String>>) {
        let (sender, messages) = mpsc::unbounded_channel();
        let (exited, exit) = watch::channel(None);
        let kill = host.stop.child_token();
        let serving = Arc::default();
        let instance = Instance {
            caller: caller.to_owned(),
            messages: sender,
            serving: Arc::clone(&serving),
            kill: kill.clone(),
            exit: exit.clone(),
        };
        host.instances.lock().insert(id.clone(), instance);
        let printer = Printer { function: function.name.clone(), instance: id.clone(), request_id: Arc::default() };
        let process = Self {
            id,
            instances: Arc::clone(&host.instances),
            messages,
            next: None,
            serving,
            printer,
            output: Vec::new(),
            exit,
            kill,
            pid: None,
        };
        (process, exited)
    }

    /// Reads what the process prints, and waits for it to end.
    fn attach(&mut self, host: &Host, mut child: Child, exited: watch::Sender<Option<String>>) {
        self.pid = child.id();
        if let Some(pipe) = child.stdout.take() {
            let read = Arc::clone(&host.logs).read(pipe, Stream::Stdout, self.printer.clone());
            self.output.push(tokio::spawn(read));
        }
        if let Some(pipe) = child.stderr.take() {
            let read = Arc::clone(&host.logs).read(pipe, Stream::Stderr, self.printer.clone());
            self.output.push(tokio::spawn(read));
        }
        host.tasks.spawn(reap(child, self.kill.clone(), exited));
    }

    async fn init(&mut self, request_id: &str) -> Result<(), FunctionError> {
        match self.heard(Instant::now() + INIT_LIMIT).await {
            Heard::Message(Message::Next(next)) => {
                self.next = Some(next);
                Ok(())
            }
            Heard::Message(Message::InitError(error) | Message::Done(Err(error))) => Err(error),
            Heard::Message(Message::Done(Ok(_))) => {
                Err(FunctionError::platform(request_id, "Runtime.InvalidRequest", "an answer before the first event"))
            }
            Heard::Exit(reason) => Err(FunctionError::platform(request_id, EXITED, &reason)),
            Heard::Silence => {
                self.kill().await;
                Err(timed_out(request_id, INIT_LIMIT))
            }
        }
    }

    /// Whether the process is waiting for an event.
    pub(super) fn is_ready(&self) -> bool {
        self.exit.borrow().is_none() && self.next.as_ref().is_some_and(|next| !next.is_closed())
    }

    /// What the process has used so far.
    pub(super) fn usage(&self) -> Option<Usage> {
        // Once the process is reaped, its id may belong to another one.
        let alive = self.exit.borrow().is_none();
        self.pid.filter(|_| alive).and_then(Usage::of)
    }

    /// Gives the process an event and waits for its answer, its death, or the timeout.
    pub(super) async fn serve(
        &mut self,
        delivery: Delivery,
        timeout: Duration,
    ) -> Result<Result<Bytes, FunctionError>, Undelivered> {
        let request_id = delivery.request_id.clone();
        *self.serving.lock().unwrap_or_else(PoisonError::into_inner) = Some(request_id.clone());
        *self.printer.request_id.lock().unwrap_or_else(PoisonError::into_inner) = Some(request_id.clone());
        let deadline = Instant::now() + timeout;
        self.next.take().ok_or(Undelivered)?.send(delivery).map_err(|_| Undelivered)?;
        Ok(match self.heard(deadline).await {
            Heard::Message(Message::Done(result)) => {
                self.settle(deadline).await;
                result
            }
            Heard::Message(Message::InitError(error)) => Err(error),
            Heard::Message(Message::Next(_)) => {
                let reason = "the runtime asked for another event before it answered";
                Err(FunctionError::platform(&request_id, "Runtime.InvalidRequest", reason))
            }
            Heard::Exit(reason) => Err(FunctionError::platform(&request_id, EXITED, &reason)),
            // The caller kills it now: it is not ready for another event.
            Heard::Silence => Err(timed_out(&request_id, timeout)),
        })
    }

    /// An invocation ends when the runtime asks for the next one, not with the answer: extensions may still have work
    /// to do.
    async fn settle(&mut self, deadline: Instant) {
        if let Heard::Message(Message::Next(next)) = self.heard(deadline).await {
            self.next = Some(next);
        }
    }

    /// Kills the process and waits until it is dead and its last lines are read.
    pub(super) async fn kill(&mut self) {
        self.kill.cancel();
        exited(&mut self.exit).await;
        for reader in self.output.drain(..) {
            let _ = tokio::time::timeout(LAST_WORDS, reader).await;
        }
    }

    async fn heard(&mut self, deadline: Instant) -> Heard {
        let first = async {
            tokio::select! {
                // First process what it said before it died.
                biased;
                Some(message) = self.messages.recv() => Heard::Message(message),
                reason = exited(&mut self.exit) => Heard::Exit(reason),
            }
        };
        timeout_at(deadline, first).await.unwrap_or(Heard::Silence)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill.cancel();
        self.instances.lock().remove(&self.id);
    }
}

const EXITED: &str = "Runtime.ExitError";

fn timed_out(request_id: &str, limit: Duration) -> FunctionError {
    FunctionError::platform(request_id, TIMED_OUT, &format!("Task timed out after {:.2} seconds", limit.as_secs_f64()))
}

/// Waits for a process to end, or kills it.
async fn reap(mut child: Child, kill: CancellationToken, exited: watch::Sender<Option<String>>) {
    let status = tokio::select! {
        status = child.wait() => status,
        () = kill.cancelled() => {
            // This fails only if the process is already dead.
            let _ = child.start_kill();
            child.wait().await
        }
    };
    let reason = status.map_or_else(|error| format!("Runtime exited: {error}"), exit_reason);
    exited.send_replace(Some(reason));
}

/// How Lambda words the end of a process.
#[allow(clippy::needless_pass_by_value, reason = "the shape that map_or_else wants")]
fn exit_reason(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;

    match (status.code(), status.signal()) {
        (Some(0), _) => "Runtime exited without providing a reason".to_owned(),
        (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
        (None, Some(9)) => "Runtime exited with error: signal: killed".to_owned(),
        (None, Some(6)) => "Runtime exited with error: signal: aborted".to_owned(),
        (None, signal) => format!("Runtime exited with error: signal: {}", signal.unwrap_or_default()),
    }
}

/// Waits for a process to end and says how it ended.
pub(super) async fn exited(exit: &mut watch::Receiver<Option<String>>) -> String {
    match exit.wait_for(Option::is_some).await {
        Ok(reason) => reason.clone().unwrap_or_default(),
        Err(_) => "Runtime exited with the stand-in".to_owned(),
    }
}
