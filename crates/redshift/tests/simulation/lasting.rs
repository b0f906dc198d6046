//! Lasting troubles: what never works in a history, or does not work for hours and days, whatever the weather.
//!
//! They stay when nothing else goes wrong any more. Each concerns one feed, and is asked for where it shows: by the
//! bucket, by the warehouse, and on a call's way. Never decides what must hold in spite of them.

use sluice_core::ports::{PortError, PortErrorKind};

use crate::bucket::{CLAIMS, INCOMING};
use crate::clock::{HOUR, MINUTE, Micros};
use crate::scenario::settings::FEEDS;
use crate::scenario::{BAD, CURSED, STUCK, is_bad};

/// Something that does not work.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// Whose.
    pub feed: usize,
    pub what: What,
    pub from: Micros,
    /// When it is over; `None`: never.
    pub until: Option<Micros>,
}

/// What does not work.
#[derive(Clone, Copy, Debug)]
pub enum What {
    /// COPY fails on each file with a marked content.
    Copy(Copying),
    /// A request for a marked content is always denied.
    Denied(Request),
    /// Each page of the listing takes so long.
    Pages(Micros),
    /// The pass that looks for bad files.
    Look(Look),
    /// COPY takes so long for each file.
    Slow(Micros),
    /// The warehouse takes no transaction of the feed, or fails each.
    Down(Down),
    /// The claim in the first slot cannot be fetched.
    Claim,
    /// Producers write plain files for all slots at every tick.
    Flood,
    /// Producers write a file at every other tick.
    Busy,
}

/// How COPY fails.
#[derive(Clone, Copy, Debug)]
pub struct Copying {
    pub error: &'static str,
    /// Whether the text names the file.
    pub named: bool,
    /// Whether it takes all the time that a transaction has.
    pub slow: bool,
    /// Whether the pass that looks for bad files fails as well.
    pub look: bool,
}

/// Which request is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// The copy to `processed/`.
    Archive,
    /// The copy to `failed/`.
    Quarantine,
    /// The delete from `incoming/`.
    Delete,
    /// HEAD and GET.
    Read,
}

/// How the pass over bad files does not work.
#[derive(Clone, Copy, Debug)]
pub enum Look {
    /// It takes so long.
    Takes(Micros),
    /// It fails with an error that says nothing.
    Fails,
}

/// How a warehouse is down.
#[derive(Clone, Copy, Debug)]
pub enum Down {
    /// It takes no transaction.
    Refuses,
    /// Every transaction fails at its beginning.
    Fails(&'static str),
    /// Every COPY fails.
    FailsAtCopy(&'static str),
}

/// How long a transaction may run, as in [`crate::scenario::settings::STATEMENT_TIMEOUT`].
pub const TIMEOUT: Micros = 10 * MINUTE;

/// How COPY fails on one file for ever. The texts are of each kind that there is.
pub const COPY_ERRORS: [Copying; 6] = [
    fails("ERROR: S3ServiceException:We encountered an internal error,Status 500,Error InternalError", true),
    fails("ERROR: S3ServiceException:Access Denied,Status 403,Error AccessDenied", true),
    fails(
        "ERROR: S3ServiceException:The operation is not valid for the object's storage class,Status 403,Error InvalidObjectState",
        true,
    ),
    fails("ERROR: S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey", true),
    fails("ERROR: something about a file that nobody has seen before", false),
    Copying { slow: true, ..fails("ERROR: Query (100) cancelled on user's request", false) },
];

const fn fails(error: &'static str, look: bool) -> Copying {
    Copying { error, named: false, slow: false, look }
}

/// What a warehouse answers that is down: texts of each kind.
pub const DOWN_ERRORS: [&str; 3] = [
    "ERROR: connection refused: the warehouse is being resumed",
    "ERROR: permission denied for relation t",
    "ERROR: something that nobody has seen before",
];

/// At which stage a file stays that something about it never works for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Load,
    Archive,
    Quarantine,
}

impl Stage {
    /// Its name in a resting object.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Archive => "archive",
            Self::Quarantine => "quarantine",
        }
    }
}

/// All troubles that there are at present, or will be.
#[derive(Default)]
pub struct Lasting {
    pub troubles: Vec<Trouble>,
}

/// The feed whose file, claim or archived copy has this key.
pub fn feed_of(key: &str) -> Option<usize> {
    let path = [INCOMING, CLAIMS, "processed/", "failed/"].into_iter().find_map(|start| key.strip_prefix(start))?;
    let name = path.split('/').next()?;
    FEEDS.iter().position(|feed| *feed == name)
}

