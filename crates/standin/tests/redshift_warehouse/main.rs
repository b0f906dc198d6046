//! The warehouse of the stand-in through its Data API, on a real PostgreSQL.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc, missing_docs)]

mod api;
mod copying;
mod fidelity;
mod ledger;
mod parquet;
mod server;
mod support;
mod views;
mod words;
