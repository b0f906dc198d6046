//! The Data API: statements that are submitted, run by themselves, end, and are forgotten; client tokens that expire.

mod run;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use sluice_core::destination::StatementId;
use sluice_core::ports::{PortError, PortErrorKind};
use sluice_redshift::Redshift;
use sluice_redshift::{Description, Part, Statements, Status, Submission};

use crate::calls::{self, CallId, Caller};
use crate::clock::{Micros, micros, stamp};
use crate::dice::Dice;
use crate::lasting::Down;
use crate::scenario::settings::FEEDS;
use crate::scheduler::World;
use crate::warehouse::Transaction;
use crate::warehouse::sql::{Row, Sql, Trace};
use run::{fate, next_step};
pub use run::{hurry, step};

/// The longest that the service waits. Source: Amazon Redshift Management Guide, "Long polling".
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Everything that was ever submitted.
#[derive(Default)]
pub struct DataApi {
    pub statements: Vec<Statement>,
    tokens: HashMap<String, (usize, Micros)>,
}

/// A submission that runs or has ended.
pub struct Statement {
    number: usize,
    pub feed: usize,
    dice: Dice,
    pub name: String,
    with_event: bool,
    sqls: Vec<Sql>,
    /// Which of them runs.
    at: usize,
    pub tx: Transaction,
    pub status: Status,
    error: Option<String>,
    pub created: Micros,
    pub ended: Option<Micros>,
    rows: Vec<Vec<Option<String>>>,
    /// The turn that it waits for; a step of another turn is out of date.
    turn: u64,
    /// Who waits for its end.
    waiters: Vec<CallId>,
    /// Where it fails by itself, and how.
    fate: Option<(usize, String)>,
    /// What it fails with when its time is over.
    stalled: Option<String>,
    query_id: bool,
}

impl Statement {
    pub fn running(&self) -> bool {
        self.status == Status::Running
    }

    pub fn id(&self) -> StatementId {
        StatementId(format!("s-{}", self.number))
    }

    /// How it stands: which statement it is at, and how that ended.
    pub fn stands(&self) -> (usize, u8) {
        let status = match self.status {
            Status::Running => 0,
            Status::Finished => 1,
            Status::Failed => 2,
            Status::Aborted => 3,
        };
        (self.at, status)
    }

    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Whether it is the transaction that loads a batch.
    pub fn is_load(&self) -> bool {
        self.records().next().is_some()
    }

    /// Whether it does nothing but look for bad files: it may take for ever, and holds nothing up.
    pub fn only_looks(&self) -> bool {
        self.sqls.iter().all(|sql| matches!(sql, Sql::Copy { no_load: true, .. }))
    }

    /// Whether it asks the same, and has not ended.
    pub fn still_asks(&self, sqls: &[Sql]) -> bool {
        self.running() && self.sqls == sqls
    }

    /// The files that it loads; none, if it is no load.
    pub fn loads(&self) -> impl Iterator<Item = &String> {
        self.records().map(|row| &row.key)
    }

    /// The keys that it asks the ledger for.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        let keys = self.sqls.iter().filter_map(|sql| if let Sql::Named(keys) = sql { Some(keys) } else { None });
        keys.flatten()
    }

    /// What it writes into the ledger.
    pub fn records(&self) -> impl Iterator<Item = &Row> {
        let rows = self.sqls.iter().filter_map(|sql| if let Sql::Record(rows) = sql { Some(rows) } else { None });
        rows.flatten()
    }
}

impl Statement {
    /// What it records under another version than it read: key, identity.
    pub fn misread(&self) -> impl Iterator<Item = (&str, &str)> {
        self.records().filter_map(|row| {
            let (_, read) = self.tx.read.iter().find(|(url, _)| url.strip_prefix("s3://bucket/") == Some(&row.key))?;
            (*read != row.etag).then_some((row.key.as_str(), row.file.as_str()))
        })
    }

