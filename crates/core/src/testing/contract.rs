//! One contract suite for each port: for [`Objects`], held by the bucket in memory, the SDK against the stand-in and
//! the SDK against an implementation that is not ours; for [`Destination`], held by the warehouse in memory and by each
//! destination that there is; for [`Backlog`], held by listings of each bucket.
//!
//! Each check is a function of its own that works under a prefix of its own. So checks may run in any order, and a
//! bucket may be used again. Checks know only the port: never test what S3 does beyond it. One file, because the list
//! of all checks stands with what they share.

mod backlog;
mod copy;
mod delete;
mod large;
#[cfg(test)]
mod lies;
mod list;
#[cfg(test)]
mod miscounts;
mod names;
mod put;
mod read;
mod uploads;
mod warehouse;

use std::fmt;

use crate::backlog::Backlog;
use crate::config::{Config, Feed};
use crate::destination::Destination;
use crate::object::{File, Key, KeyError, Prefix, PrefixError};
use crate::ports::{Objects, PortError, Put, PutIf};

pub use backlog::Produce;
pub use uploads::Producer;
use uploads::Uploads;

/// Runs checks, each in the space that `space` makes for it, and records how each ended under its name.
macro_rules! run {
    ($space:expr, $report:expr, $($module:ident: $($check:ident),+;)+) => {
        let space = $space;
        $($({
            let name = concat!(stringify!($module), "::", stringify!($check));
            let outcome = match space(name) {
                // Boxed, because the futures of an SDK are large and all of them would lie in one.
                Ok(space) => Box::pin($module::$check(&space)).await,
                Err(broken) => Err(broken),
            };
            $report.outcomes.push((name, outcome));
        })+)+
    };
}

/// Runs every check of [`Objects`] under `root`, which must be empty.
pub async fn objects<O: Objects>(objects: &O, root: &Prefix) -> Report {
    let mut report = large_copies(objects, root).await;
    run! { |check| Space::new(objects, root, check), report,
        put: absent_on_nothing_writes, absent_on_something_is_refused, absent_on_the_same_content_is_refused,
            matches_writes, matches_another_etag_is_refused, matches_on_nothing_is_refused, any_overwrites,
            one_of_many_absent_puts_wins, one_of_many_matching_puts_wins, a_missing_object_is_none, empty_content;
        list: nothing_is_an_empty_page, order_is_by_bytes, every_object_is_listed_once, a_page_begins_after_any_key,
            a_prefix_ends_at_its_slash,
            shows_what_head_shows, shows_what_was_just_done, a_page_may_begin_at_a_key_that_is_gone;
        copy: copies_content, of_empty_content, never_overwrites, never_overwrites_even_the_same_content,
            of_a_replaced_source, of_a_missing_source, of_a_replaced_source_onto_something,
            of_a_missing_source_onto_something, one_of_many_copies_wins, leaves_the_source;
        delete: deletes, a_replaced_object_stays, a_missing_object_is_deleted, many_in_the_order_asked, a_thousand,
            none_at_all;
        read: a_part, as_much_as_there_is, of_a_replaced_file_is_none, of_a_missing_file_is_none;
        names: odd_ones_are_kept, the_longest_ones_are_kept, path_like_ones_are_kept, control_characters_are_kept,
            a_name_may_be_the_beginning_of_another;
    }
    report
}

/// Runs the checks of copies of 12 MiB only: for an implementation that is set to copy so much in parts.
pub async fn large_copies<O: Objects>(objects: &O, root: &Prefix) -> Report {
    let mut report = Report::default();
    run! { |check| Space::new(objects, root, check), report,
        large: copies_12_mib, never_overwrites, of_a_replaced_source, of_a_missing_source, one_of_two_copies_wins;
    }
    report
}

/// Runs the checks of what `producer` uploads: for each way in which files come into a bucket.
pub async fn uploads<O: Objects, P: Producer>(objects: &O, root: &Prefix, producer: &P) -> Report {
    let mut report = Report::default();
    let uploads = |check| Ok(Uploads { space: Space::new(objects, root, check)?, producer });
    run! { uploads, report,
        uploads: have_one_etag_everywhere, are_read_whole_and_by_part, say_whether_their_etag_is_a_hash,
            of_the_same_bytes_may_be_two_versions,
            are_copied_with_their_content, are_moved_by_the_etags_of_each_place, are_overwritten_by_their_etag,
            are_deleted_together;
    }
    report
}

/// Runs the checks of a destination, on files of `feed` under `root`, which must be empty. `refuse` makes the
/// destination refuse an existing file that has a text where a number should be.
pub async fn destination<D: Destination, O: Objects>(
    destination: &D,
    objects: &O,
    feed: &Feed,
    root: &Prefix,
    refuse: &(dyn Fn(&Key) + Sync),
) -> Report {
    let mut report = Report::default();
    let table = |check| Ok(warehouse::Table { destination, feed, space: Space::new(objects, root, check)?, refuse });
    run! { table, report,
        warehouse: a_ledger_is_made_once, all_rows_are_loaded_and_recorded, one_token_is_one_transaction,
            what_is_recorded_is_not_loaded_again, of_two_at_once_one_loads, a_missing_file_loads_nothing,
            a_bad_file_loads_nothing_and_is_named, what_nobody_knows_is_forgotten, entries_say_what_was_loaded,
            pages_come_in_the_order_of_places, what_is_forgotten_can_be_loaded_again,
            the_ledger_learns_which_version_was_read;
    }
    report
}

