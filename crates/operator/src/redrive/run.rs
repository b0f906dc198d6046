//! A run: files go through it in steps of some thousand, and several steps are under way at once.
//!
//! A step looks which of its files can be moved, writes a plan for them, and carries the plan out. Steps share no file
//! and no name in `incoming/`, and each has its own plan, so their order does not matter. After a step that fails no
//! other begins; those that have begun are carried out, as far as they can be.

use std::cell::RefCell;
use std::collections::HashSet;
use std::future::ready;
use std::pin::pin;

use futures_util::{Stream, StreamExt, stream};
use sluice_core::claim::Survey;
use sluice_core::config::{Config, Feed};
use sluice_core::object::{File, Key};
use sluice_core::ports::{PortError, Ports};

use super::account::{Account, End, Ends, News, Stays};
use super::plan::{Folder, Move, Plan};
use super::taken::taken;
use super::{Options, RedriveError};

/// A run over one feed.
pub(super) struct Run<'a, P> {
    pub(super) config: &'a Config,
    pub(super) ports: &'a P,
    pub(super) feed: &'a Feed,
    pub(super) options: &'a Options,
    pub(super) folder: Folder,
    shared: RefCell<Shared<'a>>,
}

/// What the steps under way share. All steps run in one task, and no borrow lasts over an `await`.
struct Shared<'a> {
    tell: &'a mut dyn FnMut(News),
    /// The names in `incoming/` that steps under way go to. No other step may go there meanwhile.
    reserved: HashSet<Key>,
    /// How many files the steps under way hold.
    held: usize,
    most_held: usize,
    failed: bool,
}

impl Shared<'_> {
    fn hold(&mut self, files: usize) {
        self.held += files;
        self.most_held = self.most_held.max(self.held);
    }
}

impl<'a, P: Ports> Run<'a, P> {
    pub(super) fn new(
        config: &'a Config,
        ports: &'a P,
        feed: &'a Feed,
        options: &'a Options,
        folder: Folder,
        tell: &'a mut dyn FnMut(News),
    ) -> Self {
        let shared = Shared { tell, reserved: HashSet::new(), held: 0, most_held: 0, failed: false };
        Self { config, ports, feed, options, folder, shared: RefCell::new(shared) }
    }

    pub(super) fn tell(&self, news: News) {
        (self.shared.borrow_mut().tell)(news);
    }

    pub(super) fn at_once(&self) -> usize {
        self.options.at_once.max(1)
    }

    /// Finishes what earlier runs, or one that was killed, have left half-way. Begins the account.
    pub(super) async fn resume(&self) -> Result<Account, RedriveError> {
        let mut account = Account { feed: self.feed.name.to_string(), ..Account::default() };
        let objects = self.ports.objects();
        // Listed before the plans: a file without a plan has lost it, and does not belong to a run that begins just
        // now.
        let aside = self.folder.aside(objects).await?;
        let plans = self.folder.plans(objects).await?;
        let known: HashSet<&str> = plans.iter().map(|stored| stored.id.as_str()).collect();
        let strays: Vec<File> =
            aside.into_iter().filter(|file| !known.contains(self.folder.id_of(&file.key))).collect();
        let files = plans.iter().map(|stored| stored.plan.moves.len()).sum::<usize>() + strays.len();
        if files > 0 {
            self.tell(News::Resumes(files as u64));
        }
        if self.options.dry_run {
            return Ok(account);
        }
        let plans = stream::iter(plans).map(|stored| Ok((stored.plan.moves.len(), stored)));
        self.steps(plans, async |stored, ends| self.carry_out(stored, ends).await, &mut account).await?;
        let strays = stream::iter(strays).map(|file| Ok((1, file)));
        let bring = async |file, ends: &mut Ends| {
            ends.push(self.bring_stray(file).await);
            Ok(())
        };
        self.steps(strays, bring, &mut account).await?;
        Ok(account)
    }

