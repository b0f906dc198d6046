//! Reads of a part: of exactly the version asked for.

use super::{Check, Space, equal};
use crate::ports::Objects;

pub(super) async fn a_part<O: Objects>(space: &Space<'_, O>) -> Check {
    let file = space.write("incoming/a.csv", b"0123456789").await?;
    equal("the beginning", &space.objects.read(&file, 0, 3).await?, &Some(b"012".to_vec()))?;
    equal("the middle", &space.objects.read(&file, 4, 2).await?, &Some(b"45".to_vec()))?;
    equal("one byte", &space.objects.read(&file, 9, 1).await?, &Some(b"9".to_vec()))
}

pub(super) async fn as_much_as_there_is<O: Objects>(space: &Space<'_, O>) -> Check {
    let file = space.write("incoming/a.csv", b"0123456789").await?;
    equal("the end", &space.objects.read(&file, 8, 100).await?, &Some(b"89".to_vec()))?;
    equal("all of it", &space.objects.read(&file, 0, 10).await?, &Some(b"0123456789".to_vec()))
}

pub(super) async fn of_a_replaced_file_is_none<O: Objects>(space: &Space<'_, O>) -> Check {
    let old = space.write("incoming/a.csv", b"old content").await?;
    let new = space.write("incoming/a.csv", b"new content").await?;
    equal("the old version", &space.objects.read(&old, 0, 3).await?, &None)?;
    equal("the new one", &space.objects.read(&new, 0, 3).await?, &Some(b"new".to_vec()))
}

pub(super) async fn of_a_missing_file_is_none<O: Objects>(space: &Space<'_, O>) -> Check {
    let file = space.write("incoming/a.csv", b"content").await?;
    space.objects.delete(&file.key, &file.etag).await?;
    equal("the file", &space.objects.read(&file, 0, 3).await?, &None)
}