/// Runs the checks of a backlog, on files of the first feed of `config`, whose prefix must be empty. `produce` makes
/// what the backlog should know of.
pub async fn backlog<B: Backlog, P: Produce>(backlog: &B, config: &Config, produce: &P) -> Report {
    let mut report = Report::default();
    let waits = |check: &str| backlog::Waits::new(backlog, config, produce, check);
    run! { waits, report,
        backlog: nothing_waits, all_are_counted, the_first_in_the_order_are_chosen, what_is_held_is_listed_only,
            what_rests_is_listed_only, what_the_feed_does_not_take_is_told, markers_are_no_files,
            every_file_is_reached;
    }
    report
}

/// How each check ended.
#[derive(Debug, Default)]
pub struct Report {
    outcomes: Vec<(&'static str, Result<(), Broken>)>,
}

impl Report {
    /// The names of all checks.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.outcomes.iter().map(|(name, _)| *name)
    }

    /// The checks that failed, and how.
    #[must_use]
    pub fn failures(&self) -> Vec<(&'static str, String)> {
        let failed = |(name, outcome): &(&'static str, Result<(), Broken>)| {
            outcome.as_ref().err().map(|broken| (*name, broken.to_string()))
        };
        self.outcomes.iter().filter_map(failed).collect()
    }

    /// What differs from the expectation that the checks in `known` fail, those in `by_chance` may fail (races that an
    /// implementation loses now and then), and all others pass. A name that no check has differs too.
    #[must_use]
    pub fn surprises(&self, known: &[&str], by_chance: &[&str]) -> Vec<String> {
        let differs = |(name, outcome): &(&'static str, Result<(), Broken>)| match outcome {
            Err(broken) if !known.contains(name) && !by_chance.contains(name) => Some(format!("{name}: {broken}")),
            Ok(()) if known.contains(name) => Some(format!("{name}: passes, and is listed as failing")),
            _ => None,
        };
        let unknown = known.iter().chain(by_chance).filter(|name| !self.names().any(|check| check == **name));
        let unknown = unknown.map(|name| format!("{name}: there is no such check"));
        self.outcomes.iter().filter_map(differs).chain(unknown).collect()
    }
}

/// How a check failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// Not as promised.
    #[error("{0}")]
    Promise(String),
    /// The call failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The check itself asks for an invalid key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The check itself asks for an invalid prefix.
    #[error(transparent)]
    Prefix(#[from] PrefixError),
}

type Check = Result<(), Broken>;

/// Where a check works: the bucket, and a prefix of its own.
struct Space<'o, O> {
    objects: &'o O,
    prefix: Prefix,
}

impl<'o, O: Objects> Space<'o, O> {
    fn new(objects: &'o O, root: &Prefix, check: &str) -> Result<Self, Broken> {
        Ok(Self { objects, prefix: root.join(&Prefix::new(format!("{}/", check.replace("::", "/")))?) })
    }

    fn key(&self, name: &str) -> Result<Key, Broken> {
        Ok(self.prefix.key(name)?)
    }

    /// Writes an object and says what a listing would.
    async fn write(&self, name: &str, body: &[u8]) -> Result<File, Broken> {
        let key = self.key(name)?;
        self.objects.put(&key, body.to_vec(), PutIf::Any).await?;
        let file = self.objects.head(&key).await?;
        file.ok_or_else(|| Broken::Promise(format!("{key} was written and is not there")))
    }

    /// All files under the prefix, page by page.
    async fn list(&self) -> Result<Vec<File>, Broken> {
        let (mut files, mut after) = (Vec::new(), None);
        loop {
            let page = self.objects.list(&self.prefix, after.as_deref()).await?;
            files.extend(page.files);
            if page.next.is_none() {
                return Ok(files);
            }
            after = page.next;
        }
    }

    /// The names under the prefix, in the order of the listing.
    async fn names(&self) -> Result<Vec<String>, Broken> {
        Ok(self.list().await?.iter().filter_map(|file| self.prefix.strip(&file.key)).map(str::to_owned).collect())
    }

    /// The object has this content.
    async fn has(&self, name: &str, body: &[u8]) -> Check {
        let content = self.objects.get(&self.key(name)?).await?.map(|content| content.body);
        if content.as_deref() == Some(body) {
            return Ok(());
        }
        let shown =
            |body: &[u8]| format!("{} bytes, {:?}", body.len(), String::from_utf8_lossy(&body[..body.len().min(40)]));
        equal(&format!("the content of {name:?}"), &content.as_deref().map(shown), &Some(shown(body)))
    }

