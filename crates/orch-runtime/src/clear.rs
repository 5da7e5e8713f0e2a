//! Takes down what a fleet left behind: sessions and worktrees, without ever dropping work.

use std::collections::BTreeMap;
use std::fmt;

use orch_core::{
    AttemptNo, Effect, EffectId, EndMode, Entry, ExecutorError, FailureKind, LaunchId, Layout, Outcome, Ports, Record,
    RemoveSpec, Seq, SessionInfo, SessionState, State, Status, StatusRecord, TaskId, TaskSpec, UserVerb,
};

use crate::clock::SystemClock;
use crate::journal::{Journal, JournalError};

/// What was taken down and what was not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cleared {
    /// Tasks whose agent was ended.
    pub ended: Vec<TaskId>,
    /// Tasks whose worktree was removed.
    pub removed: Vec<TaskId>,
    /// References that now hold work that was nowhere else.
    pub saved: Vec<String>,
    /// What stays, and why.
    pub kept: Vec<Kept>,
}

/// Something that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The task; `None` for a session that the journal does not know.
    pub task: Option<TaskId>,
    /// Why.
    pub because: KeptBecause,
}

/// Why something stays.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// Why taking down broke off.
#[derive(Debug, thiserror::Error)]
pub enum ClearError {
    /// What was about to be done could not be recorded, so it was not done.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Sessions could not be listed or dropped.
    #[error(transparent)]
    Executor(#[from] ExecutorError),
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

/// Ends sessions and removes worktrees; only for the lock holder, with no drive under way.
///
/// Every step is recorded before it begins, so that the next drive knows what is gone and makes it anew
/// where a task goes on. Sessions that are not over, and worktrees of their tasks, stay unless `force`;
/// with it uncommitted work is saved first. A worktree with work that is nowhere else stays in any case.
///
/// # Errors
/// [`ClearError`]; what was done until then is recorded.
pub async fn clear(
    journal: &mut Journal<Entry>,
    state: State,
    ports: &Ports,
    layout: &Layout,
    force: bool,
) -> Result<Cleared, ClearError> {
    let listed = ports.executor.list().await?.into_iter().map(|info| (info.launch, info)).collect();
    let tasks = state.plan.as_ref().map(|plan| plan.tasks.clone()).unwrap_or_default();
    let mut clearing = Clearing {
        journal,
        state,
        ports,
        layout,
        force,
        listed,
        clock: SystemClock::new(),
        cleared: Cleared::default(),
    };
    for spec in &tasks {
        match clearing.task(spec).await {
            Ok(()) => {}
            Err(Halt::Kept(because)) => clearing.cleared.kept.push(Kept { task: Some(spec.id.clone()), because }),
            Err(Halt::Broken(error)) => return Err(error.into()),
        }
    }
    clearing.strangers().await?;
    Ok(clearing.cleared)
}

struct Clearing<'a> {
    journal: &'a mut Journal<Entry>,
    state: State,
    ports: &'a Ports,
    layout: &'a Layout,
    force: bool,
    /// Sessions that no task was found for yet.
    listed: BTreeMap<LaunchId, SessionInfo>,
    clock: SystemClock,
    cleared: Cleared,
}

/// Why a task was not taken down to the end.
enum Halt {
    Kept(KeptBecause),
    Broken(JournalError),
}

impl From<JournalError> for Halt {
    fn from(error: JournalError) -> Self {
        Self::Broken(error)
    }
}

impl Clearing<'_> {
    async fn task(&mut self, spec: &TaskSpec) -> Result<(), Halt> {
        let Some(task) = self.state.tasks.get(&spec.id) else { return Ok(()) };
        let has_worktree = task.prepared.is_some() && !task.removed;
        let attempt = task.attempt.max(AttemptNo(1));
        let (status, session) = (task.status, task.session.clone());
        if let Some(session) = &session {
            self.listed.remove(&session.launch);
            if !self.force {
                return Err(Halt::Kept(KeptBecause::AtWork));
            }
            self.record(Some(&spec.id), Record::User { verb: UserVerb::Kill })?;
            self.save(spec, attempt, has_worktree).await?;
            self.end(spec, session.launch, session.process().cloned()).await?;
            if status.is_open() {
                let reason = Some("killed by a person".to_owned());
                let ended = StatusRecord { reason, ..StatusRecord::new(status, Status::Error) };
                self.record(Some(&spec.id), Record::Status(ended))?;
            }
        }
        if !has_worktree {
            return Ok(());
        }
        // What a dying process still wrote is saved too.
        let saved = self.force && self.save(spec, attempt, true).await?;
        let remove = RemoveSpec {
            task: spec.id.clone(),
            worktree: self.layout.worktree(&spec.id),
            branch: spec.branch.clone(),
            discard: saved,
            delete_branch: status == Status::Merged,
        };
        if let Outcome::Failed(failure) = self.perform(&spec.id, Effect::Remove(remove)).await? {
            return Err(Halt::Kept(KeptBecause::NotRemoved(failure.message)));
        }
        self.cleared.removed.push(spec.id.clone());
        Ok(())
    }

