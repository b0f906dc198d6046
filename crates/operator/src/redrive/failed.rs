//! What is in `failed/`: files, each with its reasons. Reads the folder, and plans the files' way back.
//!
//! The name of a reason begins with the name of its file, and producers can give a file such a name too. So an object
//! whose name and content look like a reason is one only if it has no reason itself: every file in `failed/` has one.

use std::cmp::Reverse;
use std::collections::HashSet;

use futures_util::{StreamExt, TryStreamExt, stream};
use sluice_core::config::{Config, Feed};
use sluice_core::object::{ETag, File, Key, Prefix};
use sluice_core::ports::{Objects, PortError, Ports};

use super::account::{Account, End, Ends, News, Stays};
use super::plan::{Folder, Move, Origin, Plan};
use super::run::Run;
use super::{Options, RedriveError};
use crate::listing::Listing;
use crate::names::{REASON, is_folder, reasoned};
use crate::reason::{Reason, Text};

/// Moves the feed's files from `failed/` back to `incoming/`.
///
/// # Errors
/// When something failed without which nothing can go on. Running it again does the rest.
pub async fn redrive<P: Ports>(
    config: &Config,
    ports: &P,
    feed: &Feed,
    options: &Options,
    tell: &mut impl FnMut(News),
) -> Result<Account, RedriveError> {
    let run = Run::new(config, ports, feed, options, Folder::new(&config.bucket, feed)?, tell);
    let mut account = run.resume().await?;
    let failed = Failed::new(config, ports.objects(), feed, options);
    let groups = stream::try_unfold(failed, async |mut failed| {
        Ok(failed.next().await?.map(|files| ((files.len(), files), failed)))
    });
    let step = async |files, ends: &mut Ends| {
        let moves = moves(files, ends);
        let plan = Plan { feed: feed.name.to_string(), origin: Origin::Failed, until: None, moves };
        run.move_back(plan, ends).await
    };
    run.steps(groups, step, &mut account).await?;
    Ok(account)
}

/// Plans the way back of files that have a reason, which says where they came from.
fn moves(files: Vec<Quarantined>, ends: &mut Ends) -> Vec<Move> {
    let mut moves = Vec::new();
    for one in files {
        match one.came_from().cloned() {
            Some(to) => {
                let reasons = one.reasons.into_iter().map(|(_, key, etag)| (key, etag)).collect();
                moves.push(Move { reasons, ..Move::new(one.file, to) });
            }
            None => ends.push((one.file, End::Stays(Stays::NoReason))),
        }
    }
    moves
}

/// A file that was refused.
#[derive(Clone, Debug)]
pub(super) struct Quarantined {
    pub(super) file: File,
    /// Its reasons, latest first: it may have been refused more than once.
    pub(super) reasons: Vec<(Reason, Key, ETag)>,
}

impl Quarantined {
    fn came_from(&self) -> Option<&Key> {
        self.reasons.first().map(|(reason, ..)| &reason.key)
    }
}

/// An object, and those that can be its reasons by their names.
#[derive(Clone)]
struct Node {
    /// Without the prefix of `failed/`.
    name: String,
    file: File,
    reasons: Vec<Node>,
    text: Text,
}

/// The files of a feed in `failed/` that are meant, read in the order of their names.
pub(super) struct Failed<'a, O> {
    config: &'a Config,
    objects: &'a O,
    feed: &'a Feed,
    options: &'a Options,
    base: &'a Prefix,
    listing: Listing<'a, O>,
    /// Objects whose reasons may still come. Each one's name is the beginning of the next one's.
    open: Vec<Node>,
    complete: Vec<Node>,
    ended: bool,
}

impl<'a, O: Objects> Failed<'a, O> {
    pub(super) fn new(config: &'a Config, objects: &'a O, feed: &'a Feed, options: &'a Options) -> Self {
        let base = &config.bucket.failed;
        let listing = Listing::new(objects, base.join(&feed.prefix));
        Self { config, objects, feed, options, base, listing, open: Vec::new(), complete: Vec::new(), ended: false }
    }

