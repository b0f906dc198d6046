//! What a file costs in requests, beside a function that issues one COPY for each file.

use std::path::PathBuf;
use std::time::Duration;

use sluice_standin::faults::Latency;
use sluice_tests::BUCKET;
use tokio::process::Command;

use crate::batch::Calls;
use crate::figures::{count, median, ratio, rounded, table, time};
use crate::{Bench, arrival, batch, root};

const BY_HAND_FILES: usize = 10;
/// Lambda's default, which is enough for boto3.
const BY_HAND_MB: f64 = 128.0;

/// Dollars for each request. Estimates: us-east-1, read on 2026-11-22 from pages that are not AWS's.
pub(crate) mod price {
    pub(super) const S3_WRITE: f64 = 0.005 / 1_000.0;
    pub(crate) const S3_READ: f64 = 0.0004 / 1_000.0;
    pub(super) const METRICS: f64 = 0.01 / 1_000.0;
    pub(super) const INVOCATION: f64 = 0.20 / 1_000_000.0;
    pub(crate) const GB_SECOND: f64 = 0.000_013_333_4;
}

/// One way to load, and what it takes for `files` files.
struct Way<'a> {
    name: String,
    files: usize,
    calls: &'a Calls,
}

pub(crate) async fn measure(bench: &mut Bench) -> String {
    if bench.batches.is_empty() {
        batch::measure(bench).await;
    }
    if bench.arrivals.is_empty() {
        arrival::measure(bench).await;
    }
    let (by_hand, seconds) = by_hand(bench).await;
    let arrival = bench.arrivals.iter().find(|arrival| arrival.is_usual()).expect("arrivals");
    let mut ways = vec![
        Way { name: "one COPY a file, by hand".to_owned(), files: 1, calls: &by_hand },
        Way { name: "Sluice, by event, one file".to_owned(), files: 1, calls: &arrival.calls },
    ];
    ways.extend(bench.batches.iter().map(|batch| {
        let name = format!("Sluice, by schedule, {} a load", count(batch.files));
        Way { name, files: batch.files, calls: &batch.calls }
    }));
    page(&ways, seconds)
}

/// Runs the script on some files; what one of them took.
async fn by_hand(bench: &Bench) -> (Calls, Duration) {
    let site = bench.site("", |_| ()).await;
    site.standin.faults().set_latency(Latency::Aws);
    let keys: Vec<String> = (0..BY_HAND_FILES).map(|number| format!("incoming/numbers/{number}.csv")).collect();
    for key in &keys {
        site.standin.storage().put(BUCKET, key, "1,one\n").expect("a put");
    }
    let mark = site.standin.journal().mark();
    let script = root().join("tests/benches/one_copy_a_file.py");
    let mut command = Command::new(python());
    command.arg(script).args([BUCKET, "public.numbers"]).args(&keys).env("ENDPOINT", site.standin.endpoint());
    let output = command.output().await.expect("Python with boto3: `make setup`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("numbers");
    let times: Vec<_> = text.lines().map(|line| Duration::from_secs_f64(line.parse().expect("seconds"))).collect();
    assert_eq!(site.ids("numbers").await.len(), BY_HAND_FILES);
    let requests = site.standin.journal().counts(mark, "by-hand").into_iter();
    let requests = requests.map(|(action, number)| (action, number as f64 / BY_HAND_FILES as f64)).collect();
    let gb_seconds = times.iter().sum::<Duration>().as_secs_f64() / BY_HAND_FILES as f64 * BY_HAND_MB / 1024.0;
    site.stop().await;
    (Calls { requests, invocations: 1.0, gb_seconds }, median(&times))
}

fn python() -> PathBuf {
    let folder = std::env::var_os("SLUICE_TEST_TOOLS").map_or_else(|| root().join(".tools/venv/bin"), PathBuf::from);
    folder.join("python")
}

impl Way<'_> {
    /// Requests for a thousand files whose action begins or ends so.
    fn requests(&self, matches: impl Fn(&str) -> bool) -> f64 {
        let requests = self.calls.requests.iter().filter(|(action, _)| matches(action));
        requests.map(|(_, number)| number).sum::<f64>() * self.scale()
    }

    fn scale(&self) -> f64 {
        1000.0 / self.files as f64
    }

    fn all(&self) -> f64 {
        // The Runtime API is no service, and an invocation by an event no request of anybody.
        self.requests(|action| !action.starts_with("runtime:"))
    }

    fn dollars_of_requests(&self) -> f64 {
        self.requests(is_write) * price::S3_WRITE
            + self.requests(is_read) * price::S3_READ
            + self.requests(|action| action.starts_with("monitoring:")) * price::METRICS
    }

    fn dollars_of_lambda(&self) -> f64 {
        (self.calls.invocations * price::INVOCATION + self.calls.gb_seconds * price::GB_SECOND) * self.scale()
    }

    fn dollars(&self) -> f64 {
        self.dollars_of_requests() + self.dollars_of_lambda()
    }

    /// Transactions that load, which is what a warehouse feels.
    fn loads(&self) -> f64 {
        self.requests(|action| matches!(action, "redshift-data:BatchExecuteStatement"))
            + self.requests(|action| matches!(action, "redshift-data:ExecuteStatement"))
    }

    fn row(&self, by_hand: &Self) -> Vec<String> {
        vec![
            self.name.clone(),
            rounded(self.requests(is_write)),
            rounded(self.requests(is_read)),
            rounded(self.requests(is_free)),
            rounded(self.requests(|action| action.starts_with("redshift-data:"))),
            rounded(self.requests(|action| action.starts_with("lambda:"))),
            rounded(self.requests(|action| action.starts_with("monitoring:"))),
            rounded(self.calls.invocations * self.scale()),
            rounded(self.loads()),
            ratio(self.all(), by_hand.all()),
        ]
    }

    fn bill(&self, by_hand: &Self) -> Vec<String> {
        vec![
            self.name.clone(),
            format!("{:.4}", self.dollars_of_requests()),
            format!("{:.4}", self.dollars_of_lambda()),
            format!("{:.4}", self.dollars()),
            ratio(self.dollars(), by_hand.dollars()),
            ratio(self.loads(), by_hand.loads()),
        ]
    }
}

