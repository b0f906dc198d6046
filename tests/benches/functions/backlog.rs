//! The lister's tick, with more and more files waiting.
//!
//! Workers are sent and never begin: their work would be measured, too.

use std::collections::BTreeMap;

use sluice_standin::deployment::{Deployed, Deployment, LISTER};
use sluice_standin::faults::Latency;
use sluice_standin::{Options, StandIn};
use sluice_tests::BUCKET;

use crate::Bench;
use crate::figures::{Run, Runs, at_share, count, mega, ratio, table, time};

const BACKLOGS: [usize; 4] = [0, 1_000, 10_000, 100_000];
const TICKS: usize = 5;
/// A tick under latency takes longer, and always as long.
const SLOW_TICKS: usize = 3;

struct Tick {
    waiting: usize,
    fast: Runs,
    slow: Runs,
    requests: BTreeMap<String, usize>,
}

pub(crate) async fn measure(bench: &mut Bench) -> String {
    let mut ticks = Vec::new();
    for waiting in BACKLOGS {
        eprintln!("  {waiting} files");
        ticks.push(tick(bench, waiting, "").await);
    }
    let largest = BACKLOGS[BACKLOGS.len() - 1];
    let widest = tick(bench, largest, &format!("max_files = {largest}")).await;
    for (at, what) in ticks.iter().map(|at| (at, "by default")).chain([(&widest, "the largest `max_files`")]) {
        let what = format!("{} files waiting, {what}", count(at.waiting));
        bench.used.note(LISTER, &at.fast, &what);
        bench.used.note(LISTER, &at.slow, &what);
    }
    page(bench, &ticks, &widest)
}

async fn tick(bench: &Bench, waiting: usize, settings: &str) -> Tick {
    let (standin, deployed) = site(bench, settings).await;
    for number in 0..waiting {
        let key = format!("incoming/numbers/2026/11/22/part-{number:08}.csv");
        standin.storage().put(BUCKET, &key, "1,one\n").expect("a put");
    }
    let fast = tick_at(&standin, &deployed, Latency::None, TICKS, waiting).await;
    let mark = standin.journal().mark();
    let slow = tick_at(&standin, &deployed, Latency::Aws, SLOW_TICKS, waiting).await;
    let mut requests = standin.journal().counts(mark, &format!("fn-{LISTER}-"));
    for number in requests.values_mut() {
        *number /= SLOW_TICKS;
    }
    standin.shutdown().await;
    Tick { waiting, fast, slow, requests }
}

async fn site(bench: &Bench, settings: &str) -> (StandIn, Deployed) {
    let standin = StandIn::start(Options::default()).await.expect("a stand-in");
    let config = format!("[bucket]\nname = \"{BUCKET}\"\n{}", sluice_tests::numbers(settings));
    let mut deployment = Deployment::new(BUCKET, config, &bench.functions);
    deployment.warm = false;
    deployment.concurrency = 0;
    let deployed = standin.deploy(&deployment).unwrap_or_else(|error| panic!("{error}"));
    (standin, deployed)
}

/// Ticks that all find the same: no claim of the one before.
async fn tick_at(standin: &StandIn, deployed: &Deployed, latency: Latency, ticks: usize, waiting: usize) -> Runs {
    standin.faults().set_latency(latency);
    let mut runs = Runs::default();
    for _ in 0..ticks {
        let report = deployed.tick().await.expect("an invocation");
        let run = Run::of(&report);
        let answer = report.answer().expect("an answer");
        assert_eq!(answer["feeds"][0]["listed"], waiting, "{answer}");
        runs.0.push(run);
        for claim in standin.storage().keys_under(BUCKET, "sluice/claims/").expect("a bucket") {
            standin.storage().remove(BUCKET, &claim).expect("a claim");
        }
    }
    runs
}

fn page(bench: &Bench, ticks: &[Tick], widest: &Tick) -> String {
    let memory = bench.template.default("ListerMemory");
    let row = |name: String, tick: &Tick| {
        vec![
            name,
            time(tick.fast.duration()),
            time(tick.slow.duration()),
            time(tick.fast.processor()),
            time(at_share(tick.fast.processor(), memory)),
            mega(tick.fast.peak().max(tick.slow.peak())),
            ratio(tick.fast.peak().max(tick.slow.peak()), ticks[0].fast.peak().max(ticks[0].slow.peak())),
            count(tick.requests.values().sum()),
        ]
    };
    let mut rows: Vec<_> = ticks.iter().map(|tick| row(count(tick.waiting), tick)).collect();
    rows.push(row(format!("{}, `max_files` = as many", count(widest.waiting)), widest));
    let head = [
        "files waiting",
        "tick",
        "tick, latency of AWS",
        "processor time",
        "on the share",
        "memory",
        "to none waiting",
        "requests",
    ];
    let idle: Vec<_> = ticks[0].requests.iter().map(|(action, number)| format!("{number} `{action}`")).collect();
    let ends = (&ticks[1], &ticks[ticks.len() - 1]);
    format!(
        "## Lister\n\n`make bench ARGS=lister`. One tick in a new process, which takes up to 1,000 files (`max_files` by \
         default) in batches of 250 and sends workers; the median of {TICKS} ticks, of {SLOW_TICKS} with latency; memory \
         is the most of all. On the share: the processor time at the part of a processor that {memory} MB get, which is \
         the least that a tick takes there.\n\n{}\nFrom {} to {} files waiting, {} times as many, the memory is {} times \
         as much. An idle tick makes {} requests, none to the warehouse: {}.\n",
        table(&head, &rows),
        count(ends.0.waiting),
        count(ends.1.waiting),
        count(ends.1.waiting / ends.0.waiting),
        ratio(ends.1.fast.peak(), ends.0.fast.peak()),
        ticks[0].requests.values().sum::<usize>(),
        idle.join(", "),
    )
}
