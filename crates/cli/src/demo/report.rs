//! The report at the end of a demo: what was loaded, how fast, with which requests, and whether it is right.
//!
//! The same for people and for programs. Never computes a total.

use std::collections::BTreeMap;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use sluice_core::config::Feed;

use super::checks::Check;
use super::observe::Loaded;
use super::run::Backlog;
use super::source::Source;
use crate::output::{self, BLUE, BOLD, DIM, Foreign, GREEN, RED, say, thousands};

/// The width of the longest bar of the backlog, in characters.
const WIDTH: u64 = 40;

/// The eighths of a character that a bar can end in.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// The whole report.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Whether all checks passed.
    pub(crate) ok: bool,
    /// The time from the first upload to the last tick.
    pub(crate) seconds: f64,
    /// Each feed, in the order of the configuration.
    pub(crate) feeds: Vec<FeedReport>,
    /// How many files were waiting after the upload and after each tick.
    pub(crate) backlog: Vec<Backlog>,
    /// How often each function was invoked.
    pub(crate) invocations: BTreeMap<String, u64>,
    /// The functions' requests to the services, the most frequent first.
    pub(crate) requests: Vec<Requests>,
    pub(crate) checks: Vec<Check>,
}

/// The result of one feed.
#[derive(Debug, Serialize)]
pub(crate) struct FeedReport {
    feed: String,
    files: u64,
    rows: u64,
    bytes: u64,
    arrival_to_commit_seconds: Spread,
    copies: u64,
    quarantined: u64,
}

/// Percentiles of durations, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    p50: f64,
    p99: f64,
}

/// How often one operation was requested.
#[derive(Debug, Serialize)]
pub(crate) struct Requests {
    action: String,
    count: u64,
    per_file: f64,
}

impl FeedReport {
    pub(crate) fn new(
        feed: &Feed,
        sources: &[Source],
        arrived: &BTreeMap<String, Duration>,
        loaded: &Loaded,
        quarantined: u64,
    ) -> Self {
        let took = |(key, ended): (&String, &Duration)| Some(ended.saturating_sub(*arrived.get(key)?));
        Self {
            feed: feed.name.to_string(),
            files: loaded.ledger.len() as u64,
            rows: loaded.totals.rows,
            bytes: sources.iter().map(|source| source.body.len() as u64).sum(),
            arrival_to_commit_seconds: Spread::of(loaded.ended.iter().filter_map(took).collect()),
            copies: loaded.copies,
            quarantined,
        }
    }
}

impl Spread {
    /// The spread of these durations; zero if there are none.
    fn of(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        // The nearest rank: the smallest duration that at least `per_cent` per cent do not exceed.
        let rank = |per_cent: usize| (durations.len() * per_cent).div_ceil(100).max(1) - 1;
        let at = |per_cent| durations.get(rank(per_cent)).copied().unwrap_or_default().as_secs_f64();
        Self { p50: at(50), p99: at(99) }
    }
}

impl Requests {
    /// Makes them from the counts by action, for so many files.
    pub(crate) fn of(counts: BTreeMap<String, usize>, files: u64) -> Vec<Self> {
        let mut requests: Vec<Self> = counts
            .into_iter()
            // A function gets its events from the Runtime API, which is inside Lambda and free.
            .filter(|(action, _)| !action.starts_with("runtime:"))
            .map(|(action, count)| Self { action, count: count as u64, per_file: ratio(count as u64, files) })
            .collect();
        requests.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.action.cmp(&b.action)));
        requests
    }
}

#[allow(clippy::cast_precision_loss)] // Counts of a demo.
fn ratio(number: u64, of: u64) -> f64 {
    number as f64 / of.max(1) as f64
}

impl Report {
    /// Prints it for a person.
    pub(crate) fn print(&self) {
        self.print_feeds();
        self.print_requests();
        self.print_backlog();
        self.print_checks();
    }

    fn print_feeds(&self) {
        heading("Loaded");
        let mut table =
            table(["feed", "files", "rows", "bytes", "arrival to commit p50", "p99", "COPYs", "quarantined"]);
        for feed in &self.feeds {
            table.add_row([
                feed.feed.clone(),
                thousands(feed.files),
                thousands(feed.rows),
                output::bytes(feed.bytes),
                seconds(feed.arrival_to_commit_seconds.p50),
                seconds(feed.arrival_to_commit_seconds.p99),
                thousands(feed.copies),
                thousands(feed.quarantined),
            ]);
        }
        print(&table);
    }

