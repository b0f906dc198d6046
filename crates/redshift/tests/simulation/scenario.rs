//! A scenario: what a history is made of, all of it from one seed. Who acts when, how rough the weather is, and what never
//! works.

mod acts;
mod class;
mod lasting;
pub mod settings;

use std::sync::Arc;

use sluice_core::config::Config;

use crate::clock::{HOUR, MILLISECOND, MINUTE, Micros, SECOND};
use crate::dice::Dice;
use crate::lasting::{Trouble, What};
pub use acts::{Act, content, key};
use acts::{Files, acts, ticks};
pub use class::Class;
use settings::{Setting, Settings, changes};

/// One history's cast and weather.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub dice: Dice,
    pub class: Class,
    /// The feeds as they are at first.
    pub feeds: Vec<Setting>,
    /// The configurations, each from a time on.
    pub configs: Vec<(Micros, Arc<Config>)>,
    /// What never works, or not for long.
    pub troubles: Vec<Trouble>,
    /// Whether what never works does so in the end.
    pub heals: bool,
    /// How long each of lister, loader and worker may run.
    pub timeouts: [Micros; 3],
    /// Names in the archives that are taken from the beginning.
    pub occupied: Vec<&'static str>,
    /// What producers do, and when.
    pub acts: Vec<(Micros, Act)>,
    /// When listers begin.
    pub ticks: Vec<Micros>,
    /// From when on nothing new happens.
    pub end: Micros,
    /// The longest that a request or a reply is usually under way.
    pub latency: Micros,
    /// One call in so many goes wrong.
    pub fault_in: u64,
    /// One call in so many takes much longer.
    pub slow_in: u64,
    /// The longest that a step of a transaction usually takes.
    pub step: Micros,
    /// One transaction in so many fails by itself.
    pub failure_in: u64,
    /// How long the Data API remembers a client token, and a statement that has ended.
    pub memory: (Micros, Micros),
    /// Whether the ledgers are there from the beginning.
    pub ledger: bool,
    /// Whether `ETag`s are hashes of the content.
    pub hashes: bool,
    /// How many objects a page of a listing has.
    pub page: usize,
    /// What the warehouse tells of itself.
    pub views: Views,
}

/// What the warehouse tells of itself.
#[derive(Clone, Copy, Debug)]
pub struct Views {
    /// Whether the status of a COPY bears its query's id.
    pub query_ids: bool,
    /// How long after a COPY its files and errors are seen in the system views.
    pub lag: Micros,
    /// Whether an error's text names the file, where the format is columnar.
    pub names_files: bool,
}

/// How long the Data API remembers a token and a status, in truth and in histories that have not the time.
const MEMORY: (Micros, Micros) = (8 * HOUR, 24 * HOUR);
const SHORT_MEMORY: (Micros, Micros) = (MINUTE, MINUTE);

/// Names that a file's copy, or its reason, would have.
const OCCUPIED: [&str; 4] = ["processed/f/a", "processed/f/e.gz", "failed/f/b", "failed/f/b.error.json"];

/// The names of all files that there may be, where nothing lasts.
pub const NAMES: [&str; 8] = ["a", "b", "c", "d", "e.gz", "g.gz", "a.error.json", "s/b"];

/// How content begins that COPY refuses.
pub const BAD: &str = "!";
/// How content begins that the look at its head refuses, and COPY too.
pub const ZIP: &str = "PK\u{3}\u{4}";
/// How content begins whose file is packed otherwise than its name says. It would be passed over, or refused.
pub const MISNAMED: &str = "%";
/// How content begins that makes COPY fail with an error which says nothing to anybody.
pub const CURSED: &str = "?";
/// How content begins, perhaps after [`BAD`], that a lasting trouble is about.
pub const STUCK: &str = "~";

/// Whether a file is to be refused.
pub fn is_bad(content: &str) -> bool {
    content.starts_with(BAD) || content.starts_with(ZIP)
}

/// Whether the object is packed.
pub fn is_packed(key: &str, content: &str) -> bool {
    key.contains(".gz") != content.starts_with(MISNAMED)
}

impl Scenario {
    /// Within how many ticks all must be where it belongs: as long as the slowest of its troubles may take.
    pub fn ticks(&self) -> u64 {
        let of = |trouble: &Trouble| match trouble.what {
            What::Copy(_) => Class::Copy.ticks(),
            What::Denied(_) => Class::Move.ticks(),
            _ => 0,
        };
        self.troubles.iter().map(of).max().unwrap_or_default().max(self.class.ticks())
    }

    /// The longest that a request is held up on its way.
    ///
    /// All in all it is never under way for longer than a token is remembered: AWS refuses a signature that is older than
    /// a quarter of an hour, and remembers tokens for eight.
    pub fn longest_pause(&self) -> Micros {
        self.memory.0 / 4
    }

