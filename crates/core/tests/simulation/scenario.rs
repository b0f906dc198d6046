//! A scenario: what a history is made of, all of it from one seed. Who acts when, and how rough the weather is.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use sluice_core::config::Config;

use crate::clock::{HOUR, MILLISECOND, MINUTE, Micros, SECOND};
use crate::dice::Dice;

/// One history's cast and weather.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub dice: Dice,
    pub config: Arc<Config>,
    /// The feed's X.
    pub max_files: usize,
    /// Whether events start loaders.
    pub events: bool,
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
    /// Whether the ledger is there from the beginning.
    pub ledger: bool,
    /// Whether `ETag`s are hashes of the content.
    pub hashes: bool,
    /// How many objects a page of a listing has.
    pub page: usize,
    /// What the warehouse tells of itself.
    pub views: Views,
}

/// What a producer does with a file.
#[derive(Clone, Debug)]
pub enum Act {
    /// Writes it, with this content.
    Write { name: &'static str, content: String },
    /// Deletes it.
    Delete { name: &'static str },
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

/// The names of all files that there may be.
pub const NAMES: [&str; 8] = ["a", "b", "c", "d", "e.gz", "g.gz", "a.error.json", "s/b"];

/// How content begins that COPY refuses.
pub const BAD: &str = "!";
/// How content begins that makes COPY fail with an error which says nothing to anybody.
pub const CURSED: &str = "?";

impl Scenario {
    /// The longest that a request is held up on its way.
    ///
    /// All in all it is never under way for longer than a token is remembered: AWS refuses a signature that is older than
    /// a quarter of an hour, and remembers tokens for eight.
    pub fn longest_pause(&self) -> Micros {
        self.memory.0 / 4
    }

    pub fn new(seed: u64) -> Self {
        let dice = Dice::new(seed);
        let mut with = dice.about("weather");
        let (files_per_load, slots) = (with.pick(&[1, 2, 2, 3, 5]), with.pick(&[1, 2, 2, 3]));
        let events = with.one_in(2);
        let fan_out = !with.one_in(4);
        let columnar = with.one_in(6);
        let hashes = !with.one_in(8);
        let cursed = with.one_in(4);
        // What does not fill a slot is of no use.
        let max_files = files_per_load * slots + if files_per_load > 1 { with.index(2) } else { 0 };
        let (trigger, wait, passes) =
            (if events { "event" } else { "schedule" }, with.pick(&[0, 5, 5, 600]), with.pick(&[1, 1, 3]));
        let feed = format!(
            "max_files = {max_files}\nfiles_per_load = {files_per_load}\nfan_out = {fan_out}\n\
             trigger = \"{trigger}\"\nwait_seconds = {wait}"
        );
        let lister = format!("passes_per_minute = {passes}");
        let ticks = ticks(dice.about("ticks"));
        let end = ticks.last().copied().unwrap_or_default() + with.pick(&[SECOND, MINUTE, 10 * MINUTE]);
        Self {
            dice,
            config: config(&feed, &lister, if columnar { "parquet" } else { "csv" }),
            max_files,
            events,
            timeouts: [0; 3].map(|_| with.pick(&[20 * SECOND, MINUTE, MINUTE, 5 * MINUTE, 15 * MINUTE])),
            occupied: OCCUPIED.into_iter().filter(|_| with.one_in(8)).collect(),
            acts: acts(dice.about("acts"), &ticks, end, hashes, cursed),
            ticks,
            end,
            latency: with.pick(&[MILLISECOND, 50 * MILLISECOND, 50 * MILLISECOND, SECOND, 5 * SECOND]),
            fault_in: with.pick(&[u64::MAX, 300, 100, 40, 15, 6]),
            slow_in: with.pick(&[u64::MAX, 300, 50, 20]),
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
}

/// One to five moments; some of them twice, since two listers may begin at the same instant.
fn ticks(mut dice: Dice) -> Vec<Micros> {
    let mut at = dice.below(3 * SECOND);
    let mut ticks = vec![at];
    for _ in 0..dice.below(5) {
        let gap = dice.pick(&[0, SECOND, MINUTE, MINUTE, MINUTE, 10 * MINUTE, 9 * HOUR, 25 * HOUR]);
        at += if dice.one_in(2) { gap } else { dice.below(gap + 1) };
        ticks.push(at);
        if dice.one_in(4) {
            ticks.push(at + dice.below(200 * MILLISECOND));
        }
    }
    ticks.sort_unstable();
    ticks
}

/// Up to ten things that producers do: at the beginning, soon after a tick, or at any time.
fn acts(mut dice: Dice, ticks: &[Micros], end: Micros, hashes: bool, cursed: bool) -> Vec<(Micros, Act)> {
    let names: Vec<&str> = (0..=dice.below(5)).map(|_| dice.pick(&NAMES)).collect();
    let mut times: Vec<Micros> = (0..=dice.below(10))
        .map(|_| match dice.below(4) {
            0 => dice.below(end + 1),
            1 | 2 => {
                let span = dice.pick(&[300 * MILLISECOND, 5 * SECOND, MINUTE]);
                dice.pick(ticks) + dice.below(span)
            }
            _ => dice.below(2 * SECOND),
        })
        .collect();
    times.sort_unstable();
    let mut contents: HashMap<&str, u64> = HashMap::new();
    let act = |at| {
        let name = dice.pick(&names);
        if dice.one_in(6) {
            return (at, Act::Delete { name });
        }
        let newest = contents.entry(name).or_default();
        // The same content again, or new content; with ETags that are no hashes each content comes once.
        let number = if hashes && *newest > 0 && dice.one_in(3) { 1 + dice.below(*newest) } else { *newest + 1 };
        *newest = number.max(*newest);
        let mark = match number % 4 {
            _ if name == "a.error.json" => BAD,
            2 => BAD,
            1 if cursed && name <= "b" => CURSED,
            _ => "",
        };
        (at, Act::Write { name, content: format!("{mark}{name}#{number}\n") })
    };
    times.into_iter().map(act).collect()
}

thread_local! {
    static CONFIGS: RefCell<HashMap<String, Arc<Config>>> = RefCell::default();
}

/// The configuration with these lines; read once.
fn config(feed: &str, lister: &str, format: &str) -> Arc<Config> {
    let text = format!(
        r#"
        [bucket]
        name = "bucket"
        [lister]
        {lister}
        [[feed]]
        name = "f"
        prefix = "f/"
        {feed}
        [feed.redshift]
        workgroup = "w"
        database = "d"
        table = "public.t"
        format = "{format}"
        "#
    );
    CONFIGS.with_borrow_mut(|configs| {
        let parse = || Arc::new(Config::parse(&text, "simulation").unwrap_or_else(|error| panic!("{error}")));
        Arc::clone(configs.entry(text.clone()).or_insert_with(parse))
    })
}
