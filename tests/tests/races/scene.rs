//! A site whose files are numbered, and what must hold of it in the end.

use std::ops::Range;

use serde_json::{Value, json};
use sluice_core::config::Config;
use sluice_standin::deployment::WORKER;
use sluice_standin::lambda::Function;
use sluice_standin::s3::ObjectCreated;
use sluice_tests::{BUCKET, Site, expire_leases, numbers, offer};
use tokio::sync::mpsc::UnboundedReceiver;

/// The first slot's claim.
pub(crate) const CLAIM: &str = "sluice/claims/numbers/0.json";

pub(crate) struct Scene {
    pub(crate) site: Site,
    /// How often the worker had answered when the scene began.
    pub(crate) before: usize,
}

impl Scene {
    /// A site whose loads send no events: who comes is the test's affair.
    pub(crate) async fn start(settings: &str) -> Self {
        let site = Site::start(&numbers(settings)).await;
        site.standin.eventbridge().deliver_times(0);
        Self { site, before: 0 }
    }

    /// The same with a ledger, in which the file with the number 0 is.
    pub(crate) async fn with_ledger(settings: &str) -> Self {
        let mut scene = Self::start(settings).await;
        scene.drop_numbers(0..1);
        scene.drain().await;
        scene.before = scene.site.standin.lambda().reports(WORKER).len();
        scene
    }

    /// Files of one row each, which bear its number.
    pub(crate) fn drop_numbers(&self, range: Range<i64>) {
        for number in range {
            self.site.drop_file(&format!("numbers/{number}.csv"), &format!("{number},number {number}\n"));
        }
    }

    /// Gives one of the functions other settings.
    pub(crate) fn change(&self, function: &str, change: impl FnOnce(&mut Function)) {
        let lambda = self.site.standin.lambda();
        let mut function = (*lambda.function(function).unwrap()).clone();
        change(&mut function);
        lambda.register(function);
    }

    /// Fills a slot with all files that wait.
    pub(crate) fn offer(&self, slot: usize) {
        let text = format!("[bucket]\nname = \"{BUCKET}\"\n{}", numbers(""));
        let keys = self.site.keys("incoming/numbers/");
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        offer(
            self.site.standin.storage(),
            &Config::parse(&text, "the test", &sluice_aws::DESTINATIONS).unwrap(),
            slot,
            &keys,
        );
    }

    /// S3's event about all files that wait.
    pub(crate) fn created(&self) -> Value {
        let record = |key: &String| {
            json!({"eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
                   "s3": {"bucket": {"name": BUCKET}, "object": {"key": key}}})
        };
        json!({"Records": self.site.keys("incoming/numbers/").iter().map(record).collect::<Vec<_>>()})
    }

    /// Ticks until nothing waits and nothing is claimed. Leases are moved into the past while no function runs.
    pub(crate) async fn drain(&self) {
        for _ in 0..20 {
            self.site.deployed.idle().await;
            if self.site.keys("incoming/").is_empty() && self.site.keys("sluice/claims/").is_empty() {
                return;
            }
            expire_leases(self.site.standin.storage(), BUCKET);
            self.site.tick(0).await;
        }
        panic!("not drained: {:?}\n{}", self.site.keys(""), self.site.logs(WORKER));
    }

    /// Each of the numbers is in the table, in the ledger and in the archive, once, and nothing is anywhere else.
    pub(crate) async fn check(&self, numbers: Range<i64>) {
        let site = &self.site;
        assert_eq!(site.ids("numbers").await, numbers.clone().collect::<Vec<_>>());
        let keys =
            |prefix: &str| numbers.clone().map(|number| format!("{prefix}/numbers/{number}.csv")).collect::<Vec<_>>();
        let recorded: Vec<String> = self.ledger().await.into_iter().map(|(key, _)| key).collect();
        assert_eq!(recorded, keys("incoming"));
        assert_eq!(site.keys("processed/"), keys("processed"));
        for prefix in ["incoming/", "failed/", "sluice/claims/"] {
            assert!(site.keys(prefix).is_empty(), "{:?}", site.keys(prefix));
        }
    }

    /// The ledger: keys and `ETag`s.
    pub(crate) async fn ledger(&self) -> Vec<(String, String)> {
        let rows = self.site.sql("SELECT object_key, etag FROM public.sluice_ledger_numbers ORDER BY 1, 2").await;
        rows.into_iter().map(|mut row| (row[0].take().unwrap(), row[1].take().unwrap())).collect()
    }

    /// How many COPYs were run, whatever came of them.
    pub(crate) async fn copies(&self) -> usize {
        self.count("SELECT count(*) FROM sys_load_history").await
    }

    /// How many COPYs brought rows.
    pub(crate) async fn copies_that_loaded(&self) -> usize {
        self.count("SELECT count(*) FROM sys_load_history WHERE loaded_rows > 0").await
    }

    async fn count(&self, sql: &str) -> usize {
        self.site.sql(sql).await[0][0].as_deref().unwrap().parse().unwrap()
    }

    pub(crate) fn body(&self, key: &str) -> String {
        String::from_utf8(self.site.standin.storage().get(BUCKET, key).unwrap().to_vec()).unwrap()
    }

    pub(crate) fn etag(&self, key: &str) -> String {
        self.site.standin.storage().head(BUCKET, key).unwrap().etag
    }

    pub(crate) async fn stop(self) {
        self.site.stop().await;
    }
}

/// The first claim that is written from now on, or was since `claims` was subscribed to, of which `wanted` holds.
pub(crate) async fn claim_when(
    site: &Site,
    claims: &mut UnboundedReceiver<ObjectCreated>,
    wanted: impl Fn(&Value) -> bool,
) -> Value {
    loop {
        let written = claims.recv().await.unwrap();
        // It may be another version by now, or gone.
        let Ok(body) = site.standin.storage().get(BUCKET, &written.key) else { continue };
        let claim: Value = serde_json::from_slice(&body).unwrap();
        if wanted(&claim) {
            return claim;
        }
    }
}
