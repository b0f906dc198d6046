//! Sluice's own environment variables, read in one place. (The SDK reads its own.)
//!
//! Never falls back: a missing or wrong variable is an error that names it.

use std::path::PathBuf;

/// Sluice's settings from the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `SLUICE_CONFIG_URI` or `SLUICE_CONFIG`: where the configuration is.
    pub config: ConfigOrigin,
    /// `SLUICE_WORKER_FUNCTION`: the function that the lister invokes. Only the lister of a deployment that fans out
    /// needs it.
    pub worker_function: Option<String>,
    /// `SLUICE_S3_PATH_STYLE`: whether the bucket's name goes into the path, for endpoints without virtual hosts.
    pub s3_path_style: bool,
}

/// Where the configuration is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigOrigin {
    /// In `SLUICE_CONFIG`, as text.
    Inline(String),
    /// In a file.
    File(PathBuf),
    /// In an object in S3, which is read again when it has changed.
    Object {
        /// The object's bucket.
        bucket: String,
        /// The object's key.
        key: String,
    },
}

/// What can be wrong with the environment.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SettingsError {
    /// Neither variable is set.
    #[error(
        "there is no configuration: set SLUICE_CONFIG_URI to s3://bucket/key or a path, or SLUICE_CONFIG to its text"
    )]
    NoConfig,
    /// Both variables are set.
    #[error("SLUICE_CONFIG_URI and SLUICE_CONFIG are both set: unset one of them")]
    TwoConfigs,
    /// `SLUICE_CONFIG_URI` is neither an S3 URI nor a path.
    #[error("SLUICE_CONFIG_URI is {0:?}: write s3://bucket/key, or a path")]
    ConfigUri(String),
    /// `SLUICE_S3_PATH_STYLE` is neither `true` nor `false`.
    #[error("SLUICE_S3_PATH_STYLE is {0:?}: write true or false")]
    PathStyle(String),
}

impl Settings {
    /// Reads the environment through `variable`.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        // Lambda cannot leave a variable out by condition, so an empty variable counts as unset.
        let variable = |name| variable(name).filter(|value| !value.trim().is_empty());
        Ok(Self {
            config: config_origin(variable("SLUICE_CONFIG_URI"), variable("SLUICE_CONFIG"))?,
            worker_function: variable("SLUICE_WORKER_FUNCTION"),
            s3_path_style: path_style(variable("SLUICE_S3_PATH_STYLE"))?,
        })
    }
}

fn config_origin(uri: Option<String>, text: Option<String>) -> Result<ConfigOrigin, SettingsError> {
    match (uri, text) {
        (None, None) => Err(SettingsError::NoConfig),
        (Some(_), Some(_)) => Err(SettingsError::TwoConfigs),
        (None, Some(text)) => Ok(ConfigOrigin::Inline(text)),
        (Some(uri), None) => located(&uri).ok_or(SettingsError::ConfigUri(uri)),
    }
}

fn located(uri: &str) -> Option<ConfigOrigin> {
    let Some((scheme, rest)) = uri.split_once("://") else {
        return Some(ConfigOrigin::File(uri.into()));
    };
    let (bucket, key) = rest.split_once('/')?;
    let whole = scheme == "s3" && !bucket.is_empty() && !key.is_empty();
    whole.then(|| ConfigOrigin::Object { bucket: bucket.to_owned(), key: key.to_owned() })
}

fn path_style(value: Option<String>) -> Result<bool, SettingsError> {
    match value.as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(SettingsError::PathStyle(value.unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Settings::from_env(find)
    }

    #[test_case("s3://bucket/a/b.toml" => Ok(ConfigOrigin::Object { bucket: "bucket".into(), key: "a/b.toml".into() }))]
    #[test_case("sluice.toml" => Ok(ConfigOrigin::File("sluice.toml".into())); "a relative path")]
    #[test_case("/var/task/sluice.toml" => Ok(ConfigOrigin::File("/var/task/sluice.toml".into())); "an absolute path")]
    #[test_case("s3://bucket" => Err(SettingsError::ConfigUri("s3://bucket".into())); "no key")]
    #[test_case("s3://bucket/" => Err(SettingsError::ConfigUri("s3://bucket/".into())); "an empty key")]
    #[test_case("https://x/y" => Err(SettingsError::ConfigUri("https://x/y".into())); "another scheme")]
    fn the_configuration_is_somewhere(uri: &str) -> Result<ConfigOrigin, SettingsError> {
        settings(&[("SLUICE_CONFIG_URI", uri)]).map(|settings| settings.config)
    }

    #[test]
    fn the_configuration_is_in_one_place() {
        assert_eq!(settings(&[]), Err(SettingsError::NoConfig));
        assert_eq!(settings(&[("SLUICE_CONFIG", "x"), ("SLUICE_CONFIG_URI", "y")]), Err(SettingsError::TwoConfigs));
        let inline = settings(&[("SLUICE_CONFIG", "x"), ("SLUICE_CONFIG_URI", "")]).map(|settings| settings.config);
        assert_eq!(inline, Ok(ConfigOrigin::Inline("x".into())));
    }

    #[test_case("true" => Ok(true))]
    #[test_case("false" => Ok(false))]
    #[test_case("" => Ok(false); "empty")]
    #[test_case("1" => Err(SettingsError::PathStyle("1".into())); "a number")]
    #[test_case("TRUE" => Err(SettingsError::PathStyle("TRUE".into())); "in capitals")]
    fn path_style_is_true_or_false(value: &str) -> Result<bool, SettingsError> {
        settings(&[("SLUICE_CONFIG", "x"), ("SLUICE_S3_PATH_STYLE", value)]).map(|settings| settings.s3_path_style)
    }
}
