//! Prints a feed's status. Never prints errors as they are: others wrote them, so they go through [`Foreign`].

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sluice_aws::cloudwatch::Point;
use sluice_core::claim::{Doubt, Stage};
use sluice_core::health::Down;
use sluice_operator::preview::{Preview, Trouble};

use sluice_core::backlog::NotTaken;
use sluice_core::config::Config;
use sluice_core::ports::PortError;
use sluice_core::strays::Strays;
use sluice_core::without_rows::Note;

use super::{DRAWN, History, PERIOD, Seen, Status};
use crate::output::{self, BLUE, BOLD, DIM, Foreign, GREEN, RED};

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

impl Status<'_> {
    pub(super) fn json(&self, now: Timestamp) -> Value {
        let mut all = json!({"feed": self.feed.name.as_str()});
        match &self.seen {
            Err(error) => all["error"] = json!(error.to_string()),
            Ok(Seen { preview, failed, without_rows }) => {
                all["waiting"] = json!(preview.unprocessed);
                all["waiting_bytes"] = json!(preview.unprocessed_bytes);
                all["oldest_age_seconds"] = json!(preview.oldest.map(|oldest| age(now, oldest).as_secs()));
                all["in_flight"] = json!(preview.in_flight().count());
                all["slots"] = json!(self.feed.slots());
                all["free_slots"] = json!(preview.free.len());
                all["max_files"] = json!(self.feed.max_files);
                all["effective_max_files"] = json!(preview.effective_max_files);
                all["failed"] = json!(failed);
                all["not_taken"] = json!(preview.not_taken);
                all["first_not_taken"] = json!(preview.first_not_taken.as_ref().map(|(key, _)| key));
                all["without_rows"] = json!(without_rows);
                let trouble = |trouble: Trouble<'_>| {
                    let Trouble { claim, failures, next_try, error } = trouble;
                    json!({"slot": claim.slot, "batch": claim.batch, "files": claim.files.len(),
                           "failures": failures, "next_try": next_try, "error": error})
                };
                all["troubles"] = self.troubles().map(trouble).collect();
                let rests = |doubt: &Doubt| {
                    json!({"key": doubt.file.key, "stage": doubt.stage.as_str(), "since": doubt.since,
                           "failures": doubt.failures, "next_try": doubt.next_try, "reason": doubt.reason})
                };
                all["resting"] = preview.resting.iter().map(rests).collect();
                let down = preview.down.as_ref();
                all["down"] =
                    json!(down.map(|down| {
                        json!({"since": down.since, "reason": down.reason, "next_try": down.next_try})
                    }));
            }
        }
        match &self.history {
            Err(error) => all["history_error"] = json!(error.to_string()),
            Ok(history) => {
                all["last_hour"] = json!({
                    "files_loaded": history.files, "rows_loaded": history.rows,
                    "loads_failed": history.loads_failed, "files_quarantined": history.quarantined,
                });
                all["backlog"] = history.backlog.iter().map(|(at, files)| json!([at, files])).collect();
            }
        }
        all
    }

    pub(super) fn print(&self, now: Timestamp) {
        let name = &self.feed.name;
        match &self.seen {
            Err(error) => output::line(format_args!("{BOLD}{name}{BOLD:#}: {RED}{}{RED:#}", Foreign(error))),
            Ok(Seen { preview, failed, without_rows }) => {
                let word = if preview.down.is_some() {
                    format!("{RED}down{RED:#}: nothing of it can be loaded")
                } else if self.troubles().next().is_some() {
                    format!("{RED}loads fail{RED:#}")
                } else {
                    verdict(preview)
                };
                output::line(format_args!("{BOLD}{name}{BOLD:#}: {word}"));
                output::line(format_args!("  waiting    {}", waiting(preview, now)));
                let files = output::count(preview.in_flight().count() as u64, "file");
                let filled = preview.claims.iter().filter(|claim| !claim.files.is_empty()).count();
                let slots = self.feed.slots();
                output::line(format_args!("  in flight  {files} in {filled} of {slots} slots"));
                if preview.effective_max_files < self.feed.max_files {
                    let (less, all) = (preview.effective_max_files, self.feed.max_files);
                    output::line(format_args!(
                        "  slowed     {RED}{less} of {all} files at once{RED:#}: the warehouse is too full; this passes by itself"
                    ));
                }
                self.print_history();
                if *failed > 0 {
                    let (files, prefix) =
                        (output::count(*failed, "file"), self.config.bucket.failed.join(&self.feed.prefix));
                    output::line(format_args!(
                        "  failed     {RED}{files}{RED:#} in {prefix}; sluice errors {name} says why"
                    ));
                }
                print_not_taken(preview);
                self.print_without_rows(without_rows, now);
                if let Some(down) = &preview.down {
                    print_down(down, name.as_str(), now);
                }
                self.troubles().for_each(|one| trouble(&one, now));
                preview.resting.iter().for_each(|doubt| rests(doubt, now));
                if !preview.resting.is_empty() {
                    output::line(format_args!("             fix the cause; `sluice retry {name}` tries them now"));
                }
            }
        }
    }

    /// Prints the files that were loaded, are not empty, and brought no row.
    fn print_without_rows(&self, notes: &[Note], now: Timestamp) {
        let Some(last) = notes.first() else { return };
        let files = output::count(notes.iter().map(|note| note.number).sum(), "file");
        let since = span(age(now, last.loaded_at));
        output::line(format_args!(
            "  rowless    {RED}{files}{RED:#} loaded that are not empty and brought no row, the last {since} ago:"
        ));
        for note in notes.iter().take(NOTES) {
            match note.files.first() {
                Some(file) if note.number > 1 => {
                    let more = output::thousands(format_args!("{}", note.number - 1));
                    output::line(format_args!(
                        "             {} and {more} more of batch {}",
                        Foreign(&file.key),
                        note.batch
                    ));
                }
                Some(file) => output::line(format_args!("             {} of batch {}", Foreign(&file.key), note.batch)),
                None => output::line(format_args!(
                    "             {} of the {} of batch {}; SYS_LOAD_DETAIL of statement {} says which",
                    note.number, note.among, note.batch, note.statement_id
                )),
            }
        }
        let state = &self.config.bucket.state;
        output::line(format_args!(
            "             see whether they should have rows; delete {state}state/{}/without-rows/ to forget them",
            self.feed.name
        ));
    }

    fn print_history(&self) {
        match &self.history {
            Err(error) => output::line(format_args!("  {DIM}history    {}{DIM:#}", Foreign(error))),
            Ok(history) => {
                let History { files, rows, loads_failed, quarantined, .. } = history;
                output::line(format_args!(
                    "  last hour  {} files, {} rows loaded; {} loads failed; {} files quarantined",
                    whole(*files),
                    whole(*rows),
                    whole(*loads_failed),
                    whole(*quarantined)
                ));
                let most = history.backlog.iter().map(|(_, files)| *files).fold(0.0, f64::max);
                let line = sparkline(&history.backlog, most);
                if !line.is_empty() {
                    let hours = DRAWN.as_hours();
                    output::line(format_args!(
                        "  backlog    {BLUE}{line}{BLUE:#}  at most {} in {hours} hours",
                        whole(most)
                    ));
                }
            }
        }
    }
}