    /// There is no such object.
    async fn lacks(&self, name: &str) -> Check {
        equal(&format!("{name:?}"), &self.objects.head(&self.key(name)?).await?, &None)
    }
}

/// The two are equal; otherwise says of what.
fn equal<T: PartialEq + fmt::Debug>(what: &str, is: &T, should: &T) -> Check {
    if is == should {
        return Ok(());
    }
    Err(Broken::Promise(format!("{what} is {is:?}, and should be {should:?}")))
}

/// A part of exactly this version, from the byte `from` on.
async fn bytes<O: Objects>(objects: &O, file: &File, from: u64, length: u64) -> Result<Option<Vec<u8>>, PortError> {
    Ok(objects.read(file, from, length).await?.map(|part| part.bytes))
}

/// The put was written; its `ETag`.
fn written(put: Put) -> Result<crate::object::ETag, Broken> {
    match put {
        Put::Written(etag) => Ok(etag),
        Put::Refused => Err(Broken::Promise("a put was refused that should have been written".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::destination::Refusal;
    use crate::list::Listing;
    use crate::testing::target::config;
    use crate::testing::{ManualClock, MemoryObjects, MemoryWarehouse, prefix};

    #[tokio::test]
    async fn the_bucket_in_memory_keeps_the_contract() {
        for page_size in [1000, 7] {
            let bucket = MemoryObjects::new(&ManualClock::default()).paged(page_size);
            let report = objects(&bucket, &prefix("contract/")).await;
            assert_eq!(report.surprises(&[], &[]), Vec::<String>::new());
        }
    }

    /// Uploads as any producer does: in one piece, without a key.
    struct Plainly(MemoryObjects);

    impl Producer for Plainly {
        async fn upload(&self, key: &Key, body: Vec<u8>) -> Result<(), PortError> {
            self.0.drop_file(key.as_str(), body);
            Ok(())
        }
    }

    #[tokio::test]
    async fn the_bucket_in_memory_keeps_the_contract_of_uploads() {
        let bucket = MemoryObjects::new(&ManualClock::default());
        let report = uploads(&bucket, &prefix("contract/"), &Plainly(bucket.clone())).await;
        assert_eq!(report.surprises(&[], &[]), Vec::<String>::new());
    }

    #[tokio::test]
    async fn the_warehouse_in_memory_keeps_the_contract() {
        for at_once in [false, true] {
            let clock = ManualClock::default();
            let bucket = MemoryObjects::new(&clock);
            let feed = config("f", "f/", "").feeds.remove(0);
            let mut warehouse = MemoryWarehouse::new(&bucket, &clock);
            if at_once {
                warehouse = warehouse.at_once();
            }
            let refuse = |key: &Key| warehouse.refuse(key, Refusal { message: "no".to_owned(), ..Refusal::default() });
            let report = destination(&warehouse, &bucket, &feed, &prefix("incoming/f/"), &refuse).await;
            assert_eq!(report.surprises(&[], &[]), Vec::<String>::new(), "at once: {at_once}");
        }
    }

    #[tokio::test]
    async fn listings_of_the_bucket_in_memory_keep_the_contract_of_a_backlog() {
        let config = config("f", "f/", "include = [\"*.csv\"]");
        for page_size in [1000, 2] {
            let clock = ManualClock::default();
            let bucket = MemoryObjects::new(&clock).paged(page_size);
            let listing = Listing::new(&config, &bucket);
            let report = backlog(&listing, &config, &(bucket.clone(), clock.clone())).await;
            assert_eq!(report.surprises(&[], &[]), Vec::<String>::new());
        }
    }

    /// One that has no time at all sees a page more each time: it counts at least so many, and comes to every file.
    #[tokio::test]
    async fn a_listing_that_is_always_late_comes_to_every_file() {
        let config = config("f", "f/", "include = [\"*.csv\"]");
        let clock = ManualClock::default();
        let bucket = MemoryObjects::new(&clock).paged(2);
        let listing = Listing::new(&config, &bucket).until(&clock, Timestamp::MIN);
        let report = backlog(&listing, &config, &(bucket.clone(), clock.clone())).await;
        let counts = ["all_are_counted", "the_first_in_the_order_are_chosen"].map(|check| format!("backlog::{check}"));
        assert_eq!(report.surprises(&counts.each_ref().map(String::as_str), &[]), Vec::<String>::new());
    }

    #[test]
    fn a_list_of_known_failures_has_to_be_right() {
        let broken = || Err(Broken::Promise("no".to_owned()));
        let report = Report { outcomes: vec![("good", Ok(())), ("bad", broken()), ("worse", broken())] };
        assert_eq!(report.surprises(&["bad"], &["worse", "good"]), Vec::<String>::new());
        assert_eq!(
            report.surprises(&["bad", "good", "old"], &["older"]),
            [
                "good: passes, and is listed as failing",
                "worse: no",
                "old: there is no such check",
                "older: there is no such check"
            ]
        );
    }
}
