//! One task, as remembered, and what the records about it change.

use std::collections::{BTreeMap, BTreeSet};

use super::{Delivery, Session};
use crate::base::id::{AttemptNo, EffectId, LaunchId, Sha, TaskId};
use crate::base::time::{AwakeMs, Millis, Timestamp};
use crate::heal::Signal;
use crate::journal::effect::{Effect, Purpose};
use crate::journal::record::{Entry, ImportedState, Marks, StatusRecord, Todo, UserVerb, Verdict};
use crate::plan::status::Status;
use crate::ports::Failure;
use crate::ports::{Commit, Fingerprint, Key, Nested, Prepared, Pull, PullState, SessionInput};

/// The rule of a verdict on an agent that ended on another branch, or on none.
pub(crate) const WRONG_BRANCH: &str = "wrong-branch";

/// A session that still prints this long after its launch got somewhere: an earlier end is one more
/// relaunch in vain.
const STEADY: Millis = Millis::from_mins(10);

/// One task's state.
#[derive(Debug, Clone, Default)]
pub struct TaskState {
    /// Where it stands.
    pub status: Status,
    /// The last attempt that was opened; 0 before the first.
    pub attempt: AttemptNo,
    /// Failed attempts since the start or the last `retry`.
    pub failures: u32,
    /// Rounds of feedback since the start or the last `retry`.
    pub feedback_rounds: u32,
    /// Relaunches without progress between them.
    pub relaunches: u32,
    /// Delays in a row: what is outside could not be reached.
    pub delays: u32,
    /// What it is tried again for, later and later.
    pub delayed: Option<Delay>,
    /// A person is needed.
    pub needs_human: bool,
    /// What is down that it waits for, without a slot.
    pub parked: Option<String>,
    /// Launches of its agent in this attempt.
    pub launches: u32,
    /// Why it waits, failed or needs a person.
    pub reason: Option<String>,
    /// Others may pass it.
    pub skipped: bool,
    /// Nothing is done for it.
    pub paused: bool,
    /// Its worktree.
    pub prepared: Option<Prepared>,
    /// Its session.
    pub session: Option<Session>,
    /// The launch that began its agent's conversation.
    pub conversation: Option<LaunchId>,
    /// The next step.
    pub todo: Option<Todo>,
    /// The next step or the retry is not before then.
    pub not_before: Option<Timestamp>,
    /// An effect that failed and that no verdict has judged yet.
    pub setback: Option<Box<Setback>>,
    /// A verdict that no remedy has answered yet.
    pub unanswered: Option<Verdict>,
    /// What the forge or the base sent the work back for last, until it is verified anew.
    pub sent_back: Option<Verdict>,
    /// What the last failed attempt came to: the retry context.
    pub lesson: Option<Verdict>,
    /// A person asked for the retry: what they may have put right is looked at before an agent starts.
    pub person_retry: bool,
    /// Start points in a row that could not be made because the work in them conflicts.
    pub start_conflicts: u32,
    /// Predecessors of which one must be merged before the start point can be made.
    pub waits_on: Vec<TaskId>,
    /// The agent was asked to commit in this attempt.
    pub asked_to_commit: bool,
    /// How often orch committed for the agent in this attempt.
    pub committed: u32,
    /// Why its work could not be saved, or not all of it, before a person ended its agent: it stays in the worktree.
    pub unsaved: Option<String>,
    /// Repositories inside the worktree that stood in the way when last judged.
    pub nested: Vec<Nested>,
    /// A remedy waits for progress after this awake time.
    pub trouble: Option<AwakeMs>,
    /// How often a person was called.
    pub calls: u32,
    /// What a person was called for while the session lives.
    pub plea: Option<Plea>,
    /// The line of the prompt answered last, and how often.
    pub prompt: Option<(Fingerprint, u32)>,
    /// What is typed next.
    pub typing: Option<Typing>,
    /// What a person said and that has not begun to be typed, in order.
    pub said: Vec<Typing>,
    /// The head when it was last judged.
    pub head: Option<Sha>,
    /// Commits over the start when last judged.
    pub commits: Vec<Commit>,
    /// Files changed over the start when last judged.
    pub changed: Vec<String>,
    /// The commit that is being verified.
    pub verifying: Option<Sha>,
    /// The commit that was verified.
    pub verified: Option<Sha>,
    /// The commit that was verified last, also while it is reworked.
    pub last_verified: Option<Sha>,
    /// The commit that was verified when publishing it came to need a person: it wants no agent.
    pub unpublished: Option<Sha>,
    /// A person said to go on with that.
    pub publish_again: bool,
    /// The commit that the remote has.
    pub pushed: Option<Sha>,
    /// Every commit that was to be pushed: its tip at the remote is one of these, or somebody else's.
    pub offered: BTreeSet<Sha>,
    /// What the remote has of orch's own pushes and the branch's history does not contain any more: its
    /// agent amended or rebased.
    pub left: Option<Sha>,
    /// Its pull request when last changed or seen to change.
    pub pull: Option<Pull>,
    /// The reviews that new attempts were begun for, by id.
    pub heeded: BTreeSet<String>,
    /// Its work was seen in the base.
    pub in_base: bool,
    /// Tips of predecessors that its branch contains.
    pub contains: BTreeMap<TaskId, Sha>,
    /// The worktree was removed.
    pub removed: bool,
    /// The worktree of the merged task holds leftovers: they are saved, then it is removed.
    pub leftovers: bool,
    /// Those leftovers are saved.
    pub leftovers_saved: bool,
    /// References that hold saved work.
    pub saved: Vec<String>,
    /// When its status last changed.
    pub changed_at: Option<Timestamp>,
    /// When its first attempt opened.
    pub started_at: Option<Timestamp>,
    /// When it was last seen to get on.
    pub last_progress: Option<Timestamp>,
    /// When it was verified.
    pub completed_at: Option<Timestamp>,
    /// The effect that is under way.
    pub open: Option<EffectId>,
    /// Remedies so far, for reports.
    pub remedies: Vec<RemedyTaken>,
}

