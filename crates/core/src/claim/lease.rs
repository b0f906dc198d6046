//! Lease: who may work on a claim, for how long, and what they may write.
//!
//! A lease is taken by replacing exactly the version that was read. Never renewed: it ends after the function that took
//! it is dead.

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

/// What came of taking a lease.
#[derive(Clone, Debug)]
pub enum Taken {
    /// It is ours.
    Leased(Box<LeasedClaim>),
    /// Somebody else holds it.
    Busy,
    /// It is not to be tried before then.
    NotBefore(Timestamp, Option<String>),
    /// There is no such claim: it is finished.
    Gone,
    /// It cannot be understood.
    Unreadable(Box<Seen>),
}

/// Takes the lease of a claim for `run`.
///
/// # Errors
/// When the claim cannot be read, or S3 does not say whether the lease was written.
pub async fn take(objects: &impl Objects, key: &Key, run: &Run, now: Timestamp) -> Result<Taken, PortError> {
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
    // Two workers that read the same version race here; S3 lets one of them replace it, the other one is told.
    let written = write(objects, key, &claim, PutIf::Matches(&seen.etag)).await?;
    Ok(written.map_or(Taken::Busy, |etag| Taken::Leased(Box::new(LeasedClaim { key: key.clone(), claim, etag }))))
}

/// What can go wrong with a claim that is held.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
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
    /// # Errors
    /// [`LeaseError::Lost`] when somebody else has written it; then nothing more may be done with it.
    pub async fn save(&mut self, objects: &impl Objects) -> Result<(), LeaseError> {
        match write(objects, &self.key, &self.claim, PutIf::Matches(&self.etag)).await? {
            Some(etag) => {
                self.etag = etag;
                Ok(())
            }
            None => Err(LeaseError::Lost(self.key.clone())),
        }
    }

    /// Lets the lease go, so that the next tick sends a worker (not before `claim.not_before`).
    ///
    /// # Errors
    /// As [`LeasedClaim::save`].
    pub async fn release(&mut self, objects: &impl Objects, now: Timestamp) -> Result<(), LeaseError> {
        self.claim.owner = String::new();
        self.claim.lease_expires_at = now;
        self.save(objects).await
    }

    /// Empties the slot. The last step of all: whatever was to be done with the batch is done.
    ///
    /// # Errors
    /// When S3 does not answer; the next worker on the claim finds nothing left to do and empties the slot.
    pub async fn finish(self, objects: &impl Objects) -> Result<(), LeaseError> {
        match objects.delete(&self.key, &self.etag).await? {
            Delete::Deleted => Ok(()),
            Delete::Replaced => Err(LeaseError::Lost(self.key)),
        }
    }
}

/// Lets a claim that nobody holds be tried at once; answers the claim as it is now, or `None` where somebody else was
/// faster.
///
/// # Errors
/// When S3 does not say whether it was written.
pub async fn wake(objects: &impl Objects, seen: &Seen, now: Timestamp) -> Result<Option<Seen>, PortError> {
    let Ok(mut claim) = seen.claim.clone() else {
        return Ok(None);
    };
    if claim.lease_expires_at > now {
        return Ok(None);
    }
    claim.not_before = Some(now);
    let written = write(objects, &seen.key, &claim, PutIf::Matches(&seen.etag)).await?;
    Ok(written.map(|etag| Seen { key: seen.key.clone(), etag, claim: Ok(claim) }))
}

/// Writes a claim under a condition; `None` where the condition did not hold.
///
/// A reply that is lost leaves the claim written, and the SDK's own retry of the request is then refused by the
/// condition that the first try broke. So whoever is refused, or gets no answer, looks whether what is there is what it
/// wrote.
pub(super) async fn write(
    objects: &impl Objects,
    key: &Key,
    claim: &Claim,
    when: PutIf<'_>,
) -> Result<Option<ETag>, PortError> {
    let body = serde_json::to_vec(claim)
        .map_err(|error| PortError::new("claim", key.as_str(), PortErrorKind::Invalid, error))?;
    let refused = match objects.put(key, body, when).await {
        Ok(Put::Written(etag)) => return Ok(Some(etag)),
        Ok(Put::Refused) => None,
        Err(error) if error.kind == PortErrorKind::Unavailable => Some(error),
        Err(error) => return Err(error),
    };
    let seen = read(objects, key.clone()).await?;
    let ours = seen.filter(|seen| seen.claim.as_ref() == Ok(claim)).map(|seen| seen.etag);
    match (ours, refused) {
        (None, Some(error)) => Err(error),
        (ours, _) => Ok(ours),
    }
}
