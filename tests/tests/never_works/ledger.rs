//! Questions to the ledger while a COPY has its lock, for longer than a worker may run.

use sluice_standin::faults::Moment;
use sluice_tests::Gate;

use crate::scene::{AT_ONCE, FILES, SOON, World};

const SETTINGS: &str = "max_files = 8\nfiles_per_load = 4";

/// A batch of which some files are loaded already asks which; meanwhile another batch's COPY has the ledger. The question
/// is asked once, waits for the lock, and the next worker takes its answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_question_that_waits_for_a_long_copy_is_asked_once() {
    let world = World::with(SETTINGS, "", |_| ()).await;
    world.drop_numbers(0..2);
    world.within(SOON, "the first are loaded", async |world| world.is(&[0, 1], &[]).await).await;
    // The same again, with two new ones.
    world.drop_numbers(0..4);
    let gate = Gate::close(&world.site.standin, Moment::Before, |rule| {
        rule.service("redshift-data").operation("ExecuteStatement").caller("fn-sluice-worker-")
    });
    let asked = || world.site.requests("redshift-data:ExecuteStatement");
    let before = asked();
    world.site.deployed.tick().await.unwrap();
    gate.reached(1).await;
    let hold = world.redshift().hold_copies();
    world.drop_numbers(4..8);
    world.site.deployed.tick().await.unwrap();
    hold.reached(1).await;
    gate.open();
    // The other feed's COPYs would be held, too.
    for _ in 0..5 {
        world.tick_alone().await;
    }
    assert!(asked() - before <= 2, "asked {} times while the ledger was locked; {}", asked() - before, world.story());
    drop(hold);
    world.within(AT_ONCE, "all is loaded", async |world| world.is(&(0..8).collect::<Vec<_>>(), &[]).await).await;
    world.drop_numbers(8..FILES);
    world.heals(SOON, FILES, &[]).await;
    world.stop().await;
}
