//! The second look at a file that is loaded or claimed, and was not where it should be.

use sluice_core::object::File;
use sluice_core::ports::{PortError, Ports};

use super::{Again, Copied, Kind, Recorded};
use crate::verify::claims::Claimed;

/// Where a file was at the second look, read in the order that `again` says.
pub(super) struct Whereabouts {
    /// How often the ledger has it.
    recorded: u64,
    claimed: bool,
    incoming: bool,
    pub(super) copy: Copied,
    failed: bool,
}

impl<P: Ports> Again<'_, P> {
    pub(super) async fn find_file(
        &self,
        file: &File,
        recorded: u64,
        claimed: &Claimed,
    ) -> Result<Whereabouts, PortError> {
        let bucket = &self.config.bucket;
        let incoming = self.is_there(&file.key, &file.etag).await?;
        let copy = self.copied(&bucket.processed, file).await?;
        let failed = matches!(self.copied(&bucket.failed, file).await?, Copied::Exactly);
        Ok(Whereabouts { recorded, claimed: claimed.holds(file), incoming, copy, failed })
    }

    pub(super) fn judge_file(&self, file: &File, found: &Whereabouts, after: &Recorded) -> Option<Kind> {
        let Whereabouts { recorded, claimed, incoming, copy, failed } = *found;
        let recorded = recorded > 0;
        let copied = match copy {
            Copied::No => false,
            Copied::Exactly => true,
            Copied::ByName(other) => !after.contains_key(&other),
        };
        if claimed {
            let somewhere = incoming || copied || failed || recorded || after.contains_key(&self.id(file));
            return (!somewhere).then_some(Kind::ClaimedAndGone);
        }
        if !recorded {
            // It was claimed, and its claim has ended since.
            return None;
        }
        let own = self.config.incoming(self.feed);
        let taken = own.strip(&file.key).is_some_and(|name| self.feed.takes(name, file.size));
        match (incoming, copied) {
            (true, _) if !taken => Some(Kind::NotTaken),
            (true, true) => Some(Kind::InTwoPlaces),
            (true, false) => Some(Kind::NotArchived),
            (false, _) if failed => Some(Kind::LoadedAndFailed),
            (false, true) => None,
            (false, false) => Some(Kind::CopyMissing),
        }
    }
}
