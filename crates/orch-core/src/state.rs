//! The state: a fold of the journal, and nothing else.
//!
//! [`State::apply`] is its only writer: total, without policy, settings or clock. Whatever a record
//! starts is visible in the state until the record that ends it, so the state after any line of the
//! journal is one from which the work goes on.

use std::collections::BTreeMap;

use crate::backend::{Commit, EndMode, ExitStatus, Fingerprint, Launched, Prepared, ProcessId, Pull, PullState};
use crate::effect::{Effect, Outcome, Purpose};
use crate::heal::{Remedy, Signal};
use crate::id::{AttemptNo, EffectId, LaunchId, Sha, TaskId};
use crate::plan::Plan;
use crate::record::{DriverRecord, Entry, ImportedState, Marks, Record, StatusRecord, Todo, UserVerb, Verdict};
use crate::status::Status;
use crate::time::{AwakeMs, BootId, Timestamp};

/// Everything that is remembered.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The last record's position.
    pub seq: u64,
    /// When the first record was written.
    pub began: Option<Timestamp>,
    /// When the last record was written.
    pub latest: Option<Timestamp>,
    /// The last orchestrator that took over.
    pub driver: Option<DriverRecord>,
    /// Whether it has not left in order.
    pub driver_open: bool,
    /// The plan.
    pub plan: Option<Plan>,
    /// Every task of the plan.
    pub tasks: BTreeMap<TaskId, TaskState>,
    /// Effects without an outcome.
    pub open: BTreeMap<EffectId, OpenEffect>,
    /// People paused everything.
    pub paused: bool,
    /// The most attempts that were open at once.
    pub parallel_peak: usize,
    /// Notices given, by title, so that none is given twice.
    pub notices: std::collections::BTreeSet<String>,
}

/// An effect without an outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenEffect {
    /// The task that it is for.
    pub task: Option<TaskId>,
    /// What is to be done.
    pub effect: Effect,
}

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
    /// Relaunches and delays without progress between them.
    pub relaunches: u32,
    /// A person is needed.
    pub needs_human: bool,
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
    /// The next step.
    pub todo: Option<Todo>,
    /// The next step or the retry is not before then.
    pub not_before: Option<Timestamp>,
    /// A verdict that no remedy has answered yet.
    pub unanswered: Option<Verdict>,
    /// What the last failed attempt came to: the retry context.
    pub lesson: Option<Verdict>,
    /// A person asked for the retry: what they may have put right is looked at before an agent starts.
    pub person_retry: bool,
    /// Predecessors of which one must be merged before the start point can be made.
    pub waits_on: Vec<TaskId>,
    /// The agent was asked to commit in this attempt.
    pub asked_to_commit: bool,
    /// A remedy waits for progress after this awake time.
    pub trouble: Option<AwakeMs>,
    /// The line of the prompt answered last, and how often.
    pub prompt: Option<(Fingerprint, u32)>,
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
    /// The commit that the remote has.
    pub pushed: Option<Sha>,
    /// Its pull request when last changed or seen to change.
    pub pull: Option<Pull>,
    /// Its work was seen in the base.
    pub in_base: bool,
    /// Tips of predecessors that its branch contains.
    pub contains: BTreeMap<TaskId, Sha>,
    /// The worktree was removed.
    pub removed: bool,
    /// The worktree could not be removed as it was: save it, then remove it.
    pub remove_saved: bool,
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

/// One launched process.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// Its launch.
    pub launch: LaunchId,
    /// What it is for.
    pub purpose: Purpose,
    /// Awake time of the launch.
    pub launched_at: AwakeMs,
    /// Its name and process, once started.
    pub launched: Option<Launched>,
    /// How it ended, once judged.
    pub ended: Option<ExitStatus>,
    /// It is to be taken down.
    pub teardown: bool,
    /// Its uncommitted work is saved.
    pub saved: bool,
    /// Awake time at which it was asked to end.
    pub asked_at: Option<AwakeMs>,
    /// Its processes are proved gone.
    pub gone: bool,
    /// A person wants no grace.
    pub force: bool,
    /// Marks of life.
    pub marks: Marks,
    /// It was suspected in this silence.
    pub suspected: bool,
    /// It was poked in this silence.
    pub poked: bool,
    /// Awake time of the last input by orch.
    pub typed_at: Option<AwakeMs>,
    /// Awake time of the last input by a person.
    pub person_at: Option<AwakeMs>,
}

