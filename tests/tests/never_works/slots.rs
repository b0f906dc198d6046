//! A configuration that changes while files are in flight.

use serde_json::Value;
use sluice_tests::{BUCKET, expire_leases};

use crate::scene::{AT_ONCE, SOON, World, name};

/// Files that claims of the feed hold, in whatever part of them.
fn in_flight(world: &World) -> usize {
    let files = |key: &String| {
        let body = world.site.standin.storage().get(BUCKET, key).unwrap_or_default();
        let claim: Value = serde_json::from_slice(&body).unwrap_or_default();
        ["files", "later"].iter().filter_map(|part| claim[part].as_array().map(Vec::len)).sum::<usize>()
    };
    world.in_slots().iter().map(files).sum()
}

/// X counts files, whatever a claim was made for.
#[tokio::test]
async fn smaller_batches_do_not_make_more_files_in_flight() {
    let mut world = World::with("max_files = 8\nfiles_per_load = 8", "", |_| ()).await;
    let hold = world.redshift().hold_copies();
    world.drop_numbers(0..24);
    world.site.deployed.tick().await.unwrap();
    hold.reached(1).await;
    assert_eq!(in_flight(&world), 8);
    world.configure("max_files = 8\nfiles_per_load = 2", "");
    for tick in 0..3 {
        let answer = world.site.answer(sluice_standin::deployment::LISTER, &serde_json::json!({})).await;
        assert_eq!((in_flight(&world), &answer["feeds"][0]["in_flight"]), (8, &8.into()), "tick {tick}");
        world.site.deployed.idle().await;
    }
    drop(hold);
    expire_leases(world.site.standin.storage(), BUCKET);
    world.heals(SOON, 24, &[]).await;
    world.stop().await;
}

/// Lower than what is in flight: nothing is begun until there is room, and what was begun is finished.
#[tokio::test]
async fn a_lower_x_begins_nothing_and_finishes_what_was_begun() {
    let mut world = World::with("max_files = 8\nfiles_per_load = 2", "", |_| ()).await;
    let hold = world.redshift().hold_copies();
    world.drop_numbers(0..24);
    world.site.deployed.tick().await.unwrap();
    hold.reached(1).await;
    assert_eq!(in_flight(&world), 8);
    world.configure("max_files = 2\nfiles_per_load = 1", "");
    world.site.deployed.tick().await.unwrap();
    assert_eq!(in_flight(&world), 8);
    world.site.deployed.idle().await;
    drop(hold);
    expire_leases(world.site.standin.storage(), BUCKET);
    let few = async |world: &World| world.waiting().len() <= 16 && in_flight(world) <= 2;
    world.within(AT_ONCE, "what was begun is finished", few).await;
    world.heals(24, 24, &[]).await;
    world.stop().await;
}

/// The transaction that runs was made by the old configuration: the new one must not say which of its statements was
/// COPY. The replaced file asks which version that COPY read.
#[tokio::test]
async fn other_sql_around_a_copy_that_runs_miscounts_nothing() {
    const SETTINGS: &str = "max_files = 8\nfiles_per_load = 8\nwait_seconds = 0";
    let mut world = World::with(SETTINGS, "pre_sql = [\"SELECT 1\", \"SELECT 2\"]\n", |_| ()).await;
    world.drop_numbers(0..1);
    world.within(AT_ONCE, "there is a ledger", async |world| world.is(&[0], &[]).await).await;
    let rows = || world.site.published("numbers", "RowsLoaded").iter().sum::<f64>();
    let before = rows();
    let hold = world.redshift().hold_copies();
    world.drop_numbers(1..4);
    world.site.deployed.tick().await.unwrap();
    hold.reached(1).await;
    world.drop_number(2, "200,new\n");
    world.site.deployed.idle().await;
    world.configure(SETTINGS, "");
    let mut finished = world.redshift().finished();
    drop(hold);
    finished.recv().await.unwrap();
    expire_leases(world.site.standin.storage(), BUCKET);
    let loaded = async |world: &World| world.is(&[0, 1, 3, 200], &[]).await;
    world.within(AT_ONCE, "all is loaded, once", loaded).await;
    world.tick().await;
    let rows = world.site.published("numbers", "RowsLoaded").iter().sum::<f64>() - before;
    assert_eq!(rows, 3.0, "rows of the COPY, not of another statement");
    assert_eq!(world.metric("FilesReplaced").unwrap_or_default(), 0.0, "the warehouse knows what was read");
    let ledger = world.site.sql("SELECT object_key FROM public.sluice_ledger_numbers").await;
    assert_eq!((ledger.len(), world.site.keys("processed/numbers/").len()), (4, 4), "{}", world.story());
    world.stop().await;
}

/// A claim is an object that is read and written at every step.
#[tokio::test]
async fn no_claim_is_larger_than_a_mebibyte() {
    const COUNT: i64 = 1000;
    let world = World::with("max_files = 2000\nfiles_per_load = 1000", "", |_| ()).await;
    let path = |number: i64| format!("numbers/{}/{number:04}.csv", vec!["x".repeat(240); 4].join("/"));
    for number in 0..COUNT {
        world.site.drop_file(&path(number), &format!("{number},x\n"));
    }
    let hold = world.redshift().hold_copies();
    world.site.deployed.tick().await.unwrap();
    hold.reached(1).await;
    for key in world.in_slots() {
        let size = world.site.standin.storage().head(BUCKET, &key).unwrap().size;
        assert!(size <= 1 << 20, "{key} has {size} bytes");
    }
    world.site.deployed.idle().await;
    drop(hold);
    expire_leases(world.site.standin.storage(), BUCKET);
    let all = (0..COUNT).collect::<Vec<_>>();
    world.within(SOON, "all is loaded", async |world| world.is(&all, &[]).await).await;
    world.stop().await;
}

/// A feed's claims outlive its place in the configuration.
#[tokio::test]
async fn a_feed_that_is_removed_and_put_back_goes_on() {
    const SETTINGS: &str = "max_files = 8\nfiles_per_load = 4\nwait_seconds = 0";
    let mut world = World::with(SETTINGS, "", |_| ()).await;
    world.drop_numbers(0..1);
    world.within(AT_ONCE, "there is a ledger", async |world| world.is(&[0], &[]).await).await;
    let hold = world.redshift().hold_copies();
    world.drop_numbers(1..13);
    world.site.deployed.tick().await.unwrap();
    hold.reached(1).await;
    world.site.deployed.idle().await;
    world.without_feed();
    for _ in 0..2 {
        world.site.deployed.tick().await.unwrap();
        expire_leases(world.site.standin.storage(), BUCKET);
    }
    assert_eq!(world.waiting().len(), 12, "{} is still there", name(1));
    drop(hold);
    world.configure(SETTINGS, "");
    world.heals(SOON, 13, &[]).await;
    world.stop().await;
}
