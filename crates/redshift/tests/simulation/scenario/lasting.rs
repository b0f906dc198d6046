//! Scenarios in which something lasts: mild weather, a few feeds with a few files, and what never works for one of them.

use super::settings::{Setting, Settings};
use super::{Act, BAD, Class, MEMORY, STUCK, Scenario, Views, content, key, other};
use crate::clock::{HOUR, MILLISECOND, MINUTE, Micros, SECOND};
use crate::dice::Dice;
use crate::lasting::{COPY_ERRORS, Copying, DOWN_ERRORS, Down, LONGEST, Look, Request, Trouble, What};

/// How far apart listers begin.
const TICK: Micros = 5 * MINUTE;

/// The scenario of a class in which something lasts.
pub fn scenario(dice: Dice, class: Class) -> Scenario {
    let mut with = dice.about("lasting");
    let whose = with.index(2);
    let feeds = match class {
        Class::Listing | Class::Claim => 2 + with.index(2),
        _ => (whose + 1).max(1 + with.index(2)),
    };
    let lister = with.pick(&[MINUTE, MINUTE, 5 * MINUTE]);
    let mut troubles = troubles(&mut with, class, whose, lister);
    if class == Class::Down && with.one_in(3) {
        // Not one table, but all of the warehouse.
        troubles =
            (0..feeds).flat_map(|feed| troubles.iter().map(move |one| Trouble { feed, ..one.clone() })).collect();
    }
    if feeds > 1 && class != Class::Flood && with.one_in(4) {
        let second = with.pick(&[Class::Copy, Class::Move]);
        troubles.extend(self::troubles(&mut with, second, 1 - whose, lister));
    }
    if matches!(class, Class::Copy | Class::Move) && with.one_in(3) {
        troubles.push(Trouble { feed: whose, what: What::Busy, from: 0, until: None });
    }
    let settings = settings(dice, &mut with, class, feeds, whose);
    let ticks = ticks(&mut with, class, &troubles);
    let end = ticks.last().copied().unwrap_or_default() + MINUTE;
    Scenario {
        dice,
        class,
        configs: vec![(0, settings.config())],
        timeouts: [lister, with.pick(&[MINUTE, 5 * MINUTE]), with.pick(&[MINUTE, 5 * MINUTE, 15 * MINUTE])],
        acts: acts(dice.about("acts"), &settings, &ticks, &troubles, class),
        heals: with.one_in(2),
        occupied: Vec::new(),
        feeds: settings.feeds,
        troubles,
        ticks,
        end,
        latency: with.pick(&[MILLISECOND, 50 * MILLISECOND]),
        fault_in: with.pick(&[u64::MAX, u64::MAX, 300, 100]),
        slow_in: with.pick(&[u64::MAX, u64::MAX, 300]),
        step: with.pick(&[10 * MILLISECOND, SECOND, 5 * SECOND]),
        failure_in: with.pick(&[u64::MAX, u64::MAX, 20]),
        memory: MEMORY,
        ledger: !with.one_in(6),
        hashes: !with.one_in(8),
        page: if class == Class::Listing { 2 } else { with.pick(&[1000, 1000, 2]) },
        views: Views { query_ids: !with.one_in(3), lag: with.pick(&[0, 5 * SECOND]), names_files: with.one_in(2) },
    }
}

fn settings(dice: Dice, with: &mut Dice, class: Class, feeds: usize, whose: usize) -> Settings {
    let feed = |feed: usize| {
        let mut setting = other(dice, feed);
        if class == Class::Flood {
            setting.by_key = false;
            setting.two_by_bytes = true;
            setting.files_per_load = 5;
            setting.max_files = 5 * with.pick(&[1, 2, 3]);
        }
        if feed == whose && matches!(class, Class::Look | Class::Questions) {
            // More than one file in a load, and for questions more than one load.
            setting.files_per_load = setting.files_per_load.max(2);
            let slots = if class == Class::Questions { 2 } else { 1 };
            setting.max_files = setting.max_files.max(slots * setting.files_per_load);
        }
        setting
    };
    Settings {
        feeds: (0..feeds).map(feed).collect(),
        passes: with.pick(&[1, 1, 1, 3]),
        columnar: with.one_in(8) && class != Class::Look,
    }
}

/// What lasts for the whose feed.
fn troubles(with: &mut Dice, class: Class, feed: usize, lister: Micros) -> Vec<Trouble> {
    let from = with.pick(&[0, 0, 0, 12 * MINUTE]);
    let lasting = |what| Trouble { feed, what, from, until: None };
    let stuck = |with: &mut Dice, errors: &[Copying]| {
        let copying = with.pick(errors);
        What::Copy(Copying { named: with.one_in(2), ..copying })
    };
    let whats = match class {
        Class::Copy => vec![stuck(with, &COPY_ERRORS)],
        Class::Move => {
            vec![What::Denied(with.pick(&[Request::Archive, Request::Quarantine, Request::Delete, Request::Read]))]
        }
        Class::Listing => vec![What::Pages(lister / with.pick(&[3, 4, 6]))],
        Class::Look => vec![What::Look(with.pick(&[Look::Takes(6 * MINUTE), Look::Takes(LONGEST), Look::Fails]))],
        Class::Questions => {
            vec![What::Slow(with.pick(&[2, 4]) * MINUTE), What::Busy, stuck(with, &COPY_ERRORS[4..5])]
        }
        Class::Claim => vec![What::Claim],
        Class::Flood => vec![What::Flood],
        Class::Down => return vec![down(with, feed)],
        Class::Usual | Class::Feeds | Class::Changes => Vec::new(),
    };
    whats.into_iter().map(lasting).collect()
}

