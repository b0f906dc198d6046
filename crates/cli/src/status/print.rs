//! Prints a feed's status, for people and as JSON.
//!
//! Never prints keys and errors as they are: others wrote them, so they go through [`Foreign`]. One file, because what
//! is said to people and what is said to programs change together.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sluice_aws::cloudwatch::Point;
use sluice_core::backlog::NotTaken;
use sluice_core::claim::{Doubt, Stage};
use sluice_core::config::Config;
use sluice_core::health::Down;
use sluice_core::ports::PortError;
use sluice_core::strays::Strays;
use sluice_core::without_rows::Note;
use sluice_operator::preview::{Preview, Trouble};

use super::{DRAWN, History, PERIOD, Seen, Status};
use crate::output::{self, BLUE, BOLD, DIM, Foreign, GREEN, RED, say};

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// How many batches that had files without rows are shown.
const NOTES: usize = 5;

impl Status<'_> {
    pub(super) fn print_json(&self, now: Timestamp) {
        let seen = match &self.seen {
            Err(error) => json!({"error": error.to_string()}),
            Ok(seen) => self.json_of_seen(seen, now),
        };
        let history = match &self.history {
            Err(error) => json!({"history_error": error.to_string()}),
            Ok(history) => json!({
                "last_hour": {
                    "files_loaded": history.files, "rows_loaded": history.rows,
                    "loads_failed": history.loads_failed, "files_quarantined": history.quarantined,
                },
                "backlog": history.backlog,
            }),
        };
        output::json_of([json!({"feed": self.feed.name.as_str()}), seen, history]);
    }

    fn json_of_seen(&self, seen: &Seen, now: Timestamp) -> Value {
        let Seen { preview, failed, without_rows } = seen;
        let trouble = |Trouble { claim, failures, next_try, error }: Trouble<'_>| {
            json!({"slot": claim.slot, "batch": claim.batch, "files": claim.files.len(), "failures": failures,
                   "next_try": next_try, "error": error})
        };
        let resting = |doubt: &Doubt| {
            json!({"key": doubt.file.key, "stage": doubt.stage, "since": doubt.since, "failures": doubt.failures,
                   "next_try": doubt.next_try, "reason": doubt.reason})
        };
        let down = |down: &Down| json!({"since": down.since, "reason": down.reason, "next_try": down.next_try});
        json!({
            "waiting": preview.unprocessed,
            "waiting_bytes": preview.unprocessed_bytes,
            "oldest_age_seconds": preview.oldest.map(|oldest| age(now, oldest).as_secs()),
            "in_flight": preview.in_flight().count(),
            "slots": self.feed.slots(),
            "free_slots": preview.free.len(),
            "max_files": self.feed.max_files,
            "effective_max_files": preview.effective_max_files,
            "failed": failed,
            "not_taken": preview.not_taken,
            "first_not_taken": preview.first_not_taken.as_ref().map(|(key, _)| key),
            "without_rows": without_rows,
            "troubles": preview.troubles().map(trouble).collect::<Vec<_>>(),
            "resting": preview.resting.iter().map(resting).collect::<Vec<_>>(),
            "down": preview.down.as_ref().map(down),
        })
    }

    pub(super) fn print(&self, now: Timestamp) {
        let name = &self.feed.name;
        match &self.seen {
            Err(error) => say!("{BOLD}{name}{BOLD:#}: {RED}{}{RED:#}", Foreign(error)),
            Ok(seen) => {
                say!("{BOLD}{name}{BOLD:#}: {}", verdict(&seen.preview));
                self.print_seen(seen, now);
            }
        }
    }

    fn print_seen(&self, seen: &Seen, now: Timestamp) {
        let Seen { preview, failed, without_rows } = seen;
        let name = &self.feed.name;
        say!("  waiting    {}", waiting(preview, now));
        let files = output::count(preview.in_flight().count() as u64, "file");
        let filled = preview.claims.iter().filter(|claim| !claim.files.is_empty()).count();
        say!("  in flight  {files} in {filled} of {} slots", self.feed.slots());
        let (less, all) = (preview.effective_max_files, self.feed.max_files);
        if less < all {
            let why = "the warehouse is too full; this passes by itself";
            say!("  slowed     {RED}{less} of {all} files at once{RED:#}: {why}");
        }
        self.print_history();
        if *failed > 0 {
            let files = output::count(*failed, "file");
            let prefix = self.config.bucket.failed.join(&self.feed.prefix);
            say!("  failed     {RED}{files}{RED:#} in {prefix}; sluice errors {name} says why");
        }
        print_not_taken(preview);
        self.print_without_rows(without_rows, now);
        if let Some(Down { since, reason, next_try: next }) = &preview.down {
            let (since, next) = (span(age(now, *since)), next_try(*next, now));
            say!("  {RED}down{RED:#}       for {since}; {next}; `sluice retry {name}` tries now");
            say!("             {}", Foreign(reason));
        }
        preview.troubles().for_each(|trouble| print_trouble(&trouble, now));
        preview.resting.iter().for_each(|doubt| print_resting(doubt, now));
        if !preview.resting.is_empty() {
            say!("             fix the cause; `sluice retry {name}` tries them now");
        }
    }

    fn print_history(&self) {
        let History { backlog, files, rows, loads_failed, quarantined } = match &self.history {
            Ok(history) => history,
            Err(error) => return say!("  {DIM}history    {}{DIM:#}", Foreign(error)),
        };
        let [files, rows, loads_failed, quarantined] = [files, rows, loads_failed, quarantined].map(|sum| whole(*sum));
        say!(
            "  last hour  {files} files, {rows} rows loaded; {loads_failed} loads failed; {quarantined} files quarantined"
        );
        let most = backlog.iter().map(|(_, files)| *files).fold(0.0, f64::max);
        let line = sparkline(backlog, most);
        if !line.is_empty() {
            say!("  backlog    {BLUE}{line}{BLUE:#}  at most {} in {} hours", whole(most), DRAWN.as_hours());
        }
    }

    /// Prints the files that were loaded, are not empty, and brought no row.
    fn print_without_rows(&self, notes: &[Note], now: Timestamp) {
        let Some(last) = notes.first() else { return };
        let files = output::count(notes.iter().map(|note| note.number).sum(), "file");
        let since = span(age(now, last.loaded_at));
        say!("  rowless    {RED}{files}{RED:#} loaded that are not empty and brought no row, the last {since} ago:");
        for note in notes.iter().take(NOTES) {
            let Note { batch, statement_id, number, files, among, .. } = note;
            match files.first() {
                None => say!(
                    "             {number} of the {among} of batch {batch}; SYS_LOAD_DETAIL of statement {statement_id} \
                     says which"
                ),
                Some(file) => {
                    let more = match number.saturating_sub(1) {
                        0 => String::new(),
                        more => format!(" and {} more", output::thousands(more)),
                    };
                    say!("             {}{more} of batch {batch}", Foreign(&file.key));
                }
            }
        }
        let notes = format!("{}state/{}/without-rows/", self.config.bucket.state, self.feed.name);
        say!("             see whether they should have rows; delete {notes} to forget them");
    }
}