impl Session {
    /// Whether it is started, not ended and not to be taken down.
    pub fn is_live(&self) -> bool {
        self.launched.is_some() && self.ended.is_none() && !self.teardown
    }

    /// The process recorded at launch.
    pub fn process(&self) -> Option<&ProcessId> {
        self.launched.as_ref()?.process.as_ref()
    }
}

#[expect(clippy::derivable_impls, reason = "the statuses list their default first, by order and not by attribute")]
impl Default for Status {
    fn default() -> Self {
        Self::Pending
    }
}

impl State {
    /// The state after a whole journal.
    pub fn fold<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut state = Self::default();
        for entry in entries {
            state.apply(entry);
        }
        state
    }

    /// Takes one record in. Total: a record about an unknown task changes nothing but the position.
    pub fn apply(&mut self, entry: &Entry) {
        self.seq = entry.seq.0;
        self.began.get_or_insert(entry.timestamp);
        self.latest = Some(entry.timestamp);
        match &entry.record {
            Record::Driver(driver) => self.apply_driver(driver, entry.awake),
            Record::Plan { plan, .. } => self.apply_plan(plan),
            Record::Effect { effect } => self.apply_effect(entry, effect),
            Record::Done { effect, outcome } => self.apply_done(entry, *effect, outcome),
            Record::User { verb } => self.apply_user(entry, verb),
            Record::Gap { what, lasted } if what == "stopped" => {
                for session in self.tasks.values_mut().filter_map(|task| task.session.as_mut()) {
                    session.marks.changed_at = session.marks.changed_at + *lasted;
                }
            }
            Record::Gap { .. } => {}
            Record::Imported(imported) => self.with(entry, |task| task.import(imported)),
            Record::Status(change) => {
                self.with(entry, |task| task.change(change, entry.timestamp));
                let open = self.tasks.values().filter(|task| task.status.is_open()).count();
                self.parallel_peak = self.parallel_peak.max(open);
            }
            Record::Verdict(verdict) => self.with(entry, |task| task.judge(verdict)),
            Record::Remedy { signal, decision, .. } => self.with(entry, |task| {
                task.remedies.push(RemedyTaken {
                    at: entry.timestamp,
                    signal: *signal,
                    remedy: decision.remedy.name(),
                    reason: decision.reason.clone(),
                });
                task.remedy(*signal, &decision.remedy, &decision.reason, entry.awake);
            }),
            Record::Progress(marks) => self.with(entry, |task| task.progress(marks, entry.timestamp)),
        }
    }

    fn with(&mut self, entry: &Entry, change: impl FnOnce(&mut TaskState)) {
        if let Some(task) = entry.task.as_ref().and_then(|id| self.tasks.get_mut(id)) {
            change(task);
        }
    }

    fn apply_driver(&mut self, driver: &DriverRecord, awake: AwakeMs) {
        self.driver_open = driver.start;
        if !driver.start {
            return;
        }
        if self.boot().is_some_and(|boot| *boot != driver.boot) {
            for session in self.tasks.values_mut().filter_map(|task| task.session.as_mut()) {
                session.rebase(awake);
            }
        }
        self.driver = Some(driver.clone());
    }

    fn boot(&self) -> Option<&BootId> {
        self.driver.as_ref().map(|driver| &driver.boot)
    }

    fn apply_plan(&mut self, plan: &Plan) {
        let mut old = std::mem::take(&mut self.tasks);
        for spec in &plan.tasks {
            let state = old.remove(&spec.id).unwrap_or_default();
            self.tasks.insert(spec.id.clone(), state);
        }
        self.plan = Some(plan.clone());
    }

    fn apply_effect(&mut self, entry: &Entry, effect: &Effect) {
        let id = EffectId(entry.seq.0);
        self.open.insert(id, OpenEffect { task: entry.task.clone(), effect: effect.clone() });
        if let Effect::Notify(notice) = effect {
            self.notices.insert(notice.title.clone());
            return;
        }
        self.with(entry, |task| {
            task.open = Some(id);
            if let Effect::Launch { purpose, .. } = effect {
                task.todo = None;
                task.person_retry = false;
                task.not_before = None;
                task.session = Some(Session::starting(id.into(), *purpose, entry.awake));
            }
        });
    }

    fn apply_done(&mut self, entry: &Entry, id: EffectId, outcome: &Outcome) {
        let Some(OpenEffect { task, effect }) = self.open.remove(&id) else { return };
        if let Some(task) = task.and_then(|id| self.tasks.get_mut(&id)) {
            task.open = None;
            task.done(&effect, outcome, entry.awake);
        }
    }

    fn apply_user(&mut self, entry: &Entry, verb: &UserVerb) {
        if entry.task.is_none() {
            match verb {
                UserVerb::Pause => self.paused = true,
                UserVerb::Resume => self.paused = false,
                UserVerb::Kill | UserVerb::Retry | UserVerb::Skip | UserVerb::Send { .. } | UserVerb::Attach => {}
            }
            if *verb == UserVerb::Resume {
                for session in self.tasks.values_mut().filter_map(|task| task.session.as_mut()) {
                    session.rebase(entry.awake);
                }
            }
            return;
        }
        self.with(entry, |task| task.user(verb, entry));
    }
}

