//! The state: a fold of the journal, and nothing else.
//!
//! [`State::apply`] is its only writer: total, without policy, settings or clock. Whatever a record
//! starts is visible in the state until the record that ends it, so the state after any line of the
//! journal is one from which the work goes on.

mod attempt;
mod conversation;
mod delivery;
mod healing;
mod outage;
mod outcome;
mod projection;
mod session;
mod task;
mod waits;
mod work;

use std::collections::{BTreeMap, BTreeSet};

pub use attempt::{Attempt, Retries};
pub use conversation::{Conversation, Typing};
pub(crate) use delivery::Wanted;
pub use delivery::{Delivery, DeliveryStep};
pub use healing::{Healing, Plea, RemedyTaken, Setback};
pub(crate) use outage::{PULLS, REMOTE, SESSIONS, agent, provider_of};
pub use projection::{EditRefusal, TakenEdit};
pub(crate) use session::Treatment;
pub use session::{Ending, Session};
pub(crate) use task::{BRANCH_GONE, WRONG_BRANCH};
pub use task::{TaskState, Times};
pub use waits::{Delay, Waits};
pub use work::{Publication, Unpublished, Work, Worktree};

use crate::base::id::{EffectId, Sha, TaskId};
use crate::base::time::{AwakeMs, BootId, Timestamp};
use crate::heal::{Outage, Signal};
use crate::journal::effect::{Effect, Outcome};
use crate::journal::record::{DriverRecord, Entry, ImportedState, Record, UserVerb, Verdict};
use crate::plan::spec::{ExecutorKind, Plan};
use crate::plan::status::Status;

/// Everything that is remembered.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
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
    /// What cannot be reached, by name.
    pub outages: BTreeMap<String, Outage>,
    /// The occasions on which notices were given, so that none is announced twice.
    pub notices: BTreeSet<String>,
    /// Trees that a verify command agreed to, each with those commands.
    pub verified_trees: BTreeMap<Sha, BTreeSet<Vec<String>>>,
    /// How many attempts are open.
    attempts_open: usize,
    /// States for the tasks of the first plan, which takes them in.
    imports: BTreeMap<TaskId, ImportedState>,
}

