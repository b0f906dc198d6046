//! Listings in both of S3's versions.
//!
//! Continuation tokens say where the next page starts. Never writes one in a form that a client could take for a key.

use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{
    CommonPrefix, EncodingType, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output,
    ObjectStorageClass,
};
use s3s::{S3Error, S3Result, s3_error};

use super::convert::{error, etag, int, timestamp};
use crate::s3::extras::STANDARD;
use crate::s3::listing::{Page, PageRequest, Start, successor};
use crate::s3::object::ObjectInfo;
use crate::s3::storage::Storage;

/// The largest page, whatever size is requested.
const MAX_KEYS: i32 = 1000;

/// Characters that `encoding-type=url` leaves unencoded.
const LITERAL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

pub(super) fn v2(storage: &Storage, input: ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
    let start = match (&input.continuation_token, &input.start_after) {
        (Some(token), _) => read_token(token).ok_or_else(bad_token)?,
        (None, Some(key)) => Start::After(key.clone()),
        (None, None) => Start::First,
    };
    let max_keys = page_size(input.max_keys)?;
    let request = request(input.prefix.as_ref(), input.delimiter.as_ref(), start, max_keys);
    let page = storage.page(&input.bucket, &request).map_err(error)?;
    let spell = Spelling::of(input.encoding_type.as_ref());
    let listed = page.objects.len() + page.common_prefixes.len();
    Ok(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(spell.spell(input.prefix.unwrap_or_default())),
        delimiter: input.delimiter.map(|delimiter| spell.spell(delimiter)),
        start_after: input.start_after.map(|key| spell.spell(key)),
        max_keys: Some(max_keys),
        key_count: i32::try_from(listed).ok(),
        is_truncated: Some(page.next.is_some()),
        continuation_token: input.continuation_token,
        next_continuation_token: page.next.as_ref().map(token),
        contents: Some(page.objects.into_iter().map(|object| spell.object(object)).collect()),
        common_prefixes: Some(page.common_prefixes.into_iter().map(|prefix| spell.prefix(prefix)).collect()),
        encoding_type: input.encoding_type,
        ..ListObjectsV2Output::default()
    })
}

pub(super) fn v1(storage: &Storage, input: ListObjectsInput) -> S3Result<ListObjectsOutput> {
    let max_keys = page_size(input.max_keys)?;
    let mut request = request(input.prefix.as_ref(), input.delimiter.as_ref(), Start::First, max_keys);
    if let Some(marker) = &input.marker {
        request.start = after_marker(&request, marker);
    }
    let page = storage.page(&input.bucket, &request).map_err(error)?;
    let spell = Spelling::of(input.encoding_type.as_ref());
    // Without a delimiter a client continues after the last key that it received.
    let next_marker = last(&page).filter(|_| page.next.is_some() && request.delimiter.is_some());
    Ok(ListObjectsOutput {
        name: Some(input.bucket),
        next_marker: next_marker.map(|marker| spell.spell(marker)),
        prefix: Some(spell.spell(input.prefix.unwrap_or_default())),
        marker: Some(spell.spell(input.marker.unwrap_or_default())),
        delimiter: input.delimiter.map(|delimiter| spell.spell(delimiter)),
        max_keys: Some(max_keys),
        is_truncated: Some(page.next.is_some()),
        contents: Some(page.objects.into_iter().map(|object| spell.object(object)).collect()),
        common_prefixes: Some(page.common_prefixes.into_iter().map(|prefix| spell.prefix(prefix)).collect()),
        encoding_type: input.encoding_type,
        ..ListObjectsOutput::default()
    })
}

fn request(prefix: Option<&String>, delimiter: Option<&String>, start: Start, max_keys: i32) -> PageRequest {
    PageRequest {
        prefix: prefix.cloned().unwrap_or_default(),
        delimiter: delimiter.filter(|delimiter| !delimiter.is_empty()).cloned(),
        start,
        max_keys: usize::try_from(max_keys).unwrap_or(0),
    }
}

fn page_size(asked: Option<i32>) -> S3Result<i32> {
    match asked.unwrap_or(MAX_KEYS) {
        asked if asked < 0 => Err(s3_error!(InvalidArgument, "max-keys must not be negative")),
        asked => Ok(asked.min(MAX_KEYS)),
    }
}

