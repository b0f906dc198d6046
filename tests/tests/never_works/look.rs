//! The look for bad files takes longer than a worker may run, fails, or never ends: good files are loaded all the same.

use test_case::test_case;

use crate::scene::{AT_ONCE, CULPRIT, FILES, SOON, Shape, World};

/// All in one batch.
const ONE_BATCH: &str = "max_files = 10\nfiles_per_load = 10";
const TEN: i64 = 10;

fn all_but_culprit(end: i64) -> Vec<i64> {
    (0..end).filter(|number| *number != CULPRIT).collect()
}

/// The bad file is dropped first, so that it is in a batch with the first of the others.
fn drop_with_a_bad_one(world: &World, end: i64) {
    world.drop_number(CULPRIT, "no number,x\n");
    world.drop_numbers(0..CULPRIT);
    world.drop_numbers(CULPRIT + 1..end);
}

/// It is asked once, and the next worker takes its answer.
#[test_case(ONE_BATCH; "with a worker")]
#[test_case("max_files = 10\nfiles_per_load = 10\nfan_out = false"; "where the lister loads")]
#[tokio::test]
async fn a_look_that_outlives_its_worker_is_taken_up_again(settings: &str) {
    let world = World::with(settings, "", |_| ()).await;
    let hold = world.redshift().hold_passes();
    drop_with_a_bad_one(&world, TEN);
    for _ in 0..3 {
        world.tick().await;
    }
    assert!(hold.held() <= 1, "{} side by side", hold.held());
    drop(hold);
    world.heals(AT_ONCE, TEN, &[CULPRIT]).await;
    world.stop().await;
}

/// While one batch waits for its look, the others go on.
#[tokio::test]
async fn a_look_that_lasts_holds_up_its_batch_alone() {
    let world = World::start(Shape::Slots).await;
    let hold = world.redshift().hold_passes();
    drop_with_a_bad_one(&world, FILES);
    world.within(SOON, "the other batches get through", async |world| world.waiting().len() <= 4).await;
    assert!(hold.held() <= 1, "{} side by side", hold.held());
    drop(hold);
    world.heals(AT_ONCE, FILES, &[CULPRIT]).await;
    world.stop().await;
}

/// No look ever says anything: halves find the bad file.
#[test_case(Shape::Slots, "timeout exceeded while waiting"; "for an unknown reason")]
#[test_case(Shape::OneSlot, "permission denied for relation numbers"; "for want of a right with one slot")]
#[tokio::test]
async fn a_look_that_always_fails(shape: Shape, error: &str) {
    fails(shape, error).await;
}

mod campaign {
    use test_case::test_case;

    use super::*;

    #[test_case(Shape::OneSlot, "Query (7) cancelled on user's request"; "by a timeout with one slot")]
    #[test_case(Shape::OneSlot, "connection to the warehouse lost: closed"; "by lost connections with one slot")]
    #[test_case(Shape::Inline, "deadlock detected"; "in a deadlock where the lister loads")]
    #[tokio::test]
    async fn a_look_that_always_fails_whatever_is_said(shape: Shape, error: &str) {
        fails(shape, error).await;
    }
}

async fn fails(shape: Shape, error: &str) {
    let world = World::start(shape).await;
    world.redshift().fail_passes(Some(error));
    drop_with_a_bad_one(&world, FILES);
    let good = all_but_culprit(FILES);
    let loaded = async |world: &World| world.site.ids("numbers").await == good;
    world.within(SOON, "the good ones get through", loaded).await;
    world.redshift().fail_passes(None);
    world.heals(AT_ONCE, FILES, &[CULPRIT]).await;
    world.stop().await;
}

/// It runs until the feed's timeout, every time.
#[tokio::test]
async fn a_look_that_never_ends() {
    let world = World::with(ONE_BATCH, "statement_timeout = \"2s\"\n", |_| ()).await;
    let hold = world.redshift().hold_passes();
    drop_with_a_bad_one(&world, TEN);
    let good = all_but_culprit(TEN);
    let loaded = async |world: &World| world.site.ids("numbers").await == good;
    world.within(SOON, "the good ones get through", loaded).await;
    drop(hold);
    world.heals(AT_ONCE, TEN, &[CULPRIT]).await;
    world.stop().await;
}
