//! Failed: what a failed transaction leads to, for each kind of failure.
//!
//! `disposition` decides which step it is. Never quarantines a file without a word of the warehouse about that file.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::trouble::Trouble;
use super::{Loading, Next, StepError};
use crate::archive::Archived;
use crate::batch::BatchId;
use crate::claim::{Doubt, LeasedClaim, Stage};
use crate::config::Compression;
use crate::content;
use crate::copy;
use crate::destination::{Asking, Begun, Failure, Ledger, Load, Refusal, Repairs, StatementId};
use crate::disposition::{Disposition, Pace};
use crate::measure::count;
use crate::object::{ETag, File, FileId, Key};
use crate::ports::{Clock, Ports};
use crate::quarantine::{Cause, quarantine};
use crate::run::CALLS_AT_ONCE;

/// How often the look for bad files may fail, or how many invocations may wait for it, before halves find them.
const LOOKS: u32 = 2;

/// How often, and how far apart, the warehouse is asked for its reasons: its own record may come some seconds late.
/// After that the reasons known so far are written.
const REASON_LOOKS: usize = 5;
const REASON_PAUSE: Duration = Duration::from_secs(2);

/// How many times a run tries again what it repaired: first at once, then after a second or two.
const MOST_REPAIRS: u32 = 3;

