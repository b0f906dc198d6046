//! Storage classes, encryption and tags, as the real AWS SDK for Rust sees them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod sdk;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::put_object::PutObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ServerSideEncryption::Aes256;
use aws_sdk_s3::types::{
    CompletedMultipartUpload, CompletedPart, MetadataDirective, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule, StorageClass, Tag, Tagging, TaggingDirective,
};
use bytes::Bytes;
use sdk::{BUCKET, client, refusal, standin};
use sluice_standin::s3::Encryption;
use test_case::test_case;

const MIB: usize = 1024 * 1024;
/// `printf hello | md5sum`
const HELLO: &str = "\"5d41402abc4b2a76b9719d911017c592\"";

fn hello() -> ByteStream {
    ByteStream::from_static(b"hello")
}

async fn put(client: &Client, key: &str, encryption: Option<ServerSideEncryption>) -> PutObjectOutput {
    let put = client.put_object().bucket(BUCKET).key(key).set_server_side_encryption(encryption);
    put.body(hello()).send().await.unwrap()
}

async fn copy(client: &Client, from: &str, to: &str, encryption: Option<ServerSideEncryption>) -> String {
    let copy = client.copy_object().bucket(BUCKET).key(to).copy_source(format!("{BUCKET}/{from}"));
    let copied = copy.set_server_side_encryption(encryption).send().await.unwrap();
    copied.copy_object_result.unwrap().e_tag.unwrap()
}

/// Uploads `body` in parts of this size; the tag of the object.
async fn in_parts(client: &Client, key: &str, body: &Bytes, size: usize) -> String {
    let upload = client.create_multipart_upload().bucket(BUCKET).key(key).send().await.unwrap();
    let id = upload.upload_id.unwrap();
    let mut parts = CompletedMultipartUpload::builder();
    for (number, begin) in (1..).zip((0..body.len()).step_by(size)) {
        let part = body.slice(begin..(begin + size).min(body.len()));
        let sent = client.upload_part().bucket(BUCKET).key(key).upload_id(&id).part_number(number).body(part.into());
        let etag = sent.send().await.unwrap().e_tag.unwrap();
        parts = parts.parts(CompletedPart::builder().part_number(number).e_tag(etag).build());
    }
    let complete = client.complete_multipart_upload().bucket(BUCKET).key(key).upload_id(&id);
    complete.multipart_upload(parts.build()).send().await.unwrap().e_tag.unwrap()
}

/// Public facts: `AmazonS3` API Reference, `Object`, `ETag`.
#[tokio::test]
async fn the_same_bytes_in_other_parts_have_another_tag() {
    let standin = standin().await;
    let client = client(&standin, "me");
    let body = Bytes::from(vec![b'x'; 12 * MIB]);
    let tags = [in_parts(&client, "a", &body, 5 * MIB).await, in_parts(&client, "a", &body, 8 * MIB).await];
    assert!(tags[0].ends_with("-3\"") && tags[1].ends_with("-2\""), "{tags:?}");
    assert_eq!(in_parts(&client, "b", &body, 5 * MIB).await, tags[0], "the same parts, the same tag");
    let whole = client.put_object().bucket(BUCKET).key("whole").body(body.into()).send().await.unwrap();
    assert!(!whole.e_tag.unwrap().contains('-'));
    standin.shutdown().await;
}

#[test_case(ServerSideEncryption::AwsKms; "kms")]
#[test_case(ServerSideEncryption::AwsKmsDsse; "twice")]
#[tokio::test]
async fn under_a_key_of_kms_every_put_and_every_copy_has_a_tag_of_its_own(algorithm: ServerSideEncryption) {
    let standin = standin().await;
    let client = client(&standin, "me");
    let kms = || Some(algorithm.clone());
    let first = put(&client, "a", kms()).await;
    assert_eq!(first.server_side_encryption, kms());
    let second = put(&client, "a", kms()).await.e_tag.unwrap();
    let copied = copy(&client, "a", "copy", kms()).await;
    let tags = [first.e_tag.unwrap(), second, copied, HELLO.to_owned()];
    for (index, tag) in tags.iter().enumerate() {
        assert_eq!(tag.len(), 34, "{tag}");
        assert!(!tags[..index].contains(tag), "{tags:?}");
    }
    let head = client.head_object().bucket(BUCKET).key("copy").if_match(&tags[2]).send().await.unwrap();
    assert_eq!(head.server_side_encryption, kms());
    assert_eq!(copy(&client, "a", "plain", None).await, HELLO, "the source's encryption is not taken along");
    let plain = put(&client, "plain", Some(ServerSideEncryption::Aes256)).await;
    assert_eq!(
        (plain.e_tag.as_deref(), plain.server_side_encryption),
        (Some(HELLO), Some(ServerSideEncryption::Aes256))
    );
    standin.shutdown().await;
}

