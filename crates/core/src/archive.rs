//! Archive: files leave `incoming/` for `processed/` or `failed/`. Never loses or overwrites anything on the way.
//!
//! First every file is copied to a free name, exactly in the version that the batch has. Then the copied versions are
//! deleted. A version that a producer wrote meanwhile is neither copied nor deleted: it is a new file. After a crash
//! half-way, doing it again does the rest.
//!
//! Producers choose paths, and can foresee the names that their files get here. So they could occupy all of them. For
//! this reason the later names bear a mark that nobody can foresee.

use futures_util::{StreamExt, stream};

use crate::destination::StatementId;
use crate::hash;
use crate::object::{ETag, File, Key, MAX_KEY_BYTES, Prefix};
use crate::ports::{Copy, Deleted, MAX_DELETES, Objects, PortError, PortErrorKind};

/// How many copies are under way at once.
const COPIES_AT_ONCE: usize = 48;

/// Where the files are now.
#[derive(Debug, Default)]
pub struct Archived {
    /// Files that were moved, with their new keys. Their old keys are gone, unless a producer has written there again.
    pub moved: Vec<(File, Key)>,
    /// Files that were gone before: archived earlier, or deleted by their producer.
    pub gone: Vec<File>,
    /// Files whose key has another version by now. That version stays.
    pub replaced: Vec<(File, ETag)>,
    /// Files that are still where they were.
    pub unmoved: Vec<Unmoved>,
}

/// A file that could not be moved.
#[derive(Debug)]
pub struct Unmoved {
    /// The file.
    pub file: File,
    /// Its copy, where only the delete failed.
    pub copied: Option<Key>,
    /// Why.
    pub error: PortError,
}

/// Moves the files, which `statement` has loaded or refused, from `incoming` to the same paths under `to`.
///
/// Never fails as a whole: a file that cannot be moved does not hold up the others.
pub async fn archive(
    objects: &impl Objects,
    incoming: &Prefix,
    to: &Prefix,
    files: &[File],
    statement: &StatementId,
) -> Archived {
    let mut archived = copy(objects, incoming, to, files, statement).await;
    delete(objects, &mut archived).await;
    archived
}

/// Copies the files. A copy that an earlier attempt made counts.
pub async fn copy(
    objects: &impl Objects,
    incoming: &Prefix,
    to: &Prefix,
    files: &[File],
    statement: &StatementId,
) -> Archived {
    let names = Names { incoming, to, statement };
    let mut archived = Archived::default();
    let mut copies = std::pin::pin!(
        stream::iter(files).map(async |file| copy_one(objects, names, file).await).buffered(COPIES_AT_ONCE)
    );
    for (at, file) in files.iter().enumerate() {
        let Some(one) = copies.next().await else { break };
        match one {
            Ok((key, Copy::Copied | Copy::Occupied(_))) => archived.moved.push((file.clone(), key)),
            Ok((_, Copy::Gone)) => archived.gone.push(file.clone()),
            Ok((_, Copy::Replaced(etag))) => archived.replaced.push((file.clone(), etag)),
            Err(error) => archived.unmoved.push(Unmoved { file: file.clone(), copied: None, error }),
        }
        // Where every copy fails, the cause is not in the files. No further request is paid for.
        if archived.unmoved.len() == COPIES_AT_ONCE && at + 1 == COPIES_AT_ONCE {
            let error = archived.unmoved[0].error.same();
            let rest = files[at + 1..].iter();
            archived.unmoved.extend(rest.map(|file| Unmoved { file: file.clone(), copied: None, error: error.same() }));
            break;
        }
    }
    archived
}

