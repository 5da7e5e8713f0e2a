//! Worktrees, as this process found them.

use std::collections::{BTreeMap, BTreeSet};

use super::wakeups::Wakeups;
use crate::base::id::TaskId;
use crate::base::time::{AwakeMs, Millis, Now};

/// Looks at a worktree in vain before a person is needed.
const BLIND: u32 = 3;
/// Time between looks in vain.
const LOOK_AGAIN: Millis = Millis(5000);

/// What looks at worktrees brought that is in no record.
#[derive(Debug, Default)]
pub(super) struct Worktrees {
    /// Tasks in whose worktree a person's fix was looked for, in vain.
    fixes: BTreeSet<TaskId>,
    /// Tasks whose worktree was found to be gone.
    gone: BTreeSet<TaskId>,
    /// Worktrees that could not be looked at: how often, and when last.
    blind: BTreeMap<TaskId, (u32, AwakeMs)>,
    /// Tasks whose early push the remote refused: the verified push decides.
    pub(super) no_early_push: BTreeSet<TaskId>,
}

impl Worktrees {
    pub(super) fn looked_for_fix(&self, task: &TaskId) -> bool {
        self.fixes.contains(task)
    }

    pub(super) fn note_no_fix(&mut self, task: &TaskId) {
        self.fixes.insert(task.clone());
    }

    pub(super) fn forget_fix(&mut self, task: &TaskId) {
        self.fixes.remove(task);
    }

    pub(super) fn note_gone(&mut self, task: &TaskId) {
        self.gone.insert(task.clone());
    }

    pub(super) fn is_gone(&self, task: &TaskId) -> bool {
        self.gone.contains(task)
    }

    pub(super) fn note_prepared(&mut self, task: &TaskId) {
        self.gone.remove(task);
    }

    /// A worktree could not be looked at; whether that happened too often.
    pub(super) fn note_blind(&mut self, task: &TaskId, now: &Now, wakeups: &mut Wakeups) -> bool {
        let blind = self.blind.entry(task.clone()).or_default();
        *blind = (blind.0 + 1, now.awake);
        let hopeless = blind.0 >= BLIND;
        if hopeless {
            self.blind.remove(task);
        } else {
            wakeups.wake(task, now.awake + LOOK_AGAIN);
        }
        hopeless
    }

    pub(super) fn note_seen(&mut self, task: &TaskId) {
        self.blind.remove(task);
    }

    /// Whether a worktree may be looked at, after looks in vain.
    pub(super) fn may_look(&self, task: &TaskId, now: &Now) -> bool {
        self.blind.get(task).is_none_or(|(_, at)| now.awake.since(*at) >= LOOK_AGAIN)
    }
}
