//! The domain and the protocol of Sluice: files that producers drop into a bucket are loaded into a warehouse, each
//! exactly once.
//!
//! ```text
//!       passes, tick (lister)       arrive (loader)         work (worker) ◀── completion
//!                 │                       │                      │
//!   list ──▶ plan ──▶ claim ── dispatch ──┼──────────────────────┤
//!                                         ▼                      ▼
//!                              load: inspect ──▶ copy ──▶ archive, or quarantine
//!                                                 │
//!                                       destination (one transaction: lock, guard, COPY, ledger)
//!                                         │
//!                                      measure
//! ```
//!
//! Three things hold everywhere:
//!
//! * the ledger, written in the transaction that loads the rows, alone says whether a file was loaded;
//! * a claim fills a slot, slots are counted, and so a feed never has more than X files in flight;
//! * a file is deleted only in the version that was copied, and copied only to where nothing is.
//!
//! Nothing here knows an SDK, a runtime, the environment or the time of day: those come in through [`ports`]. No
//! destination is named here: what the protocol must know of one is a [`config::Target`], and what it asks of one is in
//! [`destination`].

pub mod archive;
pub mod arrive;
pub mod backlog;
pub mod batch;
pub mod claim;
pub mod completion;
pub mod config;
pub mod content;
pub mod copy;
pub mod destination;
pub mod disposition;
pub mod event;
pub mod hash;
pub mod health;
pub mod inspect;
pub mod list;
pub mod load;
pub mod measure;
pub mod object;
pub mod passes;
pub mod plan;
mod port_error;
pub mod ports;
pub mod pressure;
pub mod quarantine;
pub mod report;
pub mod retry;
pub mod run;
pub mod strays;
pub mod text;
pub mod tick;
pub mod without_rows;
pub mod work;

#[cfg(any(test, feature = "testing"))]
pub mod testing;
