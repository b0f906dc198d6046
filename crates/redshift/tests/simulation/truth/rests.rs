//! Rests: files that fail for ever rest, each known to an object of its own, and nothing else rests.
//!
//! The one place that knows how a resting file is written down.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use sluice_core::claim::Claim;
use sluice_core::completion::claim_of;
use sluice_core::object::{ETag, File, FileId, Key};

use super::Truth;
use crate::bucket::{CLAIMS, INCOMING, Object};
use crate::clock::{HOUR, Micros, SECOND};
use crate::lasting::{Stage, What, feed_of};
use crate::scenario::settings::FEEDS;
use crate::scheduler::World;

/// After how long a failure is known to whoever begins a load.
const SOON: Micros = 10 * SECOND;

/// What is known of failures and successes.
#[derive(Default)]
pub struct Rests {
    /// When a transaction with the file failed first, by the file's identity.
    failed: BTreeMap<String, Micros>,
    /// When that was written into a claim first, by identity and the stage that fails.
    known: BTreeMap<(String, String), Micros>,
    /// The claims that were made to try a resting file again.
    again: BTreeSet<String>,
    /// The last two files of each feed that were committed.
    commits: BTreeMap<usize, Vec<Commit>>,
}

impl Rests {
    fn forget(&mut self, file: &str) {
        self.known.retain(|(known, _), _| known != file);
    }
}

/// A file that was committed.
struct Commit {
    file: String,
    at: Micros,
    /// When its claim was made.
    claimed: Micros,
}

/// A resting file, as far as it matters here.
#[derive(Debug, Deserialize)]
pub struct Resting {
    pub file: File,
    pub stage: String,
}

/// Whether a key is that of a resting file.
pub fn is_resting(key: &str) -> bool {
    key.strip_prefix(CLAIMS).is_some_and(|rest| rest.contains("/resting/"))
}

/// Whether a claim may be left when nothing happens any more, as far as its shape tells: not without a file.
fn may_be_left(claim: &Claim) -> bool {
    claim.all_files().next().is_some()
}

fn read(object: &Object) -> Option<Resting> {
    serde_json::from_slice(&object.body).ok()
}

impl Truth {
    /// A producer wrote a file: what was known of the same one before is forgotten, unless a claim still has it.
    pub(super) fn is_new(&mut self, key: &str, etag: &ETag) {
        let id = FileId::of(&Key::new(key).expect("a key"), etag);
        if self.claims.values().flat_map(Claim::all_files).all(|file| file.id() != id) {
            self.rests.failed.remove(&id.to_string());
            self.rests.forget(&id.to_string());
        }
    }

    /// A function was told that a call failed: so did what it tries to load.
    pub fn was_let_down(&mut self, owner: &str, now: Micros) {
        for file in self.claims.values().filter(|claim| claim.owner == owner).flat_map(|claim| &claim.files) {
            self.rests.failed.entry(file.id().to_string()).or_insert(now);
        }
    }

    /// Whether another file of the feed was committed since this one failed first.
    fn may_rest(&self, feed: usize, file: FileId) -> bool {
        let Some(failed) = self.rests.failed.get(&file.to_string()) else { return false };
        self.commits(feed, file).any(|commit| commit.at > *failed)
    }

    /// The last commits of other files.
    fn commits(&self, feed: usize, file: FileId) -> impl Iterator<Item = &Commit> {
        let id = file.to_string();
        self.rests.commits.get(&feed).into_iter().flatten().filter(move |commit| commit.file != id)
    }

    /// A claim was written: it may say that its files fail. One that has not looked at the others may not have them.
    pub(super) fn has_noted(&mut self, claim: &Claim, now: Micros) {
        if claim.unchecked {
            return;
        }
        let doubts = || claim.doubted.iter().chain(&claim.trying);
        for file in claim.all_files().filter(|_| claim.failures > 0) {
            let stage =
                doubts().find(|doubt| doubt.file == *file).map_or(Stage::Load.as_str(), |doubt| doubt.stage.as_str());
            self.rests.known.entry((file.id().to_string(), stage.to_owned())).or_insert(now);
        }
    }
}