    /// Saves uncommitted work; whether there was any.
    async fn save(&mut self, spec: &TaskSpec, attempt: AttemptNo, has_worktree: bool) -> Result<bool, Halt> {
        if !has_worktree {
            return Ok(false);
        }
        let worktree = self.layout.worktree(&spec.id);
        let effect = Effect::Save { task: spec.id.clone(), attempt, worktree };
        match self.perform(&spec.id, effect).await? {
            Outcome::Saved(Some(saved)) => {
                if !self.cleared.saved.contains(&saved.reference) {
                    self.cleared.saved.push(saved.reference);
                }
                Ok(true)
            }
            // A worktree that somebody removed by hand holds nothing to save.
            Outcome::Failed(failure) if failure.kind != FailureKind::Missing => {
                Err(Halt::Kept(KeptBecause::NotSaved(failure.message)))
            }
            _ => Ok(false),
        }
    }

    async fn end(
        &mut self,
        spec: &TaskSpec,
        launch: LaunchId,
        process: Option<orch_core::ProcessId>,
    ) -> Result<(), Halt> {
        let end = Effect::End { launch, process, mode: EndMode::Kill };
        let not_ended = |why: &str| Err(Halt::Kept(KeptBecause::NotEnded(why.to_owned())));
        match self.perform(&spec.id, end).await? {
            Outcome::Failed(failure) if failure.kind != FailureKind::Missing => return not_ended(&failure.message),
            Outcome::Ended(false) => return not_ended("they are still there"),
            _ => {}
        }
        if let Outcome::Failed(failure) = self.perform(&spec.id, Effect::Forget { launch }).await? {
            return not_ended(&failure.message);
        }
        self.cleared.ended.push(spec.id.clone());
        Ok(())
    }

    /// Sessions with our mark that no task has: what ended is dropped, what runs is for a person.
    async fn strangers(&mut self) -> Result<(), ClearError> {
        for (launch, info) in std::mem::take(&mut self.listed) {
            if info.state == SessionState::Running {
                self.cleared.kept.push(Kept { task: None, because: KeptBecause::AtWork });
            } else {
                self.ports.executor.forget(launch).await?;
            }
        }
        Ok(())
    }

    /// Performs an effect between the two records that stand for it.
    async fn perform(&mut self, task: &TaskId, effect: Effect) -> Result<Outcome, JournalError> {
        let id = EffectId(self.record(Some(task), Record::Effect { effect: effect.clone() })?.0);
        let outcome = self.ports.perform(&effect, None).await;
        self.record(Some(task), Record::Done { effect: id, outcome: outcome.clone() })?;
        Ok(outcome)
    }

    fn record(&mut self, task: Option<&TaskId>, record: Record) -> Result<Seq, JournalError> {
        let (seq, now) = (Seq(self.journal.cursor().seq + 1), self.clock.now());
        let entry = Entry { seq, timestamp: now.wall, awake: now.awake, task: task.cloned(), record };
        self.journal.append(std::slice::from_ref(&entry))?;
        self.state.apply(&entry);
        Ok(seq)
    }
}

#[cfg(test)]
mod tests;
