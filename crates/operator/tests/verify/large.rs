//! Verification of very many files: made up as they are asked for, so that whatever memory is taken is the verifier's.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sluice_core::config::Feed;
use sluice_core::destination::{
    Asking, Begun, Entry, Ledger, Load, Loads, Of, Progress, QueryError, Refused, Repairs, Started,
};
use sluice_core::object::{ETag, File, FileId, Key, Prefix};
use sluice_core::ports::{Content, Copy, Delete, Deleted, Objects, Page, PortError, PortErrorKind, Put, PutIf};
use sluice_core::testing::{ManualClock, TestPorts, key};
use sluice_operator::verify::{Account, Options, verify};

use sluice_core::testing::world::config;

/// So many loaded files, and as many that wait.
#[derive(Clone, Copy, Debug)]
struct Made(usize);

fn file(place: &str, number: usize) -> File {
    let etag =
        ETag::new(&format!("{:032x}", (number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)));
    // Half of them are the second file of their name.
    let (name, second) = (number / 2, number % 2 == 1);
    let end = if second && place == "processed" { format!(".{etag}") } else { String::new() };
    let key = key(&format!("{place}/flights/2013/01/01/part-{name:08}.csv.gz{end}"));
    File { key, etag, size: 1000, last_modified: Timestamp::UNIX_EPOCH }
}

/// The two files of a name by their `ETag`s, which is how the ledger has them.
fn entry(number: usize) -> Entry {
    let (one, other) = (file("incoming", number & !1), file("incoming", number | 1));
    let first = if one.etag < other.etag { [one, other] } else { [other, one] };
    let [one, other] = first;
    let file = if number.is_multiple_of(2) { one } else { other };
    Entry { id: file.id(), key: file.key, etag: file.etag, size: file.size, loaded_at: Timestamp::UNIX_EPOCH }
}

fn unasked(what: &'static str) -> PortError {
    PortError::new(what, "", PortErrorKind::Invalid, "a verification does not ask for this")
}

impl Objects for Made {
    async fn list(&self, prefix: &Prefix, after: Option<&str>) -> Result<Page, PortError> {
        let place = prefix.as_str().split('/').next().unwrap();
        // Waiting files have names of their own, each once.
        let at = |number| match place {
            "incoming" => file(place, 2 * (self.0 + number)),
            _ => file(place, number),
        };
        if !matches!(place, "incoming" | "processed") {
            return Ok(Page::default());
        }
        let begin = after.map_or(0, |after| after.parse().unwrap());
        let end = self.0.min(begin + 1000);
        let next = (end < self.0).then(|| end.to_string());
        Ok(Page { files: (begin..end).map(at).collect(), frozen: Vec::new(), next })
    }

    async fn get(&self, _: &Key) -> Result<Option<Content>, PortError> {
        Err(unasked("get"))
    }

    async fn head(&self, _: &Key) -> Result<Option<File>, PortError> {
        Err(unasked("head"))
    }

    async fn put(&self, _: &Key, _: Vec<u8>, _: PutIf<'_>) -> Result<Put, PortError> {
        Err(unasked("put"))
    }

    async fn copy(&self, _: &File, _: &Key) -> Result<Copy, PortError> {
        Err(unasked("copy"))
    }

    async fn delete(&self, _: &Key, _: &ETag) -> Result<Delete, PortError> {
        Err(unasked("delete"))
    }

    async fn delete_many(&self, _: &[(Key, ETag)]) -> Result<Vec<Deleted>, PortError> {
        Err(unasked("delete_many"))
    }
}

impl Loads for Made {
    async fn start(&self, _: &Feed, _: &Load<'_>) -> Result<Started, PortError> {
        Err(unasked("start"))
    }

    async fn poll(&self, _: &Feed, _: &Begun, _: &[File], _: Duration) -> Result<Progress, PortError> {
        Err(unasked("poll"))
    }
}

impl Ledger for Made {
    async fn create_ledger(&self, _: &Feed, _: &Asking) -> Result<(), QueryError> {
        Err(unasked("create_ledger").into())
    }

    async fn loaded(&self, _: &Feed, _: &[File], _: &Asking) -> Result<HashMap<FileId, ETag>, QueryError> {
        Err(unasked("loaded").into())
    }

    async fn forget(&self, _: &Feed, _: &[FileId], _: Timestamp) -> Result<(), QueryError> {
        Err(unasked("forget").into())
    }

    async fn entries(&self, _: &Feed, of: Of<'_>, _: &Asking) -> Result<Vec<Entry>, QueryError> {
        let Of::Page { from, skip, limit } = of else { return Err(unasked("entries").into()) };
        let digits = from.split("part-").nth(1).map(|rest| &rest[..8]);
        let begin = 2 * digits.map_or(0, |digits| digits.parse::<usize>().unwrap());
        let places = (begin..self.0).map(entry).skip_while(|entry| entry.place().as_str() < from);
        Ok(places.skip(skip).take(limit).collect())
    }
}

impl Repairs for Made {
    async fn bad_files(&self, _: &Feed, _: &Load<'_>, _: &Begun, _: &Asking) -> Result<Refused, QueryError> {
        Err(unasked("bad_files").into())
    }

    async fn versions_read(
        &self,
        _: &Feed,
        _: &Begun,
        _: &[File],
        _: &Asking,
    ) -> Result<HashMap<Key, ETag>, QueryError> {
        Err(unasked("versions_read").into())
    }

    async fn amend(&self, _: &Feed, _: &[(File, File)], _: &Asking) -> Result<(), QueryError> {
        Err(unasked("amend").into())
    }
}

async fn account_for(files: usize) -> Account {
    let config = config("");
    let ports = TestPorts::of(Made(files), Made(files), &ManualClock::default());
    verify(&config, &ports, &config.feeds[0], Options::default(), &mut |_| ()).await.unwrap()
}

/// The largest that this process has been so far, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse().ok()).unwrap_or_default()
}

/// The most bytes that a loaded file may take; that one waits takes none.
const BYTES: u64 = 450;

#[tokio::test]
async fn what_is_held_is_the_ledger() {
    for files in [50_000, 100_000] {
        let before = peak();
        let account = account_for(files).await;
        let number = files as u64;
        assert!(account.adds_up(), "{account:?}");
        assert_eq!((account.archived, account.copies, account.waiting), (number, number, number));
        assert_eq!(account.settled, 0, "nothing had to be looked at twice");
        let bytes = (peak() - before) * 1024 / number;
        assert!(bytes <= BYTES, "{bytes} bytes a file");
    }
}

/// `FILES=1000000 cargo test -p sluice-operator --test verify peak -- --ignored --nocapture`
#[tokio::test]
#[ignore = "measures: says how much memory the whole process took"]
async fn peak_memory() {
    let files = std::env::var("FILES").ok().and_then(|files| files.parse().ok()).unwrap_or(1_000_000);
    let (before, begun) = (peak(), Instant::now());
    let account = account_for(files).await;
    assert!(account.adds_up(), "{account:?}");
    let bytes = (peak() - before) * 1024 / files as u64;
    println!(
        "{files} loaded and {files} waiting files: {:?}, peak {} KiB ({before} KiB before), {bytes} bytes a file",
        begun.elapsed(),
        peak()
    );
    assert!(bytes <= BYTES, "{bytes} bytes a file");
}
