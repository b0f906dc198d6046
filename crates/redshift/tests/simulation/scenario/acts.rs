//! Acts: what producers do, and when; and when listers begin.

use std::collections::HashMap;

use super::settings::FEEDS;
use super::{BAD, CURSED, MISNAMED, NAMES, ZIP};
use crate::bucket::INCOMING;
use crate::clock::{HOUR, MILLISECOND, MINUTE, Micros, SECOND};
use crate::dice::Dice;

/// What a producer does with a file.
#[derive(Clone, Debug)]
pub enum Act {
    /// Writes it, with this content.
    Write { key: String, content: String },
    /// Deletes it.
    Delete { key: String },
    /// Somebody removes what the lister has noted for itself.
    Forget,
}

/// Where the feed's file with this name arrives.
pub fn key(feed: usize, name: &str) -> String {
    format!("{INCOMING}{}/{name}", FEEDS[feed])
}

/// One to five moments; some of them twice, since two listers may begin at the same instant.
pub fn ticks(mut dice: Dice) -> Vec<Micros> {
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

/// What the files of a history may be like.
pub struct Files {
    pub feeds: usize,
    /// Of which feeds files may be packed otherwise than they say: those that are looked at, where nothing keeps anybody from
    /// looking.
    pub misnamed: Vec<bool>,
    /// There may be contents that make COPY fail with an error which says nothing to anybody.
    pub cursed: bool,
}

/// Up to ten things that producers do: at the beginning, soon after a tick, or at any time.
pub fn acts(mut dice: Dice, ticks: &[Micros], end: Micros, files: &Files) -> Vec<(Micros, Act)> {
    let names: Vec<&str> = (0..=dice.below(5)).map(|_| dice.pick(&NAMES)).collect();
    let more = if files.feeds > 1 { 16 } else { 10 };
    let mut times: Vec<Micros> = (0..=dice.below(more))
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
    let mut contents: HashMap<String, u64> = HashMap::new();
    let act = |at| {
        let name = dice.pick(&names);
        let feed = if files.feeds > 1 { dice.index(files.feeds) } else { 0 };
        let key = key(feed, name);
        if dice.one_in(6) {
            return (at, Act::Delete { key });
        }
        let newest = contents.entry(key.clone()).or_default();
        // The same content again, or new content.
        let number = if *newest > 0 && dice.one_in(3) { 1 + dice.below(*newest) } else { *newest + 1 };
        *newest = number.max(*newest);
        let mark = match number % 4 {
            _ if name == "a.error.json" => BAD,
            2 if name < "c" => ZIP,
            2 => BAD,
            1 | 3 if files.misnamed[feed] && name > "c" => MISNAMED,
            1 if files.cursed && name <= "b" => CURSED,
            _ => "",
        };
        (at, Act::Write { content: content(mark, &key, number), key })
    };
    times.into_iter().map(act).collect()
}

/// A content that no other file has: it says whose it is.
pub fn content(mark: &str, key: &str, number: u64) -> String {
    format!("{mark}{}#{number}\n", key.strip_prefix(INCOMING).unwrap_or(key))
}
