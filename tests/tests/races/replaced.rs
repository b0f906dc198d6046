//! A producer replaces a file while it is being loaded: what COPY has read is what counts.

use sluice_standin::deployment::WORKER;
use sluice_standin::faults::Moment;
use sluice_tests::Gate;
use test_case::test_case;

use crate::scene::Scene;

const KEY: &str = "incoming/numbers/1.csv";
const ARCHIVED: &str = "processed/numbers/1.csv";

/// COPY reads the new version: the ledger learns that, and the old one was never loaded.
#[test_case("8,new\n"; "with as many bytes or fewer")]
#[test_case("8,new and longer than before\n"; "with more bytes")]
#[tokio::test(flavor = "multi_thread")]
async fn between_listing_and_copy_the_new_version_is_loaded_and_recorded(new: &str) {
    let scene = Scene::with_ledger("").await;
    let site = &scene.site;
    scene.drop_numbers(1..3);
    let copies = site.standin.redshift().unwrap().hold_copies();
    site.tick(0).await;
    copies.reached(1).await;
    site.drop_file("numbers/1.csv", new);
    let etag = scene.etag(KEY);
    drop(copies);
    assert_eq!(site.outcomes(WORKER, scene.before, 1).await, ["loaded"]);
    scene.drain().await;
    assert_eq!(site.ids("numbers").await, [0, 2, 8]);
    assert!(scene.ledger().await.contains(&(KEY.to_owned(), etag.clone())));
    assert_eq!((scene.ledger().await.len(), site.keys("processed/").len()), (3, 3));
    assert_eq!(scene.body(ARCHIVED), new);
    let read = "SELECT count(*) FROM sys_load_detail WHERE TRIM(file_name) LIKE '%/1.csv'";
    assert_eq!(site.sql(read).await[0][0].as_deref(), Some("1"), "it was read once");
    // The very same again is known by now.
    site.drop_file("numbers/1.csv", new);
    scene.drain().await;
    assert_eq!(site.ids("numbers").await, [0, 2, 8]);
    scene.stop().await;
}

/// COPY has read the old version: the new one stays where it is, and is loaded as the new file that it is.
#[tokio::test(flavor = "multi_thread")]
async fn between_copy_and_archive_the_new_version_is_loaded_as_a_new_file() {
    let scene = Scene::with_ledger("").await;
    let site = &scene.site;
    scene.drop_numbers(1..3);
    let old = scene.etag(KEY);
    let gate = Gate::close(&site.standin, Moment::Before, |rule| {
        rule.caller("fn-sluice-worker-").operation("CopyObject").subject(ARCHIVED)
    });
    site.tick(0).await;
    gate.reached(1).await;
    site.drop_file("numbers/1.csv", "8,new\n");
    let new = scene.etag(KEY);
    gate.open();
    assert_eq!(site.outcomes(WORKER, scene.before, 1).await, ["loaded"]);
    assert_eq!(site.keys("incoming/"), [KEY], "the new version is nobody's yet");
    scene.drain().await;
    assert_eq!(site.ids("numbers").await, [0, 1, 2, 8]);
    let recorded: Vec<String> =
        scene.ledger().await.into_iter().filter(|(key, _)| key == KEY).map(|(_, etag)| etag).collect();
    let mut both = [old, new];
    both.sort();
    assert_eq!(recorded, both);
    assert_eq!(scene.body(ARCHIVED), "8,new\n");
    scene.stop().await;
}

/// The version that was copied is in the archive, and the delete that follows takes no other one.
#[tokio::test(flavor = "multi_thread")]
async fn between_copy_to_the_archive_and_delete_the_new_version_stays() {
    let scene = Scene::with_ledger("").await;
    let site = &scene.site;
    scene.drop_numbers(1..3);
    let gate = Gate::close(&site.standin, Moment::Before, |rule| {
        rule.caller("fn-sluice-worker-").operation("DeleteObjects").first(1)
    });
    site.tick(0).await;
    gate.reached(1).await;
    site.drop_file("numbers/1.csv", "8,new\n");
    gate.open();
    assert_eq!(site.outcomes(WORKER, scene.before, 1).await, ["loaded"]);
    assert_eq!(site.keys("incoming/"), [KEY]);
    scene.drain().await;
    assert_eq!(site.ids("numbers").await, [0, 1, 2, 8]);
    let archived: Vec<String> = site.keys(ARCHIVED).iter().map(|key| scene.body(key)).collect();
    assert_eq!(archived, ["1,number 1\n", "8,new\n"], "both versions are there");
    scene.stop().await;
}
