//! What all processes share, and how the Runtime API and tests that kill reach each of them.
//!
//! Never starts or ends a process.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{logs::Logs, options::Options, report::FunctionError};

/// What the Runtime API hands to a process.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) request_id: String,
    pub(super) deadline: jiff::Timestamp,
    pub(super) arn: String,
    pub(super) payload: Bytes,
}

/// What a process reports to the Runtime API.
#[derive(Debug)]
pub(super) enum Message {
    /// It wants an event; the request waits for it.
    Next(oneshot::Sender<Delivery>),
    /// It has finished the event that it was given.
    Done(Result<Bytes, FunctionError>),
    /// It cannot start.
    InitError(FunctionError),
}

/// A handle to a running process, for the Runtime API and for tests that kill.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub(super) caller: String,
    pub(super) messages: mpsc::UnboundedSender<Message>,
    /// The invocation that has not been answered yet.
    pub(super) serving: Arc<Mutex<Option<String>>>,
    pub(super) kill: CancellationToken,
    pub(super) exit: watch::Receiver<Option<String>>,
}

/// All living processes, by id.
#[derive(Debug, Default)]
pub(super) struct Instances(Mutex<HashMap<String, Instance>>);

impl Instances {
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<String, Instance>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What all processes share: where they run, who lives, what they print, and how they end.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) options: Options,
    pub(super) instances: Arc<Instances>,
    instance_count: AtomicU64,
    pub(super) logs: Arc<Logs>,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
}

impl Host {
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            instances: Arc::default(),
            instance_count: AtomicU64::new(0),
            logs: Arc::new(Logs::new()),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    pub(super) fn next_instance(&self) -> String {
        (self.instance_count.fetch_add(1, Ordering::Relaxed) + 1).to_string()
    }
}
