//! The truth: what producers wrote and what became of it, kept beside the world by whoever sees all of it, and the
//! promises of `docs/GUARANTEES.md`, checked at every change of the bucket and again when everything is quiet.

mod cost;
mod end;
mod exceptions;
mod flight;
mod rests;

use std::collections::{BTreeMap, BTreeSet};

use sluice_core::claim::Claim;
use sluice_core::copy;
use sluice_core::destination::StatementId;
use sluice_core::object::{ETag, File};
use sluice_redshift::Submission;

use crate::bucket::{CLAIMS, INCOMING, Object, STATE};
use crate::clock::Micros;
use crate::lambda::TaskId;
use crate::scheduler::World;
use cost::Cost;
use flight::Flight;
use rests::Rests;

const ARCHIVES: [&str; 2] = ["processed/", "failed/"];

/// What is known of one content. Contents are unique: each names its file.
#[derive(Clone, Debug)]
pub struct Version {
    key: String,
    etags: BTreeSet<String>,
    /// When it was written last.
    since: Micros,
    /// Sluice took it out of `incoming/`.
    taken: bool,
}

impl Version {
    fn path(&self) -> &str {
        self.key.strip_prefix(INCOMING).unwrap_or_default()
    }

    fn is(&self, file: &File) -> bool {
        self.key == file.key.as_str() && self.etags.contains(file.etag.as_str())
    }
}

/// What everybody in the history does not know.
#[derive(Default)]
pub struct Truth {
    pub versions: BTreeMap<String, Version>,
    /// What was at each key, in the order of writing.
    past: BTreeMap<String, Vec<String>>,
    /// Every claim there is.
    claims: BTreeMap<String, Claim>,
    /// The statement that a function was told for a token.
    told: BTreeMap<(String, String), StatementId>,
    /// Identities in the ledger whose file was read in another version: their keys, and the statements that did it.
    misread: BTreeMap<String, (String, usize)>,
    /// Contents that came once more after they had been taken or replaced.
    brought_back: BTreeSet<String>,
    /// Contents that were written again under an `ETag` that is no hash of them: they may be loaded again, since nothing may
    /// be there to compare them with, or nobody able to.
    pub sent_again: BTreeSet<String>,
    /// Objects that were copied into an archive, or were there before.
    pub archived: BTreeSet<String>,
    /// Keys of which nothing is promised any more, and why.
    pub excused: BTreeMap<String, &'static str>,
    /// Which function wrote each claim last.
    writers: BTreeMap<String, TaskId>,
    flight: Flight,
    pub rests: Rests,
    cost: Cost,
    /// The function whose call takes effect.
    pub task: TaskId,
    /// Its owner.
    pub actor: String,
    /// Nobody waits for that call any more.
    pub orphan: bool,
    /// Nothing is checked: whoever acts keeps no promises.
    pub asleep: bool,
    /// The first promise that was broken.
    pub violation: Option<String>,
}

impl Truth {
    pub fn claims(&self) -> impl Iterator<Item = (&String, &Claim)> {
        self.claims.iter()
    }

    fn broken(&mut self, promise: String) {
        if !self.asleep {
            self.violation.get_or_insert(promise);
        }
    }

    /// A producer took the object away.
    pub fn taken_away(&mut self, key: &str) {
        self.past.entry(key.to_owned()).or_default().push(String::new());
    }
}

impl World {
    /// A producer wrote a file.
    pub fn was_produced(&mut self, key: &str, content: &str, etag: &ETag) {
        self.changed = true;
        let truth = &mut self.truth;
        let version = truth.versions.entry(content.to_owned()).or_insert_with(|| Version {
            key: key.to_owned(),
            etags: BTreeSet::new(),
            since: 0,
            taken: false,
        });
        if !version.etags.is_empty() && !version.etags.contains(etag.as_str()) {
            truth.sent_again.insert(content.to_owned());
        }
        version.taken = false;
        version.since = self.now;
        version.etags.insert(etag.to_string());
        self.may_be_put_back(key, content, etag);
        self.truth.is_new(key, etag);
        self.truth.past.entry(key.to_owned()).or_default().push(content.to_owned());
    }

