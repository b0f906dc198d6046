//! An incoming body: hashed while it arrives, kept in memory or written to a file of the folder.
//!
//! Never holds a lock: a client may send its body slowly. A body that never becomes an object is removed.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use md5::{Digest, Md5};

use super::content::{Content, Piece};
use super::error::StorageError;
use super::etag::Etag;
use super::folder::Folder;

/// A body that is arriving.
#[derive(Debug)]
pub(crate) struct Intake {
    md5: Md5,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    Memory(Vec<u8>),
    File(BodyFile),
}

#[derive(Debug)]
struct BodyFile {
    folder: Arc<Folder>,
    id: u64,
    file: File,
    len: u64,
    kept: bool,
}

impl Drop for BodyFile {
    fn drop(&mut self) {
        if !self.kept {
            self.folder.remove(self.id);
        }
    }
}

impl Intake {
    /// Prepares for a body of about `expected` bytes.
    pub(crate) fn new(folder: Option<&Arc<Folder>>, expected: usize) -> Result<Self, StorageError> {
        let sink = match folder {
            None => Sink::Memory(Vec::with_capacity(expected)),
            Some(folder) => {
                let (id, file) = folder.create()?;
                let folder = Arc::clone(folder);
                Sink::File(BodyFile { folder, id, file, len: 0, kept: false })
            }
        };
        Ok(Self { md5: Md5::new(), sink })
    }

    /// Takes the next bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.md5.update(bytes);
        match &mut self.sink {
            Sink::Memory(body) => body.extend_from_slice(bytes),
            Sink::File(body) => {
                body.file.write_all(bytes).map_err(StorageError::io("write a body file"))?;
                body.len += bytes.len() as u64;
            }
        }
        Ok(())
    }

    /// The whole body and its tag. From now on the storage must remove the body's file, if it has one.
    pub(crate) fn finish(self) -> (Content, Etag) {
        let etag = Etag::from_md5(self.md5.finalize().into());
        let piece = match self.sink {
            Sink::Memory(body) => Piece::Memory(Bytes::from(body)),
            Sink::File(mut body) => {
                body.kept = true;
                Piece::File { id: body.id, offset: 0, len: body.len }
            }
        };
        (Content::One(piece), etag)
    }
}
