//! What Redshift has in every database and PostgreSQL does not: load history, functions, the type SUPER.
//!
//! Lives in a schema of its own that every session searches last, so it never hides a user's table.

use md5::{Digest, Md5};

/// Runs at the start of every session.
pub(crate) const SESSION: &str = "\
SET standard_conforming_strings = on; SET client_min_messages = warning; SET timezone = 'UTC'; SET datestyle = 'ISO, YMD';
SET default_transaction_isolation = 'repeatable read'; SET search_path = \"$user\", public, redshift_system;
SET redshift.enable_case_sensitive_identifier = off; SET redshift.enable_result_cache_for_session = on";

/// Which [`version`] of the schema is installed.
pub(crate) const MADE_BY: &str =
    "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = 'redshift_system'";

/// Distinguishes one text of [`SCHEMA`] from another.
pub(crate) fn version() -> String {
    format!("{:x}", Md5::digest(SCHEMA))
}

/// Runs once in every database.
pub(crate) const SCHEMA: &str = include_str!("system.sql");
