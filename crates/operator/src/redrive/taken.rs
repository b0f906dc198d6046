//! Which names are taken in `incoming/`.
//!
//! The files of a step come nearly in the order of their names, so a page or two of a listing say what a thousand HEADs
//! would. Where `incoming/` holds far more objects between those names, the rest is asked for one by one.

use std::collections::{BTreeSet, HashSet};

use futures_util::{StreamExt, TryStreamExt, stream};

use sluice_core::object::{Key, MAX_KEY_BYTES, Prefix};
use sluice_core::ports::{Objects, PortError};

/// How many HEADs, one after the other, take as long as one page. In money a page is 12.5 HEADs.
/// Source: Amazon S3 pricing, where LIST costs what PUT does.
const HEADS_A_PAGE: usize = 3;

/// Those of `names`, all of them under `incoming`, that an object has. Each is looked at once, between the beginning of
/// the call and its end.
pub(super) async fn taken(
    objects: &impl Objects,
    incoming: &Prefix,
    names: impl Iterator<Item = &Key>,
    at_once: usize,
) -> Result<HashSet<Key>, PortError> {
    let mut rest: BTreeSet<&Key> = names.collect();
    let mut taken = HashSet::new();
    for _ in 0..=rest.len() / (at_once * HEADS_A_PAGE) {
        let Some(first) = rest.first() else { break };
        let page = objects.list_after(incoming, &before(first)).await?;
        taken.extend(page.files.iter().filter(|file| rest.contains(&file.key)).map(|file| file.key.clone()));
        match page.files.last().filter(|_| page.next.is_some()) {
            // Listed up to here, whether it is one of them or not.
            Some(last) => rest.retain(|name| **name > last.key),
            None => rest.clear(),
        }
    }
    let heads = stream::iter(rest).map(async |name| Ok(objects.head(name).await?.is_some().then(|| name.clone())));
    let found: Vec<Option<Key>> = heads.buffered(at_once).try_collect().await?;
    taken.extend(found.into_iter().flatten());
    Ok(taken)
}

/// A text that sorts before the key, and after nearly everything else that does.
fn before(key: &Key) -> String {
    let start = |length: usize| key.as_str().get(..length).unwrap_or_default().to_owned();
    let length = key.as_str().len();
    match key.as_str().chars().next_back() {
        Some(last @ '!'..='~') if length < MAX_KEY_BYTES => {
            let smaller = char::from_u32(u32::from(last) - 1);
            format!("{}{}~", start(length - 1), smaller.unwrap_or(' '))
        }
        last => start(length - last.map_or(0, char::len_utf8)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;
    use sluice_core::testing::{Faults, ManualClock, MemoryObjects, key, prefix};

    #[test_case("in/1.csv" => "in/1.csu~"; "a letter")]
    #[test_case("in/ " => "in/"; "a space")]
    #[test_case("in/!" => "in/ ~"; "the first that can be seen")]
    #[test_case("in/é" => "in/"; "not ASCII")]
    #[test_case("in/\n" => "in/"; "a control character")]
    fn a_listing_begins_just_before_the_first_name(name: &str) -> String {
        before(&key(name))
    }

    #[test]
    fn a_listing_begins_with_a_text_that_s3_takes() {
        let longest = key(&"x".repeat(MAX_KEY_BYTES));
        assert_eq!(before(&longest).len(), MAX_KEY_BYTES - 1);
    }

    /// Whatever is there, on pages of any size, with any number of calls at once.
    #[test]
    fn the_same_names_are_taken_as_heads_would_say() {
        let name = || proptest::collection::vec("[!ab~é \n]{1,3}", 0..40);
        proptest!(|(there in name(), asked in name(), page in 1..9_usize, at_once in 1..4_usize)| {
            let objects = MemoryObjects::new(&ManualClock::default()).paged(page);
            for name in &there {
                objects.drop_file(&format!("in/{name}"), "x");
            }
            let asked: Vec<Key> = asked.iter().map(|name| key(&format!("in/{name}"))).collect();
            let found = futures(taken(&objects, &prefix("in/"), asked.iter(), at_once)).unwrap();
            let expected: HashSet<Key> =
                asked.iter().filter(|name| objects.file(name.as_str()).is_some()).cloned().collect();
            prop_assert_eq!(found, expected);
        });
    }

    /// With 100 calls at once.
    #[test_case(0, 1000 => (1, 0); "one page where nothing is")]
    #[test_case(5000, 1000 => (4, 200); "one page for each three rounds of HEADs at most, and HEADs")]
    #[test_case(5000, 4 => (1, 3); "few among many")]
    fn calls_are_few(there: usize, asked: usize) -> (usize, usize) {
        let objects = MemoryObjects::new(&ManualClock::default());
        for number in 0..there {
            objects.drop_file(&format!("in/{number:05}"), "x");
        }
        let names: Vec<Key> = (0..asked).map(|number| key(&format!("in/{:05}", number * (5000 / asked)))).collect();
        let faults = Faults::none();
        let found = futures(taken(&faults.over(objects), &prefix("in/"), names.iter(), 100)).unwrap();
        assert_eq!(found.len(), if there == 0 { 0 } else { asked });
        let calls = |method| faults.journal().iter().filter(|call| call.method == method).count();
        (calls("list_after"), calls("head"))
    }

    fn futures<T>(future: impl Future<Output = T>) -> T {
        futures_util::FutureExt::now_or_never(future).unwrap()
    }
}
