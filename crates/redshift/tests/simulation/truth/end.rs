//! The verdict: what must hold once nothing goes wrong any more and all is quiet.

use std::collections::BTreeMap;

use sluice_core::claim::Claim;
use sluice_core::config::Config;
use sluice_core::object::{ETag, FileId, Key};

use super::{ARCHIVES, Version};
use crate::bucket::{CLAIMS, INCOMING};
use crate::history::OTHER;
use crate::lasting::feed_of;
use crate::scenario::settings::FEEDS;
use crate::scenario::{CURSED, MISNAMED, is_bad};
use crate::scheduler::World;
use crate::statements::Statement;
use crate::warehouse::sql::Row;

/// How many copies of a file there may be.
const MOST_COPIES: usize = 6;

impl World {
    /// What must hold in the end.
    pub fn check_all(&mut self) {
        let broken = self
            .check_rows()
            .or_else(|| self.check_ledger())
            .or_else(|| self.check_copies())
            .or_else(|| self.check_places());
        if let Some(broken) = broken {
            self.truth.broken(broken);
        }
    }

    /// Each file that was taken is in the table exactly once, a bad one never, and none twice.
    fn check_rows(&self) -> Option<String> {
        let mut rows: BTreeMap<String, usize> = BTreeMap::new();
        for line in self.warehouse.lines() {
            *rows.entry(format!("{line}\n")).or_default() += 1;
        }
        for (content, version) in self.promised() {
            let times = rows.get(content).copied().unwrap_or_default();
            if times > 1 && !self.truth.sent_again.contains(content) {
                return Some(format!("{content:?} of {} is in the table {times} times", version.key));
            }
            if version.taken && content.starts_with(CURSED) {
                return Some(format!("{content:?} of {} was taken, and nobody can load it", version.key));
            }
            if times == 0 && version.taken && !is_bad(content) && !self.was_passed_over(version) {
                return Some(format!("{content:?} of {} was taken and is not in the table", version.key));
            }
        }
        None
    }

    /// The ledger says of exactly the files whose rows are in the table that they were loaded, once. While a warehouse is
    /// down, it cannot be told what was read; then a claim still holds the file.
    fn check_ledger(&self) -> Option<String> {
        let mut recorded: BTreeMap<&str, usize> = BTreeMap::new();
        for row in self.warehouse.recorded() {
            *recorded.entry(&row.file).or_default() += 1;
        }
        let mut lines: BTreeMap<String, usize> = BTreeMap::new();
        for line in self.warehouse.lines() {
            *lines.entry(format!("{line}\n")).or_default() += 1;
        }
        for (content, version) in self.promised() {
            let times: usize = version.ids().filter_map(|id| recorded.get(id.as_str())).sum();
            if self.was_passed_over(version) {
                continue;
            }
            let should = match lines.get(content) {
                Some(times) if self.truth.sent_again.contains(content) => *times,
                there => usize::from(there.is_some()),
            };
            if times != should && !self.waits_for_the_ledger(&version.key) {
                let there = if times == 0 { "the table has it" } else { "the table differs" };
                return Some(format!("the ledger has {content:?} of {} {times} times; {there}", version.key));
            }
        }
        None
    }

    /// Whether another version, packed otherwise, took the place of the one that was looked at, before COPY read it.
    fn was_passed_over(&self, version: &Version) -> bool {
        let misread = |statement: &Statement| statement.misread().any(|(key, _)| key == version.key);
        let misnamed =
            |(content, other): (&String, &Version)| content.starts_with(MISNAMED) && other.key == version.key;
        self.truth.versions.iter().any(misnamed) && self.warehouse.api.statements.iter().any(misread)
    }

    fn waits_for_the_ledger(&self, key: &str) -> bool {
        let held = |claim: &Claim| claim.all_files().any(|file| file.key.as_str() == key);
        feed_of(key).is_some_and(|feed| self.lasting.is_out(feed, self.now)) && self.truth.claims.values().any(held)
    }

    /// Where a copy has another `ETag`, a death or two leave copies more, but no try of what can never be deleted does.
    fn check_copies(&self) -> Option<String> {
        self.promised().filter(|_| !self.scenario.hashes).find_map(|(content, version)| {
            let under = ARCHIVES.map(|archive| format!("{archive}{}", version.path()));
            let all = under.iter().flat_map(|under| self.bucket.under(under));
            let own = all.filter(|(_, object)| &*object.body == content.as_bytes()).count();
            (own > MOST_COPIES).then(|| format!("there are {own} copies of {}", version.key))
        })
    }

