//! Entity tags: the MD5 of a body, or the MD5 of the parts' MD5s and the number of parts.
//!
//! Kept as bytes, because a benchmark holds a million of them. Never holds quotes.

use std::fmt;
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

/// The identity of an object's content, as S3 reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Etag {
    md5: [u8; 16],
    /// 0 for an object that was written in one piece.
    parts: u32,
}

impl Etag {
    /// The tag of a whole body.
    pub(crate) fn of(body: &[u8]) -> Self {
        Self::from_md5(Md5::digest(body).into())
    }

    /// The tag of a body whose MD5 is already computed.
    pub(crate) const fn from_md5(md5: [u8; 16]) -> Self {
        Self { md5, parts: 0 }
    }

    /// A tag that is independent of the content, as for an object that is encrypted with a KMS key.
    pub(crate) fn random() -> Self {
        Self::from_md5(uuid::Uuid::new_v4().into_bytes())
    }

    /// The tag of an object made of parts: the MD5 of their MD5s, a dash and the number of parts.
    pub(crate) fn of_parts<'a>(parts: impl IntoIterator<Item = &'a Etag>) -> Self {
        let mut md5 = Md5::new();
        let mut count = 0;
        for part in parts {
            md5.update(part.md5);
            count += 1;
        }
        Self { md5: md5.finalize().into(), parts: count }
    }

    /// Whether the object was uploaded in parts, so that its tag is not the MD5 of its content.
    pub(crate) const fn is_multipart(&self) -> bool {
        self.parts > 0
    }

    /// The MD5 in the form of the header `Content-MD5`.
    pub(crate) fn content_md5(&self) -> String {
        BASE64_STANDARD.encode(self.md5)
    }

    /// Whether the client's text, with or without quotes, is this tag.
    pub(crate) fn matches(&self, given: &str) -> bool {
        given.trim_matches('"').parse::<Self>().is_ok_and(|given| given == *self)
    }
}

impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.md5 {
            write!(f, "{byte:02x}")?;
        }
        match self.parts {
            0 => Ok(()),
            parts => write!(f, "-{parts}"),
        }
    }
}

impl From<Etag> for String {
    fn from(etag: Etag) -> Self {
        etag.to_string()
    }
}

/// A text that is not one of our tags.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not an ETag: expected 32 hexadecimal digits, and `-<parts>` after an upload in parts")]
pub(crate) struct NotAnEtag(String);

impl TryFrom<String> for Etag {
    type Error = NotAnEtag;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for Etag {
    type Err = NotAnEtag;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| NotAnEtag(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Etag> {
    let (hex, parts) = match text.split_once('-') {
        Some((hex, parts)) => (hex, parts.parse().ok().filter(|parts| *parts > 0)?),
        None => (text, 0),
    };
    if hex.len() != 32 || !hex.is_ascii() {
        return None;
    }
    let mut md5 = [0; 16];
    for (byte, pair) in md5.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(Etag { md5, parts })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn content_md5_is_base64() {
        assert_eq!(Etag::of(b"hello").content_md5(), "XUFAKrxLKna5cZ2REBfFkg==");
    }

    #[test]
    fn the_tag_of_a_body_is_its_md5() {
        assert_eq!(Etag::of(b"hello").to_string(), "5d41402abc4b2a76b9719d911017c592");
    }

    #[test]
    fn the_tag_of_parts_is_the_md5_of_their_md5s_and_their_number() {
        // printf hello | openssl md5 -binary > a; cat a a | openssl md5
        let part = Etag::of(b"hello");
        assert_eq!(Etag::of_parts([&part, &part]).to_string(), "616b22817b80eed9f65c3aa38cd29054-2");
    }

    #[test]
    fn a_tag_survives_its_text() {
        for tag in [Etag::of(b""), Etag::of_parts([&Etag::of(b"x")])] {
            assert_eq!(tag.to_string().parse::<Etag>().unwrap(), tag);
            assert!(tag.matches(&format!("\"{tag}\"")));
            assert!(tag.matches(&tag.to_string()));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "*",
            "5d41402abc4b2a76b9719d911017c59",
            "5d41402abc4b2a76b9719d911017c592-0",
            "é",
            "5d41402abc4b2a76b9719d911017c592-x",
        ] {
            assert!(text.parse::<Etag>().is_err(), "{text}");
        }
    }
}