/// Prints the files under `incoming/` that belong to no feed.
pub(super) fn strays(config: &Config, strays: &Result<Strays, PortError>) {
    let incoming = &config.bucket.incoming;
    match strays {
        Err(error) => {
            output::line(format_args!("{RED}files of no feed could not be counted: {}{RED:#}", Foreign(error)));
        }
        Ok(Strays { number: 0, .. }) => {}
        Ok(Strays { number, first }) => {
            let files = output::count(*number, "file");
            output::line(format_args!(
                "{BOLD}not taken{BOLD:#}: {RED}{files}{RED:#} under {incoming} of no feed, such as"
            ));
            for key in first {
                output::line(format_args!("             {}", Foreign(key)));
            }
            output::line(format_args!(
                "             drop them where a feed takes them, or add a feed for their prefix"
            ));
        }
    }
}

/// Prints the same as JSON: an object whose feed is null.
pub(super) fn json_of_strays(strays: &Result<Strays, PortError>) {
    output::json(&match strays {
        Err(error) => json!({"feed": null, "error": error.to_string()}),
        Ok(Strays { number, first }) => json!({"feed": null, "not_taken": number, "first_not_taken": first}),
    });
}

/// Prints the files under the feed's prefix that the feed does not take.
fn print_not_taken(preview: &Preview) {
    let Some((key, why)) = &preview.first_not_taken else { return };
    let files = output::count(preview.not_taken, "file");
    let why = match why {
        NotTaken::NotIncluded => "no pattern of include matches its name",
        NotTaken::Frozen => "its storage class has to be restored, and copied to another, before anybody can read it",
    };
    output::line(format_args!("  not taken  {RED}{files}{RED:#}, such as {}: {why}", Foreign(key)));
}

fn verdict(preview: &Preview) -> String {
    match (preview.unprocessed, preview.claims.len()) {
        (0, 0) if !preview.resting.is_empty() => {
            let files = output::count(preview.resting.len() as u64, "file");
            format!("{RED}all is loaded but {files}{RED:#}")
        }
        (0, 0) => format!("{GREEN}all is loaded{GREEN:#}"),
        (0, _) => format!("{GREEN}loading{GREEN:#}"),
        (_, 0) => format!("{BLUE}files wait for the next tick{BLUE:#}"),
        _ => format!("{BLUE}loading, and files wait{BLUE:#}"),
    }
}

