//! Producers: they write, overwrite and delete files whenever they like, and S3 announces what they wrote.

use std::sync::Arc;

use sluice_core::event::Arrival;
use sluice_core::object::Key;

use crate::bucket::INCOMING;
use crate::clock::{MILLISECOND, MINUTE, SECOND};
use crate::lambda::{Input, Invocation};
use crate::scenario::{Act, NAMES};
use crate::scheduler::{Event, World};

/// Does what the scenario has at this place, unless it was taken out.
pub fn act(world: &mut World, number: usize) {
    let scenario = Arc::clone(&world.scenario);
    let label = scenario.dice.about("act").number(number as u64).label();
    let act = &scenario.acts[number].1;
    if !world.odd.happens(label, || format!("producer: {act:?}")) {
        return;
    }
    match act {
        Act::Delete { name } => {
            let key = format!("{INCOMING}{name}");
            if world.bucket.objects.remove(&key).is_some() {
                world.truth.taken_away(&key);
                world.say("producer", || format!("deletes  {key}"));
            }
        }
        Act::Write { name, content } => {
            let key = format!("{INCOMING}{name}");
            let etag = world.bucket.write(&key, content.as_bytes().into(), world.now);
            world.say("producer", || format!("writes   {key} {content:?} ETag {etag}"));
            world.was_produced(&key, content, &etag);
            if scenario.events {
                announce(world, number, &key);
            }
        }
    }
}

/// The event of a new object: usually once and soon, sometimes late, twice, or not at all.
fn announce(world: &mut World, number: usize, key: &str) {
    let mut dice = world.scenario.dice.about("event").number(number as u64);
    if dice.one_in(10) {
        return;
    }
    for copy in 0..=u64::from(dice.one_in(6)) {
        let delay = dice.number(copy).pick(&[100 * MILLISECOND, 100 * MILLISECOND, SECOND, 2 * MINUTE]);
        let delay = dice.below(delay);
        let label = dice.number(copy).label();
        if !world.odd.happens(label, || format!("event {copy} of {key}")) {
            continue;
        }
        // A queue may bring several events at once, about whatever files.
        let other = format!("{INCOMING}{}", dice.pick(&NAMES));
        let keys = if dice.one_in(4) { vec![other.as_str(), key] } else { vec![key] };
        let arrivals = keys.into_iter().map(arrival).collect();
        let invocation = Invocation::new(label, format!("loader {number}.{copy}"), Input::Arrive(arrivals));
        world.after(delay, Event::Begin(invocation));
    }
}

fn arrival(key: &str) -> Arrival {
    Arrival { bucket: "bucket".to_owned(), key: Key::new(key).expect("a key"), message_id: None }
}