    /// A function wrote an object.
    pub fn was_put(&mut self, key: &str, before: Option<&Object>) {
        self.changed = true;
        if rests::is_resting(key) {
            self.rest_was_written(key, before);
        } else if key.starts_with(CLAIMS) {
            self.claim_was_written(key, before);
        } else if before.is_some() && self.truth.archived.contains(key) {
            self.truth.broken(format!("{key} was overwritten"));
        }
    }

    fn claim_was_written(&mut self, key: &str, before: Option<&Object>) {
        let Some(claim) = self.bucket.get(key).and_then(|object| serde_json::from_slice::<Claim>(&object.body).ok())
        else {
            return self.truth.broken(format!("{key} is no claim"));
        };
        if let Some(before) = before.and_then(|object| serde_json::from_slice::<Claim>(&object.body).ok()) {
            let holder = self.truth.writers.get(key).and_then(|task| self.tasks.get(task));
            let actor = self.truth.actor.clone();
            if let Some(holder) = holder.filter(|holder| holder.owner == before.owner && holder.owner != actor) {
                let broken = format!("{actor} took the lease of {key} from {}, which is alive", holder.name);
                return self.truth.broken(broken);
            }
        }
        let token = self.token(&claim);
        // A function that does not know the feed has not asked for its statement.
        let knows =
            self.truth.config().is_none_or(|config| self.scenario.configs[config].1.feed(&claim.feed).is_some());
        let told = self.truth.told.get(&(self.truth.actor.clone(), token)).filter(|_| knows);
        // A claim that is put off after an error is told as it was before; one that is pending must bear its statement.
        let pending = claim.owner.is_empty() && claim.not_before.is_none();
        if let (Some(told), None, true) = (told, &claim.statement_id, pending) {
            let broken = format!("{key} was let go without the statement {told} that its writer knows");
            return self.truth.broken(broken);
        }
        self.check_filled(key, &claim);
        self.check_unmoved(&claim);
        let before = self.truth.claims.insert(key.to_owned(), claim);
        self.was_let_go(before);
        self.truth.writers.insert(key.to_owned(), self.truth.task);
    }

    fn token(&self, claim: &Claim) -> String {
        let mine = self.truth.config().and_then(|config| self.scenario.configs.get(config));
        let all = mine.into_iter().chain(&self.scenario.configs).map(|(_, config)| config);
        let mut known = all.filter_map(|config| Some(copy::token(config, config.feed(&claim.feed)?, claim)));
        known.next().expect("a feed")
    }

    /// The Data API answered a submission.
    pub fn was_submitted(&mut self, submission: &Submission, id: &StatementId) {
        if let Some(token) = &submission.token {
            self.truth.told.insert((self.truth.actor.clone(), token.clone()), id.clone());
        }
    }

    /// A function copied an object into an archive.
    pub fn was_copied(&mut self, to: &str) {
        self.changed = true;
        self.truth.archived.insert(to.to_owned());
        self.may_be_copied_late(to);
    }

    /// A function deleted an object.
    pub fn was_deleted(&mut self, key: &str, before: &Object) {
        self.changed = true;
        if rests::is_resting(key) {
            return self.rest_was_deleted(before);
        }
        if key.starts_with(CLAIMS) {
            let before = self.truth.claims.remove(key);
            return self.was_let_go(before);
        }
        if key.starts_with(STATE) {
            return;
        }
        if !key.starts_with(INCOMING) {
            return self.truth.broken(format!("{key} was deleted"));
        }
        let text = before.text();
        if let Some(version) = self.truth.versions.get_mut(&text) {
            version.taken = true;
        }
        self.truth.taken_away(key);
        if ARCHIVES.iter().all(|archive| self.bucket.under(archive).all(|(_, object)| object.body != before.body)) {
            self.truth.broken(format!("{key} {text:?} was deleted and is nowhere else"));
        }
    }

    /// A transaction was committed.
    pub fn was_committed(&mut self, number: usize) {
        self.may_be_unknown(number);
        let statement = &self.warehouse.api.statements[number];
        let misread = statement.misread().map(|(key, file)| (file.to_owned(), (key.to_owned(), number)));
        self.truth.misread.extend(misread);
        for old in statement.replaced() {
            self.truth.misread.remove(old);
        }
        self.has_loaded(number);
    }
}