fn waiting(preview: &Preview, now: Timestamp) -> String {
    let files = output::count(preview.unprocessed, "file");
    match preview.oldest {
        None => files,
        Some(oldest) => {
            let bytes = output::bytes(preview.unprocessed_bytes);
            format!("{files}, {bytes}, the oldest for {}", span(age(now, oldest)))
        }
    }
}

fn trouble(trouble: &Trouble<'_>, now: Timestamp) {
    let slot = trouble.claim.slot;
    let what = output::count(trouble.claim.files.len() as u64, "file");
    let next = next_try(trouble.next_try, now);
    let failures = output::count(u64::from(trouble.failures), "failure");
    output::line(format_args!("  {RED}slot {slot}{RED:#}     {what}, {failures} in a row; {next}"));
    output::line(format_args!("             {}", Foreign(trouble.error)));
}

/// How many batches that had files without rows are shown.
const NOTES: usize = 5;

/// Prints why nothing of the feed works, since when, and what to do.
fn print_down(down: &Down, feed: &str, now: Timestamp) {
    let (since, next) = (span(age(now, down.since)), next_try(down.next_try, now));
    output::line(format_args!("  {RED}down{RED:#}       for {since}; {next}; `sluice retry {feed}` tries now"));
    output::line(format_args!("             {}", Foreign(&down.reason)));
}

/// Prints a file that fails alone: its key, the stage, the reason, and when it is tried again.
fn rests(doubt: &Doubt, now: Timestamp) {
    let what = match doubt.stage {
        Stage::Load => "cannot be loaded",
        Stage::Archive => "is loaded and cannot be moved to processed/",
        Stage::Quarantine => "is refused and cannot be moved to failed/",
    };
    let (since, next) = (span(age(now, doubt.since)), next_try(Some(doubt.next_try), now));
    output::line(format_args!("  {RED}resting{RED:#}    {} {what}, for {since}; {next}", Foreign(&doubt.file.key)));
    output::line(format_args!("             {}", Foreign(&doubt.reason)));
}

fn next_try(at: Option<Timestamp>, now: Timestamp) -> String {
    match at.filter(|at| *at > now) {
        Some(at) => format!("the next try is in {}", span(age(at, now))),
        None => "the next tick tries it".to_owned(),
    }
}

/// One character per period: a bar where the backlog was measured, and a gap where it was not.
fn sparkline(points: &[Point], most: f64) -> String {
    let (Some((first, _)), Some((last, _))) = (points.first(), points.last()) else { return String::new() };
    let mut line = String::new();
    let mut points = points.iter().peekable();
    let mut at = first.as_second();
    while at <= last.as_second() {
        match points.next_if(|(time, _)| time.as_second() < at + i64::from(PERIOD)) {
            Some((_, value)) => line.push(height(*value, most)),
            None => line.push(' '),
        }
        at += i64::from(PERIOD);
    }
    line
}

fn height(value: f64, most: f64) -> char {
    // The cast truncates and saturates, which is right for a picture.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let eighth = if most > 0.0 { (value / most * 7.0).ceil() as usize } else { 0 };
    BARS[eighth.min(7)]
}

fn whole(number: f64) -> String {
    output::thousands(format_args!("{:.0}", number + 0.0))
}

fn age(now: Timestamp, then: Timestamp) -> SignedDuration {
    now.duration_since(then).max(SignedDuration::ZERO)
}

/// A span of time in one unit, as people say it.
fn span(of: SignedDuration) -> String {
    match of.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7_200 => format!("{} min", seconds / 60),
        seconds @ ..172_800 => format!("{} hours", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test]
    fn a_sparkline_shows_heights_and_gaps() {
        let point = |minutes: i64, files: f64| (Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes), files);
        let points = [point(0, 0.0), point(5, 1.0), point(10, 700.0), point(20, 350.0)];
        assert_eq!(sparkline(&points, 700.0), "▁▂█ ▅");
        assert_eq!(sparkline(&[], 0.0), "");
        assert_eq!(sparkline(&[point(0, 0.0)], 0.0), "▁");
    }

    #[test_case(0 => "0 s")]
    #[test_case(119 => "119 s")]
    #[test_case(7_199 => "119 min")]
    #[test_case(7_200 => "2 hours")]
    #[test_case(200_000 => "2 days")]
    fn spans_are_short(seconds: i64) -> String {
        span(SignedDuration::from_secs(seconds))
    }
}
