//! What every destination keeps: rows and ledger change together or not at all, and a file is loaded once.
//!
//! The files are CSV with one whole number a line. Each check has files of its own; they share a feed and its ledger.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Broken, Check, Space, equal};
use crate::batch::BatchId;
use crate::config::Feed;
use crate::destination::{
    Asking, Begun, Destination, Entry, FailureKind, Load, Loaded, Of, Pages, Progress, Started, StatementId,
};
use crate::object::{File, FileId, Key};
use crate::ports::Objects;

/// How long a check waits for one transaction: in several polls, each of which a destination may cut short.
const TURNS: usize = 30;
const TURN: Duration = Duration::from_secs(10);

/// How often a destination may be late with the names of bad files.
const LOOKS: usize = 10;

/// Where a check works.
pub(super) struct Table<'o, D, O> {
    pub(super) destination: &'o D,
    pub(super) feed: &'o Feed,
    pub(super) space: Space<'o, O>,
    /// Makes the destination refuse this file.
    pub(super) refuse: &'o (dyn Fn(&Key) + Sync),
}

impl<D: Destination, O: Objects> Table<'_, D, O> {
    /// Loads files in a transaction of their own, and says how it ended.
    async fn load(&self, files: &[File], token: &str) -> Result<Progress, Broken> {
        let started = self.start(files, token).await?;
        self.end(&started, files).await
    }

    async fn start(&self, files: &[File], token: &str) -> Result<Started, Broken> {
        let batch = BatchId::of(files);
        let load = self.of(files, &batch, token);
        Ok(self.destination.start(self.feed, &Load { token: &self.token(token), ..load }).await?)
    }

    fn of<'l>(&self, files: &'l [File], batch: &'l BatchId, token: &'l str) -> Load<'l> {
        let compression = self.feed.target.files.compression;
        Load { slot: 0, batch, files, token, compression, prepared: false }
    }

    /// A token of this check's.
    fn token(&self, token: &str) -> String {
        let name = self.space.prefix.as_str().replace('/', "-");
        format!("{}{token}", &name[name.len().saturating_sub(50)..])
    }

    async fn end(&self, started: &Started, files: &[File]) -> Result<Progress, Broken> {
        let begun = match started {
            Started::Ended(begun, end) => {
                let end = Progress::from(end.clone());
                let later = self.destination.poll(self.feed, begun, files, TURN).await?;
                equal("what it is later", &(later == end || later == Progress::Forgotten), &true)?;
                return Ok(end);
            }
            Started::Detached(begun) => begun,
        };
        for _ in 0..TURNS {
            match self.destination.poll(self.feed, begun, files, TURN).await? {
                Progress::Running => {}
                ended => return Ok(ended),
            }
        }
        Err(Broken::Promise(format!("{} does not end", begun.statement)))
    }

    /// Which of the files the ledger has, in the order asked.
    async fn recorded(&self, files: &[File]) -> Result<Vec<bool>, Broken> {
        let known = self.destination.loaded(self.feed, files, &Asking::patiently()).await.map_err(said)?;
        Ok(files.iter().map(|file| known.get(&self.feed.ledger_id(file)) == Some(&file.etag)).collect())
    }

    async fn entries(&self, of: Of<'_>) -> Result<Vec<Entry>, Broken> {
        self.destination.entries(self.feed, of, &Asking::patiently()).await.map_err(said)
    }

    async fn forget(&self, file: &File, until: Timestamp) -> Check {
        self.destination.forget(self.feed, &[self.feed.ledger_id(file)], until).await.map_err(said)
    }
}

fn said(error: impl std::fmt::Display) -> Broken {
    Broken::Promise(error.to_string())
}

fn failed(progress: &Progress) -> Option<FailureKind> {
    match progress {
        Progress::Failed(failure) => Some(failure.kind),
        _ => None,
    }
}

fn has_loaded(progress: &Progress) -> Check {
    match progress {
        Progress::Loaded(_) => Ok(()),
        other => Err(Broken::Promise(format!("it should have been loaded: {other:?}"))),
    }
}

pub(super) async fn a_ledger_is_made_once<D: Destination, O: Objects>(table: &Table<'_, D, O>) -> Check {
    for _ in 0..2 {
        table.destination.create_ledger(table.feed, &Asking::patiently()).await.map_err(said)?;
    }
    Ok(())
}

