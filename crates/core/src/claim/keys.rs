//! Keys: under which names claims are.
//!
//! Never asks S3 what is there.

use crate::config::{Bucket, Feed, FeedName};
use crate::object::{Key, KeyError, Prefix, PrefixError};

/// Where the claims of a deployment are.
///
/// # Errors
/// When the state prefix is too long.
pub fn claims_prefix(bucket: &Bucket) -> Result<Prefix, PrefixError> {
    Prefix::new(format!("{}claims/", bucket.state))
}

/// Where the claims of a feed are.
pub(super) fn feed_prefix(bucket: &Bucket, feed: &Feed) -> Result<Prefix, PrefixError> {
    Prefix::new(format!("{}claims/{}/", bucket.state, feed.name))
}

/// The object that fills a slot.
///
/// # Errors
/// When the state prefix is too long.
pub fn slot_key(bucket: &Bucket, feed: &str, slot: usize) -> Result<Key, KeyError> {
    bucket.state.key(&format!("claims/{feed}/{slot}.json"))
}

/// Whether a claim can have this key: one of [`slot_key`]'s, of a feed that is or was configured.
#[must_use]
pub fn is_slot_key(bucket: &Bucket, key: &Key) -> bool {
    let name = bucket.state.strip(key).and_then(|name| name.strip_prefix("claims/")?.strip_suffix(".json"));
    name.and_then(|name| name.split_once('/')).is_some_and(|(feed, slot)| {
        let number = slot.parse::<usize>().is_ok_and(|number| number.to_string() == slot);
        FeedName::new(feed).is_some() && number
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("sluice/claims/flights/0.json" => true; "the first slot")]
    #[test_case("sluice/claims/a-feed_of-old/12.json" => true; "another feed")]
    #[test_case("sluice/claims/flights/00.json" => false; "not as it is written")]
    #[test_case("sluice/claims/flights/+1.json" => false; "a sign")]
    #[test_case("sluice/claims/flights/0.json.json" => false; "two endings")]
    #[test_case("sluice/claims/flights/0" => false; "no ending")]
    #[test_case("sluice/claims/0.json" => false; "no feed")]
    #[test_case("sluice/claims//0.json" => false; "a feed without a name")]
    #[test_case("sluice/claims/flights/x/0.json" => false; "deeper")]
    #[test_case("sluice/claims/../../incoming/flights/0.json" => false; "a path that leads elsewhere")]
    #[test_case("sluice/claims/../0.json" => false; "dots for a feed")]
    #[test_case("incoming/sluice/claims/flights/0.json" => false; "a producer's")]
    #[test_case("sluice/manifests/flights/0.json" => false; "a manifest")]
    fn claims_have_names_of_their_own(key: &str) -> bool {
        let prefix = |name: &str| Prefix::new(name).unwrap();
        let (incoming, processed) = (prefix("incoming/"), prefix("processed/"));
        let bucket =
            Bucket { name: "b".into(), incoming, processed, failed: prefix("failed/"), state: prefix("sluice/") };
        is_slot_key(&bucket, &Key::new(key).unwrap())
    }
}
