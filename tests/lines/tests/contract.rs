//! The contract of a destination, held by lines in SQLite on the bucket in memory; and what is its own.

#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;

use rusqlite::Connection;
use sluice_core::batch::BatchId;
use sluice_core::config::{Config, Feed};
use sluice_core::destination::{
    Asking, FailureKind, Ledger, Load, Loaded, Loads, Progress, QueryError, Refused, Repairs,
};
use sluice_core::object::File;
use sluice_core::testing::{ManualClock, MemoryObjects, contract, prefix};
use sluice_lines::{LinesDestination, LinesKind};
use tempfile::TempDir;

/// A bucket in memory, and a database whose table takes numbers only.
struct Scene {
    folder: TempDir,
    bucket: MemoryObjects,
    destination: LinesDestination<MemoryObjects>,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bucket = MemoryObjects::new(&ManualClock::default());
        let destination = LinesDestination::new(bucket.clone());
        let scene = Self { folder, bucket, destination };
        let table = "CREATE TABLE numbers (file TEXT NOT NULL, line TEXT CHECK (line NOT GLOB '*[^0-9]*'))";
        scene.database().execute_batch(table).unwrap();
        scene
    }

    fn database(&self) -> Connection {
        Connection::open(self.folder.path().join("lines.sqlite")).unwrap()
    }

    fn feed(&self, settings: &str) -> Feed {
        feed(&self.folder.path().join("lines.sqlite"), settings)
    }

    /// Another process: it knows what is in bucket and database, and nothing else.
    fn elsewhere(&self) -> LinesDestination<MemoryObjects> {
        LinesDestination::new(self.bucket.clone())
    }

    /// Loads a batch, and asks another process how that ended, and what it refuses.
    async fn load(&self, feed: &Feed, files: &[File], token: &str) -> (Progress, Refused) {
        let batch = BatchId::of(files);
        let load = Load { slot: 0, batch: &batch, files, token, compression: None, prepared: false };
        let begun = self.destination.start(feed, &load).await.unwrap().begun().clone();
        let (elsewhere, asking) = (self.elsewhere(), Asking::patiently());
        let progress = elsewhere.poll(feed, &begun, files, asking.wait).await.unwrap();
        (progress, elsewhere.bad_files(feed, &load, &begun, &asking).await.unwrap())
    }

    fn lines(&self) -> Vec<(String, String)> {
        let database = self.database();
        let mut lines = database.prepare("SELECT file, line FROM numbers ORDER BY rowid").unwrap();
        let lines = lines.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        lines.collect::<Result<_, _>>().unwrap()
    }
}

fn feed(database: &Path, settings: &str) -> Feed {
    let section = format!("[feed.lines]\ndatabase = \"{}\"\ntable = \"numbers\"\n", database.display());
    parse(&format!("{settings}\n{section}")).unwrap().feeds.remove(0)
}

fn parse(settings: &str) -> Result<Config, String> {
    let text = format!("[bucket]\nname = \"bucket\"\n[[feed]]\nname = \"numbers\"\nprefix = \"n/\"\n{settings}");
    Config::parse(&text, "test", &[&LinesKind]).map_err(|error| error.to_string())
}

fn kind(progress: &Progress) -> Option<FailureKind> {
    match progress {
        Progress::Failed(failure) => Some(failure.kind),
        _ => None,
    }
}

#[tokio::test]
async fn it_keeps_the_contract() {
    for identity in ["version", "name"] {
        let scene = Scene::new();
        let feed = scene.feed(&format!("identity = \"{identity}\""));
        // The table sees for itself what is wrong with a line.
        let refuse = |_: &_| ();
        let root = prefix("incoming/n/");
        let report = contract::destination(&scene.destination, &scene.bucket, &feed, &root, &refuse).await;
        assert_eq!(report.surprises(&[], &[]), Vec::<String>::new(), "{identity}");
    }
}

