//! Lease: who may work on a claim, for how long, and what they may write.
//!
//! A lease is taken by replacing exactly the version that was read. It is never renewed: it outlives the function that
//! took it.

use jiff::Timestamp;

use super::{Claim, Seen, survey::read};
use crate::object::{ETag, Key};
use crate::ports::{Delete, Objects, PortError, PortErrorKind, Put, PutIf};
use crate::run::Run;

/// A claim whose lease is ours, and the version of it that we wrote.
#[derive(Clone, Debug)]
pub struct LeasedClaim {
    /// Its object.
    pub key: Key,
    /// What it says.
    pub claim: Claim,
    pub(super) etag: ETag,
}

/// The answer to taking a lease.
#[derive(Clone, Debug)]
pub(crate) enum Taken {
    /// It is ours.
    Leased(Box<LeasedClaim>),
    /// Somebody else holds it.
    Busy,
    /// The claim is not to be tried before this time, because of this error.
    NotBefore(Timestamp, Option<String>),
    /// There is no such claim: it is finished.
    Gone,
    /// The claim cannot be understood.
    Unreadable(Box<Seen>),
}

/// Takes the lease of a claim for `run`.
pub(crate) async fn take(objects: &impl Objects, key: &Key, run: &Run, now: Timestamp) -> Result<Taken, PortError> {
    let Some(seen) = read(objects, key.clone()).await? else {
        return Ok(Taken::Gone);
    };
    let Ok(mut claim) = seen.claim.clone() else {
        return Ok(Taken::Unreadable(Box::new(seen)));
    };
    if claim.lease_expires_at > now && !claim.owner.is_empty() && claim.owner != run.owner {
        return Ok(Taken::Busy);
    }
    if let Some(not_before) = claim.not_before.filter(|not_before| *not_before > now) {
        return Ok(Taken::NotBefore(not_before, claim.last_error));
    }
    run.owner.clone_into(&mut claim.owner);
    claim.lease_expires_at = run.lease_expires_at();
    // Two workers that read the same version race here. S3 lets one of them replace it, and refuses the other.
    let written = write(objects, key, &claim, PutIf::Matches(&seen.etag)).await?;
    Ok(written.map_or(Taken::Busy, |etag| Taken::Leased(Box::new(LeasedClaim { key: key.clone(), claim, etag }))))
}

/// What can go wrong with a claim that is held.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeaseError {
    /// Somebody else took it, which they may do once the lease has run out.
    #[error("the claim {0} was taken by another owner")]
    Lost(Key),
    /// S3 does not say whether it was written.
    #[error(transparent)]
    Port(#[from] PortError),
}

impl LeasedClaim {
    /// Writes what the claim says now.
    ///
    /// [`LeaseError::Lost`] if somebody else has written it. Then the caller must do nothing more with it.
    pub(crate) async fn save(&mut self, objects: &impl Objects) -> Result<(), LeaseError> {
        match write(objects, &self.key, &self.claim, PutIf::Matches(&self.etag)).await? {
            Some(etag) => {
                self.etag = etag;
                Ok(())
            }
            None => Err(LeaseError::Lost(self.key.clone())),
        }
    }

    /// Lets the lease go, so that the next tick sends a worker (not before `claim.not_before`).
    pub(crate) async fn release(&mut self, objects: &impl Objects, now: Timestamp) -> Result<(), LeaseError> {
        self.claim.owner = String::new();
        self.claim.lease_expires_at = now;
        self.save(objects).await
    }

    /// Empties the slot. This is the last step of all: the batch is done.
    ///
    /// If S3 does not answer, the next worker on the claim finds nothing left to do, and empties the slot.
    pub(crate) async fn finish(self, objects: &impl Objects) -> Result<(), LeaseError> {
        match objects.delete(&self.key, &self.etag).await? {
            Delete::Deleted => Ok(()),
            Delete::Replaced => Err(LeaseError::Lost(self.key)),
        }
    }
}

/// Lets a claim that nobody holds be tried at once. Answers the claim as it is now, or `None` if somebody else was
/// faster.
pub(crate) async fn wake(objects: &impl Objects, seen: &Seen, now: Timestamp) -> Result<Option<Seen>, PortError> {
    let Some(mut claim) = seen.claim.clone().ok().filter(|claim| claim.lease_expires_at <= now) else {
        return Ok(None);
    };
    claim.not_before = Some(now);
    let written = write(objects, &seen.key, &claim, PutIf::Matches(&seen.etag)).await?;
    Ok(written.map(|etag| Seen { key: seen.key.clone(), etag, claim: Ok(claim) }))
}

/// Writes a claim under a condition; `None` if the condition did not hold.
///
/// If a reply is lost, the claim is written all the same, and the SDK's own retry is refused because the first try
/// broke the condition. So after a refusal, or without an answer, we look whether what is there is what we wrote.
pub(super) async fn write(
    objects: &impl Objects,
    key: &Key,
    claim: &Claim,
    when: PutIf<'_>,
) -> Result<Option<ETag>, PortError> {
    let body = serde_json::to_vec(claim)
        .map_err(|error| PortError::new("claim", key.as_str(), PortErrorKind::Invalid, error))?;
    let unanswered = match objects.put(key, body, when).await {
        Ok(Put::Written(etag)) => return Ok(Some(etag)),
        Ok(Put::Refused) => None,
        Err(error) if error.kind == PortErrorKind::Unavailable => Some(error),
        Err(error) => return Err(error),
    };
    let seen = read(objects, key.clone()).await?;
    let ours = seen.filter(|seen| seen.claim.as_ref() == Ok(claim)).map(|seen| seen.etag);
    match (ours, unanswered) {
        (None, Some(error)) => Err(error),
        (ours, _) => Ok(ours),
    }
}
