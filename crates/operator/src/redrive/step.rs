//! Steps: some files each, looked at, written down and moved together, and several steps under way at once.
//!
//! Steps share no file and no name in `incoming/`, and each has its own plan, so their order does not matter. A step that
//! fails stops those that have not begun; those that have are carried out, as far as they can be.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::future::ready;
use std::pin::pin;

use futures_util::{Stream, StreamExt};
use jiff::Timestamp;
use sluice_core::config::{Config, Feed};
use sluice_core::object::{File, Key};
use sluice_core::ports::{PortError, Ports};

use super::account::{Account, News, Stays};
use super::moves::{End, Mover};
use super::plan::{Folder, Move, Origin, Plan, Stored};
use super::taken::taken;
use super::{Options, RedriveError, claimed_keys};

/// What all steps of a run share.
pub(super) struct Way<'a, P> {
    pub(super) config: &'a Config,
    pub(super) ports: &'a P,
    pub(super) feed: &'a Feed,
    pub(super) options: &'a Options,
    pub(super) folder: &'a Folder,
    tell: RefCell<&'a mut dyn FnMut(News)>,
    /// Where the files of steps that are under way go: names that nothing else may go to meanwhile.
    going: RefCell<HashSet<Key>>,
    held: Cell<usize>,
    most_held: Cell<usize>,
    stopped: Cell<bool>,
}

/// What has become of the files of one step, to be told when it is over.
#[derive(Default)]
pub(super) struct Step {
    pub(super) account: Account,
    pub(super) news: Vec<News>,
    /// Files that are through and told so already, or not meant.
    pub(super) through: usize,
    /// Why nothing can go on.
    error: Option<RedriveError>,
}

impl Step {
    pub(super) fn stays(&mut self, key: &Key, why: Stays) {
        self.account.stay += 1;
        self.account.later += u64::from(why.passes());
        self.news.push(News::Stays(key.clone(), why));
    }

    fn would(&mut self, one: Move) {
        self.account.moved += 1;
        self.account.bytes += one.from.size;
        self.news.push(News::Would(one.from, one.to));
    }

    /// Counts what became of a file.
    fn take(&mut self, file: &File, end: Result<End, PortError>) {
        match end {
            Ok(End::Back) => {
                self.account.moved += 1;
                self.account.bytes += file.size;
            }
            Ok(End::Stays(why)) => self.stays(&file.key, why),
            Err(error) => {
                self.account.failed += 1;
                self.news.push(News::Failed(file.key.to_string(), error.to_string()));
            }
        }
    }
}

impl<'a, P: Ports> Way<'a, P> {
    pub(super) fn new(
        config: &'a Config,
        ports: &'a P,
        feed: &'a Feed,
        options: &'a Options,
        folder: &'a Folder,
        tell: &'a mut dyn FnMut(News),
    ) -> Self {
        let (tell, (going, held, most_held, stopped)) = (RefCell::new(tell), Default::default());
        Self { config, ports, feed, options, folder, tell, going, held, most_held, stopped }
    }

    pub(super) fn tell(&self, news: News) {
        (self.tell.borrow_mut())(news);
    }

