//! How a command can end.

use leaver_domain::problem::Problem;
use std::{fmt::Display, process::ExitCode};

/// How a command ended, as its exit code says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// What was asked is done.
    Done,
    /// It failed, or could not be verified.
    Failed,
    /// It was asked in a way that cannot be understood.
    Usage,
    /// The API refused it.
    Refused,
    /// A human has to decide first.
    Waiting,
}

impl Exit {
    /// The process's exit code.
    pub fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Waiting => 4,
        })
    }

    /// What a case's status means for whoever waited for it.
    pub fn of_status(status: &str) -> Self {
        match status {
            "complete" | "recorded" | "running" => Self::Done,
            "awaiting_approval" | "held" => Self::Waiting,
            _ => Self::Failed,
        }
    }

    /// What a measure's status means for whoever asked for it.
    pub fn of_measure(status: &str) -> Self {
        match status {
            "requested" => Self::Waiting,
            "approved" | "active" | "ending" | "ended" => Self::Done,
            _ => Self::Failed,
        }
    }
}

/// Why a command could not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// Something that should work did not.
    #[error("{0}")]
    Failed(String),
    /// The command was not understood.
    #[error("{0}")]
    Usage(String),
    /// The API refused: the request, or whoever made it.
    #[error("{0}")]
    Refused(Problem),
}

impl Failure {
    /// A failure in words.
    pub fn new(what: impl Into<String>) -> Self {
        Self::Failed(what.into())
    }

    /// How the command ends with it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Failed(_) => Exit::Failed,
            Self::Usage(_) => Exit::Usage,
            Self::Refused(_) => Exit::Refused,
        }
    }
}

/// Says what was being done when something failed.
pub trait Context<T> {
    /// The same result, with `what` before the reason.
    ///
    /// # Errors
    /// The former error, in words.
    fn context(self, what: impl Display) -> Result<T, Failure>;
}

impl<T, E: Display> Context<T> for Result<T, E> {
    fn context(self, what: impl Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::Failed(format!("{what}: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measure_that_waits_for_a_decision_waits() {
        assert_eq!(Exit::of_measure("requested"), Exit::Waiting);
        assert_eq!(Exit::of_measure("active"), Exit::Done);
        for status in ["denied", "expired", "something new"] {
            assert_eq!(Exit::of_measure(status), Exit::Failed, "{status}");
        }
    }

    #[test]
    fn every_case_status_has_its_exit() {
        assert_eq!(Exit::of_status("complete"), Exit::Done);
        assert_eq!(Exit::of_status("awaiting_approval"), Exit::Waiting);
        assert_eq!(Exit::of_status("held"), Exit::Waiting);
        for status in ["incomplete", "cancelled", "rejected", "something new"] {
            assert_eq!(Exit::of_status(status), Exit::Failed, "{status}");
        }
    }
}
