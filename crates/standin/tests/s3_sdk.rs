//! The stand-in's S3 as the real AWS SDK for Rust sees it: objects, conditions, listings, parts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod sdk;

use std::collections::BTreeSet;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, Delete, ObjectIdentifier};
use bytes::Bytes;
use sdk::{BUCKET, client, refusal, standin};
use sluice_standin::s3::Put;

async fn put(client: &Client, key: &str, body: &'static str) -> String {
    let put = client.put_object().bucket(BUCKET).key(key).body(ByteStream::from_static(body.as_bytes()));
    put.send().await.unwrap().e_tag.unwrap()
}

async fn text(client: &Client, key: &str) -> String {
    let got = client.get_object().bucket(BUCKET).key(key).send().await.unwrap();
    String::from_utf8(got.body.collect().await.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn an_object_comes_back_as_it_went_with_all_that_was_said_about_it() {
    let standin = standin().await;
    let client = client(&standin, "me");
    let put = client
        .put_object()
        .bucket(BUCKET)
        .key("a")
        .content_type("text/csv")
        .content_encoding("gzip")
        .metadata("origin", "zurich")
        .body(ByteStream::from_static(b"hello"))
        .send()
        .await
        .unwrap();
    assert_eq!(put.e_tag.unwrap(), "\"5d41402abc4b2a76b9719d911017c592\"");
    // The SDK sends a CRC32 behind the body unless told otherwise.
    assert!(put.checksum_crc32.is_some());

    let got = client.get_object().bucket(BUCKET).key("a").send().await.unwrap();
    assert_eq!(got.content_type(), Some("text/csv"));
    assert_eq!(got.content_encoding(), Some("gzip"));
    assert_eq!(got.metadata().unwrap()["origin"], "zurich");
    assert_eq!(got.content_length(), Some(5));
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"hello");

    let range = client.get_object().bucket(BUCKET).key("a").range("bytes=1-3").send().await.unwrap();
    assert_eq!(range.content_range(), Some("bytes 1-3/5"));
    assert_eq!(range.body.collect().await.unwrap().to_vec(), b"ell");
    let beyond = client.get_object().bucket(BUCKET).key("a").range("bytes=9-").send().await;
    assert_eq!(refusal(beyond), (416, "InvalidRange".to_owned()));

    let head = client.head_object().bucket(BUCKET).key("a").send().await.unwrap();
    assert_eq!(head.content_length(), Some(5));
    assert_eq!(head.last_modified().unwrap().subsec_nanos(), 0);
    assert!(client.head_object().bucket(BUCKET).key("b").send().await.unwrap_err().into_service_error().is_not_found());
    assert_eq!(refusal(client.get_object().bucket(BUCKET).key("b").send().await), (404, "NoSuchKey".to_owned()));
    standin.shutdown().await;
}

#[tokio::test]
async fn every_checksum_of_s3_is_compared_and_kept() {
    use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode};
    let standin = standin().await;
    let client = client(&standin, "me");
    let algorithms = [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ];
    for algorithm in algorithms {
        let key = algorithm.as_str();
        let put = client.put_object().bucket(BUCKET).key(key).checksum_algorithm(algorithm.clone());
        put.body(ByteStream::from_static(b"hello")).send().await.unwrap();
        let stored = standin.storage().head(BUCKET, key).unwrap().headers.unwrap().checksum.clone().unwrap();
        assert_eq!(stored.0.to_uppercase(), key);
        // The SDK compares what it gets with the checksum that comes with it.
        let got = client.get_object().bucket(BUCKET).key(key).checksum_mode(ChecksumMode::Enabled);
        assert_eq!(got.send().await.unwrap().body.collect().await.unwrap().to_vec(), b"hello");
    }
    let wrong = client.put_object().bucket(BUCKET).key("wrong").checksum_crc32("AAAAAA==");
    let wrong = wrong.body(ByteStream::from_static(b"hello")).send().await;
    assert_eq!(refusal(wrong), (400, "BadDigest".to_owned()));
    assert!(standin.storage().head(BUCKET, "wrong").is_err());
    standin.shutdown().await;
}

