//! What a task waits for.

use crate::base::id::TaskId;
use crate::base::time::Timestamp;

/// What a task waits for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waits {
    /// The next step or the retry is not before then.
    pub not_before: Option<Timestamp>,
    /// Predecessors of which one must be merged before the start point can be made.
    pub on: Vec<TaskId>,
    /// What is down that it waits for, without a slot.
    pub parked: Option<String>,
    /// What could not be had and is tried again for, later and later.
    pub delay: Option<Delay>,
}

impl Waits {
    /// How often in a row something outside was not to be had.
    pub(crate) fn delays(&self) -> u32 {
        self.delay.as_ref().map_or(0, |delay| delay.times)
    }
}

/// Something outside that was not to be had, and is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delay {
    /// The effect or look that failed, by name.
    pub what: String,
    /// What was decided about it, and why.
    pub why: String,
    /// It is its turn only that is waited for: nothing failed.
    pub in_turn: bool,
    /// How often in a row something was not to be had, this or before it another thing.
    pub times: u32,
    /// When it failed first.
    pub since: Timestamp,
    /// When it is tried again.
    pub until: Timestamp,
}