impl World {
    /// A transaction with these files failed.
    pub(super) fn has_failed_to_load(&mut self, number: usize) {
        let statement = &self.warehouse.api.statements[number];
        let files: Vec<String> = statement.records().map(|row| row.file.clone()).collect();
        for file in files {
            self.truth.rests.failed.entry(file).or_insert(self.now);
        }
    }

    /// A question about these files failed, without whose answer they are not loaded.
    pub(super) fn has_failed_to_ask(&mut self, number: usize) {
        let keys: BTreeSet<&String> = self.warehouse.api.statements[number].names().collect();
        let files = self.truth.claims.values().flat_map(|claim| &claim.files);
        let asked = files.filter(|file| keys.contains(&file.key.to_string())).map(|file| file.id().to_string());
        let asked: Vec<String> = asked.collect();
        for file in asked {
            self.truth.rests.failed.entry(file).or_insert(self.now);
        }
    }

    /// A claim has changed or is gone: what it let go since it was written anew, and nobody else holds, is a new file when it
    /// is planned again.
    pub(super) fn was_let_go(&mut self, before: Option<Claim>) {
        let Some(before) = before else { return };
        let held =
            |file: &File| self.truth.claims.values().flat_map(Claim::all_files).any(|other| other.id() == file.id());
        let same = |object: &Object, file: &File| object.etag == file.etag && object.modified == file.last_modified;
        let new = |file: &File| self.bucket.get(file.key.as_str()).is_none_or(|object| !same(object, file));
        let gone: Vec<&File> = before.all_files().filter(|file| !held(file) && new(file)).collect();
        if gone.is_empty() {
            return;
        }
        let resting = self.resting();
        for file in gone.into_iter().filter(|file| resting.iter().all(|(other, _)| other.id() != file.id())) {
            self.truth.rests.forget(&file.id().to_string());
        }
    }

    /// A transaction with these files was committed.
    pub(super) fn has_loaded(&mut self, number: usize) {
        let statement = &self.warehouse.api.statements[number];
        let (feed, now) = (statement.feed, self.now);
        let claim = claim_of(self.scenario.config(now).1, &statement.name);
        let claimed = claim.and_then(|claim| self.truth.made(claim.as_str())).unwrap_or_default();
        let files: Vec<String> = statement.records().map(|row| row.file.clone()).collect();
        for file in &files {
            // What fails from now on is its move, and that is noted anew.
            self.truth.rests.forget(file);
        }
        let commits = self.truth.rests.commits.entry(feed).or_default();
        for file in files {
            commits.retain(|commit| commit.file != file);
            commits.push(Commit { file, at: now, claimed });
            if commits.len() > 2 {
                commits.remove(0);
            }
        }
    }

    /// A claim was written: what it says cannot be moved must be what never can be, where no other request fails.
    pub(super) fn check_unmoved(&mut self, claim: &Claim) {
        if self.scenario.fault_in < u64::MAX {
            return;
        }
        let mut doubts =
            claim.doubted.iter().chain(&claim.trying).filter(|doubt| doubt.stage.as_str() != Stage::Load.as_str());
        if let Some(doubt) = doubts.find(|doubt| self.can_be_moved(&doubt.file)) {
            let broken = format!("{} is noted at its {}, and can be moved", doubt.file.key, doubt.stage.as_str());
            self.truth.broken(broken);
        }
    }

    /// Whether nothing is wrong with this version, and no other one has taken its place.
    fn can_be_moved(&self, file: &File) -> bool {
        let replaced = self.bucket.get(file.key.as_str()).is_some_and(|object| object.etag != file.etag);
        let mut versions = self.truth.versions.iter().filter(|(_, version)| version.is(file));
        !replaced && versions.any(|(content, _)| !crate::lasting::is_stuck(content))
    }