/// An effect that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setback {
    /// What was to be done.
    pub effect: Effect,
    /// Why it could not be done.
    pub failure: Failure,
}

/// What a person was called for, to know when nobody is needed any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plea {
    /// What the evidence meant.
    pub signal: Signal,
    /// The line of the screen that decided.
    pub line: Option<String>,
}

/// Something outside that was not to be had, and is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delay {
    /// The effect or look that failed, by name.
    pub what: String,
    /// What was decided about it, and why.
    pub why: String,
    /// When it failed first.
    pub since: Timestamp,
    /// When it is tried again.
    pub until: Timestamp,
}

/// Input that a remedy or a person decided on and that has not begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typing {
    /// The session.
    pub launch: LaunchId,
    /// What is typed.
    pub input: SessionInput,
    /// The screen that justified it; none for what a person says.
    pub expected: Option<Fingerprint>,
}

/// A remedy that was decided on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemedyTaken {
    /// When.
    pub at: Timestamp,
    /// Against what.
    pub signal: Signal,
    /// What.
    pub remedy: &'static str,
    /// Why.
    pub reason: String,
}

impl TaskState {
    pub(super) fn import(&mut self, imported: &ImportedState) {
        self.status = imported.status;
        self.attempt = imported.attempt;
        self.needs_human = imported.needs_human;
        self.reason.clone_from(&imported.reason);
        self.skipped = imported.skipped;
        self.paused = imported.paused;
        self.in_base = imported.status == Status::Merged;
        self.removed = imported.status == Status::Merged;
        if !matches!(imported.status, Status::Pending | Status::Blocked | Status::Merged) {
            self.todo = Some(Todo::Prepare);
        }
    }

    /// Whether it has an attempt or a process to end; what ended by itself and is only cleared away is neither.
    pub(crate) fn is_under_way(&self) -> bool {
        self.status.is_open() || self.session.as_ref().is_some_and(|session| session.ended.is_none())
    }

    /// The commit that was verified, or was before it was sent back.
    pub fn claim(&self) -> Option<&Sha> {
        self.verified.as_ref().or(self.last_verified.as_ref())
    }

    pub(super) fn note_verified(&mut self) {
        self.last_verified = self.verified.clone().or(self.last_verified.take());
    }

    /// Whether a person is needed for verified work to be published, and for nothing else.
    pub(crate) fn waits_to_publish(&self) -> bool {
        self.status == Status::Error && self.needs_human && !self.skipped && self.unpublished.is_some()
    }

