//! Which file of a batch the warehouse names, in a text or in a system view.
//!
//! Pure. Never guesses: a name that was cut off, or that stands beside others, names no file.

use std::ops::Range;

use sluice_core::object::File;

use super::super::manifest;

/// The longest context in the text of a columnar COPY, in characters. Longer ones are cut off, even in a file's name.
const CONTEXT: usize = 256;

/// How many bytes of a file's name the system views keep. Source: Database Developer Guide, `SYS_LOAD_ERROR_DETAIL`.
const FILE_NAME_BYTES: usize = 256;

/// The one file that an error's text names, as texts about broken compression and columnar files do.
///
/// A key may contain another file's URL; then only the longer one is named. A text that names several files side by
/// side names none: it may quote one of them, and the URL of the other from its content.
pub(crate) fn in_text<'f>(text: &str, bucket: &str, files: &'f [File]) -> Option<&'f File> {
    let mut named: Vec<(Range<usize>, &File)> = Vec::new();
    for file in files {
        for start in [format!("s3://{bucket}/"), format!(".amazonaws.com/{bucket}/")] {
            let places = text.match_indices(&start).filter_map(|(at, _)| {
                let length = written(&text[at + start.len()..], file.key.as_str())?;
                Some((at..at + start.len() + length, file))
            });
            named.extend(places);
        }
    }
    let within =
        |one: &Range<usize>, other: &Range<usize>| one != other && other.start <= one.start && one.end <= other.end;
    let mut outermost = named.iter().filter(|(one, _)| !named.iter().any(|(other, _)| within(one, other)));
    let (_, file) = outermost.next()?;
    (outermost.all(|(_, other)| other.key == file.key) && !may_be_longer(text, bucket, file, files)).then_some(*file)
}

/// Whether the text is cut off in a name that may be this file's or a longer one's: both begin alike.
fn may_be_longer(text: &str, bucket: &str, file: &File, files: &[File]) -> bool {
    let Some((_, context)) = text.split_once("context:") else {
        return false;
    };
    let context = context.trim_start();
    let Some((last, _)) = context.char_indices().nth(CONTEXT - 1) else {
        return false;
    };
    let context = &context[..context.ceil_char_boundary(last + 1)];
    let bucket = format!("/{bucket}/");
    let longer = |other: &&File| other.key != file.key && other.key.as_str().starts_with(file.key.as_str());
    files.iter().filter(longer).any(|other| {
        context.match_indices(&bucket).any(|(at, _)| is_beginning(&context[at + bucket.len()..], other.key.as_str()))
    })
}

/// How many bytes of `text` are this key, as it is or as a URL has it: Spectrum writes `%3D` for `=`.
fn written(text: &str, key: &str) -> Option<usize> {
    if text.starts_with(key) {
        return Some(key.len());
    }
    let (rest, missing) = after_common(text, key);
    missing.is_empty().then(|| text.len() - rest.len())
}

/// Whether a text ends within this key. An encoded byte may be cut off as well.
fn is_beginning(text: &str, key: &str) -> bool {
    let (rest, missing) = after_common(text, key);
    key.starts_with(text) || (!missing.is_empty() && matches!(rest, [] | [b'%'] | [b'%', _]))
}

/// What remains of a text and of a key behind what they have in common. Bytes in the text may be encoded.
fn after_common<'t, 'k>(text: &'t str, key: &'k str) -> (&'t [u8], &'k [u8]) {
    let (mut text, mut key) = (text.as_bytes(), key.as_bytes());
    while let Some((byte, missing)) = key.split_first()
        && let Some(rest) = after_byte(text, *byte)
    {
        (text, key) = (rest, missing);
    }
    (text, key)
}

/// What follows this byte, encoded or not.
fn after_byte(text: &[u8], byte: u8) -> Option<&[u8]> {
    match text {
        [b'%', high, low, rest @ ..] => {
            let hex = [*high, *low];
            let encoded = u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?;
            (encoded == byte).then_some(rest)
        }
        [first, rest @ ..] => (*first == byte).then_some(rest),
        [] => None,
    }
}

