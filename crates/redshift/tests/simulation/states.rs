//! How many different states the histories went through, counted without keeping any: each sets one bit of many, and the
//! bits that are left tell how many there were (linear counting).

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::bucket::CLAIMS;
use crate::scheduler::World;

const WORDS: usize = 1 << 21;

/// A set of states, as far as their number goes.
pub struct States {
    bits: Vec<AtomicU64>,
}

impl Default for States {
    fn default() -> Self {
        Self { bits: (0..WORDS).map(|_| AtomicU64::new(0)).collect() }
    }
}

impl States {
    pub fn see(&self, state: u64) {
        let word = usize::try_from(state >> 6).unwrap_or_default() % WORDS;
        self.bits[word].fetch_or(1 << (state & 63), Ordering::Relaxed);
    }

    /// About how many different ones were seen.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn count(&self) -> u64 {
        let all = (WORDS * 64) as f64;
        let set: u64 = self.bits.iter().map(|word| u64::from(word.load(Ordering::Relaxed).count_ones())).sum();
        (-all * (1.0 - set as f64 / all).ln()).round() as u64
    }
}

/// What matters of the world: where files are and in which version, what claims say, what is recorded, and how
/// statements stand. Times, owners and attempts do not.
pub fn of(world: &World) -> u64 {
    let mut hash = DefaultHasher::new();
    for (key, object) in &world.bucket.objects {
        if !key.starts_with("sluice/") {
            (key, object.etag.as_str()).hash(&mut hash);
        }
    }
    for (key, claim) in world.truth.claims() {
        key.strip_prefix(CLAIMS).hash(&mut hash);
        for file in &claim.files {
            (file.key.as_str(), file.etag.as_str()).hash(&mut hash);
        }
        let held = !claim.owner.is_empty();
        (held, claim.unchecked, claim.read.len(), claim.not_before.is_some()).hash(&mut hash);
        let statement = claim.statement_id.as_ref().and_then(|id| world.warehouse.api.find(&id.0));
        statement.map(|number| world.warehouse.api.statements[number].stands()).hash(&mut hash);
    }
    for row in world.warehouse.recorded() {
        row.file.hash(&mut hash);
    }
    hash.finish()
}
