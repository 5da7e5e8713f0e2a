//! What this process has seen.

use std::collections::{BTreeMap, BTreeSet};

use crate::agents::sight::Sight;
use crate::base::id::{LaunchId, Sha, TaskId};
use crate::base::time::{AwakeMs, Millis, Now};
use crate::engine::input::SeenPull;
use crate::journal::effect::Look;
use crate::journal::record::Marks;
use crate::ports::{Checks, ExitStatus, MergeState, PullState, Review};
use crate::state::{Session, State};

/// A pull request seen longer ago than this is looked at again before it is merged.
const FRESH: Millis = Millis(2000);
/// Looks at a worktree in vain before a person is needed.
const BLIND: u32 = 3;
/// A look that was not answered for so long is lost: it is asked for again. Longer than any port takes.
const LOST: Millis = Millis::from_mins(15);
/// The longest time without a look at a forge that does not answer.
const SILENCE: Millis = Millis::from_mins(10);
/// Time between looks in vain.
const LOOK_AGAIN: Millis = Millis(5000);

/// What this process has seen. Nothing of it is remembered beyond the marks in the journal: a new
/// process looks again.
#[derive(Debug, Default)]
pub(super) struct Eyes {
    pub(super) by_launch: BTreeMap<LaunchId, Eye>,
    /// Looks under way, and since when.
    asked: BTreeMap<Look, AwakeMs>,
    /// The same, by time.
    asked_at: BTreeSet<(AwakeMs, Look)>,
    /// Looks under way that may have been made before something that they are to show.
    outdated: BTreeSet<Look>,
    fixes: BTreeSet<TaskId>,
    /// Tasks whose worktree was found to be gone.
    gone: BTreeSet<TaskId>,
    pulls: BTreeMap<TaskId, PullSight>,
    /// Looks at the forge in vain, one after another.
    silences: u32,
    /// The forge is not looked at before then.
    silent_until: AwakeMs,
    /// When pull requests were last looked at together.
    round_at: Option<AwakeMs>,
    /// How often something was merged.
    merges: u64,
    /// How often something had been merged when each look at a pull request began.
    pull_asks: BTreeMap<TaskId, u64>,
    /// Worktrees that could not be looked at: how often, and when last.
    blind: BTreeMap<TaskId, (u32, AwakeMs)>,
    /// Times at which a task must be advanced.
    timers: BTreeSet<(AwakeMs, TaskId)>,
    /// Who took the base in last on its way to the merge, and when.
    pub(super) holder: Option<(TaskId, AwakeMs)>,
    /// Something changed that a merge may have waited for.
    pub(super) merges_due: bool,
    /// When the list of sessions was asked for last.
    pub(super) listed_at: Option<AwakeMs>,
    /// The list must be asked for once more.
    pub(super) list_again: bool,
    /// A whole list was seen since this process began, or was stopped.
    pub(super) listed: bool,
    /// A whole list was seen since this process began.
    pub(super) met: bool,
    pub(super) marks_at: AwakeMs,
    /// When this process took over.
    pub(super) opened_at: AwakeMs,
    pub(super) promised: Option<AwakeMs>,
    /// Tasks whose early push the remote refused: the verified push decides.
    pub(super) no_early_push: BTreeSet<TaskId>,
}

/// A pull request as last seen.
#[derive(Debug)]
struct PullSight {
    /// `None` when the forge could not be reached.
    seen: Option<SeenPull>,
    at: AwakeMs,
    /// How often something had been merged by then.
    merges: u64,
    /// How often a merge was seen that the base did not show.
    doubts: u32,
}

/// What was seen of one session.
#[derive(Debug, Clone)]
pub(super) struct Eye {
    pub(super) sight: Sight,
    pub(super) activity: u64,
    pub(super) head: Option<Sha>,
    /// When this process started it; `None` for one that it found.
    started_at: Option<AwakeMs>,
    pub(super) exit: Option<(ExitStatus, Vec<String>)>,
}

impl Eye {
    fn of(session: &Session) -> Self {
        let marks = &session.marks;
        Self {
            sight: Sight::new(marks.changed_at, marks.screen),
            activity: marks.activity,
            head: marks.head.clone(),
            started_at: None,
            exit: None,
        }
    }

    pub(super) fn marks(&self, launch: LaunchId) -> Marks {
        Marks {
            launch,
            activity: self.activity,
            changed_at: self.sight.changed_at,
            screen: self.sight.screen.as_ref().map(|(seen, _)| *seen),
            head: self.head.clone(),
        }
    }
}

impl Eyes {
    pub(super) fn of(state: &State, now: &Now) -> Self {
        let sessions = state.tasks.values().filter_map(|task| task.session.as_ref());
        Self {
            by_launch: sessions.map(|session| (session.launch, Eye::of(session))).collect(),
            opened_at: now.awake,
            ..Self::default()
        }
    }

    /// Notes that a look is wanted; `false` when it is under way already.
    pub(super) fn ask(&mut self, look: &Look, now: &Now) -> bool {
        if self.is_asked(look) {
            return false;
        }
        self.asked.insert(look.clone(), now.awake);
        self.asked_at.insert((now.awake, look.clone()));
        if let Look::Pull(task) = look {
            self.pull_asks.insert(task.clone(), self.merges);
        }
        true
    }

