//! What an operator asks of a deployment, through the same ports as the functions: the command line's own half of
//! Sluice.
//!
//! ```text
//!   sluice status, plan ──▶ preview    what the next tick would do, without doing it
//!   sluice verify ────────▶ verify     every file is in one place, and the ledger agrees
//!   sluice errors ────────┐
//!   sluice redrive ───────┼▶ redrive   files go from failed/ back to incoming/
//!   sluice reload ────────┘            files go from processed/ back, and out of the ledger
//! ```
//!
//! The functions do not contain it. It prints nothing, and knows no SDK, no runtime, no environment and no time of day.

mod listing;
mod names;
pub mod preview;
mod reason;
pub mod redrive;
pub mod verify;
