//! What a redrive or a reload has not finished: files that it has set aside, and those that its plans speak of.
//!
//! A file that a reload has taken out of the ledger is not recorded, and a reason whose file is set aside has none: both
//! are as they should be, and whoever mended them by hand would spoil what running the command again puts right.

use std::collections::HashSet;

use sluice_core::config::{Config, Feed};
use sluice_core::object::{File, Key};
use sluice_core::ports::{Objects, PortError, Ports};

use super::finding::{Finding, Kind};
use crate::redrive::plan::Folder;

/// Tells those apart that a plan speaks of. The plan is written before anything is done, and goes when all is done, so it
/// is there when it is looked for after something has been found.
pub(super) async fn tell_apart<P: Ports>(
    config: &Config,
    ports: &P,
    feed: &Feed,
    findings: &mut [Option<Finding>],
) -> Result<(), PortError> {
    let mut doubtful: Vec<&mut Finding> = findings
        .iter_mut()
        .flatten()
        .filter(|finding| matches!(finding.kind, Kind::NotRecorded | Kind::FileMissing))
        .collect();
    if doubtful.is_empty() {
        return Ok(());
    }
    let planned = planned(config, ports.objects(), feed).await?;
    for finding in &mut doubtful {
        if planned.contains(&finding.key) {
            finding.kind = Kind::HalfWay;
        }
    }
    Ok(())
}

async fn planned(config: &Config, objects: &impl Objects, feed: &Feed) -> Result<HashSet<Key>, PortError> {
    let mut keys = HashSet::new();
    for stored in Folder::new(&config.bucket, feed)?.plans(objects).await? {
        for one in stored.plan.moves {
            keys.insert(one.from.key);
            keys.extend(one.reasons.into_iter().map(|(key, _)| key));
        }
    }
    Ok(keys)
}

/// A file that is set aside.
pub(super) fn set_aside(folder: &Folder, feed: &Feed, file: File) -> Finding {
    let detail = folder.destination(&file.key).map(|to| format!("on its way to {to}"));
    let feed = Some(feed.name.to_string());
    Finding { feed, kind: Kind::HalfWay, key: file.key, etag: file.etag, detail }
}