/// Prints the files under `incoming/` that belong to no feed.
pub(super) fn strays(config: &Config, strays: &Result<Strays, PortError>) {
    match strays {
        Err(error) => say!("{RED}files of no feed could not be counted: {}{RED:#}", Foreign(error)),
        Ok(Strays { number: 0, .. }) => {}
        Ok(Strays { number, first }) => {
            let (files, incoming) = (output::count(*number, "file"), &config.bucket.incoming);
            say!("{BOLD}not taken{BOLD:#}: {RED}{files}{RED:#} under {incoming} of no feed, such as");
            for key in first {
                say!("             {}", Foreign(key));
            }
            say!("             drop them where a feed takes them, or add a feed for their prefix");
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
    say!("  not taken  {RED}{files}{RED:#}, such as {}: {why}", Foreign(key));
}

/// The feed's state in a few words.
fn verdict(preview: &Preview) -> String {
    if preview.down.is_some() {
        return format!("{RED}down{RED:#}: nothing of it can be loaded");
    }
    if preview.troubles().next().is_some() {
        return format!("{RED}loads fail{RED:#}");
    }
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

/// Prints a claim whose last try failed.
fn print_trouble(trouble: &Trouble<'_>, now: Timestamp) {
    let slot = trouble.claim.slot;
    let files = output::count(trouble.claim.files.len() as u64, "file");
    let failures = output::count(u64::from(trouble.failures), "failure");
    let next = next_try(trouble.next_try, now);
    say!("  {RED}slot {slot}{RED:#}     {files}, {failures} in a row; {next}");
    say!("             {}", Foreign(trouble.error));
}

/// Prints a file that fails alone: its key, the stage, the reason, and when it is tried again.
fn print_resting(doubt: &Doubt, now: Timestamp) {
    let what = match doubt.stage {
        Stage::Load => "cannot be loaded",
        Stage::Archive => "is loaded and cannot be moved to processed/",
        Stage::Quarantine => "is refused and cannot be moved to failed/",
    };
    let (since, next) = (span(age(now, doubt.since)), next_try(Some(doubt.next_try), now));
    say!("  {RED}resting{RED:#}    {} {what}, for {since}; {next}", Foreign(&doubt.file.key));
    say!("             {}", Foreign(&doubt.reason));
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