impl Session {
    fn starting(launch: LaunchId, purpose: Purpose, awake: AwakeMs) -> Self {
        Self {
            launch,
            purpose,
            launched_at: awake,
            launched: None,
            ended: None,
            teardown: false,
            saved: false,
            asked_at: None,
            gone: false,
            force: false,
            marks: Marks { launch, activity: 0, changed_at: awake, screen: None, head: None },
            suspected: false,
            poked: false,
            typed_at: None,
            person_at: None,
        }
    }

    /// Measures all silence from now on.
    fn rebase(&mut self, awake: AwakeMs) {
        self.launched_at = awake;
        self.marks.changed_at = awake;
        self.suspected = false;
        self.poked = false;
        self.asked_at = self.asked_at.map(|_| awake);
        self.typed_at = None;
        self.person_at = None;
    }
}

impl TaskState {
    fn import(&mut self, imported: &ImportedState) {
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

    fn change(&mut self, change: &StatusRecord, at: Timestamp) {
        self.status = change.to;
        self.changed_at = Some(at);
        if let Some(attempt) = change.attempt {
            if attempt > self.attempt {
                self.asked_to_commit = false;
                self.relaunches = 0;
                self.prompt = None;
                self.started_at.get_or_insert(at);
            }
            self.attempt = attempt;
        }
        self.reason.clone_from(&change.reason);
        self.waits_on.clone_from(&change.waits_on);
        match change.to {
            Status::Pending | Status::Blocked => self.todo = None,
            Status::Running => {
                self.needs_human = false;
                self.trouble = None;
                self.not_before = None;
                self.todo = change.todo.or(self.todo);
                self.last_progress = Some(at);
                if let Some(session) = &mut self.session {
                    (session.suspected, session.poked) = (false, false);
                }
            }
            Status::Stuck => {}
            Status::Error => {
                self.todo = None;
                self.trouble = None;
                self.verifying = None;
                self.verified = None;
                self.not_before = change.retry_at;
            }
            Status::Complete => {
                self.verified.clone_from(&change.sha);
                self.completed_at = Some(at);
                self.last_progress = Some(at);
                self.trouble = None;
                self.todo = None;
                self.needs_human = false;
                self.failures = 0;
                self.lesson = None;
            }
            Status::PrOpen => self.verified = change.sha.clone().or(self.verified.take()),
            Status::Merged => {
                self.in_base = true;
                self.needs_human = false;
                self.todo = None;
                self.last_progress = Some(at);
                self.completed_at.get_or_insert(at);
            }
        }
    }

    fn judge(&mut self, verdict: &Verdict) {
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
        }
        if self.todo == Some(Todo::Judge) {
            self.todo = None;
        }
        self.person_retry = false;
        self.unanswered = Some(verdict.clone());
    }

