//! Exit codes, and what went wrong with what to do about it.

use std::fmt::Display;

use camino::Utf8Path;
use orch_core::{ExecutorError, ForgeError, Problem, VcsError};
use orch_runtime::{ControlError, DriveError, FileError, JournalError, LockError, SettingsError, WorkdirError};

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    Input = 2,
    NeedsPerson = 3,
    Held = 4,
    Interrupted = 130,
}

/// What went wrong.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    pub(crate) problems: Vec<Problem>,
}

impl Failure {
    pub(crate) fn input(message: impl Display) -> Self {
        Self { exit: Exit::Input, message: message.to_string(), problems: Vec::new() }
    }
    pub(crate) fn other(message: impl Display) -> Self {
        Self { exit: Exit::Failed, message: message.to_string(), problems: Vec::new() }
    }
    pub(crate) fn problems(path: &Utf8Path, problems: Vec<Problem>) -> Self {
        let message = crate::world::problem_text(path, &problems);
        Self { exit: Exit::Input, message, problems }
    }
}

macro_rules! from {
    ($($error:ty => $exit:ident),+ $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self { exit: Exit::$exit, message: error.to_string(), problems: Vec::new() }
            }
        })+
    };
}
from!(WorkdirError => Input, SettingsError => Input, JournalError => Failed, FileError => Failed, VcsError => Failed,
      ForgeError => Failed, ExecutorError => Failed, ControlError => Failed, DriveError => Failed);

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        let exit = match &error {
            LockError::Held { .. } => Exit::Held,
            LockError::Busy { .. } | LockError::File(_) => Exit::Failed,
        };
        Self { exit, message: error.to_string(), problems: Vec::new() }
    }
}
