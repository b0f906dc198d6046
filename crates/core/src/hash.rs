//! SHA-256 over parts, and its digits.
//!
//! Never changes: ids of files and batches, and tokens, are made of it.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// The hash of the parts, each followed by a zero byte, so that `("ab", "c")` and `("a", "bc")` differ.
#[must_use]
pub fn of_parts<'p>(parts: impl IntoIterator<Item = &'p str>) -> [u8; 32] {
    let chain = |hash: Sha256, part: &str| hash.chain_update(part).chain_update([0]);
    parts.into_iter().fold(Sha256::new(), chain).finalize().into()
}

/// Two lower-case hexadecimal digits a byte.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut digits, byte| {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}
