//! A file that a demo drops.
//!
//! Never interprets its content.

use std::path::PathBuf;

use md5::{Digest as _, Md5};

/// A file to drop.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    /// Its key in the bucket.
    pub(crate) key: String,
    /// Its whole content.
    pub(crate) body: Vec<u8>,
}

impl Source {
    /// The MD5 of its content, written as in S3's `ETag`s.
    pub(crate) fn md5(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(Md5::digest(&self.body).into()))
    }
}