    /// Carries out a step for each of `groups`, which come with their numbers of files, several at once; counts and tells
    /// in their order.
    pub(super) async fn walk<T: 'static>(
        &self,
        groups: impl Stream<Item = Result<(usize, T), RedriveError>>,
        step: impl AsyncFn(&mut Step, T) -> Result<(), RedriveError>,
        account: &mut Account,
    ) -> Result<(), RedriveError> {
        let going = groups.take_while(|_| ready(!self.stopped.get())).map(|group| self.one(group, &step));
        let mut steps = pin!(going.buffered(self.options.steps_at_once.max(1)));
        let mut failure = None;
        while let Some(step) = steps.next().await {
            account.add(&step.account);
            account.most_held = self.most_held.get();
            for news in step.news {
                self.tell(news);
            }
            self.stopped.set(self.stopped.get() || step.error.is_some());
            failure = failure.or(step.error);
        }
        failure.map_or(Ok(()), Err)
    }

    async fn one<T: 'static>(
        &self,
        group: Result<(usize, T), RedriveError>,
        carry_out: &impl AsyncFn(&mut Step, T) -> Result<(), RedriveError>,
    ) -> Step {
        let mut step = Step::default();
        let (files, group) = match group {
            Ok(group) => group,
            Err(error) => return Step { error: Some(error), ..step },
        };
        self.held.update(|held| held + files);
        self.most_held.update(|most| most.max(self.held.get()));
        step.error = carry_out(&mut step, group).await.err();
        self.held.update(|held| held - files);
        self.tell(News::Through(files.saturating_sub(step.through) as u64));
        step
    }

    /// Writes down what is to be done, and does it.
    pub(super) async fn go(
        &self,
        step: &mut Step,
        origin: Origin,
        until: Option<Timestamp>,
        moves: Vec<Move>,
    ) -> Result<(), RedriveError> {
        let moves = self.fit(step, moves);
        let names: Vec<Key> = moves.iter().map(|one| one.to.clone()).collect();
        let done = self.go_on(step, origin, until, moves).await;
        let mut going = self.going.borrow_mut();
        for name in &names {
            going.remove(name);
        }
        done
    }

    async fn go_on(
        &self,
        step: &mut Step,
        origin: Origin,
        until: Option<Timestamp>,
        moves: Vec<Move>,
    ) -> Result<(), RedriveError> {
        let moves = self.admit(step, moves).await?;
        if self.options.dry_run {
            for one in moves {
                step.would(one);
            }
            return Ok(());
        }
        if moves.is_empty() {
            return Ok(());
        }
        let plan = Plan { feed: self.feed.name.to_string(), origin, until, moves };
        let stored = self.folder.write(self.ports, plan).await?;
        self.carry_out(step, stored).await
    }

    /// Carries out a plan, written just now or by an earlier run.
    pub(super) async fn carry_out(&self, step: &mut Step, stored: Stored) -> Result<(), RedriveError> {
        let (mut failed, through) = (0, Cell::new(0));
        let back = || {
            through.update(|through| through + 1);
            self.tell(News::Through(1));
        };
        let ends = self.mover().carry_out(stored, &back).await;
        step.through += through.get();
        let ends = ends?;
        let files = ends.len();
        for (file, end) in ends {
            failed += usize::from(end.is_err());
            step.take(&file, end);
        }
        if failed == files { Err(RedriveError::Stuck(failed as u64)) } else { Ok(()) }
    }

    /// Brings back what was set aside and has no plan any more.
    pub(super) async fn bring_stray(&self, step: &mut Step, file: &File) {
        let end = self.mover().stray(file).await;
        step.take(file, end);
    }

    fn mover(&self) -> Mover<'a, P> {
        Mover {
            config: self.config,
            ports: self.ports,
            feed: self.feed,
            folder: self.folder,
            at_once: self.options.at_once.max(1),
        }
    }

    /// Leaves out what nothing would load, and all but one of those that go to the same name; from now on that is theirs.
    fn fit(&self, step: &mut Step, moves: Vec<Move>) -> Vec<Move> {
        let incoming = self.config.incoming(self.feed);
        let mut going = self.going.borrow_mut();
        let mut fit = Vec::with_capacity(moves.len());
        for one in moves {
            if !incoming.strip(&one.to).is_some_and(|name| self.feed.takes(name, one.from.size)) {
                step.stays(&one.from.key, Stays::NotTaken);
            } else if going.insert(one.to.clone()) {
                fit.push(one);
            } else {
                step.stays(&one.from.key, Stays::Occupied);
            }
        }
        fit
    }

    /// Leaves out what cannot be moved now.
    ///
    /// First what is in `incoming/`, then the claims: a file that was not in `incoming/` at the first look and is in no
    /// claim at the second is nobody's to work on any more.
    async fn admit(&self, step: &mut Step, moves: Vec<Move>) -> Result<Vec<Move>, RedriveError> {
        let incoming = self.config.incoming(self.feed);
        let names = moves.iter().map(|one| &one.to);
        let taken = taken(self.ports.objects(), &incoming, names, self.options.at_once.max(1)).await?;
        let (occupied, free): (Vec<Move>, Vec<Move>) = moves.into_iter().partition(|one| taken.contains(&one.to));
        for one in occupied {
            step.stays(&one.from.key, Stays::Occupied);
        }
        if free.is_empty() {
            return Ok(free);
        }
        let held = claimed_keys(self.config, self.ports, self.feed).await?;
        let (held, free): (Vec<Move>, Vec<Move>) = free.into_iter().partition(|one| held.holds(self.config, one));
        for one in held {
            step.stays(&one.from.key, Stays::InFlight);
        }
        Ok(free)
    }
}