#[tokio::test]
async fn an_empty_object_and_a_large_one_come_back() {
    let standin = standin().await;
    let client = client(&standin, "me");
    put(&client, "empty", "").await;
    assert_eq!(text(&client, "empty").await, "");
    let large: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    client.put_object().bucket(BUCKET).key("large").body(large.clone().into()).send().await.unwrap();
    let got = client.get_object().bucket(BUCKET).key("large").send().await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().into_bytes(), large);
    standin.shutdown().await;
}

#[tokio::test]
async fn conditions_of_writes_hold() {
    let standin = standin().await;
    let client = client(&standin, "me");
    let create = || client.put_object().bucket(BUCKET).key("claim").if_none_match("*").body(Bytes::from("1").into());
    let first = create().send().await.unwrap().e_tag.unwrap();
    assert_eq!(refusal(create().send().await), (412, "PreconditionFailed".to_owned()));

    let renew =
        |etag: &str| client.put_object().bucket(BUCKET).key("claim").if_match(etag).body(Bytes::from("2").into());
    let second = renew(&first).send().await.unwrap().e_tag.unwrap();
    assert_eq!(refusal(renew(&first).send().await), (412, "PreconditionFailed".to_owned()));

    let delete = |etag: &str| client.delete_object().bucket(BUCKET).key("claim").if_match(etag);
    assert_eq!(refusal(delete(&first).send().await), (412, "PreconditionFailed".to_owned()));
    delete(&second).send().await.unwrap();
    assert_eq!(refusal(delete(&second).send().await), (404, "NoSuchKey".to_owned()));
    assert_eq!(refusal(delete("*").send().await), (404, "NoSuchKey".to_owned()));
    assert_eq!(refusal(renew(&second).send().await), (404, "NoSuchKey".to_owned()));
    client.delete_object().bucket(BUCKET).key("claim").send().await.unwrap();

    // Not offered by S3, so not here either.
    let odd = client.put_object().bucket(BUCKET).key("claim").if_none_match(&first).send().await;
    assert_eq!(refusal(odd).0, 501);
    standin.shutdown().await;
}

#[tokio::test]
async fn conditions_of_reads_hold() {
    let standin = standin().await;
    let client = client(&standin, "me");
    let etag = put(&client, "a", "1").await;
    let get = || client.get_object().bucket(BUCKET).key("a");
    assert_eq!(refusal(get().if_none_match(&etag).send().await).0, 304);
    get().if_match(&etag).send().await.unwrap();
    put(&client, "a", "2").await;
    assert_eq!(refusal(get().if_match(&etag).send().await), (412, "PreconditionFailed".to_owned()));
    get().if_none_match(&etag).send().await.unwrap();
    standin.shutdown().await;
}

#[tokio::test]
async fn a_copy_checks_its_source_and_its_destination() {
    let standin = standin().await;
    let client = client(&standin, "me");
    let old = put(&client, "incoming/a", "old").await;
    let copy = |etag: &str| {
        client
            .copy_object()
            .bucket(BUCKET)
            .key("processed/a")
            .copy_source(format!("{BUCKET}/incoming/a"))
            .copy_source_if_match(etag)
            .if_none_match("*")
    };
    let copied = copy(&old).send().await.unwrap();
    assert_eq!(copied.copy_object_result.unwrap().e_tag.unwrap(), old);
    assert_eq!(refusal(copy(&old).send().await), (412, "PreconditionFailed".to_owned()));
    client.delete_object().bucket(BUCKET).key("processed/a").send().await.unwrap();
    put(&client, "incoming/a", "new").await;
    assert_eq!(refusal(copy(&old).send().await), (412, "PreconditionFailed".to_owned()));
    assert!(standin.storage().head(BUCKET, "processed/a").is_err());

    let replace = |etag: &str| {
        client.copy_object().bucket(BUCKET).key("b").copy_source(format!("{BUCKET}/incoming/a")).if_match(etag)
    };
    assert_eq!(refusal(replace(&old).send().await), (404, "NoSuchKey".to_owned()));
    let there = put(&client, "b", "there").await;
    assert_eq!(refusal(replace(&old).send().await), (412, "PreconditionFailed".to_owned()));
    replace(&there).send().await.unwrap();
    assert_eq!(text(&client, "b").await, "new");
    standin.shutdown().await;
}

