//! A scene: files in a bucket of their own, the function that is to die over them, and what must hold in the end.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sluice_core::config::Config;
use sluice_standin::StandIn;
use sluice_standin::deployment::{LISTER, LOADER, WORKER};
use sluice_tests::offer;

/// Who dies, and over what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Victim {
    /// Two batches, sent to workers.
    Lister,
    /// Two batches, loaded one after the other.
    InlineLister,
    /// One batch, of the event's files.
    Loader,
    /// One batch, from a claim.
    Worker,
    /// One batch of which a producer has replaced a file since it was planned.
    WorkerOfReplaced,
}

/// A file's name under the feed's prefix, its content, and the ids of its rows.
type Good = (&'static str, &'static str, &'static [i64]);

const GOOD: [Good; 3] =
    [("a.csv", "1,one\n2,two\n", &[1, 2]), ("b.csv", "3,three\n", &[3]), ("taken.csv", "4,four\n", &[4])];
const REPLACED: Good = ("b.csv", "30,thirty\n", &[30]);
const BAD: (&str, &str) = ("bad.csv", "no number,x\n");
const EARLIER: (&str, &str) = ("processed/numbers/taken.csv", "40,loaded earlier\n");
const CLAIM: &str = "sluice/claims/numbers/0.json";

impl Victim {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lister => "lister",
            Self::InlineLister => "inline",
            Self::Loader => "loader",
            Self::Worker => "worker",
            Self::WorkerOfReplaced => "replaced",
        }
    }

    pub(crate) fn function(self) -> &'static str {
        match self {
            Self::Lister | Self::InlineLister => LISTER,
            Self::Loader => LOADER,
            Self::Worker | Self::WorkerOfReplaced => WORKER,
        }
    }

    fn settings(self) -> &'static str {
        match self {
            Self::Lister => "max_files = 4\nfiles_per_load = 2\norder = \"key\"",
            Self::InlineLister => "max_files = 4\nfiles_per_load = 2\norder = \"key\"\nfan_out = false",
            Self::Loader => "max_files = 8\nfiles_per_load = 4\ntrigger = \"event\"",
            Self::Worker | Self::WorkerOfReplaced => "max_files = 8\nfiles_per_load = 4",
        }
    }

    /// Every file is good where one is replaced: the bad one would only repeat what the worker's own scene has.
    fn has_bad(self) -> bool {
        self != Self::WorkerOfReplaced
    }
}

pub(crate) struct Scene<'s> {
    standin: &'s StandIn,
    victim: Victim,
    database: String,
    /// A schema of its own: table and ledger are not there before.
    schema: String,
    pub(crate) bucket: String,
    pub(crate) config_text: String,
    good: Vec<Good>,
}