    pub(super) fn is_asked(&self, look: &Look) -> bool {
        self.asked.contains_key(look)
    }

    pub(super) fn answered(&mut self, look: &Look) {
        if let Some(at) = self.asked.remove(look) {
            self.asked_at.remove(&(at, look.clone()));
        }
    }

    /// A look that is under way, if one is, may have been made too early to show what just happened.
    pub(super) fn outdate(&mut self, look: Look) {
        if self.is_asked(&look) {
            self.outdated.insert(look);
        }
    }

    /// Whether what was just seen may have been looked at too early.
    pub(super) fn was_outdated(&mut self, look: &Look) -> bool {
        self.outdated.remove(look)
    }

    /// When the look that is under way longest counts as lost.
    pub(super) fn lost_at(&self) -> Option<AwakeMs> {
        self.asked_at.first().map(|(at, _)| *at + LOST)
    }

    /// The looks that are lost, asked for again.
    pub(super) fn ask_again(&mut self, now: &Now) -> Vec<Look> {
        let mut lost = Vec::new();
        while let Some((_, look)) = self.asked_at.first().filter(|(at, _)| *at + LOST <= now.awake).cloned() {
            self.answered(&look);
            self.ask(&look, now);
            lost.push(look);
        }
        lost
    }

    pub(super) fn has_ended(&self, launch: LaunchId) -> bool {
        self.by_launch.get(&launch).is_some_and(|eye| eye.exit.is_some())
    }

    pub(super) fn exit_of(&self, session: &Session) -> Option<&(ExitStatus, Vec<String>)> {
        self.by_launch.get(&session.launch)?.exit.as_ref()
    }

    /// Whether a session must be in the list that was just seen.
    pub(super) fn should_be_listed(&self, launch: LaunchId) -> bool {
        self.by_launch.get(&launch).is_some_and(|eye| eye.started_at < self.listed_at)
    }

    pub(super) fn begin(&mut self, session: &Session, now: &Now) {
        let eye = Eye { started_at: Some(now.awake), ..Eye::of(session) };
        self.by_launch.insert(session.launch, eye);
    }

    /// Whether what a session showed last was looked at, or that was waited for long enough.
    pub(super) fn is_up_to_date(&self, launch: LaunchId, now: &Now) -> bool {
        let looking = self.is_asked(&Look::Screen(launch));
        self.by_launch.get(&launch).is_none_or(|eye| {
            !looking && !eye.sight.dirty || eye.sight.looked_at.is_some_and(|at| now.awake.since(at) >= LOOK_AGAIN)
        })
    }

    pub(super) fn forget(&mut self, launch: LaunchId) {
        self.by_launch.remove(&launch);
    }

    pub(super) fn note_listed(&mut self, launch: LaunchId, exit: Option<(ExitStatus, Vec<String>)>, activity: u64) {
        if let Some(eye) = self.by_launch.get_mut(&launch) {
            eye.sight.dirty |= eye.activity != activity;
            eye.activity = activity;
            eye.exit = exit.or(eye.exit.take());
        }
    }

    /// Measures the silence of a session, or of all of them, from now on.
    pub(super) fn rebase(&mut self, launch: Option<LaunchId>, now: &Now) {
        for (_, eye) in self.by_launch.iter_mut().filter(|(id, _)| launch.is_none_or(|launch| launch == **id)) {
            eye.sight.rebase(now);
        }
    }

    /// A screen could not be looked at.
    pub(super) fn note_no_screen(&mut self, launch: LaunchId, now: &Now) {
        if let Some(eye) = self.by_launch.get_mut(&launch) {
            eye.sight.looked_at = Some(now.awake);
        }
    }

    pub(super) fn note_output(&mut self, launch: LaunchId) {
        if let Some(eye) = self.by_launch.get_mut(&launch) {
            eye.sight.dirty = true;
        }
    }

    pub(super) fn note_head(&mut self, launch: LaunchId, head: &Sha, now: &Now) -> bool {
        let Some(eye) = self.by_launch.get_mut(&launch) else { return false };
        let moved = eye.head.as_ref().is_some_and(|seen| seen != head);
        if moved {
            eye.sight.changed_at = now.awake;
        }
        eye.head = Some(head.clone());
        moved
    }

    /// Something was typed, or was to be: the screen is looked at, and judged anew if nothing was.
    pub(super) fn look_again(&mut self, launch: LaunchId, judge: bool) {
        if let Some(eye) = self.by_launch.get_mut(&launch) {
            eye.sight.look_again(judge);
        }
    }

    pub(super) fn looked_for_fix(&self, task: &TaskId) -> bool {
        self.fixes.contains(task)
    }