#[tokio::test]
async fn more_than_5_gib_is_copied_in_parts_only() {
    const GIB: u64 = 1024 * 1024 * 1024;
    let standin = standin().await;
    let client = client(&standin, "me");
    let size = 6 * GIB;
    let hole = standin.storage().put_hole(BUCKET, "huge", size).unwrap();
    let source = format!("{BUCKET}/huge");
    let whole = client.copy_object().bucket(BUCKET).key("copy").copy_source(&source).send().await;
    assert_eq!(refusal(whole), (400, "InvalidRequest".to_owned()));

    let upload = client.create_multipart_upload().bucket(BUCKET).key("copy").send().await.unwrap();
    let id = upload.upload_id.unwrap();
    let mut parts = CompletedMultipartUpload::builder();
    for (number, start) in (1..).zip((0..size).step_by(usize::try_from(3 * GIB).unwrap())) {
        let part = client
            .upload_part_copy()
            .bucket(BUCKET)
            .key("copy")
            .upload_id(&id)
            .part_number(number)
            .copy_source(&source)
            .copy_source_if_match(&hole.etag)
            .copy_source_range(format!("bytes={start}-{}", (start + 3 * GIB).min(size) - 1))
            .send()
            .await
            .unwrap();
        let etag = part.copy_part_result.unwrap().e_tag.unwrap();
        parts = parts.parts(CompletedPart::builder().part_number(number).e_tag(etag).build());
    }
    let complete = || {
        client
            .complete_multipart_upload()
            .bucket(BUCKET)
            .key("copy")
            .upload_id(&id)
            .multipart_upload(parts.clone().build())
            .if_none_match("*")
    };
    put(&client, "copy", "in the way").await;
    assert_eq!(refusal(complete().send().await), (412, "PreconditionFailed".to_owned()));
    client.delete_object().bucket(BUCKET).key("copy").send().await.unwrap();
    let done = complete().send().await.unwrap();
    assert!(done.e_tag.unwrap().ends_with("-2\""));
    assert_eq!(standin.storage().head(BUCKET, "copy").unwrap().size, size);
    assert_eq!(refusal(complete().send().await), (404, "NoSuchUpload".to_owned()));
    standin.shutdown().await;
}