/// Whether this is a content that a trouble of its feed is about.
pub fn is_stuck(content: &str) -> bool {
    content.trim_start_matches(BAD).starts_with(STUCK)
}

impl Lasting {
    /// What does not work for a feed at this moment.
    pub fn of(&self, feed: usize, now: Micros) -> impl Iterator<Item = &What> {
        let is_there = move |trouble: &&Trouble| {
            trouble.feed == feed && trouble.from <= now && trouble.until.is_none_or(|until| now < until)
        };
        self.troubles.iter().filter(is_there).map(|trouble| &trouble.what)
    }

    /// How much longer a call takes.
    pub fn delay(&self, now: Micros, method: &str, subject: &str) -> Micros {
        if self.troubles.is_empty() || method != "list" || !subject.starts_with(INCOMING) {
            return 0;
        }
        let pages = |what: &What| if let What::Pages(time) = what { Some(*time) } else { None };
        feed_of(subject).and_then(|feed| self.of(feed, now).find_map(pages)).unwrap_or_default()
    }

    /// How COPY fails on this content.
    pub fn copying(&self, feed: usize, now: Micros, content: &str) -> Option<Copying> {
        let copying = |what: &What| if let What::Copy(copying) = what { Some(*copying) } else { None };
        if is_stuck(content) { self.of(feed, now).find_map(copying) } else { None }
    }

    /// How the pass over bad files goes wrong.
    pub fn look(&self, feed: usize, now: Micros) -> Option<Look> {
        self.of(feed, now).find_map(|what| if let What::Look(look) = what { Some(*look) } else { None })
    }

    /// How long COPY takes for each file, where it takes long.
    pub fn slow(&self, feed: usize, now: Micros) -> Option<Micros> {
        self.of(feed, now).find_map(|what| if let What::Slow(time) = what { Some(*time) } else { None })
    }

    /// How the feed's warehouse is down.
    pub fn down(&self, feed: usize, now: Micros) -> Option<Down> {
        self.of(feed, now).find_map(|what| if let What::Down(down) = what { Some(*down) } else { None })
    }

    /// Whether nothing can be promised of a feed but that it loses nothing.
    pub fn is_out(&self, feed: usize, now: Micros) -> bool {
        self.of(feed, now).any(|what| matches!(what, What::Down(_) | What::Claim))
    }

    /// The error of a request that is denied for ever.
    pub fn denied(&self, now: Micros, request: Request, key: &str, content: &str) -> Option<PortError> {
        let denied = is_stuck(content)
            && feed_of(key).is_some_and(|feed| {
                self.of(feed, now).any(|what| matches!(what, What::Denied(other) if *other == request))
            });
        denied.then(|| error(key))
    }

    /// The error of a claim that cannot be fetched.
    pub fn hidden(&self, now: Micros, key: &str) -> Option<PortError> {
        let first = key.strip_prefix(CLAIMS).is_some_and(|rest| rest.ends_with("/0.json"));
        let hidden =
            first && feed_of(key).is_some_and(|feed| self.of(feed, now).any(|what| matches!(what, What::Claim)));
        hidden.then(|| error(key))
    }

    /// Where a file with this content has to stay.
    pub fn stage(&self, key: &str, content: &str, now: Micros) -> Option<Stage> {
        let bad = is_bad(content);
        let moved = if bad { Stage::Quarantine } else { Stage::Archive };
        let stage = |what: &What| match what {
            What::Copy(_) => Some(Stage::Load),
            What::Denied(Request::Delete) => Some(moved),
            What::Denied(Request::Archive) if !bad => Some(moved),
            What::Denied(Request::Quarantine) if bad => Some(moved),
            _ => None,
        };
        if content.starts_with(CURSED) {
            return Some(Stage::Load);
        }
        if is_stuck(content) { feed_of(key).and_then(|feed| self.of(feed, now).find_map(stage)) } else { None }
    }

    /// How long it is until what passes has passed.
    pub fn last_end(&self) -> Micros {
        self.troubles.iter().filter_map(|trouble| trouble.until).max().unwrap_or_default()
    }
}

fn error(key: &str) -> PortError {
    PortError::new("s3", key, PortErrorKind::Denied, "this never works")
}

/// The longest that a transaction runs at all. Source: Amazon Redshift Management Guide, "Data API", considerations.
pub const LONGEST: Micros = 24 * HOUR;