    pub(super) fn note_no_fix(&mut self, task: &TaskId) {
        self.fixes.insert(task.clone());
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

    pub(super) fn forget_fix(&mut self, task: &TaskId) {
        self.fixes.remove(task);
    }

    /// The pull request as last seen, and whether that is recent enough to act on it.
    pub(super) fn pull(&self, task: &TaskId, now: &Now) -> Option<(&SeenPull, bool)> {
        let sight = self.pulls.get(task)?;
        let fresh = sight.merges == self.merges && now.awake.since(sight.at) <= FRESH;
        sight.seen.as_ref().map(|seen| (seen, fresh))
    }

    /// The pull request as last seen beside a commit that was verified.
    pub(super) fn pull_of(&self, task: &TaskId, verified: &Sha) -> Option<&SeenPull> {
        let seen = self.pulls.get(task)?.seen.as_ref()?;
        (seen.head.as_ref() == Some(verified)).then_some(seen)
    }

    pub(super) fn asked_for_pull(&self, task: &TaskId) -> bool {
        self.pulls.contains_key(task)
    }

    /// Whether the forge answered and has no open pull request for a task.
    pub(super) fn has_no_open_pull(&self, task: &TaskId) -> bool {
        let seen = self.pulls.get(task).and_then(|sight| sight.seen.as_ref());
        seen.is_some_and(|seen| seen.pull.as_ref().is_none_or(|pull| pull.state != PullState::Open))
    }

    pub(super) fn note_pull(&mut self, task: &TaskId, seen: Option<SeenPull>, now: &Now) {
        let doubts = self.pulls.get(task).map_or(0, |sight| sight.doubts);
        let merges = self.pull_asks.remove(task).unwrap_or(self.merges);
        self.pulls.insert(task.clone(), PullSight { seen, at: now.awake, merges, doubts });
    }

    /// Whether nothing was merged since a look at a pull request began.
    pub(super) fn is_current(&self, task: &TaskId) -> bool {
        self.pulls.get(task).is_some_and(|sight| sight.merges == self.merges)
    }

    /// A merge was seen that the base does not show; how often by now.
    pub(super) fn note_doubt(&mut self, task: &TaskId) -> u32 {
        self.pulls.get_mut(task).map_or(0, |sight| {
            sight.doubts += 1;
            sight.doubts
        })
    }

    pub(super) fn forget_pull(&mut self, task: &TaskId) {
        self.pulls.remove(task);
    }

    /// Where bases stand is not known any more: something was merged.
    pub(super) fn doubt_pulls(&mut self) {
        self.merges += 1;
    }

    /// When a pull request is to be looked at again. Those that are due soon are looked at with the first.
    pub(super) fn pull_due_at(&self, task: &TaskId, interval: Millis) -> AwakeMs {
        let Some(sight) = self.pulls.get(task) else { return self.silent_until };
        let due = sight.at + interval;
        let soon = self.round_at.filter(|round| *round >= sight.at + Millis(interval.0 / 2));
        soon.unwrap_or(due).max(self.silent_until)
    }

    /// Has every pull request that is due soon looked at now, if one is; which.
    pub(super) fn begin_round(
        &mut self,
        interval: Millis,
        now: &Now,
        is_followed: impl Fn(&TaskId) -> bool,
    ) -> Vec<TaskId> {
        let is_due = |sight: &PullSight, after: u64| sight.at + Millis(after) <= now.awake;
        let soon = self.pulls.iter().filter(|(task, sight)| is_due(sight, interval.0 / 2) && is_followed(task));
        let soon: Vec<TaskId> = soon.map(|(task, _)| task.clone()).collect();
        let first = soon.iter().filter_map(|task| self.pulls.get(task)).any(|sight| is_due(sight, interval.0));
        if self.silent_until > now.awake || !first {
            return Vec::new();
        }
        self.round_at = Some(now.awake);
        soon
    }

    /// Notes whether the forge answered at all; while it does not, it is asked ever more rarely, once for all.
    pub(super) fn note_forge(&mut self, answered: bool, interval: Millis, now: &Now) {
        if answered {
            (self.silences, self.silent_until) = (0, AwakeMs(0));
            return;
        }
        let rest = Millis(interval.0.saturating_mul(1 << self.silences.min(10)).min(SILENCE.0.max(interval.0)));
        self.silences += 1;
        self.silent_until = now.awake + rest;
    }

    /// A worktree could not be looked at; whether that happened too often.
    pub(super) fn note_blind(&mut self, task: &TaskId, now: &Now) -> bool {
        let blind = self.blind.entry(task.clone()).or_default();
        *blind = (blind.0 + 1, now.awake);
        let hopeless = blind.0 >= BLIND;
        if hopeless {
            self.blind.remove(task);
        } else {
            self.wake(task, now.awake + LOOK_AGAIN);
        }
        hopeless
    }

    pub(super) fn note_sight(&mut self, task: &TaskId) {
        self.blind.remove(task);
    }

    /// Whether a worktree may be looked at, after looks in vain.
    pub(super) fn may_look(&self, task: &TaskId, now: &Now) -> bool {
        self.blind.get(task).is_none_or(|(_, at)| now.awake.since(*at) >= LOOK_AGAIN)
    }

    /// Has a task advanced at a time.
    pub(super) fn wake(&mut self, task: &TaskId, at: AwakeMs) {
        self.timers.insert((at, task.clone()));
    }

    pub(super) fn next_timer(&self) -> Option<AwakeMs> {
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
