//! Watching live sessions: what was seen last, when silence becomes a signal, when to look again.

use super::{Orchestrator, Pass};
use crate::agents::monitor::{Judgement, Observed};
use crate::base::id::{LaunchId, TaskId};
use crate::base::time::{AwakeMs, Millis, Now};
use crate::heal::{Case, Limits, Signal};
use crate::journal::effect::{Look, Purpose};
use crate::journal::record::{Evidence, Record, StatusRecord, Verdict};
use crate::plan::status::Status;
use crate::ports::ScreenView;
use crate::state::{Session, TaskState};

/// A call that comes this much later than asked for means that this process was stopped.
const LATE: Millis = Millis::from_secs(60);

impl Orchestrator {
    /// Records time in which this process could see nothing, so that it does not count as silence.
    pub(super) fn notice_gap(&mut self, pass: &mut Pass<'_>) {
        let now = pass.now;
        let late = self.wakeups.promised.filter(|due| now.awake.since(*due) > LATE).map(|due| now.awake.since(due));
        if let Some(lasted) = late {
            self.record(pass, None, Record::Gap { what: "stopped".to_owned(), lasted });
            for seen in self.sessions.by_launch.values_mut() {
                seen.observed.changed_at = seen.observed.changed_at + lasted;
            }
            // What happened meanwhile is listed before anything is judged.
            self.sessions.listed = false;
            self.ask_sessions(pass);
        }
        if let Some(last) = &self.last_tick {
            let (wall, awake) = (now.wall.since(last.wall), now.awake.since(last.awake));
            if wall.0.saturating_sub(awake.0) > LATE.0 && now.boot == last.boot {
                let lasted = Millis(wall.0 - awake.0);
                self.record(pass, None, Record::Gap { what: "suspend".to_owned(), lasted });
            }
        }
        self.last_tick = Some(now.clone());
        self.wakeups.promised = None;
    }

    /// Time passed: looks at every session and everything that waits for a time.
    pub(super) fn on_tick(&mut self, pass: &mut Pass<'_>) {
        let due = self.queues.take_due(pass.now.wall);
        self.pulls.merges_due |= !due.is_empty();
        pass.dirty.extend(due);
        let due = self.wakeups.take_due(pass.now);
        if !due.is_empty() {
            let followed = |id: &TaskId| self.state.tasks.get(id).is_some_and(is_followed);
            pass.dirty.extend(self.pulls.begin_round(self.config.limits.pull_interval, pass.now, followed));
        }
        pass.dirty.extend(due);
        for look in self.looks.ask_again(pass.now) {
            if let Look::Pull(task) = &look {
                self.pulls.note_asked(task);
            }
            pass.looks.insert(look);
        }
        for task in self.queues.sessions().cloned().collect::<Vec<_>>() {
            self.watch(pass, &task);
            pass.dirty.insert(task);
        }
        if pass.now.awake.since(self.sessions.marks_at) >= self.config.limits.heartbeat {
            self.heartbeat(pass);
        }
    }

    fn heartbeat(&mut self, pass: &mut Pass<'_>) {
        self.sessions.marks_at = pass.now.awake;
        self.record_marks(pass, false);
        self.ask_sessions(pass);
        for task in self.queues.sessions().cloned().collect::<Vec<_>>() {
            let working = self.live(&task).is_some_and(|(_, session)| session.purpose != Purpose::Verify);
            let look = Look::Head(task);
            if working && self.ask(&look, pass.now) {
                pass.looks.insert(look);
            }
        }
    }

    pub(super) fn ask_sessions(&mut self, pass: &mut Pass<'_>) {
        if self.ask(&Look::Sessions, pass.now) {
            self.sessions.listed_at = Some(pass.now.awake);
            pass.looks.insert(Look::Sessions);
        } else {
            // The list under way may have been made before what is asked about.
            self.sessions.list_again = true;
        }
    }

    /// Journals marks of life that changed.
    pub(super) fn record_marks(&mut self, pass: &mut Pass<'_>, leaving: bool) {
        if leaving {
            self.sessions.marks_at = pass.now.awake;
        }
        for task in self.queues.sessions().cloned().collect::<Vec<_>>() {
            let Some((_, session)) = self.live(&task) else { continue };
            let launch = session.launch;
            let marks = self.sessions.by_launch.get(&launch).map(|seen| seen.marks(launch));
            if let Some(marks) = marks.filter(|marks| *marks != session.marks) {
                self.record(pass, Some(task), Record::Progress(marks));
            }
        }
    }

    pub(super) fn live(&self, task: &TaskId) -> Option<(&TaskState, &Session)> {
        let state = self.state.tasks.get(task)?;
        Some((state, state.session.as_ref().filter(|session| session.is_live())?))
    }

