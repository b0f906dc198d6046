//! Requests to Sluice's own functions: the lister's feeds, the worker's claim.
//!
//! Never reads a claim: the core does.

use serde_json::Value;
use sluice_core::claim::{claims_prefix, is_slot_key};
use sluice_core::completion::claim_of;
use sluice_core::config::Config;
use sluice_core::object::Key;

use super::{EventError, eventbridge, shape, text};

/// The feeds that a tick is for, or `None` for all. Ignores other fields and other events: a schedule may send any.
///
/// # Errors
/// When `feeds` is not a list of names, or names a feed that is not configured.
pub fn feeds(payload: &Value, config: &Config) -> Result<Option<Vec<String>>, EventError> {
    let Some(feeds) = payload.get("feeds").filter(|feeds| !feeds.is_null()) else {
        return Ok(None);
    };
    let names = feeds.as_array().ok_or_else(|| EventError::Feeds { got: shape(feeds) })?;
    if names.is_empty() {
        return Err(EventError::Feeds { got: "an empty list".to_owned() });
    }
    names.iter().map(|name| feed(name, config)).collect::<Result<_, _>>().map(Some)
}

fn feed(name: &Value, config: &Config) -> Result<String, EventError> {
    let name = name.as_str().ok_or_else(|| EventError::Feeds { got: format!("a list with {} in it", shape(name)) })?;
    if config.feed(name).is_none() {
        let known: Vec<&str> = config.feeds.iter().map(|feed| feed.name.as_str()).collect();
        return Err(EventError::UnknownFeed { name: name.to_owned(), known: known.join(", ") });
    }
    Ok(name.to_owned())
}

/// The claim that the worker must work on, or `None` for the end of a statement that is not a load of this deployment.
///
/// # Errors
/// When there is no claim, or its key is not where claims are. An object elsewhere may be a producer's, and a worker
/// removes what it cannot read.
pub fn claim(payload: &Value, config: &Config) -> Result<Option<Key>, EventError> {
    if eventbridge::is_statement_end(payload) {
        return Ok(claim_of(config, text(payload, "detail.statementName")?));
    }
    let text = payload.get("claim").and_then(Value::as_str);
    let text = text.ok_or_else(|| EventError::Claim { got: shape(payload) })?;
    let not_a_claim = |prefix: String| EventError::NotAClaim { prefix };
    let prefix = claims_prefix(&config.bucket).map_err(|_| not_a_claim(config.bucket.state.to_string()))?;
    let key = Key::new(text).ok().filter(|key| is_slot_key(&config.bucket, key));
    key.map(Some).ok_or_else(|| not_a_claim(prefix.to_string()))
}