/// Deletes the versions that were copied, and no others.
pub async fn delete(objects: &impl Objects, archived: &mut Archived) {
    let copied = std::mem::take(&mut archived.moved);
    for chunk in copied.chunks(MAX_DELETES) {
        let versions: Vec<(Key, ETag)> = chunk.iter().map(|(file, _)| (file.key.clone(), file.etag.clone())).collect();
        let deleted: Vec<Deleted> = match objects.delete_many(&versions).await {
            Ok(deleted) => deleted,
            Err(error) => chunk.iter().map(|_| Err(error.same())).collect(),
        };
        for ((file, key), deleted) in chunk.iter().cloned().zip(deleted) {
            match deleted {
                // A version that was replaced since the copy stays: it is a new file.
                Ok(_) => archived.moved.push((file, key)),
                Err(error) => archived.unmoved.push(Unmoved { file, copied: Some(key), error }),
            }
        }
    }
}

/// How many names are tried for one file.
const NAMES: usize = 64;

/// How many of them follow from the file alone, and could be occupied on purpose.
const PLAIN_NAMES: usize = 8;

/// Copies one file: to which key, and how the copy ended. An occupied key has the file's own copy.
async fn copy_one(objects: &impl Objects, names: Names<'_>, file: &File) -> Result<(Key, Copy), PortError> {
    for attempt in 0..NAMES {
        let key = names.name(file, attempt)?;
        match objects.copy(file, &key).await? {
            // An earlier attempt copied it and did not delete the source, or the same content was archived before.
            // Where ETags are not hashes (KMS, uploads in parts) a copy has another one, and then a second copy is
            // made. One copy too many is safe; taking another file for this one is not.
            Copy::Occupied(other) if other.etag == file.etag && other.size == file.size => {
                return Ok((key, Copy::Occupied(other)));
            }
            Copy::Occupied(_) => {}
            copy => return Ok((key, copy)),
        }
    }
    let problem = format!("{NAMES} other objects have the names it could have under {}: remove some", names.to);
    Err(PortError::new("archive", file.key.as_str(), PortErrorKind::Invalid, problem))
}

/// The names of a file's copy under `to` that follow from the file alone, in the order in which they are tried. After
/// them come names that nobody can foresee.
#[must_use]
pub fn plain_names(incoming: &Prefix, to: &Prefix, file: &File) -> Vec<Key> {
    let statement = StatementId(String::new());
    let names = Names { incoming, to, statement: &statement };
    (0..PLAIN_NAMES).filter_map(|attempt| names.name(file, attempt).ok()).collect()
}

/// All names that a copy under `to` may have after `statement`, in the order in which they are tried.
pub fn all_names<'a>(
    incoming: &'a Prefix,
    to: &'a Prefix,
    file: &'a File,
    statement: &'a StatementId,
) -> impl Iterator<Item = Key> + 'a {
    let names = Names { incoming, to, statement };
    (0..NAMES).filter_map(move |attempt| names.name(file, attempt).ok())
}

/// Bytes that stay free at the end of a name. The name of a file's reason is at most so much longer than the file's.
pub const RESERVED_BYTES: usize = 32;

/// Sixteen digits that nobody can foresee: the warehouse makes up the statement's id.
#[must_use]
pub fn mark(statement: &StatementId, file: &File) -> String {
    hash::hex(&hash::of_parts([statement.0.as_str(), &file.id().to_string()])[..8])
}

/// The names that files get.
#[derive(Clone, Copy)]
struct Names<'a> {
    incoming: &'a Prefix,
    to: &'a Prefix,
    statement: &'a StatementId,
}

impl Names<'_> {
    /// The same path under `to`. Where that is occupied, the file's `ETag` follows it, then a number too, then a mark.
    ///
    /// `processed/` is longer than `incoming/`, so a name can become too long for S3. Then it is cut, and ends in the file's
    /// id, which makes it unique.
    fn name(self, file: &File, attempt: usize) -> Result<Key, PortError> {
        let suffix = match attempt {
            0 => String::new(),
            1 => format!(".{}", file.etag),
            n if n < PLAIN_NAMES => format!(".{}.{n}", file.etag),
            n => format!(".{}.{}.{n}", file.etag, mark(self.statement, file)),
        };
        let longest = MAX_KEY_BYTES - RESERVED_BYTES;
        let mut name = self.path(file);
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

    /// The file's path under `to`, or its id there where S3 would not take the path.
    fn path(self, file: &File) -> String {
        let path = self.incoming.strip(&file.key).unwrap_or(file.key.as_str());
        let name = format!("{}{path}", self.to);
        if climbs_out(&name) { format!("{}{}", self.to, file.id()) } else { name }
    }
}

