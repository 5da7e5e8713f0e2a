//! Attempts: the one that was opened last, and what those before it count for.

use crate::base::id::AttemptNo;

/// One attempt: from a first launch until the work is verified or given up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attempt {
    /// Its number; 0 before the first.
    pub number: AttemptNo,
    /// Launches of its agent.
    pub launches: u32,
    /// Relaunches without progress between them.
    pub relaunches: u32,
    /// The agent was asked to commit.
    pub asked_to_commit: bool,
    /// How often orch committed for the agent.
    pub committed: u32,
}

/// What was tried since the start, or since a person last asked for a retry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retries {
    /// Failed attempts.
    pub failures: u32,
    /// Rounds of feedback.
    pub feedback_rounds: u32,
    /// Start points in a row that could not be made because the work in them conflicts.
    pub start_conflicts: u32,
    /// A person asked for the retry: what they may have put right is looked at before an agent starts.
    pub by_person: bool,
}
