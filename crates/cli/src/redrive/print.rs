//! Prints a redrive or a reload: what stays and what failed as it happens, a bar on a terminal, the numbers at the end.
//!
//! Never prints keys and error texts as they are: others wrote them, so they go through [`Foreign`].

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressState, ProgressStyle};
use serde_json::{Value, json};
use sluice_core::object::Prefix;
use sluice_core::ports::Objects;
use sluice_operator::redrive::{Account, News, Options, RedriveError, Stays, count};

use crate::failure::Failure;
use crate::output::{self, BOLD, DIM, Foreign, RED};

/// How many keys of a kind are shown to a person.
const SHOWN: u64 = 20;

/// Prints a run over one feed.
#[derive(Debug)]
pub(crate) struct Printer {
    feed: String,
    json: bool,
    dry_run: bool,
    begun: Instant,
    /// The bar, on a terminal.
    progress: Option<ProgressBar>,
    resumed: Cell<u64>,
    /// How many files stay, for each reason, and how many would be moved.
    shown: RefCell<(BTreeMap<Stays, u64>, u64)>,
}

impl Printer {
    pub(crate) fn new(feed: &str, json: bool, dry_run: bool) -> Self {
        let progress = output::watched().then(|| spinner(feed));
        let (begun, resumed, shown) = (Instant::now(), Cell::default(), RefCell::default());
        Self { feed: feed.to_owned(), json, dry_run, begun, progress, resumed, shown }
    }

    /// Does the work, which sends its news to this printer. Meanwhile counts the files to move, for the bar.
    pub(crate) async fn watch<T>(
        &self,
        objects: &impl Objects,
        under: &Prefix,
        options: &Options,
        work: impl Future<Output = T>,
    ) -> T {
        let counting = async {
            if self.progress.is_some() {
                // If the files cannot be counted, the work itself reports the error.
                count(objects, under, options, |number| self.total(number)).await.ok();
            }
        };
        tokio::join!(work, counting).0
    }

    /// There are at least so many files, besides those that an earlier run left half-way.
    fn total(&self, files: u64) {
        if let Some(progress) = &self.progress {
            if progress.length().is_none()
                && let Ok(style) = ProgressStyle::with_template(
                    "  {prefix} {bar:40.cyan/black} {human_pos}/{human_len} files{rate}{left}",
                )
            {
                let style = style.progress_chars("█▉▊▋▌▍▎▏ ").with_key("rate", rate).with_key("left", left);
                progress.set_style(style);
            }
            progress.set_length(files + self.resumed.get());
        }
    }

    pub(crate) fn news(&self, news: News) {
        if let News::Resumes(files) = news {
            self.resumed.set(files);
        }
        match news {
            News::Continues(begun) if self.json => self.object(&json!({"type": "continues", "begun": begun})),
            News::Continues(begun) => self.line(format_args!(
                "This goes on with the reload begun {begun}: what has been loaded since is left out. --anew begins another."
            )),
            News::Resumes(files) if self.json => self.object(&json!({"type": "resumes", "files": files})),
            News::Resumes(files) => {
                let verb = if self.dry_run { "would be" } else { "is" };
                self.line(format_args!(
                    "An earlier run was interrupted; what it left half-way {verb} finished first: {}.",
                    output::count(files, "file")
                ));
            }
            News::Would(file, to) => self.would(&file, &to),
            News::Through(files) => self.progress.iter().for_each(|progress| progress.inc(files)),
            News::Stays(key, why) => self.stays(&key, why),
            News::Failed(subject, error) if self.json => {
                self.object(&json!({"type": "failed", "key": subject, "error": error}));
            }
            News::Failed(subject, error) => {
                self.line(format_args!("{RED}failed:{RED:#} {}: {}", Foreign(subject), Foreign(error)));
            }
        }
    }

    /// Prints a line, and the bar below it.
    fn line(&self, line: impl Display) {
        match &self.progress {
            Some(progress) => progress.suspend(|| output::line(line)),
            None => output::line(line),
        }
    }

    fn object(&self, object: &Value) {
        match &self.progress {
            Some(progress) => progress.suspend(|| output::json(object)),
            None => output::json(object),
        }
    }

    fn would(&self, file: &sluice_core::object::File, to: &sluice_core::object::Key) {
        let mut shown = self.shown.borrow_mut();
        shown.1 += 1;
        if self.json {
            self.object(&json!({"type": "would", "key": file.key, "to": to, "size": file.size}));
        } else if shown.1 <= SHOWN {
            self.line(format_args!("    {}  {DIM}→{DIM:#} {}", Foreign(&file.key), Foreign(to)));
        }
    }