/// Whether a key, read from its left, has more `..` than parts before them. S3 refuses such keys. A key that it takes under
/// `a/b/incoming/` may become one of them under `processed/`.
/// Source: Amazon S3 User Guide, "Naming Amazon S3 objects".
#[must_use]
pub fn climbs_out(key: &str) -> bool {
    let mut depth = 0_usize;
    for part in key.split('/') {
        match (part, depth) {
            ("..", 0) => return true,
            ("..", _) => depth -= 1,
            ("" | ".", _) => {}
            _ => depth += 1,
        }
    }
    false
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashSet;

    use jiff::Timestamp;
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    fn file(key: &str) -> File {
        let (key, etag) = (Key::new(key).unwrap(), ETag::new("0123456789abcdef0123456789abcdef-10000"));
        File { key, etag, size: 1, last_modified: Timestamp::UNIX_EPOCH }
    }

    fn names(key: &str, to: &str, statement: &str) -> Vec<String> {
        let (incoming, to) = (Prefix::new("incoming/").unwrap(), Prefix::new(to).unwrap());
        let statement = StatementId(statement.to_owned());
        let names = Names { incoming: &incoming, to: &to, statement: &statement };
        (0..NAMES).map(|attempt| names.name(&file(key), attempt).unwrap().into()).collect()
    }

    #[test_case("processed/a/../b", false; "within")]
    #[test_case("processed/../b", false; "at the top")]
    #[test_case("processed/../../b", true; "above it")]
    #[test_case("../b", true; "from the beginning")]
    #[test_case("p/./../..", true; "a dot is no part")]
    #[test_case("p//../..", true; "nor is nothing")]
    #[test_case("p/...", false; "three dots are a name")]
    fn some_paths_climb_out(key: &str, expected: bool) {
        assert_eq!(climbs_out(key), expected);
    }

    #[test]
    fn a_path_that_would_climb_out_gives_way_to_the_id() {
        let key = "incoming/../../b";
        assert_eq!(names(key, "processed/", "s")[0], format!("processed/{}", file(key).id()));
    }

    #[test]
    fn the_last_names_are_nobodys_to_foresee() {
        let (one, other) = (names("incoming/a", "p/", "one"), names("incoming/a", "p/", "other"));
        assert_eq!(one[..PLAIN_NAMES], other[..PLAIN_NAMES]);
        let common = one[PLAIN_NAMES..].iter().filter(|name| other.contains(name)).count();
        assert_eq!(common, 0);
    }

    proptest! {
        /// Whatever the path: under the prefix, not too long for its reason's name, none twice, and nothing S3 refuses.
        #[test]
        fn names_stay_where_they_belong(path in "([^/]{0,9}|\\.\\.|\\.|.{0,300})(/([^/]{0,9}|\\.\\.|\\.|é{0,350})){0,6}") {
            let mut key = format!("incoming/{path}");
            key.truncate(key.floor_char_boundary(MAX_KEY_BYTES));
            for to in ["processed/", "a/b/failed/"] {
                let names = names(&key, to, "s");
                prop_assert_eq!(names.iter().collect::<HashSet<_>>().len(), NAMES);
                for name in names {
                    prop_assert!(name.starts_with(to));
                    prop_assert!(name.len() + RESERVED_BYTES <= MAX_KEY_BYTES);
                    prop_assert!(!climbs_out(&name));
                }
            }
        }
    }
}
