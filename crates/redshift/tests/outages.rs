//! Random mixes of good and bad files, and outages with every text that is known, at every statement of the transaction and
//! at the look for bad files: good files are loaded once, bad ones are set aside, and never the other way round.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use sluice_core::ports::Ports;
use sluice_core::testing::world::World;
use sluice_core::testing::{MemoryObjects, TestPorts};
use sluice_core::tick::tick;
use sluice_core::work::work;
use sluice_redshift::failure::{Means, examples};
use sluice_redshift::testing::{Answer, ScriptedStatements, config_with};
use sluice_redshift::{RedshiftDestination, Submission};

type Scripted = RedshiftDestination<ScriptedStatements, MemoryObjects>;

/// Where COPY is in a transaction, from 0: behind two settings, lock, fence, guard and the feed's own SQL.
const COPY: usize = 6;

/// What the warehouse says of a bad file: in the transaction, and in the view of errors.
const REFUSED: &str =
    "ERROR: Load into table 'flights' failed.  Check 'sys_load_error_detail' system table for details.";

/// How many ticks it may take until all is in its place, once nothing fails any more.
const TICKS: usize = 200;

/// One statement that fails: with which of the known texts, and at which statement.
#[derive(Clone, Copy, Debug)]
struct Outage {
    text: usize,
    at: usize,
}

#[derive(Clone, Debug)]
struct Mix {
    files_per_load: usize,
    bad: Vec<bool>,
    outages: Vec<Outage>,
    /// What the texts quote.
    quoted: String,
}

fn mix() -> impl Strategy<Value = Mix> {
    let texts = examples("").count();
    let outage = (0..texts, 0..COPY + 3).prop_map(|(text, at)| Outage { text, at });
    let quoted = prop_oneof![
        Just("s3://bucket/incoming/flights/good-00".to_owned()),
        Just("public.flights".to_owned()),
        Just("ERROR: Load into table 't' failed.  Check 'sys_load_error_detail' for details.".to_owned()),
    ];
    let bad = proptest::collection::vec(prop::bool::weighted(0.2), 1..12);
    (1..6_usize, bad, proptest::collection::vec(outage, 0..8), quoted)
        .prop_map(|(files_per_load, bad, outages, quoted)| Mix { files_per_load, bad, outages, quoted })
}

/// A warehouse that is no more than a ledger, and fails as it is told.
#[derive(Default)]
struct Warehouse {
    outages: VecDeque<(usize, String)>,
    ledger: HashMap<String, String>,
    loaded: BTreeMap<String, usize>,
    refused: BTreeSet<String>,
}

impl Warehouse {
    fn answer(&mut self, submission: &Submission) -> Answer {
        let first = submission.statements[0].as_str();
        let asks_for_bad_files = first.starts_with("COPY ");
        if (submission.with_event || asks_for_bad_files)
            && let Some((at, text)) = self.outages.pop_front()
        {
            return Answer::failed(submission, (at + 1).min(submission.statements.len()), &text);
        }
        if submission.with_event {
            return self.load(submission);
        }
        let finished = Answer::finished(submission);
        if first.contains("FROM sys_load_error_detail") {
            let rows: Vec<[Option<&str>; 5]> = self
                .refused
                .iter()
                .map(|file| [Some(file.as_str()), Some("1207"), Some("Invalid digit"), Some("1"), Some("n")])
                .collect();
            return finished.with_rows(0, &rows.iter().map(<[_; 5]>::as_slice).collect::<Vec<_>>());
        }
        let asks_ledger = first.starts_with("SELECT file, etag FROM");
        let known = self.ledger.iter().filter(|_| asks_ledger);
        let known: Vec<[Option<&str>; 2]> = known.map(|(id, etag)| [Some(id.as_str()), Some(etag.as_str())]).collect();
        finished.with_rows(0, &known.iter().map(<[_; 2]>::as_slice).collect::<Vec<_>>())
    }