fn is_write(action: &str) -> bool {
    action.starts_with("s3:") && !is_read(action) && !is_free(action)
}

fn is_read(action: &str) -> bool {
    action.starts_with("s3:Get") || action.starts_with("s3:Head")
}

/// `DeleteObjects` is a POST, and taken for one that is billed.
fn is_free(action: &str) -> bool {
    action == "s3:DeleteObject"
}

fn page(ways: &[Way<'_>], by_hand: Duration) -> String {
    let rows: Vec<_> = ways.iter().map(|way| way.row(&ways[0])).collect();
    let bills: Vec<_> = ways.iter().map(|way| way.bill(&ways[0])).collect();
    let head = [
        "for 1,000 files",
        "S3 PUT, COPY, POST, LIST",
        "S3 GET, HEAD",
        "S3 DELETE",
        "Data API",
        "Lambda Invoke",
        "PutMetricData",
        "invocations",
        "loading transactions",
        "requests to by hand",
    ];
    let bill = ["for 1,000 files", "requests", "Lambda", "together", "to by hand", "loads to by hand"];
    format!(
        "## Requests, and what they cost\n\n`make bench ARGS=requests`. Counted in the stand-in's journal under its \
         latency profile `Aws`, for one load with its tick, and scaled to 1,000 files. A tick that finds nothing costs \
         what the section about the lister says, by the minute and not by the file.\n\nBy hand is \
         `tests/benches/one_copy_a_file.py`, really run on {BY_HAND_FILES} files: a function of a few lines of boto3 that \
         each file's event invokes, and that waits for its COPY ({} a file). It has no ledger, no retry, no limit and no \
         measures.\n\n{}\nIn dollars, by list prices of us-east-1 that were read on 2026-11-22 from pages that are not \
         AWS's, so estimates: S3 {:.4} a thousand PUT, COPY, POST (`DeleteObjects` is taken for one) or LIST and {:.4} a thousand GET or HEAD; PutMetricData {:.2} \
         a thousand; Lambda {:.2} a million invocations and {:.10} a GB-second (arm64), with the template's memory, by hand \
         {BY_HAND_MB} MB, by the times measured under that profile, without starts of processes. Not counted: \
         requests to the Data API and events of EventBridge, for which we know no price, the monthly price of metrics, \
         and the warehouse, which is billed by the time that it loads: see the loads.\n\n{}",
        time(by_hand),
        table(&head, &rows),
        price::S3_WRITE * 1_000.0,
        price::S3_READ * 1_000.0,
        price::METRICS * 1_000.0,
        price::INVOCATION * 1_000_000.0,
        price::GB_SECOND,
        table(&bill, &bills),
    )
}
