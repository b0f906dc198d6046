//! Unpacks the content of a file.
//!
//! Never guesses the compression from a name: COPY gives it.

use std::io;

use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::super::error::SqlError;
use super::parse::Compression;

/// Unpacks `packed`, which is the content of `url`.
pub(crate) fn unpack(packed: &Bytes, compression: Compression, url: &str) -> Result<Bytes, SqlError> {
    let unpacked = match compression {
        // An empty file is empty, packed or not. zlib reads it that way.
        _ if packed.is_empty() => return Ok(Bytes::new()),
        Compression::None => return Ok(packed.clone()),
        Compression::Gzip => {
            let mut decoder = GzipDecoder::new(packed.as_ref());
            decoder.multiple_members(true);
            all(decoder)
        }
        Compression::Zstd => {
            let mut decoder = ZstdDecoder::new(packed.as_ref());
            decoder.multiple_members(true);
            all(decoder)
        }
    };
    unpacked.map(Bytes::from).map_err(|error| broken(compression, url, &error))
}

/// A decoder over bytes in memory is never pending, so one poll does all the work and needs no runtime.
fn all(mut decoder: impl AsyncRead + Unpin) -> io::Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    match decoder.read_to_end(&mut unpacked).now_or_never() {
        Some(read) => read.map(|_| unpacked),
        None => Err(io::Error::other("the decoder waited for more")),
    }
}

fn broken(compression: Compression, url: &str, error: &io::Error) -> SqlError {
    let library = if compression == Compression::Gzip { "zlib" } else { "zstd" };
    SqlError::new(format!(
        "failed to inflate with {library}: invalid or incomplete deflate data.\n  Detail: code: 9001 context: S3 key being read : {url} ({error})"
    ))
}