#[tokio::test]
async fn an_upload_in_parts_is_joined_and_its_copy_has_the_tag_of_one_piece() {
    let standin = standin().await;
    let client = client(&standin, "me");
    let upload =
        client.create_multipart_upload().bucket(BUCKET).key("joined").content_type("text/csv").send().await.unwrap();
    let id = upload.upload_id.unwrap();
    let first = Bytes::from(vec![b'a'; 5 * 1024 * 1024]);
    let mut parts = CompletedMultipartUpload::builder();
    for (number, body) in [(1, first.clone()), (2, Bytes::from_static(b"the rest"))] {
        let part = client.upload_part().bucket(BUCKET).key("joined").upload_id(&id).part_number(number);
        let etag = part.body(body.into()).send().await.unwrap().e_tag.unwrap();
        parts = parts.parts(CompletedPart::builder().part_number(number).e_tag(etag).build());
    }
    let listed = client.list_parts().bucket(BUCKET).key("joined").upload_id(&id).send().await.unwrap();
    assert_eq!(listed.parts().len(), 2);
    let complete = client.complete_multipart_upload().bucket(BUCKET).key("joined").upload_id(&id);
    complete.multipart_upload(parts.build()).send().await.unwrap();

    let mut whole = first.to_vec();
    whole.extend_from_slice(b"the rest");
    let joined = standin.storage().head(BUCKET, "joined").unwrap();
    assert!(joined.etag.ends_with("-2"), "{}", joined.etag);
    assert_eq!(standin.storage().get(BUCKET, "joined").unwrap(), whole);
    let tail = client.get_object().bucket(BUCKET).key("joined").range("bytes=5242878-5242882").send().await.unwrap();
    assert_eq!(tail.body.collect().await.unwrap().to_vec(), b"aathe");

    let source = format!("{BUCKET}/joined");
    client.copy_object().bucket(BUCKET).key("copy").copy_source(source).send().await.unwrap();
    let plain = standin.storage().put(BUCKET, "plain", whole).unwrap();
    let copy = standin.storage().head(BUCKET, "copy").unwrap();
    assert_eq!(copy.etag, plain.etag);
    assert_eq!(copy.headers.unwrap().content_type.as_deref(), Some("text/csv"));
    standin.shutdown().await;
}

#[tokio::test]
async fn deleting_many_honours_each_tag() {
    let standin = standin().await;
    let client = client(&standin, "me");
    let (a, b) = (put(&client, "a", "1").await, put(&client, "b", "1").await);
    put(&client, "b", "replaced").await;
    put(&client, "c", "1").await;
    let object = |key: &str, etag: Option<&String>| {
        ObjectIdentifier::builder().key(key).set_e_tag(etag.cloned()).build().unwrap()
    };
    let delete = Delete::builder()
        .objects(object("a", Some(&a)))
        .objects(object("b", Some(&b)))
        .objects(object("c", None))
        .objects(object("never there", None))
        .objects(object("gone", Some(&a)))
        .build()
        .unwrap();
    let answer = client.delete_objects().bucket(BUCKET).delete(delete).send().await.unwrap();
    let deleted: Vec<_> = answer.deleted().iter().map(|object| object.key().unwrap()).collect();
    assert_eq!(deleted, ["a", "c", "never there"]);
    let errors: Vec<_> = answer.errors().iter().map(|error| (error.key().unwrap(), error.code().unwrap())).collect();
    assert_eq!(errors, [("b", "PreconditionFailed"), ("gone", "NoSuchKey")]);
    assert_eq!(standin.storage().keys_under(BUCKET, "").unwrap(), ["b"]);
    standin.shutdown().await;
}

#[tokio::test]
async fn two_and_a_half_thousand_keys_come_in_order_in_three_pages() {
    let standin = standin().await;
    let client = client(&standin, "me");
    for i in 0..2500 {
        standin.storage().put(BUCKET, &format!("incoming/{i:04}"), "x").unwrap();
    }
    standin.storage().put(BUCKET, "other", "x").unwrap();
    let mut pages = client.list_objects_v2().bucket(BUCKET).prefix("incoming/").into_paginator().send();
    let mut keys = Vec::new();
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        sizes.push(page.contents().len());
        for object in page.contents() {
            assert_eq!(object.e_tag(), Some("\"9dd4e461268c8034f5c8564e155c67a6\""));
            assert_eq!(object.size(), Some(1));
            assert_eq!(object.last_modified().unwrap().subsec_nanos(), 0);
            keys.push(object.key().unwrap().to_owned());
        }
    }
    assert_eq!(sizes, [1000, 1000, 500]);
    assert_eq!(keys, (0..2500).map(|i| format!("incoming/{i:04}")).collect::<Vec<_>>());
    assert_eq!(standin.journal().count("me", "ListObjectsV2"), 3);

    let after = client.list_objects_v2().bucket(BUCKET).start_after("incoming/2497").send().await.unwrap();
    let keys: Vec<_> = after.contents().iter().map(|object| object.key().unwrap()).collect();
    assert_eq!(keys, ["incoming/2498", "incoming/2499", "other"]);
    let bad = client.list_objects_v2().bucket(BUCKET).continuation_token("incoming/1").send().await;
    assert_eq!(refusal(bad), (400, "InvalidArgument".to_owned()));
    standin.shutdown().await;
}

