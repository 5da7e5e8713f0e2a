//! The eight statuses and the only moves between them.

use crate::base::wire::wire_enum;

wire_enum!(
    /// Where a task stands; the only names on the wire.
    Status {
        /// May start; waits for a slot, a lease or a resume.
        Pending = "pending",
        /// An edge, a gate or its start point is not met.
        Blocked = "blocked",
        /// An attempt is open.
        Running = "running",
        /// An attempt is open and a remedy is in progress or a person awaited.
        Stuck = "stuck",
        /// No live agent; retried at a known time, or a person is needed.
        Error = "error",
        /// Verified at one commit.
        Complete = "complete",
        /// Its pull request is open.
        PrOpen = "pr_open",
        /// Its work is in the base; final.
        Merged = "merged",
    }
);

impl Status {
    /// Whether an attempt is open: a slot and a lease are held.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Running | Self::Stuck)
    }

    /// Whether an edge from a task of this status is met.
    pub const fn meets_edges(self) -> bool {
        matches!(self, Self::Complete | Self::PrOpen | Self::Merged)
    }

    /// Whether work has begun.
    pub const fn has_begun(self) -> bool {
        !matches!(self, Self::Pending | Self::Blocked)
    }
}

/// A legal move and what triggers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// From.
    pub from: Status,
    /// To.
    pub to: Status,
    /// What triggers it, in words.
    pub trigger: &'static str,
}

macro_rules! table {
    ($($from:ident -> $to:ident: $trigger:literal),+ $(,)?) => {
        &[$(Transition { from: Status::$from, to: Status::$to, trigger: $trigger }),+]
    };
}

/// The whole status machine: what is not listed here cannot happen.
pub const TRANSITIONS: &[Transition] = table![
    Pending -> Blocked: "an edge or gate is unmet",
    Blocked -> Pending: "the last edge or gate is met",
    Pending -> Running: "ready, with a slot and a lease: attempt 1 opens",
    Running -> Blocked: "the start point conflicts: the attempt is not used",
    Running -> Stuck: "a prompt, silence, a loop, a limit, a lost session, a dialog",
    Stuck -> Running: "progress after the remedy",
    Running -> Error: "the attempt failed, or a person ended it",
    Stuck -> Error: "the remedy is a restart, or a person ended it",
    Error -> Running: "the retry is due, or a person asked for it",
    Running -> Complete: "commits over the start, clean, verified, all at one commit",
    Stuck -> Complete: "the session ended with verified work",
    Complete -> PrOpen: "the pull request is seen open with the verified head",
    Complete -> Merged: "its commit is seen in the base",
    PrOpen -> Merged: "the pull request is seen merged, or its commit in the base",
    Complete -> Error: "publishing was refused, or taking in others' work failed",
    PrOpen -> Error: "checks failed, changes were requested, a conflict, or it was closed unmerged",
    Error -> PrOpen: "a closed pull request is seen reopened with the verified head",
    Error -> Merged: "its commit is seen in the base",
];

/// The row of [`TRANSITIONS`] for a move, if it is legal.
pub fn transition(from: Status, to: Status) -> Option<&'static Transition> {
    TRANSITIONS.iter().find(|row| row.from == from && row.to == to)
}
