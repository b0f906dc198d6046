//! Archive: files leave `incoming/` for `processed/` or `failed/`, and nothing is ever lost or overwritten on the way.
//!
//! First every file is copied, exactly in the version that the batch has, to a name that is free; then the versions that
//! were copied are deleted. A version that a producer wrote meanwhile is neither copied nor deleted: it is a new file.
//! Doing it again after a death half-way does the rest.

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::object::{ETag, File, Key, MAX_KEY_BYTES, Prefix};
use crate::ports::{Copy, MAX_DELETES, Objects, PortError, PortErrorKind};

/// How many copies are under way at once.
const COPIES_AT_ONCE: usize = 48;

/// What became of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Archived {
    /// Files that are where they belong, with their new keys; gone from where they came from, unless replaced there.
    pub moved: Vec<(File, Key)>,
    /// Files that were gone already: archived before, or taken away by their producer.
    pub gone: Vec<File>,
    /// Files whose key has another version by now, which stays.
    pub replaced: Vec<(File, ETag)>,
}

/// Copies the files from `incoming` to the same paths under `to`.
///
/// # Errors
/// The first failed call; what was copied by then is found copied the next time.
pub async fn copy(
    objects: &impl Objects,
    incoming: &Prefix,
    to: &Prefix,
    files: &[File],
) -> Result<Archived, PortError> {
    let copies = stream::iter(files).map(async |file| Ok((file, copy_one(objects, incoming, to, file).await?)));
    let mut archived = Archived::default();
    let mut done = std::pin::pin!(copies.buffered(COPIES_AT_ONCE));
    while let Some((file, one)) = done.try_next().await? {
        match one {
            One::At(key) => archived.moved.push((file.clone(), key)),
            One::Gone => archived.gone.push(file.clone()),
            One::Replaced(etag) => archived.replaced.push((file.clone(), etag)),
        }
    }
    Ok(archived)
}

/// Deletes the versions that were copied, and no others.
///
/// # Errors
/// The first failed call; what is left is found the next time.
pub async fn delete(objects: &impl Objects, copied: &[(File, Key)]) -> Result<(), PortError> {
    let versions: Vec<(Key, ETag)> = copied.iter().map(|(file, _)| (file.key.clone(), file.etag.clone())).collect();
    for chunk in versions.chunks(MAX_DELETES) {
        // A version that was replaced since it was copied stays, as the new file it is.
        objects.delete_many(chunk).await?;
    }
    Ok(())
}

enum One {
    At(Key),
    Gone,
    Replaced(ETag),
}

/// How many names are tried for one file.
const NAMES: usize = 64;

async fn copy_one(objects: &impl Objects, incoming: &Prefix, to: &Prefix, file: &File) -> Result<One, PortError> {
    for attempt in 0..NAMES {
        let key = target(incoming, to, file, attempt)?;
        match objects.copy(file, &key).await? {
            Copy::Copied => return Ok(One::At(key)),
            Copy::Gone => return Ok(One::Gone),
            Copy::Replaced(etag) => return Ok(One::Replaced(etag)),
            // Copied by whoever died before deleting, or the same content archived before: it is there. Where ETags are
            // not hashes (KMS, uploads in parts) a copy has another one, and after such a death a second copy is made:
            // once too often is safe, taking another file for ours is not.
            Copy::Occupied(other) if other.etag == file.etag && other.size == file.size => {
                return Ok(One::At(key));
            }
            Copy::Occupied(_) => {}
        }
    }
    let problem = format!("{NAMES} other objects have the names it could have under {to}: remove some");
    Err(PortError::new("archive", file.key.as_str(), PortErrorKind::Invalid, problem))
}

/// What is kept free at the end of a name: `.error.json` is appended to the names of quarantined files.
const RESERVED_BYTES: usize = 16;

/// Where a file goes: the same path under `to`; when that is taken, with its `ETag` appended, and then numbers too.
///
/// `processed/` is longer than `incoming/`, so a name can become too long for S3: then it is cut and ends in the file's
/// id, which keeps it apart from all others.
fn target(incoming: &Prefix, to: &Prefix, file: &File, attempt: usize) -> Result<Key, PortError> {
    let path = incoming.strip(&file.key).unwrap_or(file.key.as_str());
    let suffix = match attempt {
        0 => String::new(),
        1 => format!(".{}", file.etag),
        n => format!(".{}.{n}", file.etag),
    };
    let longest = MAX_KEY_BYTES - RESERVED_BYTES;
    let mut name = format!("{to}{path}");
    if name.len() + suffix.len() > longest {
        let end = format!(".{}", file.id());
        let room = longest.saturating_sub(end.len() + suffix.len());
        let cut = (0..=room).rev().find(|cut| name.is_char_boundary(*cut)).unwrap_or_default();
        name.truncate(cut);
        name.push_str(&end);
    }
    Key::new(name + &suffix)
        .map_err(|error| PortError::new("archive", file.key.as_str(), PortErrorKind::Invalid, error))
}
