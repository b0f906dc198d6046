//! Statistics of a few measurements, and how figures are written. Measures nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sluice_standin::deployment::{LISTER, LOADER, WORKER};
use sluice_standin::lambda::Report;

/// Lambda's MB.
const MB: f64 = 1_048_576.0;
/// At so many MB a function has one whole processor, below that a share. Source: AWS Lambda Developer Guide,
/// "Configure Lambda function memory".
pub(crate) const MB_OF_A_PROCESSOR: f64 = 1769.0;

/// The function's names in the template.
pub(crate) const FUNCTIONS: [(&str, &str); 3] = [("Loader", LOADER), ("Lister", LISTER), ("Worker", WORKER)];

/// One invocation.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Run {
    /// From the start of its process to its first event.
    pub(crate) init: Duration,
    pub(crate) duration: Duration,
    pub(crate) peak: f64,
    pub(crate) processor: Duration,
}

impl Run {
    pub(crate) fn of(report: &Arc<Report>) -> Self {
        assert!(report.result.is_ok(), "{}: {:?}", report.function, report.result);
        let usage = report.usage.expect("Linux, and a process that is alive");
        Self {
            init: report.init.unwrap_or_default(),
            duration: report.duration,
            peak: usage.peak_memory as f64 / MB,
            processor: usage.processor,
        }
    }
}

/// The same invocation several times.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs(pub(crate) Vec<Run>);

impl Runs {
    pub(crate) fn inits(&self) -> Vec<Duration> {
        self.0.iter().map(|run| run.init).collect()
    }

    /// From the start of the process to its answer.
    pub(crate) fn answers(&self) -> Vec<Duration> {
        self.0.iter().map(|run| run.init + run.duration).collect()
    }

    pub(crate) fn duration(&self) -> Duration {
        median(&self.0.iter().map(|run| run.duration).collect::<Vec<_>>())
    }

    pub(crate) fn longest(&self) -> Duration {
        self.0.iter().map(|run| run.duration).max().unwrap_or_default()
    }

    pub(crate) fn peak(&self) -> f64 {
        self.0.iter().map(|run| run.peak).fold(0.0, f64::max)
    }

    pub(crate) fn processor(&self) -> Duration {
        median(&self.0.iter().map(|run| run.processor).collect::<Vec<_>>())
    }
}

/// The most that each function has used in any of the parts, and when.
#[derive(Debug, Default)]
pub(crate) struct Used(BTreeMap<&'static str, Most>);

#[derive(Clone, Debug, Default)]
pub(crate) struct Most {
    pub(crate) peak: (f64, String),
    pub(crate) duration: (Duration, String),
    pub(crate) processor: (Duration, String),
}

impl Used {
    pub(crate) fn note(&mut self, function: &'static str, runs: &Runs, what: &str) {
        let most = self.0.entry(function).or_default();
        if runs.peak() > most.peak.0 {
            most.peak = (runs.peak(), what.to_owned());
        }
        if runs.longest() > most.duration.0 {
            most.duration = (runs.longest(), what.to_owned());
        }
        if runs.processor() > most.processor.0 {
            most.processor = (runs.processor(), what.to_owned());
        }
    }

    pub(crate) fn most(&self, function: &str) -> Most {
        self.0.get(function).cloned().unwrap_or_default()
    }
}

pub(crate) fn median(durations: &[Duration]) -> Duration {
    percentile(durations, 50)
}

/// The smallest that is not exceeded by `percent` of them.
pub(crate) fn percentile(durations: &[Duration], percent: usize) -> Duration {
    let mut sorted = durations.to_vec();
    sorted.sort();
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

pub(crate) fn time(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    match ms {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1000.0),
    }
}

pub(crate) fn mega(mb: f64) -> String {
    format!("{mb:.1} MB")
}

pub(crate) fn bytes(bytes: u64) -> String {
    mega(bytes as f64 / MB)
}

/// A number with its thousands apart.
pub(crate) fn count(number: usize) -> String {
    grouped(&number.to_string())
}

/// The same, of a number that may have a fraction, which is not shown.
pub(crate) fn rounded(number: f64) -> String {
    // An empty sum is minus zero.
    grouped(&format!("{:.0}", number + 0.0))
}

fn grouped(digits: &str) -> String {
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

pub(crate) fn ratio(part: f64, whole: f64) -> String {
    match part / whole {
        ratio if ratio < 10.0 => format!("{ratio:.2}"),
        ratio => format!("{ratio:.0}"),
    }
}

/// Processor time, on the share of a processor that so much memory gets.
pub(crate) fn at_share(processor: Duration, memory: u32) -> Duration {
    processor.mul_f64((MB_OF_A_PROCESSOR / f64::from(memory)).max(1.0))
}

/// Of the last minute.
pub(crate) fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("unknown").to_owned()
}

/// A table.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    let rule = format!("|{}\n", "---|".repeat(head.len()));
    let rows = rows.iter().map(|row| line(row));
    [line(&head), rule].into_iter().chain(rows).collect()
}