#[tokio::test]
async fn common_prefixes_are_counted_paged_and_leapt_over() {
    let standin = standin().await;
    let client = client(&standin, "me");
    for key in ["a", "a/1", "a/2", "b/1", "b/2/x", "c"] {
        standin.storage().put(BUCKET, key, "x").unwrap();
    }
    let list = || client.list_objects_v2().bucket(BUCKET).delimiter("/").max_keys(2);
    let mut seen = Vec::new();
    let mut token = None;
    loop {
        let page = list().set_continuation_token(token).send().await.unwrap();
        assert!(page.key_count().unwrap() <= 2);
        seen.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
        seen.extend(page.common_prefixes().iter().map(|prefix| prefix.prefix().unwrap().to_owned()));
        token = page.next_continuation_token().map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["a", "a/", "c", "b/"]);

    let mut seen = Vec::new();
    let mut marker = None;
    loop {
        let page =
            client.list_objects().bucket(BUCKET).delimiter("/").max_keys(1).set_marker(marker).send().await.unwrap();
        seen.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
        seen.extend(page.common_prefixes().iter().map(|prefix| prefix.prefix().unwrap().to_owned()));
        marker = page.next_marker().map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["a", "a/", "b/", "c"]);
    standin.shutdown().await;
}

#[tokio::test]
async fn odd_keys_are_keys_like_any_other() {
    let standin = standin().await;
    let client = client(&standin, "me");
    let longest = "ü".repeat(512);
    let keys = [
        "a",
        "a/b",
        "a//b",
        "a/",
        "with space",
        " leading",
        "trailing ",
        "plus+plus",
        "100%",
        "%2F",
        "it's",
        "\"quoted\"",
        "back\\slash\\",
        "ünï/日本/🚀",
        "a?b#c&d=e;f",
        "<xml>&amp;",
        "dots/../up",
        "./here",
        "tab\tkey",
        "(x)*!~'",
        longest.as_str(),
    ];
    for key in keys {
        put(&client, key, "x").await;
        assert_eq!(text(&client, key).await, "x", "{key}");
        client.head_object().bucket(BUCKET).key(key).send().await.unwrap();
        let copy = format!("copy of {key}");
        if copy.len() <= 1024 {
            // The source of a copy is the caller's to encode.
            let source = format!("{BUCKET}/{}", percent(key));
            client.copy_object().bucket(BUCKET).key(&copy).copy_source(source).send().await.unwrap();
            client.delete_object().bucket(BUCKET).key(&copy).send().await.unwrap();
        }
    }
    let listed = client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    let listed: Vec<_> = listed.contents().iter().map(|object| object.key().unwrap().to_owned()).collect();
    let sorted: BTreeSet<_> = keys.iter().map(|key| (*key).to_owned()).collect();
    assert_eq!(listed, sorted.iter().cloned().collect::<Vec<_>>());
    assert_eq!(standin.storage().keys_under(BUCKET, "").unwrap(), listed);

    let objects = keys.iter().map(|key| ObjectIdentifier::builder().key(*key).build().unwrap());
    let delete = Delete::builder().set_objects(Some(objects.collect())).build().unwrap();
    client.delete_objects().bucket(BUCKET).delete(delete).send().await.unwrap();
    assert!(standin.storage().list(BUCKET, "").unwrap().is_empty());

    let too_long = client.put_object().bucket(BUCKET).key("x".repeat(1025)).send().await;
    assert_eq!(refusal(too_long), (400, "KeyTooLongError".to_owned()));
    standin.shutdown().await;
}

