//! The page: what was measured how, what the template gives, and the parts.

use crate::Bench;
use crate::figures::{FUNCTIONS, at_share, mega, ratio, table, time};

impl Bench {
    pub(crate) fn page(&self, parts: &[String]) -> String {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        format!(
            "# Benchmarks\n\nWritten by `make bench`, in one run; no figure is typed by hand. The release binaries of the \
             functions of Sluice {} ran as Lambda runs them, in the stand-in, on a machine with {cores} cores and Linux \
             ({}), which had a load average of {} in the minute before. Times depend on the machine; ratios, requests and \
             memory hardly do.\n\n\
             What these figures are not: nothing here was measured on AWS. Where it says \"latency of AWS\", the stand-in \
             lets each request take about as long as AWS's documentation and others' measurements let one expect, which \
             is an estimate (`crates/standin/src/faults/latency.rs`). Memory is the most that the process had resident, \
             as Linux counts it; Lambda counts the runtime's surroundings, too, and reports some MB more. MB are Lambda's: \
             1,048,576 bytes.\n\n{}\n{}",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::ARCH,
            self.load_average,
            self.given(),
            parts.join("\n"),
        )
    }

    /// What the template gives beside what is used.
    fn given(&self) -> String {
        let rows: Vec<_> = FUNCTIONS.iter().flat_map(|(name, function)| self.given_to(name, function)).collect();
        format!(
            "## What the template gives\n\nThe most that any part below has used, beside the default of `template.yaml`. \
             On the share: at so many MB Lambda gives a part of a processor only (a whole one at 1,769 MB), so the \
             processor time is stretched by that; the longer of the two is what the timeout has to allow.\n\n{}",
            table(&["parameter", "default", "used at most", "part of the default", "by"], &rows)
        )
    }

    fn given_to(&self, name: &str, function: &str) -> Vec<Vec<String>> {
        let most = self.used.most(function);
        let (memory, timeout) = (format!("{name}Memory"), format!("{name}Timeout"));
        let (megabytes, seconds) = (self.template.default(&memory), self.template.default(&timeout));
        let (longest, on_the_share) = (most.duration.0, at_share(most.processor.0, megabytes));
        let part = |used: f64, given: u32| ratio(used, f64::from(given));
        vec![
            vec![
                format!("`{memory}`"),
                format!("{megabytes} MB"),
                mega(most.peak.0),
                part(most.peak.0, megabytes),
                most.peak.1,
            ],
            vec![
                format!("`{timeout}`"),
                format!("{seconds} s"),
                time(longest),
                part(longest.as_secs_f64(), seconds),
                most.duration.1,
            ],
            vec![
                "… on the share".to_owned(),
                format!("{seconds} s"),
                time(on_the_share),
                part(on_the_share.as_secs_f64(), seconds),
                most.processor.1,
            ],
        ]
    }
}