#[tokio::test]
async fn a_load_that_died_before_its_end_has_done_nothing_and_is_done_again() {
    let scene = Scene::new();
    let feed = scene.feed("");
    let files = [scene.bucket.drop_file("incoming/n/a", "1\n2\n")];
    assert_eq!(kind(&scene.load(&feed, &files, "1").await.0), Some(FailureKind::LedgerMissing));
    scene.destination.create_ledger(&feed, &Asking::patiently()).await.unwrap();
    let loaded = scene.load(&feed, &files, "2").await.0;
    assert!(matches!(loaded, Progress::Loaded(Loaded { rows: Some(2), .. })), "{loaded:?}");
    // The first end is remembered, whatever has happened since.
    assert_eq!(kind(&scene.load(&feed, &files, "1").await.0), Some(FailureKind::LedgerMissing));
    assert_eq!(scene.load(&feed, &files, "2").await.0, loaded);
    assert_eq!(scene.lines().len(), 2);
}

#[tokio::test]
async fn all_bad_files_are_named_each_with_its_first_bad_line() {
    let scene = Scene::new();
    let feed = scene.feed("");
    scene.destination.create_ledger(&feed, &Asking::patiently()).await.unwrap();
    let drop = |name: &str, body: &[u8]| scene.bucket.drop_file(&format!("incoming/n/{name}"), body);
    let lines = |refused: Refused, files: &[File]| -> Vec<Option<u64>> {
        files.iter().map(|file| refused.files.get(&file.key).and_then(|refusal| refusal.line)).collect()
    };
    let (good, words) = (drop("good", b"1\r\n2"), drop("words", b"3\nfour\nfive\n"));
    let files = [good.clone(), drop("odd", b"6\n\xff\n\xff\n"), words.clone()];
    let (progress, refused) = scene.load(&feed, &files, "1").await;
    assert_eq!((kind(&progress), lines(refused, &files)), (Some(FailureKind::BadData), vec![None, Some(2), None]));
    let files = [good.clone(), words];
    let (progress, refused) = scene.load(&feed, &files, "2").await;
    assert_eq!((kind(&progress), lines(refused, &files)), (Some(FailureKind::BadData), vec![None, Some(2)]));
    assert_eq!(scene.lines(), []);
    let empty = drop("empty", b"");
    let loaded = scene.load(&feed, &[good, empty], "3").await.0;
    assert!(matches!(loaded, Progress::Loaded(_)), "{loaded:?}");
    let row = |line: &str| ("incoming/n/good".to_owned(), line.to_owned());
    assert_eq!(scene.lines(), [row("1"), row("2")]);
}

#[tokio::test]
async fn what_an_operator_has_to_mend_is_said() {
    let scene = Scene::new();
    let feed = scene.feed("");
    let files = [scene.bucket.drop_file("incoming/n/a", "1\n")];
    scene.destination.create_ledger(&feed, &Asking::patiently()).await.unwrap();
    scene.load(&feed, &files, "1").await;
    let by_name = scene.feed("identity = \"name\"");
    let made = scene.destination.create_ledger(&by_name, &Asking::patiently()).await;
    assert!(matches!(made, Err(QueryError::Failed { .. })), "{made:?}");
    assert_eq!(kind(&scene.load(&by_name, &files, "2").await.0), Some(FailureKind::Configuration));
    scene.database().execute_batch("DROP TABLE numbers").unwrap();
    assert_eq!(kind(&scene.load(&feed, &files, "3").await.0), Some(FailureKind::Configuration));
}

#[test]
fn every_mistake_in_its_section_is_told() {
    let told = parse("[feed.lines]\ndatabase = \"lines.sqlite\"\ntable = \"sluice_ends\"\ngzip = true\n").unwrap_err();
    let problems: Vec<&str> = told.lines().collect();
    assert_eq!(
        problems,
        [
            "test:7:1: feed[numbers].lines.database: \"lines.sqlite\" is a path from wherever a function runs; write the \
             whole path, from \"/\" on",
            "test:8:1: feed[numbers].lines.table: \"sluice_ends\" is not a table's name; use letters, digits and \"_\", \
             beginning with a letter, and not with \"sluice_\" or \"sqlite_\"",
            "test:9:1: feed[numbers].lines.gzip: unknown field; known here: database, table",
        ]
    );
}
