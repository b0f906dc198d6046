//! Prints a verification: findings as they come, then the numbers of their feed, and in JSON a summary at the end.
//!
//! Never prints keys and error texts as they are: others wrote them, so they go through [`Foreign`].

use std::collections::BTreeMap;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use sluice_operator::verify::{Account, Finding, Kind, News, Rest, VerifyError};

use crate::failure::Failure;
use crate::output::{self, BOLD, DIM, Foreign, GREEN, RED};

/// How many keys of a kind are shown to a person.
const SHOWN: u64 = 20;

/// Prints a verification, and counts what it finds.
#[derive(Debug)]
pub(super) struct Printer {
    json: bool,
    /// The bar, on a terminal.
    progress: Option<ProgressBar>,
    feed: Option<String>,
    /// The number of findings of each kind in this feed.
    kinds: BTreeMap<Kind, u64>,
    feeds: u64,
    findings: u64,
    unchecked: u64,
    troubles: u64,
}

impl Printer {
    pub(super) fn new(json: bool) -> Self {
        let kinds = BTreeMap::new();
        Self { json, progress: None, feed: None, kinds, feeds: 0, findings: 0, unchecked: 0, troubles: 0 }
    }

    /// Begins a feed, or with `None` what belongs to no feed.
    pub(super) fn begin(&mut self, feed: Option<&str>) {
        self.feed = feed.map(str::to_owned);
        self.kinds.clear();
        self.progress = output::watched().then(|| spinner(feed.unwrap_or("incoming/")));
    }

    pub(super) fn news(&mut self, news: &News) {
        match news {
            News::Looked(looked) => {
                if let Some(progress) = &self.progress {
                    progress.set_position(*looked);
                }
            }
            News::Finding(finding) => match self.progress.clone() {
                Some(progress) => progress.suspend(|| self.finding(finding)),
                None => self.finding(finding),
            },
        }
    }

    fn finding(&mut self, finding: &Finding) {
        let Finding { feed, kind, key, etag, detail } = finding;
        let number = self.kinds.entry(*kind).or_default();
        *number += 1;
        if self.json {
            output::json(&json!({
                "type": "finding", "feed": feed, "kind": kind, "key": key, "etag": etag, "detail": detail,
                "meaning": kind.meaning(), "mend": kind.mend(), "mends_itself": kind.mends_itself(),
            }));
            return;
        }
        if *number == 1 {
            let name = kind.name().replace('_', " ");
            output::line(format_args!("{RED}{name}{RED:#}: {}\n  {DIM}mended{DIM:#} {}", kind.meaning(), kind.mend()));
        }
        if *number <= SHOWN {
            let detail = detail.as_ref().map(|detail| format!("  ({})", Foreign(detail))).unwrap_or_default();
            output::line(format_args!("    {}{detail}", Foreign(key)));
        }
    }

    pub(super) fn account(&mut self, account: &Account) {
        self.stop();
        self.feeds += 1;
        self.findings += account.findings;
        self.unchecked += account.unchecked;
        if self.json {
            output::json(&tagged("feed", account.adds_up(), account));
            return;
        }
        self.more();
        let feed = &account.feed;
        output::line(format_args!("{BOLD}{feed}{BOLD:#}: {}", verdict(account.findings, account.unchecked)));
        for (what, numbers) in numbers(account) {
            output::line(format_args!("  {what:<11}{}", numbers.join(", ")));
        }
    }

    pub(super) fn rest(&mut self, rest: Rest) {
        self.stop();
        self.findings += rest.findings;
        if self.json {
            output::json(&tagged("rest", rest.findings == 0, rest));
            return;
        }
        self.more();
        if rest.findings > 0 {
            let files = output::count(rest.files, "file");
            let claims = output::count(rest.claims, "claim");
            output::line(format_args!("{BOLD}of no feed{BOLD:#}: {RED}{files}, {claims}{RED:#}"));
        }
    }

