//! A configuration with the tables that it loads, as they lie in a folder: `sluice.toml` and `tables.sql` beside it.
//!
//! Reads files; never runs what is in them.

mod script;

use std::path::{Path, PathBuf};

use sluice_core::config::{Config, ConfigError};

use crate::failure::Failure;

/// The configuration that is used when none is named.
const DEFAULT: &str = "examples/sluice.toml";
/// The tables beside a configuration.
const TABLES: &str = "tables.sql";

/// A configuration that has been checked, and the SQL that makes its tables.
#[derive(Debug)]
pub(crate) struct Project {
    /// Where the configuration is.
    pub(crate) path: PathBuf,
    /// Its text, which is what the functions are given.
    pub(crate) text: String,
    /// What it says.
    pub(crate) config: Config,
    /// The statements that make the tables; none where there is no such file.
    pub(crate) tables: Option<Tables>,
}

/// SQL that makes tables where they are missing.
#[derive(Debug)]
pub(crate) struct Tables {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// One after another.
    pub(crate) statements: Vec<String>,
}

/// Why there is no project.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProjectError {
    /// Nothing was named, and the default is not there.
    #[error(
        "there is no {DEFAULT} here: name a configuration with --config FILE, or start the services alone with \
         --services-only"
    )]
    NoDefault,
    /// A file that cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A configuration that is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// SQL whose statements cannot be told apart.
    #[error("{path}: {source}")]
    Script {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: script::ScriptError,
    },
}

impl From<ProjectError> for Failure {
    fn from(error: ProjectError) -> Self {
        Self::misused(error)
    }
}

impl Project {
    /// Reads the configuration, the default one where none is named, and the tables: those named, else those beside it.
    pub(crate) fn open(config: Option<&Path>, tables: Option<&Path>) -> Result<Self, ProjectError> {
        let path = match config {
            Some(path) => path.to_owned(),
            None if Path::new(DEFAULT).is_file() => DEFAULT.into(),
            None => return Err(ProjectError::NoDefault),
        };
        let text = read(&path)?;
        let config = Config::parse(&text, &path.display().to_string())?;
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
