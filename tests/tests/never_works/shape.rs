//! The shapes in which a feed loads, and the stages at which a file may fail.

/// How a feed's files get into the warehouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Slots,
    OneSlot,
    Inline,
    Event,
}

impl Shape {
    pub(crate) fn settings(self) -> &'static str {
        match self {
            Self::Slots => "max_files = 16\nfiles_per_load = 4",
            Self::OneSlot => "max_files = 8\nfiles_per_load = 8",
            Self::Inline => "max_files = 16\nfiles_per_load = 4\nfan_out = false",
            Self::Event => "max_files = 16\nfiles_per_load = 4\ntrigger = \"event\"",
        }
    }
}

/// What a file cannot have done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Load,
    Archive,
    Quarantine,
}

impl Stage {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Archive => "archive",
            Self::Quarantine => "quarantine",
        }
    }
}
