//! The stand-in's S3: a storage under one lock, with the `s3s` crate for the protocol.
//!
//! It provides what Sluice's claims need and other local S3s lack: conditional writes, copies and deletes that are
//! atomic, and listings with `ETag`s whose pages cost only their own size. Never splits a condition from the change
//! that it guards.

mod condition;
mod content;
mod copy;
mod error;
mod etag;
mod extras;
mod folder;
mod intake;
mod listing;
mod multipart;
mod notify;
mod object;
pub(crate) mod operation;
mod reading;
pub(crate) mod service;
mod state;
mod storage;
mod tags;
mod upload;
mod write;

pub use condition::Condition;
pub use error::StorageError;
pub use extras::{Encryption, Extras};
pub use listing::{Page, PageRequest, Start};
pub use notify::ObjectCreated;
pub use object::{Headers, ObjectInfo};
pub use storage::Storage;
pub use write::Put;
