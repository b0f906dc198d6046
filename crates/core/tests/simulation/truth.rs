//! The truth: what producers wrote and what became of it, kept beside the world by whoever sees all of it, and the
//! promises of `docs/GUARANTEES.md`, checked at every change of the bucket and again when everything is quiet.

use std::collections::{BTreeMap, BTreeSet};

use sluice_core::claim::Claim;
use sluice_core::config::Destination;
use sluice_core::destination::StatementId;
use sluice_core::object::{ETag, FileId, Key};
use sluice_core::redshift::Submission;

use crate::bucket::{CLAIMS, INCOMING, Object};
use crate::clock::{SECOND, stamp};
use crate::history::OTHER;
use crate::lambda::TaskId;
use crate::log::Said;
use crate::scheduler::World;
use crate::statements::Statement;

const ARCHIVES: [&str; 2] = ["processed/f/", "failed/f/"];

/// Why nothing may be promised of a file.
const UNKNOWN: &str = "replaced, and read by a statement that nobody knows any more";
const FORGOTTEN: &str = "replaced, and its statement was forgotten before it was asked what it read";
const TWICE: &str = "a version that was loaded before was put in place of the planned one before COPY read it";
const UNSEEN: &str = "replaced before it was read, and put back before it was archived";

/// What is known of one content. Contents are unique: each names its file.
#[derive(Clone, Debug)]
pub struct Version {
    key: String,
    etags: BTreeSet<String>,
    /// Sluice took it out of `incoming/`.
    taken: bool,
}

impl Version {
    fn path(&self) -> &str {
        self.key.strip_prefix(INCOMING).unwrap_or_default()
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
    /// Objects that were copied into an archive, or were there before.
    pub archived: BTreeSet<String>,
    /// Keys of which nothing is promised any more, and why.
    pub excused: BTreeMap<String, &'static str>,
    /// Which function wrote each claim last.
    writers: BTreeMap<String, TaskId>,
    /// The function whose call takes effect.
    pub task: TaskId,
    /// Its owner.
    pub actor: String,
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

    /// The guard found some of these files in the ledger.
    pub fn was_refused(&mut self, files: &BTreeSet<String>) {
        // Whoever loaded one of them read another version, and nobody could tell the ledger: had its claim known the
        // statement, it would have been settled before anybody came here again.
        for (_, (key, _)) in self.misread.iter().filter(|(file, _)| files.contains(*file)) {
            self.excused.insert(key.clone(), UNKNOWN);
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
            taken: false,
        });
        version.taken = false;
        version.etags.insert(etag.to_string());
        let past = truth.past.entry(key.to_owned()).or_default();
        // A, B, and A again while a claim still holds A: nobody can see that B was there in between.
        let swapped = past
            .iter()
            .rposition(|other| other == content)
            .is_some_and(|last| past[last..].iter().any(|other| other != content && !other.is_empty()));
        if past.last().is_some_and(|last| last != content) && past.iter().any(|other| other == content) {
            truth.brought_back.insert(content.to_owned());
        }
        past.push(content.to_owned());
        if swapped && self.was_read_in_between(key, etag) {
            self.truth.excused.insert(key.to_owned(), UNSEEN);
        }
    }

    /// Whether a claim holds this version, and a statement begun since read another one.
    fn was_read_in_between(&self, key: &str, etag: &ETag) -> bool {
        let holds = |claim: &&Claim| claim.files.iter().any(|file| file.key.as_str() == key && file.etag == *etag);
        let url = format!("s3://bucket/{key}");
        let other = |(read, version): &(String, String)| *read == url && version != etag.as_str();
        self.truth.claims.values().filter(holds).any(|claim| {
            let since = |statement: &&Statement| stamp(statement.created, 3_000_000) > claim.created_at;
            self.warehouse.api.statements.iter().filter(since).any(|statement| statement.tx.read.iter().any(other))
        })
    }

