//! Cost: what a feed that is down costs the warehouse, and what a question costs that is asked twice.

use std::collections::BTreeMap;

use sluice_redshift::Submission;

use crate::clock::{HOUR, Micros};
use crate::lasting::What;
use crate::scenario::settings::FEEDS;
use crate::scheduler::World;
use crate::warehouse::sql::Sql;

/// How many loads may fail at first for each slot, and then in each hour.
const AT_FIRST: u64 = 5;
const EACH_HOUR: u64 = 10;
/// How many may fail beyond that until two files are alone.
const NARROWING: u64 = 24;

/// Failed loads of each feed that is down.
#[derive(Default)]
pub struct Cost {
    failed: BTreeMap<usize, u64>,
}

impl World {
    /// The warehouse did not take a transaction, since it is down.
    pub fn was_refused(&mut self, feed: usize, submission: &Submission) {
        if submission.statements.len() > 1 && submission.with_event {
            self.count(feed);
        }
        let owner = self.truth.actor.clone();
        self.truth.was_let_down(&owner, self.now);
    }

    /// A transaction failed.
    pub fn has_failed(&mut self, number: usize) {
        let statement = &self.warehouse.api.statements[number];
        let (feed, load) = (statement.feed, statement.is_load());
        if load {
            self.has_failed_to_load(number);
        } else {
            self.has_failed_to_ask(number);
        }
        if load && self.lasting.down(feed, self.now).is_some() {
            self.count(feed);
        } else if load && self.fails_for_ever(number) {
            self.count_in_vain(feed);
        }
    }

    /// Whether a transaction failed because of what never works.
    fn fails_for_ever(&self, number: usize) -> bool {
        let statement = &self.warehouse.api.statements[number];
        let error = statement.error().unwrap_or_default();
        self.lasting
            .of(statement.feed, self.now)
            .any(|what| matches!(what, What::Copy(c) if error.starts_with(c.error)))
    }

    /// Narrowing takes some transactions, and then each file that rests is tried now and then.
    fn count_in_vain(&mut self, feed: usize) {
        let failed = self.truth.cost.failed.entry(feed).or_default();
        *failed += 1;
        let (failed, slots, hours) = (*failed, self.scenario.feeds[feed].slots() as u64, self.now / HOUR + 1);
        if failed > AT_FIRST * slots + NARROWING + EACH_HOUR * hours {
            self.truth
                .broken(format!("{failed} loads of {} failed in {hours} hours for one or two files", FEEDS[feed]));
        }
    }

    fn count(&mut self, feed: usize) {
        let failed = self.truth.cost.failed.entry(feed).or_default();
        *failed += 1;
        let (failed, slots) = (*failed, self.scenario.feeds[feed].slots() as u64);
        let hours = self.down_for(feed) / HOUR + 1;
        // What never works besides has narrowed before.
        let narrows = self.lasting.of(feed, self.now).any(|what| matches!(what, What::Copy(_)));
        if failed > AT_FIRST * slots + if narrows { NARROWING } else { 0 } + EACH_HOUR * hours {
            let name = FEEDS[feed];
            self.truth.broken(format!("{failed} loads of {name} failed in {hours} hours, while its warehouse is down"));
        }
    }

    fn down_for(&self, feed: usize) -> Micros {
        let down = self.lasting.troubles.iter();
        let down = down.filter(|trouble| trouble.feed == feed && matches!(trouble.what, What::Down(_)));
        down.map(|trouble| self.now.saturating_sub(trouble.from)).max().unwrap_or_default()
    }

    /// A question is about to be asked: not while it is asked already. A function that died before it noted the question
    /// asks again, so this holds when the weather is calm.
    pub fn check_question(&mut self, feed: usize, sqls: &[Sql]) {
        let asks =
            sqls.iter().all(|sql| matches!(sql, Sql::Loaded(_) | Sql::Named(_) | Sql::Copy { no_load: true, .. }));
        if !self.calm || !asks || !self.scenario.class.lasts() {
            return;
        }
        let calm = self.scenario.end;
        let mut others = self.warehouse.api.statements.iter();
        if others.any(|other| other.feed == feed && other.created > calm && other.still_asks(sqls)) {
            let what =
                if matches!(sqls, [Sql::Loaded(_) | Sql::Named(_)]) { "what the ledger has" } else { "for bad files" };
            self.truth.broken(format!("the same question, {what}, is asked twice side by side"));
        }
    }
}
