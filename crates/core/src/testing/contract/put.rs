//! Reads of single objects, and puts with each condition.

use futures_util::future::join_all;

use super::{Check, Space, equal, written};
use crate::object::ETag;
use crate::ports::{Objects, Put, PutIf};

/// How many put at once.
const CROWD: usize = 20;

pub(super) async fn absent_on_nothing_writes<O: Objects>(space: &Space<'_, O>) -> Check {
    let key = space.key("claim.json")?;
    let etag = written(space.objects.put(&key, b"mine".to_vec(), PutIf::Absent).await?)?;
    space.has("claim.json", b"mine").await?;
    let shown = space.objects.head(&key).await?.map(|file| (file.etag, file.size));
    equal("what head shows", &shown, &Some((etag.clone(), 4)))?;
    let content = space.objects.get(&key).await?.map(|content| content.etag);
    equal("the ETag that comes with the content", &content, &Some(etag))
}

pub(super) async fn absent_on_something_is_refused<O: Objects>(space: &Space<'_, O>) -> Check {
    space.write("claim.json", b"theirs").await?;
    let put = space.objects.put(&space.key("claim.json")?, b"mine".to_vec(), PutIf::Absent).await?;
    equal("the put", &put, &Put::Refused)?;
    space.has("claim.json", b"theirs").await
}

pub(super) async fn absent_on_the_same_content_is_refused<O: Objects>(space: &Space<'_, O>) -> Check {
    space.write("claim.json", b"equal").await?;
    let put = space.objects.put(&space.key("claim.json")?, b"equal".to_vec(), PutIf::Absent).await?;
    equal("the put", &put, &Put::Refused)
}

pub(super) async fn matches_writes<O: Objects>(space: &Space<'_, O>) -> Check {
    let old = space.write("claim.json", b"old").await?;
    let put = space.objects.put(&old.key, b"new".to_vec(), PutIf::Matches(&old.etag)).await?;
    let etag = written(put)?;
    equal("whether new content has a new ETag", &(etag != old.etag), &true)?;
    space.has("claim.json", b"new").await
}

pub(super) async fn matches_another_etag_is_refused<O: Objects>(space: &Space<'_, O>) -> Check {
    let old = space.write("claim.json", b"old").await?;
    space.write("claim.json", b"new").await?;
    let put = space.objects.put(&old.key, b"mine".to_vec(), PutIf::Matches(&old.etag)).await?;
    equal("the put", &put, &Put::Refused)?;
    space.has("claim.json", b"new").await
}

pub(super) async fn matches_on_nothing_is_refused<O: Objects>(space: &Space<'_, O>) -> Check {
    let old = space.write("claim.json", b"old").await?;
    space.objects.delete(&old.key, &old.etag).await?;
    let put = space.objects.put(&old.key, b"mine".to_vec(), PutIf::Matches(&old.etag)).await?;
    equal("the put", &put, &Put::Refused)?;
    space.lacks("claim.json").await
}

pub(super) async fn any_overwrites<O: Objects>(space: &Space<'_, O>) -> Check {
    space.write("manifest", b"one").await?;
    let put = space.objects.put(&space.key("manifest")?, b"two".to_vec(), PutIf::Any).await?;
    written(put)?;
    space.has("manifest", b"two").await
}

pub(super) async fn one_of_many_absent_puts_wins<O: Objects>(space: &Space<'_, O>) -> Check {
    let key = space.key("0.json")?;
    let bodies: Vec<Vec<u8>> = (0..CROWD).map(|owner| format!("owner {owner}").into_bytes()).collect();
    let puts = join_all(bodies.iter().map(|body| space.objects.put(&key, body.clone(), PutIf::Absent))).await;
    one_winner(space, "0.json", &bodies, puts.into_iter().collect::<Result<_, _>>()?).await
}

pub(super) async fn one_of_many_matching_puts_wins<O: Objects>(space: &Space<'_, O>) -> Check {
    let old = space.write("0.json", b"lease has run out").await?;
    let bodies: Vec<Vec<u8>> = (0..CROWD).map(|owner| format!("owner {owner}").into_bytes()).collect();
    let put = |body: &Vec<u8>| space.objects.put(&old.key, body.clone(), PutIf::Matches(&old.etag));
    let puts = join_all(bodies.iter().map(put)).await;
    one_winner(space, "0.json", &bodies, puts.into_iter().collect::<Result<_, _>>()?).await
}

/// Exactly one was written, and it is what is there.
async fn one_winner<O: Objects>(space: &Space<'_, O>, name: &str, bodies: &[Vec<u8>], puts: Vec<Put>) -> Check {
    let winners: Vec<usize> = (0..puts.len()).filter(|index| puts[*index] != Put::Refused).collect();
    equal("the number of winners", &winners.len(), &1)?;
    let winner = winners.first().and_then(|index| bodies.get(*index));
    space.has(name, winner.map_or(&[], Vec::as_slice)).await
}

pub(super) async fn a_missing_object_is_none<O: Objects>(space: &Space<'_, O>) -> Check {
    let key = space.key("nothing")?;
    equal("what get gives", &space.objects.get(&key).await?.map(|content| content.body), &None)?;
    equal("what head gives", &space.objects.head(&key).await?, &None)
}

pub(super) async fn empty_content<O: Objects>(space: &Space<'_, O>) -> Check {
    let file = space.write("empty", b"").await?;
    equal("the size", &file.size, &0)?;
    space.has("empty", b"").await?;
    let put = space.objects.put(&file.key, b"".to_vec(), PutIf::Matches(&ETag::new("0"))).await?;
    equal("a put on another ETag", &put, &Put::Refused)?;
    equal("how many are listed", &space.list().await?.len(), &1)
}
