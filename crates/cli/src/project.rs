//! A configuration and the tables that it loads, in one folder: `sluice.toml`, and `tables.sql` beside it.
//!
//! Reads files, and never runs what is in them.

mod script;

use std::path::{Path, PathBuf};

use sluice_aws::DESTINATIONS;
use sluice_core::config::{Config, ConfigError};

use crate::failure::Failure;

/// The configuration that is used when none is named.
const DEFAULT: &str = "examples/sluice.toml";
/// The file beside a configuration that makes its tables.
const TABLES: &str = "tables.sql";

/// A configuration that has been checked, and the SQL that makes its tables.
#[derive(Debug)]
pub(crate) struct Project {
    /// The path of the configuration.
    pub(crate) path: PathBuf,
    /// Its text, which the functions get.
    pub(crate) text: String,
    pub(crate) config: Config,
    /// The statements that make the tables; `None` if there is no such file.
    pub(crate) tables: Option<Tables>,
}

/// SQL that makes the tables that are missing.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) path: PathBuf,
    pub(crate) statements: Vec<String>,
}

/// Why a project cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProjectError {
    #[error(
        "there is no {DEFAULT} here: name a configuration with --config FILE, or start the services alone with \
         --services-only"
    )]
    NoDefault,
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{path}: {source}")]
    Script {
        /// The file of SQL.
        path: PathBuf,
        source: script::ScriptError,
    },
}

impl From<ProjectError> for Failure {
    fn from(error: ProjectError) -> Self {
        Self::misused(error)
    }
}

impl Project {
    /// Reads the configuration, or the default one if none is named. Reads the named tables, or those beside the
    /// configuration.
    pub(crate) fn open(config: Option<&Path>, tables: Option<&Path>) -> Result<Self, ProjectError> {
        let path = match config {
            Some(path) => path.to_owned(),
            None if Path::new(DEFAULT).is_file() => DEFAULT.into(),
            None => return Err(ProjectError::NoDefault),
        };
        let text = read(&path)?;
        let config = Config::parse(&text, &path.display().to_string(), &DESTINATIONS)?;
        let beside = path.with_file_name(TABLES);
        let tables = match tables {
            Some(tables) => Some(Tables::read(tables)?),
            None if beside.is_file() => Some(Tables::read(&beside)?),
            None => None,
        };
        Ok(Self { path, text, config, tables })
    }
}

impl Tables {
    fn read(path: &Path) -> Result<Self, ProjectError> {
        let statements = script::statements(&read(path)?);
        let statements = statements.map_err(|source| ProjectError::Script { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), statements })
    }
}

fn read(path: &Path) -> Result<String, ProjectError> {
    std::fs::read_to_string(path).map_err(|source| ProjectError::Unreadable { path: path.to_owned(), source })
}