    /// Somebody lets a file rest, or tries it again in vain.
    pub(super) fn rest_was_written(&mut self, key: &str, before: Option<&Object>) {
        let Some((feed, resting)) = feed_of(key).zip(self.bucket.get(key).and_then(read)) else {
            return self.truth.broken(format!("{key} is no resting file"));
        };
        let file = &resting.file;
        if key != format!("{CLAIMS}{}/resting/{}.json", FEEDS[feed], file.id())
            || feed_of(file.key.as_str()) != Some(feed)
        {
            return self.truth.broken(format!("{key} is not the place of {}", file.key));
        }
        if self.truth.orphan {
            return;
        }
        let held = |claim: &Claim| claim.all_files().chain(&claim.read).any(|other| other.id() == file.id());
        // Whoever was overtaken writes this too late: what is gone is done with when it is tried.
        let there = self.bucket.get(file.key.as_str()).is_some_and(|object| object.etag == file.etag);
        if before.is_none() && there && !self.truth.claims.values().any(held) {
            return self.truth.broken(format!("{} rests after its claim let it go", file.key));
        }
        let content = self.bucket.get(file.key.as_str()).map(Object::text).unwrap_or_default();
        let moves = resting.stage != Stage::Load.as_str();
        // A function that began before may have been told of a failure then.
        let calm = self.calm && self.truth.began_at().is_some_and(|began| began >= self.scenario.end);
        let well = calm || self.scenario.fault_in == u64::MAX;
        if moves && well && before.is_none() && !content.is_empty() && !crate::lasting::is_stuck(&content) {
            return self.truth.broken(format!("{} rests at its {}, and can be moved", file.key, resting.stage));
        }
        let unread = |what: &What| matches!(what, What::Denied(_));
        let may = self.lasting.of(feed, self.now).any(unread) && crate::lasting::is_stuck(&content);
        // One that is in the ledger is done with when it is tried next; one that rested already goes on.
        let id = file.id().to_string();
        let may = may || before.is_some() || self.warehouse.recorded().any(|row| row.file == id);
        if resting.stage == Stage::Load.as_str() && !may && !self.truth.may_rest(feed, file.id()) {
            self.truth.broken(format!("{} rests, and no other file of its feed was loaded since it failed", file.key));
        }
    }

    /// Somebody removed the object of a resting file: it must be done with.
    pub(super) fn rest_was_deleted(&mut self, before: &Object) {
        let Some(Resting { file, stage }) = read(before) else { return };
        // What a producer wrote again since is a new arrival of it, which the next tick takes.
        let old = |object: &Object| object.etag == file.etag && object.modified == file.last_modified;
        let there = self.bucket.get(file.key.as_str()).is_some_and(old);
        let id = file.id().to_string();
        let recorded = stage == Stage::Load.as_str() && self.warehouse.recorded().any(|row| row.file == id);
        if there && !recorded && !self.truth.orphan {
            self.truth.broken(format!("{} rests no more, and is not done with", file.key));
        }
    }

    /// A claim is about to be made: of a feed's resting files one is tried at a time, when the weather is calm.
    pub(super) fn check_tried(&mut self, feed: usize, key: &str, claim: &Claim) {
        let rests = |file: &File| self.resting().iter().any(|(resting, _)| resting.id() == file.id());
        if !claim.files.iter().any(rests) {
            self.truth.rests.again.remove(key);
            return;
        }
        // One that was made late, by a call of long ago, may have left its resting file to its next try by now.
        let holds = |other: &String| self.truth.claims.get(other).is_some_and(|claim| claim.all_files().any(rests));
        let other = |other: &String| other != key && feed_of(other) == Some(feed) && holds(other);
        // A lister that began before may have seen neither.
        let calm = self.calm && self.truth.began_at().is_some_and(|began| began >= self.scenario.end);
        if calm && self.truth.rests.again.iter().any(other) {
            self.truth.broken(format!("two resting files of {} are tried at once", FEEDS[feed]));
        }
        self.truth.rests.again.insert(key.to_owned());
    }

    /// All resting files, by their keys and stages.
    pub fn resting(&self) -> Vec<(File, String)> {
        let objects =
            self.bucket.under(CLAIMS).filter(|(key, _)| is_resting(key)).filter_map(|(_, object)| read(object));
        objects.map(|resting| (resting.file, resting.stage)).collect()
    }

    /// Whether nothing is left to do: what nobody can load rests, and all else is gone.
    pub fn quiet(&self) -> bool {
        // A file that rests and is gone, or in the ledger already, is settled when it is tried next.
        let recorded: BTreeSet<&str> = self.warehouse.recorded().map(|row| row.file.as_str()).collect();
        let stays = |file: &File| {
            self.bucket.get(file.key.as_str()).is_some() && !recorded.contains(file.id().to_string().as_str())
        };
        let left = |claim: &Claim| may_be_left(claim) && claim.all_files().all(stays);
        self.settled()
            && self.truth.claims.values().all(left)
            && self.resting().iter().all(|(file, _)| stays(file))
            && !self.warehouse.api.statements.iter().any(|statement| statement.running() && !statement.only_looks())
    }

