//! The warehouse in memory keeps a destination's promises, and a test's scripts.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::batch::BatchId;
use crate::testing::key;
use crate::testing::target::config;

struct World {
    bucket: MemoryObjects,
    warehouse: MemoryWarehouse,
    feed: Feed,
}

fn world() -> World {
    let clock = ManualClock::default();
    let bucket = MemoryObjects::new(&clock);
    let feed = config("f", "f/", "").feeds.remove(0);
    World { warehouse: MemoryWarehouse::new(&bucket, &clock), bucket, feed }
}

impl World {
    async fn start(&self, files: &[File], token: &str) -> Begun {
        let batch = BatchId::of(files);
        self.warehouse
            .start(&self.feed, &Load { slot: 0, batch: &batch, files, token, compression: None, prepared: false })
            .await
            .unwrap()
            .begun()
            .clone()
    }

    async fn poll(&self, statement: &Begun, seconds: u64) -> Progress {
        self.warehouse.poll(&self.feed, statement, &[], Duration::from_secs(seconds)).await.unwrap()
    }

    async fn end(&self, files: &[File], token: &str) -> Result<Option<u64>, FailureKind> {
        let statement = self.start(files, token).await;
        match self.poll(&statement, 3600).await {
            Progress::Loaded(loaded) => Ok(loaded.rows),
            Progress::Failed(failure) => Err(failure.kind),
            other => panic!("{other:?}"),
        }
    }

    fn rows(&self) -> Vec<String> {
        self.warehouse.rows(&self.feed).into_iter().map(|(_, row)| row).collect()
    }
}

#[tokio::test]
async fn a_batch_loads_all_its_rows_once() {
    let world = world();
    let files = [world.bucket.drop_file("f/a", "1\n2\n"), world.bucket.drop_file("f/b", "3\n")];
    assert_eq!(world.end(&files, "t").await, Ok(Some(3)));
    assert_eq!(world.end(&files[1..], "u").await, Err(FailureKind::AlreadyLoaded));
    assert_eq!(world.rows(), ["1", "2", "3"]);
    assert_eq!(world.warehouse.loaded(&world.feed, &files, &Asking::default()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn one_token_is_one_transaction_until_it_is_forgotten() {
    let world = world();
    let files = [world.bucket.drop_file("f/a", "1\n")];
    let statement = world.start(&files, "t").await;
    assert_eq!(world.start(&files, "t").await, statement);
    assert_eq!(world.warehouse.started(), 1);
    world.warehouse.forget_tokens();
    assert_eq!(world.end(&files, "t").await, Err(FailureKind::AlreadyLoaded));
}

#[tokio::test]
async fn of_two_at_once_the_one_that_ends_first_loads() {
    let world = world();
    let files = [world.bucket.drop_file("f/a", "1\n")];
    world.warehouse.next(Script::takes(Duration::from_mins(1)));
    world.warehouse.next(Script::takes(Duration::from_secs(20)));
    let (slow, quick) = (world.start(&files, "slow").await, world.start(&files, "quick").await);
    assert_eq!(world.poll(&slow, 10).await, Progress::Running);
    assert_eq!(world.warehouse.in_flight(&world.feed), 2);
    assert!(matches!(world.poll(&slow, 3600).await, Progress::Failed(_)));
    assert!(matches!(world.poll(&quick, 0).await, Progress::Loaded(_)));
    assert_eq!(world.rows(), ["1"]);
}

#[tokio::test]
async fn it_ends_although_nobody_asks() {
    let world = world();
    let files = [world.bucket.drop_file("f/a", "1\n")];
    world.warehouse.next(Script::takes(Duration::from_mins(1)).forgotten());
    let statement = world.start(&files, "t").await;
    assert!(world.rows().is_empty());
    world.warehouse.clock.advance(Duration::from_mins(1));
    assert_eq!(world.rows(), ["1"]);
    assert_eq!(world.poll(&statement, 0).await, Progress::Forgotten);
}

#[tokio::test]
async fn a_failure_changes_nothing() {
    let world = world();
    let good = world.bucket.drop_file("f/good", "1\n");
    let bad = world.bucket.drop_file("f/bad", "x\n");
    let missing = File { key: key("f/missing"), ..good.clone() };
    world.warehouse.refuse(&bad.key, Refusal { message: "Invalid digit".to_owned(), ..Refusal::default() });
    let both = [good.clone(), bad.clone()];
    assert_eq!(world.end(&both, "1").await, Err(FailureKind::BadData));
    let load =
        Load { slot: 0, batch: &BatchId::of(&both), files: &both, token: "1", compression: None, prepared: false };
    let begun = Begun { statement: StatementId("statement-0".to_owned()), roles: None };
    let named = world.warehouse.bad_files(&world.feed, &load, &begun, &Asking::default()).await.unwrap();
    assert_eq!(named.files.into_keys().collect::<Vec<_>>(), [bad.key]);
    assert_eq!(world.end(&[good.clone(), missing], "2").await, Err(FailureKind::FileMissing));
    world.warehouse.next(Script::fails(FailureKind::Transient));
    assert_eq!(world.end(std::slice::from_ref(&good), "3").await, Err(FailureKind::Transient));
    assert!(world.rows().is_empty() && world.warehouse.ledger(&world.feed).is_empty());
    assert_eq!(world.end(&[good], "4").await, Ok(Some(1)));
}

#[tokio::test]
async fn a_ledger_may_have_to_be_created() {
    let mut world = world();
    world.warehouse = world.warehouse.without_ledgers();
    let files = [world.bucket.drop_file("f/a", "1\n")];
    assert_eq!(world.end(&files, "1").await, Err(FailureKind::LedgerMissing));
    world.warehouse.create_ledger(&world.feed, &Asking::default()).await.unwrap();
    assert_eq!(world.end(&files, "2").await, Ok(Some(1)));
}

#[tokio::test]
async fn what_was_read_is_known_and_can_be_put_right() {
    let world = world();
    let listed = world.bucket.drop_file("f/a", "old\n");
    let read = world.bucket.drop_file("f/a", "new\n");
    let files = [listed.clone()];
    let statement = world.start(&files, "t").await;
    assert_eq!(world.rows(), ["new"]);
    let versions = world.warehouse.versions_read(&world.feed, &statement, &files, &Asking::default()).await.unwrap();
    assert_eq!(versions.get(&listed.key), Some(&read.etag));
    for _ in 0..2 {
        world.warehouse.amend(&world.feed, &[(listed.clone(), read.clone())], &Asking::default()).await.unwrap();
        assert_eq!(world.warehouse.ledger(&world.feed), HashSet::from([read.id()]));
    }
    world.warehouse.hide_versions();
    assert!(
        world.warehouse.versions_read(&world.feed, &statement, &files, &Asking::default()).await.unwrap().is_empty()
    );
}
