//! What the look at heads costs: the same loads with and without it, by turns.

use sluice_standin::faults::Latency;
use sluice_tests::Site;

use crate::Bench;
use crate::batch::{self, Calls};
use crate::figures::{Runs, count, ratio, rounded, table, time};
use crate::requests::price;

const FILES: usize = 1_000;
const LOADS: usize = 7;

/// Loads of one kind, and what one of them asked for.
struct Kind {
    site: Site,
    runs: Runs,
    calls: Calls,
}

pub(crate) async fn measure(bench: &Bench) -> String {
    let mut kinds = [kind(bench, "").await, kind(bench, "inspect = false").await];
    let marks = kinds.each_ref().map(|kind| (kind.site.standin.journal().mark(), batch::reports(&kind.site)));
    for number in 1..=LOADS {
        for kind in &mut kinds {
            kind.runs.0.push(batch::load(&kind.site, number, FILES).await);
        }
    }
    for (kind, (mark, reports)) in kinds.iter_mut().zip(marks) {
        kind.calls = Calls::since(&kind.site, mark, &reports, LOADS, &bench.template);
    }
    let page = page(&kinds);
    for kind in kinds {
        kind.site.stop().await;
    }
    page
}

async fn kind(bench: &Bench, setting: &str) -> Kind {
    let site = bench.site(&format!("max_files = {FILES}\nfiles_per_load = {FILES}\n{setting}"), |_| ()).await;
    // The first load makes the ledger.
    batch::load(&site, 0, 1).await;
    site.standin.faults().set_latency(Latency::Aws);
    Kind { site, runs: Runs::default(), calls: Calls::default() }
}

fn page([with, without]: &[Kind; 2]) -> String {
    let million = 1_000_000.0 / FILES as f64;
    let reads = |kind: &Kind| kind.calls.requests.get("s3:GetObject").copied().unwrap_or_default();
    let row = |name: &str, kind: &Kind| {
        vec![
            name.to_owned(),
            time(kind.runs.duration()),
            ratio(kind.runs.duration().as_secs_f64(), without.runs.duration().as_secs_f64()),
            rounded(reads(kind) * million),
            format!("{:.2}", reads(kind) * million * price::S3_READ),
            format!("{:.2}", kind.calls.gb_seconds * million * price::GB_SECOND),
        ]
    };
    let head = [
        "batches of 1,000 files",
        "load, latency of AWS",
        "to without",
        "GETs for 1,000,000 files",
        "dollars for them",
        "dollars for Lambda",
    ];
    format!(
        "## Inspection\n\n`make bench ARGS=inspect`. A load of {} files with the look at their heads and without it, by turns, \
         each in a new process; the median of {LOADS}. The time of the COPY is PostgreSQL's here: Redshift takes longer, and \
         the look is a smaller part of it. Prices as below.\n\n{}",
        count(FILES),
        table(&head, &[row("`inspect = true`", with), row("`inspect = false`", without)])
    )
}
