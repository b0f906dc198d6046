//! Failed: what each way in which a transaction fails leads to.
//!
//! Which way it is, `disposition` decides. Only what the warehouse says about a file quarantines it.

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::later::told;
use super::tally::End;
use super::{Loading, Next, StepError};
use crate::claim::Held;
use crate::content;
use crate::copy;
use crate::destination::{Destination, Failure, Load, Refusal, StatementId};
use crate::disposition::{Disposition, Pace, signed};
use crate::measure::count;
use crate::object::{File, FileId, Key};
use crate::ports::{Clock, Objects, PortError, Ports};
use crate::quarantine::{Cause, quarantine};
use crate::run::later;

/// How many failures in a row that nobody knows raise the doubt that a file brings them about.
const DOUBTS: u32 = 3;

/// How many files are looked at at once.
const HEADS_AT_ONCE: usize = 16;

impl<P: Ports> Loading<'_, P> {
    pub(super) async fn failed(
        &mut self,
        mut held: Held,
        statement: &StatementId,
        failure: Failure,
    ) -> Result<Next, StepError> {
        match Disposition::from(failure.kind) {
            Disposition::AskLedger => self.archive_loaded(held, statement).await,
            Disposition::Quarantine => self.set_aside(held, statement, &failure).await,
            Disposition::DropMissing => self.drop_missing(held, failure).await,
            Disposition::CreateLedger => {
                self.ports.destination().create_ledger(self.feed).await?;
                held.claim.try_again();
                held.save(self.ports.objects()).await?;
                Ok(Next::Again(held))
            }
            Disposition::Retry(pace) => {
                self.tally.failed(self.feed, self.ports.clock().now());
                held.claim.try_again();
                Ok(self.retry(held, pace, &failure.message, failure.advice).await)
            }
            Disposition::Doubt => self.doubt(held, statement, &failure).await,
        }
    }

    /// Some files are in the ledger: archive those, go on with the others.
    async fn archive_loaded(&mut self, held: Held, statement: &StatementId) -> Result<Next, StepError> {
        let ids = self.ports.destination().loaded(self.feed, &held.claim.files).await?;
        self.archive_known(held, statement, &ids).await
    }

    async fn archive_known(
        &mut self,
        mut held: Held,
        statement: &StatementId,
        ids: &HashSet<FileId>,
    ) -> Result<Next, StepError> {
        let (loaded, rest): (Vec<File>, Vec<File>) =
            held.claim.files.iter().cloned().partition(|file| ids.contains(&file.id()));
        let archived = self.archive_versions(&loaded, statement).await?;
        // Which statement loaded them, nobody knows here: not the one that has just failed on its guard.
        for (file, found) in &archived.replaced {
            self.unknown(None, file, Some(found));
        }
        self.tally.already += count(&loaded);
        if loaded.is_empty() {
            // The guard saw a file that the ledger no longer has: somebody took it out to have it loaded again.
            held.claim.try_again();
        } else {
            held.claim.continue_with(rest);
        }
        held.save(self.ports.objects()).await?;
        Ok(Next::Again(held))
    }

    /// Some files are bad: they go to `failed/`, the others on.
    async fn set_aside(
        &mut self,
        mut held: Held,
        statement: &StatementId,
        failure: &Failure,
    ) -> Result<Next, StepError> {
        let mut refusals = self.refusals(&held, statement, failure).await?;
        let (bad, rest): (Vec<File>, Vec<File>) =
            held.claim.files.iter().cloned().partition(|file| refusals.contains_key(&file.key));
        if bad.is_empty() {
            held.claim.halve();
        } else {
            self.show_lines(&bad, &mut refusals).await;
            let at = self.ports.clock().now();
            let cause = Cause { feed: self.feed.name.as_str(), batch: &held.claim.batch, statement, at };
            let moved = quarantine(self.config, self.ports.objects(), cause, &bad, &refusals).await?;
            self.tally.quarantined(self.feed, at, moved);
            held.claim.without_bad(rest);
        }
        held.save(self.ports.objects()).await?;
        Ok(Next::Again(held))
    }

    /// Puts the line beside each reason that names one: the warehouse's own views do not all have it.
    async fn show_lines(&self, bad: &[File], refusals: &mut HashMap<Key, Refusal>) {
        let wanted = bad.iter().filter_map(|file| Some((file.clone(), refusals.get(&file.key)?.line?)));
        let wanted: Vec<(File, u64)> = wanted.collect();
        let looks = stream::iter(wanted).map(async |(file, number)| {
            let line = content::line(self.ports.objects(), self.feed, &file, number).await;
            (file.key, line)
        });
        let lines: Vec<_> = looks.buffered(HEADS_AT_ONCE).collect().await;
        for (key, line) in lines {
            if let Some(refusal) = refusals.get_mut(&key) {
                refusal.raw_line = refusal.raw_line.take().or(line);
            }
        }
    }

    async fn refusals(
        &self,
        held: &Held,
        statement: &StatementId,
        failure: &Failure,
    ) -> Result<HashMap<Key, Refusal>, StepError> {
        let claim = &held.claim;
        let token = copy::token(self.config, self.feed, held);
        let load = Load { slot: claim.slot, batch: &claim.batch, files: &claim.files, token: &token };
        let mut refusals = self.ports.destination().bad_files(self.feed, &load, statement).await?;
        if let ([only], true) = (claim.files.as_slice(), refusals.is_empty()) {
            let message = failure.message.clone();
            refusals.insert(only.key.clone(), Refusal { message, ..Refusal::default() });
        }
        Ok(refusals)
    }

    /// Some files are not there any more: go on with those that are.
    async fn drop_missing(&mut self, mut held: Held, failure: Failure) -> Result<Next, StepError> {
        let objects = self.ports.objects();
        let looks = stream::iter(held.claim.files.iter().cloned())
            .map(async |file| Ok::<_, PortError>(objects.head(&file.key).await?.map(|_| file)));
        let there: Vec<File> =
            looks.buffered(HEADS_AT_ONCE).try_filter_map(async |file| Ok(file)).try_collect().await?;
        if there.len() == held.claim.files.len() {
            held.claim.try_again();
            return Ok(self.retry(held, Pace::Transient, &failure.message, failure.advice).await);
        }
        held.claim.continue_with(there);
        held.save(objects).await?;
        Ok(Next::Again(held))
    }

    /// Nobody knows this error. If a file brings it about, the others shall get through: after some failures in a row
    /// half of the batch goes on, and the other half is free to be planned anew, until that file is alone. Then it rests,
    /// and its slot is for others. It stays where it is, since only the warehouse's word about a file quarantines it.
    async fn doubt(&mut self, mut held: Held, statement: &StatementId, failure: &Failure) -> Result<Next, StepError> {
        let now = self.ports.clock().now();
        self.tally.failed(self.feed, now);
        let failures = held.claim.failures.saturating_add(1);
        let (objects, advice) = (self.ports.objects(), failure.advice.unwrap_or_default());
        if failures < DOUBTS || (held.claim.files.len() < 2 && !held.claim.may_rest()) {
            held.claim.try_again();
            return Ok(self.retry(held, Pace::Configuration, &failure.message, failure.advice).await);
        }
        if held.claim.files.len() > 1 {
            // A transaction that nobody remembers may have loaded them: what a claim lets go of, no guard sees as planned.
            let ids = self.ports.destination().loaded(self.feed, &held.claim.files).await?;
            if !ids.is_empty() {
                return self.archive_known(held, statement, &ids).await;
            }
            let half = held.claim.files.len() / 2;
            let files = held.claim.files.drain(..half).collect();
            held.claim.continue_with(files);
            held.claim.failures = failures;
            held.claim.last_error = Some(told(&failure.message, advice));
            held.save(objects).await?;
            return Ok(Next::Again(held));
        }
        held.claim.failures = failures;
        let at = later(now, signed(Pace::Configuration.delay(failures, held.claim.batch.as_str())));
        let error = told(&failure.message, advice);
        held.claim.rest(at, &error);
        match self.done_with(held).await? {
            Next::End(End::Finished) => Ok(Next::End(End::Retry(at, error))),
            next => Ok(next),
        }
    }
}
