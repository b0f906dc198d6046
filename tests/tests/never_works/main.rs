//! One thing that never works holds up nothing else: real binaries in worlds that never get well.
//!
//! | module | what never works |
//! |---|---|
//! | `load` | COPY of one file or some, whatever the error says |
//! | `archive` | the copy of a loaded file to `processed/`, its delete, its HEAD, its GET |
//! | `quarantine` | the copy of a bad file to `failed/`, its reason, its delete |
//! | `look` | the look for bad files |
//! | `listing` | a feed's listing, its claims, the metrics |
//! | `plan` | full batches of one kind at every tick, beside one file of another |
//! | `ledger` | an answer of the ledger while a COPY has it |
//! | `slots` | a configuration that changes while files are in flight |
//! | `down` | the whole warehouse of a feed, until it is back |
//! | `campaign` | a listing of a million files, for `make prove` |
//!
//! Each test causes its trouble and removes it in the end. It runs no command and changes nothing else.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stdout)]
#![allow(clippy::cast_precision_loss, clippy::float_cmp, reason = "metrics are small whole numbers")]

mod archive;
mod campaign;
mod down;
mod ledger;
mod listing;
mod load;
mod look;
mod plan;
mod quarantine;
mod scene;
mod shape;
mod slots;