pub(super) async fn all_rows_are_loaded_and_recorded<D: Destination, O: Objects>(table: &Table<'_, D, O>) -> Check {
    let files = [table.space.write("a", b"1\n2\n").await?, table.space.write("b", b"3\n").await?];
    let progress = table.load(&files, "t").await?;
    has_loaded(&progress)?;
    if let Progress::Loaded(Loaded { rows: Some(rows), .. }) = progress {
        equal("the number of rows", &rows, &3)?;
    }
    equal("what is recorded", &table.recorded(&files).await?, &vec![true, true])
}

pub(super) async fn one_token_is_one_transaction<D: Destination, O: Objects>(table: &Table<'_, D, O>) -> Check {
    let files = [table.space.write("a", b"1\n").await?];
    let (first, second) = (table.start(&files, "t").await?, table.start(&files, "t").await?);
    has_loaded(&table.end(&first, &files).await?)?;
    match &second {
        Started::Detached(second) => equal("the second transaction", &second.statement, &first.begun().statement),
        // It remembers no token: the ledger sees to it that there are no rows twice.
        Started::Ended(_, second) => {
            let kind = second.as_ref().err().map(|failure| failure.kind);
            equal("the second load", &kind, &Some(FailureKind::AlreadyLoaded))
        }
    }
}

pub(super) async fn what_is_recorded_is_not_loaded_again<D: Destination, O: Objects>(table: &Table<'_, D, O>) -> Check {
    let (a, b) = (table.space.write("a", b"1\n").await?, table.space.write("b", b"2\n").await?);
    has_loaded(&table.load(std::slice::from_ref(&a), "1").await?)?;
    let again = table.load(&[a.clone(), b.clone()], "2").await?;
    equal("the second load", &failed(&again), &Some(FailureKind::AlreadyLoaded))?;
    equal("what is recorded", &table.recorded(&[a, b.clone()]).await?, &vec![true, false])?;
    has_loaded(&table.load(&[b], "3").await?)
}

pub(super) async fn of_two_at_once_one_loads<D: Destination, O: Objects>(table: &Table<'_, D, O>) -> Check {
    let files = [table.space.write("a", b"1\n").await?];
    let (one, other) = (table.start(&files, "1").await?, table.start(&files, "2").await?);
    let ends = [table.end(&one, &files).await?, table.end(&other, &files).await?];
    equal("how many loaded", &ends.iter().filter(|end| has_loaded(end).is_ok()).count(), &1)?;
    let lost = ends.iter().find_map(failed);
    let told = matches!(lost, Some(FailureKind::AlreadyLoaded | FailureKind::Transient));
    equal(&format!("whether {lost:?} is what the other is told"), &told, &true)
}

pub(super) async fn a_missing_file_loads_nothing<D: Destination, O: Objects>(table: &Table<'_, D, O>) -> Check {
    let (a, gone) = (table.space.write("a", b"1\n").await?, table.space.write("gone", b"2\n").await?);
    table.space.objects.delete(&gone.key, &gone.etag).await?;
    let kind = failed(&table.load(&[a.clone(), gone], "t").await?);
    let told = matches!(kind, Some(FailureKind::FileMissing | FailureKind::ObjectMissing));
    equal(&format!("whether {kind:?} speaks of what is not there"), &told, &true)?;
    equal("what is recorded", &table.recorded(&[a]).await?, &vec![false])
}

pub(super) async fn a_bad_file_loads_nothing_and_is_named<D: Destination, O: Objects>(
    table: &Table<'_, D, O>,
) -> Check {
    let files = [table.space.write("good", b"1\n").await?, table.space.write("bad", b"x\n").await?];
    (table.refuse)(&files[1].key);
    let started = table.start(&files, "t").await?;
    equal("how it ends", &failed(&table.end(&started, &files).await?), &Some(FailureKind::BadData))?;
    equal("what is recorded", &table.recorded(&files).await?, &vec![false, false])?;
    let (batch, token) = (BatchId::of(&files), table.token("t"));
    for look in 0..LOOKS {
        let asking = Asking { look, ..Asking::patiently() };
        let load = table.of(&files, &batch, &token);
        let refused = table.destination.bad_files(table.feed, &load, started.begun(), &asking).await.map_err(said)?;
        if !refused.late {
            return equal("the bad files", &refused.files.keys().collect::<Vec<_>>(), &vec![&files[1].key]);
        }
    }
    Err(Broken::Promise("the names of the bad files never come".to_owned()))
}

