//! The whole protocol over this destination, in memory: what only a destination meets that reads exactly the planned versions.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use jiff::SignedDuration;
use rusqlite::Connection;
use sluice_core::config::Config;
use sluice_core::ports::{Clock as _, Ports as _};
use sluice_core::run::Run;
use sluice_core::testing::{ManualClock, MemoryObjects, TestPorts};
use sluice_core::tick::tick;
use sluice_core::work::work;
use sluice_lines::{LinesDestination, LinesKind};

/// A file is planned, and replaced before it is loaded. Nobody ever reads what was planned, and what is there now is loaded.
#[tokio::test]
async fn a_file_that_is_replaced_on_its_way_is_loaded_as_it_is_now() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines.sqlite");
    let database = Connection::open(&path).unwrap();
    database.execute_batch("CREATE TABLE lines (file TEXT, line TEXT)").unwrap();
    let text = format!(
        "[bucket]\nname = \"bucket\"\n[[feed]]\nname = \"f\"\nprefix = \"f/\"\n[feed.lines]\ndatabase = \"{}\"\ntable = \"lines\"\n",
        path.display()
    );
    let config = Config::parse(&text, "test", &[&LinesKind]).unwrap();
    let clock = ManualClock::default();
    let bucket = MemoryObjects::new(&clock);
    let ports = TestPorts::of(bucket.clone(), LinesDestination::new(bucket.clone()), &clock);
    let run = |number: usize| {
        let started = clock.now();
        Run { owner: format!("request-{number}"), started, deadline: started + SignedDuration::from_mins(5) }
    };

    bucket.drop_file("incoming/f/a", "planned\n");
    bucket.drop_file("incoming/f/b", "beside\n");
    for round in 0..10 {
        tick(&config, &ports, &run(2 * round), None).await.unwrap();
        if round == 0 {
            bucket.drop_file("incoming/f/a", "as it is now\n");
        }
        for claim in ports.workers().take() {
            work(&config, &ports, &run(2 * round + 1), &claim).await.unwrap();
        }
        clock.advance(Duration::from_secs(400));
    }

    assert_eq!((bucket.keys("incoming/"), bucket.keys("sluice/claims/")), (vec![], vec![]));
    assert_eq!(bucket.keys("processed/"), ["processed/f/a", "processed/f/b"]);
    let mut lines = database.prepare("SELECT line FROM lines ORDER BY line").unwrap();
    let lines: Vec<String> = lines.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(lines, ["as it is now", "beside"]);
}
