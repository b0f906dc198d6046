//! Dice: every choice of a history comes from its seed.
//!
//! A choice depends on the seed and on what it is about, never on the choices made before it. So an oddity can be taken
//! out of a history and all the others stay as they are: that is what lets a failing history shrink.

/// A source of choices about one thing.
#[derive(Clone, Copy, Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// Dice for a part of what these are about.
    pub fn about(self, part: &str) -> Self {
        let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(mix(part.bytes().fold(self.0 ^ 0xcbf2_9ce4_8422_2325, fold)))
    }

    /// Dice for the part with this number.
    pub fn number(self, number: u64) -> Self {
        Self(mix(self.0 ^ mix(number.wrapping_add(1))))
    }

    /// A name for what these are about.
    pub fn label(self) -> u64 {
        self.0
    }

    /// One of 0, 1, … `limit` - 1.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0) % limit.max(1)
    }

    /// The same for lengths.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or_default()
    }

    /// Whether it is the one time in `times`.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())].clone()
    }
}

/// The finalizer of `SplitMix64`: every bit of the result depends on every bit of the number.
fn mix(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