    /// About as many files as make a step, with their reasons; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Quarantined>>, PortError> {
        let together = self.options.together;
        while self.complete.len() < together && !self.ended {
            let page = self.listing.page().await?;
            self.ended = page.is_none();
            page.into_iter().flatten().for_each(|file| self.push(file));
        }
        if self.ended {
            self.close(None);
        }
        if self.complete.is_empty() {
            return Ok(None);
        }
        let nodes: Vec<Node> = self.complete.drain(..self.complete.len().min(together)).collect();
        let read = stream::iter(nodes).map(|node| self.read(node)).buffered(self.options.at_once);
        let mut files: Vec<Quarantined> = read.try_collect::<Vec<_>>().await?.into_iter().flatten().collect();
        // An object whose name could be a reason's of two others comes with both.
        let mut seen = HashSet::new();
        files.retain(|one| seen.insert(one.file.key.clone()) && self.means(one));
        Ok(Some(files))
    }

    /// By the name that it had under the feed's prefix. Where no reason says it, by the name that it has now.
    fn means(&self, one: &Quarantined) -> bool {
        let name = match one.came_from() {
            Some(key) => self.config.incoming(self.feed).strip(key),
            None => self.base.join(&self.feed.prefix).strip(&one.file.key),
        };
        self.options.mean(name.unwrap_or_default(), one.file.last_modified)
    }

    fn push(&mut self, file: File) {
        let Some(name) = self.base.strip(&file.key).map(str::to_owned) else { return };
        if !is_folder(&file) {
            self.close(Some(&name));
            self.open.push(Node { name, file, reasons: Vec::new(), text: Text::Other });
        }
    }

    /// Closes the objects that no reason can follow any more, because `next` and all names after it begin otherwise.
    fn close(&mut self, next: Option<&str>) {
        while let Some(node) = self.open.pop_if(|node| next.is_none_or(|next| !next.starts_with(&node.name))) {
            let of = reasoned(&node.name);
            let mut may_be_reason = false;
            for other in self.open.iter_mut().filter(|other| of.contains(&other.name.as_str())) {
                other.reasons.push(node.clone());
                may_be_reason = true;
            }
            if !may_be_reason {
                self.complete.push(node);
            }
        }
    }

    /// The files among an object and those that can be its reasons.
    async fn read(&self, mut node: Node) -> Result<Vec<Quarantined>, PortError> {
        let mut unread = vec![&mut node];
        while let Some(node) = unread.pop() {
            if node.name.ends_with(REASON) {
                node.text = Text::read(self.objects, &node.file).await?;
            }
            unread.extend(&mut node.reasons);
        }
        let mut files = Vec::new();
        self.judge(node, &mut files);
        Ok(files)
    }

    /// What the object says if it is a reason; if not, it is one of the files.
    fn judge(&self, node: Node, files: &mut Vec<Quarantined>) -> Option<Reason> {
        let Node { name, file, reasons, text } = node;
        let is_of = |reason: &Reason, name: &str, of: &str| reason.is_of(self.config, self.feed, name, of);
        // Another step, or somebody else, may be at work on a file and have deleted its reason. So a file whose reason
        // has gone since it was listed is not taken for a reason itself because it has none.
        let certain = !reasons.iter().any(|other| matches!(other.text, Text::Gone));
        let mut own = Vec::new();
        for other in reasons {
            let (other_name, key, etag) = (other.name.clone(), other.file.key.clone(), other.file.etag.clone());
            if let Some(reason) = self.judge(other, files).filter(|reason| is_of(reason, &other_name, &name)) {
                own.push((reason, key, etag));
            }
        }
        match text {
            Text::Reason(reason)
                if own.is_empty() && certain && reasoned(&name).into_iter().any(|of| is_of(&reason, &name, of)) =>
            {
                Some(reason)
            }
            _ => {
                own.sort_by_key(|(reason, ..)| Reverse(reason.time));
                files.push(Quarantined { file, reasons: own });
                None
            }
        }
    }
}
