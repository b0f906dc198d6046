//! The whole warehouse of a feed does not work, and is back: the feed is down, nothing rests, little is tried, and
//! afterwards everything is loaded at once.

use std::collections::BTreeSet;

use serde_json::Value;
use sluice_standin::faults::{Fault, Rule, RuleId};
use sluice_standin::redshift::Trouble;
use sluice_tests::BUCKET;
use test_case::test_case;

use crate::scene::{FILES, LATER, Shape, World};

const TICKS: usize = 16;
/// The first ticks find out; each of the others sends one probe, which may be tried once more.
const FINDING_OUT: usize = 8;
const A_TICK: usize = 2;

/// What does not work of the feed.
#[derive(Clone, Copy, Debug)]
enum Down {
    /// Every COPY of its files fails so.
    Copies(&'static str),
    /// No statement of its is taken.
    Statements,
    /// Nothing of it can be archived.
    Archive,
}

impl Down {
    fn begin(self, world: &World) -> Option<RuleId> {
        match self {
            Self::Copies(error) => {
                world.redshift().spoil("incoming/numbers/", Trouble::Fails(error.to_owned()));
                None
            }
            Self::Statements => {
                let gone = Fault::Answer(400, "ValidationException", "Redshift cluster demo is paused");
                Some(Rule::new(gone).service("redshift-data").operation("BatchExecuteStatement"))
            }
            Self::Archive => {
                let denied = Fault::Answer(403, "AccessDenied", "Access Denied");
                Some(Rule::new(denied).operation("CopyObject").subject("processed/numbers/"))
            }
        }
        .map(|rule| world.site.standin.faults().add(rule))
    }

    fn end(world: &World, rule: Option<RuleId>) {
        match rule {
            Some(rule) => world.site.standin.faults().remove(rule),
            None => world.redshift().unspoil("incoming/numbers/"),
        }
    }
}

const DENIED: &str = "S3ServiceException:Access Denied,Status 403,Error AccessDenied,Rid 0,ExtRid 0,CanRetry 1";
const UNKNOWN: &str = "an error of a new kind";
const TIMED_OUT: &str = "Query (7) cancelled on user's request";
const NO_RIGHT: &str = "permission denied for relation numbers";

#[test_case(Shape::Slots, Down::Copies(DENIED); "nothing may be read")]
#[test_case(Shape::OneSlot, Down::Copies(UNKNOWN); "an unknown error with one slot")]
#[test_case(Shape::Slots, Down::Statements; "the cluster is paused")]
#[test_case(Shape::OneSlot, Down::Archive; "nothing can be archived with one slot")]
#[tokio::test]
async fn a_feed_that_is_down_rests_nothing_and_comes_back(shape: Shape, down: Down) {
    comes_back(shape, down).await;
}

mod campaign {
    use test_case::test_case;

    use super::*;

    #[test_case(Shape::OneSlot, Down::Copies(DENIED); "nothing may be read with one slot")]
    #[test_case(Shape::Slots, Down::Copies(UNKNOWN); "an unknown error")]
    #[test_case(Shape::Slots, Down::Copies(TIMED_OUT); "everything times out")]
    #[test_case(Shape::OneSlot, Down::Copies(TIMED_OUT); "everything times out with one slot")]
    #[test_case(Shape::OneSlot, Down::Copies(NO_RIGHT); "a right is missing with one slot")]
    #[test_case(Shape::Inline, Down::Copies(DENIED); "nothing may be read where the lister loads")]
    #[test_case(Shape::Event, Down::Copies(NO_RIGHT); "a right is missing where events load")]
    #[test_case(Shape::OneSlot, Down::Statements; "the cluster is paused with one slot")]
    #[test_case(Shape::Slots, Down::Archive; "nothing can be archived")]
    #[tokio::test]
    async fn a_feed_that_is_down_rests_nothing_and_comes_back_whatever_is_said(shape: Shape, down: Down) {
        comes_back(shape, down).await;
    }
}

async fn comes_back(shape: Shape, down: Down) {
    let world = World::start(shape).await;
    // It has worked before.
    world.drop_numbers(0..1);
    world.within(3, "the first file gets through", async |world| world.is(&[0], &[]).await).await;
    let rule = down.begin(&world);
    world.drop_numbers(1..FILES);
    let transactions = || world.site.requests("redshift-data:BatchExecuteStatement");
    for number in 0..TICKS {
        let before = transactions();
        world.tick_alone().await;
        assert!(world.resting().is_empty(), "tick {number}: something rests; {}", world.story());
        let sent = transactions() - before;
        assert!(number < FINDING_OUT || sent <= A_TICK, "tick {number}: {sent} transactions; {}", world.story());
    }
    assert_eq!(world.metric("FeedDown"), Some(1.0), "{}", world.story());
    assert_eq!(world.metric("FilesResting"), Some(0.0));
    assert_eq!(world.site.keys("failed/"), [""; 0]);
    if let Down::Copies(_) = down {
        let probed = probed(&world);
        // The one that worked was alone, too.
        assert!(probed.len() > 3, "each probe takes another file: {probed:?}");
    }

    Down::end(&world, rule);
    let waited = world.waiting().len();
    for _ in 0..3 {
        world.tick_alone().await;
    }
    let slots = if shape == Shape::OneSlot { 8 } else { 16 };
    assert!(world.waiting().len() + slots <= waited, "at full speed within two ticks; {}", world.story());
    world.drop_numbers(FILES..FILES + LATER);
    world.heals(10, FILES + LATER, &[]).await;
    world.stop().await;
}

/// The files that were tried alone, by their manifests.
fn probed(world: &World) -> BTreeSet<String> {
    let manifests = world.site.keys("sluice/manifests/numbers/");
    let entries = |key: &String| {
        let body = world.site.standin.storage().get(BUCKET, key).unwrap();
        let manifest: Value = serde_json::from_slice(&body).unwrap();
        manifest["entries"].as_array().unwrap().iter().map(|entry| entry["url"].as_str().unwrap().to_owned()).collect()
    };
    manifests.iter().map(entries).filter(|urls: &Vec<String>| urls.len() == 1).flatten().collect()
}
