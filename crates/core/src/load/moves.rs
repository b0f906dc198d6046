//! Moves: what becomes of files that cannot be moved to `processed/` or `failed/`, and moving them again.
//!
//! What was done is finished before an error is answered: the others are moved and deleted. Never loads anything.

use std::collections::HashMap;

use super::trouble::Trouble;
use super::{Loading, Next, StepError};
use crate::archive::{Archived, Unmoved, delete};
use crate::claim::{Doubt, LeasedClaim, Stage};
use crate::destination::{Begun, StatementId};
use crate::ports::Ports;

impl<P: Ports> Loading<'_, P> {
    /// Files are loaded and could not be archived. `all`: how many were to be. Answers the trouble, if nobody knows whether
    /// the feed works.
    pub(super) async fn not_archived(
        &mut self,
        held: &mut LeasedClaim,
        unmoved: Vec<Unmoved>,
        all: usize,
    ) -> Result<Option<Trouble>, StepError> {
        let moved = unmoved.len() < all;
        Ok(self.unmoved(held, Stage::Archive, unmoved, moved, |doubt| doubt).await?)
    }

    /// Moves once more a file that could not be moved: its rows are committed, or the warehouse has refused it.
    pub(super) async fn move_again(&mut self, mut held: LeasedClaim) -> Result<Next, StepError> {
        let Some(doubt) = held.claim.trying.clone() else {
            return self.done_with(held).await;
        };
        // Redriven files and those of older versions have none; then the name's last part is only less of a secret.
        let statement = doubt.statement.clone().unwrap_or_else(|| StatementId(doubt.batch.as_str().to_owned()));
        let files = std::slice::from_ref(&doubt.file);
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
            self.quarantine(files, &refusals, &doubt.batch, &statement).await
        };
        let keep = |again| Doubt { refusal: doubt.refusal.clone(), statement: Some(statement.clone()), ..again };
        match self.unmoved(&mut held, doubt.stage, archived.unmoved, false, keep).await? {
            Some(trouble) => Ok(self.stuck(held, trouble).await),
            // It rests again, and its object stays.
            None if held.claim.files.is_empty() => self.done_with(held).await,
            None => {
                held.claim.moved(doubt.stage);
                self.done_with(held).await
            }
        }
    }
}
