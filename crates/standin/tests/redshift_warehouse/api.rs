//! The Data API itself.