    fn load(&mut self, submission: &Submission) -> Answer {
        let rows: Vec<Vec<String>> = submission.statements.iter().flat_map(|statement| inserted(statement)).collect();
        if rows.iter().any(|row| self.ledger.contains_key(&row[0])) {
            return Answer::failed(submission, 5, "ERROR: Divide by zero");
        }
        let bad = rows.iter().filter(|row| row[1].contains("/bad-")).map(|row| format!("s3://bucket/{}", row[1]));
        self.refused = bad.collect();
        if !self.refused.is_empty() {
            return Answer::failed(submission, COPY + 1, REFUSED);
        }
        for row in rows {
            *self.loaded.entry(row[1].clone()).or_default() += 1;
            self.ledger.insert(row[0].clone(), row[2].clone());
        }
        Answer::finished(submission)
    }
}

/// The id, key and `ETag` of each row that the statement puts into the ledger.
fn inserted(statement: &str) -> Vec<Vec<String>> {
    let Some((_, rows)) = statement.split_once(" VALUES ").filter(|_| statement.starts_with("INSERT INTO")) else {
        return Vec::new();
    };
    let literals = |row: &str| row.split('\'').skip(1).step_by(2).take(3).map(str::to_owned).collect();
    rows.split("GETDATE())").map(literals).filter(|row: &Vec<String>| row.len() == 3).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]
    #[test]
    fn no_outage_sets_a_good_file_aside(mix in mix()) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run(mix))?;
    }
}

async fn run(mix: Mix) -> Result<(), TestCaseError> {
    let lines = format!("max_files = 12\nfiles_per_load = {}", mix.files_per_load);
    let own = "pre_sql = [\"DELETE FROM stage\"]\npost_sql = [\"ANALYZE flights\"]";
    let world = World::of(config_with(&lines, own));
    let texts: Vec<(Means, String)> = examples(&mix.quoted).collect();
    // What COPY itself says of contents is a word about a file; everything else is an outage.
    let outages = mix.outages.iter().map(|outage| (outage.at, &texts[outage.text]));
    let outages = outages.filter(|(at, (means, _))| *at != COPY || *means != Means::Contents);
    let outages = outages.map(|(at, (_, text))| (at, text.clone())).collect();
    let warehouse = Arc::new(Mutex::new(Warehouse { outages, ..Warehouse::default() }));
    let names = mix.bad.iter().enumerate().map(|(at, bad)| format!("{}-{at:02}", if *bad { "bad" } else { "good" }));
    let names: Vec<String> = names.collect();
    for name in &names {
        world.drop_file(name, "1\n");
    }
    let statements = {
        let warehouse = Arc::clone(&warehouse);
        ScriptedStatements::new(move |submission| warehouse.lock().unwrap().answer(submission))
    };
    let (objects, clock) = (world.ports.objects.clone(), world.ports.clock.clone());
    let destination = RedshiftDestination::new(world.config.bucket.clone(), statements, objects.clone());
    let ports = TestPorts::of(objects, destination, &clock);
    for _ in 0..TICKS {
        round(&world, &ports).await;
        let aside: Vec<String> = world.keys("failed/").into_iter().filter(|key| key.contains("/good-")).collect();
        prop_assert!(aside.is_empty(), "set aside: {aside:?}");
        if world.keys("incoming/").is_empty() && world.keys("sluice/claims/").is_empty() {
            break;
        }
        clock.advance(Duration::from_mins(10));
    }
    prop_assert_eq!(world.keys("incoming/"), Vec::<String>::new());
    let good = names.iter().filter(|name| name.starts_with("good")).map(|name| (format!("incoming/flights/{name}"), 1));
    prop_assert_eq!(&warehouse.lock().unwrap().loaded, &good.collect());
    let failed = world.keys("failed/").into_iter().filter(|key| !key.ends_with(".error.json")).count();
    prop_assert_eq!(failed, names.iter().filter(|name| name.starts_with("bad")).count());
    Ok(())
}

/// A tick, and every worker that it sends.
async fn round(world: &World, ports: &TestPorts<MemoryObjects, Scripted>) {
    tick(&world.config, ports, &world.run(), None).await.unwrap();
    for claim in ports.workers().take() {
        work(&world.config, ports, &world.run(), &claim).await.unwrap();
    }
}