    /// Whether all is where it belongs in spite of what never works.
    pub fn settled(&self) -> bool {
        self.unsettled().is_none()
    }

    /// What is not where it belongs.
    pub fn unsettled(&self) -> Option<String> {
        let resting = self.resting();
        let file = self.bucket.under(INCOMING).find(|(key, object)| !self.is_settled(key, object, &resting));
        let file = file.map(|(key, object)| match self.lasting.stage(key, &object.text(), self.now) {
            Some(stage) => format!("{key} does not rest at its {}", stage.as_str()),
            None => format!("{key} is not loaded"),
        });
        let held = || self.truth.claims.iter().find(|(key, claim)| !self.may_stay(key, claim));
        file.or_else(|| held().map(|(key, _)| format!("{key} is still there")))
    }

    /// Whether everybody must know that another file was loaded since this one failed first: one whose claim was made
    /// after one had noted that this file fails, in calm weather. What a function saw that died counts for nothing, nor does
    /// a load that began before, that the Data API forgets before this file is tried again, or whose file cannot be archived.
    fn must_rest(&self, feed: usize, file: FileId, stage: Stage) -> bool {
        let known = self.truth.rests.known.get(&(file.to_string(), stage.as_str().to_owned()));
        let Some(known) = known else { return false };
        let told = self.scenario.memory.1 > HOUR;
        let calm = self.scenario.end;
        let archived = |commit: &Commit| {
            let mut taken = self.truth.versions.values().filter(|version| version.taken);
            taken.any(|version| version.ids().any(|id| id == commit.file))
        };
        let since = |commit: &Commit| commit.at > calm && commit.claimed > known + SOON;
        told && self.truth.commits(feed, file).any(|commit| since(commit) && archived(commit))
    }

    fn is_settled(&self, key: &str, object: &Object, resting: &[(File, String)]) -> bool {
        let Some(feed) = feed_of(key) else { return false };
        let rests = |stage: Option<Stage>| {
            let this = |file: &File| file.key.as_str() == key && file.etag == object.etag;
            resting.iter().any(|(file, at)| this(file) && stage.is_none_or(|stage| stage.as_str() == at))
        };
        if self.lasting.is_out(feed, self.now) {
            return true;
        }
        match self.lasting.stage(key, &object.text(), self.now) {
            Some(stage) => rests(Some(stage)) || !self.must_rest(feed, object.id(key), stage),
            None => self.is_unread(feed, object) && rests(None),
        }
    }

    /// Whether a claim may be there when all is settled: nothing is in it that could be loaded.
    fn may_stay(&self, key: &str, claim: &Claim) -> bool {
        let Some(feed) = feed_of(key) else { return false };
        // A version that was replaced stays as well, while COPY fails on what is there now.
        let stays = |file: &File| {
            self.bucket.get(file.key.as_str()).is_some_and(|object| {
                self.lasting.stage(file.key.as_str(), &object.text(), self.now).is_some()
                    || self.is_unread(feed, object)
            })
        };
        self.lasting.is_out(feed, self.now) || claim.all_files().all(stays)
    }

    fn is_unread(&self, feed: usize, object: &Object) -> bool {
        let read = |what: &What| matches!(what, What::Denied(crate::lasting::Request::Read));
        crate::lasting::is_stuck(&object.text()) && self.lasting.of(feed, self.now).any(read)
    }

    /// A file that nothing is wrong with, and that has waited for longer than this.
    pub fn overdue(&self, longest: Micros) -> Option<String> {
        let resting = self.resting();
        let late = |(key, object): &(&String, &Object)| {
            let written = self.truth.versions.get(&object.text()).map_or(0, |version| version.since);
            let since = written.max(self.scenario.end).max(self.lasting.last_end());
            self.now > since + longest && !self.is_settled(key, object, &resting)
        };
        self.bucket.under(INCOMING).find(late).map(|(key, _)| key.clone())
    }
}
