//! One task, as remembered, and what the records about it change.

use super::{
    Attempt, Conversation, Delivery, Ending, Healing, Publication, Retries, SESSIONS, Session, Typing, Unpublished,
    Waits, Work, Worktree,
};
use crate::base::id::{EffectId, Sha};
use crate::base::time::{AwakeMs, Millis, Timestamp};
use crate::heal::Signal;
use crate::journal::effect::{Effect, Purpose};
use crate::journal::record::{Entry, ImportedState, Marks, StatusRecord, Todo, UserVerb, Verdict};
use crate::plan::status::Status;
use crate::ports::{Key, Pull, PullState, SessionInput};

/// The rule of a verdict on an agent that ended on another branch, or on none.
pub(crate) const WRONG_BRANCH: &str = "wrong-branch";

/// The rule of a verdict on a branch that is not at the remote any more.
pub(crate) const BRANCH_GONE: &str = "branch-gone";

/// A session that still prints this long after its launch got somewhere: an earlier end is one more
/// relaunch in vain.
const STEADY: Millis = Millis::from_mins(10);

/// One task's state.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct TaskState {
    /// Where it stands.
    pub status: Status,
    /// Why it waits, failed or needs a person.
    pub reason: Option<String>,
    /// A person is needed.
    pub needs_human: bool,
    /// Others may pass it.
    pub skipped: bool,
    /// Nothing is done for it.
    pub paused: bool,
    /// The next step.
    pub todo: Option<Todo>,
    /// The effect that is under way.
    pub open: Option<EffectId>,
    /// The attempt that was opened last.
    pub attempt: Attempt,
    /// What was tried before, as far as it counts.
    pub retries: Retries,
    /// What it waits for.
    pub waits: Waits,
    /// What went wrong and what was done about it.
    pub healing: Healing,
    /// Its session.
    pub session: Option<Session>,
    /// What passes between its agent and others.
    pub conversation: Conversation,
    /// Its worktree.
    pub worktree: Worktree,
    /// What its branch holds.
    pub work: Work,
    /// How far the work got on its way to the base.
    pub publication: Publication,
    /// When things happened.
    pub times: Times,
}

/// When things happened to a task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Times {
    /// When its status last changed.
    pub changed_at: Option<Timestamp>,
    /// When its first attempt opened.
    pub started_at: Option<Timestamp>,
    /// When it was last seen to get on.
    pub last_progress: Option<Timestamp>,
    /// When it was verified.
    pub completed_at: Option<Timestamp>,
}

impl TaskState {
    pub(super) fn import(&mut self, imported: &ImportedState) {
        self.status = imported.status;
        self.attempt.number = imported.attempt;
        self.needs_human = imported.needs_human;
        self.reason.clone_from(&imported.reason);
        self.skipped = imported.skipped;
        self.paused = imported.paused;
        self.publication.in_base = imported.status == Status::Merged;
        if !matches!(imported.status, Status::Pending | Status::Blocked | Status::Merged) {
            self.todo = Some(Todo::Prepare);
        }
    }

    /// Takes over the command that verifies it. Nobody knows by which one a running process judges once the
    /// plan has another.
    pub(super) fn plan_verify(&mut self, command: &[String]) {
        if self.work.verify != command {
            self.work.verify = command.to_vec();
            self.each_session(|session| session.command.clear());
        }
    }

    /// Whether it has an attempt or a process to end; what ended by itself and is only cleared away is neither.
    pub(crate) fn is_under_way(&self) -> bool {
        self.status.is_open() || self.session.as_ref().is_some_and(|session| session.ended.is_none())
    }

    /// The commit that was verified, or was before it was sent back.
    pub fn claim(&self) -> Option<&Sha> {
        self.work.verified.as_ref().or(self.work.last_verified.as_ref())
    }

    pub(super) fn note_verified(&mut self) {
        self.work.last_verified = self.work.verified.clone().or(self.work.last_verified.take());
    }

    /// Whether a person is needed for verified work to be published, and for nothing else.
    pub(crate) fn waits_to_publish(&self) -> bool {
        self.status == Status::Error && self.needs_human && !self.skipped && self.publication.unpublished.is_some()
    }

