//! The names of all fields, by the section that they stand in.
//!
//! Nothing is read here.

/// The document's fields.
pub(super) const ROOT_FIELDS: &[&str] = &["bucket", "lister", "feed"];
/// The fields of `[bucket]`.
pub(super) const BUCKET_FIELDS: &[&str] = &["name", "incoming", "processed", "failed", "state"];
/// The fields of `[lister]`.
pub(super) const LISTER_FIELDS: &[&str] = &["passes_per_minute"];
/// The fields of a feed.
pub(super) const FEED_FIELDS: &[&str] = &[
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
    "redshift",
];
/// Destinations that have a name, but no code yet.
pub(super) const LATER_DESTINATIONS: &[&str] = &["postgres", "archive"];
/// The fields of a destination in Redshift.
pub(super) const REDSHIFT_FIELDS: &[&str] = &[
    "workgroup",
    "cluster",
    "database",
    "secret_arn",
    "db_user",
    "table",
    "ledger",
    "columns",
    "iam_role",
    "format",
    "options",
    "statement_timeout",
    "pre_sql",
    "post_sql",
];
