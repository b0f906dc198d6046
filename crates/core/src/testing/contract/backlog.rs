//! What every backlog keeps: it counts what waits, chooses the first of it, and comes to every file.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use super::{Broken, Check, equal};
use crate::backlog::{Backlog, NotTaken, Waiting, Wanted, older};
use crate::config::{Config, Feed, Order};
use crate::object::{File, Key, Prefix};
use crate::ports::{Objects, PortError, PutIf};
use crate::testing::{ManualClock, MemoryObjects};

/// Writes the files that a backlog should know of.
pub trait Produce: Sync {
    /// Writes a file, younger than the one before where the time is fine enough to tell.
    fn write(&self, key: &Key, body: &[u8]) -> impl Future<Output = Result<File, PortError>> + Send;
}

impl Produce for (MemoryObjects, ManualClock) {
    async fn write(&self, key: &Key, body: &[u8]) -> Result<File, PortError> {
        self.0.put(key, body.to_vec(), PutIf::Any).await?;
        self.1.advance(Duration::from_secs(1));
        Ok(self.0.file(key.as_str()).unwrap_or_else(|| unreachable!("it was written")))
    }
}

/// Where a check works: a feed of its own.
pub(super) struct Waits<'o, B, P> {
    backlog: &'o B,
    produce: &'o P,
    prefix: Prefix,
    feed: Feed,
}

impl<'o, B: Backlog, P: Produce> Waits<'o, B, P> {
    pub(super) fn new(backlog: &'o B, config: &Config, produce: &'o P, check: &str) -> Result<Self, Broken> {
        let mut feed = config.feeds[0].clone();
        feed.prefix = feed.prefix.join(&Prefix::new(format!("{}/", check.replace("::", "/")))?);
        Ok(Self { backlog, produce, prefix: config.incoming(&feed), feed })
    }

    /// Writes files of these names, one after another.
    async fn write(&self, names: &[&str]) -> Result<Vec<File>, Broken> {
        let mut files = Vec::new();
        for name in names {
            files.push(self.produce.write(&self.prefix.key(name)?, name.as_bytes()).await?);
        }
        Ok(files)
    }

    async fn waiting(&self, wanted: &Wanted) -> Result<Waiting, Broken> {
        Ok(self.backlog.waiting(&self.feed, wanted).await?)
    }

    fn names(&self, files: &[File]) -> Vec<String> {
        files.iter().filter_map(|file| self.prefix.strip(&file.key)).map(str::to_owned).collect()
    }
}

fn at_most(most: usize) -> Wanted {
    Wanted { most, ..Wanted::default() }
}

pub(super) async fn nothing_waits<B: Backlog, P: Produce>(waits: &Waits<'_, B, P>) -> Check {
    equal("what waits", &waits.waiting(&at_most(9)).await?, &Waiting::default())
}

pub(super) async fn all_are_counted<B: Backlog, P: Produce>(waits: &Waits<'_, B, P>) -> Check {
    let files = waits.write(&["c.csv", "a.csv", "deep/b.csv", "d.csv", "e.csv"]).await?;
    let waiting = waits.waiting(&at_most(2)).await?;
    let bytes: u64 = files.iter().map(|file| file.size).sum();
    let counted = (waiting.listed, waiting.unprocessed, waiting.unprocessed_bytes, waiting.not_taken);
    equal("the counts", &counted, &(5, 5, bytes, 0))?;
    let oldest = waiting.chosen.iter().map(|file| file.last_modified).fold(waiting.oldest_left, older);
    equal("the oldest", &oldest, &files.iter().map(|file| file.last_modified).min())?;
    equal("whether there may be more", &waiting.at_least, &false)
}

pub(super) async fn the_first_in_the_order_are_chosen<B: Backlog, P: Produce>(waits: &Waits<'_, B, P>) -> Check {
    let files = waits.write(&["c.csv", "a.csv", "d.csv", "b.csv", "e.csv"]).await?;
    for order in [Order::Oldest, Order::Key] {
        let feed = Feed { order, ..waits.feed.clone() };
        let waiting = waits.backlog.waiting(&feed, &at_most(3)).await?;
        let mut first = files.clone();
        match order {
            Order::Oldest => first.sort_by_key(|file| (file.last_modified, file.key.clone())),
            Order::Key => first.sort_by_key(|file| file.key.clone()),
        }
        first.truncate(3);
        equal(&format!("what is chosen by {order:?}"), &waits.names(&waiting.chosen), &waits.names(&first))?;
        let left = files.iter().filter(|file| !waiting.chosen.contains(file)).map(|file| file.last_modified);
        equal("the oldest of the others", &waiting.oldest_left, &left.min())?;
    }
    Ok(())
}

pub(super) async fn what_is_held_is_listed_only<B: Backlog, P: Produce>(waits: &Waits<'_, B, P>) -> Check {
    let files = waits.write(&["a.csv", "b.csv"]).await?;
    let held = [files[0].key.clone()].into();
    let waiting = waits.waiting(&Wanted { held, ..at_most(9) }).await?;
    equal("listed, waiting", &(waiting.listed, waiting.unprocessed), &(2, 1))?;
    equal("what is chosen", &waiting.chosen, &files[1..].to_vec())
}

pub(super) async fn what_rests_is_listed_only<B: Backlog, P: Produce>(waits: &Waits<'_, B, P>) -> Check {
    let files = waits.write(&["a.csv", "b.csv"]).await?;
    let resting = [files[1].id()].into();
    let waiting = waits.waiting(&Wanted { resting, ..at_most(9) }).await?;
    equal("listed, waiting", &(waiting.listed, waiting.unprocessed), &(2, 1))?;
    equal("what is chosen", &waiting.chosen, &files[..1].to_vec())
}

pub(super) async fn what_the_feed_does_not_take_is_told<B: Backlog, P: Produce>(waits: &Waits<'_, B, P>) -> Check {
    let files = waits.write(&["a.txt", "b.csv"]).await?;
    let waiting = waits.waiting(&at_most(9)).await?;
    equal("listed, not taken", &(waiting.listed, waiting.not_taken), &(1, 1))?;
    equal("the first of those", &waiting.first_not_taken, &Some((files[0].key.clone(), NotTaken::NotIncluded)))?;
    equal("what is chosen", &waiting.chosen, &files[1..].to_vec())
}

pub(super) async fn markers_are_no_files<B: Backlog, P: Produce>(waits: &Waits<'_, B, P>) -> Check {
    let marker = waits.prefix.key("folder/")?;
    waits.produce.write(&marker, b"").await?;
    equal("what waits", &waits.waiting(&at_most(9)).await?, &Waiting::default())
}

/// Each time one file is taken: after a while all are, whatever the backlog has time for.
pub(super) async fn every_file_is_reached<B: Backlog, P: Produce>(waits: &Waits<'_, B, P>) -> Check {
    let names = ["a", "b", "c", "d", "e", "f", "g"].map(|name| format!("{name}.csv"));
    let files = waits.write(&names.each_ref().map(String::as_str)).await?;
    let mut taken = BTreeSet::new();
    for _ in 0..files.len() * files.len() {
        let held = files.iter().filter(|file| taken.contains(&file.key)).map(|file| file.key.clone()).collect();
        let waiting = waits.waiting(&Wanted { held, ..at_most(1) }).await?;
        for file in &waiting.chosen {
            equal(&format!("whether {} is new", file.key), &taken.insert(file.key.clone()), &true)?;
        }
        if waiting.chosen.is_empty() && !waiting.at_least {
            break;
        }
    }
    equal("how many are reached", &taken.len(), &files.len())
}