    /// Whether it is publishing, and no agent, that came to need a person.
    fn is_unpublishable(&self) -> bool {
        let signal = self.lesson.as_ref().map(|lesson| lesson.case.signal);
        self.needs_human && matches!(signal, Some(Signal::PublishRefused | Signal::Broken | Signal::Delayed))
    }

    pub(super) fn change(&mut self, change: &StatusRecord, at: Timestamp) {
        self.status = change.to;
        self.changed_at = Some(at);
        if let Some(attempt) = change.attempt {
            if attempt > self.attempt {
                (self.asked_to_commit, self.committed) = (false, 0);
                (self.relaunches, self.launches, self.delays, self.delayed) = (0, 0, 0, None);
                self.prompt = None;
                self.started_at.get_or_insert(at);
            }
            self.attempt = attempt;
        }
        self.setback = None;
        if !change.to.is_open() {
            self.parked = None;
        }
        self.reason.clone_from(&change.reason);
        self.waits_on.clone_from(&change.waits_on);
        match change.to {
            Status::Pending | Status::Blocked => {
                self.todo = None;
                if !change.waits_on.is_empty() {
                    self.start_conflicts += 1;
                    self.not_before = change.retry_at;
                }
            }
            Status::Running => {
                self.needs_human = false;
                self.trouble = None;
                self.not_before = None;
                self.todo = change.todo.or(self.todo);
                self.verified = change.sha.clone().or(self.verified.take());
                (self.unpublished, self.publish_again) = (None, false);
                self.last_progress = Some(at);
                self.each_session(Session::is_awake);
            }
            Status::Stuck => {}
            Status::Error => {
                self.todo = None;
                self.trouble = None;
                self.verifying = None;
                self.unpublished = self.verified.take().filter(|_| self.is_unpublishable());
                self.not_before = change.retry_at;
            }
            Status::Complete => {
                self.verified.clone_from(&change.sha);
                self.note_verified();
                self.completed_at = Some(at);
                self.last_progress = Some(at);
                self.trouble = None;
                self.todo = None;
                self.needs_human = false;
                self.failures = 0;
                (self.lesson, self.sent_back) = (None, None);
            }
            Status::PrOpen => {
                self.verified = change.sha.clone().or(self.verified.take());
                (self.unpublished, self.publish_again) = (None, false);
                self.note_verified();
                self.needs_human = false;
                if let Some(pull) = &mut self.pull {
                    pull.state = PullState::Open;
                }
            }
            Status::Merged => {
                self.in_base = true;
                self.needs_human = false;
                self.todo = None;
                self.last_progress = Some(at);
                self.completed_at.get_or_insert(at);
            }
        }
    }

    pub(super) fn judge(&mut self, verdict: &Verdict) {
        let evidence = &verdict.evidence;
        if let Some(head) = &evidence.head {
            self.head = Some(head.clone());
        }
        if let Some(commits) = &evidence.commits {
            self.commits.clone_from(commits);
        }
        if let Some(changed) = &evidence.changed {
            self.changed.clone_from(changed);
        }
        if let (Some(exit), Some(session)) = (evidence.exit, &mut self.session) {
            session.ended = Some(exit);
            session.teardown = true;
            // Seen clean after its end there is nothing to save, but for commits that are on no branch of the task.
            session.saved |= evidence.head.is_some() && evidence.dirt.is_none() && verdict.rule != WRONG_BRANCH;
        }
        if let Some(pull) = &evidence.pull {
            self.pull = Some(pull.clone());
            if verdict.case.signal == Signal::ChangesRequested {
                self.heeded.extend(pull.reviews.iter().map(|review| review.id.clone()));
            }
        }
        if evidence.head.is_some() {
            self.nested = evidence.dirt.as_ref().map(|dirt| dirt.nested.clone()).unwrap_or_default();
        }
        // A new worktree is made before anything else is done there.
        self.removed |= verdict.case.signal == Signal::WorktreeLost;
        if self.todo == Some(Todo::Judge) {
            self.todo = None;
        }
        (self.typing, self.setback) = (None, None);
        (self.person_retry, self.publish_again) = (false, false);
        self.unanswered = Some(verdict.clone());
    }

    /// Does not count a time in which nobody could see anything.
    pub(super) fn unseen_for(&mut self, span: Millis) {
        self.trouble = self.trouble.map(|since| since + span);
        self.each_session(|session| session.unseen_for(span));
    }

