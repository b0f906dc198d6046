//! Moves: files that cannot be moved to `processed/` or `failed/`, and the next try to move them.
//!
//! What was begun is finished before an error is answered: the other files are moved and deleted. Never loads anything.

use std::collections::HashMap;

use super::trouble::Trouble;
use super::{Loading, Next, StepError};
use crate::archive::{Archived, Unmoved, delete};
use crate::claim::{Doubt, LeasedClaim, Stage};
use crate::destination::{Begun, StatementId};
use crate::disposition::{Pace, signed};
use crate::ports::{Clock, PortError, Ports};

impl<P: Ports> Loading<'_, P> {
    /// Moves a file again that could not be moved: its rows are committed, or the warehouse has refused it.
    pub(super) async fn move_again(&mut self, mut held: LeasedClaim) -> Result<Next, StepError> {
        let Some(doubt) = held.claim.trying.clone() else {
            return self.done_with(held).await;
        };
        // Redriven files and those of older versions have none. Then the name's last part is only less of a secret.
        let statement = doubt.statement.clone().unwrap_or_else(|| StatementId(doubt.batch.as_str().to_owned()));
        if doubt.stage == Stage::Archive && doubt.copied.is_none() {
            let begun = Begun { statement, roles: doubt.roles };
            return self.archive_committed(held, &begun, None).await;
        }
        let archived = if let Some(copied) = &doubt.copied {
            let mut archived = Archived { moved: vec![(doubt.file.clone(), copied.clone())], ..Archived::default() };
            delete(self.ports.objects(), &mut archived).await;
            archived
        } else {
            let refusal = doubt.refusal.clone().unwrap_or_default();
            let refusals = HashMap::from([(doubt.file.key.clone(), refusal)]);
            self.quarantine(&[doubt.file], &refusals, &doubt.batch, &statement).await
        };
        let keep = |again| Doubt { statement: Some(statement.clone()), ..again };
        if let Some(trouble) = self.unmoved(&mut held, doubt.stage, archived.unmoved, false, keep).await? {
            return Ok(self.stuck(held, trouble).await);
        }
        // If the claim has no files any more, the file rests again, and its object stays.
        if !held.claim.files.is_empty() {
            held.claim.moved(doubt.stage);
        }
        self.done_with(held).await
    }

    /// Some of `all` files are loaded and could not be archived. Answers as [`Loading::unmoved`].
    pub(super) async fn not_archived(
        &mut self,
        held: &mut LeasedClaim,
        unmoved: Vec<Unmoved>,
        all: usize,
    ) -> Result<Option<Trouble>, PortError> {
        let moved = unmoved.len() < all;
        self.unmoved(held, Stage::Archive, unmoved, moved, |doubt| doubt).await
    }

    /// Files could not be moved. If others were `moved`, or the feed is known to work, they rest. Otherwise they are in
    /// doubt in the claim, and the answer is the trouble. `doubt`: completes what is written about a file.
    pub(super) async fn unmoved(
        &mut self,
        held: &mut LeasedClaim,
        stage: Stage,
        unmoved: Vec<Unmoved>,
        moved: bool,
        doubt: impl Fn(Doubt) -> Doubt,
    ) -> Result<Option<Trouble>, PortError> {
        let Some(first) = unmoved.first() else {
            return Ok(None);
        };
        let now = self.ports.clock().now();
        let trouble = Trouble::of_call(&first.error);
        let tried = held.claim.trying.take().filter(|tried| tried.stage == stage);
        // Since when moves fail, and not loads: what was loaded and moved before shows nothing about this move.
        let since = tried.as_ref().map_or_else(|| trouble.since(now), |tried| tried.since);
        let works = moved || self.worked_since(&held.claim, since).await;
        let rested = held.claim.rested.is_some();
        let mut in_doubt = false;
        for Unmoved { file, copied, error } in unmoved {
            held.claim.files.retain(|other| *other != file);
            let reason = Trouble::of_call(&error).reason;
            let known = tried.clone().filter(|tried| tried.file == file);
            let known = known.unwrap_or_else(|| held.claim.doubt(file.clone(), &reason, trouble.since(now)));
            let mut known = doubt(Doubt { file, stage, copied: copied.or(known.copied.clone()), ..known });
            let pause = Pace::Configuration.delay(known.failures.saturating_add(1), known.batch.as_str());
            known.fail(&reason, now, signed(pause));
            if works || known.vouched || rested {
                self.let_rest(&known).await?;
            } else {
                held.claim.doubted.push(known);
                in_doubt = true;
            }
        }
        // A resting file that was tried again rests again, and keeps its object.
        held.claim.rested = None;
        Ok(in_doubt.then_some(trouble))
    }

    /// Only files that could not be moved are left, and nobody knows whether the feed works.
    pub(super) async fn stuck(&mut self, mut held: LeasedClaim, trouble: Trouble) -> Next {
        let now = self.ports.clock().now();
        self.tally.failed(self.feed, now);
        held.claim.fail(&trouble.reason, now, trouble.since(now));
        held.claim.was_taken();
        held.claim.next_probe();
        held.claim.last_error = Some(trouble.reason);
        self.wait(held).await
    }
}
