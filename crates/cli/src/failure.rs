//! What a failure means to a script, and how a person reads it: the one place for exit codes and causes.
//!
//! Never hides a cause, and never prints one twice.

use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;

use crate::output::{self, Lines, RED};

/// What the exit codes mean, for the help.
pub(crate) const EXIT_CODES: &str = "Exit codes: 0 all is well; 1 something failed; 2 wrong usage or configuration; 3 (verify, doctor, init) what was looked \
     at is not as it should be.";

/// Why a command ends with an exit code other than 0.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something did not work: exit code 1.
    Failed(Box<dyn Error + Send + Sync>),
    /// Wrong usage or configuration: exit code 2.
    Misused(Box<dyn Error + Send + Sync>),
    /// Exit code 1. The command has already printed why.
    Said,
    /// Exit code 2. The command has already printed why.
    SaidMisused,
    /// Everything worked, but what was found is wrong: exit code 3. The command has already printed what.
    SaidWrong,
}

impl Failure {
    pub(crate) fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed(error.into())
    }

    pub(crate) fn misused(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Misused(error.into())
    }

    /// Exit code 1: `what` failed because of `cause`.
    pub(crate) fn because(what: impl Into<String>, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::failed(Caused { what: what.into(), source: cause.into() })
    }

    /// Prints why on standard error, and returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        let (error, code) = match self {
            Self::Failed(error) => (Some(error), 1),
            Self::Misused(error) => (Some(error), 2),
            Self::Said => (None, 1),
            Self::SaidMisused => (None, 2),
            Self::SaidWrong => (None, 3),
        };
        if let Some(error) = error {
            output::note(format_args!("{RED}error:{RED:#} {}", Lines(explained(error.as_ref()))));
        }
        ExitCode::from(code)
    }
}

/// Something that failed, and its cause.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
struct Caused {
    what: String,
    source: Box<dyn Error + Send + Sync>,
}

/// The error with its causes, each on a line of its own. Leaves out a cause that an outer text already quotes.
fn explained(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            // Writing to a string cannot fail.
            _ = write!(text, "\n  because: {said}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        source: Option<Box<Link>>,
    }

    #[test]
    fn every_cause_is_said_once() {
        let root = Link { text: "permission denied", source: None };
        let middle = Link { text: "cannot open x: permission denied", source: Some(Box::new(root)) };
        let outer = Link { text: "cannot start", source: Some(Box::new(middle)) };
        assert_eq!(explained(&outer), "cannot start\n  because: cannot open x: permission denied");
    }
}
