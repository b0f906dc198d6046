//! The functions, and the invocations of each that wait, run and have ended.
//!
//! Never starts or ends anything.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::oneshot;

use super::{
    function::{Function, arn},
    process::Process,
    report::{Failure, FunctionError, InvokeError, Report, Source, Stats},
};

/// Reports kept per function; the oldest are dropped first.
const KEPT: usize = 10_000;

/// All mutable state, under one lock. It is never held across an await.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) functions: BTreeMap<String, Registered>,
    pub(super) in_flight: usize,
}

/// A function and its current state.
#[derive(Debug)]
pub(super) struct Registered {
    pub(super) function: Arc<Function>,
    pub(super) stats: Stats,
    pub(super) reports: VecDeque<Arc<Report>>,
    pub(super) failures: Vec<Failure>,
    /// How often each event is delivered: once, unless a test wants duplicates, which Lambda allows.
    pub(super) deliveries: usize,
    pub(super) idle: Vec<Process>,
    pub(super) queue: VecDeque<Job>,
}

/// One invocation in progress, through all its attempts.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) request_id: String,
    pub(super) payload: Bytes,
    pub(super) tries: u32,
    pub(super) accepted: Timestamp,
    pub(super) source: Source,
    pub(super) reply: Option<oneshot::Sender<Arc<Report>>>,
    pub(super) last_error: Option<FunctionError>,
}

impl Registered {
    pub(super) fn new(function: Function) -> Self {
        Self {
            function: Arc::new(function),
            stats: Stats::default(),
            reports: VecDeque::new(),
            failures: Vec::new(),
            deliveries: 1,
            idle: Vec::new(),
            queue: VecDeque::new(),
        }
    }

    /// Replaces the settings. Processes that were started with the old ones serve no more invocations.
    pub(super) fn replace(&mut self, function: Function) {
        self.function = Arc::new(function);
        // Dropping them after the lock is released would be better, but here a process only marks its own death.
        self.idle.clear();
    }

    pub(super) fn has_room(&self) -> bool {
        self.function.concurrency.is_none_or(|limit| self.stats.in_flight < limit)
    }

    /// The current counts.
    pub(super) fn stats(&self) -> Stats {
        Stats { queued: self.queue.len(), ..self.stats.clone() }
    }

    pub(super) fn keep(&mut self, report: &Arc<Report>) {
        self.stats.count(report);
        if self.reports.len() == KEPT {
            self.reports.pop_front();
        }
        self.reports.push_back(Arc::clone(report));
    }
}

impl State {
    pub(super) fn registered(&mut self, region: &str, name: &str) -> Result<&mut Registered, InvokeError> {
        self.functions.get_mut(name).ok_or_else(|| InvokeError::NotFound { arn: arn(region, name) })
    }
}

impl Job {
    /// A second delivery of the same event.
    pub(super) fn copy(&self) -> Self {
        Self {
            request_id: self.request_id.clone(),
            payload: self.payload.clone(),
            reply: None,
            last_error: None,
            ..*self
        }
    }
}