#[tokio::test]
async fn a_bucket_may_encrypt_what_says_nothing_about_it() {
    let standin = standin().await;
    let client = client(&standin, "me");
    let by_default = ServerSideEncryptionByDefault::builder()
        .sse_algorithm(ServerSideEncryption::AwsKms)
        .kms_master_key_id("arn:aws:kms:us-east-1:1:key/k")
        .build()
        .unwrap();
    let rule = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(by_default).build();
    let configuration = ServerSideEncryptionConfiguration::builder().rules(rule).build().unwrap();
    let set = client.put_bucket_encryption().bucket(BUCKET).server_side_encryption_configuration(configuration);
    set.send().await.unwrap();
    let put_one = put(&client, "a", None).await;
    assert_eq!(put_one.ssekms_key_id(), Some("arn:aws:kms:us-east-1:1:key/k"));
    assert_ne!(put_one.e_tag.as_deref(), Some(HELLO));
    let parts = in_parts(&client, "parts", &Bytes::from_static(b"hello"), 5 * MIB).await;
    assert_ne!(in_parts(&client, "parts", &Bytes::from_static(b"hello"), 5 * MIB).await, parts);
    assert!(parts.ends_with("-1\""), "{parts}");
    assert_eq!(put(&client, "b", Some(ServerSideEncryption::Aes256)).await.e_tag.as_deref(), Some(HELLO));
    let got = client.get_bucket_encryption().bucket(BUCKET).send().await.unwrap();
    let rules = got.server_side_encryption_configuration.unwrap().rules;
    let by_default = rules[0].apply_server_side_encryption_by_default.as_ref().unwrap();
    assert_eq!(by_default.sse_algorithm, ServerSideEncryption::AwsKms);
    client.delete_bucket_encryption().bucket(BUCKET).send().await.unwrap();
    assert_eq!(put(&client, "a", None).await.e_tag.as_deref(), Some(HELLO));
    standin.shutdown().await;
}

#[tokio::test]
async fn every_answer_of_an_upload_in_parts_names_the_encryption() {
    let standin = standin().await;
    let client = client(&standin, "me");
    put(&client, "source", None).await;
    for (asked, told) in [(Some(ServerSideEncryption::AwsKms), ServerSideEncryption::AwsKms), (None, Aes256)] {
        let create = client.create_multipart_upload().bucket(BUCKET).key("a").set_server_side_encryption(asked);
        let created = create.send().await.unwrap();
        let id = created.upload_id().unwrap();
        let upload = client.upload_part().bucket(BUCKET).key("a").upload_id(id).part_number(1).body(hello());
        let copy = client.upload_part_copy().bucket(BUCKET).key("a").upload_id(id).part_number(2);
        let copy = copy.copy_source(format!("{BUCKET}/source"));
        let answers = [
            created.server_side_encryption.clone(),
            upload.send().await.unwrap().server_side_encryption,
            copy.send().await.unwrap().server_side_encryption,
        ];
        assert_eq!(answers, [(); 3].map(|()| Some(told.clone())));
    }
    standin.shutdown().await;
}

/// A copy resets what the source's writer chose, and keeps what describes the content.
#[tokio::test]
async fn a_copy_keeps_metadata_and_tags_and_nothing_else() {
    let standin = standin().await;
    let client = client(&standin, "me");
    let put = client.put_object().bucket(BUCKET).key("a").content_type("text/csv").metadata("producer", "firehose");
    let put = put.tagging("team=data").storage_class(StorageClass::StandardIa);
    put.server_side_encryption(ServerSideEncryption::AwsKms).body(hello()).send().await.unwrap();
    copy(&client, "a", "b", None).await;
    let head = client.head_object().bucket(BUCKET).key("b").send().await.unwrap();
    assert_eq!(head.content_type(), Some("text/csv"));
    assert_eq!(head.metadata().unwrap()["producer"], "firehose");
    assert_eq!((head.storage_class, head.server_side_encryption), (None, Some(Aes256)));
    assert_eq!(tags(&client, "b").await, pairs(&[("team", "data")]));
    standin.shutdown().await;
}

