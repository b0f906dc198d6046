//! What end-to-end tests share: a site, which is a stand-in with a warehouse and the three real binaries deployed in it.
//!
//! Never sleeps: whoever waits, waits for something.

#![allow(clippy::expect_used, clippy::panic, clippy::missing_panics_doc, reason = "a test's set-up fails by panicking")]

mod claims;
mod strike;

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use sluice_core::config::Config;
use sluice_standin::deployment::{Deployed, Deployment, LISTER, WORKER};
use sluice_standin::s3::Encryption;
use sluice_standin::{Options, StandIn, Warehouse};
use tokio::process::Command;

pub use claims::{expire_leases, in_slots, offer, resting};
pub use strike::{Gate, Kill};

/// The bucket of every site.
pub const BUCKET: &str = "landing";

/// A stand-in with a warehouse and the three functions.
#[derive(Debug)]
pub struct Site {
    /// The local AWS.
    pub standin: StandIn,
    /// The functions in it.
    pub deployed: Deployed,
}

/// A feed `numbers` that loads CSV files of an integer and a text into `public.numbers`, with these settings.
#[must_use]
pub fn numbers(settings: &str) -> String {
    feed("numbers", settings)
}

/// A feed like [`numbers`] with another name, prefix and table.
#[must_use]
pub fn feed(name: &str, settings: &str) -> String {
    format!(
        r#"
[[feed]]
name = "{name}"
prefix = "{name}/"
{settings}
[feed.redshift]
workgroup = "demo"
database = "dev"
table = "public.{name}"
format = "csv"
"#
    )
}

impl Site {
    /// Starts a site with these feeds, and a table for each.
    pub async fn start(feeds: &str) -> Self {
        Self::with(feeds, |_| ()).await
    }

    /// The same, with a deployment of the test's making.
    pub async fn with(feeds: &str, change: impl FnOnce(&mut Deployment)) -> Self {
        let text = format!("[bucket]\nname = \"{BUCKET}\"\n{feeds}");
        let config =
            Config::parse(&text, "the test", &sluice_aws::DESTINATIONS).unwrap_or_else(|error| panic!("{error}"));
        let options = Options { warehouse: Warehouse::Private, ..Options::default() };
        let standin = StandIn::start(options).await.expect("a stand-in");
        let mut deployment = Deployment::new(BUCKET, text, binaries());
        // A retry that a test needs should not take Lambda's minute.
        deployment.retry_delays = vec![Duration::ZERO];
        change(&mut deployment);
        let deployed = standin.deploy(&deployment).unwrap_or_else(|error| panic!("{error}"));
        let site = Self { standin, deployed };
        for feed in &config.feeds {
            site.sql(&format!("CREATE TABLE public.{} (id INTEGER NOT NULL, label VARCHAR(2000))", feed.name)).await;
        }
        site
    }

    /// A producer writes a file under `incoming/`.
    pub fn drop_file(&self, path: &str, body: &str) {
        let key = format!("incoming/{path}");
        self.standin.storage().put(BUCKET, &key, body.to_owned()).expect("a put");
    }

    /// From now on KMS encrypts what is written into the bucket: no `ETag` is a hash of the content, copies' neither.
    pub fn encrypt(&self) {
        self.standin.storage().set_encryption(BUCKET, Some(Encryption::kms())).expect("a bucket");
    }

    /// All keys that begin with `prefix`.
    #[must_use]
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        self.standin.storage().keys_under(BUCKET, prefix).expect("a bucket")
    }

    /// Asks PostgreSQL directly.
    pub async fn sql(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let redshift = self.standin.redshift().expect("a warehouse");
        redshift.query("dev", sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }

    /// The integers in a table, in order.
    pub async fn ids(&self, table: &str) -> Vec<i64> {
        let rows = self.sql(&format!("SELECT id FROM public.{table} ORDER BY id")).await;
        let id = |row: &Vec<Option<String>>| row[0].as_deref().and_then(|id| id.parse().ok()).expect("an id");
        rows.iter().map(id).collect()
    }

    /// One tick of the lister; its answer for the feed at `index`.
    pub async fn tick(&self, index: usize) -> Value {
        let answer = self.answer(LISTER, &json!({})).await;
        answer["feeds"][index].clone()
    }

    /// One invocation of the worker.
    pub async fn work(&self, claim: &str) -> Value {
        self.answer(WORKER, &json!({"claim": claim})).await
    }

    /// One invocation, which must succeed; its answer.
    pub async fn answer(&self, function: &str, payload: &Value) -> Value {
        let report = self.deployed.invoke(function, payload).await.expect("an invocation");
        match (&report.result, report.answer()) {
            (_, Some(answer)) => answer,
            (result, None) => panic!("{function} answered {result:?}\n{}", self.logs(function)),
        }
    }

    /// Ticks until nothing waits and nothing is claimed. Many: where no function waits for a COPY, a tick is over at once.
    pub async fn drain(&self) {
        for _ in 0..400 {
            self.answer(LISTER, &json!({})).await;
            self.deployed.idle().await;
            if self.keys("incoming/").is_empty() && self.keys("sluice/claims/").is_empty() {
                return;
            }
        }
        panic!("not drained: {:?} {:?}\n{}", self.keys("incoming/"), self.keys("sluice/claims/"), self.logs(WORKER));
    }

    /// Waits until the function has answered so often after its first `before` answers; the outcomes of those that came
    /// after them, in the order of their ends.
    pub async fn outcomes(&self, function: &str, before: usize, answers: usize) -> Vec<String> {
        // Followed before it is looked at, so that no report falls in between.
        let mut reports = self.standin.lambda().follow();
        while self.standin.lambda().reports(function).len() < before + answers {
            reports.recv().await.ok();
        }
        let outcome = |report: &std::sync::Arc<sluice_standin::lambda::Report>| {
            let answer = report.answer().unwrap_or_else(|| panic!("{:?}\n{}", report.result, self.logs(function)));
            answer["outcome"].as_str().unwrap_or_default().to_owned()
        };
        self.standin.lambda().reports(function).iter().skip(before).map(outcome).collect()
    }

    /// What the function printed.
    #[must_use]
    pub fn logs(&self, function: &str) -> String {
        let lines = self.standin.lambda().logs(function);
        lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// How many requests to `action` there were, such as `s3:PutObject`.
    #[must_use]
    pub fn requests(&self, action: &str) -> usize {
        self.standin.journal().snapshot().iter().filter(|entry| entry.action() == action).count()
    }

    /// Every value of a metric of a feed so far, one for each time that it was published.
    #[must_use]
    pub fn published(&self, feed: &str, metric: &str) -> Vec<f64> {
        let series = self.standin.cloudwatch().series("Sluice", metric, &[("Feed", feed)]);
        series.iter().map(|datum| datum.value * datum.count).collect()
    }

    /// The command line as an operator runs it here, in an environment of its own.
    #[must_use]
    pub fn sluice(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binaries().join("sluice"));
        command.args(arguments).stdin(Stdio::null()).env_clear().env("NO_COLOR", "1");
        command.env("AWS_ENDPOINT_URL", self.standin.endpoint()).env("AWS_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", "operator").env("AWS_SECRET_ACCESS_KEY", "sluice");
        command
    }

    /// Stops everything.
    pub async fn stop(self) {
        self.standin.shutdown().await;
    }
}

/// Where the binaries are that this test was built with.
///
/// # Panics
/// When the test's own path is not known.
#[must_use]
pub fn binaries() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let folder = test.parent().and_then(std::path::Path::parent).expect("target/<profile>");
    folder.to_owned()
}