/// A marker that is a common prefix stands for everything under it.
fn after_marker(request: &PageRequest, marker: &str) -> Start {
    let rolled = marker.starts_with(&request.prefix) && request.common_prefix(marker) == Some(marker);
    match successor(marker) {
        Some(beyond) if rolled => Start::At(beyond),
        _ => Start::After(marker.to_owned()),
    }
}

fn last(page: &Page) -> Option<String> {
    let key = page.objects.last().map(|object| &object.key);
    key.max(page.common_prefixes.last()).cloned()
}

/// Where the next page starts, in hexadecimal.
fn token(start: &Start) -> String {
    let (kind, key) = match start {
        Start::First => ('f', ""),
        Start::After(key) => ('a', key.as_str()),
        Start::At(key) => ('t', key.as_str()),
    };
    key.bytes().fold(String::from(kind), |mut token, byte| {
        // Writing to a string cannot fail.
        _ = write!(token, "{byte:02x}");
        token
    })
}

fn read_token(token: &str) -> Option<Start> {
    let (kind, hex) = token.split_at_checked(1)?;
    if hex.len() % 2 != 0 || !hex.is_ascii() {
        return None;
    }
    let bytes: Option<Vec<u8>> =
        hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
    let key = String::from_utf8(bytes?).ok()?;
    match kind {
        "a" => Some(Start::After(key)),
        "t" => Some(Start::At(key)),
        _ => None,
    }
}

/// The key after which the requested list begins.
pub(crate) fn begins_after(request: &http::request::Parts) -> Option<String> {
    let query = request.uri.query().unwrap_or_default();
    let named = |wanted: &str| {
        form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    };
    match named("continuation-token").as_deref().and_then(read_token) {
        Some(Start::After(key) | Start::At(key)) => Some(key),
        Some(Start::First) => None,
        None => named("start-after"),
    }
}

fn bad_token() -> S3Error {
    s3_error!(InvalidArgument, "The continuation token provided is incorrect")
}

/// The encoding of keys in an answer.
#[derive(Clone, Copy)]
enum Spelling {
    Plain,
    Url,
}

impl Spelling {
    fn of(encoding: Option<&EncodingType>) -> Self {
        match encoding {
            Some(encoding) if encoding.as_str() == EncodingType::URL => Self::Url,
            _ => Self::Plain,
        }
    }

    fn spell(self, key: String) -> String {
        match self {
            Self::Plain => key,
            Self::Url => utf8_percent_encode(&key, LITERAL).to_string(),
        }
    }

    fn object(self, info: ObjectInfo) -> s3s::dto::Object {
        let class = info.extras.as_ref().map_or(STANDARD, |extras| extras.class()).to_owned();
        s3s::dto::Object {
            key: Some(self.spell(info.key)),
            size: Some(int(info.size)),
            e_tag: Some(etag(info.etag)),
            last_modified: Some(timestamp(info.last_modified)),
            storage_class: Some(ObjectStorageClass::from(class)),
            ..s3s::dto::Object::default()
        }
    }

    fn prefix(self, prefix: String) -> CommonPrefix {
        CommonPrefix { prefix: Some(self.spell(prefix)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_brings_back_where_it_came_from_and_is_no_key() {
        for start in [Start::After("a/ü b".to_owned()), Start::At("z\u{10ffff}".to_owned())] {
            let token = token(&start);
            assert_eq!(read_token(&token), Some(start));
            assert!(token.is_ascii() && !token.contains('/'));
        }
    }

    #[test]
    fn a_request_says_after_which_key_its_list_begins() {
        let after = |query: &str| {
            let request = http::Request::get(format!("/b?list-type=2{query}")).body(()).ok()?;
            begins_after(&request.into_parts().0)
        };
        assert_eq!(after("&prefix=in%2F"), None);
        assert_eq!(after("&start-after=in%2Fa+b").as_deref(), Some("in/a b"));
        let token = token(&Start::After("in/ü".to_owned()));
        assert_eq!(after(&format!("&start-after=in%2F&continuation-token={token}")).as_deref(), Some("in/ü"));
    }

    #[test]
    fn a_key_is_no_token() {
        for key in ["", "a/b", "incoming/flights/1.csv", "a6", "aff"] {
            let read = read_token(key);
            assert!(read.is_none() || key == "a6", "{key}: {read:?}");
        }
    }
}