    /// A function wrote an object.
    pub fn was_put(&mut self, key: &str, before: Option<&Object>) {
        self.changed = true;
        if key.starts_with(CLAIMS) {
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
        let told = self.truth.told.get(&(self.truth.actor.clone(), token));
        // A claim that is put off after an error is told as it was before; one that is pending must bear its statement.
        let pending = claim.owner.is_empty() && claim.not_before.is_none();
        if let (Some(told), None, true) = (told, &claim.statement_id, pending) {
            let broken = format!("{key} was let go without the statement {told} that its writer knows");
            return self.truth.broken(broken);
        }
        self.truth.claims.insert(key.to_owned(), claim);
        self.truth.writers.insert(key.to_owned(), self.truth.task);
        self.check_in_flight();
    }

    fn token(&self, claim: &Claim) -> String {
        let feed = &self.scenario.config.feeds[0];
        let Destination::Redshift(target) = &feed.destination else { panic!("another destination") };
        claim.token("bucket", &format!("{:?}/{}/{}", target.warehouse, target.database, target.table))
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
    }

    /// A function deleted an object.
    pub fn was_deleted(&mut self, key: &str, before: &Object) {
        self.changed = true;
        if key.starts_with(CLAIMS) {
            self.truth.claims.remove(key);
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
        let statement = &self.warehouse.api.statements[number];
        // No claim bears it, and a submission with its token would begin another one: whoever submitted it died
        // before noting it, and was not followed for as long as a token is remembered.
        let borne = self.truth.claims.values().any(|claim| claim.statement_id.as_ref() == Some(&statement.id()));
        if !borne && self.now >= statement.created + self.scenario.memory.0 {
            for (key, _) in statement.misread() {
                self.truth.excused.insert(key.to_owned(), UNKNOWN);
            }
        }
        let misread = statement.misread().map(|(key, file)| (file.to_owned(), (key.to_owned(), number)));
        self.truth.misread.extend(misread);
        for old in statement.replaced() {
            self.truth.misread.remove(old);
        }
    }

    /// What Sluice says of files that were replaced frees it of its promise only where it could not have kept it.
    pub fn was_said(&mut self, said: &Said) {
        let key = &said.key;
        if said.twice && self.truth.brought_back.iter().any(|content| self.truth.versions[content].key == *key) {
            self.truth.excused.insert(key.clone(), TWICE);
        }
        let (now, memory) = (self.now, self.scenario.memory.1);
        let forgotten = |number: usize| {
            self.warehouse.api.statements[number].ended.is_some_and(|ended| now + SECOND >= ended + memory)
        };
        let unknown = self.truth.misread.values().any(|(other, statement)| other == key && forgotten(*statement));
        if !said.twice && unknown {
            self.truth.excused.insert(key.clone(), FORGOTTEN);
        }
    }

    /// At most X files of the feed are held by claims, and at most X are being loaded.
    pub fn check_in_flight(&mut self) {
        let most = self.scenario.max_files;
        let held: usize = self.truth.claims.values().map(|claim| claim.files.len()).sum();
        if held > most {
            self.truth.broken(format!("{held} files are held by claims, {most} are allowed"));
        }
        let running = self.warehouse.api.statements.iter().filter(|statement| statement.running());
        let loading: BTreeSet<&String> = running.flat_map(Statement::loads).collect();
        if loading.len() > most {
            let broken = format!("{} files are being loaded, {most} are allowed", loading.len());
            self.truth.broken(broken);
        }
    }

    /// Whether nothing is left to do.
    pub fn quiet(&self) -> bool {
        self.bucket.under(CLAIMS).next().is_none()
            && self.bucket.under(INCOMING).next().is_none()
            && !self.warehouse.api.statements.iter().any(Statement::running)
    }

    /// What must hold in the end.
    pub fn check_all(&mut self) {
        let broken = self.check_rows().or_else(|| self.check_ledger()).or_else(|| self.check_places());
        if let Some(broken) = broken {
            self.truth.broken(broken);
        }
    }

    /// Each file that was taken is in the table exactly once, a bad one never, and none twice.
    fn check_rows(&self) -> Option<String> {
        let mut rows: BTreeMap<String, usize> = BTreeMap::new();
        for line in &self.warehouse.committed.lines {
            *rows.entry(format!("{line}\n")).or_default() += 1;
        }
        for (content, version) in self.promised() {
            let times = rows.get(content).copied().unwrap_or_default();
            if times > 1 {
                return Some(format!("{content:?} of {} is in the table {times} times", version.key));
            }
            if times == 0 && version.taken && !content.starts_with('!') {
                return Some(format!("{content:?} of {} was taken and is not in the table", version.key));
            }
        }
        None
    }

    /// The ledger says of exactly the files whose rows are in the table that they were loaded, once.
    fn check_ledger(&self) -> Option<String> {
        let ledger = self.warehouse.committed.ledger.iter().flatten();
        let mut recorded: BTreeMap<&str, usize> = BTreeMap::new();
        for row in ledger {
            *recorded.entry(&row.file).or_default() += 1;
        }
        let lines: BTreeSet<String> = self.warehouse.committed.lines.iter().map(|line| format!("{line}\n")).collect();
        for (content, version) in self.promised() {
            let times: usize = version.ids().filter_map(|id| recorded.get(id.as_str())).sum();
            if times != usize::from(lines.contains(content)) {
                let there = if times == 0 { "the table has it" } else { "the table differs" };
                return Some(format!("the ledger has {content:?} of {} {times} times; {there}", version.key));
            }
        }
        None
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
            let (right, wrong) = if content.starts_with('!') { (&failed, &processed) } else { (&processed, &failed) };
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
    fn ids(&self) -> impl Iterator<Item = String> {
        let key = Key::new(self.key.as_str()).expect("a key");
        self.etags.iter().map(move |etag| FileId::of(&key, &ETag::new(etag)).to_string())
    }
}
