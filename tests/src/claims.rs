//! What tests do to claims, and to what rests beside them: place them, read them, set their times into the past.
//!
//! Knows where they are and the few fields that it reads or sets, and nothing of what they mean.

use serde_json::{Value, json};
use sluice_core::claim::Claim;
use sluice_core::config::Config;
use sluice_core::object::{ETag, File, Key};
use sluice_core::run::Run;
use sluice_standin::s3::{Condition, Put, Storage};

const CLAIMS: &str = "sluice/claims/";
const PAST: &str = "2026-01-01T00:00:00Z";

/// Sets every claim's lease, its time to be tried again, and that of every file that rests, into the past, as an operator
/// may who does not want to wait.
///
/// # Panics
/// When a claim is no JSON.
pub fn expire_leases(storage: &Storage, bucket: &str) {
    for key in storage.keys_under(bucket, CLAIMS).expect("a bucket") {
        let Ok(info) = storage.head(bucket, &key) else { continue };
        let Ok(body) = storage.get(bucket, &key) else { continue };
        let mut object: Value = serde_json::from_slice(&body).expect("a claim");
        if rests(&key) {
            object["next_try"] = json!(PAST);
        } else {
            object["lease_expires_at"] = json!(PAST);
            if !object["not_before"].is_null() {
                object["not_before"] = json!(PAST);
            }
        }
        // A function that has written or finished it meanwhile keeps what it did.
        let put = Put { condition: Condition::IfMatch(info.etag), ..Put::default() };
        storage.put_with(bucket, &key, object.to_string(), put).ok();
    }
}

/// The keys of the claims that fill slots of the feed.
///
/// # Panics
/// When there is no such bucket.
#[must_use]
pub fn in_slots(storage: &Storage, bucket: &str, feed: &str) -> Vec<String> {
    let keys = storage.keys_under(bucket, &format!("{CLAIMS}{feed}/")).expect("a bucket");
    keys.into_iter().filter(|key| !rests(key)).collect()
}

/// What the feed lets rest: the file's id, from the object's name, and what the object says.
///
/// # Panics
/// When such an object is no JSON.
#[must_use]
pub fn resting(storage: &Storage, bucket: &str, feed: &str) -> Vec<(String, Value)> {
    let prefix = format!("{CLAIMS}{feed}/resting/");
    let read = |key: String| {
        let body = storage.get(bucket, &key).ok()?;
        let id = key.strip_prefix(&prefix)?.strip_suffix(".json").expect("an object that is called after its file");
        Some((id.to_owned(), serde_json::from_slice(&body).expect("a file that rests")))
    };
    storage.keys_under(bucket, &prefix).expect("a bucket").into_iter().filter_map(read).collect()
}

fn rests(key: &str) -> bool {
    key.strip_prefix(CLAIMS).is_some_and(|name| name.contains("/resting/"))
}

/// Fills a slot of the first feed with a claim on these keys, as a lister would, and sends no worker.
///
/// # Panics
/// When a key is not there.
pub fn offer(storage: &Storage, config: &Config, slot: usize, keys: &[&str]) {
    let (bucket, feed) = (config.bucket.name.as_str(), &config.feeds[0]);
    let file = |key: &&str| {
        let info = storage.head(bucket, key).expect("a file");
        let (key, etag) = (Key::new(*key).expect("a key"), ETag::new(&info.etag));
        File { key, etag, size: info.size, last_modified: info.last_modified }
    };
    let (now, files) = (jiff::Timestamp::now(), keys.iter().map(file).collect());
    let run = Run { owner: "a lister".to_owned(), started: now, deadline: now };
    let mut claim = Claim::held(feed, slot, files, now, &run);
    claim.offer(now);
    let body = serde_json::to_vec(&claim).expect("JSON");
    storage.put(bucket, &format!("{CLAIMS}{}/{slot}.json", feed.name), body).expect("a put");
}
