//! Settings: what a history's feeds are configured with, and how that changes under way.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use sluice_core::config::Config;
use sluice_redshift::RedshiftKind;

use crate::clock::Micros;
use crate::dice::Dice;

/// The names of the feeds that there may be. A feed's files lie under its name, its table is called after it.
pub const FEEDS: [&str; 3] = ["f", "g", "h"];

/// How long the warehouse lets a transaction run.
pub const STATEMENT_TIMEOUT: &str = "10m";

/// The bytes of two files, but not of three: of those that come at every tick.
const TWO_FILES: u64 = 26;

/// A feed's settings.
#[allow(clippy::struct_excessive_bools, reason = "they are the configuration's own")]
#[derive(Clone, Debug)]
pub struct Setting {
    /// Its place in [`FEEDS`].
    pub feed: usize,
    /// Whether it is in the configuration.
    pub present: bool,
    /// X.
    pub max_files: usize,
    pub files_per_load: usize,
    /// A load may hold the bytes of two files only.
    pub two_by_bytes: bool,
    pub fan_out: bool,
    /// Whether events start loaders.
    pub events: bool,
    /// Whether files go by key, and not the oldest first.
    pub by_key: bool,
    pub wait: u64,
    /// Whether heads are looked at.
    pub inspect: bool,
    /// How many statements come before COPY.
    pub before_copy: usize,
}

impl Setting {
    pub fn slots(&self) -> usize {
        (self.max_files / self.files_per_load).max(1)
    }

    /// How many files all slots hold.
    pub fn capacity(&self) -> usize {
        self.slots() * if self.two_by_bytes { self.files_per_load.min(2) } else { self.files_per_load }
    }
}

/// The whole configuration, as choices.
#[derive(Clone, Debug)]
pub struct Settings {
    pub feeds: Vec<Setting>,
    pub passes: u64,
    pub columnar: bool,
}

impl Settings {
    /// The configuration; each is read once.
    pub fn config(&self) -> Arc<Config> {
        let mut text = format!("[bucket]\nname = \"bucket\"\n[lister]\npasses_per_minute = {}\n", self.passes);
        for setting in self.feeds.iter().filter(|setting| setting.present) {
            setting.write(&mut text, self.columnar);
        }
        CONFIGS.with_borrow_mut(|configs| {
            let parse = || {
                Arc::new(Config::parse(&text, "simulation", &[&RedshiftKind]).unwrap_or_else(|error| panic!("{error}")))
            };
            Arc::clone(configs.entry(text.clone()).or_insert_with(parse))
        })
    }
}

impl Setting {
    fn write(&self, text: &mut String, columnar: bool) {
        let name = FEEDS[self.feed];
        let trigger = if self.events { "event" } else { "schedule" };
        let order = if self.by_key { "key" } else { "oldest" };
        let format = if columnar { "parquet" } else { "csv" };
        let before: Vec<String> =
            (0..self.before_copy).map(|number| format!("\"SET query_group TO q{number}\"")).collect();
        let written = write!(
            text,
            "[[feed]]\nname = \"{name}\"\nprefix = \"{name}/\"\nmax_files = {}\nfiles_per_load = {}\n\
             max_bytes_per_load = {}\nfan_out = {}\ninspect = {}\n\
             trigger = \"{trigger}\"\norder = \"{order}\"\nwait_seconds = {}\n[feed.redshift]\nworkgroup = \"w\"\n\
             database = \"d\"\ntable = \"public.t_{name}\"\nformat = \"{format}\"\n\
             statement_timeout = \"{STATEMENT_TIMEOUT}\"\npre_sql = [{}]\n",
            self.max_files,
            self.files_per_load,
            if self.two_by_bytes { TWO_FILES } else { 1 << 30 },
            self.fan_out,
            // The model's files have no footers.
            self.inspect && !columnar,
            self.wait,
            before.join(", ")
        );
        written.expect("a text takes everything");
    }
}

/// One to three changes of the configuration until `end`; a feed that is removed is put back by then.
pub fn changes(mut dice: Dice, first: &Settings, end: Micros) -> Vec<(Micros, Settings)> {
    let mut times: Vec<Micros> = (0..=dice.below(3)).map(|_| dice.below(end)).collect();
    times.sort_unstable();
    let mut settings = first.clone();
    let mut changes = Vec::new();
    for at in times {
        let chosen = dice.index(settings.feeds.len());
        let present = settings.feeds.iter().filter(|setting| setting.present).count();
        let setting = &mut settings.feeds[chosen];
        match dice.below(6) {
            0 => setting.files_per_load = 1 + dice.index(setting.max_files),
            1 => {
                setting.max_files = 1 + dice.index(setting.max_files);
                setting.files_per_load = setting.files_per_load.min(setting.max_files);
            }
            // The same X in more and smaller loads.
            2 => setting.files_per_load = 1,
            3 => setting.max_files = setting.files_per_load,
            4 if present > 1 || !setting.present => setting.present = !setting.present,
            _ => setting.before_copy = dice.index(3),
        }
        changes.push((at, settings.clone()));
    }
    settings.feeds.iter_mut().for_each(|setting| setting.present = true);
    changes.push((end, settings));
    changes
}

thread_local! {
    static CONFIGS: RefCell<HashMap<String, Arc<Config>>> = RefCell::default();
}
