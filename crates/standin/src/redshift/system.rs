//! What Redshift has in every database and PostgreSQL has not: load history, functions, the type SUPER.
//!
//! Lives in a schema of its own that every session searches last, so that nothing here hides a user's table.

use md5::{Digest, Md5};

/// Said at the beginning of every session.
pub(crate) const SESSION: &str = "\
SET standard_conforming_strings = on; SET client_min_messages = warning; SET timezone = 'UTC'; SET datestyle = 'ISO, YMD';
SET default_transaction_isolation = 'repeatable read'; SET search_path = \"$user\", public, redshift_system;
SET redshift.enable_case_sensitive_identifier = off; SET redshift.enable_result_cache_for_session = on";

/// Which [`version`] of the schema is there.
pub(crate) const MADE_BY: &str =
    "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = 'redshift_system'";

/// What tells one text of [`SCHEMA`] from another.
pub(crate) fn version() -> String {
    format!("{:x}", Md5::digest(SCHEMA))
}

/// Made once in every database.
pub(crate) const SCHEMA: &str = include_str!("system.sql");
