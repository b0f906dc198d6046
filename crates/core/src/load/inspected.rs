//! Inspected: what the heads of the files lead to, before anything is loaded.
//!
//! A file that certainly cannot be loaded goes to `failed/`, and the warehouse is not asked. A file that is packed
//! otherwise than its name says gets the COPY that it needs. Never starts a transaction on findings that are not in the
//! claim.

use futures_util::future::join;
use jiff::SignedDuration;

use super::{Loading, Next, StepError};
use crate::claim::LeasedClaim;
use crate::copy;
use crate::destination::{Begun, Loaded, Loads, StatementId};
use crate::inspect::inspect;
use crate::measure::count;
use crate::object::File;
use crate::ports::{Clock, Ports};
use crate::run::later;
use crate::without_rows::{self, Note, Version};

/// How long the look at a batch's heads may take. The warehouse judges what is not seen by then.
const LOOK_TIME: SignedDuration = SignedDuration::from_secs(20);

impl<P: Ports> Loading<'_, P> {
    pub(super) async fn inspect(&mut self, mut held: LeasedClaim) -> Result<Next, StepError> {
        let (objects, clock) = (self.ports.objects(), self.ports.clock());
        let until = later(clock.now(), LOOK_TIME);
        let files: Vec<File> = held.claim.files.iter().chain(&held.claim.later).cloned().collect();
        // Most files are fine, and then the batch is loaded as it is. So the load is prepared meanwhile.
        let token = copy::token(self.config, self.feed, &held.claim);
        let load = copy::next_load(self.feed, &held.claim, &token);
        let (mut inspected, prepared) =
            join(inspect(objects, clock, self.feed, &files, until), self.ports.destination().prepare(self.feed, &load))
                .await;
        self.prepared = prepared.is_ok().then(|| held.claim.batch.clone());
        let compared = self.sent_again(&held, &inspected.perhaps_known).await?;
        if !compared.known.is_empty() {
            return self.without_known(held, compared.known).await;
        }
        if compared.unseen {
            tracing::warn!(
                feed = %self.feed.name, batch = %held.claim.batch,
                "some files could not be compared with earlier ones of their names; what was loaded before under another \
                 ETag is loaded again"
            );
            inspected.unseen = true;
        }
        let is_bad = |file: &File| inspected.refused.contains_key(&file.key);
        if inspected.refused.is_empty() {
            held.claim.was_inspected(&inspected);
            // If all was seen and nothing was found, another look sees the same. Then it is enough to note that with
            // the transaction.
            if inspected.unseen || !inspected.packed.is_empty() {
                return self.save(held).await;
            }
            return Ok(Next::Again(held));
        }
        // No statement found it out. Its place takes a name that no producer knows beforehand.
        let statement = StatementId(format!("inspection-{token}"));
        let bad: Vec<File> = files.iter().filter(|file| is_bad(file)).cloned().collect();
        for file in &bad {
            let reason = inspected.refused.get(&file.key).map(|refusal| refusal.message.as_str());
            tracing::warn!(feed = %self.feed.name, key = %file.key, reason, "a file is set aside before it is loaded");
        }
        held.claim.files.retain(|file| !is_bad(file));
        held.claim.later.retain(|file| !is_bad(file));
        held.claim.was_inspected(&inspected);
        let rest = held.claim.files.clone();
        self.without_bad(held, &bad, rest, &inspected.refused, &statement).await
    }

    /// Reports that files of a committed batch are not empty and brought no row.
    pub(super) async fn note_without_rows(&self, held: &LeasedClaim, begun: &Begun, loaded: &Loaded, number: u64) {
        let claim = &held.claim;
        let all = number == count(&claim.files);
        let seen = claim.files.iter().filter(|file| all || claim.without_rows.contains(&file.id()));
        let files: Vec<Version> = seen.map(|file| Version { key: file.key.clone(), etag: file.etag.clone() }).collect();
        let first = files.first().map(|file| tracing::field::display(&file.key));
        tracing::warn!(
            feed = %self.feed.name, batch = %claim.batch, statement = %begun.statement, files_without_rows = number,
            first, "files were loaded that are not empty and brought no row; sluice status names them"
        );
        let note = Note {
            batch: claim.batch.clone(),
            statement_id: begun.statement.clone(),
            loaded_at: loaded.at,
            number,
            files,
            among: count(&claim.files),
        };
        let written = without_rows::write(self.ports.objects(), &self.config.bucket, self.feed, &note).await;
        if let Err(error) = written {
            tracing::warn!(feed = %self.feed.name, %error, "that files brought no row could not be noted");
        }
    }
}
