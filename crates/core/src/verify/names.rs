//! Names of copies, read backwards: which file an object in `processed/` or `failed/` can be.
//!
//! Producers choose paths, so a name alone proves nothing; what it says is what is asked about.

use crate::archive::RESERVED_BYTES;
use crate::object::{ETag, FileId, Key, MAX_KEY_BYTES, Prefix};

/// How reasons end.
pub(crate) const REASON: &str = ".error.json";

/// Whether `rest` can follow a path and its `ETag` in the name of a copy: nothing, a number, or a mark and a number.
pub(super) fn follows(rest: &str) -> bool {
    let Some(rest) = rest.strip_prefix('.') else { return rest.is_empty() };
    match rest.split_once('.') {
        None => is_number(rest),
        Some((mark, number)) => is_mark(mark) && is_number(number),
    }
}

/// Whether `name` can be that of the reason of the object `of`.
pub(super) fn is_reason_of(name: &str, of: &str) -> bool {
    let between = name.strip_prefix(of).and_then(|rest| rest.strip_suffix(REASON));
    between.is_some_and(|between| between.is_empty() || between.strip_prefix('.').is_some_and(is_mark))
}

/// The names of objects that `name` can be the reason of.
pub(crate) fn reasoned(name: &str) -> Vec<&str> {
    let Some(whole) = name.strip_suffix(REASON) else { return Vec::new() };
    let marked = whole.rsplit_once('.').filter(|(_, mark)| is_mark(mark)).map(|(name, _)| name);
    std::iter::once(whole).chain(marked).filter(|name| !name.is_empty()).collect()
}

/// The paths and `ETag`s that an object with this name and `ETag` can be the copy of, likeliest first.
pub(crate) fn identities(name: &str, etag: &ETag) -> Vec<(String, ETag)> {
    let named = stems(name).into_iter().filter_map(|stem| {
        let (path, etag) = stem.rsplit_once('.')?;
        (!path.is_empty() && !etag.is_empty()).then(|| (path.to_owned(), ETag::new(etag)))
    });
    std::iter::once((name.to_owned(), etag.clone())).chain(named).collect()
}

/// The files that the name itself bears the id of, since their own names were too long: at its end, or before the `ETag`.
pub(crate) fn ids(name: &str) -> Vec<FileId> {
    stems(name).into_iter().flat_map(|stem| stem.rsplit('.').take(2)).filter_map(FileId::parse).collect()
}

/// Whether the copy of a file with this path may have a name that does not begin with the path.
pub(super) fn is_cut(to: &Prefix, path: &str, etag: &ETag) -> bool {
    // The longest that follows a path: the ETag, a mark and a number.
    let longest = to.as_str().len() + path.len() + etag.as_str().len() + ".0123456789abcdef.63.".len();
    longest > MAX_KEY_BYTES - RESERVED_BYTES || path.split('/').any(|part| part == "..")
}

/// Whether the warehouse can hold this key as it is.
pub(super) fn is_text(key: &Key) -> bool {
    !key.as_str().contains('\0')
}

/// The name, and what is left of it without a number, and without a mark and a number.
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;
    use crate::archive::plain_names;
    use crate::object::File;

    #[test_case("" => true; "the second name")]
    #[test_case(".2" => true; "a number")]
    #[test_case(".0123456789abcdef.8" => true; "a mark and a number")]
    #[test_case("2" => false; "part of the ETag")]
    #[test_case(".123" => false; "too large a number")]
    #[test_case(".csv" => false; "an ending")]
    #[test_case(".0123456789abcdef" => false; "a mark alone")]
    fn what_follows_an_etag(rest: &str) -> bool {
        follows(rest)
    }

    #[test_case("a.csv.error.json", &["a.csv"]; "plain")]
    #[test_case("a.csv.0123456789abcdef.error.json", &["a.csv.0123456789abcdef", "a.csv"]; "marked")]
    #[test_case("a.csv", &[]; "no reason")]
    #[test_case(".error.json", &[]; "of nothing")]
    fn reasons_name_their_files(name: &str, files: &[&str]) {
        assert_eq!(reasoned(name), files);
        assert!(files.iter().all(|file| is_reason_of(name, file)));
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
                prop_assert!(named || is_cut(&to, path, &etag), "{name}");
            }
        }
    }
}
