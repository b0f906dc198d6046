//! Incoming bodies, and the checksums that clients send with them, in headers or after the body.
//!
//! Never lets a body become an object before its checksums have been compared.

use futures_util::StreamExt;
use http::HeaderMap;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::Checksum as _;
use s3s::dto::{Checksum, StreamingBlob};
use s3s::{S3Error, S3ErrorCode, S3Result, TrailingHeaders, s3_error};

use super::convert::error;
use crate::s3::content::Content;
use crate::s3::etag::Etag;
use crate::s3::storage::Storage;

/// The algorithms, as in the suffixes of their headers' names.
const ALGORITHMS: [&str; 5] = ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"];

/// A body that has arrived completely and matches its checksums.
pub(super) struct Received {
    pub(super) content: Content,
    pub(super) etag: Etag,
    pub(super) checksum: Option<(String, String)>,
}

/// Receives a body, hashing it once for all comparisons.
pub(super) async fn receive(
    storage: &Storage,
    body: Option<StreamingBlob>,
    length: Option<i64>,
    headers: &HeaderMap,
    trailers: Option<&TrailingHeaders>,
) -> S3Result<Received> {
    let expected = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    let algorithm = announced(headers);
    let mut hasher = algorithm.map(hasher);
    let mut intake = storage.intake(expected).map_err(error)?;
    if let Some(mut body) = body {
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|source| S3Error::with_source(S3ErrorCode::IncompleteBody, source))?;
            if let Some(hasher) = &mut hasher {
                hasher.update(&chunk);
            }
            intake.write(&chunk).map_err(error)?;
        }
    }
    let (content, etag) = intake.finish();
    let computed = algorithm.zip(hasher).and_then(|(name, hasher)| value(name, hasher.finalize()));
    let verdict = compare_md5(headers, &etag).and_then(|()| compare(algorithm, computed, headers, trailers));
    match verdict {
        Ok(checksum) => Ok(Received { content, etag, checksum }),
        Err(mismatch) => {
            storage.discard(&content);
            Err(mismatch)
        }
    }
}

/// The algorithm that the client uses: from a header with the value, or from the announcement of a trailer.
fn announced(headers: &HeaderMap) -> Option<&'static str> {
    let trailer = headers.get("x-amz-trailer").and_then(|value| value.to_str().ok());
    ALGORITHMS.into_iter().find(|name| {
        let header = header_of(name);
        headers.contains_key(&header) || trailer.is_some_and(|trailer| trailer.eq_ignore_ascii_case(&header))
    })
}

fn header_of(algorithm: &str) -> String {
    format!("x-amz-checksum-{algorithm}")
}

fn hasher(algorithm: &str) -> ChecksumHasher {
    use s3s::crypto::{Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
    let mut hasher = ChecksumHasher::default();
    match algorithm {
        "crc32" => hasher.crc32 = Some(Crc32::new()),
        "crc32c" => hasher.crc32c = Some(Crc32c::new()),
        "crc64nvme" => hasher.crc64nvme = Some(Crc64Nvme::new()),
        "sha1" => hasher.sha1 = Some(Sha1::new()),
        _ => hasher.sha256 = Some(Sha256::new()),
    }
    hasher
}

fn value(algorithm: &str, checksum: Checksum) -> Option<String> {
    match algorithm {
        "crc32" => checksum.checksum_crc32,
        "crc32c" => checksum.checksum_crc32c,
        "crc64nvme" => checksum.checksum_crc64nvme,
        "sha1" => checksum.checksum_sha1,
        _ => checksum.checksum_sha256,
    }
}

/// A stored checksum in the form of an answer.
pub(super) fn answer(stored: Option<&(String, String)>) -> Checksum {
    let mut checksum = Checksum::default();
    if let Some((algorithm, value)) = stored {
        let field = match algorithm.as_str() {
            "crc32" => &mut checksum.checksum_crc32,
            "crc32c" => &mut checksum.checksum_crc32c,
            "crc64nvme" => &mut checksum.checksum_crc64nvme,
            "sha1" => &mut checksum.checksum_sha1,
            _ => &mut checksum.checksum_sha256,
        };
        *field = Some(value.clone());
    }
    checksum
}

fn compare_md5(headers: &HeaderMap, etag: &Etag) -> S3Result<()> {
    match headers.get("content-md5") {
        Some(given) if given.as_bytes() != etag.content_md5().as_bytes() => {
            Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received."))
        }
        _ => Ok(()),
    }
}

/// The client's value is in a header or, if it was computed while sending, after the body.
fn compare(
    algorithm: Option<&str>,
    computed: Option<String>,
    headers: &HeaderMap,
    trailers: Option<&TrailingHeaders>,
) -> S3Result<Option<(String, String)>> {
    let (Some(algorithm), Some(computed)) = (algorithm, computed) else {
        return Ok(None);
    };
    let header = header_of(algorithm);
    let text = |headers: &HeaderMap| headers.get(&header).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let given = text(headers).or_else(|| trailers.and_then(|trailers| trailers.read(text)).flatten());
    if given.as_ref() == Some(&computed) {
        return Ok(Some((algorithm.to_owned(), computed)));
    }
    Err(s3_error!(BadDigest, "The {} you specified did not match the calculated checksum.", algorithm.to_uppercase()))
}
