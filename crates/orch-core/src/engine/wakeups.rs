//! When tasks are to be advanced though nothing happens.

use std::collections::BTreeSet;

use crate::base::id::TaskId;
use crate::base::time::{AwakeMs, Now};

/// Times at which something is due.
#[derive(Debug, Default)]
pub(super) struct Wakeups {
    /// When a task must be advanced.
    timers: BTreeSet<(AwakeMs, TaskId)>,
    /// When the driver said that it would call again.
    pub(super) promised: Option<AwakeMs>,
}

impl Wakeups {
    /// Has a task advanced at a time.
    pub(super) fn wake(&mut self, task: &TaskId, at: AwakeMs) {
        self.timers.insert((at, task.clone()));
    }

    pub(super) fn next(&self) -> Option<AwakeMs> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Takes the tasks whose time has come.
    pub(super) fn take_due(&mut self, now: &Now) -> Vec<TaskId> {
        let mut due = Vec::new();
        while self.timers.first().is_some_and(|(at, _)| *at <= now.awake) {
            due.extend(self.timers.pop_first().map(|(_, task)| task));
        }
        due
    }
}
