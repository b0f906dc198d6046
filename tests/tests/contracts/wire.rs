//! What the adapter does on the wire, with faults that only a wire has.

use sluice_core::object::{ETag, File, Key};
use sluice_core::ports::{Copy, Delete, Objects, PortErrorKind, Put, PutIf};
use sluice_core::testing::{key, prefix};
use sluice_standin::StandIn;
use sluice_standin::faults::{Fault, Rule};
use sluice_standin::s3::{Headers, Put as Upload};

use crate::{BUCKET, SMALL_PARTS, bucket_at, standin};

/// The SDK tries again when a reply is lost, and is then refused because of its own first try.
#[tokio::test]
async fn a_lost_reply_does_not_make_a_winner_a_loser() {
    let standin = standin().await;
    let bucket = bucket_at(standin.endpoint()).await;
    let lose = |operation| standin.faults().add(Rule::new(Fault::LoseReply).operation(operation).nth(1));

    lose("PutObject");
    let put = bucket.put(&key("claim"), b"mine".to_vec(), PutIf::Absent).await.unwrap();
    let Put::Written(etag) = put else { panic!("{put:?}") };
    lose("PutObject");
    let put = bucket.put(&key("claim"), b"mine again".to_vec(), PutIf::Matches(&etag)).await.unwrap();
    assert!(matches!(put, Put::Written(_)), "{put:?}");
    lose("PutObject");
    let put = bucket.put(&key("claim"), b"somebody else's".to_vec(), PutIf::Absent).await.unwrap();
    assert_eq!(put, Put::Refused, "the claim was there before the first try");

    let file = bucket.head(&key("claim")).await.unwrap().unwrap();
    lose("CopyObject");
    assert_eq!(bucket.copy(&file, &key("copy")).await.unwrap(), Copy::Copied);
    lose("DeleteObject");
    assert_eq!(bucket.delete(&file.key, &file.etag).await.unwrap(), Delete::Deleted);
    standin.shutdown().await;
}

#[tokio::test]
async fn a_lost_reply_does_not_repeat_a_multipart_copy() {
    let standin = standin().await;
    let bucket = bucket_at(standin.endpoint()).await.with_copies(SMALL_PARTS);
    let file = large(&standin, "large", 12 << 20);
    standin.faults().add(Rule::new(Fault::LoseReply).operation("CompleteMultipartUpload").nth(1));
    assert_eq!(bucket.copy(&file, &key("copy")).await.unwrap(), Copy::Copied);
    assert_eq!(standin.storage().head(BUCKET, "copy").unwrap().size, 12 << 20);
    standin.shutdown().await;
}

/// `CopyObject` takes everything along by itself; an upload of parts has to be told.
#[tokio::test]
async fn a_multipart_copy_takes_headers_and_metadata_along() {
    let standin = standin().await;
    let bucket = bucket_at(standin.endpoint()).await.with_copies(SMALL_PARTS);
    let headers = Headers {
        content_type: Some("text/csv".to_owned()),
        content_encoding: Some("gzip".to_owned()),
        content_language: Some("en".to_owned()),
        content_disposition: Some("attachment".to_owned()),
        cache_control: Some("no-cache".to_owned()),
        metadata: [("producer".to_owned(), "firehose".to_owned())].into(),
        checksum: None,
    };
    let put = Upload { headers: headers.clone(), ..Upload::default() };
    standin.storage().put_with(BUCKET, "large", vec![7; 6 << 20], put).unwrap();
    let file = bucket.head(&key("large")).await.unwrap().unwrap();
    assert_eq!(bucket.copy(&file, &key("copy")).await.unwrap(), Copy::Copied);
    let copied = standin.storage().head(BUCKET, "copy").unwrap();
    assert_eq!(copied.headers.as_deref(), Some(&headers));
    assert_ne!(copied.etag, file.etag.as_str(), "it was not copied in parts");
    standin.shutdown().await;
}

#[tokio::test]
async fn more_than_5_gib_are_copied_in_parts() {
    let standin = standin().await;
    let bucket = bucket_at(standin.endpoint()).await;
    let file = large(&standin, "huge", 6 << 30);
    assert_eq!(bucket.copy(&file, &key("copy")).await.unwrap(), Copy::Copied);
    assert_eq!(standin.storage().head(BUCKET, "copy").unwrap().size, 6 << 30);
    standin.shutdown().await;
}