    pub(super) fn each_session(&mut self, change: impl FnOnce(&mut Session)) {
        if let Some(session) = &mut self.session {
            change(session);
        }
    }

    /// Takes in marks of life; whether they show that its agent got somewhere.
    pub(super) fn progress(&mut self, marks: &Marks, at: Timestamp) -> bool {
        let trouble = self.trouble;
        let Some(session) = self.session.as_mut().filter(|session| session.launch == marks.launch) else {
            return false;
        };
        let worked = session.marks.head.is_some() && marks.head != session.marks.head;
        let moved = marks.changed_at > session.marks.changed_at || worked;
        session.confirm_delivery(marks.changed_at);
        session.marks = marks.clone();
        if !moved {
            return false;
        }
        session.is_awake();
        let got_on = worked || marks.changed_at.since(session.launched_at) >= STEADY;
        if got_on {
            self.relaunches = 0;
        }
        self.last_progress = Some(at);
        // Whether a person is still needed is decided by what the screen shows, not by its having changed.
        if !self.needs_human && trouble.is_some_and(|since| marks.changed_at > since) {
            self.trouble = None;
        }
        got_on
    }

    pub(super) fn user(&mut self, verb: &UserVerb, entry: &Entry) {
        match verb {
            UserVerb::Kill => {
                self.needs_human = true;
                self.calls += 1;
                self.reason = Some("killed by a person".to_owned());
                self.end_by_hand(entry.timestamp);
            }
            UserVerb::Retry => {
                (self.failures, self.feedback_rounds, self.relaunches, self.delays) = (0, 0, 0, 0);
                self.delayed = None;
                (self.needs_human, self.skipped) = (false, false);
                self.reason = Some("a person asked for another attempt".to_owned());
                (self.unanswered, self.setback, self.start_conflicts) = (None, None, 0);
                self.each_session(|session| session.hopeless = false);
                self.person_retry = self.prepared.is_some();
                self.publish_again = self.unpublished.is_some();
                self.not_before = Some(entry.timestamp);
                if self.status.is_open() {
                    self.end_by_hand(entry.timestamp);
                }
            }
            UserVerb::Publish => {
                (self.needs_human, self.publish_again, self.delays) = (false, true, 0);
                self.delayed = None;
                self.reason = Some("a person said to go on".to_owned());
                self.not_before = None;
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
                self.said.extend(launch.map(|launch| Typing { launch, input, expected: None }));
                self.each_session(|session| session.person_at = Some(entry.awake));
            }
            UserVerb::Attach => self.each_session(|session| session.person_at = Some(entry.awake)),
        }
    }

    /// An effect begins.
    pub(super) fn begin(&mut self, id: EffectId, effect: &Effect, awake: AwakeMs) {
        if let Effect::Input { input, .. } = effect {
            self.each_session(|session| session.begin_delivery(input, awake));
        }
        match effect {
            Effect::Launch { purpose, resume, paste, .. } => {
                self.todo = None;
                self.person_retry = false;
                self.not_before = None;
                self.launches += u32::from(*purpose != Purpose::Verify);
                if *purpose == Purpose::Work && !resume {
                    self.conversation = Some(id.into());
                }
                let mut session = Session::starting(id.into(), *purpose, awake);
                session.delivery = paste.then(|| Delivery::new(*resume));
                self.said.clear();
                self.session = Some(session);
            }
            // Enter after a paste is nobody's word.
            Effect::Input { input, expected: None, .. }
                if self.said.first().is_some_and(|said| said.input == *input) =>
            {
                self.said.remove(0);
            }
            Effect::Input { expected: Some(_), .. } => {
                self.typing = None;
                // What comes after this moment answers it, even before its outcome is known.
                self.trouble = self.trouble.map(|_| awake);
                self.each_session(|session| session.typed_at = Some(awake));
            }
            Effect::End { .. } => self.each_session(|session| session.end_at = None),
            Effect::Push(spec) => _ = self.offered.insert(spec.sha.clone()),
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
        (self.unanswered, self.setback, self.typing) = (None, None, None);
        self.said.clear();
        self.todo = Some(Todo::EndAttempt);
        self.not_before = Some(at);
        self.each_session(|session| {
            session.force |= session.teardown;
            (session.teardown, session.by_hand, session.hopeless) = (true, true, false);
        });
    }
}