#[tokio::test]
async fn a_copy_may_say_what_becomes_of_annotations() {
    let standin = standin().await;
    let client = client(&standin, "me");
    put(&client, "a", None).await;
    let copy = |directive: &str| {
        let copy = client.copy_object().bucket(BUCKET).key("b").copy_source(format!("{BUCKET}/a"));
        copy.annotation_directive(directive.into()).send()
    };
    copy("COPY").await.unwrap();
    copy("EXCLUDE").await.unwrap();
    assert_eq!(refusal(copy("REPLACE").await), (400, "InvalidArgument".to_owned()));
    standin.shutdown().await;
}

#[tokio::test]
async fn keys_that_only_the_client_has_are_refused_by_name() {
    let standin = standin().await;
    let client = client(&standin, "me");
    let put = client.put_object().bucket(BUCKET).key("a").body(hello());
    let put = put.sse_customer_algorithm("AES256").sse_customer_key("a").sse_customer_key_md5("b").send().await;
    assert_eq!(refusal(put), (501, "NotImplemented".to_owned()));
    standin.shutdown().await;
}

#[test_case(StorageClass::Glacier; "glacier")]
#[test_case(StorageClass::DeepArchive; "deep archive")]
#[tokio::test]
async fn what_lies_in_an_archive_is_seen_and_not_read(class: StorageClass) {
    let standin = standin().await;
    let client = client(&standin, "me");
    client.put_object().bucket(BUCKET).key("a").storage_class(class.clone()).body(hello()).send().await.unwrap();
    let listed = client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    assert_eq!(listed.contents()[0].storage_class().unwrap().as_str(), class.as_str());
    let head = client.head_object().bucket(BUCKET).key("a").send().await.unwrap();
    assert_eq!((head.storage_class, head.content_length), (Some(class), Some(5)));
    let invalid = (403, "InvalidObjectState".to_owned());
    assert_eq!(refusal(client.get_object().bucket(BUCKET).key("a").send().await), invalid);
    assert_eq!(refusal(client.get_object().bucket(BUCKET).key("a").range("bytes=0-1").send().await), invalid);
    let source = format!("{BUCKET}/a");
    assert_eq!(refusal(client.copy_object().bucket(BUCKET).key("b").copy_source(&source).send().await), invalid);
    let upload = client.create_multipart_upload().bucket(BUCKET).key("b").send().await.unwrap();
    let part = client.upload_part_copy().bucket(BUCKET).key("b").upload_id(upload.upload_id.unwrap()).part_number(1);
    assert_eq!(refusal(part.copy_source(source).send().await), invalid);
    client.delete_object().bucket(BUCKET).key("a").send().await.unwrap();
    standin.shutdown().await;
}

#[tokio::test]
async fn other_classes_are_read_and_a_copy_is_of_its_own() {
    let standin = standin().await;
    let client = client(&standin, "me");
    for class in [StorageClass::StandardIa, StorageClass::GlacierIr, StorageClass::Standard] {
        let put = client.put_object().bucket(BUCKET).key("a").storage_class(class.clone()).body(hello());
        put.send().await.unwrap();
        let got = client.get_object().bucket(BUCKET).key("a").send().await.unwrap();
        assert_eq!(got.storage_class, Some(class).filter(|class| *class != StorageClass::Standard));
    }
    let change = || client.copy_object().bucket(BUCKET).key("a").copy_source(format!("{BUCKET}/a"));
    change().storage_class(StorageClass::GlacierIr).send().await.unwrap();
    copy(&client, "a", "copy", None).await;
    let class = async |key: &str| client.head_object().bucket(BUCKET).key(key).send().await.unwrap().storage_class;
    assert_eq!((class("a").await, class("copy").await), (Some(StorageClass::GlacierIr), None));
    assert_eq!(refusal(change().send().await), (400, "InvalidRequest".to_owned()));
    let unknown = client.put_object().bucket(BUCKET).key("a").storage_class("ICE".into()).body(hello()).send().await;
    assert_eq!(refusal(unknown), (400, "InvalidStorageClass".to_owned()));
    standin.shutdown().await;
}