    fn remedy(&mut self, signal: Signal, remedy: &Remedy, reason: &str, awake: AwakeMs) {
        let verdict = self.unanswered.take();
        let ends_session = !matches!(
            remedy,
            Remedy::Answer { .. } | Remedy::Look | Remedy::Poke { .. } | Remedy::Escalate | Remedy::Wait { .. }
        );
        if let Some(session) = self.session.as_mut().filter(|_| ends_session) {
            session.teardown = true;
        }
        match remedy {
            Remedy::Answer { .. } => {
                let line = verdict.as_ref().and_then(|v| v.evidence.line.as_deref()).map(Fingerprint::of);
                let before = self.prompt.filter(|(seen, _)| Some(*seen) == line).map_or(0, |(_, count)| count);
                self.prompt = line.map(|line| (line, before + 1));
                self.trouble = Some(awake);
            }
            Remedy::Look => {
                self.trouble = Some(awake);
                self.each_session(|session| session.suspected = true);
            }
            Remedy::Poke { .. } => {
                self.trouble = Some(awake);
                self.each_session(|session| (session.suspected, session.poked) = (true, true));
            }
            Remedy::Resume { at, counted } => {
                self.trouble = Some(awake);
                self.relaunches += u32::from(*counted);
                let purpose = self.session.as_ref().map_or(Purpose::Work, |session| session.purpose);
                self.todo = Some(Todo::Launch { purpose, resume: purpose == Purpose::Work });
                self.not_before = Some(*at);
            }
            Remedy::Restart { at } => {
                self.failures += 1;
                self.close_attempt(verdict, *at);
            }
            Remedy::Rework { at } => {
                self.feedback_rounds += 1;
                self.failures = 0;
                self.close_attempt(verdict, *at);
            }
            Remedy::AskCommit => {
                self.trouble = None;
                self.asked_to_commit = true;
                self.todo = Some(Todo::Launch { purpose: Purpose::AskCommit, resume: true });
            }
            Remedy::Commit => {
                self.trouble = None;
                self.todo = Some(Todo::Commit);
            }
            Remedy::Verify => {
                self.trouble = None;
                self.verifying.clone_from(&self.head);
                self.todo = Some(Todo::Launch { purpose: Purpose::Verify, resume: false });
            }
            Remedy::Accept if signal == Signal::PullMerged => self.in_base = true,
            Remedy::Accept => {
                self.verified = self.verifying.take();
                self.relaunches = 0;
                self.todo = None;
            }
            Remedy::Wait { at } => {
                self.relaunches += 1;
                self.not_before = Some(*at);
            }
            Remedy::Escalate => {
                self.needs_human = true;
                self.reason = Some(reason.to_owned());
                self.trouble = Some(awake);
                if self.session.as_ref().is_none_or(|session| session.teardown) {
                    self.lesson = verdict.or(self.lesson.take());
                    self.todo = Some(Todo::EndAttempt);
                }
            }
        }
    }

    fn close_attempt(&mut self, verdict: Option<Verdict>, at: Timestamp) {
        self.lesson = verdict;
        self.not_before = Some(at);
        self.todo = Some(Todo::EndAttempt);
    }

    fn each_session(&mut self, change: impl FnOnce(&mut Session)) {
        if let Some(session) = &mut self.session {
            change(session);
        }
    }

    fn progress(&mut self, marks: &Marks, at: Timestamp) {
        let trouble = self.trouble;
        let Some(session) = self.session.as_mut().filter(|session| session.launch == marks.launch) else { return };
        let moved = marks.changed_at > session.marks.changed_at || marks.head != session.marks.head;
        session.marks = marks.clone();
        if moved {
            self.last_progress = Some(at);
            (session.suspected, session.poked) = (false, false);
        }
        if moved && trouble.is_some_and(|since| marks.changed_at > since) {
            self.trouble = None;
            self.relaunches = 0;
        }
    }

