//! Follows the services and shows what happens, line by line. On a terminal, a line below shows the current state.
//!
//! Never polls: it gets every event as it happens, and counts only after something has happened.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use serde::Serialize;
use sluice_core::config::Config;
use sluice_standin::deployment::Deployed;
use sluice_standin::lambda::Report;
use sluice_standin::s3::{ObjectCreated, Storage};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use super::news::News;
use super::view::View;
use crate::output::{self, DIM};
use crate::stack::{Stack, StackError};

/// How long arrivals are gathered before they are shown, and the shortest time between two counts.
const GATHER: Duration = Duration::from_millis(250);

/// Follows the services.
#[derive(Debug)]
pub(super) struct Watch {
    storage: Storage,
    bucket: String,
    view: View,
    incoming: UnboundedReceiver<ObjectCreated>,
    processed: UnboundedReceiver<ObjectCreated>,
    failed: UnboundedReceiver<ObjectCreated>,
    reports: broadcast::Receiver<Arc<Report>>,
    screen: Screen,
    /// When the gathered news is shown; `None` while there is none.
    due: Option<Instant>,
}

impl Watch {
    pub(super) fn begin(stack: &Stack, config: &Config, json: bool) -> Self {
        let storage = stack.standin.storage().clone();
        let bucket = &config.bucket;
        Self {
            incoming: storage.subscribe(&bucket.name, bucket.incoming.as_str()),
            processed: storage.subscribe(&bucket.name, bucket.processed.as_str()),
            failed: storage.subscribe(&bucket.name, bucket.failed.as_str()),
            reports: stack.standin.lambda().follow(),
            bucket: bucket.name.clone(),
            view: View::new(config.clone()),
            screen: Screen::new(json),
            due: Some(Instant::now()),
            storage,
        }
    }

    /// Invokes the lister on its schedule and shows what happens, forever.
    pub(super) async fn run(mut self, deployed: Option<Deployed>, every: Duration) -> Result<(), StackError> {
        let mut schedule = deployed.is_some().then(|| schedule(every));
        loop {
            // The order matters. What is rare comes before what may never end, which would starve it. A file arrives
            // before anything can be reported about it, so its arrival is also seen first.
            tokio::select! {
                biased;
                () = next(&mut schedule) => {
                    tick(deployed.as_ref());
                    continue;
                }
                () = at(self.due) => {
                    self.redraw();
                    continue;
                }
                Some(object) = self.incoming.recv() => self.view.arrived(&object.key, object.size),
                Some(object) = self.processed.recv() => self.view.processed(&object.key),
                Some(object) = self.failed.recv() => {
                    let news = self.view.failed(&object.key);
                    self.report(news);
                }
                report = self.reports.recv() => self.reported(report),
            }
            self.due.get_or_insert_with(|| Instant::now() + GATHER);
        }
    }

    fn reported(&mut self, report: Result<Arc<Report>, RecvError>) {
        // Reports that came too fast are missing only on the screen.
        let Ok(report) = report else { return };
        let news = self.view.reported(&report);
        self.report(news);
    }

    /// Shows what has become of files, after it has shown that they arrived.
    fn report(&mut self, news: impl IntoIterator<Item = News>) {
        let mut news = news.into_iter().peekable();
        if news.peek().is_some() {
            let bursts = self.view.bursts();
            self.tell(bursts.into_iter().chain(news));
        }
    }

    fn redraw(&mut self) {
        self.due = None;
        let (bursts, deferred) = (self.view.bursts(), self.view.deferred());
        self.tell(bursts.into_iter().chain(deferred));
        let count = |prefix: &str| {
            let keys = self.storage.keys_under(&self.bucket, prefix).unwrap_or_default();
            keys.len() as u64
        };
        self.screen.status(|| self.view.status(count));
    }

    fn tell(&self, news: impl IntoIterator<Item = News>) {
        news.into_iter().for_each(|news| self.screen.tell(news));
    }
}

/// A schedule that begins now. A moment that was missed is skipped.
fn schedule(every: Duration) -> Interval {
    let mut schedule = interval(every);
    schedule.set_missed_tick_behavior(MissedTickBehavior::Skip);
    schedule
}

async fn next(schedule: &mut Option<Interval>) {
    match schedule {
        Some(schedule) => _ = schedule.tick().await,
        None => pending().await,
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}

/// Invokes the lister without waiting for it. Its report comes like all others.
fn tick(deployed: Option<&Deployed>) {
    if let Some(deployed) = deployed.cloned() {
        tokio::spawn(async move {
            // This is refused while a tick is running (the next one comes anyway) and while everything is stopping.
            _ = deployed.tick().await;
        });
    }
}

/// Where news is shown.
#[derive(Debug)]
struct Screen {
    json: bool,
    /// The line at the bottom, on a terminal.
    status: Option<ProgressBar>,
}

/// News with its time, for programs.
#[derive(Serialize)]
struct Timed {
    at: Timestamp,
    #[serde(flatten)]
    news: News,
}

impl Screen {
    fn new(json: bool) -> Self {
        let status = (!json && output::watched()).then(ProgressBar::new_spinner);
        if let (Some(status), Ok(style)) = (&status, ProgressStyle::with_template("{msg}")) {
            status.set_style(style);
        }
        Self { json, status }
    }

    fn tell(&self, news: News) {
        let at = Timestamp::now();
        if self.json {
            return output::json(&Timed { at, news });
        }
        let line = format!("{DIM}{}{DIM:#}  {news}", at.strftime("%H:%M:%SZ"));
        match &self.status {
            Some(status) => status.suspend(|| output::line(line)),
            None => output::line(line),
        }
    }

    fn status(&self, text: impl FnOnce() -> String) {
        if let Some(status) = &self.status {
            status.set_message(text());
        }
    }
}
