//! Listings: order, pages, and what they show of each object.

use std::collections::BTreeSet;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Broken, Check, Space, equal};
use crate::object::Prefix;
use crate::ports::{Objects, PutIf};

/// More than a page, and not a multiple of one.
const MANY: usize = 1007;

pub(super) async fn nothing_is_an_empty_page<O: Objects>(space: &Space<'_, O>) -> Check {
    let page = space.objects.list(&space.prefix, None).await?;
    equal("the page", &(page.files, page.next), &(vec![], None))
}

/// UTF-8 bytes, which differ from UTF-16 units (and so from Java's and JavaScript's order) for the last two.
pub(super) async fn order_is_by_bytes<O: Objects>(space: &Space<'_, O>) -> Check {
    let names = ["!", "-", "/a", "0", "A", "Z", "_", "a", "a b", "a-b", "a/b", "aa", "é", "\u{ff21}", "😀"];
    for name in names.iter().rev() {
        space.write(name, name.as_bytes()).await?;
    }
    equal("the order", &space.names().await?, &names.map(str::to_owned).to_vec())
}

pub(super) async fn every_object_is_listed_once<O: Objects>(space: &Space<'_, O>) -> Check {
    let names: Vec<String> = (0..MANY).map(|number| format!("{number:05}.csv")).collect();
    fill(space, &names).await?;
    let first = space.objects.list(&space.prefix, None).await?;
    equal("whether a page has at most 1,000 objects", &(first.files.len() <= 1000), &true)?;
    equal("whether the first page is not the last", &first.next.is_some(), &true)?;
    equal("whether all names are listed once and in order", &(space.names().await? == names), &true)
}

pub(super) async fn a_page_begins_after_any_key<O: Objects>(space: &Space<'_, O>) -> Check {
    let names = ["a", "a b", "b+c", "é", "😀"];
    for name in names {
        space.write(name, b"").await?;
    }
    // One that is there, some that are not, one before all of them, and one after.
    for (after, first) in
        [("a", 1), ("!", 0), ("a c", 2), ("b+b~", 2), ("b+c", 3), ("ß\n", 3), ("\u{1f600}\u{1f600}", 5)]
    {
        let mut page = space.objects.list_after(&space.prefix, &format!("{}{after}", space.prefix)).await?;
        let mut files = page.files;
        while let Some(next) = page.next {
            page = space.objects.list(&space.prefix, Some(&next)).await?;
            files.extend(page.files);
        }
        let found: Vec<_> = files.iter().filter_map(|file| space.prefix.strip(&file.key)).collect();
        equal(&format!("what comes after {after:?}"), &found, &names[first..].to_vec())?;
    }
    Ok(())
}

pub(super) async fn a_prefix_ends_at_its_slash<O: Objects>(space: &Space<'_, O>) -> Check {
    for name in ["flights", "flights/1", "flights-old/2", "flights/sub/3", "flights0"] {
        space.write(name, b"").await?;
    }
    let flights = space.prefix.join(&Prefix::new("flights/")?);
    let page = space.objects.list(&flights, None).await?;
    let names: Vec<_> = page.files.iter().filter_map(|file| flights.strip(&file.key)).collect();
    equal("what lies under flights/", &names, &vec!["1", "sub/3"])
}

pub(super) async fn shows_what_head_shows<O: Objects>(space: &Space<'_, O>) -> Check {
    let put = [space.write("a", b"one").await?, space.write("b", b"three").await?];
    let listed = space.list().await?;
    let shown = |file: &crate::object::File| (file.key.clone(), file.etag.clone(), file.size);
    equal("the listing", &listed.iter().map(shown).collect(), &put.iter().map(shown).collect::<Vec<_>>())?;
    // Headers tell whole seconds only, listings milliseconds.
    let seconds = |file: &crate::object::File| file.last_modified.as_second();
    equal("when", &listed.iter().map(seconds).collect(), &put.iter().map(seconds).collect::<Vec<_>>())
}

pub(super) async fn shows_what_was_just_done<O: Objects>(space: &Space<'_, O>) -> Check {
    let old = space.write("a", b"old").await?;
    let new = space.write("a", b"newer").await?;
    let listed: Vec<_> = space.list().await?.into_iter().map(|file| (file.etag, file.size)).collect();
    equal("the listing after an overwrite", &listed, &vec![(new.etag.clone(), 5)])?;
    equal("whether the ETag has changed", &(old.etag != new.etag), &true)?;
    space.objects.delete(&new.key, &new.etag).await?;
    equal("the listing after a delete", &space.list().await?, &vec![])
}

pub(super) async fn a_page_may_begin_at_a_key_that_is_gone<O: Objects>(space: &Space<'_, O>) -> Check {
    let names: Vec<String> = (0..MANY).map(|number| format!("{number:05}.csv")).collect();
    fill(space, &names).await?;
    let first = space.objects.list(&space.prefix, None).await?;
    for file in &first.files {
        space.objects.delete(&file.key, &file.etag).await?;
    }
    let second = space.objects.list(&space.prefix, first.next.as_deref()).await?;
    let seen: BTreeSet<_> = first.files.iter().chain(&second.files).map(|file| file.key.clone()).collect();
    equal("whether no object is in both pages", &(seen.len() == first.files.len() + second.files.len()), &true)?;
    let next = second.files.first().and_then(|file| space.prefix.strip(&file.key));
    equal("where the second page begins", &next, &names.get(first.files.len()).map(String::as_str))
}

async fn fill<O: Objects>(space: &Space<'_, O>, names: &[String]) -> Check {
    let keys: Vec<_> = names.iter().map(|name| space.key(name)).collect::<Result<_, _>>()?;
    let puts = stream::iter(&keys).map(|key| space.objects.put(key, b"x".to_vec(), PutIf::Any));
    puts.buffer_unordered(16).try_for_each(async |_| Ok(())).await.map_err(Broken::from)
}