fn percent(key: &str) -> String {
    percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[tokio::test]
async fn buckets_come_and_go() {
    let standin = standin().await;
    let client = client(&standin, "me");
    client.create_bucket().bucket("another").send().await.unwrap();
    client.head_bucket().bucket("another").send().await.unwrap();
    client.get_bucket_location().bucket("another").send().await.unwrap();
    let buckets = client.list_buckets().send().await.unwrap();
    let names: Vec<_> = buckets.buckets().iter().map(|bucket| bucket.name().unwrap()).collect();
    assert_eq!(names, ["another", BUCKET]);
    standin.storage().put("another", "k", "x").unwrap();
    assert_eq!(refusal(client.delete_bucket().bucket("another").send().await), (409, "BucketNotEmpty".to_owned()));
    standin.storage().remove("another", "k").unwrap();
    client.delete_bucket().bucket("another").send().await.unwrap();
    let gone = client.list_objects_v2().bucket("another").send().await;
    assert_eq!(refusal(gone), (404, "NoSuchBucket".to_owned()));
    standin.shutdown().await;
}

#[tokio::test]
async fn a_wrong_secret_is_refused() {
    let standin = standin().await;
    let client = client(&standin, "me");
    let wrong = aws_sdk_s3::config::Credentials::new("me", "wrong", None, None, "test");
    let config = client.config().to_builder().credentials_provider(wrong).build();
    let listed = Client::from_conf(config).list_buckets().send().await;
    assert_eq!(refusal(listed), (403, "SignatureDoesNotMatch".to_owned()));
    standin.shutdown().await;
}

#[tokio::test]
async fn objects_in_a_folder_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let options = || sluice_standin::Options {
        folder: Some(folder.path().to_owned()),
        buckets: vec![BUCKET.to_owned()],
        ..sluice_standin::Options::default()
    };
    let standin = sluice_standin::StandIn::start(options()).await.unwrap();
    let first = client(&standin, "me");
    let large = "line\n".repeat(100_000);
    first.put_object().bucket(BUCKET).key("a").body(large.clone().into_bytes().into()).send().await.unwrap();
    put(&first, "b/..%2f", "1").await;
    put(&first, "b/..%2f", "2").await;
    put(&first, "c", "x").await;
    let source = format!("{BUCKET}/a");
    first.copy_object().bucket(BUCKET).key("copy").copy_source(source).metadata("k", "v").send().await.unwrap();
    first.delete_object().bucket(BUCKET).key("a").send().await.unwrap();
    first.delete_object().bucket(BUCKET).key("c").send().await.unwrap();
    let before = standin.storage().list(BUCKET, "").unwrap();
    standin.shutdown().await;

    let standin = sluice_standin::StandIn::start(options()).await.unwrap();
    let second = client(&standin, "me");
    assert_eq!(standin.storage().list(BUCKET, "").unwrap(), before);
    assert_eq!(text(&second, "copy").await, large);
    assert_eq!(text(&second, "b/..%2f").await, "2");
    let range = second.get_object().bucket(BUCKET).key("copy").range("bytes=-5").send().await.unwrap();
    assert_eq!(range.body.collect().await.unwrap().to_vec(), b"line\n");
    put(&second, "new", "x").await;
    assert_eq!(text(&second, "copy").await, large);
    standin.shutdown().await;
}

#[tokio::test]
async fn an_old_object_can_be_had() {
    let standin = standin().await;
    let at: jiff::Timestamp = "2020-01-02T03:04:05.678Z".parse().unwrap();
    let old = Put { last_modified: Some(at), ..Put::default() };
    standin.storage().put_with(BUCKET, "old", "x", old).unwrap();
    let head = client(&standin, "me").head_object().bucket(BUCKET).key("old").send().await.unwrap();
    assert_eq!(head.last_modified().unwrap().secs(), at.as_second());
    standin.shutdown().await;
}
