//! The loader: one file from its arrival to the commit of its rows.

use std::time::{Duration, Instant};

use sluice_standin::deployment::{LOADER, WORKER};
use sluice_standin::faults::Latency;
use sluice_tests::Site;

use crate::Bench;
use crate::batch::{Calls, in_time, reports};
use crate::figures::{Run, Runs, median, mega, percentile, table, time};

const ARRIVALS: usize = 10;

/// Arrivals of one file each.
pub(crate) struct Arrival {
    warm: bool,
    latency: Latency,
    /// From the arrival to the commit.
    commits: Vec<Duration>,
    runs: Runs,
    /// Of one arrival.
    pub(crate) calls: Calls,
}

pub(crate) async fn measure(bench: &mut Bench) -> String {
    let mut arrivals = Vec::new();
    for warm in [false, true] {
        let site = bench.site("trigger = \"event\"", |deployment| {
            deployment.warm = warm;
            deployment.notify = vec!["incoming/numbers/".to_owned()];
        });
        let site = site.await;
        // The first load makes the ledger, by statements of its own, and the process that is warm afterwards.
        site.drop_file("numbers/first.csv", "1,one\n");
        in_time(site.outcomes(LOADER, 0, 1)).await;
        in_time(site.deployed.idle()).await;
        for latency in [Latency::None, Latency::Aws] {
            arrivals.push(arrivals_at(bench, &site, warm, latency).await);
        }
        site.stop().await;
    }
    for arrival in &arrivals {
        bench.used.note(LOADER, &arrival.runs, "an event of one file");
    }
    let text = page(&arrivals);
    bench.arrivals = arrivals;
    text
}

async fn arrivals_at(bench: &Bench, site: &Site, warm: bool, latency: Latency) -> Arrival {
    site.standin.faults().set_latency(latency);
    let (mark, reports) = (site.standin.journal().mark(), reports(site));
    let (mut commits, mut runs) = (Vec::new(), Runs::default());
    for number in 0..ARRIVALS {
        let (commit, run) = arrive(site, &format!("{latency:?}-{number}")).await;
        commits.push(commit);
        runs.0.push(run);
    }
    let calls = Calls::since(site, mark, &reports, ARRIVALS, &bench.template);
    site.standin.faults().set_latency(Latency::None);
    Arrival { warm, latency, commits, runs, calls }
}

/// Drops one file; how long its commit took, and the loader's invocation.
async fn arrive(site: &Site, name: &str) -> (Duration, Run) {
    let before = reports(site);
    let mut finished = site.standin.redshift().expect("a warehouse").finished();
    let dropped = Instant::now();
    site.drop_file(&format!("numbers/{name}.csv"), "1,one\n");
    in_time(finished.recv()).await.expect("the end of the load");
    let commit = dropped.elapsed();
    in_time(site.outcomes(LOADER, before[0], 1)).await;
    in_time(site.outcomes(WORKER, before[2], 1)).await;
    in_time(site.deployed.idle()).await;
    let report = &site.standin.lambda().reports(LOADER)[before[0]];
    assert_eq!(site.keys("incoming/"), Vec::<String>::new(), "{:?}", report.answer());
    (commit, Run::of(report))
}

impl Arrival {
    /// The one that requests are counted of: as most events are.
    pub(crate) fn is_usual(&self) -> bool {
        self.warm && self.latency == Latency::Aws
    }
}

fn page(arrivals: &[Arrival]) -> String {
    let row = |arrival: &Arrival| {
        vec![
            if arrival.warm { "warm" } else { "new" }.to_owned(),
            if arrival.latency == Latency::Aws { "of AWS" } else { "none" }.to_owned(),
            time(median(&arrival.commits)),
            time(percentile(&arrival.commits, 95)),
            time(arrival.runs.duration()),
            mega(arrival.runs.peak()),
        ]
    };
    let head = ["process", "latency", "arrival to commit, median", "95 %", "invocation", "memory"];
    format!(
        "## Loader\n\n`make bench ARGS=loader`. One file that arrives alone, {ARRIVALS} times: from its last byte in S3 \
         until its rows are committed, and the whole invocation, which moves the file after that. How long AWS takes to \
         deliver the event is not in it.\n\n{}",
        table(&head, &arrivals.iter().map(row).collect::<Vec<_>>())
    )
}
