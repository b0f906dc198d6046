//! Producers: they write, overwrite and delete files whenever they like, and S3 announces what they wrote.

use std::sync::Arc;

use sluice_core::event::Arrival;
use sluice_core::object::Key;

use crate::bucket::STATE;
use crate::clock::{MILLISECOND, MINUTE, SECOND};
use crate::lambda::{Input, Invocation};
use crate::lasting::{What, feed_of};
use crate::scenario::{Act, NAMES, content, key};
use crate::scheduler::{Event, World};

/// For how many ticks producers go on, where they write at every tick or every other.
const FLOOD: u64 = 12;
const BUSY: u64 = 24;

/// Does what the scenario has at this place, unless it was taken out.
pub fn act(world: &mut World, number: usize) {
    let scenario = Arc::clone(&world.scenario);
    let label = scenario.dice.about("act").number(number as u64).label();
    let act = &scenario.acts[number].1;
    if !world.odd.happens(label, || format!("producer: {act:?}")) {
        return;
    }
    match act {
        Act::Delete { key } => {
            if world.bucket.objects.remove(key).is_some() {
                world.truth.taken_away(key);
                world.say("producer", || format!("deletes  {key}"));
            }
        }
        Act::Write { key, content } => {
            write(world, key, content);
            let events = feed_of(key).is_some_and(|feed| scenario.feeds[feed].events);
            if events {
                announce(world, number, key);
            }
        }
        Act::Forget => {
            let keys: Vec<String> = world.bucket.under(STATE).map(|(key, _)| key.clone()).collect();
            for key in keys {
                world.bucket.objects.remove(&key);
                world.say("somebody", || format!("deletes  {key}"));
            }
        }
    }
}

fn write(world: &mut World, key: &str, content: &str) {
    let etag = world.bucket.write(key, content.as_bytes().into(), world.now);
    world.say("producer", || format!("writes   {key} {content:?} ETag {etag}"));
    world.was_produced(key, content, &etag);
}

/// Before one of the last ticks: more files, where producers go on when the weather is calm. Answers whether they do.
pub fn go_on(world: &mut World, tick: u64) -> bool {
    let scenario = Arc::clone(&world.scenario);
    let mut more = false;
    for setting in &scenario.feeds {
        let all = setting.capacity();
        let goes_on = |what: &What| match what {
            // Twice as many at first, so that some are always left over; and then a packed one among them.
            What::Flood if tick < FLOOD => Some((if tick == 0 { 2 * all } else { all }, tick == 1)),
            What::Busy if tick < BUSY => Some((usize::from(tick.is_multiple_of(2)), false)),
            _ => None,
        };
        let Some((files, packed)) = world.lasting.of(setting.feed, world.now).find_map(goes_on) else { continue };
        more = true;
        let packed = packed.then(|| format!("p{tick}.gz"));
        for name in packed.into_iter().chain((0..files).map(|file| format!("p{tick}.{file}"))) {
            let key = key(setting.feed, &name);
            write(world, &key, &content("", &key, 1));
        }
    }
    more
}

/// Where `ETag`s are no hashes, somebody sends a file again that was loaded and is in the archive. Answers whether he does.
pub fn send_again(world: &mut World) -> bool {
    let loaded = world.archived_and_compared();
    if let Some((key, content)) = &loaded {
        write(world, key, content);
        // There is something to compare it with, and nothing goes wrong.
        world.truth.sent_again.remove(content);
    }
    loaded.is_some()
}

/// More good files for each feed: the first of all its names, and the last.
pub fn one_more(world: &mut World) {
    for feed in 0..world.scenario.feeds.len() {
        for name in ["0", "z"] {
            let key = key(feed, name);
            write(world, &key, &content("", &key, 1));
        }
    }
}

/// The event of a new object: usually once and soon, sometimes late, twice, or not at all.
fn announce(world: &mut World, number: usize, key: &str) {
    let mut dice = world.scenario.dice.about("event").number(number as u64);
    if dice.one_in(10) {
        return;
    }
    let feed = feed_of(key).unwrap_or_default();
    for copy in 0..=u64::from(dice.one_in(6)) {
        let delay = dice.number(copy).pick(&[100 * MILLISECOND, 100 * MILLISECOND, SECOND, 2 * MINUTE]);
        let delay = dice.below(delay);
        let label = dice.number(copy).label();
        if !world.odd.happens(label, || format!("event {copy} of {key}")) {
            continue;
        }
        // A queue may bring several events at once, about whatever files.
        let other = crate::scenario::key(feed, dice.pick(&NAMES));
        let keys = if dice.one_in(4) { vec![other.as_str(), key] } else { vec![key] };
        let arrivals = keys.into_iter().map(arrival).collect();
        let invocation = Invocation::new(label, format!("loader {number}.{copy}"), Input::Arrive(arrivals));
        world.after(delay, Event::Begin(invocation));
    }
}

fn arrival(key: &str) -> Arrival {
    Arrival { bucket: "bucket".to_owned(), key: Key::new(key).expect("a key"), message_id: None }
}
