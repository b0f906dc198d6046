//! Odd keys, through every call.

use super::{Check, Space, equal};
use crate::object::{MAX_KEY_BYTES, Prefix};
use crate::ports::{Copy, Delete, Objects};

pub(super) async fn odd_ones_are_kept<O: Objects>(space: &Space<'_, O>) -> Check {
    let odd = [
        " ",
        " leading",
        "trailing ",
        "two  spaces",
        "a+b",
        "a b+c%20d",
        "%",
        "%2F",
        "%00",
        "100%.csv",
        "a&b=c?d#e",
        "'single'",
        "\"double\"",
        "`back`",
        "back\\slash",
        "trailing\\",
        "<tag>&amp;",
        "]]>",
        "a;b,c:d@e",
        "$!*()[]{}|^~",
        "ünïcödé",
        "e\u{301}",
        "\u{e9}",
        "日本語",
        "😀",
        "CON",
        "?versionId=null",
        "a\u{a0}b",
        "\u{fffd}",
    ];
    are_kept(space, &odd).await
}

pub(super) async fn the_longest_ones_are_kept<O: Objects>(space: &Space<'_, O>) -> Check {
    let room = MAX_KEY_BYTES - space.prefix.as_str().len() - "f/".len();
    let [long, longer] = [format!("{}é", "l".repeat(room - 2)), "+".repeat(room)];
    are_kept(space, &[&long, &longer]).await
}

/// In a key these mean nothing, though they do in a path.
pub(super) async fn path_like_ones_are_kept<O: Objects>(space: &Space<'_, O>) -> Check {
    are_kept(space, &[".", "..", "a/../b", "a/./b", "a//b", "/leading", "trailing/", "//"]).await
}

/// XML 1.0 cannot express most of these, and S3 takes them: listings and deletes of many must work with them.
pub(super) async fn control_characters_are_kept<O: Objects>(space: &Space<'_, O>) -> Check {
    are_kept(space, &["a\nb", "a\tb", "a\r\nb", "\u{1}", "escape\u{1b}[31m", "\u{7f}", "\u{85}\u{2028}", "\u{ffff}"])
        .await
}

/// Writes, reads, copies, lists and deletes each of them.
async fn are_kept<O: Objects>(space: &Space<'_, O>, names: &[&str]) -> Check {
    let from = Space { prefix: space.prefix.join(&Prefix::new("f/")?), ..*space };
    let to = Space { prefix: space.prefix.join(&Prefix::new("t/")?), ..*space };
    let mut doomed = Vec::new();
    for name in names {
        let file = from.write(name, name.as_bytes()).await?;
        from.has(name, name.as_bytes()).await?;
        equal(&format!("the copy of {name:?}"), &space.objects.copy(&file, &to.key(name)?).await?, &Copy::Copied)?;
        to.has(name, name.as_bytes()).await?;
        doomed.push((file.key, file.etag));
    }
    let mut names: Vec<String> = names.iter().copied().map(str::to_owned).collect();
    names.sort_unstable();
    equal("the listing", &from.names().await?, &names)?;
    equal("the listing of the copies", &to.names().await?, &names)?;
    let one = doomed.pop();
    let deleted = space.objects.delete_many(&doomed).await?;
    equal("whether all are deleted", &super::delete::all(deleted)?, &vec![Delete::Deleted; doomed.len()])?;
    if let Some((key, etag)) = one {
        equal("the single delete", &space.objects.delete(&key, &etag).await?, &Delete::Deleted)?;
    }
    equal("what is left", &from.names().await?, &vec![])
}

/// `a` is an object and `a/b` too: there are no folders.
pub(super) async fn a_name_may_be_the_beginning_of_another<O: Objects>(space: &Space<'_, O>) -> Check {
    for name in ["a", "a/b", "a/b/c", "a/"] {
        space.write(name, name.as_bytes()).await?;
    }
    for name in ["a", "a/b", "a/b/c", "a/"] {
        space.has(name, name.as_bytes()).await?;
    }
    let all = ["a", "a/", "a/b", "a/b/c"].map(str::to_owned).to_vec();
    equal("the listing", &space.names().await?, &all)?;
    let file = space.write("a", b"a").await?;
    space.objects.delete(&file.key, &file.etag).await?;
    equal("what is left", &space.names().await?, &all[1..].to_vec())
}