async fn tags(client: &Client, key: &str) -> Vec<(String, String)> {
    let got = client.get_object_tagging().bucket(BUCKET).key(key).send().await.unwrap();
    got.tag_set.into_iter().map(|tag| (tag.key, tag.value)).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn tags_are_kept_changed_and_copied_unless_they_are_replaced() {
    let standin = standin().await;
    let client = client(&standin, "me");
    let put = client.put_object().bucket(BUCKET).key("a").tagging("team=data&keep=a%20b").body(hello());
    let etag = put.send().await.unwrap().e_tag;
    assert_eq!(tags(&client, "a").await, pairs(&[("keep", "a b"), ("team", "data")]));
    assert_eq!(client.get_object().bucket(BUCKET).key("a").send().await.unwrap().tag_count, Some(2));

    copy(&client, "a", "b", None).await;
    assert_eq!(tags(&client, "b").await, tags(&client, "a").await);
    let replaced = client.copy_object().bucket(BUCKET).key("c").copy_source(format!("{BUCKET}/a"));
    let replaced = replaced.metadata_directive(MetadataDirective::Replace).tagging("new=1");
    replaced.clone().tagging_directive(TaggingDirective::Replace).send().await.unwrap();
    assert_eq!(tags(&client, "c").await, pairs(&[("new", "1")]));

    let tag = Tag::builder().key("only").value("this").build().unwrap();
    let set = Tagging::builder().tag_set(tag).build().unwrap();
    client.put_object_tagging().bucket(BUCKET).key("a").tagging(set).send().await.unwrap();
    assert_eq!(tags(&client, "a").await, pairs(&[("only", "this")]));
    let head = client.head_object().bucket(BUCKET).key("a").send().await.unwrap();
    assert_eq!(head.e_tag, etag, "the object is the same");
    client.delete_object_tagging().bucket(BUCKET).key("a").send().await.unwrap();
    assert_eq!(tags(&client, "a").await, []);
    let many = (0..11).map(|index| format!("k{index}=v")).collect::<Vec<_>>().join("&");
    let refused = client.put_object().bucket(BUCKET).key("d").tagging(many).body(hello()).send().await;
    assert_eq!(refusal(refused), (400, "InvalidTag".to_owned()));
    standin.shutdown().await;
}

#[tokio::test]
async fn all_of_it_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let options = || sluice_standin::Options {
        folder: Some(folder.path().to_owned()),
        buckets: vec![BUCKET.to_owned()],
        ..sluice_standin::Options::default()
    };
    let first = sluice_standin::StandIn::start(options()).await.unwrap();
    let me = client(&first, "me");
    first.storage().set_encryption(BUCKET, Some(Encryption::kms())).unwrap();
    let put = me.put_object().bucket(BUCKET).key("a").storage_class(StorageClass::Glacier).tagging("a=b");
    put.body(hello()).send().await.unwrap();
    me.put_object_tagging()
        .bucket(BUCKET)
        .key("a")
        .tagging(Tagging::builder().tag_set(Tag::builder().key("c").value("d").build().unwrap()).build().unwrap())
        .send()
        .await
        .unwrap();
    in_parts(&me, "parts", &Bytes::from_static(b"hello"), 5 * MIB).await;
    let before = ["a", "parts"].map(|key| first.storage().head(BUCKET, key).unwrap());
    first.shutdown().await;
    let second = sluice_standin::StandIn::start(options()).await.unwrap();
    assert_eq!(["a", "parts"].map(|key| second.storage().head(BUCKET, key).unwrap()), before);
    let head = client(&second, "me").head_object().bucket(BUCKET).key("a").send().await.unwrap();
    assert_eq!(head.storage_class, Some(StorageClass::Glacier));
    assert_eq!(head.server_side_encryption, Some(ServerSideEncryption::AwsKms));
    assert_eq!(second.storage().tags(BUCKET, "a").unwrap()["c"], "d");
    assert_eq!(second.storage().encryption(BUCKET).unwrap(), Some(Encryption::kms()));
    second.shutdown().await;
}