fn down(with: &mut Dice, feed: usize) -> Trouble {
    let text = with.pick(&DOWN_ERRORS);
    let down = with.pick(&[Down::Refuses, Down::Fails(text), Down::FailsAtCopy(text)]);
    let from = with.pick(&[0, 7 * MINUTE, 22 * MINUTE]);
    let lasts = with.pick(&[None, Some(HOUR), Some(5 * HOUR), Some(26 * HOUR), Some(50 * HOUR)]);
    Trouble { feed, what: What::Down(down), from, until: lasts.map(|lasts| from + lasts) }
}

/// A tick every five minutes for a while; then fewer, until what passes has passed.
fn ticks(with: &mut Dice, class: Class, troubles: &[Trouble]) -> Vec<Micros> {
    let mut ticks: Vec<Micros> = (0..3 + with.below(8)).map(|number| number * TICK + with.below(SECOND)).collect();
    if class != Class::Down {
        return ticks;
    }
    let last = troubles.iter().filter_map(|trouble| trouble.until).max();
    let until = last.unwrap_or(3 * HOUR) + 2 * TICK;
    let mut at = ticks.last().copied().unwrap_or_default();
    while at < until {
        at += match at {
            ..HOUR => TICK,
            HOUR..=10_800_000_000 => 3 * TICK,
            _ => 10 * TICK,
        };
        ticks.push(at + with.below(SECOND));
    }
    ticks
}

/// A few files for each feed at the beginning, and now and then another one. Nothing is overwritten where that would only
/// hide what this is about.
fn acts(
    mut dice: Dice,
    settings: &Settings,
    ticks: &[Micros],
    troubles: &[Trouble],
    class: Class,
) -> Vec<(Micros, Act)> {
    let mut acts = Vec::new();
    for setting in &settings.feeds {
        first(&mut dice, setting, troubles, class, &mut acts);
    }
    if class == Class::Move && dice.one_in(3) {
        replace(dice, ticks, &mut acts);
    }
    let last = ticks.last().copied().unwrap_or_default() + MINUTE / 2;
    for (number, tick) in ticks.iter().take(12).enumerate() {
        if dice.one_in(2) {
            let feed = dice.index(settings.feeds.len());
            // Sometimes a new content under the same name.
            let at = key(feed, &format!("m{}", number - usize::from(number > 0 && dice.one_in(3))));
            let written = Act::Write { content: content("", &at, number as u64), key: at };
            acts.push(((tick + dice.below(2 * MINUTE)).min(last), written));
        }
        if dice.one_in(6) {
            acts.push(((tick + dice.below(2 * MINUTE)).min(last), Act::Forget));
        }
    }
    acts.sort_by_key(|(at, _)| *at);
    acts
}

/// What cannot be moved is replaced while it is being loaded, by what cannot be moved either.
fn replace(mut dice: Dice, ticks: &[Micros], acts: &mut Vec<(Micros, Act)>) {
    let stuck = acts.iter().filter_map(|(_, act)| match act {
        Act::Write { key, content } if content.starts_with(STUCK) => Some(key.clone()),
        _ => None,
    });
    let stuck: Vec<String> = stuck.collect();
    for at in stuck {
        let written = Act::Write { content: format!("{STUCK}{}", self::content("", &at, 2)), key: at };
        acts.push((dice.pick(&ticks[..2]) + dice.below(5 * SECOND), written));
    }
}

/// The files that a feed begins with: what its trouble is about, and others.
fn first(dice: &mut Dice, setting: &Setting, troubles: &[Trouble], class: Class, acts: &mut Vec<(Micros, Act)>) {
    let feed = setting.feed;
    let own: Vec<&What> = troubles.iter().filter(|trouble| trouble.feed == feed).map(|trouble| &trouble.what).collect();
    let number = match class {
        Class::Listing if !own.is_empty() => 8 + dice.index(4),
        Class::Copy | Class::Look | Class::Questions => 3 + dice.index(4),
        _ => 2 + dice.index(4),
    };
    let mut marks: Vec<String> = own.iter().flat_map(|what| marks(dice, what)).collect();
    marks.resize_with(number.max(marks.len()), || if dice.one_in(8) { BAD.to_owned() } else { String::new() });
    for place in (1..marks.len()).rev() {
        marks.swap(place, dice.index(place + 1));
    }
    for (place, mark) in marks.iter().enumerate() {
        let at = key(feed, &format!("{}{place}", char::from(b'a' + u8::try_from(place).unwrap_or_default())));
        let written = Act::Write { content: content(mark, &at, 1), key: at };
        acts.push((dice.below(2 * SECOND), written));
    }
}

/// The marks of the files that a trouble is about.
fn marks(dice: &mut Dice, what: &What) -> Vec<String> {
    let bad_stuck = format!("{BAD}{STUCK}");
    let mark = match what {
        What::Copy(_) | What::Denied(Request::Archive) => STUCK.to_owned(),
        What::Denied(Request::Quarantine) => bad_stuck,
        What::Denied(Request::Delete | Request::Read) => dice.pick(&[STUCK.to_owned(), bad_stuck]),
        What::Look(_) => BAD.to_owned(),
        _ => return Vec::new(),
    };
    vec![mark; 1 + dice.index(2)]
}
