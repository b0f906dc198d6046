//! Verification while the deployment works: whatever moves between two of its reads, nothing is told that is not wrong.
//!
//! Every call of every function waits once before it is made. A seed says whose call is next, so that thousands of
//! interleavings of a verification with a lister, workers and producers are tried, each of them again where it failed.

use std::collections::HashMap;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use jiff::Timestamp;
use sluice_core::config::Feed;
use sluice_core::destination::{
    Asking, Begun, Destination, Entry, Ledger, Load, Loads, Of, Progress, QueryError, Refusal, Refused, Repairs,
    Started,
};
use sluice_core::object::{ETag, File, FileId, Key, Prefix};
use sluice_core::ports::{Content, Copy, Delete, Deleted, Objects, Page, PortError, Put, PutIf};
use sluice_core::testing::{MemoryObjects, MemoryWarehouse, TestPorts};
use sluice_core::tick::tick;
use sluice_core::work::work;
use sluice_operator::verify::{News, Options, verify};

use sluice_core::testing::world::World;

/// How many interleavings are tried.
const SEEDS: u64 = 1000;

#[derive(Clone, Debug)]
struct Halting<T>(T);

/// Waits until it is polled once more.
async fn halt() {
    let mut halted = false;
    let again = std::future::poll_fn(|context| {
        // Those who wait for several calls at once poll only what has woken them.
        context.waker().wake_by_ref();
        if std::mem::replace(&mut halted, true) { Poll::Ready(()) } else { Poll::Pending }
    });
    again.await;
}

impl<T: Objects> Objects for Halting<T> {
    async fn list(&self, prefix: &Prefix, after: Option<&str>) -> Result<Page, PortError> {
        halt().await;
        self.0.list(prefix, after).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Content>, PortError> {
        halt().await;
        self.0.get(key).await
    }

    async fn head(&self, key: &Key) -> Result<Option<File>, PortError> {
        halt().await;
        self.0.head(key).await
    }

    async fn put(&self, key: &Key, body: Vec<u8>, when: PutIf<'_>) -> Result<Put, PortError> {
        halt().await;
        self.0.put(key, body, when).await
    }

    async fn copy(&self, from: &File, to: &Key) -> Result<Copy, PortError> {
        halt().await;
        self.0.copy(from, to).await
    }

    async fn delete(&self, key: &Key, etag: &ETag) -> Result<Delete, PortError> {
        halt().await;
        self.0.delete(key, etag).await
    }

    async fn delete_many(&self, objects: &[(Key, ETag)]) -> Result<Vec<Deleted>, PortError> {
        halt().await;
        self.0.delete_many(objects).await
    }
}

impl<T: Destination> Loads for Halting<T> {
    async fn start(&self, feed: &Feed, load: &Load<'_>) -> Result<Started, PortError> {
        halt().await;
        self.0.start(feed, load).await
    }

    async fn poll(&self, feed: &Feed, begun: &Begun, files: &[File], wait: Duration) -> Result<Progress, PortError> {
        halt().await;
        self.0.poll(feed, begun, files, wait).await
    }
}

impl<T: Destination> Ledger for Halting<T> {
    async fn create_ledger(&self, feed: &Feed, asking: &Asking) -> Result<(), QueryError> {
        self.0.create_ledger(feed, asking).await
    }

    async fn loaded(&self, feed: &Feed, files: &[File], asking: &Asking) -> Result<HashMap<FileId, ETag>, QueryError> {
        halt().await;
        self.0.loaded(feed, files, asking).await
    }

    async fn forget(&self, feed: &Feed, files: &[FileId], until: Timestamp) -> Result<(), QueryError> {
        self.0.forget(feed, files, until).await
    }

    async fn entries(&self, feed: &Feed, of: Of<'_>, asking: &Asking) -> Result<Vec<Entry>, QueryError> {
        halt().await;
        self.0.entries(feed, of, asking).await
    }
}

impl<T: Destination> Repairs for Halting<T> {
    async fn bad_files(
        &self,
        feed: &Feed,
        load: &Load<'_>,
        begun: &Begun,
        asking: &Asking,
    ) -> Result<Refused, QueryError> {
        halt().await;
        self.0.bad_files(feed, load, begun, asking).await
    }

    async fn versions_read(
        &self,
        feed: &Feed,
        begun: &Begun,
        files: &[File],
        asking: &Asking,
    ) -> Result<HashMap<Key, ETag>, QueryError> {
        self.0.versions_read(feed, begun, files, asking).await
    }

    async fn amend(&self, feed: &Feed, replaced: &[(File, File)], asking: &Asking) -> Result<(), QueryError> {
        self.0.amend(feed, replaced, asking).await
    }
}

type Ports = TestPorts<Halting<MemoryObjects>, Halting<MemoryWarehouse>>;

fn halting(world: &World, page: usize) -> Ports {
    let ports = &world.ports;
    TestPorts::of(Halting(ports.objects.clone().paged(page)), Halting(ports.destination.clone()), &ports.clock)
}

/// Numbers from a seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Producers drop files with their own names, the lister ticks, and each worker that it sends works, until all is done.
async fn deployment(world: &World, ports: &Ports) {
    for drop in 0..3 {
        for name in ["a", "a.csv", "b", "c.csv"] {
            let file = world.drop_file(&format!("{name}{drop}"), &format!("{name}{drop}"));
            if name == "b" {
                world.ports.destination.refuse(&file.key, Refusal::default());
            }
        }
        // A new content under an old name is another file.
        world.drop_file("again", &format!("again {drop}"));
        while !(world.keys("incoming/").is_empty() && world.keys("sluice/claims/").is_empty()) {
            tick(&world.config, ports, &world.run(), None).await.unwrap();
            for claim in ports.workers.take() {
                work(&world.config, ports, &world.run(), &claim).await.unwrap();
            }
        }
    }
}

/// Verifies again and again.
async fn verifier(world: &World, ports: &Ports) -> u64 {
    let mut settled = 0;
    loop {
        let mut tell = |news| {
            assert!(!matches!(news, News::Finding(_)), "{news:#?}");
        };
        let options = Options { page: 3, ..Options::default() };
        settled += verify(&world.config, ports, world.feed(), options, &mut tell).await.unwrap().settled;
        if world.keys("incoming/").is_empty() && world.keys("processed/").len() >= 12 {
            return settled;
        }
    }
}

fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

#[test]
fn a_deployment_at_work_gives_no_false_alarm() {
    let mut settled = 0;
    for seed in 0..SEEDS {
        let world = World::new(4, 2);
        let mut chance = Chance(seed);
        let (works, looks) = (halting(&world, 1000), halting(&world, 2));
        let mut deployment = pin!(deployment(&world, &works));
        let mut verifier = pin!(verifier(&world, &looks));
        // Which of the two is the faster one changes now and then.
        let mut favour = 5;
        let mut working = true;
        settled += loop {
            if chance.below(20) == 0 {
                favour = 1 + chance.below(9);
            }
            if working && chance.below(10) < favour {
                working = poll(deployment.as_mut()).is_none();
            } else if let Some(settled) =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll(verifier.as_mut())))
                    .unwrap_or_else(|_| panic!("seed {seed}"))
            {
                break settled;
            }
        };
    }
    println!("{SEEDS} interleavings, {settled} suspects that were in order at the second look");
    assert!(settled > SEEDS, "hardly anything moved while it was looked at: {settled}");
}
