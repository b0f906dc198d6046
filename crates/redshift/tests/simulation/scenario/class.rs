//! Classes: what kind of thing goes wrong in a history, and how long everything else may take all the same.

use crate::dice::Dice;

/// What a history is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// One feed in rough weather.
    Usual,
    /// Several feeds in rough weather.
    Feeds,
    /// The configuration changes in rough weather.
    Changes,
    /// A file on which COPY always fails.
    Copy,
    /// A file that cannot be moved or looked at.
    Move,
    /// A listing that takes longer than the lister may run.
    Listing,
    /// The look for bad files never comes to an end.
    Look,
    /// The ledger is always locked for long.
    Questions,
    /// A warehouse that is down for hours or days, or for ever.
    Down,
    /// A claim that cannot be fetched.
    Claim,
    /// Plain files for all slots at every tick, and a packed one.
    Flood,
}

impl Class {
    const LASTING: [Self; 8] =
        [Self::Copy, Self::Move, Self::Listing, Self::Look, Self::Questions, Self::Down, Self::Claim, Self::Flood];

    /// The class of a history: half of them are of one feed, a fourth of lasting troubles.
    pub fn of(dice: Dice) -> Self {
        let mut dice = dice.about("class");
        match dice.below(16) {
            0..=7 => Self::Usual,
            8 | 9 => Self::Feeds,
            10 | 11 => Self::Changes,
            _ => dice.pick(&Self::LASTING),
        }
    }

    /// Its name, for whoever wants histories of this class only.
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// Whether something lasts in it.
    pub fn lasts(self) -> bool {
        Self::LASTING.contains(&self)
    }

    /// Within how many ticks, once the weather is calm, each file must be where it belongs that nothing is wrong with, and
    /// all others must rest.
    pub fn ticks(self) -> u64 {
        match self {
            Self::Flood => 8,
            Self::Down => 12,
            Self::Claim => 24,
            Self::Usual | Self::Feeds | Self::Changes => 48,
            Self::Move => 72,
            Self::Copy | Self::Listing | Self::Look | Self::Questions => 144,
        }
    }
}
