//! One typed failure for all ports.

use serde::{Deserialize, Serialize};

use super::{ExecutorError, ForgeError, VcsError};
use crate::base::id::Sha;
use crate::base::time::Timestamp;

/// Why an effect could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The kind, which decides what follows.
    pub kind: FailureKind,
    /// What was seen, for people; bounded, foreign.
    pub message: String,
    /// The files concerned, for conflicts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// When trying again may work, where that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// For what moved: where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Sha>,
}

/// The kinds of failure, over all ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum FailureKind {
    /// Work does not merge cleanly.
    Conflict,
    /// Something stands elsewhere than expected: a branch, a head, a screen.
    Moved,
    /// Not reachable now; trying again may work.
    Unavailable,
    /// Held by something that passes, or that a person takes away: trying again may work for a while.
    Busy,
    /// It was taken and will be done later.
    Queued,
    /// It will not work by trying again.
    Refused,
    /// A person must act first.
    NeedsPerson,
    /// It is not there.
    Missing,
}

impl Failure {
    /// A failure with a message, cut to 2000 characters.
    pub fn new(kind: FailureKind, message: &str) -> Self {
        Self { kind, message: message.chars().take(2000).collect(), files: Vec::new(), retry_at: None, found: None }
    }
}

impl From<ExecutorError> for Failure {
    fn from(error: ExecutorError) -> Self {
        let kind = match &error {
            ExecutorError::NotFound { .. } => FailureKind::Missing,
            ExecutorError::Stale { .. } => FailureKind::Moved,
            ExecutorError::Refused { .. } | ExecutorError::Unsupported { .. } => FailureKind::Refused,
            ExecutorError::Unavailable { .. } => FailureKind::Unavailable,
        };
        Self::new(kind, &error.to_string())
    }
}

impl From<VcsError> for Failure {
    fn from(error: VcsError) -> Self {
        let message = error.to_string();
        let found = match &error {
            VcsError::Moved { found, .. } => found.clone(),
            _ => None,
        };
        let (kind, files) = match error {
            VcsError::Conflict { files, .. } => (FailureKind::Conflict, files),
            VcsError::Moved { .. } => (FailureKind::Moved, Vec::new()),
            VcsError::Unreachable { .. } => (FailureKind::Unavailable, Vec::new()),
            VcsError::Busy { .. } => (FailureKind::Busy, Vec::new()),
            VcsError::NoBase { .. }
            | VcsError::BranchTaken { .. }
            | VcsError::Unsafe { .. }
            | VcsError::Tampered { .. } => (FailureKind::NeedsPerson, Vec::new()),
            VcsError::Missing { .. } => (FailureKind::Missing, Vec::new()),
            VcsError::Refused { .. } | VcsError::Git { .. } => (FailureKind::Refused, Vec::new()),
        };
        Self { files, found, ..Self::new(kind, &message) }
    }
}

impl From<ForgeError> for Failure {
    fn from(error: ForgeError) -> Self {
        let message = error.to_string();
        let mut retry_at = None;
        let (kind, files) = match error {
            ForgeError::Limited { retry_at: at, .. } => {
                retry_at = Some(at);
                (FailureKind::Unavailable, Vec::new())
            }
            ForgeError::Conflict { files, .. } => (FailureKind::Conflict, files),
            ForgeError::Stale { .. } => (FailureKind::Moved, Vec::new()),
            ForgeError::Unreachable { .. } => (FailureKind::Unavailable, Vec::new()),
            ForgeError::Busy { .. } => (FailureKind::Busy, Vec::new()),
            ForgeError::NeedsPerson { .. } | ForgeError::Unauthorized { .. } => (FailureKind::NeedsPerson, Vec::new()),
            ForgeError::NotFound { .. } => (FailureKind::Missing, Vec::new()),
            ForgeError::Refused { .. } => (FailureKind::Refused, Vec::new()),
        };
        Self { files, retry_at, ..Self::new(kind, &message) }
    }
}
