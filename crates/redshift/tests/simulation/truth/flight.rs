//! Flight: at most X files of a feed are held and loaded at any moment, whatever the configuration becomes.
//!
//! While functions with two configurations run, X is the larger one. Where X was lowered, what is in flight may end, and
//! nothing is added until less than X is.

use std::collections::{BTreeMap, BTreeSet};

use sluice_core::claim::Claim;

use super::Truth;
use crate::bucket::INCOMING;
use crate::clock::Micros;
use crate::lambda::TaskId;
use crate::lasting::feed_of;
use crate::scenario::settings::FEEDS;
use crate::scheduler::World;
use crate::statements::Statement;
use crate::warehouse::sql::Row;

/// Who runs and ran with which configuration, and since when claims are there.
#[derive(Default)]
pub struct Flight {
    /// Configuration and beginning of each function, also when it is gone: its requests may come late.
    tasks: BTreeMap<TaskId, (usize, Micros)>,
    /// When a function with the configuration was alive last.
    alive: BTreeMap<usize, Micros>,
    created: BTreeMap<String, Micros>,
}

/// How many files of a claim count for X. One that has not looked at the others loads nothing yet, and may give way; then
/// it is left with the one that had failed alone in it, if any.
fn in_flight(claim: &Claim) -> usize {
    if claim.unchecked { claim.doubted.len().min(1) } else { claim.files.len() + claim.later.len() }
}

impl Truth {
    /// A function began.
    pub fn began(&mut self, task: TaskId, config: usize, at: Micros) {
        self.flight.tasks.insert(task, (config, at));
    }

    /// A function ended or died.
    pub fn ended(&mut self, task: TaskId, at: Micros) {
        if let Some((config, _)) = self.flight.tasks.get(&task) {
            self.flight.alive.insert(*config, at);
        }
    }

    /// The configuration of the function whose call takes effect.
    pub(super) fn config(&self) -> Option<usize> {
        self.flight.tasks.get(&self.task).map(|(config, _)| *config)
    }

    /// When the function began whose call takes effect.
    pub(super) fn began_at(&self) -> Option<Micros> {
        self.flight.tasks.get(&self.task).map(|(_, began)| *began)
    }

    /// When the claim was made.
    pub(super) fn made(&self, claim: &str) -> Option<Micros> {
        self.flight.created.get(claim).copied()
    }

    fn held(&self, feed: usize) -> usize {
        let own = self.claims.iter().filter(|(key, _)| feed_of(key) == Some(feed));
        own.map(|(_, claim)| in_flight(claim)).sum()
    }
}

impl World {
    /// A claim is about to be written: it may hold more files than before only if X allows.
    pub(super) fn check_filled(&mut self, key: &str, claim: &Claim) {
        let before = self.truth.claims.get(key).map(in_flight);
        if before.is_none() {
            if let Some(feed) = feed_of(key) {
                self.check_tried(feed, key, claim);
            }
            // What a dead function had asked for, it asked for by the X of its time.
            let began = self.truth.began_at().filter(|_| self.truth.orphan);
            self.truth.flight.created.insert(key.to_owned(), began.unwrap_or(self.now));
        }
        let Some(feed) = feed_of(key) else { return };
        self.truth.has_noted(claim, self.now);
        if in_flight(claim) > before.unwrap_or_default() {
            // It was made for what was allowed then, whoever goes on with it.
            let began = self.truth.began_at().into_iter().chain(self.truth.made(key)).min().unwrap_or(self.now);
            let (held, most) =
                (self.truth.held(feed) + in_flight(claim) - before.unwrap_or_default(), self.most(feed, began));
            if held > most {
                self.truth.broken(format!("{held} files of {} are held by claims, {most} are allowed", FEEDS[feed]));
            }
        }
    }

    /// The largest X of the feed that anybody went by since then.
    fn most(&self, feed: usize, since: Micros) -> usize {
        let configs = &self.scenario.configs;
        let actor = self.truth.config();
        let in_force = |number: usize| {
            let ends = configs.get(number + 1).is_some_and(|(next, _)| *next <= since);
            let runs = self.truth.flight.alive.get(&number).is_some_and(|last| *last >= since)
                || self.tasks.values().any(|task| task.config == number);
            (configs[number].0 <= self.now && !ends) || runs || actor == Some(number)
        };
        let own = configs.iter().enumerate().filter(|(number, _)| in_force(*number));
        own.filter_map(|(_, (_, config))| Some(config.feed(FEEDS[feed])?.max_files)).max().unwrap_or_default()
    }

    /// At most X files of the feed are being loaded.
    pub fn check_in_flight(&mut self, feed: usize) {
        let loads = |statement: &&Statement| statement.feed == feed && statement.running() && statement.is_load();
        let running: Vec<&Statement> = self.warehouse.api.statements.iter().filter(loads).collect();
        let created = self.truth.flight.created.iter();
        let created = created.filter(|(key, _)| self.truth.claims.contains_key(*key) && feed_of(key) == Some(feed));
        let since = created.map(|(_, at)| *at).chain(running.iter().map(|statement| statement.created)).min();
        let most = self.most(feed, since.unwrap_or(self.now));
        let loading = |statements: &[&Statement]| {
            statements.iter().flat_map(|statement| statement.loads()).collect::<BTreeSet<_>>().len()
        };
        if loading(&running) <= most {
            return;
        }
        // A transaction whose token was forgotten, and whose files another one has loaded, is stopped by its guard; one whose
        // files another one was refused for, and which were set aside since, by their not being there.
        let recorded: BTreeSet<&str> = self.warehouse.recorded().map(|row| row.file.as_str()).collect();
        let set_aside = |row: &Row| {
            let there = self.bucket.get(&row.key).is_some_and(|object| object.etag.as_str() == row.etag);
            !there && self.bucket.get(&row.key.replacen(INCOMING, "failed/", 1)).is_some()
        };
        let doomed = |statement: &Statement| {
            statement.records().any(|row| recorded.contains(row.file.as_str()) || set_aside(row))
        };
        let number = loading(&running.into_iter().filter(|statement| !doomed(statement)).collect::<Vec<_>>());
        if number > most {
            self.truth.broken(format!("{number} files are being loaded, {most} are allowed"));
        }
    }
}
