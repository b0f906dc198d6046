//! Cold starts: a new process for each invocation, which finds nothing to do.

use serde_json::{Value, json};
use sluice_standin::deployment::{LISTER, LOADER};
use sluice_tests::BUCKET;

use crate::Bench;
use crate::figures::{FUNCTIONS, Run, Runs, at_share, median, mega, percentile, table, time};

const STARTS: usize = 20;

pub(crate) async fn measure(bench: &mut Bench) -> String {
    let site = bench.site("", |_| ()).await;
    let mut rows = Vec::new();
    for (name, function) in FUNCTIONS {
        let mut runs = Runs::default();
        // The first one reads the executable from the disk; Lambda's first one does, too, but nobody can tell how fast.
        site.answer(function, &nothing_to_do(function)).await;
        for _ in 0..STARTS {
            let report = site.deployed.invoke(function, &nothing_to_do(function)).await.expect("an invocation");
            assert!(report.cold_start);
            runs.0.push(Run::of(&report));
        }
        bench.used.note(function, &runs, "a cold start");
        let memory = bench.template.default(&format!("{name}Memory"));
        rows.push(vec![
            format!("`{}`", name.to_lowercase()),
            time(median(&runs.inits())),
            time(percentile(&runs.inits(), 95)),
            time(median(&runs.answers())),
            time(percentile(&runs.answers(), 95)),
            time(runs.processor()),
            format!("{} of {memory} MB", time(at_share(runs.processor(), memory))),
            mega(runs.peak()),
        ]);
    }
    site.stop().await;
    let head = [
        "function",
        "ready, median",
        "95 %",
        "first answer, median",
        "95 %",
        "processor time",
        "on the share",
        "memory",
    ];
    format!(
        "## Cold start\n\n`make bench ARGS=cold`. {STARTS} new processes of each function: from the start of the process \
         until it asks for its first event, and until it has answered that one, for which there is nothing to do. On \
         the share: the same processor time at the part of a processor that the template's memory gets.\n\n{}",
        table(&head, &rows)
    )
}

/// A tick without files, a claim that is gone, a file that is gone.
fn nothing_to_do(function: &str) -> Value {
    match function {
        LISTER => json!({}),
        LOADER => json!({"Records": [{
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {
                "bucket": {"name": BUCKET},
                "object": {"key": "incoming/numbers/gone.csv", "size": 6, "eTag": "0123456789abcdef0123456789abcdef"},
            },
        }]}),
        _ => json!({"claim": "sluice/claims/numbers/0.json"}),
    }
}