    /// The identities that it replaces.
    pub fn replaced(&self) -> impl Iterator<Item = &String> {
        self.sqls.iter().filter_map(|sql| if let Sql::Amend { old, .. } = sql { Some(old) } else { None })
    }

    /// The identities that its guard looks for, if that is where it stands.
    fn guarded(&self) -> Option<&BTreeSet<String>> {
        self.sqls.get(self.at).and_then(|sql| if let Sql::Guard { files, .. } = sql { Some(files) } else { None })
    }
}

impl DataApi {
    /// The transactions that a condition on a system view finds, which shows what was over at `seen`.
    pub fn traced(&self, trace: Trace, seen: Micros) -> Vec<&Transaction> {
        let (number, at) = match trace {
            Trace::Query(id) => ((id - FIRST_QUERY) / QUERIES, usize::try_from((id - FIRST_QUERY) % QUERIES).ok()),
            Trace::Session(pid, _) => (pid - FIRST_PID, None),
        };
        let statement = usize::try_from(number).ok().and_then(|number| self.statements.get(number));
        let is_copy = |at: usize| statement.is_some_and(|it| matches!(it.sqls.get(at), Some(Sql::Copy { .. })));
        let statement = statement.filter(|_| at.is_none_or(is_copy));
        let over = |statement: &&Statement| statement.ended.is_some_and(|ended| ended <= seen);
        statement.filter(over).map(|statement| &statement.tx).into_iter().collect()
    }

    pub fn find(&self, id: &str) -> Option<usize> {
        let number = id.strip_prefix("s-")?.split(':').next()?.parse().ok()?;
        (number < self.statements.len()).then_some(number)
    }
}

const FIRST_QUERY: i64 = 1_000;
/// How many queries a submission may be.
const QUERIES: i64 = 100;
const FIRST_PID: i64 = 1_073_000_000;

fn submit(world: &mut World, feed: usize, submission: &Submission) -> StatementId {
    let (now, memory) = (world.now, world.scenario.memory.0);
    let api = &mut world.warehouse.api;
    let known = submission.token.as_ref().and_then(|token| api.tokens.get(token)).copied();
    if let Some((number, at)) = known
        && now < at + memory
    {
        return StatementId(format!("s-{number}"));
    }
    let number = api.statements.len();
    let dice = world.scenario.dice.about(submission.token.as_deref().unwrap_or(&submission.name)).number(number as u64);
    let sqls: Vec<Sql> = submission.statements.iter().map(|text| Sql::read(text)).collect();
    world.check_question(feed, &sqls);
    let fate = fate(world, dice, &sqls, &submission.name);
    let api = &mut world.warehouse.api;
    api.statements.push(Statement {
        number,
        feed,
        dice,
        name: submission.name.clone(),
        with_event: submission.with_event,
        sqls,
        at: 0,
        tx: Transaction::of(feed),
        status: Status::Running,
        error: None,
        created: now,
        ended: None,
        rows: Vec::new(),
        turn: 0,
        waiters: Vec::new(),
        fate,
        stalled: None,
        query_id: world.scenario.views.query_ids,
    });
    if let Some(token) = &submission.token {
        api.tokens.insert(token.clone(), (number, now));
    }
    let name = submission.name.clone();
    world.say("warehouse", || format!("s-{number} begins: {name}"));
    next_step(world, number);
    world.check_in_flight(feed);
    StatementId(format!("s-{number}"))
}