    /// Whether it is publishing, and no agent, that came to need a person.
    fn is_unpublishable(&self) -> bool {
        let signal = self.healing.lesson.as_ref().map(|lesson| lesson.case.signal);
        self.needs_human && matches!(signal, Some(Signal::PublishRefused | Signal::Broken | Signal::Delayed))
    }

    pub(super) fn change(&mut self, change: &StatusRecord, at: Timestamp) {
        self.status = change.to;
        self.times.changed_at = Some(at);
        if let Some(attempt) = change.attempt {
            if attempt > self.attempt.number {
                self.attempt = Attempt::default();
                self.waits.delay = None;
                self.conversation.answered = None;
                self.times.started_at.get_or_insert(at);
            }
            self.attempt.number = attempt;
        }
        self.healing.setback = None;
        if !change.to.is_open() {
            self.waits.parked = None;
        }
        self.reason.clone_from(&change.reason);
        self.waits.on.clone_from(&change.waits_on);
        match change.to {
            Status::Pending | Status::Blocked => {
                self.todo = None;
                if !change.waits_on.is_empty() {
                    self.retries.start_conflicts += 1;
                    self.waits.not_before = change.retry_at;
                }
            }
            Status::Running => {
                self.needs_human = false;
                self.healing.trouble = None;
                self.waits.not_before = None;
                self.todo = change.todo.or(self.todo);
                self.work.verified = change.sha.clone().or(self.work.verified.take());
                self.publication.unpublished = None;
                self.times.last_progress = Some(at);
                self.each_session(Session::is_awake);
            }
            Status::Stuck => {}
            Status::Error => {
                self.todo = None;
                self.healing.trouble = None;
                self.work.verifying = None;
                let unpublished = self.work.verified.take().filter(|_| self.is_unpublishable());
                self.publication.unpublished = unpublished.map(|sha| Unpublished { sha, again: false });
                self.waits.not_before = change.retry_at;
            }
            Status::Complete => {
                self.work.verified.clone_from(&change.sha);
                self.note_verified();
                self.times.completed_at = Some(at);
                self.times.last_progress = Some(at);
                self.healing.trouble = None;
                self.todo = None;
                self.needs_human = false;
                self.retries.failures = 0;
                (self.healing.lesson, self.healing.sent_back) = (None, None);
            }
            Status::PrOpen => {
                self.work.verified = change.sha.clone().or(self.work.verified.take());
                self.publication.unpublished = None;
                self.note_verified();
                self.needs_human = false;
                if let Some(pull) = &mut self.publication.pull {
                    pull.state = PullState::Open;
                }
            }
            Status::Merged => {
                self.publication.in_base = true;
                self.needs_human = false;
                self.todo = None;
                self.times.last_progress = Some(at);
                self.times.completed_at.get_or_insert(at);
            }
        }
    }

    pub(super) fn judge(&mut self, verdict: &Verdict) {
        let evidence = &verdict.evidence;
        if let Some(head) = &evidence.head {
            self.work.head = Some(head.clone());
            self.work.tree.clone_from(&evidence.tree);
        }
        if let Some(commits) = &evidence.commits {
            self.work.commits.clone_from(commits);
        }
        if let Some(changed) = &evidence.changed {
            self.work.changed.clone_from(changed);
        }
        if let (Some(exit), Some(session)) = (evidence.exit, &mut self.session) {
            session.ended = Some(exit);
            let ending = session.end();
            // Seen clean after its end there is nothing to save, but for commits that are on no branch of the task.
            let here = !evidence.elsewhere && verdict.rule != WRONG_BRANCH;
            ending.saved |= evidence.head.is_some() && evidence.dirt.is_none() && here;
        }
        if let Some(pull) = &evidence.pull {
            self.publication.pull = Some(pull.clone());
            if verdict.case.signal == Signal::ChangesRequested {
                self.publication.heeded.extend(pull.reviews.iter().map(|review| review.id.clone()));
            }
        }
        if verdict.rule == BRANCH_GONE {
            // Whoever says to go on has it pushed again.
            self.publication.pushed = None;
        }
        if evidence.head.is_some() {
            self.work.nested = evidence.dirt.as_ref().map(|dirt| dirt.nested.clone()).unwrap_or_default();
        }
        // A new worktree is made before anything else is done there.
        if verdict.case.signal == Signal::WorktreeLost {
            self.worktree.remove();
        }
        if self.todo == Some(Todo::Judge) {
            self.todo = None;
        }
        (self.conversation.typing, self.healing.setback) = (None, None);
        self.retries.by_person = false;
        self.publication.go_on(false);
        self.healing.unanswered = Some(verdict.clone());
    }

