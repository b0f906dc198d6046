//! The controls of the contract of a backlog: one that breaks a single promise is found out by the checks that are
//! about it, and by no others.

use test_case::test_case;

use super::backlog;
use crate::backlog::{Backlog, Waiting, Wanted};
use crate::config::{Config, Feed, Order};
use crate::list::Listing;
use crate::ports::PortError;
use crate::testing::target::config;
use crate::testing::{ManualClock, MemoryObjects};

/// What it does not do as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    /// It counts a file twice.
    Twice,
    /// It leaves bytes out.
    Bytes,
    /// It chooses by the key, whatever the feed says.
    Order,
    /// It does not say how old the others are.
    Oldest,
    /// It chooses what claims hold.
    Held,
    /// It chooses what rests.
    Resting,
    /// It does not count what is not taken.
    NotTaken,
    /// It chooses none but the very first.
    Stuck,
}

struct Lying<'a> {
    listing: Listing<'a, MemoryObjects>,
    lie: Lie,
}

const ALL: &str = "all_are_counted";
const ORDER: &str = "the_first_in_the_order_are_chosen";
const HELD: &str = "what_is_held_is_listed_only";
const RESTING: &str = "what_rests_is_listed_only";
const NOT_TAKEN: &str = "what_the_feed_does_not_take_is_told";
const REACHED: &str = "every_file_is_reached";

#[test_case(Lie::Twice, &[ALL, HELD, RESTING, NOT_TAKEN]; "twice")]
#[test_case(Lie::Bytes, &[ALL]; "bytes")]
#[test_case(Lie::Order, &[ORDER]; "order")]
#[test_case(Lie::Oldest, &[ORDER]; "oldest")]
#[test_case(Lie::Held, &[HELD, REACHED]; "held")]
#[test_case(Lie::Resting, &[RESTING]; "resting")]
#[test_case(Lie::NotTaken, &[NOT_TAKEN]; "not taken")]
#[test_case(Lie::Stuck, &[REACHED]; "stuck")]
fn a_lie_is_found_out(lie: Lie, by: &[&str]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    assert_eq!(runtime.map(|runtime| runtime.block_on(surprises(lie, by))).ok(), Some(Vec::new()));
}

async fn surprises(lie: Lie, by: &[&str]) -> Vec<String> {
    let config: Config = config("f", "f/", "include = [\"*.csv\"]");
    let clock = ManualClock::default();
    let bucket = MemoryObjects::new(&clock);
    let lying = Lying { listing: Listing::new(&config, &bucket), lie };
    let report = backlog(&lying, &config, &(bucket.clone(), clock)).await;
    let known: Vec<String> = by.iter().map(|check| format!("backlog::{check}")).collect();
    report.surprises(&known.iter().map(String::as_str).collect::<Vec<_>>(), &[])
}

impl Backlog for Lying<'_> {
    async fn waiting(&self, feed: &Feed, wanted: &Wanted) -> Result<Waiting, PortError> {
        let (mut feed, mut asked) = (feed.clone(), wanted.clone());
        match self.lie {
            Lie::Order => feed.order = Order::Key,
            Lie::Held => asked.held.clear(),
            Lie::Resting => asked.resting.clear(),
            _ => {}
        }
        let mut waiting = self.listing.waiting(&feed, &asked).await?;
        match self.lie {
            Lie::Twice if waiting.listed > 0 => waiting.listed += 1,
            Lie::Bytes => waiting.unprocessed_bytes = waiting.unprocessed_bytes.saturating_sub(1),
            Lie::Oldest => waiting.oldest_left = None,
            Lie::NotTaken => waiting.not_taken = 0,
            Lie::Stuck if !wanted.held.is_empty() && wanted.most == 1 => waiting.chosen.clear(),
            _ => {}
        }
        Ok(waiting)
    }
}
