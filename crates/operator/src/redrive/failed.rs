//! What is in `failed/`: files, each with its reasons. And their way back.
//!
//! A reason's name begins with that of its file, and producers can give a file such a name too. So an object whose name
//! and content look like a reason is one only if nothing that is a reason says why it was refused itself: every file in
//! `failed/` has its reason.

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use sluice_core::config::{Config, Feed};
use sluice_core::object::{ETag, File, Key, Prefix};
use sluice_core::ports::{Content, Objects, PortError, Ports};

use super::plan::{Folder, Move, Origin};
use super::reason::Reason;
use super::step::{Step, Way};
use super::{Account, News, Options, RedriveError, Stays};
use crate::listing::Listing;
use crate::verify::names::{REASON, reasoned};

/// The largest object that can be a reason: its texts are cut when they are written.
const REASON_BYTES: u64 = 1 << 20;

/// Moves the feed's files from `failed/` back to `incoming/`.
///
/// # Errors
/// When something failed without which nothing can go on; running it again does the rest.
pub async fn redrive<P: Ports>(
    config: &Config,
    ports: &P,
    feed: &Feed,
    options: &Options,
    tell: &mut impl FnMut(News),
) -> Result<Account, RedriveError> {
    let folder = Folder::new(&config.bucket, feed)?;
    let way = Way::new(config, ports, feed, options, &folder, tell);
    let mut account = Account { feed: feed.name.to_string(), ..Account::default() };
    way.resume(&mut account).await?;
    let failed = Failed::new(config, ports.objects(), feed);
    let groups = stream::unfold(Some(failed), async |failed| {
        let mut failed = failed?;
        match failed.some(options.together, options.at_once).await {
            Ok(files) => files.map(|files| (Ok((files.len(), files)), Some(failed))),
            Err(error) => Some((Err(error.into()), None)),
        }
    });
    way.walk(groups, async |step, files| way.judge_anew(step, files).await, &mut account).await?;
    Ok(account)
}

impl<P: Ports> Way<'_, P> {
    async fn judge_anew(&self, step: &mut Step, files: Vec<Quarantined>) -> Result<(), RedriveError> {
        let mut moves = Vec::new();
        for one in files {
            let name = one.name(self.config, self.feed);
            if !self.options.mean(&name, one.file.last_modified) {
                step.through += 1;
                continue;
            }
            match one.to() {
                Some(to) => moves.push(one.move_to(to)),
                None => step.stays(&one.file.key, Stays::NoReason),
            }
        }
        self.go(step, Origin::Failed, None, moves).await
    }
}

/// A file that was refused.
#[derive(Clone, Debug)]
pub(super) struct Quarantined {
    pub(super) file: File,
    /// Its reasons, latest first: it may have been refused more than once.
    pub(super) reasons: Vec<(Reason, Key, ETag)>,
}

impl Quarantined {
    /// Where it came from.
    fn to(&self) -> Option<Key> {
        self.reasons.first().map(|(reason, ..)| reason.key.clone())
    }

    /// The name under the feed's prefix that it had; that of its copy where nobody knows.
    pub(super) fn name(&self, config: &Config, feed: &Feed) -> String {
        let key = self.to();
        let name = match &key {
            Some(key) => config.incoming(feed).strip(key),
            None => config.bucket.failed.join(&feed.prefix).strip(&self.file.key),
        };
        name.unwrap_or_default().to_owned()
    }

    fn move_to(self, to: Key) -> Move {
        let reasons = self.reasons.into_iter().map(|(_, key, etag)| (key, etag)).collect();
        Move { from: self.file, to, recorded: None, reasons, aside: false }
    }
}

/// An object, and those that can be its reasons by their names.
#[derive(Clone, Debug)]
struct Node {
    /// Without the prefix of `failed/`.
    name: String,
    file: File,
    reasons: Vec<Node>,
}

/// The files of a feed in `failed/`.
pub(super) struct Failed<'a, O> {
    config: &'a Config,
    objects: &'a O,
    feed: &'a Feed,
    base: &'a Prefix,
    listing: Listing<'a, O>,
    /// Objects whose reasons may still come: each one's name is the beginning of the next one's.
    open: Vec<Node>,
    done: Vec<Node>,
    ended: bool,
}

