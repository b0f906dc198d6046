//! The second look at an object in `failed/` that had no reason, or was a reason of nothing.

use sluice_core::object::{File, Key};
use sluice_core::ports::{Objects, PortError, Ports};

use super::{Again, Kind};
use crate::names::{self, REASON};
use crate::reason::Text;
use crate::verify::claims::Claimed;

impl<P: Ports> Again<'_, P> {
    /// The reason is written after the copy and before the claim lets the file go.
    pub(super) async fn judge_failed(&self, file: &File, claimed: &Claimed) -> Result<Option<Kind>, PortError> {
        let (bucket, objects) = (&self.config.bucket, self.ports.objects());
        let name = bucket.failed.strip(&file.key).unwrap_or_default();
        if claimed.may_bring(bucket, name, &file.etag) {
            return Ok(None);
        }
        let explained = match Key::new(format!("{}{REASON}", file.key)) {
            Ok(reason) => objects.head(&reason).await?.is_some(),
            Err(_) => false,
        };
        if explained || !self.is_there(&file.key, &file.etag).await? {
            return Ok(None);
        }
        for of in names::reasoned(name) {
            if let Ok(key) = bucket.failed.key(of)
                && objects.head(&key).await?.is_some()
            {
                return Ok(None);
            }
        }
        let reason = name.ends_with(REASON) && matches!(Text::read(objects, file).await?, Text::Reason(_));
        Ok(Some(if reason { Kind::FileMissing } else { Kind::ReasonMissing }))
    }
}
