//! Pull requests, as this process saw them last.

use std::collections::BTreeMap;

use super::input::SeenPull;
use crate::base::id::{Sha, TaskId};
use crate::base::time::{AwakeMs, Millis, Now};
use crate::ports::{Checks, MergeState, PullState, Review};

/// A pull request seen longer ago than this is looked at again before it is merged.
const FRESH: Millis = Millis(2000);
/// The longest time without a look at a forge that does not answer.
const SILENCE: Millis = Millis::from_mins(10);
/// The longest time that a forge is believed to want to be left alone: windows of requests are an hour.
const TOLD: Millis = Millis::from_mins(60);

/// Every pull request that was looked at.
#[derive(Debug, Default)]
pub(super) struct Pulls {
    by_task: BTreeMap<TaskId, LastLook>,
    /// Looks at the forge in vain, one after another.
    silences: u32,
    /// The forge is not looked at before then.
    silent_until: AwakeMs,
    /// When pull requests were last looked at together.
    round_at: Option<AwakeMs>,
    /// How often something was merged.
    merges: u64,
    /// How often something had been merged when each look at a pull request began.
    asks: BTreeMap<TaskId, u64>,
    /// The task that took the base in last on its way to the merge, and when.
    pub(super) holder: Option<(TaskId, AwakeMs)>,
    /// Something changed that a merge may have waited for.
    pub(super) merges_due: bool,
}

/// What the last look at a pull request brought.
#[derive(Debug)]
struct LastLook {
    /// `None` when the forge could not be reached.
    seen: Option<SeenPull>,
    at: AwakeMs,
    /// How often something had been merged by then.
    merges: u64,
    /// How often a merge was seen that the base did not show.
    doubts: u32,
}

impl Pulls {
    /// The pull request as last seen, and whether that is recent enough to act on it.
    pub(super) fn seen(&self, task: &TaskId, now: &Now) -> Option<(&SeenPull, bool)> {
        let look = self.by_task.get(task)?;
        let fresh = look.merges == self.merges && now.awake.since(look.at) <= FRESH;
        look.seen.as_ref().map(|seen| (seen, fresh))
    }

    /// The pull request as last seen beside a commit that was verified.
    pub(super) fn seen_beside(&self, task: &TaskId, verified: &Sha) -> Option<&SeenPull> {
        let seen = self.by_task.get(task)?.seen.as_ref()?;
        (seen.head.as_ref() == Some(verified)).then_some(seen)
    }

    pub(super) fn was_looked_at(&self, task: &TaskId) -> bool {
        self.by_task.contains_key(task)
    }

    /// Whether the forge answered and has no open pull request for a task.
    pub(super) fn has_none_open(&self, task: &TaskId) -> bool {
        let seen = self.by_task.get(task).and_then(|look| look.seen.as_ref());
        seen.is_some_and(|seen| seen.pull.as_ref().is_none_or(|pull| pull.state != PullState::Open))
    }

    pub(super) fn note(&mut self, task: &TaskId, seen: Option<SeenPull>, now: &Now) {
        let doubts = self.by_task.get(task).map_or(0, |look| look.doubts);
        let merges = self.asks.remove(task).unwrap_or(self.merges);
        self.by_task.insert(task.clone(), LastLook { seen, at: now.awake, merges, doubts });
    }

    /// Whether nothing was merged since a look at a pull request began.
    pub(super) fn is_current(&self, task: &TaskId) -> bool {
        self.by_task.get(task).is_some_and(|look| look.merges == self.merges)
    }

    /// A merge was seen that the base does not show; how often by now.
    pub(super) fn note_doubt(&mut self, task: &TaskId) -> u32 {
        self.by_task.get_mut(task).map_or(0, |look| {
            look.doubts += 1;
            look.doubts
        })
    }

    pub(super) fn forget(&mut self, task: &TaskId) {
        self.by_task.remove(task);
    }

    /// Where bases stand is not known any more: something was merged.
    pub(super) fn outdate(&mut self) {
        self.merges += 1;
    }

    /// When a pull request is to be looked at again. Those that are due soon are looked at with the first.
    pub(super) fn due_at(&self, task: &TaskId, interval: Millis) -> AwakeMs {
        let Some(look) = self.by_task.get(task) else { return self.silent_until };
        let due = look.at + interval;
        let soon = self.round_at.filter(|round| *round >= look.at + Millis(interval.0 / 2));
        soon.unwrap_or(due).max(self.silent_until)
    }

    /// Has every pull request that is due soon looked at now, if one is; which.
    pub(super) fn begin_round(
        &mut self,
        interval: Millis,
        now: &Now,
        is_followed: impl Fn(&TaskId) -> bool,
    ) -> Vec<TaskId> {
        let is_due = |look: &LastLook, after: u64| look.at + Millis(after) <= now.awake;
        let soon = self.by_task.iter().filter(|(task, look)| is_due(look, interval.0 / 2) && is_followed(task));
        let soon: Vec<TaskId> = soon.map(|(task, _)| task.clone()).collect();
        let first = soon.iter().filter_map(|task| self.by_task.get(task)).any(|look| is_due(look, interval.0));
        if self.silent_until > now.awake || !first {
            return Vec::new();
        }
        self.round_at = Some(now.awake);
        soon
    }

    /// Notes whether the forge answered at all; while it does not, it is asked ever more rarely, once for all, and
    /// not before the time that it told.
    pub(super) fn note_forge(&mut self, answered: bool, told: Millis, interval: Millis, now: &Now) {
        if answered {
            (self.silences, self.silent_until) = (0, AwakeMs(0));
            return;
        }
        let rest = Millis(interval.0.saturating_mul(1 << self.silences.min(10)).min(SILENCE.0.max(interval.0)));
        self.silences += 1;
        self.silent_until = now.awake + rest.max(told.min(TOLD));
    }

    /// A look at a pull request begins.
    pub(super) fn note_asked(&mut self, task: &TaskId) {
        self.asks.insert(task.clone(), self.merges);
    }
}

/// Whether a pull request could be merged as it was seen.
pub(super) fn may_merge(seen: &SeenPull, head: &Sha) -> bool {
    seen.pull.as_ref().is_some_and(|pull| {
        pull.state == PullState::Open
            && pull.head_sha.as_ref() == Some(head)
            && !matches!(pull.merge_state, MergeState::Blocked(_) | MergeState::Queued)
            && matches!(pull.checks(), Checks::None | Checks::Passed)
            && !pull.reviews.iter().any(Review::asks_for_changes)
    })
}
