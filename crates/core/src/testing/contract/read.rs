//! Reads of a part: of exactly the version asked for.

use super::{Check, Space, bytes, equal};
use crate::ports::Objects;

pub(super) async fn a_part<O: Objects>(space: &Space<'_, O>) -> Check {
    let file = space.write("incoming/a.csv", b"0123456789").await?;
    equal("the beginning", &bytes(space.objects, &file, 0, 3).await?, &Some(b"012".to_vec()))?;
    equal("the middle", &bytes(space.objects, &file, 4, 2).await?, &Some(b"45".to_vec()))?;
    equal("one byte", &bytes(space.objects, &file, 9, 1).await?, &Some(b"9".to_vec()))
}

pub(super) async fn as_much_as_there_is<O: Objects>(space: &Space<'_, O>) -> Check {
    let file = space.write("incoming/a.csv", b"0123456789").await?;
    equal("the end", &bytes(space.objects, &file, 8, 100).await?, &Some(b"89".to_vec()))?;
    equal("all of it", &bytes(space.objects, &file, 0, 10).await?, &Some(b"0123456789".to_vec()))
}

pub(super) async fn of_a_replaced_file_is_none<O: Objects>(space: &Space<'_, O>) -> Check {
    let old = space.write("incoming/a.csv", b"old content").await?;
    let new = space.write("incoming/a.csv", b"new content").await?;
    equal("the old version", &bytes(space.objects, &old, 0, 3).await?, &None)?;
    equal("the new one", &bytes(space.objects, &new, 0, 3).await?, &Some(b"new".to_vec()))
}

pub(super) async fn of_a_missing_file_is_none<O: Objects>(space: &Space<'_, O>) -> Check {
    let file = space.write("incoming/a.csv", b"content").await?;
    space.objects.delete(&file.key, &file.etag).await?;
    equal("the file", &bytes(space.objects, &file, 0, 3).await?, &None)
}
