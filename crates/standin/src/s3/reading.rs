//! Reads objects: whole, by range, under conditions, as bytes or as a stream.
//!
//! A reader keeps the body files of its object, so it never mixes two contents if the object is replaced in the
//! meantime.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use jiff::Timestamp;
use md5::{Digest, Md5};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::content::{Content, Piece, to_usize};
use super::error::StorageError;
use super::etag::Etag;
use super::folder::Folder;
use super::object::Object;
use super::storage::Storage;
use super::write::hole_etag;
use crate::source::{Source, SourceObject};

/// The bytes of a file that are read at a time.
const CHUNK: usize = 256 * 1024;
static ZEROS: [u8; CHUNK] = [0; CHUNK];

/// Conditions on an object that is read or copied.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadConditions {
    /// A tag, or `*`.
    pub(crate) etag: Option<String>,
    /// A tag, or `*`.
    pub(crate) not_etag: Option<String>,
    pub(crate) modified_since: Option<Timestamp>,
    pub(crate) unmodified_since: Option<Timestamp>,
}

/// An object held open.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) object: Object,
    storage: Storage,
}

impl Storage {
    /// An object's content.
    pub fn get(&self, bucket: &str, key: &str) -> Result<Bytes, StorageError> {
        let reading = self.open(bucket, key, &ReadConditions::default())?;
        reading.bytes(0..reading.object.size)
    }

    /// Opens an object for reading, if the conditions hold.
    pub(crate) fn open(&self, bucket: &str, key: &str, conditions: &ReadConditions) -> Result<Reading, StorageError> {
        let mut state = self.lock();
        let object = state.object(bucket, key)?.clone();
        conditions.check(bucket, key, &object)?;
        state.retain(&object.content);
        drop(state);
        Ok(Reading { object, storage: self.clone() })
    }
}

impl Source for Storage {
    fn read(&self, bucket: &str, key: &str) -> io::Result<Option<SourceObject>> {
        let reading = match self.open(bucket, key, &ReadConditions::default()) {
            Ok(reading) => reading,
            Err(StorageError::NoSuchBucket { .. } | StorageError::NoSuchKey { .. }) => {
                return Ok(None);
            }
            Err(error) => return Err(io::Error::other(error)),
        };
        reading.object.check_readable(key).map_err(io::Error::other)?;
        Ok(Some(SourceObject {
            body: reading.bytes(0..reading.object.size).map_err(io::Error::other)?,
            etag: reading.object.etag.to_string(),
            last_modified: reading.object.modified_second(),
        }))
    }

    fn keys(&self, bucket: &str, prefix: &str) -> io::Result<Option<Vec<String>>> {
        match self.keys_under(bucket, prefix) {
            Ok(keys) => Ok(Some(keys)),
            Err(StorageError::NoSuchBucket { .. }) => Ok(None),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

impl ReadConditions {
    /// Checks the conditions in S3's order: a tag takes precedence over a time.
    pub(crate) fn check(&self, bucket: &str, key: &str, object: &Object) -> Result<(), StorageError> {
        let names = |given: &str| given == "*" || object.etag.matches(given);
        // Clients see whole seconds, so they can only ask about whole seconds.
        let modified = object.modified_second().as_second();
        let failed = match (&self.etag, &self.not_etag) {
            (Some(given), _) if !names(given) => Some("If-Match"),
            (None, _) if self.unmodified_since.is_some_and(|since| modified > since.as_second()) => {
                Some("If-Unmodified-Since")
            }
            (_, Some(given)) if names(given) => Some("If-None-Match"),
            (_, None) if self.modified_since.is_some_and(|since| modified <= since.as_second()) => {
                Some("If-Modified-Since")
            }
            _ => None,
        };
        failed.map_or(Ok(()), |condition| Err(StorageError::failed(bucket, key, condition)))
    }
}

impl Reading {
    /// The bytes `range`, in memory.
    pub(crate) fn bytes(&self, range: Range<u64>) -> Result<Bytes, StorageError> {
        let content = self.object.content.slice(range);
        if let Content::One(Piece::Memory(bytes)) = &content {
            return Ok(bytes.clone());
        }
        let mut body = Vec::with_capacity(to_usize(content.len()));
        self.visit(&content, |chunk| body.extend_from_slice(chunk))?;
        Ok(body.into())
    }

    /// The tag that the bytes `range` would have if they were written in one piece.
    pub(crate) fn etag(&self, range: Range<u64>) -> Result<Etag, StorageError> {
        let content = self.object.content.slice(range);
        if content.has_hole() {
            return Ok(hole_etag(content.len()));
        }
        let mut md5 = Md5::new();
        self.visit(&content, |chunk| md5.update(chunk))?;
        Ok(Etag::from_md5(md5.finalize().into()))
    }

    /// The bytes `range` as a stream, read on demand.
    pub(crate) fn stream(self, range: Range<u64>) -> BoxStream<'static, io::Result<Bytes>> {
        let content = self.object.content.slice(range);
        let folder = self.storage.folder.clone();
        let pieces = content.pieces().to_vec();
        stream::iter(pieces)
            .flat_map(move |piece| stream_piece(piece, folder.clone()))
            // The reading lives as long as the stream, which keeps the files from being removed.
            .inspect(move |_| _ = &self)
            .boxed()
    }

    fn visit(&self, content: &Content, mut each: impl FnMut(&[u8])) -> Result<(), StorageError> {
        for piece in content.pieces() {
            match *piece {
                Piece::Memory(ref bytes) => each(bytes),
                Piece::Hole(len) => holes(len).for_each(|zeros| each(&zeros)),
                Piece::File { id, offset, len } => {
                    visit_file(self.storage.folder.as_deref(), id, offset, len, &mut each)
                        .map_err(StorageError::io(format!("read body file {id:x}")))?;
                }
            }
        }
        Ok(())
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if self.object.content.files().next().is_some() {
            let mut state = self.storage.lock();
            self.storage.release(&mut state, &self.object.content);
        }
    }
}

fn visit_file(folder: Option<&Folder>, id: u64, offset: u64, len: u64, each: &mut impl FnMut(&[u8])) -> io::Result<()> {
    let mut file = folder.ok_or(io::ErrorKind::NotFound)?.read(id)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut rest = file.take(len);
    let mut buffer = vec![0; CHUNK.min(to_usize(len).max(1))];
    loop {
        match rest.read(&mut buffer)? {
            0 => return Ok(()),
            read => each(&buffer[..read]),
        }
    }
}

fn stream_piece(piece: Piece, folder: Option<Arc<Folder>>) -> BoxStream<'static, io::Result<Bytes>> {
    match piece {
        Piece::Memory(bytes) => stream::once(async { Ok(bytes) }).boxed(),
        Piece::Hole(len) => stream::iter(holes(len).map(Ok)).boxed(),
        Piece::File { id, offset, len } => stream::once(async move {
            let file = folder.ok_or(io::ErrorKind::NotFound)?.read(id)?;
            let mut file = tokio::fs::File::from_std(file);
            file.seek(SeekFrom::Start(offset)).await?;
            Ok::<_, io::Error>(ReaderStream::with_capacity(file.take(len), CHUNK))
        })
        .try_flatten()
        .boxed(),
    }
}

/// `len` zeros in chunks that share the same memory.
fn holes(len: u64) -> impl Iterator<Item = Bytes> + Send {
    let chunk = CHUNK as u64;
    (0..len.div_ceil(chunk)).map(move |i| Bytes::from_static(&ZEROS[..to_usize(chunk.min(len - i * chunk))]))
}
