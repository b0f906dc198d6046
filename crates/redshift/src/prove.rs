//! Proves that the ledger's recipe holds in a warehouse: tries it with two transactions at a time on scratch tables.
//!
//! That LOCK takes no snapshot is only inferred from Redshift's documentation. So it is tried here, with and without
//! each of the two things that keep a file from being loaded twice: the lock, and the fence behind it. Never touches
//! other tables than its own, and removes them.

use std::time::Duration;

use futures_util::future::join;
use jiff::Timestamp;
use sluice_core::config::Feed;
use sluice_core::destination::{Asking, QueryError, StatementId};
use sluice_core::ports::Objects;

use crate::RedshiftDestination;
use crate::config::RedshiftFeed;
use crate::config::Table;
use crate::examine::submission;
use crate::quote::{literal, table};
use crate::statements::{Description, Statements, Status};

/// How long one transaction of a trial may take.
const PATIENCE: Duration = Duration::from_mins(10);

/// How many pairs of transactions are tried of each kind.
const ROUNDS: usize = 5;

/// Rows of the scratch table. A transaction joins it with itself twice, so that it takes a moment.
const ROWS: usize = 160;

/// The results, by what the transactions did before they loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// As loads are: the lock, then the fence.
    pub recipe: Trial,
    /// With the lock, and without the fence.
    pub locked: Trial,
    /// With the fence, and without the lock.
    pub fenced: Trial,
    /// With neither: the control, which shows what the trial can see.
    pub bare: Trial,
    /// With both, after a read: the snapshot is older than the lock, and only the fence protects.
    pub early: Trial,
    /// The same without the fence.
    pub early_locked: Trial,
}

/// What a trial's transactions do before they load.
#[derive(Clone, Copy, Debug)]
struct Recipe {
    name: &'static str,
    early: bool,
    lock: bool,
    fence: bool,
}

impl Proof {
    fn trials(&mut self) -> [(Recipe, &mut Trial); 6] {
        let recipe = |name, early, lock, fence| Recipe { name, early, lock, fence };
        [
            (recipe("recipe", false, true, true), &mut self.recipe),
            (recipe("locked", false, true, false), &mut self.locked),
            (recipe("fenced", false, false, true), &mut self.fenced),
            (recipe("bare", false, false, false), &mut self.bare),
            (recipe("early", true, true, true), &mut self.early),
            (recipe("early locked", true, true, false), &mut self.early_locked),
        ]
    }
}

/// Pairs of transactions, each of which would load the same file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trial {
    /// How many pairs.
    pub pairs: usize,
    /// Pairs of which both ran at the same time.
    pub overlapped: usize,
    /// Pairs of which exactly one loaded.
    pub once: usize,
    /// Pairs of which both loaded.
    pub twice: usize,
}

/// The conclusion from a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Each file was loaded once, though two transactions tried at the same time.
    Holds,
    /// A file was loaded twice, or not at all: do not use this warehouse with several workers, and report it.
    Broken,
    /// No two transactions ran at the same time, so nothing is shown.
    NotShown,
}

impl Proof {
    /// The conclusion.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let Trial { pairs, overlapped, once, .. } = self.recipe;
        match (once == pairs, overlapped) {
            (false, _) => Verdict::Broken,
            (true, 0) => Verdict::NotShown,
            (true, _) => Verdict::Holds,
        }
    }
}

impl<S: Statements, O: Objects> RedshiftDestination<S, O> {
    /// Tries the recipe in the feed's warehouse, on scratch tables in the schema of its ledger, whose names end in
    /// `mark`.
    ///
    /// # Errors
    /// When the tables cannot be made, or the warehouse cannot be asked.
    pub async fn prove(&self, feed: &Feed, mark: &str) -> Result<Proof, QueryError> {
        let feed = RedshiftFeed::of(feed)?;
        let scratch = Scratch::new(&feed.target.ledger.schema, mark);
        let made = self.run(feed, "doctor", scratch.create(), &Asking::patiently()).await;
        let tried = match made {
            Ok(_) => self.try_all_recipes(feed, &scratch).await,
            Err(error) => Err(error),
        };
        let removed = self.run(feed, "doctor", scratch.drop(), &Asking::patiently()).await;
        let proof = tried?;
        removed?;
        Ok(proof)
    }

    async fn try_all_recipes(&self, feed: RedshiftFeed<'_>, scratch: &Scratch) -> Result<Proof, QueryError> {
        let mut proof = Proof::default();
        for round in 0..ROUNDS {
            for (recipe, trial) in proof.trials() {
                self.pair(feed, scratch, &format!("{} {round}", recipe.name), recipe, trial).await?;
            }
        }
        Ok(proof)
    }