    /// A session's screen was looked at.
    pub(super) fn on_screen(&mut self, pass: &mut Pass<'_>, view: &ScreenView) {
        self.looks.answered(&Look::Screen(view.launch));
        let Some(task) = self.task_of_launch(view.launch) else { return };
        let Some((state, session)) = self.live(&task) else { return };
        let (treatment, waits) = (session.treatment(), state.healing.trouble.is_some() && !state.needs_human);
        let Some(seen) = self.sessions.by_launch.get_mut(&view.launch) else { return };
        let changed = seen.observed.see(view, &treatment, pass.now);
        if changed && (waits || treatment.entered()) {
            let marks = seen.marks(view.launch);
            self.record(pass, Some(task.clone()), Record::Progress(marks));
        }
        self.watch(pass, &task);
    }

    /// Judges one session by what was seen of it: its prompt, its silence, its loops, its time.
    pub(super) fn watch(&mut self, pass: &mut Pass<'_>, task: &TaskId) {
        let Some((state, session)) = self.live(task) else { return };
        let (launch, purpose, treatment) = (session.launch, session.purpose, session.treatment());
        let hands_off = session.person_at.is_some_and(|at| pass.now.awake.since(at) < self.config.limits.hands_off);
        let (held, called) = (self.is_paused(state) || hands_off, state.needs_human);
        if state.open.is_some()
            || state.healing.unanswered.is_some()
            || state.conversation.typing.is_some()
            || !state.conversation.unsent.is_empty()
            || !self.sessions.listed
        {
            return;
        }
        let Some(seen) = self.sessions.by_launch.get(&launch) else { return };
        if seen.exit.is_some() {
            pass.dirty.insert(task.clone());
            return;
        }
        if seen.observed.wants_look(&self.config.limits, pass.now) && self.looks.ask(&Look::Screen(launch), pass.now) {
            pass.looks.insert(Look::Screen(launch));
        }
        if purpose == Purpose::Verify {
            let limit = self.config.limits.verify_timeout;
            if pass.now.awake.since(treatment.launched_at) >= limit {
                let detail = format!("the verify command did not end within {limit}");
                self.judge_live(pass, task, launch, "verify_timeout", Evidence::default(), |case| {
                    (case.signal, case.detail) = (Signal::VerifyTimedOut, detail);
                });
            }
            return;
        }
        if called {
            return self.release(pass, task);
        }
        if held {
            return;
        }
        let looking = self.looks.is_asked(&Look::Screen(launch));
        let Some(seen) = self.sessions.by_launch.get_mut(&launch) else { return };
        if let Some(judgement) = seen.observed.judge(&treatment, &self.config.limits, pass.now, looking) {
            self.judge_seen(pass, task, launch, judgement);
        }
    }

    /// Lets a task go on that needed a person while its session lives, once what it needed one for is over.
    fn release(&mut self, pass: &mut Pass<'_>, task: &TaskId) {
        let Some(state) = self.state.tasks.get(task).filter(|state| state.status == Status::Stuck) else { return };
        let Some(session) = &state.session else { return };
        let Some(seen) = self.sessions.by_launch.get_mut(&session.launch) else { return };
        if !is_over(state, session, &mut seen.observed, &self.config.limits, pass.now) {
            return;
        }
        let marks = seen.marks(session.launch);
        if marks != session.marks {
            self.record(pass, Some(task.clone()), Record::Progress(marks));
        }
        let change = StatusRecord::new(Status::Stuck, Status::Running);
        self.record(pass, Some(task.clone()), Record::Status(change));
    }

    fn judge_seen(&mut self, pass: &mut Pass<'_>, task: &TaskId, launch: LaunchId, judgement: Judgement) {
        let evidence = Evidence { line: judgement.line.clone(), screen: judgement.screen, ..Evidence::default() };
        let asked = self.state.tasks.get(task).and_then(|state| state.conversation.answered);
        self.judge_live(pass, task, launch, judgement.rule, evidence, |case| judgement.fill(case, asked));
    }

    fn judge_live(
        &mut self,
        pass: &mut Pass<'_>,
        task: &TaskId,
        launch: LaunchId,
        rule: &str,
        evidence: Evidence,
        fill: impl FnOnce(&mut Case),
    ) {
        let mut case = self.case(task, Signal::Silent, "");
        fill(&mut case);
        let verdict = Verdict { launch: Some(launch), rule: rule.to_owned(), evidence, case };
        self.record(pass, Some(task.clone()), Record::Verdict(Box::new(verdict)));
        self.advance(pass, task);
    }
}

/// Whether a live session goes on without the person that was called: one spoke to it and it moved, or it
/// shows that it needs nobody.
fn is_over(state: &TaskState, session: &Session, observed: &mut Observed, limits: &Limits, now: &Now) -> bool {
    let Some(since) = state.healing.trouble else { return true };
    let moved = |from: AwakeMs| observed.changed_at > since && observed.changed_at >= from;
    if session.person_at.is_some_and(|at| at >= since && moved(at)) {
        return true;
    }
    state.healing.plea.as_ref().is_some_and(|plea| observed.needs_nobody(plea, since, limits, now))
}

/// Whether a task's pull request is looked at from time to time.
pub(super) fn is_followed(task: &TaskState) -> bool {
    let published = task.status == Status::PrOpen || task.status == Status::Error && task.publication.pull.is_some();
    published && task.todo.is_none() && task.open.is_none() && task.session.is_none() && !task.publication.in_base
}