/// Parts that nobody can see are paid for all the same.
#[tokio::test]
async fn a_multipart_copy_that_fails_is_aborted() {
    let standin = standin().await;
    let bucket = bucket_at(standin.endpoint()).await.with_copies(SMALL_PARTS);
    let file = large(&standin, "large", 12 << 20);
    let replaced = File { etag: ETag::new("0123456789abcdef0123456789abcdef"), ..file.clone() };
    assert_eq!(bucket.copy(&replaced, &key("copy")).await.unwrap(), Copy::Replaced(file.etag.clone()));
    let mark = standin.journal().mark();
    standin.faults().add(Rule::new(Fault::InternalError).operation("CompleteMultipartUpload"));
    let error = bucket.copy(&file, &key("copy")).await.unwrap_err();
    assert_eq!(error.kind, PortErrorKind::Unavailable);
    let counts = standin.journal().counts(mark, "");
    assert_eq!(counts.get("s3:AbortMultipartUpload"), Some(&1), "{counts:?}");
    standin.shutdown().await;
}

#[tokio::test]
async fn what_is_wrong_has_a_kind_and_names_the_object() {
    let standin = standin().await;
    let bucket = bucket_at(standin.endpoint()).await;
    let rule = standin.faults().add(Rule::new(Fault::Throttle).operation("GetObject"));
    let error = bucket.get(&key("a key")).await.unwrap_err();
    assert_eq!((error.kind, error.subject.as_str()), (PortErrorKind::Throttled, "contract/a key"));
    standin.faults().remove(rule);
    standin.storage().delete_bucket(BUCKET).unwrap();
    for error in [
        bucket.get(&key("k")).await.map(drop).unwrap_err(),
        bucket.put(&key("k"), vec![], PutIf::Matches(&ETag::new("e"))).await.map(drop).unwrap_err(),
        bucket.list(&prefix("a/"), None).await.map(drop).unwrap_err(),
        bucket.delete(&key("k"), &ETag::new("e")).await.map(drop).unwrap_err(),
        bucket.delete_many(&[(key("k"), ETag::new("e"))]).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind, PortErrorKind::Missing, "{error}");
    }
    standin.shutdown().await;
}

#[tokio::test]
async fn a_thousand_deletes_are_one_request() {
    let standin = standin().await;
    let bucket = bucket_at(standin.endpoint()).await;
    let file = |number: usize| {
        let name = format!("{number}");
        let etag = standin.storage().put(BUCKET, &name, "x").unwrap().etag;
        (Key::new(name).unwrap(), ETag::new(&etag))
    };
    let files: Vec<_> = (0..1000).map(file).collect();
    let mark = standin.journal().mark();
    let deleted: Result<Vec<Delete>, _> = bucket.delete_many(&files).await.unwrap().into_iter().collect();
    assert_eq!(deleted.unwrap(), vec![Delete::Deleted; 1000]);
    assert_eq!(standin.journal().since(mark).len(), 1);
    standin.shutdown().await;
}

/// S3 may refuse a key among many for its `ETag`, although it is right: alone, `If-Match` decides.
#[tokio::test]
async fn a_key_that_is_refused_among_many_is_asked_for_alone() {
    let standin = standin().await;
    let bucket = bucket_at(standin.endpoint()).await;
    let file = |name: &str| {
        let etag = standin.storage().put(BUCKET, name, "x").unwrap().etag;
        (key(name), ETag::new(&etag))
    };
    let files = ["right", "replaced", "plain"].map(file);
    standin.storage().put(BUCKET, "replaced", "another").unwrap();
    standin.faults().add(Rule::new(Fault::KEY_MISMATCH).subject(format!("{BUCKET}/r")));
    let mark = standin.journal().mark();
    let deleted: Result<Vec<Delete>, _> = bucket.delete_many(&files).await.unwrap().into_iter().collect();
    assert_eq!(deleted.unwrap(), [Delete::Deleted, Delete::Replaced, Delete::Deleted]);
    assert_eq!(standin.storage().keys_under(BUCKET, "").unwrap(), ["replaced"]);
    let counts: Vec<_> = standin.journal().counts(mark, "").into_values().collect();
    assert_eq!(counts, [2, 1], "one for all, and one for each that was refused");
    standin.shutdown().await;
}

/// An object of zeros that takes no room.
fn large(standin: &StandIn, name: &str, size: u64) -> File {
    let hole = standin.storage().put_hole(BUCKET, name, size).unwrap();
    File { key: key(name), etag: ETag::new(&hole.etag), size, last_modified: hole.last_modified }
}
