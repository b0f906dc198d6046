//! Reads the configuration, and reads it again when it has changed.
//!
//! Never keeps an old configuration when the new one is wrong or cannot be read: an operator's change takes effect, or
//! is reported as an error.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::Client;
use sluice_core::config::{Config, ConfigError};
use sluice_core::object::ETag;
use sluice_core::ports::{Operation, PortError, PortErrorKind, Service};

use crate::DESTINATIONS;
use crate::error::{failed, status};
use crate::lazy::Lazy;
use crate::settings::ConfigOrigin;

const GET: Operation = Service::Bucket.call("s3:GetObject");

/// Loads the configuration before each piece of work.
#[derive(Debug)]
pub struct ConfigSource {
    origin: ConfigOrigin,
    s3: Lazy<Client>,
    last: Mutex<Option<Read>>,
}

/// The last configuration that was read.
#[derive(Clone)]
struct Read {
    text: String,
    etag: Option<ETag>,
    config: Arc<Config>,
}

/// Why the configuration could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ConfigSourceError {
    /// The file cannot be read.
    #[error("the configuration {path} cannot be read: check SLUICE_CONFIG_URI: {source}", path = path.display())]
    File {
        /// The file's path.
        path: PathBuf,
        /// The I/O error.
        source: std::io::Error,
    },
    /// The object cannot be read.
    #[error("the configuration s3://{bucket}/{key} cannot be read: check SLUICE_CONFIG_URI: {source}")]
    Object {
        /// The object's bucket.
        bucket: String,
        /// The object's key.
        key: String,
        /// The failed call.
        source: PortError,
    },
    /// The configuration was read, and it is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl ConfigSource {
    pub(crate) fn new(origin: ConfigOrigin, s3: Lazy<Client>) -> Self {
        Self { origin, s3, last: Mutex::default() }
    }

    /// Loads the current configuration. Returns the same `Arc` as last time if nothing has changed.
    ///
    /// # Errors
    /// When it cannot be read, or is wrong.
    pub async fn load(&self) -> Result<Arc<Config>, ConfigSourceError> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (&self.origin, last) {
            (ConfigOrigin::Inline(_), Some(last)) => Ok(last.config),
            (ConfigOrigin::Inline(text), None) => self.parse(text.clone(), None, None),
            (ConfigOrigin::File(path), last) => self.parse(file(path)?, None, last),
            (ConfigOrigin::Object { bucket, key }, last) => self.load_object(bucket, key, last).await,
        }
    }

    async fn load_object(&self, bucket: &str, key: &str, last: Option<Read>) -> Result<Arc<Config>, ConfigSourceError> {
        let known = last.as_ref().and_then(|last| last.etag.as_ref());
        let changed = object(&self.s3, bucket, key, known).await;
        let changed = changed.map_err(|source| ConfigSourceError::Object {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            source,
        })?;
        match (changed, last) {
            (None, Some(last)) => Ok(last.config),
            (None, None) => self.parse(String::new(), None, None),
            (Some((text, etag)), last) => self.parse(text, etag, last),
        }
    }

    /// Parses the text, unless it equals the last one, and remembers it.
    fn parse(&self, text: String, etag: Option<ETag>, last: Option<Read>) -> Result<Arc<Config>, ConfigSourceError> {
        let config = match last {
            Some(last) if last.text == text => last.config,
            _ => Arc::new(Config::parse(&text, &self.to_string(), &DESTINATIONS)?),
        };
        let read = Read { text, etag, config: Arc::clone(&config) };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(read);
        Ok(config)
    }
}

fn file(path: &Path) -> Result<String, ConfigSourceError> {
    std::fs::read_to_string(path).map_err(|source| ConfigSourceError::File { path: path.to_owned(), source })
}

/// Reads the object's text and version. Returns `None` if the object still has the `known` version.
async fn object(
    s3: &Client,
    bucket: &str,
    key: &str,
    known: Option<&ETag>,
) -> Result<Option<(String, Option<ETag>)>, PortError> {
    let subject = || format!("{bucket}/{key}");
    let get = s3.get_object().bucket(bucket).key(key).set_if_none_match(known.map(ETag::quoted));
    let object = match get.send().await {
        Ok(object) => object,
        Err(error) if known.is_some() && status(&error) == Some(304) => return Ok(None),
        Err(error) => return Err(failed(GET, subject(), error)),
    };
    let etag = object.e_tag().map(ETag::new);
    let cut = |error| PortError::new(GET, subject(), PortErrorKind::Unavailable, error);
    let body = object.body.collect().await.map_err(|error| cut(Box::new(error)))?;
    let text = String::from_utf8(body.to_vec());
    let text = text.map_err(|error| PortError::new(GET, subject(), PortErrorKind::Invalid, error))?;
    Ok(Some((text, etag)))
}

impl fmt::Display for ConfigSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            ConfigOrigin::Inline(_) => f.write_str("SLUICE_CONFIG"),
            ConfigOrigin::File(path) => path.display().fmt(f),
            ConfigOrigin::Object { bucket, key } => write!(f, "s3://{bucket}/{key}"),
        }
    }
}

impl fmt::Debug for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Read").field("etag", &self.etag).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