pub(super) async fn what_nobody_knows_is_forgotten<D: Destination, O: Objects>(table: &Table<'_, D, O>) -> Check {
    let begun = Begun { statement: StatementId("00000000-0000-0000-0000-000000000000".to_owned()), roles: None };
    let progress = table.destination.poll(table.feed, &begun, &[], Duration::ZERO).await?;
    equal("how it stands", &progress, &Progress::Forgotten)
}

pub(super) async fn entries_say_what_was_loaded<D: Destination, O: Objects>(table: &Table<'_, D, O>) -> Check {
    let files = [table.space.write("a", b"1\n").await?, table.space.write("b", b"22\n").await?];
    has_loaded(&table.load(&files, "t").await?)?;
    let ids: Vec<FileId> = files.iter().map(|file| table.feed.ledger_id(file)).collect();
    let keys: Vec<Key> = files.iter().map(|file| file.key.clone()).collect();
    for of in [Of::Files(&ids), Of::Keys(&keys)] {
        let mut entries = table.entries(of).await?;
        entries.sort_by(|one, other| one.key.cmp(&other.key));
        let said = entries.iter().map(|entry| (entry.id, entry.key.clone(), entry.etag.clone(), entry.size));
        let should =
            files.iter().map(|file| (table.feed.ledger_id(file), file.key.clone(), file.etag.clone(), file.size));
        equal("the entries", &said.collect::<Vec<_>>(), &should.collect())?;
    }
    Ok(())
}

pub(super) async fn pages_come_in_the_order_of_places<D: Destination, O: Objects>(table: &Table<'_, D, O>) -> Check {
    let mut files = Vec::new();
    for name in ["b", "a b", "a", "a.b", "Z"] {
        files.push(table.space.write(name, b"1\n").await?);
    }
    has_loaded(&table.load(&files, "t").await?)?;
    let mut places: Vec<String> = files.iter().map(|file| format!("{}.{}", file.key, file.etag)).collect();
    places.sort();
    let (mut pages, mut seen) = (Pages::of(2), Vec::new());
    let asking = Asking::patiently();
    while let Some(page) = pages.next(table.destination, table.feed, &asking).await.map_err(said)? {
        let own = page.iter().filter(|entry| table.space.prefix.strip(&entry.key).is_some());
        seen.extend(own.map(Entry::place));
    }
    equal("the pages", &seen, &places)
}

pub(super) async fn what_is_forgotten_can_be_loaded_again<D: Destination, O: Objects>(
    table: &Table<'_, D, O>,
) -> Check {
    let files = [table.space.write("a", b"1\n").await?];
    has_loaded(&table.load(&files, "1").await?)?;
    let recorded = table.entries(Of::Files(&[table.feed.ledger_id(&files[0])])).await?;
    let at = recorded.first().map_or(Timestamp::UNIX_EPOCH, |entry| entry.loaded_at);
    let before = at.saturating_sub(SignedDuration::from_secs(1)).map_err(said)?;
    table.forget(&files[0], before).await?;
    equal("what is recorded later", &table.recorded(&files).await?, &vec![true])?;
    for _ in 0..2 {
        table.forget(&files[0], at).await?;
        equal("what is forgotten", &table.recorded(&files).await?, &vec![false])?;
    }
    has_loaded(&table.load(&files, "2").await?)
}

pub(super) async fn the_ledger_learns_which_version_was_read<D: Destination, O: Objects>(
    table: &Table<'_, D, O>,
) -> Check {
    let planned = table.space.write("a", b"1\n").await?;
    let read = table.space.write("a", b"2\n").await?;
    let files = [planned.clone()];
    let started = table.start(&files, "t").await?;
    // A destination that reads exactly the planned version has loaded nothing, and has nothing to correct.
    if has_loaded(&table.end(&started, &files).await?).is_err() {
        return equal("what is recorded", &table.recorded(&files).await?, &vec![false]);
    }
    let asking = Asking::patiently();
    let versions = table.destination.versions_read(table.feed, started.begun(), &files, &asking).await.map_err(said)?;
    equal("what was read", &versions.get(&planned.key), &Some(&read.etag))?;
    for _ in 0..2 {
        let pairs = [(planned.clone(), read.clone())];
        table.destination.amend(table.feed, &pairs, &Asking::patiently()).await.map_err(said)?;
        equal("what is recorded", &table.recorded(&[planned.clone(), read.clone()]).await?, &vec![false, true])?;
    }
    Ok(())
}