    fn done(&mut self, effect: &Effect, outcome: &Outcome, awake: AwakeMs) {
        if let Outcome::Failed(_) = outcome {
            match effect {
                Effect::Launch { purpose, resume, .. } => {
                    self.session = None;
                    self.todo = Some(Todo::Launch { purpose: *purpose, resume: *resume });
                }
                // Once saved, a worktree that still cannot be removed is left to `cleanup`.
                Effect::Remove(spec) => (self.remove_saved, self.removed) = (true, spec.discard),
                _ => {}
            }
            return;
        }
        match (effect, outcome) {
            (Effect::Prepare(spec), Outcome::Prepared(prepared)) => {
                self.prepared = Some(prepared.clone());
                self.contains = spec.predecessors.iter().map(|p| (p.task.clone(), p.sha.clone())).collect();
                self.removed = false;
                self.todo = Some(Todo::Launch { purpose: Purpose::Work, resume: false });
            }
            (Effect::Launch { .. }, Outcome::Launched(launched)) => self.each_session(|session| {
                session.launched = Some(launched.clone());
                session.marks.changed_at = awake;
            }),
            (Effect::Input { .. }, Outcome::Ok) => {
                self.trouble = self.trouble.map(|_| awake);
                self.each_session(|session| session.typed_at = Some(awake));
            }
            (Effect::End { mode: EndMode::Ask, .. }, _) => self.each_session(|session| session.asked_at = Some(awake)),
            (Effect::End { mode: EndMode::Kill, .. }, Outcome::Ended(gone)) => {
                self.each_session(|session| session.gone = *gone);
            }
            (Effect::Forget { .. }, _) => self.session = None,
            (Effect::Save { .. }, Outcome::Saved(saved)) => {
                if let Some(saved) = saved.as_ref().filter(|saved| !self.saved.contains(&saved.reference)) {
                    self.saved.push(saved.reference.clone());
                }
                self.each_session(|session| session.saved = true);
            }
            (Effect::Commit(_), _) => self.todo = Some(Todo::Judge),
            (Effect::Sync(spec), Outcome::At(sha)) => {
                for source in &spec.sources {
                    if let Ok(task) = TaskId::parse(&source.label) {
                        self.contains.insert(task, source.tip.clone());
                    }
                }
                if self.verified.as_ref() != Some(sha) {
                    self.verifying = Some(sha.clone());
                    self.head = Some(sha.clone());
                    self.todo = Some(Todo::Launch { purpose: Purpose::Verify, resume: false });
                }
            }
            (Effect::Push(spec), _) => {
                self.pushed = Some(spec.sha.clone());
                self.relaunches = 0;
            }
            (Effect::OpenPull(_) | Effect::UpdatePull { .. } | Effect::MergePull(_), Outcome::Pull(pull)) => {
                self.in_base |= pull.state == PullState::Merged;
                self.pull = Some(pull.clone());
                self.relaunches = 0;
            }
            (Effect::Remove(_), _) => self.removed = true,
            _ => {}
        }
    }

    fn user(&mut self, verb: &UserVerb, entry: &Entry) {
        match verb {
            UserVerb::Kill => {
                self.needs_human = true;
                self.reason = Some("killed by a person".to_owned());
                self.end_by_hand(entry.timestamp);
            }
            UserVerb::Retry => {
                (self.failures, self.feedback_rounds, self.relaunches) = (0, 0, 0);
                (self.needs_human, self.skipped) = (false, false);
                self.reason = None;
                self.unanswered = None;
                self.person_retry = self.prepared.is_some();
                self.not_before = Some(entry.timestamp);
                if self.status.is_open() {
                    self.end_by_hand(entry.timestamp);
                }
            }
            UserVerb::Skip => {
                self.skipped = true;
                if self.status.is_open() {
                    self.end_by_hand(entry.timestamp);
                }
            }
            UserVerb::Pause => self.paused = true,
            UserVerb::Resume => {
                self.paused = false;
                self.each_session(|session| session.rebase(entry.awake));
            }
            UserVerb::Send { .. } | UserVerb::Attach => {
                self.each_session(|session| session.person_at = Some(entry.awake));
            }
        }
    }

    fn end_by_hand(&mut self, at: Timestamp) {
        self.unanswered = None;
        self.todo = Some(Todo::EndAttempt);
        self.not_before = Some(at);
        self.each_session(|session| {
            session.force |= session.teardown;
            session.teardown = true;
        });
    }
}

impl Remedy {
    /// The remedy's name, as in the journal.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Answer { .. } => "answer",
            Self::Look => "look",
            Self::Poke { .. } => "poke",
            Self::Resume { .. } => "resume",
            Self::Restart { .. } => "restart",
            Self::Rework { .. } => "rework",
            Self::AskCommit => "askCommit",
            Self::Commit => "commit",
            Self::Verify => "verify",
            Self::Accept => "accept",
            Self::Wait { .. } => "wait",
            Self::Escalate => "escalate",
        }
    }
}