    /// Which configuration is in force, and what it says.
    pub fn config(&self, now: Micros) -> (usize, &Arc<Config>) {
        let at = self.configs.iter().rposition(|(from, _)| *from <= now).unwrap_or_default();
        (at, &self.configs[at].1)
    }

    pub fn new(seed: u64) -> Self {
        let dice = Dice::new(seed);
        let class = Class::of(dice);
        let feeds = match class {
            Class::Usual => 1,
            Class::Feeds => 2 + dice.about("feeds").index(2),
            Class::Changes => 1 + dice.about("feeds").index(3),
            _ => return lasting::scenario(dice, class),
        };
        let scenario = Self::rough(dice, class, feeds);
        if class == Class::Changes { scenario.changing() } else { scenario }
    }

    /// Rough weather, in which everything comes to its end.
    fn rough(dice: Dice, class: Class, feeds: usize) -> Self {
        let mut with = dice.about("weather");
        let mut first = setting(&mut with);
        let columnar = with.one_in(6);
        let hashes = !with.one_in(8);
        let cursed = with.one_in(4);
        // What does not fill a slot is of no use.
        first.max_files += if first.files_per_load > 1 { with.index(2) } else { 0 };
        first.wait = with.pick(&[0, 5, 5, 600]);
        let settings = Settings {
            passes: with.pick(&[1, 1, 3]),
            columnar,
            feeds: (0..feeds).map(|feed| if feed == 0 { first.clone() } else { other(dice, feed) }).collect(),
        };
        let ticks = ticks(dice.about("ticks"));
        let end = ticks.last().copied().unwrap_or_default() + with.pick(&[SECOND, MINUTE, 10 * MINUTE]);
        let (fault_in, slow_in) = (with.pick(&[u64::MAX, 300, 100, 40, 15, 6]), with.pick(&[u64::MAX, 300, 50, 20]));
        let seen = class != Class::Changes && !columnar && fault_in.min(slow_in) == u64::MAX;
        let misnamed = settings.feeds.iter().map(|feed| seen && feed.inspect).collect();
        Self {
            dice,
            class,
            configs: vec![(0, settings.config())],
            feeds: settings.feeds,
            troubles: Vec::new(),
            heals: false,
            timeouts: [0; 3].map(|_| with.pick(&[20 * SECOND, MINUTE, MINUTE, 5 * MINUTE, 15 * MINUTE])),
            occupied: OCCUPIED.into_iter().filter(|_| with.one_in(8)).collect(),
            acts: acts(dice.about("acts"), &ticks, end, &Files { feeds, misnamed, cursed }),
            ticks,
            end,
            latency: with.pick(&[MILLISECOND, 50 * MILLISECOND, 50 * MILLISECOND, SECOND, 5 * SECOND]),
            fault_in,
            slow_in,
            step: with.pick(&[10 * MILLISECOND, SECOND, 10 * SECOND, 2 * MINUTE, HOUR]),
            failure_in: with.pick(&[u64::MAX, 20, 6, 2]),
            memory: with.pick(&[MEMORY, MEMORY, SHORT_MEMORY]),
            ledger: !with.one_in(6),
            hashes,
            page: with.pick(&[1000, 1000, 2]),
            views: Views {
                query_ids: !with.one_in(3),
                lag: with.pick(&[0, 0, 5 * SECOND]),
                names_files: with.one_in(2),
            },
        }
    }

    /// The same with a configuration that changes under way.
    fn changing(mut self) -> Self {
        let columnar = self.dice.about("weather").number(1).one_in(6);
        let first = Settings { feeds: self.feeds.clone(), passes: 1, columnar };
        let changed = changes(self.dice.about("changes"), &first, self.end);
        let all = std::iter::once((0, first)).chain(changed);
        self.configs = all.map(|(at, settings)| (at, settings.config())).collect();
        self
    }
}

/// A feed's settings, of which the first feed's are made as well.
fn setting(with: &mut Dice) -> Setting {
    let (files_per_load, slots) = (with.pick(&[1, 2, 2, 3, 5]), with.pick(&[1, 2, 2, 3]));
    let (events, fan_out) = (with.one_in(2), !with.one_in(4));
    Setting {
        feed: 0,
        present: true,
        max_files: files_per_load * slots,
        files_per_load,
        two_by_bytes: false,
        fan_out,
        events,
        by_key: false,
        wait: 5,
        inspect: with.one_in(2),
        before_copy: 0,
    }
}

/// The settings of a feed that is not the first.
fn other(dice: Dice, feed: usize) -> Setting {
    let mut with = dice.about("setting").number(feed as u64);
    let by_key = with.one_in(4);
    Setting { feed, by_key, ..setting(&mut with) }
}
