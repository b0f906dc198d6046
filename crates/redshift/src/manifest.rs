//! The manifest: the list of objects that one COPY reads. Pure.
//!
//! Every entry is mandatory: without that word COPY would skip a missing file silently.
//! Source: Amazon Redshift Database Developer Guide, "Using a manifest to specify data files".

use serde::Serialize;

use sluice_core::batch::BatchId;
use sluice_core::config::{Bucket, Feed};
use sluice_core::object::{File, Key, KeyError};

#[derive(Serialize)]
struct Manifest {
    entries: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    url: String,
    mandatory: bool,
    meta: Meta,
}

/// COPY of ORC and Parquet needs the file's size in bytes.
#[derive(Serialize)]
struct Meta {
    content_length: u64,
}

/// The manifest of `files` in `bucket`, as JSON. No key makes it fail.
pub(crate) fn manifest(bucket: &str, files: &[File]) -> Result<Vec<u8>, serde_json::Error> {
    let entry =
        |file: &File| Entry { url: url(bucket, file), mandatory: true, meta: Meta { content_length: file.size } };
    serde_json::to_vec(&Manifest { entries: files.iter().map(entry).collect() })
}

/// Where the manifest of a batch is.
///
/// # Errors
/// When the state prefix is too long.
pub fn key(bucket: &Bucket, feed: &Feed, batch: &BatchId) -> Result<Key, KeyError> {
    Key::new(format!("{}manifests/{}/{batch}.manifest", bucket.state, feed.name))
}

/// A file's URL as manifests and system views have it: the key is not encoded.
pub(crate) fn url(bucket: &str, file: &File) -> String {
    format!("s3://{bucket}/{}", file.key)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use sluice_core::object::{ETag, Key};

    fn named(key: &str) -> File {
        let (key, etag) = (Key::new(key).unwrap(), ETag::new("e"));
        File { key, etag, size: 7, last_modified: Timestamp::UNIX_EPOCH }
    }

    /// What a key like this would do to a manifest that is put together as text.
    #[test]
    fn a_manifest_of_text_would_let_entries_in() {
        let key = r#"in/a","mandatory":false},{"url":"s3://other/secret"#;
        let text = format!(r#"{{"entries":[{{"url":"s3://b/{key}","mandatory":true}}]}}"#);
        let urls = |json: &[u8]| {
            let manifest: serde_json::Value = serde_json::from_slice(json).unwrap();
            let entries = manifest["entries"].as_array().unwrap().clone();
            entries.iter().map(|entry| entry["url"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(urls(text.as_bytes()), ["s3://b/in/a", "s3://other/secret"]);
        assert_eq!(urls(&manifest("b", &[named(key)]).unwrap()), [format!("s3://b/{key}")]);
    }

    proptest! {
        #[test]
        fn any_key_is_one_entry(keys in proptest::collection::vec(any::<String>(), 1..4)) {
            let files: Vec<File> = keys.iter().map(|key| named(&format!("in/{key}"))).collect();
            let json: serde_json::Value = serde_json::from_slice(&manifest("b", &files).unwrap()).unwrap();
            let entry = |key: &String| serde_json::json!({
                "url": format!("s3://b/in/{key}"), "mandatory": true, "meta": {"content_length": 7}
            });
            let expected = serde_json::json!({"entries": keys.iter().map(entry).collect::<Vec<_>>()});
            prop_assert_eq!(json, expected);
        }
    }

    #[test]
    fn every_entry_is_mandatory_and_keys_are_as_they_are() {
        let file = |key: &str| File {
            key: Key::new(key).unwrap(),
            etag: ETag::new("e"),
            size: 7,
            last_modified: Timestamp::UNIX_EPOCH,
        };
        let json = manifest("b", &[file("in/a b+%41'\"\\"), file("in/ü\n")]).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let urls: Vec<&str> =
            value["entries"].as_array().unwrap().iter().map(|entry| entry["url"].as_str().unwrap()).collect();
        assert_eq!(urls, ["s3://b/in/a b+%41'\"\\", "s3://b/in/ü\n"]);
        for entry in value["entries"].as_array().unwrap() {
            assert_eq!(entry["mandatory"], true);
            assert_eq!(entry["meta"]["content_length"], 7);
        }
    }
}
