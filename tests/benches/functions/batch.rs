//! The worker's load of one batch, small and large, and all requests that lead to it.

use std::collections::BTreeMap;
use std::time::Duration;

use sluice_standin::deployment::{LISTER, LOADER, WORKER};
use sluice_standin::faults::Latency;
use sluice_standin::journal::Mark;
use sluice_tests::Site;

use crate::Bench;
use crate::figures::{FUNCTIONS, Run, Runs, at_share, count, mega, ratio, table, time};
use crate::template::Template;

const SIZES: [usize; 3] = [1, 250, 1_000];
const LOADS: usize = 5;
const SLOW_LOADS: usize = 3;
const ROWS: usize = 20;

/// Loads of so many files each.
pub(crate) struct Batch {
    pub(crate) files: usize,
    fast: Runs,
    slow: Runs,
    /// Of one load, with its tick.
    pub(crate) calls: Calls,
}

/// What AWS would send a bill for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls {
    pub(crate) requests: BTreeMap<String, f64>,
    pub(crate) invocations: f64,
    pub(crate) gb_seconds: f64,
}

impl Calls {
    /// Everything since, divided by how often the same was done.
    pub(crate) fn since(site: &Site, mark: Mark, reports: &[usize; 3], times: usize, template: &Template) -> Self {
        let times = times as f64;
        let requests = site.standin.journal().counts(mark, "fn-");
        let mut calls = Self {
            requests: requests.into_iter().map(|(action, number)| (action, number as f64 / times)).collect(),
            ..Self::default()
        };
        for ((name, function), before) in FUNCTIONS.into_iter().zip(reports) {
            let memory = f64::from(template.default(&format!("{name}Memory")));
            for report in site.standin.lambda().reports(function).iter().skip(*before) {
                calls.invocations += 1.0 / times;
                calls.gb_seconds += report.duration.as_secs_f64() * memory / 1024.0 / times;
            }
        }
        calls
    }
}

pub(crate) async fn measure(bench: &mut Bench) -> String {
    let mut batches = Vec::new();
    for files in SIZES {
        batches.push(batch(bench, files).await);
    }
    for batch in &batches {
        let what = format!("a batch of {} files", count(batch.files));
        bench.used.note(WORKER, &batch.fast, &what);
        bench.used.note(WORKER, &batch.slow, &what);
    }
    let text = page(bench, &batches);
    bench.batches = batches;
    text
}

async fn batch(bench: &Bench, files: usize) -> Batch {
    let site = bench.site(&format!("max_files = 1000\nfiles_per_load = {files}"), |_| ()).await;
    // The first load makes the ledger.
    load(&site, 0, 1).await;
    let fast = loads(&site, files, Latency::None, 1..=LOADS).await;
    let (mark, reports) = (site.standin.journal().mark(), reports(&site));
    let slow = loads(&site, files, Latency::Aws, LOADS + 1..=LOADS + SLOW_LOADS).await;
    let calls = Calls::since(&site, mark, &reports, SLOW_LOADS, &bench.template);
    site.stop().await;
    Batch { files, fast, slow, calls }
}

pub(crate) fn reports(site: &Site) -> [usize; 3] {
    [LOADER, LISTER, WORKER].map(|function| site.standin.lambda().reports(function).len())
}

async fn loads(site: &Site, files: usize, latency: Latency, numbers: std::ops::RangeInclusive<usize>) -> Runs {
    site.standin.faults().set_latency(latency);
    let mut runs = Runs::default();
    for number in numbers {
        runs.0.push(load(site, number, files).await);
    }
    site.standin.faults().set_latency(Latency::None);
    runs
}

/// Drops a batch and ticks once; the invocation of the worker that loaded it.
pub(crate) async fn load(site: &Site, number: usize, files: usize) -> Run {
    for file in 0..files {
        let rows: Vec<_> = (0..ROWS).map(|row| format!("{row},file {file} of load {number}")).collect();
        site.drop_file(&format!("numbers/{number:04}/{file:06}.csv"), &rows.join("\n"));
    }
    let before = site.standin.lambda().reports(WORKER).len();
    site.tick(0).await;
    // One by the lister, one by the event of each statement's end; the first load has more than one statement.
    in_time(site.outcomes(WORKER, before, 2)).await;
    in_time(site.deployed.idle()).await;
    let outcomes = site.outcomes(WORKER, before, 0).await;
    let loaded = outcomes.iter().position(|outcome| outcome == "loaded");
    let loaded = loaded.unwrap_or_else(|| panic!("nothing was loaded: {outcomes:?}"));
    let report = &site.standin.lambda().reports(WORKER)[before + loaded];
    assert_eq!(report.answer().expect("an answer")["files_loaded"], files, "{outcomes:?}");
    assert_eq!(site.keys("incoming/"), Vec::<String>::new());
    Run::of(report)
}

/// Functions that are not of this version may never do what is waited for.
pub(crate) async fn in_time<T>(wanted: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), wanted).await.expect("the functions of this version: build them again")
}

fn page(bench: &Bench, batches: &[Batch]) -> String {
    let memory = bench.template.default("WorkerMemory");
    let row = |batch: &Batch| {
        let peak = |batch: &Batch| batch.fast.peak().max(batch.slow.peak());
        vec![
            count(batch.files),
            time(batch.fast.duration()),
            time(batch.slow.duration()),
            time(batch.slow.duration().div_f64(batch.files as f64)),
            time(batch.fast.processor()),
            time(at_share(batch.fast.processor(), memory)),
            mega(peak(batch)),
            ratio(peak(batch), peak(&batches[0])),
        ]
    };
    let head = [
        "files in the batch",
        "load",
        "load, latency of AWS",
        "… a file",
        "processor time",
        "on the share",
        "memory",
        "to one file",
    ];
    format!(
        "## Worker\n\n`make bench ARGS=worker`. One batch in a new process, from its claim to the archived files and the \
         deleted claim; {ROWS} rows a file; the median of {LOADS} loads, of {SLOW_LOADS} with latency; memory is the most \
         of all. The time of the COPY is PostgreSQL's here, and Redshift's is another. On the share: the processor time \
         at the part of a processor that {memory} MB get.\n\n{}",
        table(&head, &batches.iter().map(row).collect::<Vec<_>>())
    )
}
