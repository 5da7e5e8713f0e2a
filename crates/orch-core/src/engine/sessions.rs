//! Sessions, as this process sees them.

use std::collections::BTreeMap;

use super::looks::Looks;
use crate::agents::monitor::Observed;
use crate::base::id::{LaunchId, Sha, TaskId};
use crate::base::time::{AwakeMs, Millis, Now};
use crate::journal::effect::Look;
use crate::journal::record::Marks;
use crate::ports::{ExitStatus, ProcessId};
use crate::state::{Session, State};

/// A look at a screen that was not answered for so long is not waited for.
const LOOK_AGAIN: Millis = Millis(5000);

/// What this process sees of sessions. Nothing of it is remembered beyond the marks in the journal: a new process
/// looks again.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    pub(super) by_launch: BTreeMap<LaunchId, SeenLive>,
    /// When the list of sessions was asked for last.
    pub(super) listed_at: Option<AwakeMs>,
    /// The list must be asked for once more.
    pub(super) list_again: bool,
    /// A whole list was seen since this process began, or was stopped.
    pub(super) listed: bool,
    /// A whole list was seen since this process began.
    pub(super) met: bool,
    /// Those that no record knows, with the task that they are of: they are ended once its worktree is saved.
    pub(super) strays: Vec<(TaskId, LaunchId, Option<ProcessId>)>,
    /// When marks of life were journaled last.
    pub(super) marks_at: AwakeMs,
    /// When this process took over.
    pub(super) opened_at: AwakeMs,
}

/// What was seen of one session.
#[derive(Debug, Clone)]
pub(super) struct SeenLive {
    pub(super) observed: Observed,
    pub(super) activity: u64,
    pub(super) head: Option<Sha>,
    /// When this process started it; `None` for one that it found.
    started_at: Option<AwakeMs>,
    pub(super) exit: Option<(ExitStatus, Vec<String>)>,
}

impl SeenLive {
    fn of(session: &Session) -> Self {
        let marks = &session.marks;
        Self {
            observed: Observed::new(marks.changed_at, marks.screen),
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
            changed_at: self.observed.changed_at,
            screen: self.observed.screen.as_ref().map(|(seen, _)| *seen),
            head: self.head.clone(),
        }
    }
}

impl Sessions {
    pub(super) fn of(state: &State, now: &Now) -> Self {
        let sessions = state.tasks.values().filter_map(|task| task.session.as_ref());
        Self {
            by_launch: sessions.map(|session| (session.launch, SeenLive::of(session))).collect(),
            opened_at: now.awake,
            ..Self::default()
        }
    }

    pub(super) fn has_ended(&self, launch: LaunchId) -> bool {
        self.by_launch.get(&launch).is_some_and(|seen| seen.exit.is_some())
    }

    pub(super) fn exit_of(&self, session: &Session) -> Option<&(ExitStatus, Vec<String>)> {
        self.by_launch.get(&session.launch)?.exit.as_ref()
    }

    /// Whether a session must be in the list that was just seen.
    pub(super) fn should_be_listed(&self, launch: LaunchId) -> bool {
        self.by_launch.get(&launch).is_some_and(|seen| seen.started_at < self.listed_at)
    }

    pub(super) fn begin(&mut self, session: &Session, now: &Now) {
        let seen = SeenLive { started_at: Some(now.awake), ..SeenLive::of(session) };
        self.by_launch.insert(session.launch, seen);
    }

    /// Whether what a session showed last was looked at, or that was waited for long enough.
    pub(super) fn is_up_to_date(&self, launch: LaunchId, looks: &Looks, now: &Now) -> bool {
        let looking = looks.is_asked(&Look::Screen(launch));
        self.by_launch.get(&launch).is_none_or(|seen| {
            !looking && !seen.observed.dirty
                || seen.observed.looked_at.is_some_and(|at| now.awake.since(at) >= LOOK_AGAIN)
        })
    }

    pub(super) fn forget(&mut self, launch: LaunchId) {
        self.by_launch.remove(&launch);
    }

    pub(super) fn note_listed(&mut self, launch: LaunchId, exit: Option<(ExitStatus, Vec<String>)>, activity: u64) {
        if let Some(seen) = self.by_launch.get_mut(&launch) {
            seen.observed.dirty |= seen.activity != activity;
            seen.activity = activity;
            seen.exit = exit.or(seen.exit.take());
        }
    }

    /// Measures the silence of a session, or of all of them, from now on.
    pub(super) fn rebase(&mut self, launch: Option<LaunchId>, now: &Now) {
        for (_, seen) in self.by_launch.iter_mut().filter(|(id, _)| launch.is_none_or(|launch| launch == **id)) {
            seen.observed.rebase(now);
        }
    }

    /// A screen could not be looked at.
    pub(super) fn note_no_screen(&mut self, launch: LaunchId, now: &Now) {
        if let Some(seen) = self.by_launch.get_mut(&launch) {
            seen.observed.looked_at = Some(now.awake);
        }
    }

    pub(super) fn note_output(&mut self, launch: LaunchId) {
        if let Some(seen) = self.by_launch.get_mut(&launch) {
            seen.observed.dirty = true;
        }
    }

    pub(super) fn note_head(&mut self, launch: LaunchId, head: &Sha, now: &Now) -> bool {
        let Some(seen) = self.by_launch.get_mut(&launch) else { return false };
        let moved = seen.head.as_ref().is_some_and(|seen| seen != head);
        if moved {
            seen.observed.changed_at = now.awake;
        }
        seen.head = Some(head.clone());
        moved
    }

    /// Something was typed, or was to be: the screen is looked at, and judged anew if nothing was.
    pub(super) fn look_again(&mut self, launch: LaunchId, judge: bool) {
        if let Some(seen) = self.by_launch.get_mut(&launch) {
            seen.observed.look_again(judge);
        }
    }
}
