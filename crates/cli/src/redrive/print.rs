//! Prints a redrive or a reload: what stays and what failed as it happens, a bar on a terminal, the numbers at the end.
//!
//! Never prints keys and error texts as they are: others wrote them, so they go through [`Foreign`].

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressState};
use serde_json::{Value, json};
use sluice_core::object::Prefix;
use sluice_core::ports::Objects;
use sluice_operator::redrive::{Account, News, Options, RedriveError, Stays, count};

use crate::failure::Failure;
use crate::output::{self, BOLD, DIM, Foreign, RED, progress, say};

/// How many keys of a kind are shown to a person.
const SHOWN: u64 = 20;

/// Prints a run over one feed.
#[derive(Debug)]
pub(crate) struct Printer {
    feed: String,
    json: bool,
    dry_run: bool,
    begun: Instant,
    progress: ProgressBar,
    /// How many files an earlier run left half-way.
    resumed: Cell<u64>,
    /// How many files stay, for each reason, and with `None` how many would be moved.
    files: RefCell<BTreeMap<Option<Stays>, u64>>,
}

impl Printer {
    pub(crate) fn new(feed: &str, json: bool, dry_run: bool) -> Self {
        let style = progress::style("  {spinner} {prefix}: {human_pos} files{rate}").with_key("rate", rate);
        let (feed, progress) = (feed.to_owned(), progress::bar(feed, style));
        let (begun, resumed, files) = (Instant::now(), Cell::default(), RefCell::default());
        Self { feed, json, dry_run, begun, progress, resumed, files }
    }

    /// Does the work, which sends its news to this printer, and prints how it ended. Meanwhile counts the files to
    /// move, for the bar.
    pub(crate) async fn watch(
        &self,
        objects: &impl Objects,
        under: &Prefix,
        options: &Options,
        work: impl Future<Output = Result<Account, RedriveError>>,
    ) -> Result<(), Failure> {
        let counting = async {
            if !self.progress.is_hidden() {
                // If the files cannot be counted, the work itself reports the error.
                count(objects, under, options, |number| self.total(number)).await.ok();
            }
        };
        let (done, ()) = tokio::join!(work, counting);
        self.end(done)
    }

    /// There are at least so many files, besides those that an earlier run left half-way.
    fn total(&self, files: u64) {
        if self.progress.length().is_none() {
            let style = progress::style("  {prefix} {bar:40.cyan/black} {human_pos}/{human_len} files{rate}{left}");
            self.progress.set_style(style.with_key("rate", rate).with_key("left", left));
        }
        self.progress.set_length(files + self.resumed.get());
    }

    pub(crate) fn news(&self, news: News) {
        match &news {
            News::Through(files) => self.progress.inc(*files),
            News::Resumes(files) => self.resumed.set(*files),
            _ => {}
        }
        if !self.json {
            self.print(news);
        } else if let Some(object) = object(&news) {
            self.progress.suspend(|| output::json(&object));
        }
    }

    fn print(&self, news: News) {
        match news {
            News::Continues(begun) => self.line(format_args!(
                "This goes on with the reload begun {begun}: what has been loaded since is left out. --anew begins another."
            )),
            News::Resumes(files) => {
                let verb = if self.dry_run { "would be" } else { "is" };
                self.line(format_args!(
                    "An earlier run was interrupted; what it left half-way {verb} finished first: {}.",
                    output::count(files, "file")
                ));
            }
            News::Would(file, to) => {
                if self.one_more(None) <= SHOWN {
                    self.line(format_args!("    {}  {DIM}→{DIM:#} {}", Foreign(&file.key), Foreign(to)));
                }
            }
            News::Stays(key, why) => {
                let number = self.one_more(Some(why));
                if number == 1 {
                    self.line(format_args!("{RED}stays:{RED:#} {}", why.meaning()));
                }
                if number <= SHOWN {
                    self.line(format_args!("    {}", Foreign(key)));
                }
            }
            News::Failed(subject, error) => {
                self.line(format_args!("{RED}failed:{RED:#} {}: {}", Foreign(subject), Foreign(error)));
            }
            News::Through(_) => {}
        }
    }

    /// Counts one more file that stays for this reason, or would be moved. Returns how many there are.
    fn one_more(&self, why: Option<Stays>) -> u64 {
        let mut files = self.files.borrow_mut();
        let number = files.entry(why).or_default();
        *number += 1;
        *number
    }

    /// Prints a line, and the bar below it.
    fn line(&self, line: impl Display) {
        self.progress.suspend(|| output::line(line));
    }

    /// Prints the last line, and returns what it means to a script.
    fn end(&self, done: Result<Account, RedriveError>) -> Result<(), Failure> {
        self.progress.finish_and_clear();
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
        let hidden: u64 = self.files.borrow().values().map(|number| number.saturating_sub(SHOWN)).sum();
        if hidden > 0 {
            say!("    {} more; --json tells them", output::thousands(hidden));
        }
        let files = format!("{} ({})", output::count(account.moved, "file"), output::bytes(account.bytes));
        let feed = &self.feed;
        if self.dry_run {
            say!("{BOLD}{feed}{BOLD:#}: {files} would go back to incoming/; nothing was changed");
        } else {
            let took = output::duration(self.begun.elapsed());
            say!("{BOLD}{feed}{BOLD:#}: {files} back in incoming/ in {took}");
        }
        for (number, what) in [
            (account.stay, "stay where they are"),
            (account.failed, "failed; run it again"),
            (account.loaded_since, "loaded since the reload was begun, and left out"),
        ] {
            if number > 0 {
                say!("  {} {what}", output::thousands(number));
            }
        }
    }
}

/// The news as programs read it. They do not get what only moves the bar.
fn object(news: &News) -> Option<Value> {
    Some(match news {
        News::Continues(begun) => json!({"type": "continues", "begun": begun}),
        News::Resumes(files) => json!({"type": "resumes", "files": files}),
        News::Would(file, to) => json!({"type": "would", "key": file.key, "to": to, "size": file.size}),
        News::Stays(key, why) => json!({"type": "stays", "key": key, "why": why, "meaning": why.meaning()}),
        News::Failed(subject, error) => json!({"type": "failed", "key": subject, "error": error}),
        News::Through(_) => return None,
    })
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
