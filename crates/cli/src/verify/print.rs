//! Prints a verification: findings as they come, then the numbers of their feed, and in JSON a summary at the end.
//!
//! Never prints keys and error texts as they are: others wrote them, so they go through [`Foreign`].

use std::collections::BTreeMap;

use indicatif::ProgressBar;
use serde_json::json;
use sluice_operator::verify::{Account, Finding, Kind, News, Rest, VerifyError};

use crate::failure::Failure;
use crate::output::{self, BOLD, DIM, Foreign, GREEN, RED, progress, say};

/// How many keys of a kind are shown to a person.
const SHOWN: u64 = 20;

/// Prints a verification, and counts what it finds.
#[derive(Debug)]
pub(super) struct Printer {
    json: bool,
    progress: ProgressBar,
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
        let (progress, kinds) = (ProgressBar::hidden(), BTreeMap::new());
        Self { json, progress, feed: None, kinds, feeds: 0, findings: 0, unchecked: 0, troubles: 0 }
    }

    /// Begins a feed, or with `None` what belongs to no feed.
    pub(super) fn begin(&mut self, feed: Option<&str>) {
        self.feed = feed.map(str::to_owned);
        self.kinds.clear();
        let style = progress::style("  {spinner} {prefix}: {human_pos} objects and entries");
        self.progress = progress::bar(feed.unwrap_or("incoming/"), style);
    }

    pub(super) fn news(&mut self, news: &News) {
        match news {
            News::Looked(looked) => self.progress.set_position(*looked),
            News::Finding(finding) => self.progress.clone().suspend(|| self.finding(finding)),
        }
    }

    fn finding(&mut self, finding: &Finding) {
        let Finding { feed, kind, key, etag, detail } = finding;
        let number = self.kinds.entry(*kind).or_default();
        *number += 1;
        if self.json {
            return output::json(&json!({
                "type": "finding", "feed": feed, "kind": kind, "key": key, "etag": etag, "detail": detail,
                "meaning": kind.meaning(), "mend": kind.mend(), "mends_itself": kind.mends_itself(),
            }));
        }
        if *number == 1 {
            let name = kind.name().replace('_', " ");
            say!("{RED}{name}{RED:#}: {}\n  {DIM}mended{DIM:#} {}", kind.meaning(), kind.mend());
        }
        if *number <= SHOWN {
            let detail = detail.as_ref().map(|detail| format!("  ({})", Foreign(detail))).unwrap_or_default();
            say!("    {}{detail}", Foreign(key));
        }
    }

    pub(super) fn account(&mut self, account: &Account) {
        self.progress.finish_and_clear();
        self.feeds += 1;
        self.findings += account.findings;
        self.unchecked += account.unchecked;
        if self.json {
            output::json_of([json!({"type": "feed", "adds_up": account.adds_up()}), json!(account)]);
            return;
        }
        self.more();
        let feed = &account.feed;
        say!("{BOLD}{feed}{BOLD:#}: {}", verdict(account.findings, account.unchecked));
        print_numbers(account);
    }

    pub(super) fn rest(&mut self, rest: Rest) {
        self.progress.finish_and_clear();
        self.findings += rest.findings;
        if self.json {
            output::json_of([json!({"type": "rest", "adds_up": rest.findings == 0}), json!(rest)]);
            return;
        }
        self.more();
        if rest.findings > 0 {
            let files = output::count(rest.files, "file");
            let claims = output::count(rest.claims, "claim");
            say!("{BOLD}of no feed{BOLD:#}: {RED}{files}, {claims}{RED:#}");
        }
    }

    /// Prints that a feed could not be read.
    pub(super) fn trouble(&mut self, error: &VerifyError) {
        self.progress.finish_and_clear();
        self.troubles += 1;
        let feed = self.feed.as_deref();
        if self.json {
            output::json(&json!({"type": "trouble", "feed": feed, "error": error.to_string()}));
            return;
        }
        let what = feed.unwrap_or("what is no feed's");
        say!("{BOLD}{what}{BOLD:#}: {RED}cannot be verified:{RED:#} {}", Foreign(error));
    }

    /// Prints the summary, in JSON, and returns what the result means to a script.
    pub(super) fn end(self) -> Result<(), Failure> {
        self.progress.finish_and_clear();
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
                say!("{RED}{name}{RED:#}: {} more; --json tells them", output::thousands(more));
            }
        }
    }
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

/// Prints the numbers, in lines.
fn print_numbers(account: &Account) {
    let files = |number| output::count(number, "file");
    let waiting = match account.waiting {
        0 => "0 files waiting".to_owned(),
        number => format!("{} waiting, {}", files(number), output::bytes(account.waiting_bytes)),
    };
    print_line("incoming", waiting, &[(account.not_taken, "not taken by the feed")]);
    print_line("claims", output::count(account.claims, "claim"), &[(account.in_flight, "files in flight")]);
    let entries = [
        (account.archived, "archived"),
        (account.archived_by_name, "archived, by name and size"),
        (account.archiving, "being archived"),
        (account.expired, "expired"),
        (account.settled, "in order at the second look"),
        (account.unnamed, "with a NUL in the key, not looked for"),
    ];
    print_line("ledger", files(account.recorded), &entries);
    print_line("processed", files(account.copies), &[(account.extra_copies, "of them second copies")]);
    print_line("failed", files(account.failed), &[(account.reasons, "reasons")]);
}

/// Prints a number, and those of the others that are not zero.
fn print_line(place: &str, first: String, others: &[(u64, &str)]) {
    let others = others.iter().filter(|(number, _)| *number > 0);
    let others = others.map(|(number, what)| format!("{} {what}", output::thousands(number)));
    let parts: Vec<String> = std::iter::once(first).chain(others).collect();
    say!("  {place:<11}{}", parts.join(", "));
}
