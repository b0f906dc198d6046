//! Copies of what takes more than two parts of a multipart copy, where an implementation is set to make one.

use futures_util::future::join;

use super::{Check, Space, equal};
use crate::object::File;
use crate::ports::{Copy, Objects};

/// Two parts of the least size that S3 allows, and a smaller one.
/// Source: Amazon S3 User Guide, "Amazon S3 multipart upload limits".
const SIZE: usize = 12 * 1024 * 1024 + 1;

pub(super) async fn copies_12_mib<O: Objects>(space: &Space<'_, O>) -> Check {
    let from = space.write("incoming/large", &body()).await?;
    equal("the copy", &space.objects.copy(&from, &space.key("processed/large")?).await?, &Copy::Copied)?;
    space.has("processed/large", &body()).await
}

pub(super) async fn never_overwrites<O: Objects>(space: &Space<'_, O>) -> Check {
    let from = space.write("incoming/large", &body()).await?;
    let there = space.write("processed/large", b"yesterday's").await?;
    equal("the copy", &space.objects.copy(&from, &there.key).await?, &Copy::Occupied(there))?;
    space.has("processed/large", b"yesterday's").await
}

pub(super) async fn of_a_replaced_source<O: Objects>(space: &Space<'_, O>) -> Check {
    let from = space.write("incoming/large", &body()).await?;
    let mut other = body();
    other[SIZE - 1] ^= 1;
    let new = space.write("incoming/large", &other).await?;
    let copy = space.objects.copy(&from, &space.key("processed/large")?).await?;
    equal("the copy", &copy, &Copy::Replaced(new.etag))?;
    space.lacks("processed/large").await
}

pub(super) async fn of_a_missing_source<O: Objects>(space: &Space<'_, O>) -> Check {
    let small = space.write("incoming/large", b"small").await?;
    space.objects.delete(&small.key, &small.etag).await?;
    let from = File { size: SIZE as u64, ..small };
    equal("the copy", &space.objects.copy(&from, &space.key("processed/large")?).await?, &Copy::Gone)?;
    space.lacks("processed/large").await
}

/// Neither finds anything when it begins, so the end has to decide.
pub(super) async fn one_of_two_copies_wins<O: Objects>(space: &Space<'_, O>) -> Check {
    let (whole, mut other) = (body(), body());
    other[0] ^= 1;
    let files = [space.write("incoming/one", &whole).await?, space.write("incoming/other", &other).await?];
    let to = space.key("processed/large")?;
    let (one, two) = join(space.objects.copy(&files[0], &to), space.objects.copy(&files[1], &to)).await;
    let winners = [one?, two?].map(|copy| copy == Copy::Copied);
    equal("whether one of them wins", &(winners[0] != winners[1]), &true)?;
    space.has("processed/large", if winners[0] { &whole } else { &other }).await
}

/// No two parts alike, so that parts in the wrong order are seen.
fn body() -> Vec<u8> {
    let mut body = Vec::with_capacity(SIZE);
    for block in (0..=250).cycle().take(SIZE.div_ceil(1000)) {
        body.resize(SIZE.min(body.len() + 1000), block);
    }
    body
}