    /// Prints that a feed could not be read.
    pub(super) fn trouble(&mut self, error: &VerifyError) {
        self.stop();
        self.troubles += 1;
        let feed = self.feed.as_deref();
        if self.json {
            output::json(&json!({"type": "trouble", "feed": feed, "error": error.to_string()}));
            return;
        }
        let what = feed.unwrap_or("what is no feed's");
        output::line(format_args!("{BOLD}{what}{BOLD:#}: {RED}cannot be verified:{RED:#} {}", Foreign(error)));
    }

    /// Prints the summary, in JSON, and returns what the result means to a script.
    pub(super) fn end(mut self) -> Result<(), Failure> {
        self.stop();
        let adds_up = self.findings == 0 && self.unchecked == 0;
        if self.json {
            let all = adds_up && self.troubles == 0;
            let Self { feeds, findings, unchecked, troubles, .. } = self;
            output::json(&json!({
                "type": "summary", "adds_up": all, "feeds": feeds, "findings": findings, "unchecked": unchecked,
                "troubles": troubles,
            }));
        }
        match (self.troubles, adds_up) {
            (1.., _) => Err(Failure::Said),
            (_, false) => Err(Failure::SaidWrong),
            (_, true) => Ok(()),
        }
    }

    /// Prints how many findings were not shown.
    fn more(&self) {
        for (kind, number) in &self.kinds {
            if let more @ 1.. = number.saturating_sub(SHOWN) {
                let name = kind.name().replace('_', " ");
                output::line(format_args!("{RED}{name}{RED:#}: {} more; --json tells them", output::thousands(more)));
            }
        }
    }

    fn stop(&mut self) {
        if let Some(progress) = self.progress.take() {
            progress.finish_and_clear();
        }
    }
}

fn spinner(what: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_prefix(what.to_owned());
    match ProgressStyle::with_template("  {spinner} {prefix}: {human_pos} objects and entries") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn tagged(what: &str, adds_up: bool, value: impl serde::Serialize) -> serde_json::Value {
    let mut object = json!({"type": what, "adds_up": adds_up});
    if let (Some(object), Ok(serde_json::Value::Object(fields))) = (object.as_object_mut(), serde_json::to_value(value))
    {
        object.extend(fields);
    }
    object
}

fn verdict(findings: u64, unchecked: u64) -> String {
    match (findings, unchecked) {
        (0, 0) => format!("{GREEN}all adds up{GREEN:#}"),
        (findings, 0) => format!("{RED}{}{RED:#}", output::count(findings, "finding")),
        (findings, unchecked) => {
            let unchecked = output::thousands(unchecked);
            format!("{RED}{}, and {unchecked} more that look wrong{RED:#}", output::count(findings, "finding"))
        }
    }
}

/// The numbers, in lines. Leaves out those that say nothing.
fn numbers(account: &Account) -> Vec<(&'static str, Vec<String>)> {
    let number = |number: u64, what: &str| (number > 0).then(|| format!("{} {what}", output::thousands(number)));
    let line = |what, first: String, others: Vec<Option<String>>| {
        (what, std::iter::once(first).chain(others.into_iter().flatten()).collect())
    };
    let waiting = format!("{} waiting", output::count(account.waiting, "file"));
    vec![
        line(
            "incoming",
            waiting,
            vec![
                (account.waiting > 0).then(|| output::bytes(account.waiting_bytes)),
                number(account.not_taken, "not taken by the feed"),
            ],
        ),
        line("claims", output::count(account.claims, "claim"), vec![number(account.in_flight, "files in flight")]),
        line(
            "ledger",
            output::count(account.recorded, "file"),
            vec![
                number(account.archived, "archived"),
                number(account.archived_by_name, "archived, by name and size"),
                number(account.archiving, "being archived"),
                number(account.expired, "expired"),
                number(account.settled, "in order at the second look"),
                number(account.unnamed, "with a NUL in the key, not looked for"),
            ],
        ),
        line(
            "processed",
            output::count(account.copies, "file"),
            vec![number(account.extra_copies, "of them second copies")],
        ),
        line("failed", output::count(account.failed, "file"), vec![number(account.reasons, "reasons")]),
    ]
}