impl<P: Ports> Loading<'_, P> {
    pub(super) async fn failed(
        &mut self,
        held: LeasedClaim,
        begun: &Begun,
        failure: Failure,
    ) -> Result<Next, StepError> {
        match Disposition::from(failure.kind) {
            Disposition::AskLedger => self.archive_loaded(held, begun, &failure).await,
            Disposition::Quarantine => self.set_aside(held, begun, &failure).await,
            Disposition::DropMissing(pace) => self.drop_missing(held, &failure, pace).await,
            Disposition::CreateLedger => {
                self.ports.destination().create_ledger(self.feed, &self.asking(&held, "")).await?;
                self.once_more(held, &failure, Pace::Configuration).await
            }
            Disposition::Retry(pace) => Ok(self.trouble(held, Trouble::of_failure(&failure, pace)).await),
        }
    }

    /// The cause was repaired: tries again, but only a few times in a run. A failure that comes back all the same is
    /// paced as any other. One cause is a ledger that was made in another schema than the one that is searched.
    async fn once_more(&mut self, mut held: LeasedClaim, failure: &Failure, pace: Pace) -> Result<Next, StepError> {
        self.repairs += 1;
        if self.repairs > MOST_REPAIRS {
            return Ok(self.trouble(held, Trouble::of_failure(failure, pace)).await);
        }
        if self.repairs > 1 {
            // Somebody else makes the same ledger, or takes a file out of it, and has not committed that yet.
            self.ports.clock().sleep(Pace::Transient.delay(self.repairs - 1, held.claim.batch.as_str())).await;
        }
        held.claim.try_again();
        self.save(held).await
    }

    /// Some files are in the ledger: archives those, and goes on with the others.
    async fn archive_loaded(
        &mut self,
        mut held: LeasedClaim,
        begun: &Begun,
        failure: &Failure,
    ) -> Result<Next, StepError> {
        let asking = self.asking(&held, "");
        let known = self.ports.destination().loaded(self.feed, &held.claim.files, &asking).await?;
        let entry = |file: &File| known.get(&self.feed.ledger_id(file));
        let (loaded, rest): (Vec<File>, Vec<File>) =
            held.claim.files.iter().cloned().partition(|file| entry(file).is_some());
        if loaded.is_empty() {
            // The guard saw a file that the ledger no longer has: an operator took it out to have it loaded again. Or
            // the ledger's fence has lost its row.
            self.ports.destination().create_ledger(self.feed, &asking).await?;
            return self.once_more(held, failure, Pace::Transient).await;
        }
        let others: Vec<File> =
            loaded.iter().filter(|file| entry(file).is_some_and(|etag| *etag != file.etag)).cloned().collect();
        if !others.is_empty() {
            return self.set_aside_names(held, begun, &others, &known).await;
        }
        let archived = self.archive_versions(&loaded, &begun.statement).await;
        // Nobody knows here which statement loaded them. It was not the one that has just failed on its guard.
        for (file, found) in &archived.replaced {
            self.unknown(None, file, Some(found));
        }
        self.tally.already += count(&loaded);
        let trouble = self.not_archived(&mut held, archived.unmoved, loaded.len()).await?;
        self.continue_with(held, rest, trouble).await
    }

    /// The feed loads each name once, and other versions of `others` were loaded: these go to `failed/`.
    async fn set_aside_names(
        &mut self,
        held: LeasedClaim,
        begun: &Begun,
        others: &[File],
        known: &HashMap<FileId, ETag>,
    ) -> Result<Next, StepError> {
        let why = |file: &File| {
            let before = known.get(&self.feed.ledger_id(file))?;
            let message = format!(
                "a file of this name was loaded before, with the ETag {before} and not {}; this feed loads each name once \
                 (identity = \"name\"): send it under another name",
                file.etag
            );
            Some((file.key.clone(), Refusal { message, ..Refusal::default() }))
        };
        let refusals: HashMap<Key, Refusal> = others.iter().filter_map(why).collect();
        let rest = held.claim.files.iter().filter(|file| !refusals.contains_key(&file.key)).cloned().collect();
        self.without_bad(held, others, rest, &refusals, &begun.statement).await
    }

    /// Some files are bad: finds them, and goes on without them.
    async fn set_aside(&mut self, mut held: LeasedClaim, begun: &Begun, failure: &Failure) -> Result<Next, StepError> {
        let mut refusals = self.refusals(&mut held, begun, failure).await?;
        let (bad, rest): (Vec<File>, Vec<File>) =
            held.claim.files.iter().cloned().partition(|file| refusals.contains_key(&file.key));
        if bad.is_empty() {
            held.claim.halve(true);
            return self.save(held).await;
        }
        self.show_lines(held.claim.compression(self.feed), &bad, &mut refusals).await;
        self.without_bad(held, &bad, rest, &refusals, &begun.statement).await
    }

    /// Moves bad files to `failed/`, and goes on with the `rest`.
    pub(super) async fn without_bad(
        &mut self,
        mut held: LeasedClaim,
        bad: &[File],
        rest: Vec<File>,
        refusals: &HashMap<Key, Refusal>,
        statement: &StatementId,
    ) -> Result<Next, StepError> {
        let batch = held.claim.batch.clone();
        let archived = self.quarantine(bad, refusals, &batch, statement).await;
        let moved = !archived.moved.is_empty();
        let refusal = |doubt: Doubt| Doubt { refusal: refusals.get(&doubt.file.key).cloned(), ..doubt };
        let trouble = self.unmoved(&mut held, Stage::Quarantine, archived.unmoved, moved, refusal).await?;
        held.claim.found_bad();
        self.continue_with(held, rest, trouble).await
    }

    /// Moves files to `failed/`, each with its reason.
    pub(super) async fn quarantine(
        &mut self,
        files: &[File],
        refusals: &HashMap<Key, Refusal>,
        batch: &BatchId,
        statement: &StatementId,
    ) -> Archived {
        let at = self.ports.clock().now();
        let cause = Cause { feed: self.feed.name.as_str(), batch, statement, at };
        let archived = quarantine(self.config, self.ports.objects(), cause, files, refusals).await;
        if !archived.moved.is_empty() {
            self.tally.quarantined(self.feed, at, archived.moved.len() as u64);
        }
        archived
    }

    /// Adds the line itself to each reason that names one: not all of the warehouse's views have it.
    async fn show_lines(&self, compression: Option<Compression>, bad: &[File], refusals: &mut HashMap<Key, Refusal>) {
        let wanted = bad.iter().filter_map(|file| Some((file.clone(), refusals.get(&file.key)?.line?)));
        let wanted: Vec<(File, u64)> = wanted.collect();
        let looks = stream::iter(wanted).map(async |(file, number)| {
            let line = content::line(self.ports.objects(), compression, &file, number).await;
            (file.key, line)
        });
        let lines: Vec<_> = looks.buffered(CALLS_AT_ONCE).collect().await;
        for (key, line) in lines {
            if let Some(refusal) = refusals.get_mut(&key) {
                refusal.raw_line = refusal.raw_line.take().or(line);
            }
        }
    }

    /// Which files the warehouse refuses, and why; none if halves have to find them.
    async fn refusals(
        &mut self,
        held: &mut LeasedClaim,
        begun: &Begun,
        failure: &Failure,
    ) -> Result<HashMap<Key, Refusal>, StepError> {
        let mut refusals = HashMap::new();
        let asking = self.asking(held, "");
        let claim = &mut held.claim;
        let waited = claim.question.as_ref().map_or(0, |question| question.waits);
        claim.blind |= claim.asked >= LOOKS || waited >= LOOKS;
        if !claim.blind {
            let token = copy::token(self.config, self.feed, claim);
            let load = copy::next_load(self.feed, claim, &token);
            refusals = self.reasons(&load, begun, asking).await?;
        }
        if let ([only], true) = (claim.files.as_slice(), refusals.is_empty()) {
            let message = failure.message.clone();
            refusals.insert(only.key.clone(), Refusal { message, ..Refusal::default() });
        }
        Ok(refusals)
    }

    /// The warehouse's reasons, as soon as it has them all.
    async fn reasons(
        &mut self,
        load: &Load<'_>,
        begun: &Begun,
        mut asking: Asking,
    ) -> Result<HashMap<Key, Refusal>, StepError> {
        loop {
            asking.wait = self.run.wait_left(self.ports.clock().now());
            let refused = self.ports.destination().bad_files(self.feed, load, begun, &asking).await?;
            asking.look += 1;
            if !refused.late || self.no_reasons || asking.wait < REASON_PAUSE * 2 {
                return Ok(refused.files);
            }
            if asking.look == REASON_LOOKS {
                // Otherwise each half would be waited for as long.
                self.no_reasons = true;
                return Ok(refused.files);
            }
            self.ports.clock().sleep(REASON_PAUSE).await;
        }
    }

    /// Some files are not there any more: goes on with those that are.
    async fn drop_missing(&mut self, mut held: LeasedClaim, failure: &Failure, pace: Pace) -> Result<Next, StepError> {
        let (mut there, mut unseen) = (Vec::new(), None);
        for (file, look) in self.look(held.claim.files.clone()).await {
            match look {
                Ok(None) => {}
                Ok(Some(_)) => there.push(file),
                Err(error) => {
                    unseen.get_or_insert_with(|| Trouble::about(&file.key, &error));
                    there.push(file);
                }
            }
        }
        if there.len() < held.claim.files.len() {
            held.claim.continue_with(there);
            return self.save(held).await;
        }
        let trouble = unseen.unwrap_or_else(|| Trouble::of_failure(failure, pace));
        Ok(self.trouble(held, trouble).await)
    }
}