    /// Whether it waits for something that cannot be looked at, or a person was called for that.
    pub(crate) fn waits_for_sight(&self, what: &str) -> bool {
        self.waits.delay.as_ref().is_some_and(|delay| delay.what == what) || what == SESSIONS && self.is_unseen()
    }

    /// Whether a person was called because nobody could see what its agent does.
    fn is_unseen(&self) -> bool {
        let called = self.healing.plea.as_ref().is_some_and(|plea| plea.signal == Signal::Delayed);
        self.needs_human && called && self.session.as_ref().is_some_and(Session::is_live)
    }

    /// What could not be looked at can be seen again.
    pub(super) fn see_again(&mut self, what: &str) {
        if what == SESSIONS && self.is_unseen() {
            (self.needs_human, self.healing.trouble, self.healing.plea) = (false, None, None);
        }
        if self.waits.delay.as_ref().is_some_and(|delay| delay.what == what) {
            (self.waits.delay, self.waits.not_before) = (None, None);
        }
    }

    /// What its pull request waits for changed.
    pub(super) fn see_pull(&mut self, pull: &Pull, at: Timestamp) {
        self.publication.pull = Some(pull.clone());
        self.publication.pull_since = Some(at);
    }

    /// Does not count a time in which nobody could see anything.
    pub(super) fn unseen_for(&mut self, span: Millis) {
        self.healing.trouble = self.healing.trouble.map(|since| since + span);
        self.each_session(|session| session.unseen_for(span));
    }

    pub(super) fn while_ending(&mut self, change: impl FnOnce(&mut Ending)) {
        self.each_session(|session| session.while_ending(change));
    }

    pub(super) fn each_session(&mut self, change: impl FnOnce(&mut Session)) {
        if let Some(session) = &mut self.session {
            change(session);
        }
    }

    /// Takes in marks of life; whether they show that its agent got somewhere.
    pub(super) fn progress(&mut self, marks: &Marks, at: Timestamp) -> bool {
        let trouble = self.healing.trouble;
        let Some(session) = self.session.as_mut().filter(|session| session.launch == marks.launch) else {
            return false;
        };
        let worked = session.marks.head.is_some() && marks.head != session.marks.head;
        let moved = marks.changed_at > session.marks.changed_at || worked;
        session.delivery = session.delivery.filter(|delivery| !delivery.is_confirmed(marks.changed_at));
        session.marks = marks.clone();
        if !moved {
            return false;
        }
        session.is_awake();
        let got_on = worked || marks.changed_at.since(session.launched_at) >= STEADY;
        if got_on {
            self.attempt.relaunches = 0;
        }
        self.times.last_progress = Some(at);
        // Whether a person is still needed is decided by what the screen shows, not by its having changed.
        if !self.needs_human && trouble.is_some_and(|since| marks.changed_at > since) {
            self.healing.trouble = None;
        }
        got_on
    }

