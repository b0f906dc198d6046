//! A small destination to learn from: each line of a file becomes a row of a table in SQLite.
//!
//! ```text
//!   [feed.lines] ──▶ config ──▶ Target          read once, checked whole
//!
//!   destination: start ──▶ reads the files ──▶ database: ledger, rows and end in one transaction
//!                poll ───▶ database: how it ended
//!   ledger ──────────────▶ database: what is loaded
//! ```
//!
//! `docs/DESTINATIONS.md` goes through it step by step. It keeps all promises of a destination, and is a toy all the same: a
//! batch is held in memory, files are plain, SQLite has one writer, and how a transaction ended is kept for ever. Never
//! deployed.

mod config;
mod database;
mod destination;
mod end;
mod ledger;

pub use config::LinesKind;
pub use destination::LinesDestination;
