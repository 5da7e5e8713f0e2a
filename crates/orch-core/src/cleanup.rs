//! What may be taken down of one task when a fleet is cleared away, in which order, and why not.

use std::collections::VecDeque;
use std::fmt;

use crate::base::id::{AttemptNo, TaskId};
use crate::base::layout::Layout;
use crate::journal::effect::{Effect, Outcome};
use crate::journal::record::{Record, StatusRecord, UserVerb};
use crate::plan::spec::TaskSpec;
use crate::plan::status::Status;
use crate::ports::{EndMode, RemoveSpec};
use crate::ports::{Failure, FailureKind};
use crate::state::TaskState;

/// Taking one task down, step by step: [`Clearing::step`] says what is recorded next, [`Clearing::judge`] what
/// the outcome of an effect means.
///
/// Uncommitted work is saved before anything is ended or removed, and again after a process is gone: what it still
/// wrote counts too. A worktree is discarded only if the last save holds all of it; where there was nothing to
/// save, version control looks once more and refuses if there is.
#[derive(Debug, Clone, PartialEq)]
pub struct Clearing {
    task: TaskId,
    steps: VecDeque<Step>,
    removal: RemoveSpec,
    attempt: AttemptNo,
    /// Whether its agent is ended whatever can be saved.
    force: bool,
    /// What could not be saved before that.
    unsaved: Option<String>,
}

/// A step; the removal is put together when it is due.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    Record(Box<Record>),
    Save,
    Remove,
}

/// Why something stays.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeptBecause {
    /// Its session is not over, and nobody asked to end it.
    AtWork,
    /// Its uncommitted work could not be saved.
    NotSaved(String),
    /// Its processes are not proved gone.
    NotEnded(String),
    /// Its worktree could not be removed, mostly because work there is nowhere else.
    NotRemoved(String),
}

impl fmt::Display for KeptBecause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtWork => f.write_str("its agent is at work"),
            Self::NotSaved(why) => write!(f, "its work cannot be saved: {why}"),
            Self::NotEnded(why) => write!(f, "its processes cannot be ended: {why}"),
            Self::NotRemoved(why) => write!(f, "its worktree cannot be removed: {why}"),
        }
    }
}

impl Clearing {
    /// What is to be done about a task; with `force` its agent is ended.
    ///
    /// # Errors
    /// [`KeptBecause::AtWork`] if it has a session and `force` is not given.
    pub fn of(spec: &TaskSpec, task: &TaskState, layout: &Layout, force: bool) -> Result<Self, KeptBecause> {
        let has_worktree = task.worktree.is_there();
        let record = |record| Step::Record(Box::new(record));
        let effect = |effect| record(Record::Effect { effect });
        let mut steps = VecDeque::new();
        if let Some(session) = &task.session {
            if !force {
                return Err(KeptBecause::AtWork);
            }
            let (launch, process) = (session.launch, session.process().cloned());
            steps.push_back(record(Record::User { verb: UserVerb::Kill }));
            steps.extend(has_worktree.then_some(Step::Save));
            steps.push_back(effect(Effect::End { launch, process, mode: EndMode::Kill }));
            steps.push_back(effect(Effect::Forget { launch }));
            if task.status.is_open() {
                let reason = Some("killed by a person".to_owned());
                let ended = StatusRecord { reason, ..StatusRecord::new(task.status, Status::Error) };
                steps.push_back(record(Record::Status(ended)));
            }
        }
        if has_worktree {
            steps.extend([Step::Save, Step::Remove]);
        }
        let removal = RemoveSpec {
            task: spec.id.clone(),
            worktree: layout.worktree(&spec.id),
            branch: spec.branch.clone(),
            discard: false,
            delete_branch: task.status == Status::Merged,
        };
        Ok(Self {
            task: spec.id.clone(),
            steps,
            removal,
            attempt: task.attempt.number.max(AttemptNo(1)),
            force,
            unsaved: None,
        })
    }

    /// What is recorded next; an effect is then performed and its outcome judged. `None` when all is done.
    pub fn step(&mut self) -> Option<Record> {
        let effect = match self.steps.pop_front()? {
            Step::Record(record) => return Some(*record),
            Step::Save => {
                let (task, worktree) = (self.task.clone(), self.removal.worktree.clone());
                Effect::Save { task, attempt: self.attempt, worktree, partial: self.ends_an_agent() }
            }
            Step::Remove => Effect::Remove(self.removal.clone()),
        };
        Some(Record::Effect { effect })
    }

    /// Takes the outcome of an effect in.
    ///
    /// # Errors
    /// [`KeptBecause`]: the task stays as it is now, and no step follows.
    pub fn judge(&mut self, effect: &Effect, outcome: &Outcome) -> Result<(), KeptBecause> {
        let because: fn(String) -> KeptBecause = match effect {
            Effect::Save { .. } => KeptBecause::NotSaved,
            Effect::Remove(_) => KeptBecause::NotRemoved,
            _ => KeptBecause::NotEnded,
        };
        match (effect, outcome) {
            // What somebody took away by hand needs no saving and no ending.
            (Effect::Save { .. } | Effect::End { .. }, Outcome::Failed(Failure { kind: FailureKind::Missing, .. })) => {
                self.found_to_save(false);
            }
            // A person's word ends the agent all the same; the worktree stays.
            (Effect::Save { .. }, Outcome::Failed(failure)) if self.ends_an_agent() => {
                self.unsaved = Some(failure.message.clone());
            }
            (Effect::Save { .. }, Outcome::Saved(Some(saved))) if !saved.missing.is_empty() => {
                self.unsaved = Some(saved.missing.join(", "));
            }
            (_, Outcome::Failed(failure)) => return Err(self.keep(because(failure.message.clone()))),
            (Effect::End { .. }, Outcome::Ended(false)) => {
                return Err(self.keep(because("they are still there".to_owned())));
            }
            (_, Outcome::Unknown) => return Err(self.keep(because("what came of it is not known".to_owned()))),
            (Effect::Save { .. }, Outcome::Saved(saved)) => {
                self.unsaved = None;
                self.found_to_save(saved.is_some());
            }
            _ => {}
        }
        if self.unsaved.is_some() && !self.ends_an_agent() {
            let why = self.unsaved.take().unwrap_or_default();
            return Err(self.keep(KeptBecause::NotSaved(why)));
        }
        Ok(())
    }

    /// Whether an agent is still to be ended.
    fn ends_an_agent(&self) -> bool {
        let ends = |step: &Step| matches!(step, Step::Record(record) if !matches!(**record, Record::User { .. }));
        self.force && self.steps.iter().any(ends)
    }

    /// A branch on which there is more than what was merged stays beside its saved work.
    fn found_to_save(&mut self, found: bool) {
        self.removal.discard = found;
        self.removal.delete_branch &= !found;
    }

    fn keep(&mut self, because: KeptBecause) -> KeptBecause {
        self.steps.clear();
        because
    }
}

#[cfg(test)]
mod tests;
