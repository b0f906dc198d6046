//! One reload, from when it is asked for until all of it is done, however often it is run for that.
//!
//! A reload that died half-way and is run again must not take for old what was loaded again because of it, and load
//! that twice. So the time when it was first asked for counts, by S3's clock. A new reload then waits a little, so that
//! nothing is loaded because of it in the same second.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sluice_core::object::{ETag, Key};
use sluice_core::ports::{Clock, Objects, PortError, Ports, PutIf};

use super::plan::Folder;
use super::{Options, RedriveError, invalid};

/// How long a new reload waits. The ledger knows seconds, and the clocks of services differ a little.
const PAUSE: Duration = Duration::from_secs(2);

/// What is asked of a reload.
#[derive(Clone, Debug)]
pub struct Reload {
    /// Which files.
    pub options: Options,
    /// The same in words, as the operator typed them. An unfinished reload goes on if it was asked for in the same
    /// words.
    pub asked: String,
    /// Begins another reload, whatever became of an earlier one.
    pub anew: bool,
}

/// A reload that is under way.
#[derive(Clone, Debug)]
pub(super) struct Session {
    key: Key,
    /// None where a dry run wrote no object.
    etag: Option<ETag>,
    /// When it was begun. Only files that were recorded by then are meant.
    pub(super) until: Timestamp,
    /// An earlier run began it.
    pub(super) continued: bool,
    said: Said,
}

/// The content of its object.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Said {
    asked: String,
    since: Option<Timestamp>,
}

impl Session {
    /// The one that is under way, or a new one. A dry run writes none.
    pub(super) async fn open<P: Ports>(ports: &P, folder: &Folder, asked: &Reload) -> Result<Self, RedriveError> {
        let (objects, key) = (ports.objects(), folder.key("reload.json")?);
        let said = Said { asked: asked.asked.clone(), since: asked.options.since };
        if let (Some(there), false) = (Self::read(objects, &key).await?, asked.anew) {
            if there.said.asked != said.asked {
                return Err(RedriveError::Unfinished { asked: there.said.asked, begun: there.until });
            }
            return Ok(there);
        }
        if asked.options.dry_run {
            return Ok(Self { key, etag: None, until: ports.clock().now(), continued: false, said });
        }
        let body = serde_json::to_vec(&said).map_err(|error| invalid("reload", key.as_str(), error))?;
        objects.put(&key, body, PutIf::Any).await?;
        let begun = Self::read(objects, &key).await?.ok_or_else(|| RedriveError::Other(key.clone()))?;
        ports.clock().sleep(PAUSE).await;
        Ok(Self { continued: false, ..begun })
    }

    async fn read(objects: &impl Objects, key: &Key) -> Result<Option<Self>, PortError> {
        let (Some(content), Some(file)) = (objects.get(key).await?, objects.head(key).await?) else { return Ok(None) };
        let said = serde_json::from_slice(&content.body).map_err(|error| invalid("reload", key.as_str(), error))?;
        let (key, etag) = (key.clone(), Some(content.etag));
        Ok(Some(Self { key, etag, until: file.last_modified, continued: true, said }))
    }

    pub(super) fn since(&self) -> Option<Timestamp> {
        self.said.since
    }

    /// Ends it: all of it is done.
    pub(super) async fn close(self, objects: &impl Objects) -> Result<(), PortError> {
        if let Some(etag) = self.etag {
            objects.delete(&self.key, &etag).await?;
        }
        Ok(())
    }
}