/// An effect without an outcome.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct OpenEffect {
    /// The task that it is for.
    pub task: Option<TaskId>,
    /// What is to be done.
    pub effect: Effect,
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

    /// Where agents ran last; tmux before any did.
    pub fn last_executor(&self) -> ExecutorKind {
        self.driver.as_ref().map_or(ExecutorKind::Tmux, |driver| driver.executor)
    }

    /// Where agents are to run: as asked for, else where some still do, else as the machine has it.
    ///
    /// # Errors
    /// Where agents still run, if something else was asked for: they could not be watched from there.
    pub fn executor(&self, asked: Option<ExecutorKind>, machine: ExecutorKind) -> Result<ExecutorKind, ExecutorKind> {
        let busy = self.tasks.values().any(|task| task.session.is_some());
        match (asked, busy.then(|| self.last_executor())) {
            (Some(asked), Some(busy)) if asked != busy => Err(busy),
            (Some(kind), _) | (None, Some(kind)) => Ok(kind),
            (None, None) => Ok(machine),
        }
    }

    /// Takes one record in. Total: a record about an unknown task changes nothing but the position.
    pub fn apply(&mut self, entry: &Entry) {
        self.seq = entry.seq.0;
        self.began.get_or_insert(entry.timestamp);
        self.latest = Some(entry.timestamp);
        match &entry.record {
            Record::Driver(driver) => self.apply_driver(driver, entry.awake),
            Record::Plan { plan, .. } => self.apply_plan(Plan::clone(plan)),
            Record::PlanChanged { change, .. } => {
                let plan = change.applied(&self.plan.take().unwrap_or_default());
                self.apply_plan(plan);
            }
            Record::Effect { effect } => self.apply_effect(entry, effect),
            Record::Done { effect, outcome } => self.apply_done(entry, *effect, outcome),
            Record::User { verb } => self.apply_user(entry, verb),
            Record::Gap { what, lasted } if what == "stopped" => {
                for task in self.tasks.values_mut().filter(|task| task.session.is_some()) {
                    task.unseen_for(*lasted);
                }
            }
            Record::Gap { .. } => {}
            Record::Imported(imported) if self.plan.is_none() => {
                self.imports.extend(entry.task.clone().map(|task| (task, imported.clone())));
            }
            Record::Imported(imported) => self.with(entry, |task| task.import(imported)),
            Record::Status(change) => self.with(entry, |task| task.change(change, entry.timestamp)),
            Record::Verdict(verdict) => {
                let task = entry.task.as_ref().and_then(|id| Some((id, self.tasks.get(id)?)));
                if let Some((id, _)) = task.filter(|(_, task)| outage::answers(task, verdict)) {
                    self.note_answer(id);
                }
                self.note_verified(verdict);
                self.with(entry, |task| task.judge(verdict));
            }
            Record::Remedy { signal, decision, .. } => {
                let down = self.who_is_down(entry.task.as_ref());
                self.with(entry, |task| {
                    task.healing.remedies.push(RemedyTaken {
                        at: entry.timestamp,
                        signal: *signal,
                        remedy: decision.remedy.name(),
                        reason: decision.reason.clone(),
                    });
                    task.remedy(*signal, &decision.remedy, &decision.reason, (entry.awake, entry.timestamp));
                });
                if let Some(of) = entry.task.as_ref().zip(down) {
                    self.note_outage(of, *signal, &decision.remedy, entry.timestamp);
                }
            }
            Record::SeenAgain { what } => {
                self.outages.remove(what);
                self.tasks.values_mut().for_each(|task| task.see_again(what));
            }
            Record::Pull { pull } => self.with(entry, |task| task.see_pull(pull, entry.timestamp)),
            Record::Progress(marks) => {
                let mut got_on = false;
                self.with(entry, |task| got_on = task.progress(marks, entry.timestamp));
                if let Some(id) = entry.task.as_ref().filter(|_| got_on) {
                    self.note_answer(id);
                }
            }
        }
    }

    /// The state that a task of the first plan is to have, once its record was read.
    pub(crate) fn pending_import(&self, task: &TaskId) -> Option<&ImportedState> {
        self.imports.get(task)
    }

    fn with(&mut self, entry: &Entry, change: impl FnOnce(&mut TaskState)) {
        if let Some(task) = entry.task.as_ref().and_then(|id| self.tasks.get_mut(id)) {
            let was_open = usize::from(task.status.is_open());
            change(task);
            self.attempts_open = self.attempts_open + usize::from(task.status.is_open()) - was_open;
            self.parallel_peak = self.parallel_peak.max(self.attempts_open);
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
        if self.driver.as_ref().is_some_and(|before| before.env_pass != driver.env_pass) {
            // What a command said in another environment says nothing of this one.
            self.verified_trees.clear();
        }
        self.driver = Some(driver.clone());
    }

    fn boot(&self) -> Option<&BootId> {
        self.driver.as_ref().map(|driver| &driver.boot)
    }

    fn apply_plan(&mut self, plan: Plan) {
        let mut old = std::mem::take(&mut self.tasks);
        for spec in &plan.tasks {
            let mut state = old.remove(&spec.id).unwrap_or_default();
            if let Some(imported) = self.imports.remove(&spec.id) {
                state.import(&imported);
            }
            state.plan_verify(plan.verify_of(spec));
            self.tasks.insert(spec.id.clone(), state);
        }
        self.imports.clear();
        self.attempts_open = self.tasks.values().filter(|task| task.status.is_open()).count();
        self.plan = Some(plan);
    }

    fn apply_effect(&mut self, entry: &Entry, effect: &Effect) {
        let id = EffectId(entry.seq.0);
        self.open.insert(id, OpenEffect { task: entry.task.clone(), effect: effect.clone() });
        if let Effect::Notify(notice) = effect {
            self.notices.insert(notice.occasion().to_owned());
            return;
        }
        if let Some(task) = &entry.task {
            self.note_probe(task, effect);
        }
        self.with(entry, |task| {
            task.open = Some(id);
            task.begin(id, effect, entry.awake);
        });
    }

    /// Whether a verify command agreed to a tree, and did not take it back.
    pub(crate) fn has_verified(&self, tree: &Sha, command: &[String]) -> bool {
        self.verified_trees.get(tree).is_some_and(|commands| commands.contains(command))
    }

    /// Notes what a verify command said of the tree that it judged.
    fn note_verified(&mut self, verdict: &Verdict) {
        let (Some(tree), Some(command)) = (&verdict.evidence.tree, &verdict.evidence.command) else { return };
        match verdict.case.signal {
            Signal::Verified => _ = self.verified_trees.entry(tree.clone()).or_default().insert(command.clone()),
            Signal::VerifyFailed => _ = self.verified_trees.get_mut(tree).map(|commands| commands.remove(command)),
            _ => {}
        }
    }

    fn apply_done(&mut self, entry: &Entry, id: EffectId, outcome: &Outcome) {
        let Some(OpenEffect { task, effect }) = self.open.remove(&id) else { return };
        self.note_reached(&effect, outcome);
        // A person's input may have begun beside another effect of the task.
        let other = self.open.iter().find(|(_, open)| open.task.is_some() && open.task == task).map(|(id, _)| *id);
        if let Some(task) = task.and_then(|id| self.tasks.get_mut(&id)) {
            task.open = other;
            task.done(&effect, outcome, entry.awake);
        }
    }

    fn apply_user(&mut self, entry: &Entry, verb: &UserVerb) {
        if entry.task.is_some() {
            return self.with(entry, |task| task.user(verb, entry));
        }
        match verb {
            UserVerb::Pause => self.paused = true,
            UserVerb::Resume => {
                self.paused = false;
                for session in self.tasks.values_mut().filter_map(|task| task.session.as_mut()) {
                    session.rebase(entry.awake);
                }
            }
            UserVerb::Kill => {
                for task in self.tasks.values_mut().filter(|task| task.is_under_way()) {
                    task.user(verb, entry);
                }
            }
            UserVerb::Publish => {
                for task in self.tasks.values_mut().filter(|task| task.waits_to_publish()) {
                    task.user(verb, entry);
                }
            }
            UserVerb::Retry | UserVerb::Skip | UserVerb::Send { .. } | UserVerb::Attach => {}
        }
    }
}

#[cfg(test)]
mod old;