impl<'a, O: Objects> Failed<'a, O> {
    pub(super) fn new(config: &'a Config, objects: &'a O, feed: &'a Feed) -> Self {
        let base = &config.bucket.failed;
        let listing = Listing::new(objects, base.join(&feed.prefix));
        Self { config, objects, feed, base, listing, open: Vec::new(), done: Vec::new(), ended: false }
    }

    /// About so many files, with their reasons; `None` behind the last.
    pub(super) async fn some(
        &mut self,
        together: usize,
        at_once: usize,
    ) -> Result<Option<Vec<Quarantined>>, PortError> {
        while self.done.len() < together && !self.ended {
            let page = self.listing.page().await?;
            self.ended = page.is_none();
            page.into_iter().flatten().for_each(|file| self.push(file));
        }
        if self.ended {
            self.settle(None);
        }
        if self.done.is_empty() {
            return Ok(None);
        }
        let nodes: Vec<Node> = self.done.drain(..self.done.len().min(together)).collect();
        let read = stream::iter(nodes).map(|node| self.read(node)).buffered(at_once);
        let mut files: Vec<Quarantined> = read.try_collect::<Vec<_>>().await?.into_iter().flatten().collect();
        // What has a name that could be a reason's of two others comes with both.
        let mut seen = HashSet::new();
        files.retain(|one| seen.insert(one.file.key.clone()));
        Ok(Some(files))
    }

    fn push(&mut self, file: File) {
        let Some(name) = self.base.strip(&file.key).map(str::to_owned) else { return };
        if file.size == 0 && name.ends_with('/') {
            return;
        }
        self.settle(Some(&name));
        self.open.push(Node { name, file, reasons: Vec::new() });
    }

    /// Lets go of what no reason can follow any more: all whose names are not the beginning of `name`.
    fn settle(&mut self, name: Option<&str>) {
        while let Some(node) = self.open.pop_if(|node| name.is_none_or(|name| !name.starts_with(&node.name))) {
            let of = reasoned(&node.name);
            let mut taken = false;
            for other in self.open.iter_mut().filter(|other| of.contains(&other.name.as_str())) {
                other.reasons.push(node.clone());
                taken = true;
            }
            if !taken {
                self.done.push(node);
            }
        }
    }

    /// The files among an object and its reasons.
    async fn read(&self, node: Node) -> Result<Vec<Quarantined>, PortError> {
        let mut texts = HashMap::new();
        let mut todo = vec![&node];
        while let Some(node) = todo.pop() {
            todo.extend(&node.reasons);
            if node.name.ends_with(REASON) {
                texts.insert(node.name.as_str(), self.text(&node.file).await?);
            }
        }
        let mut files = Vec::new();
        self.judge(&node, &texts, &mut files);
        Ok(files)
    }

    async fn text(&self, file: &File) -> Result<Text, PortError> {
        if file.size > REASON_BYTES {
            return Ok(Text::Other);
        }
        let content = self.objects.get(&file.key).await?.filter(|content| content.etag == file.etag);
        let read = |content: Content| serde_json::from_slice(&content.body).map_or(Text::Other, Text::Reason);
        Ok(content.map_or(Text::Gone, read))
    }

    /// Whether the object is a reason; if not, it is one of the files.
    fn judge(&self, node: &Node, texts: &HashMap<&str, Text>, files: &mut Vec<Quarantined>) -> Option<Reason> {
        let mut own = Vec::new();
        let mut certain = true;
        for other in &node.reasons {
            certain &= !matches!(texts.get(other.name.as_str()), Some(Text::Gone));
            if let Some(reason) = self.judge(other, texts, files)
                && reason.is_of(self.config, self.feed, &other.name, &node.name)
            {
                own.push((reason, other.file.key.clone(), other.file.etag.clone()));
            }
        }
        let says = |reason: &Reason| {
            reasoned(&node.name).into_iter().any(|of| reason.is_of(self.config, self.feed, &node.name, of))
        };
        if own.is_empty()
            && certain
            && let Some(Text::Reason(reason)) = texts.get(node.name.as_str())
            && says(reason)
        {
            return Some(reason.clone());
        }
        own.sort_by_key(|(reason, ..)| std::cmp::Reverse(reason.time));
        files.push(Quarantined { file: node.file.clone(), reasons: own });
        None
    }
}

/// What an object says that could be a reason by its name.
enum Text {
    Reason(Reason),
    Other,
    /// It is not there any more, or says something else: another step, or somebody else, is at work on the file whose
    /// reason it was. So that file may not be taken for a reason because it has none of its own.
    Gone,
}
