//! A storage's folder: body files named by number, and an index that survives a restart.
//!
//! The index is a log of JSON lines. One `write` writes each line before its change is visible, so a killed process
//! loses nothing that it has already answered. Keys are written only into the index, never used as file names.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::content::{Content, StoredPiece};
use super::error::StorageError;
use super::etag::Etag;
use super::extras::{self, Encryption, Extras};
use super::object::{Headers, Object, shared};

/// One change, as a line of the index.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Record {
    Bucket {
        bucket: String,
        created: Timestamp,
    },
    NoBucket {
        bucket: String,
    },
    /// The bucket's default encryption.
    Encryption {
        bucket: String,
        encryption: Option<Encryption>,
    },
    Object {
        bucket: String,
        key: String,
        object: Box<StoredObject>,
    },
    NoObject {
        bucket: String,
        key: String,
    },
}

/// An object as a line of the index.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredObject {
    size: u64,
    etag: Etag,
    modified: Timestamp,
    sequence: u64,
    pieces: Vec<StoredPiece>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    headers: Option<Headers>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    extras: Option<Extras>,
}

impl From<&Object> for StoredObject {
    fn from(object: &Object) -> Self {
        Self {
            size: object.size,
            etag: object.etag,
            modified: object.modified,
            sequence: object.sequence,
            pieces: object.content.stored(),
            headers: object.headers.as_deref().cloned(),
            extras: object.extras.as_deref().cloned(),
        }
    }
}

impl From<StoredObject> for Object {
    fn from(stored: StoredObject) -> Self {
        Self {
            content: Content::from(stored.pieces),
            size: stored.size,
            etag: stored.etag,
            modified: stored.modified,
            sequence: stored.sequence,
            headers: stored.headers.and_then(shared),
            extras: stored.extras.and_then(extras::shared),
        }
    }
}

/// The folder of a storage. Only one process at a time holds it.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    index: File,
    next: AtomicU64,
    _lock: File,
}

impl Folder {
    /// Opens or creates the folder and returns every change in its index.
    pub(crate) fn open(root: &Path) -> Result<(Self, Vec<Record>), StorageError> {
        let bodies = root.join("bodies");
        fs::create_dir_all(&bodies).map_err(StorageError::io(format!("create {}", bodies.display())))?;
        let lock = take_lock(&root.join("lock"))?;
        let path = root.join("index.jsonl");
        let records = read_index(&path)?;
        let index = append_to(&path)?;
        let folder = Self { root: root.to_owned(), index, next: AtomicU64::new(1), _lock: lock };
        Ok((folder, records))
    }

    /// Replaces the log by one with only `records`, and removes the body files that `used` does not count.
    pub(crate) fn compact(&mut self, records: &[Record], used: &HashMap<u64, u32>) -> Result<(), StorageError> {
        let (path, fresh) = (self.root.join("index.jsonl"), self.root.join("index.new"));
        fs::write(&fresh, lines(records)?).map_err(StorageError::io(format!("write {}", fresh.display())))?;
        fs::rename(&fresh, &path).map_err(StorageError::io(format!("replace {}", path.display())))?;
        self.index = append_to(&path)?;
        self.remove_unused(used)
    }

    /// Removes body files of uploads that never became objects, and makes sure that new files get higher numbers than
    /// the others.
    fn remove_unused(&self, used: &HashMap<u64, u32>) -> Result<(), StorageError> {
        let bodies = self.root.join("bodies");
        let failed = |source| StorageError::io(format!("list {}", bodies.display()))(source);
        for shard in fs::read_dir(&bodies).map_err(failed)? {
            for file in fs::read_dir(shard.map_err(failed)?.path()).map_err(failed)? {
                let name = file.map_err(failed)?.file_name();
                let Some(id) = name.to_str().and_then(|name| u64::from_str_radix(name, 16).ok()) else {
                    continue;
                };
                if !used.contains_key(&id) {
                    self.remove(id);
                }
            }
        }
        let last = used.keys().max().copied().unwrap_or(0);
        self.next.store(last + 1, Ordering::Relaxed);
        Ok(())
    }

    /// Appends changes to the index, all in one `write`.
    pub(crate) fn append(&self, records: &[Record]) -> Result<(), StorageError> {
        let path = self.root.join("index.jsonl");
        (&self.index).write_all(&lines(records)?).map_err(StorageError::io(format!("append to {}", path.display())))
    }

    /// A new, empty body file and its number.
    pub(crate) fn create(&self) -> Result<(u64, File), StorageError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.path(id);
        if let Some(shard) = path.parent() {
            fs::create_dir_all(shard).map_err(StorageError::io(format!("create {}", shard.display())))?;
        }
        let file = File::create(&path).map_err(StorageError::io(format!("create {}", path.display())))?;
        Ok((id, file))
    }

    /// Opens a body file for reading.
    pub(crate) fn read(&self, id: u64) -> io::Result<File> {
        File::open(self.path(id))
    }

    /// Removes a body file. A file that is already gone is not an error. A file that stays behind is removed at the
    /// next start.
    pub(crate) fn remove(&self, id: u64) {
        let path = self.path(id);
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "a body file stays behind until the next start");
        }
    }

    /// Bodies are spread over 256 folders, because a folder with a million files is slow to list.
    fn path(&self, id: u64) -> PathBuf {
        self.root.join("bodies").join(format!("{:02x}", id % 256)).join(format!("{id:x}"))
    }
}

/// Two processes on one folder would each trust their own index, so the second one is refused.
fn take_lock(path: &Path) -> Result<File, StorageError> {
    let file = File::create(path).map_err(StorageError::io(format!("create {}", path.display())))?;
    file.try_lock()
        .map_err(io::Error::from)
        .map_err(StorageError::io(format!("lock {}: is another stand-in using this folder?", path.display())))?;
    Ok(file)
}

fn append_to(path: &Path) -> Result<File, StorageError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(StorageError::io(format!("open {}", path.display())))
}

/// Reads the log. If the last line has no line feed, the process died while writing it, so no client was ever told of
/// that change.
fn read_index(path: &Path) -> Result<Vec<Record>, StorageError> {
    let log = match fs::read_to_string(path) {
        Ok(log) => log,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StorageError::io(format!("read {}", path.display()))(error)),
    };
    let whole = log.rfind('\n').map_or("", |end| &log[..end]);
    whole
        .lines()
        .enumerate()
        .map(|(number, line)| {
            serde_json::from_str(line).map_err(io::Error::from).map_err(StorageError::io(format!(
                "read line {} of {}",
                number + 1,
                path.display()
            )))
        })
        .collect()
}

fn lines(records: &[Record]) -> Result<Vec<u8>, StorageError> {
    let mut lines = Vec::new();
    for record in records {
        serde_json::to_writer(&mut lines, record)
            .map_err(io::Error::from)
            .map_err(StorageError::io("write a line of the index"))?;
        lines.push(b'\n');
    }
    Ok(lines)
}
