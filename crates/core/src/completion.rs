//! Completion: a load's statement is named after its claim, so that the event of its end says which claim to go on
//! with.
//!
//! The event is a hint. It may come twice, late or never. The worker that it brings takes the claim's lease as always.
//! Never says how a statement ended: only the warehouse and its ledger say that.

use crate::batch::BatchId;
use crate::claim::slot_key;
use crate::config::{Bucket, Config, Feed};
use crate::object::Key;

/// The prefix of the names of a deployment's loads. The bucket's name is in it, so that no other deployment has it.
#[must_use]
pub fn statement_prefix(bucket: &str) -> String {
    format!("sluice:{bucket}:")
}

/// The name of a load's statement: `sluice:<bucket>:<feed>:<slot>:<batch>`. None of the parts can contain a colon.
#[must_use]
pub fn statement_name(bucket: &Bucket, feed: &Feed, slot: usize, batch: &BatchId) -> String {
    format!("{}{}:{slot}:{batch}", statement_prefix(&bucket.name), feed.name)
}

/// The claim whose load has this name; `None` if it is no load of this deployment.
///
/// The claim may be gone, or another batch's by now. Then the hint came too late, and does no harm.
#[must_use]
pub fn claim_of(config: &Config, statement_name: &str) -> Option<Key> {
    let mut parts = statement_name.strip_prefix(&statement_prefix(&config.bucket.name))?.split(':');
    let feed = config.feed(parts.next()?)?;
    let slot = parts.next()?.parse().ok()?;
    let _batch = parts.next()?;
    parts.next().is_none().then(|| slot_key(&config.bucket, feed.name.as_str(), slot).ok())?
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn config() -> Config {
        let mut config = crate::testing::target::config("flights", "flights/", "");
        config.bucket.name = "landing".to_owned();
        config
    }

    #[test]
    fn a_name_leads_back_to_its_claim() {
        let config = config();
        let name = statement_name(&config.bucket, &config.feeds[0], 3, &BatchId::of(&[]));
        assert!(name.starts_with("sluice:landing:flights:3:"), "{name}");
        assert_eq!(claim_of(&config, &name).unwrap().as_str(), "sluice/claims/flights/3.json");
    }

    #[test_case("sluice:other:flights:3:b"; "another bucket")]
    #[test_case("sluice:landing:ships:3:b"; "a feed that is not configured")]
    #[test_case("sluice:landing:flights:../../incoming/x:b"; "a slot that is no number")]
    #[test_case("sluice:landing:flights:-1:b"; "a slot below zero")]
    #[test_case("sluice:landing:flights:3"; "no batch")]
    #[test_case("sluice:landing:flights:3:b:c"; "too much")]
    #[test_case("sluice flights read ledger"; "a question of ours")]
    #[test_case(""; "nothing")]
    fn another_name_leads_nowhere(name: &str) {
        assert_eq!(claim_of(&config(), name), None);
    }
}
