//! EventBridge: delivers other services' events to the functions that the template's rules name.
//!
//! Delivers each event once, unless a test asks for more or for none: AWS calls these events "best effort". Never looks
//! at what a function does with an event.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::lambda::{ACCOUNT, Lambda};
use crate::redshift::Finished;
use crate::s3::ObjectCreated;

/// How often each event of a finished statement is delivered. Clones share the setting.
#[derive(Clone, Debug)]
pub struct EventBridge {
    times: Arc<AtomicUsize>,
}

impl Default for EventBridge {
    fn default() -> Self {
        Self { times: Arc::new(AtomicUsize::new(1)) }
    }
}

impl EventBridge {
    /// From now on delivers each event of a finished statement this many times: 0 loses it, 2 repeats it.
    pub fn deliver_times(&self, times: usize) {
        self.times.store(times, Ordering::SeqCst);
    }

    /// A rule: sends the end of each statement whose name begins with `prefix` to `function`, until the warehouse is
    /// gone.
    pub(crate) fn follow(
        &self,
        mut finished: broadcast::Receiver<Finished>,
        prefix: String,
        lambda: Lambda,
        function: &'static str,
        region: String,
    ) {
        let bridge = self.clone();
        tokio::spawn(async move {
            loop {
                match finished.recv().await {
                    Ok(end) if end.name.as_deref().is_some_and(|name| name.starts_with(&prefix)) => {
                        bridge.deliver(&lambda, function, &statement_end(&end, &region));
                    }
                    // Another caller's statement, or too many events at once. Polling finds what is lost here.
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        });
    }

    fn deliver(&self, lambda: &Lambda, function: &str, event: &Value) {
        for _ in 0..self.times.load(Ordering::SeqCst) {
            if let Err(error) = lambda.deliver(function, event.to_string()) {
                tracing::debug!(%error, function, "an event found no function");
            }
        }
    }
}

/// The end of a statement.
/// Source: Amazon Redshift Management Guide, "Monitoring events for the Amazon Redshift Data API".
fn statement_end(end: &Finished, region: &str) -> Value {
    let detail = json!({
        "principal": format!("arn:aws:sts::{ACCOUNT}:assumed-role/sluice-load/sluice"),
        "statementName": end.name,
        "statementId": end.id,
        "redshiftQueryId": -1,
        "state": end.state,
        "rows": end.rows,
        "expireAt": Timestamp::now().as_second() + 24 * 60 * 60,
    });
    event("aws.redshift-data", "Redshift Data Statement Status Change", region, &detail)
}

/// A new object. The key is not encoded: `EventBridge` does not encode it.
/// Source: Amazon S3 User Guide, "EventBridge event message structure".
pub(crate) fn object_created(created: &ObjectCreated, region: &str) -> Value {
    let detail = json!({
        "version": "0",
        "bucket": {"name": created.bucket},
        "object": {
            "key": created.key, "size": created.size, "etag": created.etag, "sequencer": created.sequencer,
        },
        "request-id": created.sequencer,
        "requester": ACCOUNT,
        "source-ip-address": "127.0.0.1",
        "reason": created.reason(),
    });
    event("aws.s3", "Object Created", region, &detail)
}

fn event(source: &str, kind: &str, region: &str, detail: &Value) -> Value {
    json!({
        "version": "0",
        "id": uuid::Uuid::new_v4().to_string(),
        "detail-type": kind,
        "source": source,
        "account": ACCOUNT,
        "time": format!("{:.0}", Timestamp::now()),
        "region": region,
        "resources": [],
        "detail": detail,
    })
}