impl<'s> Scene<'s> {
    /// Drops the files, without a ledger; and where the victim needs a claim, places that.
    pub(crate) async fn set(standin: &'s StandIn, database: &str, name: String, victim: Victim) -> Self {
        let schema = name.replace('-', "_");
        let config_text = format!(
            "[bucket]\nname = \"{name}\"\n[[feed]]\nname = \"numbers\"\nprefix = \"numbers/\"\n{}\n[feed.redshift]\n\
             workgroup = \"demo\"\ndatabase = \"{database}\"\ntable = \"{schema}.numbers\"\nformat = \"csv\"\n",
            victim.settings()
        );
        let config = Config::parse(&config_text, "the test", &sluice_aws::DESTINATIONS).unwrap();
        let database = database.to_owned();
        let mut scene = Self { standin, victim, database, schema, bucket: name, config_text, good: GOOD.to_vec() };
        let schema = &scene.schema;
        scene.sql(&format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.numbers (id INTEGER, label TEXT)")).await;
        scene.drop_files();
        if victim.function() == WORKER {
            let keys = scene.incoming();
            offer(standin.storage(), &config, 0, &keys.iter().map(String::as_str).collect::<Vec<_>>());
        }
        if victim == Victim::WorkerOfReplaced {
            scene.good[1] = REPLACED;
            scene.put(&format!("incoming/numbers/{}", REPLACED.0), REPLACED.1);
        }
        scene
    }

    fn drop_files(&self) {
        self.standin.storage().create_bucket(&self.bucket).unwrap();
        self.put(EARLIER.0, EARLIER.1);
        for (name, body, _) in &self.good {
            self.put(&format!("incoming/numbers/{name}"), body);
        }
        if self.victim.has_bad() {
            self.put(&format!("incoming/numbers/{}", BAD.0), BAD.1);
        }
    }

    fn put(&self, key: &str, body: &str) {
        self.standin.storage().put(&self.bucket, key, body.to_owned()).unwrap();
    }

    fn incoming(&self) -> Vec<String> {
        self.keys("incoming/numbers/")
    }

    pub(crate) fn keys(&self, prefix: &str) -> Vec<String> {
        self.standin.storage().keys_under(&self.bucket, prefix).unwrap()
    }

    /// What the victim is invoked with.
    pub(crate) fn event(&self) -> Value {
        let record = |key: &String| {
            json!({"eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
                   "s3": {"bucket": {"name": self.bucket}, "object": {"key": key}}})
        };
        match self.victim {
            Victim::Lister | Victim::InlineLister => json!({}),
            Victim::Loader => json!({"Records": self.incoming().iter().map(record).collect::<Vec<_>>()}),
            Victim::Worker | Victim::WorkerOfReplaced => json!({"claim": CLAIM}),
        }
    }

    /// Each row once, each object where it belongs and nowhere else, the ledger as the files are, and no claim.
    pub(crate) async fn check(&self, story: &impl Fn() -> String) {
        let rows = self.sql(&format!("SELECT id FROM {}.numbers ORDER BY id", self.schema)).await;
        let rows: Vec<i64> = rows.iter().map(|row| row[0].as_deref().unwrap().parse().unwrap()).collect();
        let expected: Vec<i64> = self.good.iter().flat_map(|(_, _, ids)| ids.iter().copied()).collect();
        let mut sorted = expected.clone();
        sorted.sort_unstable();
        assert_eq!(rows, sorted, "rows; {}", story());
        assert_eq!(self.objects(), self.expected_objects(), "objects; {}", story());
        let ledger = format!(
            "SELECT object_key, etag, size, count(*) FROM {}.sluice_ledger_numbers GROUP BY 1, 2, 3 ORDER BY 1",
            self.schema
        );
        assert_eq!(self.sql(&ledger).await, self.expected_ledger(), "ledger; {}", story());
        if self.victim.has_bad() {
            self.check_reason(story);
        }
    }

    /// All objects but manifests and the reason, which bears a time and an id.
    fn objects(&self) -> BTreeMap<String, String> {
        let body = |key: &String| self.standin.storage().get(&self.bucket, key).unwrap();
        let text = |key: String| (key.clone(), String::from_utf8(body(&key).to_vec()).unwrap());
        let keys = self.keys("").into_iter();
        // A note of a success is a hint, and left where something failed before.
        let passes = |key: &String| ["sluice/manifests/", "sluice/state/"].iter().any(|at| key.starts_with(at));
        keys.filter(|key| !passes(key) && *key != reason()).map(text).collect()
    }

    fn expected_objects(&self) -> BTreeMap<String, String> {
        let mut expected = BTreeMap::from([(EARLIER.0.to_owned(), EARLIER.1.to_owned())]);
        for (name, body, _) in &self.good {
            let plain = format!("processed/numbers/{name}");
            let key = if plain == EARLIER.0 { format!("{plain}.{}", self.etag(body)) } else { plain };
            expected.insert(key, (*body).to_owned());
        }
        if self.victim.has_bad() {
            expected.insert(format!("failed/numbers/{}", BAD.0), BAD.1.to_owned());
        }
        expected
    }

    fn expected_ledger(&self) -> Vec<Vec<Option<String>>> {
        let row = |(name, body, _): &Good| {
            vec![
                Some(format!("incoming/numbers/{name}")),
                Some(self.etag(body)),
                Some(body.len().to_string()),
                Some("1".to_owned()),
            ]
        };
        self.good.iter().map(row).collect()
    }

    fn check_reason(&self, story: &impl Fn() -> String) {
        let object = self.standin.storage().get(&self.bucket, &reason());
        let object = object.unwrap_or_else(|error| panic!("{error}; {}", story()));
        let reason: Value = serde_json::from_slice(&object).unwrap();
        assert_eq!(
            (&reason["key"], &reason["code"], &reason["line"]),
            (&json!(format!("incoming/numbers/{}", BAD.0)), &json!(1207), &json!(1)),
            "{}",
            story()
        );
    }

    /// The `ETag` of a content.
    fn etag(&self, body: &str) -> String {
        const SCRATCH: &str = "scratch";
        let storage = self.standin.storage();
        storage.create_bucket(SCRATCH).unwrap();
        storage.put(SCRATCH, SCRATCH, body.to_owned()).unwrap().etag
    }

    async fn sql(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let redshift = self.standin.redshift().unwrap();
        redshift.query(&self.database, sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }
}

fn reason() -> String {
    format!("failed/numbers/{}.error.json", BAD.0)
}
