//! The second look at an object in `processed/` that no entry of the ledger belonged to.

use sluice_core::object::{File, FileId};
use sluice_core::ports::{PortError, Ports};

use super::{Again, ByKey, Copied, Kind, Recorded};
use crate::names;
use crate::verify::claims::Claimed;
use crate::verify::first::file_of;

/// The files that an object in `processed/` can be the copy of.
pub(super) struct Originals {
    pub(super) files: Vec<File>,
    /// Their ids, after those that the object's name contains.
    pub(super) ids: Vec<FileId>,
    /// How many ids the object's name contains.
    named: usize,
    /// A claim holds one of the files.
    claimed: bool,
    /// One of the files is in `incoming/`.
    incoming: bool,
}

impl<P: Ports> Again<'_, P> {
    /// `None` where the object is not there any more.
    pub(super) async fn find_originals(&self, copy: &File, claimed: &Claimed) -> Result<Option<Originals>, PortError> {
        let bucket = &self.config.bucket;
        let (mut files, mut incoming) = (Vec::new(), false);
        for (key, etag) in names::originals(bucket, &bucket.processed, copy) {
            incoming |= self.is_there(&key, &etag).await?;
            files.push(File { key, etag, ..copy.clone() });
        }
        if !self.is_there(&copy.key, &copy.etag).await? {
            return Ok(None);
        }
        let claimed = files.iter().any(|file| claimed.holds(file));
        let mut ids = names::ids(bucket.processed.strip(&copy.key).unwrap_or_default());
        let named = ids.len();
        ids.extend(files.iter().map(|file| self.id(file)));
        Ok(Some(Originals { files, ids, named, claimed, incoming }))
    }

    pub(super) async fn judge_copy(
        &self,
        copy: &File,
        originals: &Originals,
        after: &Recorded,
        by_key: &ByKey,
    ) -> Result<Option<Kind>, PortError> {
        let (named, own) = originals.ids.split_at(originals.named);
        if named.iter().any(|id| after.contains_key(id)) {
            return Ok(None);
        }
        for (file, id) in originals.files.iter().zip(own) {
            let own = after.get(id).map(|(entry, _)| entry);
            if own.is_some() && file.etag == copy.etag {
                return Ok(None);
            }
            // The ledger knows the path with another content, or the content by another ETag. Then this is that file's
            // copy, unless that file has a copy with its own ETag.
            for entry in own.into_iter().chain(by_key.get(&file.key).into_iter().flatten()) {
                let other = file_of(entry.clone());
                let copied = self.copied(&self.config.bucket.processed, &other);
                if other.size == copy.size && !matches!(copied.await?, Copied::Exactly) {
                    return Ok(None);
                }
            }
        }
        Ok(match (originals.claimed, originals.incoming) {
            (true, _) => None,
            (false, true) => Some(Kind::InTwoPlaces),
            (false, false) => Some(Kind::NotRecorded),
        })
    }
}