/// The one file that a system view names: by its URL, by Spectrum's URL with an encoded key, or by its key (*seen*, all
/// three). A name that is cut off there may fit several files.
pub(crate) fn in_view<'f>(name: &str, bucket: &str, files: &'f [File]) -> Option<&'f File> {
    let name = name.trim_end();
    let cut = name.len() >= FILE_NAME_BYTES - 3;
    let encoded = name.split_once(&format!(".amazonaws.com/{bucket}/")).filter(|_| name.starts_with("https://"));
    let fits = |file: &&File| {
        let (url, key) = (manifest::url(bucket, file), file.key.as_str());
        match encoded {
            Some((_, rest)) => written(rest, key) == Some(rest.len()) || (cut && is_beginning(rest, key)),
            None => [url.as_str(), key].into_iter().any(|own| own.trim_end() == name || (cut && own.starts_with(name))),
        }
    };
    let mut fitting = files.iter().filter(fits);
    let first = fitting.next()?;
    fitting.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_core::object::{ETag, Key};

    fn file(key: &str) -> File {
        File { key: Key::new(key).unwrap(), etag: ETag::new("e"), size: 1, last_modified: jiff::Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn a_text_may_name_its_file() {
        let files = ["a.gz", "a.gz.gz", "x s3://b/incoming/a.gz"].map(|name| file(&format!("incoming/{name}")));
        let named = |text: &str| in_text(text, "b", &files).map(|file| file.key.as_str());
        assert_eq!(named("code: 9001 context: S3 key being read : s3://b/incoming/a.gz"), Some("incoming/a.gz"));
        assert_eq!(named("being read : s3://b/incoming/a.gz.gz (x)"), Some("incoming/a.gz.gz"));
        assert_eq!(
            named("being read : s3://b/incoming/x s3://b/incoming/a.gz"),
            Some("incoming/x s3://b/incoming/a.gz")
        );
        assert_eq!(named("File 'https://s3.us-east-1.amazonaws.com/b/incoming/a.gz' has"), Some("incoming/a.gz"));
        assert_eq!(named("Check 'sys_load_error_detail'"), None);
        assert_eq!(named("s3://b/incoming/a.gz and again s3://b/incoming/a.gz"), Some("incoming/a.gz"));
        // A content may quote any URL, so such a text says nothing.
        assert_eq!(named("File s3://b/incoming/a.gz: column 's3://b/incoming/a.gz.gz'"), None);
        assert_eq!(named("column 's3://b/incoming/a.gz.gz' of s3://b/incoming/a.gz"), None);
    }

    #[test]
    fn a_url_may_be_encoded_and_cut_off() {
        let files = [file("in/day=1/é%.parquet"), file("in/day=1/x"), file("in/day=1/x.parquet")];
        let named = |text: &str| in_text(text, "b", &files).map(|file| file.key.as_str());
        let url = "https://s3.us-east-1.amazonaws.com/b/in/day%3D1/";
        assert_eq!(named(&format!("File '{url}%C3%A9%25.parquet' has")), Some("in/day=1/é%.parquet"));
        assert_eq!(named(&format!("File '{url}x.parquet' has")), Some("in/day=1/x.parquet"));
        assert_eq!(named(&format!("File '{url}y.parquet' has")), None);
        assert_eq!(named(&format!("File '{url}%")), None);
        assert_eq!(named("s3://b/in/day=1/x.parquet"), Some("in/day=1/x.parquet"));
        let cut = |name: &str, length: usize| {
            let end = format!("File name: {url}{name}");
            format!("code: 15007 context:   {}{end}\n  query:  7", "x".repeat(length - end.len()))
        };
        assert_eq!(named(&cut("x", 255)), Some("in/day=1/x"), "it is whole");
        assert_eq!(named(&cut("x", 256)), None, "it may have been the longer one");
        assert_eq!(named(&cut("x.parquet", 256)), Some("in/day=1/x.parquet"), "nothing is longer than this");
        assert_eq!(named(&cut("x.parq", 256)), None, "neither of them");
    }

    #[test]
    fn a_system_view_names_a_file_in_three_ways() {
        let long = format!("in/{}", "x".repeat(300));
        let files =
            [file("in/day=1/x"), file("in/day=1/x.parquet"), file(&format!("{long}1")), file(&format!("{long}2"))];
        let named = |name: &str| in_view(name, "b", &files).map(|file| file.key.as_str());
        assert_eq!(named("s3://b/in/day=1/x  "), Some("in/day=1/x"));
        assert_eq!(named("https://s3.us-east-1.amazonaws.com/b/in/day%3D1/x"), Some("in/day=1/x"));
        assert_eq!(named("in/day=1/x.parquet"), Some("in/day=1/x.parquet"));
        assert_eq!(named("s3://b/in/day=1/y"), None);
        assert_eq!(named("https://s3.us-east-1.amazonaws.com/b/in/day%3D1/y"), None);
        for start in ["s3://b/", "https://s3.us-east-1.amazonaws.com/b/", ""] {
            let cut: String = format!("{start}{long}").chars().take(256).collect();
            assert_eq!(named(&cut), None, "it fits two");
            assert_eq!(in_view(&cut, "b", &files[..3]), Some(&files[2]));
        }
    }
}
