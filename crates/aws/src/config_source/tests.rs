//! When the configuration is read again, and the error that an operator reads when that fails.

#![allow(clippy::unwrap_used)]

use std::io::Write;

use super::*;
use crate::fake_http::FakeHttp;

const NOT_FOUND: &str = "<Error><Code>NoSuchKey</Code><Message>not there</Message></Error>";

fn text(workgroup: &str) -> String {
    format!(
        "[bucket]\nname = \"landing\"\n[[feed]]\nname = \"f\"\nprefix = \"f/\"\n\
         [feed.redshift]\nworkgroup = \"{workgroup}\"\ndatabase = \"d\"\ntable = \"t\"\nformat = \"csv\"\n"
    )
}

fn source(origin: ConfigOrigin) -> ConfigSource {
    ConfigSource::new(origin, Lazy::new(|| unreachable!("nobody is called")))
}

#[tokio::test]
async fn an_object_is_read_again_only_when_it_has_changed() {
    let http = FakeHttp::answering(&[(200, &text("one")), (304, ""), (200, &text("two"))]);
    let source = http.aws().await.config_source();
    let first = source.load().await.unwrap();
    assert!(Arc::ptr_eq(&first, &source.load().await.unwrap()));
    let third = source.load().await.unwrap();
    assert!(!Arc::ptr_eq(&first, &third));
    let asked = http.asked();
    assert!(asked[0].uri.contains("/bucket/sluice.toml"), "{}", asked[0].uri);
    assert_eq!((asked[0].header("if-none-match"), asked[1].header("if-none-match")), (None, Some("\"new\"")));
}

#[tokio::test]
async fn an_object_that_is_gone_or_wrong_is_not_covered_by_what_was_read_before() {
    let http = FakeHttp::answering(&[(200, &text("one")), (404, NOT_FOUND), (200, "[bucket]"), (200, &text("two"))]);
    let source = http.aws().await.config_source();
    source.load().await.unwrap();
    let gone = source.load().await.unwrap_err().to_string();
    assert!(gone.contains("s3://bucket/sluice.toml") && gone.contains("SLUICE_CONFIG_URI"), "{gone}");
    let wrong = source.load().await.unwrap_err().to_string();
    assert!(wrong.contains("s3://bucket/sluice.toml"), "{wrong}");
    source.load().await.unwrap();
}

#[tokio::test]
async fn a_file_is_parsed_again_only_when_it_has_changed() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text("one").as_bytes()).unwrap();
    let source = source(ConfigOrigin::File(file.path().to_owned()));
    let first = source.load().await.unwrap();
    assert!(Arc::ptr_eq(&first, &source.load().await.unwrap()));
    std::fs::write(file.path(), text("two")).unwrap();
    assert!(!Arc::ptr_eq(&first, &source.load().await.unwrap()));
    let path = file.path().to_owned();
    drop(file);
    let gone = source.load().await.unwrap_err().to_string();
    assert!(gone.contains(&path.display().to_string()), "{gone}");
}

#[tokio::test]
async fn inline_text_is_parsed_once_and_named_when_wrong() {
    let right = source(ConfigOrigin::Inline(text("one")));
    assert!(Arc::ptr_eq(&right.load().await.unwrap(), &right.load().await.unwrap()));
    let wrong = source(ConfigOrigin::Inline("[bucket]".to_owned())).load().await.unwrap_err().to_string();
    assert!(wrong.contains("SLUICE_CONFIG"), "{wrong}");
}
