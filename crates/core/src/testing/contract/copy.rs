//! Copies: exactly the version asked for, and never over anything.

use futures_util::future::join_all;

use super::{Check, Space, equal};
use crate::ports::{Copy, Objects};

pub(super) async fn copies_content<O: Objects>(space: &Space<'_, O>) -> Check {
    let from = space.write("incoming/a.csv", b"1,2,3").await?;
    let copy = space.objects.copy(&from, &space.key("processed/a.csv")?).await?;
    equal("the copy", &copy, &Copy::Copied)?;
    space.has("processed/a.csv", b"1,2,3").await
}

pub(super) async fn of_empty_content<O: Objects>(space: &Space<'_, O>) -> Check {
    let from = space.write("incoming/a.csv", b"").await?;
    equal("the copy", &space.objects.copy(&from, &space.key("processed/a.csv")?).await?, &Copy::Copied)?;
    space.has("processed/a.csv", b"").await
}

pub(super) async fn leaves_the_source<O: Objects>(space: &Space<'_, O>) -> Check {
    let from = space.write("incoming/a.csv", b"1,2,3").await?;
    space.objects.copy(&from, &space.key("processed/a.csv")?).await?;
    equal("the source", &space.objects.head(&from.key).await?, &Some(from))
}

pub(super) async fn never_overwrites<O: Objects>(space: &Space<'_, O>) -> Check {
    let from = space.write("incoming/a.csv", b"new").await?;
    let there = space.write("processed/a.csv", b"yesterday's").await?;
    let copy = space.objects.copy(&from, &there.key).await?;
    equal("the copy", &copy, &Copy::Occupied(there))?;
    space.has("processed/a.csv", b"yesterday's").await
}

/// So a copy that was repeated after a lost reply can recognise its own work by size and content.
pub(super) async fn never_overwrites_even_the_same_content<O: Objects>(space: &Space<'_, O>) -> Check {
    let from = space.write("incoming/a.csv", b"equal").await?;
    let to = space.key("processed/a.csv")?;
    equal("the first copy", &space.objects.copy(&from, &to).await?, &Copy::Copied)?;
    let there = space.objects.head(&to).await?;
    let second = space.objects.copy(&from, &to).await?;
    equal("the second copy", &Some(second), &there.map(Copy::Occupied))
}

pub(super) async fn of_a_replaced_source<O: Objects>(space: &Space<'_, O>) -> Check {
    let from = space.write("incoming/a.csv", b"old").await?;
    let new = space.write("incoming/a.csv", b"new").await?;
    let copy = space.objects.copy(&from, &space.key("processed/a.csv")?).await?;
    equal("the copy", &copy, &Copy::Replaced(new.etag))?;
    space.lacks("processed/a.csv").await
}

pub(super) async fn of_a_missing_source<O: Objects>(space: &Space<'_, O>) -> Check {
    let from = space.write("incoming/a.csv", b"old").await?;
    space.objects.delete(&from.key, &from.etag).await?;
    let copy = space.objects.copy(&from, &space.key("processed/a.csv")?).await?;
    equal("the copy", &copy, &Copy::Gone)?;
    space.lacks("processed/a.csv").await
}

/// The source decides first: for a file that was replaced it does not matter whether the place is occupied.
pub(super) async fn of_a_replaced_source_onto_something<O: Objects>(space: &Space<'_, O>) -> Check {
    let from = space.write("incoming/a.csv", b"old").await?;
    let new = space.write("incoming/a.csv", b"new").await?;
    let there = space.write("processed/a.csv", b"yesterday's").await?;
    equal("the copy", &space.objects.copy(&from, &there.key).await?, &Copy::Replaced(new.etag))?;
    space.has("processed/a.csv", b"yesterday's").await
}

pub(super) async fn of_a_missing_source_onto_something<O: Objects>(space: &Space<'_, O>) -> Check {
    let from = space.write("incoming/a.csv", b"old").await?;
    space.objects.delete(&from.key, &from.etag).await?;
    let there = space.write("processed/a.csv", b"yesterday's").await?;
    equal("the copy", &space.objects.copy(&from, &there.key).await?, &Copy::Gone)?;
    space.has("processed/a.csv", b"yesterday's").await
}

pub(super) async fn one_of_many_copies_wins<O: Objects>(space: &Space<'_, O>) -> Check {
    let mut sources = Vec::new();
    for number in 0..10 {
        sources.push(space.write(&format!("incoming/{number}"), format!("file {number}").as_bytes()).await?);
    }
    let to = space.key("processed/one")?;
    let copies = join_all(sources.iter().map(|from| space.objects.copy(from, &to))).await;
    let copies = copies.into_iter().collect::<Result<Vec<_>, _>>()?;
    let winners: Vec<_> = (0..copies.len()).filter(|index| copies[*index] == Copy::Copied).collect();
    equal("the number of winners", &winners.len(), &1)?;
    let winner = winners.first().copied().unwrap_or_default();
    space.has("processed/one", format!("file {winner}").as_bytes()).await
}