/// How the statement stands; `None` once it is forgotten.
fn describe(world: &World, id: &str) -> Option<Description> {
    let number = world.warehouse.api.find(id)?;
    let statement = &world.warehouse.api.statements[number];
    if statement.ended.is_some_and(|ended| world.now >= ended + world.scenario.memory.1) {
        return None;
    }
    let number = i64::try_from(number).unwrap_or_default();
    let many = statement.sqls.len() > 1;
    let part = |at: usize| {
        let status = match at.cmp(&statement.at) {
            std::cmp::Ordering::Less => Status::Finished,
            std::cmp::Ordering::Equal => statement.status,
            std::cmp::Ordering::Greater if statement.running() => Status::Running,
            std::cmp::Ordering::Greater => Status::Aborted,
        };
        let error = statement.error.clone().filter(|_| status == Status::Failed);
        let query = FIRST_QUERY + number * QUERIES + i64::try_from(at).unwrap_or_default();
        let query_id = statement.query_id.then_some(query);
        Part { status, error, query_id, rows: None }
    };
    let error = statement.error.as_ref();
    let numbered = |error: &String| format!("Query #{} failed with {error}", statement.at + 1);
    Some(Description {
        status: statement.status,
        error: error.map(|error| if many { numbered(error) } else { error.clone() }),
        created_at: Some(stamp(statement.created, 0)),
        updated_at: statement.ended.map(|ended| stamp(ended, 0)),
        duration: Duration::from_micros(statement.ended.unwrap_or(world.now) - statement.created),
        pid: Some(FIRST_PID + number),
        query_id: statement.query_id.then_some(FIRST_QUERY + number * QUERIES),
        rows: None,
        parts: if many { (0..statement.sqls.len()).map(part).collect() } else { Vec::new() },
    })
}

/// The feed whose ledger it is; none but its own is named in its statements.
fn feed_of(target: &Redshift, submission: &Submission) -> usize {
    let (ledger, start) = (&target.ledger.name, "sluice_ledger_");
    for text in &submission.statements {
        assert_eq!(text.matches(start).count(), text.matches(ledger).count(), "{text} is not of {ledger}");
    }
    let feed = FEEDS.iter().position(|feed| ledger.strip_prefix(start) == Some(*feed));
    feed.unwrap_or_else(|| panic!("{ledger} is nobody's ledger"))
}

impl Statements for Caller {
    async fn submit(&self, target: &Redshift, submission: &Submission) -> Result<StatementId, PortError> {
        let mut submission = submission.clone();
        let feed = feed_of(target, &submission);
        // The SDK makes up a token for each call, so that its own retries submit once.
        let label = self.sim.world().tasks.get(&self.task).map(|task| (task.name.clone(), task.calls));
        submission.token.get_or_insert_with(|| format!("{label:?}"));
        self.call("submit", submission.name.clone(), move |world| {
            if let Some(Down::Refuses) = world.lasting.down(feed, world.now) {
                world.was_refused(feed, &submission);
                return Err(PortError::new("submit", submission.name.as_str(), PortErrorKind::Unavailable, "down"));
            }
            let id = submit(world, feed, &submission);
            world.was_submitted(&submission, &id);
            Ok(id)
        })
        .await
    }

    async fn describe(&self, id: &StatementId, wait: Duration) -> Result<Option<Description>, PortError> {
        let asked = id.0.clone();
        let stands = self.call("describe", id.0.as_str(), move |world| Ok(describe(world, &asked))).await?;
        if wait.is_zero() || stands.as_ref().is_none_or(|stands| stands.status != Status::Running) {
            return Ok(stands);
        }
        let (call, ended) = calls::begin_wait(self, micros(wait.min(LONGEST_WAIT)));
        {
            let world = &mut *self.sim.world();
            let number = world.warehouse.api.find(&id.0).expect("it was there");
            let statement = &mut world.warehouse.api.statements[number];
            if statement.running() {
                statement.waiters.push(call);
            } else {
                calls::end_wait(world, call);
            }
        }
        ended.await;
        Ok(describe(&self.sim.world(), &id.0))
    }

    async fn rows(&self, id: &StatementId) -> Result<Vec<Vec<Option<String>>>, PortError> {
        let asked = id.0.clone();
        self.call("rows", id.0.as_str(), move |world| {
            let api = &world.warehouse.api;
            let finished = |number: usize| (api.statements[number].status == Status::Finished).then_some(number);
            let number = api.find(&asked).and_then(finished);
            let missing = || PortError::new("rows", asked.as_str(), PortErrorKind::Missing, "no result");
            number.map(|number| api.statements[number].rows.clone()).ok_or_else(missing)
        })
        .await
    }
}
