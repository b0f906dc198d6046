//! Checks what the protocol needs of the bucket: listings, and conditional writes and deletes, tried on a claim of a
//! feed that does not exist. Also checks the worker and `CloudWatch`.
//!
//! Under the prefixes of files, none of its requests can take effect: an object that does not exist cannot be read,
//! replaced or deleted, and S3 says so only to a caller who has the right.

use std::fmt::Debug;

use jiff::Timestamp;
use serde_json::json;
use sluice_core::batch::BatchId;
use sluice_core::claim::{claims_prefix, slot_key};
use sluice_core::config::{Bucket, Feed};
use sluice_core::measure::{Datum, Metric};
use sluice_core::object::{ETag, Key, KeyError, Prefix, PrefixError};
use sluice_core::ports::{Delete, Metrics as _, Objects, PortError, Ports as _, Put, PutIf, Workers as _};
use sluice_redshift::manifest;

use super::Checks;
use crate::deployment::Deployment;

const LIST: &str = "grant s3:ListBucket on the bucket for this prefix";
const WRITE: &str = "grant s3:GetObject, s3:PutObject and s3:DeleteObject on the claims";

/// Checks everything that the feeds share.
pub(super) async fn check(deployment: &Deployment, feeds: &[&Feed], checks: &mut Checks) {
    let Deployment { config, ports } = deployment;
    let (bucket, objects) = (&config.bucket, ports.objects());
    checks.about(format_args!("bucket {}", bucket.name));
    for prefix in [&bucket.incoming, &bucket.processed, &bucket.failed] {
        list(objects, prefix, checks).await;
    }
    for prefix in [claims_prefix(bucket), state_prefix(bucket)].into_iter().flatten() {
        list(objects, &prefix, checks).await;
    }
    conditions(bucket, objects, checks).await;
    files(bucket, objects, checks).await;
    for feed in feeds {
        let written = write_manifest(bucket, feed, objects).await;
        let what = format!("manifests of {} may be written", feed.name);
        checks.note(&what, written, "grant s3:PutObject on the manifests");
    }
    checks.about("metrics");
    let zeros: Vec<Datum> =
        feeds.iter().map(|feed| Datum::one(Metric::FilesLoaded, &feed.name, Timestamp::now(), 0.0)).collect();
    let published = ports.metrics().publish(&zeros).await;
    let remedy = "grant cloudwatch:PutMetricData for the namespace Sluice";
    checks.note("metrics may be published", published, remedy);
    if std::env::var_os("SLUICE_WORKER_FUNCTION").is_some() {
        checks.about("worker");
        worker(deployment, checks).await;
    }
}

async fn list(objects: &impl Objects, prefix: &Prefix, checks: &mut Checks) {
    checks.note(&format!("{prefix} may be listed"), objects.list(prefix, None).await.map(drop), LIST);
}

/// Tries reads, deletes and writes under the prefixes of files and of hints. Uses only names that do not exist and
/// conditions that nothing meets: S3 answers 404 to a caller with the right, and 403 to one without.
/// Source: Amazon S3 User Guide, "Add preconditions to S3 operations with conditional requests".
async fn files(bucket: &Bucket, objects: &impl Objects, checks: &mut Checks) {
    let Bucket { incoming, processed, failed, .. } = bucket;
    let loads = "the role that loads; the lister needs it only where fan_out = false";
    let all = "the roles of all functions; without it they go on, more slowly";
    let mut tries = vec![
        (incoming, "read", "GetObject", loads),
        (incoming, "emptied", "DeleteObject", loads),
        (processed, "written", "PutObject", loads),
        (failed, "written", "PutObject", loads),
    ];
    let state = state_prefix(bucket);
    if let Ok(state) = &state {
        tries.extend([(state, "read", "GetObject", all), (state, "written", "PutObject", all)]);
    }
    for (prefix, done, action, role) in tries {
        let Ok(key) = nobody(prefix.as_str()) else { continue };
        let allowed = match action {
            "GetObject" => must(objects.get(&key).await.map(|content| content.is_some()), &false),
            "DeleteObject" => must(objects.delete(&key, &other()).await, &Delete::Deleted),
            _ => must(objects.put(&key, vec![], PutIf::Matches(&other())).await, &Put::Refused),
        };
        let remedy = format!("grant s3:{action} on {prefix}* to {role}");
        checks.note(&format!("{prefix} may be {done}"), allowed, &remedy);
    }
}