    async fn pair(
        &self,
        feed: RedshiftFeed<'_>,
        scratch: &Scratch,
        file: &str,
        recipe: Recipe,
        trial: &mut Trial,
    ) -> Result<(), QueryError> {
        let submission = submission(file, scratch.load(file, recipe));
        let submit = || self.statements.submit(feed.target, &submission);
        let (one, other) = join(submit(), submit()).await;
        let (one, other) = (one?, other?);
        let (one, other) = join(self.end(&one), self.end(&other)).await;
        let (one, other) = (one?, other?);
        trial.pairs += 1;
        trial.overlapped += usize::from(overlap(&one, &other));
        // Only the rows count, not what the transactions report.
        let rows = self.query(feed, "doctor", scratch.count(file), &Asking::patiently()).await?;
        match rows.first().and_then(|row| row.first()?.as_deref()) {
            Some("1") => trial.once += 1,
            Some("2") => trial.twice += 1,
            _ => {}
        }
        Ok(())
    }

    async fn end(&self, id: &StatementId) -> Result<Description, QueryError> {
        match self.statements.describe(id, PATIENCE).await? {
            Some(description) if description.status != Status::Running => Ok(description),
            _ => Err(QueryError::Slow { what: "doctor".to_owned(), statement: id.clone() }),
        }
    }
}

/// Whether each began before the other ended.
fn overlap(one: &Description, other: &Description) -> bool {
    let ran = |end: &Description| -> Option<(Timestamp, Timestamp)> {
        let ended = end.updated_at?;
        // The duration does not include the queue. If it is not known, the submission counts as the beginning.
        let began = ended.checked_sub(end.duration).ok().filter(|_| end.duration > Duration::ZERO);
        Some((began.or(end.created_at)?, ended))
    };
    let (Some(one), Some(other)) = (ran(one), ran(other)) else { return false };
    one.0 <= other.1 && other.0 <= one.1
}

struct Scratch {
    ledger: String,
    fence: String,
    rows: String,
}

impl Scratch {
    fn new(schema: &str, mark: &str) -> Self {
        let name =
            |what: &str| table(&Table { schema: schema.to_owned(), name: format!("sluice_proof_{what}_{mark}") });
        Self { ledger: name("ledger"), fence: name("fence"), rows: name("rows") }
    }

    fn create(&self) -> Vec<String> {
        let numbers: Vec<String> = (0..ROWS).map(|number| format!("('', {number})")).collect();
        vec![
            format!("CREATE TABLE {} (file VARCHAR(64) NOT NULL)", self.ledger),
            format!("CREATE TABLE {} (loads BIGINT NOT NULL)", self.fence),
            format!("INSERT INTO {} VALUES (0)", self.fence),
            format!("CREATE TABLE {} (file VARCHAR(64) NOT NULL, number BIGINT)", self.rows),
            format!("INSERT INTO {} VALUES {}", self.rows, numbers.join(", ")),
        ]
    }

    /// The recipe of a load, with an INSERT instead of COPY.
    fn load(&self, file: &str, recipe: Recipe) -> Vec<String> {
        let Self { ledger, fence, rows } = self;
        let file = literal(file);
        let mut statements = vec![
            "SET LOCAL statement_timeout TO 300000".to_owned(),
            "SET LOCAL enable_result_cache_for_session TO off".to_owned(),
        ];
        if recipe.early {
            statements.push(format!("SELECT COUNT(*) FROM {rows} WHERE file = {file}"));
        }
        if recipe.lock {
            statements.push(format!("LOCK TABLE {ledger}"));
        }
        if recipe.fence {
            statements.push(format!("UPDATE {fence} SET loads = loads + 1"));
        }
        statements.push(format!(
            "SELECT 1 / (CASE WHEN COUNT(*) = 0 THEN 1 ELSE 0 END) FROM {ledger} WHERE file IN ({file})"
        ));
        statements.push(format!(
            "INSERT INTO {rows} SELECT {file}, COUNT(*) FROM {rows} a, {rows} b, {rows} c \
             WHERE a.file = '' AND b.file = '' AND c.file = ''"
        ));
        statements.push(format!("INSERT INTO {ledger} VALUES ({file})"));
        statements
    }

    fn count(&self, file: &str) -> String {
        format!("SELECT COUNT(*) FROM {} WHERE file = {}", self.rows, literal(file))
    }

    fn drop(&self) -> Vec<String> {
        [&self.ledger, &self.fence, &self.rows].map(|table| format!("DROP TABLE IF EXISTS {table}")).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_overlap_shows_anything() {
        let trial = |overlapped, once| Trial { pairs: 5, overlapped, once, twice: 5 - once };
        let verdict = |recipe| Proof { recipe, ..Proof::default() }.verdict();
        assert_eq!(verdict(trial(5, 5)), Verdict::Holds);
        assert_eq!(verdict(trial(0, 5)), Verdict::NotShown);
        assert_eq!(verdict(trial(5, 4)), Verdict::Broken);
        assert_eq!(verdict(trial(0, 4)), Verdict::Broken);
    }
}
