//! When the engine wants to be called again.

use super::watch::is_followed;
use super::{Deadline, Orchestrator};
use crate::agents::monitor::BLANK;
use crate::base::id::TaskId;
use crate::base::time::{AwakeMs, Millis, Now};
use crate::journal::effect::{Look, Purpose};
use crate::plan::status::Status;
use crate::state::{Session, TaskState, Wanted};

/// A screen that was just asked for is waited for so long at a time.
const LOOK: Millis = Millis(1000);

/// What is due this soon is worth staying for, where a pass would have to be begun for it.
const LINGER: Millis = Millis::from_secs(10);
/// A screen that did not stand still by then, after something was done about it, is one that goes on.
const RESTLESS: Millis = Millis::from_secs(15);

/// The soonest of several deadlines.
#[derive(Default)]
struct Soonest {
    deadline: Option<Deadline>,
    /// The next step of something that was begun.
    begun: Option<Millis>,
    /// What decides how something goes on that was just begun, or that ended.
    awaited: Option<Millis>,
}

impl Soonest {
    fn at(&mut self, after: Millis, reason: &'static str) {
        if self.deadline.as_ref().is_none_or(|deadline| after < deadline.after) {
            self.deadline = Some(Deadline { after, reason });
        }
    }

    fn begun(&mut self, after: Millis, reason: &'static str) {
        self.begun = Some(self.begun.map_or(after, |soonest| soonest.min(after)));
        self.at(after, reason);
    }

    fn awaited(&mut self, after: Millis, reason: &'static str) {
        self.awaited = Some(self.awaited.map_or(after, |soonest| soonest.min(after)));
        self.at(after, reason);
    }

    fn awaited_if(&mut self, awaited: bool, after: Millis, reason: &'static str) {
        if awaited { self.awaited(after, reason) } else { self.at(after, reason) }
    }
}

impl Orchestrator {
    /// When [`crate::engine::Input::Tick`] is due next, and why; `None` while nothing waits for a time.
    pub fn next_deadline(&mut self, now: &Now) -> Option<Deadline> {
        let soonest = self.soonest(now).deadline;
        self.wakeups.promised = soonest.as_ref().map(|deadline| now.awake + deadline.after);
        soonest
    }

    /// Whether a pass that has nothing else to do stays for what is due in a moment, so that a process that
    /// is asked to end is ended, and a prompt that is pasted is entered, by the pass that began it. With
    /// `watching` also for what a heartbeat is there for: what stands on a screen, a retry that is due.
    pub fn lingers(&self, now: &Now, watching: bool) -> bool {
        let Soonest { begun, awaited, .. } = self.soonest(now);
        begun.into_iter().chain(awaited.filter(|_| watching)).any(|after| after < LINGER)
    }

    fn soonest(&self, now: &Now) -> Soonest {
        let mut soonest = Soonest::default();
        for task in self.queues.sessions() {
            let Some(state) = self.state.tasks.get(task) else { continue };
            if let Some(session) = state.session.as_ref().filter(|_| state.open.is_none()) {
                self.session_deadlines(&mut soonest, state, session, now);
            }
        }
        if self.queues.sessions().next().is_some() {
            soonest.at(left(self.config.limits.heartbeat, self.sessions.marks_at, now), "heartbeat");
        }
        if let Some(due) = self.queues.next_timer() {
            soonest.awaited(due.since(now.wall), "retry");
        }
        if let Some(due) = self.wakeups.next() {
            soonest.at(due.since(now.awake), "look");
        }
        if let Some(due) = self.looks.lost_at() {
            soonest.at(due.since(now.awake), "look again");
        }
        soonest
    }

    fn session_deadlines(&self, soonest: &mut Soonest, state: &TaskState, session: &Session, now: &Now) {
        let limits = &self.config.limits;
        let paused = self.is_paused(state);
        if let Some(ending) = session.ending.as_ref().filter(|it| it.not_before.is_none() && !it.hopeless && !paused)
            && let Some(asked) = ending.asked_at
        {
            soonest.begun(left(limits.ask_grace, asked, now), "kill");
        }
        let watched = session.is_live()
            && self.sessions.listed
            && state.conversation.typing.is_none()
            && state.conversation.unsent.is_empty();
        let seen = self.sessions.by_launch.get(&session.launch).filter(|seen| watched && seen.exit.is_none());
        let Some(seen) = seen else { return };
        let treatment = session.treatment();
        let stirred = self.sessions.opened_at.max(session.launched_at).max(treatment.typed_at.unwrap_or_default());
        let fresh = now.awake.since(stirred) < RESTLESS;
        let looking = self.looks.is_asked(&Look::Screen(session.launch));
        if let (true, Some(looked)) = (seen.observed.dirty && !looking, seen.observed.looked_at) {
            soonest.awaited_if(fresh, left(limits.screen_interval, looked, now), "screen");
        }
        if session.purpose == Purpose::Verify {
            return soonest.at(left(limits.verify_timeout, session.launched_at, now), "verify");
        }
        if state.needs_human {
            let gone = seen.observed.gone_at(limits).filter(|_| state.status == Status::Stuck);
            return gone.into_iter().for_each(|at| soonest.at(at.since(now.awake), "settle"));
        }
        if paused {
            return;
        }
        if let Some(person) = session.person_at.filter(|at| now.awake.since(*at) < limits.hands_off) {
            return soonest.at(left(limits.hands_off, person, now), "hands-off");
        }
        if looking {
            return;
        }
        let first = left(BLANK, session.launched_at, now);
        if seen.observed.is_blank() && first.0 > 0 {
            soonest.awaited(first, "first sign");
        }
        for (at, reason) in seen.observed.deadlines(&treatment, limits) {
            let soon = matches!(reason, "settle" | "ready");
            soonest.awaited_if(fresh && soon, at.since(now.awake), reason);
        }
        match self.wanted(session) {
            Some(Wanted::Enter(at)) => {
                let up_to_date = self.sessions.is_up_to_date(session.launch, &self.looks, now);
                let due = if up_to_date { at } else { at.max(now.awake + LOOK) };
                soonest.begun(due.since(now.awake), "enter");
            }
            Some(Wanted::GiveUp(at)) => soonest.begun(at.since(now.awake), "enter"),
            Some(Wanted::Paste(_)) | None => {}
        }
    }

    /// Whether a followed pull request is to be looked at now.
    pub(super) fn pull_is_due(&self, task: &TaskId, now: &Now) -> bool {
        self.pulls.due_at(task, self.config.limits.pull_interval) <= now.awake
    }

    /// Has a task whose pull request is followed advanced when the next look at it is due.
    pub(super) fn wake_for_pull(&mut self, id: &TaskId) {
        let followed = self.state.tasks.get(id).is_some_and(is_followed);
        if followed && !self.looks.is_asked(&Look::Pull(id.clone())) {
            let due = self.pulls.due_at(id, self.config.limits.pull_interval);
            self.wakeups.wake(id, due);
        }
    }
}

/// What is left of a span of awake time.
fn left(span: Millis, since: AwakeMs, now: &Now) -> Millis {
    Millis(span.0.saturating_sub(now.awake.since(since).0))
}
