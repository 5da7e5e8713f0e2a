//! The eight states that a task can be in, as every wire format names them.

use crate::plan::wire_enum;

wire_enum!(
    /// Where a task stands.
    Status {
        /// May start; waits for a slot, a lease or a pause to end.
        Pending = "pending",
        /// An edge, a gate or the start point is unmet.
        Blocked = "blocked",
        /// An attempt is open.
        Running = "running",
        /// An attempt is open and being healed, or a person is awaited.
        Stuck = "stuck",
        /// No live agent; retried or escalated.
        Error = "error",
        /// Verified at one commit.
        Complete = "complete",
        /// A pull request is open.
        PrOpen = "pr_open",
        /// Merged; final.
        Merged = "merged",
    }
);