    pub(super) fn user(&mut self, verb: &UserVerb, entry: &Entry) {
        match verb {
            UserVerb::Kill => {
                self.needs_human = true;
                (self.healing.calls, self.healing.called_at) = (self.healing.calls + 1, Some(entry.timestamp));
                self.reason = Some("killed by a person".to_owned());
                self.end_by_hand(entry.timestamp);
            }
            UserVerb::Retry => {
                self.retries = Retries { by_person: self.worktree.prepared().is_some(), ..Retries::default() };
                (self.attempt.relaunches, self.waits.delay) = (0, None);
                (self.needs_human, self.skipped) = (false, false);
                self.reason = Some("a person asked for another attempt".to_owned());
                (self.healing.unanswered, self.healing.setback) = (None, None);
                self.while_ending(|ending| ending.hopeless = false);
                self.publication.go_on(true);
                self.waits.not_before = Some(entry.timestamp);
                if self.status.is_open() {
                    self.end_by_hand(entry.timestamp);
                }
            }
            UserVerb::Publish => {
                (self.needs_human, self.waits.delay) = (false, None);
                self.publication.go_on(true);
                self.reason = Some("a person said to go on".to_owned());
                self.waits.not_before = None;
            }
            UserVerb::Skip => {
                self.skipped = true;
                if self.status.is_open() {
                    self.reason = Some("skipped by a person".to_owned());
                    self.end_by_hand(entry.timestamp);
                }
            }
            UserVerb::Pause => self.paused = true,
            UserVerb::Resume => {
                self.paused = false;
                self.each_session(|session| session.rebase(entry.awake));
            }
            UserVerb::Send { text } => {
                let text = Some(text.clone()).filter(|text| !text.is_empty());
                let input = SessionInput { text, keys: vec![Key::Enter] };
                let launch = self.session.as_ref().map(|session| session.launch);
                self.conversation.unsent.extend(launch.map(|launch| Typing { launch, input, expected: None }));
                self.each_session(|session| session.person_at = Some(entry.awake));
            }
            UserVerb::Attach => self.each_session(|session| session.person_at = Some(entry.awake)),
        }
    }

    /// An effect begins.
    pub(super) fn begin(&mut self, id: EffectId, effect: &Effect, awake: AwakeMs) {
        if let Effect::Input { input, .. } = effect {
            self.each_session(|session| session.each_delivery(|delivery| delivery.begin(input, awake)));
        }
        match effect {
            Effect::Launch { purpose, resume, paste, .. } => {
                self.todo = None;
                self.retries.by_person = false;
                self.waits.not_before = None;
                self.attempt.launches += u32::from(*purpose != Purpose::Verify);
                if *purpose == Purpose::Work && !resume {
                    self.conversation.launch = Some(id.into());
                }
                let mut session = Session::starting(id.into(), *purpose, awake);
                if *purpose == Purpose::Verify {
                    session.command.clone_from(&self.work.verify);
                }
                session.delivery = paste.then(|| Delivery::new(*resume));
                self.conversation.unsent.clear();
                self.session = Some(session);
            }
            // Enter after a paste is nobody's word.
            Effect::Input { input, expected: None, .. }
                if self.conversation.unsent.first().is_some_and(|said| said.input == *input) =>
            {
                self.conversation.unsent.remove(0);
            }
            Effect::Input { expected: Some(_), .. } => {
                self.conversation.typing = None;
                // What comes after this moment answers it, even before its outcome is known.
                self.healing.trouble = self.healing.trouble.map(|_| awake);
                self.each_session(|session| session.typed_at = Some(awake));
            }
            Effect::End { .. } => self.while_ending(|ending| ending.not_before = None),
            Effect::Push(spec) => _ = self.publication.offered.insert(spec.sha.clone()),
            _ => {}
        }
    }

    /// Sets the next step, unless the attempt is to be closed.
    pub(super) fn then(&mut self, todo: Todo) {
        if self.todo != Some(Todo::EndAttempt) {
            self.todo = Some(todo);
        }
    }

    fn end_by_hand(&mut self, at: Timestamp) {
        (self.healing.unanswered, self.healing.setback, self.conversation.typing) = (None, None, None);
        self.conversation.unsent.clear();
        self.todo = Some(Todo::EndAttempt);
        self.waits.not_before = Some(at);
        self.each_session(|session| {
            let force = session.ending.is_some();
            let ending = session.end();
            ending.force |= force;
            (ending.by_hand, ending.hopeless) = (true, false);
        });
    }
}
