//! Names in `processed/` and `failed/`, read backwards: which file an object there can be.
//!
//! Producers choose paths, so a name alone proves nothing. What it says is only a question to the ledger or to S3.

use sluice_core::config::Bucket;
use sluice_core::object::{ETag, File, FileId, Key, Prefix};

/// How the names of reasons end.
pub(crate) const REASON: &str = ".error.json";

/// The names of objects that `name` can be the reason of.
pub(crate) fn reasoned(name: &str) -> Vec<&str> {
    let Some(whole) = name.strip_suffix(REASON) else { return Vec::new() };
    let marked = whole.rsplit_once('.').filter(|(_, mark)| is_mark(mark)).map(|(name, _)| name);
    std::iter::once(whole).chain(marked).filter(|name| !name.is_empty()).collect()
}

/// The files in `incoming/`, by key and `ETag`, that an object under `to` can be the copy of, likeliest first.
pub(crate) fn originals(bucket: &Bucket, to: &Prefix, object: &File) -> Vec<(Key, ETag)> {
    let named = identities(to.strip(&object.key).unwrap_or_default(), &object.etag);
    named.into_iter().filter_map(|(path, etag)| Some((bucket.incoming.key(&path).ok()?, etag))).collect()
}

/// The paths and `ETag`s that an object with this name and `ETag` can be the copy of, likeliest first.
fn identities(name: &str, etag: &ETag) -> Vec<(String, ETag)> {
    let named = stems(name).into_iter().filter_map(|stem| {
        let (path, etag) = stem.rsplit_once('.')?;
        (!path.is_empty() && !etag.is_empty()).then(|| (path.to_owned(), ETag::new(etag)))
    });
    std::iter::once((name.to_owned(), etag.clone())).chain(named).collect()
}

/// The ids of files that the name itself contains. A name that would be too long is cut, and has the file's id at its
/// end, or before the `ETag`.
pub(crate) fn ids(name: &str) -> Vec<FileId> {
    stems(name).into_iter().flat_map(|stem| stem.rsplit('.').take(2)).filter_map(FileId::parse).collect()
}

/// The name; the name without a number at its end; and without a mark and a number.
fn stems(name: &str) -> Vec<&str> {
    let numbered = name.rsplit_once('.').filter(|(_, number)| is_number(number)).map(|(stem, _)| stem);
    let marked = numbered.and_then(|stem| stem.rsplit_once('.')).filter(|(_, mark)| is_mark(mark));
    std::iter::once(name).chain(numbered).chain(marked.map(|(stem, _)| stem)).collect()
}

fn is_number(text: &str) -> bool {
    matches!(text.len(), 1 | 2) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_mark(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a warehouse can hold this key as it is.
pub(crate) fn is_text(key: &Key) -> bool {
    !key.as_str().contains('\0')
}

/// Whether the object is no file, only the name of a folder.
pub(crate) fn is_folder(file: &File) -> bool {
    file.size == 0 && file.key.as_str().ends_with('/')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;
    use sluice_core::archive::plain_names;
    use sluice_core::object::{File, MAX_KEY_BYTES, Prefix};

    #[test_case("a.csv.error.json", &["a.csv"]; "plain")]
    #[test_case("a.csv.0123456789abcdef.error.json", &["a.csv.0123456789abcdef", "a.csv"]; "marked")]
    #[test_case("a.csv", &[]; "no reason")]
    #[test_case(".error.json", &[]; "of nothing")]
    fn reasons_name_their_files(name: &str, files: &[&str]) {
        assert_eq!(reasoned(name), files);
    }

    #[test]
    fn a_cut_name_bears_the_id_at_its_end_or_before_the_etag() {
        let id = "5a".repeat(32);
        for end in ["", ".0123456789abcdef0123456789abcdef-3", ".0123456789abcdef0123456789abcdef-3.2"] {
            assert_eq!(ids(&format!("a/b.{id}{end}")), [FileId::parse(&id).unwrap()], "{end}");
        }
    }

    proptest! {
        /// Whatever the path: each name that its copy may have leads back to it.
        #[test]
        fn every_plain_name_leads_back(path in ".{0,40}(/(\\.\\.|.{1,300})){1,4}", parts in 0..3_u32) {
            let mut key = format!("incoming/{path}");
            key.truncate(key.floor_char_boundary(MAX_KEY_BYTES));
            let dash = if parts == 0 { String::new() } else { format!("-{parts}") };
            let etag = ETag::new(&format!("0123456789abcdef0123456789abcdef{dash}"));
            let key = Key::new(key).unwrap();
            let file = File { key: key.clone(), etag: etag.clone(), size: 1, last_modified: Timestamp::UNIX_EPOCH };
            let (incoming, to) = (Prefix::new("incoming/").unwrap(), Prefix::new("processed/").unwrap());
            let path = incoming.strip(&key).unwrap();
            for name in plain_names(&incoming, &to, &file) {
                let name = to.strip(&name).unwrap();
                let named = identities(name, &etag).contains(&(path.to_owned(), etag.clone()));
                let cut = ids(name).contains(&file.id());
                prop_assert!(named || cut, "{name}");
            }
        }
    }
}