    fn stays(&self, key: &sluice_core::object::Key, why: Stays) {
        let mut shown = self.shown.borrow_mut();
        let number = shown.0.entry(why).or_default();
        *number += 1;
        if self.json {
            self.object(&json!({"type": "stays", "key": key, "why": why, "meaning": why.meaning()}));
            return;
        }
        if *number == 1 {
            self.line(format_args!("{RED}stays:{RED:#} {}", why.meaning()));
        }
        if *number <= SHOWN {
            self.line(format_args!("    {}", Foreign(key)));
        }
    }

    /// Prints the last line, and returns what it means to a script.
    pub(crate) fn end(self, done: Result<Account, RedriveError>) -> Result<(), Failure> {
        if let Some(progress) = &self.progress {
            progress.finish_and_clear();
        }
        let account = match done {
            Ok(account) => account,
            Err(error @ RedriveError::Unfinished { .. }) => return Err(Failure::misused(error)),
            Err(error) if self.json => {
                output::json(&json!({"type": "trouble", "feed": self.feed, "error": error.to_string()}));
                return Err(Failure::Said);
            }
            Err(error) => return Err(Failure::failed(error)),
        };
        self.numbers(&account);
        if account.done() { Ok(()) } else { Err(Failure::Said) }
    }

    fn numbers(&self, account: &Account) {
        let seconds = self.begun.elapsed().as_secs_f64();
        if self.json {
            output::json(&json!({
                "type": "summary", "feed": self.feed, "dry_run": self.dry_run, "moved": account.moved,
                "bytes": account.bytes, "stay": account.stay, "failed": account.failed,
                "loaded_since": account.loaded_since, "seconds": seconds,
            }));
            return;
        }
        let (stays, would) = &*self.shown.borrow();
        let hidden = stays.values().chain([would]).map(|number| number.saturating_sub(SHOWN)).sum::<u64>();
        if hidden > 0 {
            output::line(format_args!("    {} more; --json tells them", output::thousands(hidden)));
        }
        let files = format!("{} ({})", output::count(account.moved, "file"), output::bytes(account.bytes));
        let feed = &self.feed;
        if self.dry_run {
            output::line(format_args!("{BOLD}{feed}{BOLD:#}: {files} would go back to incoming/; nothing was changed"));
        } else {
            let took = output::duration(self.begun.elapsed());
            output::line(format_args!("{BOLD}{feed}{BOLD:#}: {files} back in incoming/ in {took}"));
        }
        for (number, what) in [
            (account.stay, "stay where they are"),
            (account.failed, "failed; run it again"),
            (account.loaded_since, "loaded since the reload was begun, and left out"),
        ] {
            if number > 0 {
                output::line(format_args!("  {} {what}", output::thousands(number)));
            }
        }
    }
}

fn spinner(feed: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_prefix(feed.to_owned());
    match ProgressStyle::with_template("  {spinner} {prefix}: {human_pos} files{rate}") {
        Ok(style) => bar.with_style(style.with_key("rate", rate)),
        Err(_) => bar,
    }
}

/// Files per second, once there is a rate.
fn rate(state: &ProgressState, text: &mut dyn fmt::Write) {
    if let Some(rate) = per_second(state) {
        write!(text, ", {} a second", output::thousands(format_args!("{rate:.0}"))).ok();
    }
}

/// The time that is left, once there is a rate.
fn left(state: &ProgressState, text: &mut dyn fmt::Write) {
    let (Some(rate), Some(length)) = (per_second(state), state.len()) else { return };
    // There are far fewer files than an `f64` counts exactly, and only a person reads it.
    #[allow(clippy::cast_precision_loss)]
    let seconds = length.saturating_sub(state.pos()) as f64 / rate;
    if let Ok(left) = Duration::try_from_secs_f64(seconds.ceil()) {
        write!(text, ", {:#} left", HumanDuration(left)).ok();
    }
}

/// The rate since the beginning. Files come in steps of thousands, so a rate over the last seconds would swing.
fn per_second(state: &ProgressState) -> Option<f64> {
    let seconds = state.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss)]
    let rate = state.pos() as f64 / seconds;
    (seconds >= 1.0 && rate >= 1.0).then_some(rate)
}