    fn print_requests(&self) {
        heading("Requests of the functions");
        let mut table = table(["operation", "in all", "per file"]);
        for Requests { action, count, per_file } in &self.requests {
            table.add_row([action.clone(), thousands(count), format!("{per_file:.2}")]);
        }
        print(&table);
        let invocations: Vec<String> =
            self.invocations.iter().map(|(function, count)| format!("{function} {count}")).collect();
        say!("  {DIM}invocations: {}{DIM:#}", invocations.join(", "));
    }

    fn print_backlog(&self) {
        heading("Waiting, after the upload and after each tick");
        for feed in &self.feeds {
            let waiting = |backlog: &Backlog| backlog.waiting.get(&feed.feed).copied().unwrap_or_default();
            let most = self.backlog.iter().map(waiting).max().unwrap_or_default();
            // The ticks after the one that left nothing waiting are of no interest.
            let drained = self.backlog.iter().rposition(|backlog| waiting(backlog) > 0).map_or(1, |last| last + 2);
            for (at, backlog) in self.backlog.iter().take(drained).enumerate() {
                let name = if at == 0 { feed.feed.as_str() } else { "" };
                let (after, number) = (&backlog.after, waiting(backlog));
                let bar = bar(number, most);
                let bar = if bar.is_empty() { bar } else { format!("{BLUE}{bar}{BLUE:#} ") };
                say!("  {name:<10} {after:<8} {bar}{number}");
            }
        }
    }

    fn print_checks(&self) {
        heading("Checks");
        let width = self.checks.iter().map(|check| check.subject.chars().count()).max().unwrap_or_default();
        for Check { subject, ok, finding } in &self.checks {
            let (style, mark) = if *ok { (GREEN, "✓") } else { (RED, "✗") };
            say!("  {style}{mark}{style:#} {subject:<width$}  {}", Foreign(finding));
        }
        let wrong = self.checks.iter().filter(|check| !check.ok).count();
        let all = self.checks.len();
        output::line("");
        if self.ok {
            say!("{GREEN}All {all} checks are right{GREEN:#}, in {}.", seconds(self.seconds));
        } else {
            say!("{RED}{wrong} of {all} checks are wrong.{RED:#}");
        }
    }
}

/// A bar for `number`, as long as its share of `most`. A number above zero is always visible.
fn bar(number: u64, most: u64) -> String {
    if number == 0 || most == 0 {
        return String::new();
    }
    let eighths = u128::from(number.min(most)) * u128::from(WIDTH) * 8 / u128::from(most);
    let eighths = usize::try_from(eighths).unwrap_or_default().max(1);
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

fn heading(text: &str) {
    say!("\n{BOLD}{text}{BOLD:#}");
}

fn seconds(seconds: f64) -> String {
    output::duration(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// A table whose first column is text and whose others are numbers.
fn table<const N: usize>(head: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(head);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn print(table: &Table) {
    for line in table.lines() {
        say!(" {}", line.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(&[], 0.0, 0.0; "nothing")]
    #[test_case(&[7], 7.0, 7.0; "one")]
    #[test_case(&[3, 1, 2, 4], 2.0, 4.0; "four")]
    fn spreads(seconds: &[u64], p50: f64, p99: f64) {
        let durations = seconds.iter().copied().map(Duration::from_secs).collect();
        assert_eq!(Spread::of(durations), Spread { p50, p99 });
    }

    #[test]
    fn of_a_hundred_one_is_beyond_the_99th() {
        let spread = Spread::of((1..=100).map(Duration::from_secs).collect());
        assert_eq!(spread, Spread { p50: 50.0, p99: 99.0 });
    }

    #[test]
    fn requests_leave_the_runtime_out() {
        let counts = [("runtime:Next", 9), ("s3:PutObject", 4), ("s3:CopyObject", 4), ("lambda:Invoke", 8)];
        let counts = counts.into_iter().map(|(action, count)| (action.to_owned(), count)).collect();
        let requests = Requests::of(counts, 8);
        let shown: Vec<String> = requests.iter().map(|r| format!("{} {} {}", r.action, r.count, r.per_file)).collect();
        assert_eq!(shown, ["lambda:Invoke 8 1", "s3:CopyObject 4 0.5", "s3:PutObject 4 0.5"]);
    }

    #[test_case(90, 90 => "████████████████████████████████████████"; "the longest")]
    #[test_case(30, 90 => "█████████████▎"; "a third")]
    #[test_case(1, 100_000 => "▏"; "more than nothing")]
    #[test_case(0, 90 => ""; "nothing")]
    #[test_case(0, 0 => ""; "nothing of nothing")]
    #[test_case(u64::MAX, 1 => "████████████████████████████████████████"; "more than all")]
    fn bars(number: u64, most: u64) -> String {
        bar(number, most)
    }
}