    /// Each file that was taken is in the one place where it belongs, and there is nothing else.
    fn check_places(&self) -> Option<String> {
        for (content, version) in self.promised().filter(|(_, version)| version.taken) {
            let found = |archive: &str| -> Vec<String> {
                let under = format!("{archive}{}", version.path());
                let own = self.bucket.under(&under).filter(|(_, object)| &*object.body == content.as_bytes());
                own.map(|(key, _)| key.clone()).collect()
            };
            let (processed, failed) = (found(ARCHIVES[0]), found(ARCHIVES[1]));
            let (right, wrong) = if is_bad(content) { (&failed, &processed) } else { (&processed, &failed) };
            // Where ETags are no hashes, a death between copying and deleting leaves a second copy.
            let once = right.len() == 1 || (!self.scenario.hashes && !right.is_empty());
            if !once || !wrong.is_empty() {
                return Some(format!("{content:?} of {} is in {processed:?} and {failed:?}", version.key));
            }
            let says = format!("\"key\": \"{}\"", version.key);
            let told = |key: &&String| {
                let beside = format!("{key}.");
                let mut reasons = self.bucket.under(&beside).filter(|(key, _)| self.is_reason(key));
                reasons.any(|(_, reason)| reason.text().contains(&says))
            };
            let told = failed.iter().filter(told).count();
            if told < failed.len() && (self.scenario.hashes || told == 0) {
                return Some(format!("not each of {failed:?} has its reason beside it"));
            }
        }
        let changed = |key: &&&str| self.bucket.get(key).is_none_or(|object| object.text() != OTHER);
        if let Some(key) = self.scenario.occupied.iter().find(changed) {
            return Some(format!("{key} was somebody else's"));
        }
        let known = |key: &str| self.truth.archived.contains(key) || self.is_reason(key);
        let stray = ARCHIVES.iter().flat_map(|archive| self.bucket.under(archive)).find(|(key, _)| !known(key));
        stray.map(|(key, _)| format!("nobody knows what {key} is"))
    }

    /// A good file that was loaded and archived, whose content is compared with what comes under its name: key and content.
    pub fn archived_and_compared(&self) -> Option<(String, String)> {
        let compared = |version: &Version| {
            let feed = feed_of(&version.key).map(|feed| FEEDS[feed]);
            let mut configs = self.scenario.configs.iter().map(|(_, config)| config);
            let inspects = |config: &Config| config.feeds.iter().any(|of| Some(of.name.as_str()) == feed && of.inspect);
            let held = |claim: &Claim| claim.all_files().any(|file| file.key.as_str() == version.key);
            let free = self.bucket.get(&version.key).is_none() && !self.truth.claims.values().any(held);
            free && version.taken && !self.scenario.hashes && configs.all(|config| inspects(config))
        };
        let found = self.promised().find(|(content, version)| {
            let path = format!("processed/{}", version.path());
            let later = version.etags.iter().map(|etag| format!("{path}.{etag}"));
            let mut names = later.chain([path.clone()]);
            let is_copy = |name: String| self.bucket.get(&name).is_some_and(|object| object.text() == **content);
            // What was away when it was noted has the size of the planned version in the ledger.
            let right = |row: &Row| version.ids().any(|id| id == row.file) && row.size == content.len().to_string();
            let unsaid =
                self.warehouse.recorded().any(right) && !self.truth.sent_again.contains(*content) && !is_bad(content);
            unsaid && compared(version) && names.any(is_copy)
        });
        found.map(|(content, version)| (version.key.clone(), content.clone()))
    }

    fn is_reason(&self, key: &str) -> bool {
        key.ends_with(".error.json") && !self.truth.archived.contains(key)
    }

    fn promised(&self) -> impl Iterator<Item = (&String, &Version)> {
        self.truth.versions.iter().filter(|(_, version)| !self.truth.excused.contains_key(&version.key))
    }

    /// What is left, for a history that does not come to rest.
    pub fn left(&self) -> String {
        let keys = |prefix: &str| self.bucket.under(prefix).map(|(key, _)| key.clone()).collect::<Vec<_>>();
        let claims: Vec<String> = self.bucket.under(CLAIMS).map(|(_, object)| object.text()).collect();
        format!("incoming: {:?}, claims: {claims:?}", keys(INCOMING))
    }
}

impl Version {
    /// The identities that this content had.
    pub(super) fn ids(&self) -> impl Iterator<Item = String> {
        let key = Key::new(self.key.as_str()).expect("a key");
        self.etags.iter().map(move |etag| FileId::of(&key, &ETag::new(etag)).to_string())
    }
}
