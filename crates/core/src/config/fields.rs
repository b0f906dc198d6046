//! The names of all fields, by section.
//!
//! Never reads a field.

/// The document's fields.
pub const ROOT_FIELDS: &[&str] = &["bucket", "lister", "feed"];
/// The fields of `[bucket]`.
pub const BUCKET_FIELDS: &[&str] = &["name", "incoming", "processed", "failed", "state"];
/// The fields of `[lister]`.
pub const LISTER_FIELDS: &[&str] = &["passes_per_minute"];
/// The fields of a feed.
pub const FEED_FIELDS: &[&str] = &[
    "name",
    "prefix",
    "trigger",
    "include",
    "exclude",
    "max_files",
    "files_per_load",
    "max_bytes_per_load",
    "order",
    "identity",
    "fan_out",
    "inspect",
    "wait_seconds",
];