/// The prefix of hints.
fn state_prefix(bucket: &Bucket) -> Result<Prefix, PrefixError> {
    Prefix::new(format!("{}state/", bucket.state))
}

/// Checks conditional writes and deletes. Each step needs the one before it.
async fn conditions(bucket: &Bucket, objects: &impl Objects, checks: &mut Checks) {
    let Ok(key) = probe(bucket) else { return };
    let Some(body) = claim(&key) else { return };
    let placed = match objects.put(&key, body.clone(), PutIf::Absent).await {
        Ok(Put::Written(etag)) => Ok(etag),
        Ok(Put::Refused) => Err("a name that nobody has is refused".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    checks.note("a claim may be written", placed.as_ref().map(drop), WRITE);
    let Ok(etag) = placed else { return };
    let other = other();
    let needed =
        "use a bucket of Amazon S3, or a store that honours conditional requests: nothing is safe without them";
    let again = objects.put(&key, body.clone(), PutIf::Absent).await;
    checks.note("a second one is refused (If-None-Match)", must(again, &Put::Refused), needed);
    let wrong = objects.put(&key, body, PutIf::Matches(&other)).await;
    checks.note("another version is not replaced (If-Match)", must(wrong, &Put::Refused), needed);
    let read = objects.get(&key).await;
    checks.note("it may be read", must(read.map(|content| content.is_some()), &true), WRITE);
    let kept = objects.delete(&key, &other).await;
    checks.note("another version is not deleted (If-Match)", must(kept, &Delete::Replaced), needed);
    let deleted = objects.delete(&key, &etag).await;
    checks.note("it may be deleted", must(deleted, &Delete::Deleted), WRITE);
}

async fn write_manifest(bucket: &Bucket, feed: &Feed, objects: &impl Objects) -> Result<(), String> {
    let key = manifest::key(bucket, feed, &BatchId::of(&[])).map_err(|error| error.to_string())?;
    let body = b"{\"entries\": []}".to_vec();
    objects.put(&key, body, PutIf::Any).await.map(drop).map_err(|error| error.to_string())
}

/// Invokes the worker with a claim that does not exist: such a worker ends at once.
async fn worker(deployment: &Deployment, checks: &mut Checks) {
    let Ok(key) = probe(&deployment.config.bucket) else { return };
    let sent = deployment.ports.workers().dispatch(&key).await;
    checks.note("the worker may be invoked", sent, "grant lambda:InvokeFunction on the worker, and check its name");
}

/// The key of a claim of a feed that does not exist. Listers leave such claims alone.
fn probe(bucket: &Bucket) -> Result<Key, KeyError> {
    slot_key(bucket, &name(), 0)
}

/// The key of a file that does not exist.
pub(super) fn nobody(prefix: &str) -> Result<Key, KeyError> {
    Key::new(format!("{prefix}{}", name()))
}

fn name() -> String {
    let mark = uuid::Uuid::new_v4().simple().to_string();
    format!("doctor-{}", &mark[..8])
}

/// An `ETag` that no object has.
fn other() -> ETag {
    ETag::new("00000000000000000000000000000000")
}

/// A claim without files, in the format that listers read: they remove a claim that they cannot read.
fn claim(key: &Key) -> Option<Vec<u8>> {
    let now = Timestamp::now();
    let feed = key.as_str().rsplit('/').nth(1)?;
    let claim = json!({"feed": feed, "slot": 0, "batch": BatchId::of(&[]), "files": [], "created_at": now,
                       "lease_expires_at": now, "owner": "sluice doctor"});
    serde_json::to_vec(&claim).ok()
}

fn must<T: PartialEq + Debug>(found: Result<T, PortError>, wanted: &T) -> Result<(), String> {
    match found {
        Ok(found) if found == *wanted => Ok(()),
        Ok(found) => Err(format!("the answer was {found:?}, and {wanted:?} was expected")),
        Err(error) => Err(error.to_string()),
    }
}
