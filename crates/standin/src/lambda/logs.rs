//! What the processes print: kept for a while.
//!
//! Never blocks a process.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    sync::watch,
};

/// Lines kept per function; the oldest are dropped first.
const KEPT: usize = 10_000;

/// Where a line was printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line that a function printed.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// When it was read.
    pub at: Timestamp,
    /// The function's name.
    pub function: String,
    /// The instance that printed it.
    pub instance: String,
    /// The invocation that the instance was serving, or its last one.
    pub request_id: Option<String>,
    /// Where it was printed.
    pub stream: Stream,
    /// The line without its line ending.
    pub text: String,
    /// The line as JSON, if it is an object.
    pub json: Option<Value>,
}

/// The lines of all functions.
#[derive(Debug)]
pub(super) struct Logs {
    kept: Mutex<BTreeMap<String, VecDeque<Arc<LogLine>>>>,
    /// Changes with each line.
    news: watch::Sender<()>,
}

/// The origin of a pipe's lines.
#[derive(Clone, Debug)]
pub(super) struct Printer {
    pub(super) function: String,
    pub(super) instance: String,
    pub(super) request_id: Arc<Mutex<Option<String>>>,
}

impl Logs {
    pub(super) fn new() -> Self {
        Self { kept: Mutex::default(), news: watch::Sender::new(()) }
    }

    /// Reads a pipe to its end.
    pub(super) async fn read(self: Arc<Self>, pipe: impl AsyncRead + Unpin, stream: Stream, printer: Printer) {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
            self.keep(text, stream, &printer);
            line.clear();
        }
    }

    /// The lines of one function that are still kept, oldest first.
    pub(super) fn of(&self, function: &str) -> Vec<Arc<LogLine>> {
        self.kept().get(function).map(|lines| lines.iter().cloned().collect()).unwrap_or_default()
    }

    /// The first kept line of `function` that fits; waits if there is none yet.
    pub(super) async fn find(&self, function: &str, fits: impl Fn(&LogLine) -> bool) -> Arc<LogLine> {
        let mut news = self.news.subscribe();
        loop {
            if let Some(line) = self.of(function).into_iter().find(|line| fits(line)) {
                return line;
            }
            // The sender is in `self`, so this cannot fail.
            let _ = news.changed().await;
        }
    }

    fn keep(&self, text: String, stream: Stream, printer: &Printer) {
        tracing::debug!(target: "sluice_standin::function", function = printer.function, instance = printer.instance, "{text}");
        let json = serde_json::from_str(&text).ok().filter(Value::is_object);
        let request_id = printer.request_id.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (function, instance) = (printer.function.clone(), printer.instance.clone());
        let line = Arc::new(LogLine { at: Timestamp::now(), function, instance, request_id, stream, text, json });
        {
            let mut kept = self.kept();
            let lines = kept.entry(line.function.clone()).or_default();
            if lines.len() == KEPT {
                lines.pop_front();
            }
            lines.push_back(line);
        }
        self.news.send_replace(());
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, VecDeque<Arc<LogLine>>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printer() -> Printer {
        Printer { function: "worker".to_owned(), instance: "1".to_owned(), request_id: Arc::default() }
    }

    #[tokio::test]
    async fn lines_are_kept_in_order_and_json_objects_are_read() {
        let logs = Arc::new(Logs::new());
        let printed: &[u8] = b"plain\n{\"level\":\"INFO\"}\r\n\"a string\"\nno end \xff";
        Arc::clone(&logs).read(printed, Stream::Stdout, printer()).await;
        let lines = logs.of("worker");
        let texts: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["plain", "{\"level\":\"INFO\"}", "\"a string\"", "no end \u{fffd}"]);
        let json: Vec<_> = lines.iter().map(|line| line.json.is_some()).collect();
        assert_eq!(json, [false, true, false, false]);
    }

    #[tokio::test]
    async fn the_oldest_lines_go_first() {
        let logs = Arc::new(Logs::new());
        let printed: Vec<_> = (0..=KEPT).map(|number| number.to_string()).collect();
        let printed = printed.join("\n");
        Arc::clone(&logs).read(printed.as_bytes(), Stream::Stderr, printer()).await;
        let lines = logs.of("worker");
        assert_eq!((lines.len(), lines[0].text.as_str()), (KEPT, "1"));
    }
}