    /// Makes a step of each group, which comes with its number of files. Several are under way at once; they are
    /// counted and reported in the order of the groups.
    pub(super) async fn steps<T: 'static>(
        &self,
        groups: impl Stream<Item = Result<(usize, T), RedriveError>>,
        step: impl AsyncFn(T, &mut Ends) -> Result<(), RedriveError>,
        account: &mut Account,
    ) -> Result<(), RedriveError> {
        let groups = groups.take_while(|_| ready(!self.shared.borrow().failed));
        let steps = groups.map(|group| self.one_step(group, &step)).buffered(self.options.steps_at_once.max(1));
        let mut steps = pin!(steps);
        let mut done = Ok(());
        while let Some((ends, step)) = steps.next().await {
            let news = ends.into_iter().filter_map(|(file, end)| account.count(file, end));
            news.for_each(|news| self.tell(news));
            done = done.and(step);
            let mut shared = self.shared.borrow_mut();
            shared.failed = done.is_err();
            account.most_held = shared.most_held;
        }
        done
    }

    /// How the files ended, and whether the step as a whole failed.
    async fn one_step<T: 'static>(
        &self,
        group: Result<(usize, T), RedriveError>,
        step: &impl AsyncFn(T, &mut Ends) -> Result<(), RedriveError>,
    ) -> (Ends, Result<(), RedriveError>) {
        let mut ends = Ends::new();
        let (files, group) = match group {
            Ok(group) => group,
            Err(error) => return (ends, Err(error)),
        };
        self.shared.borrow_mut().hold(files);
        let done = step(group, &mut ends).await;
        self.shared.borrow_mut().held -= files;
        (ends, done)
    }

    /// Carries out what can be moved now of a plan that is not written yet. With a dry run, says what would be moved.
    pub(super) async fn move_back(&self, mut plan: Plan, ends: &mut Ends) -> Result<(), RedriveError> {
        let incoming = self.config.incoming(self.feed);
        let takes = |one: &Move| incoming.strip(&one.to).is_some_and(|name| self.feed.takes(name, one.from.size));
        leave(&mut plan.moves, ends, Stays::NotTaken, |one| !takes(one));
        let reserve = |one: &Move| self.shared.borrow_mut().reserved.insert(one.to.clone());
        leave(&mut plan.moves, ends, Stays::Occupied, |one| !reserve(one));
        let reserved: Vec<Key> = plan.moves.iter().map(|one| one.to.clone()).collect();
        let done = self.move_reserved(plan, ends).await;
        let mut shared = self.shared.borrow_mut();
        for name in &reserved {
            shared.reserved.remove(name);
        }
        done
    }

    async fn move_reserved(&self, mut plan: Plan, ends: &mut Ends) -> Result<(), RedriveError> {
        self.admit(&mut plan.moves, ends).await?;
        if self.options.dry_run {
            ends.extend(plan.moves.drain(..).map(|one| (one.from, End::Would(one.to))));
        }
        self.tell(News::Through(ends.len() as u64));
        if plan.moves.is_empty() {
            return Ok(());
        }
        let stored = self.folder.write(self.ports, plan).await?;
        self.carry_out(stored, ends).await
    }

    /// Leaves what is in the way or at work.
    ///
    /// First what is in `incoming/`, then the claims: nobody works any more on a file that was not in `incoming/` at
    /// the first look and is in no claim at the second.
    async fn admit(&self, moves: &mut Vec<Move>, ends: &mut Ends) -> Result<(), PortError> {
        let incoming = self.config.incoming(self.feed);
        let names = moves.iter().map(|one| &one.to);
        let taken = taken(self.ports.objects(), &incoming, names, self.at_once()).await?;
        leave(moves, ends, Stays::Occupied, |one| taken.contains(&one.to));
        if !moves.is_empty() {
            let claimed = self.claimed().await?;
            leave(moves, ends, Stays::InFlight, |one| self.is_claimed(one, &claimed));
        }
        Ok(())
    }

    /// The keys that claims hold, and those of resting files.
    pub(super) async fn claimed(&self) -> Result<HashSet<Key>, PortError> {
        let objects = self.ports.objects();
        let survey = Survey::read(objects, &self.config.bucket, Some(self.feed)).await?.whole()?;
        let mut keys: HashSet<Key> = survey.doubts(objects).await?.into_iter().map(|doubt| doubt.file.key).collect();
        for claim in survey.claims.iter().filter_map(|seen| seen.claim.as_ref().ok()) {
            keys.extend(claim.all_files().map(|file| file.key.clone()));
        }
        Ok(keys)
    }

    /// Whether a claim holds the file, or a file whose copy in `failed/` would have the name of the file's reason.
    fn is_claimed(&self, one: &Move, claimed: &HashSet<Key>) -> bool {
        let bucket = &self.config.bucket;
        let named = |reason: &Key| bucket.incoming.key(bucket.failed.strip(reason)?).ok();
        let mut named = one.reasons.iter().filter_map(|(reason, _)| named(reason));
        claimed.contains(&one.to) || named.any(|key| claimed.contains(&key))
    }
}

/// Takes out the moves that cannot be made, for this reason.
fn leave(moves: &mut Vec<Move>, ends: &mut Ends, why: Stays, mut stays: impl FnMut(&Move) -> bool) {
    ends.extend(moves.extract_if(.., |one| stays(one)).map(|one| (one.from, End::Stays(why))));
}
