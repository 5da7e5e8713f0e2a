//! Takes down what a fleet left behind: sessions and worktrees, without ever dropping work.

use std::collections::BTreeMap;

use orch_core::base::{EffectId, LaunchId, Layout, Seq, TaskId};
use orch_core::cleanup::{Clearing, KeptBecause};
use orch_core::engine::Ports;
use orch_core::journal::{Effect, Entry, Outcome, Record};
use orch_core::plan::TaskSpec;
use orch_core::ports::{ExecutorError, SessionInfo, SessionState};
use orch_core::state::State;

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

/// Ends sessions and removes worktrees; only for the lock holder, with no drive under way.
///
/// Every step is recorded before it begins, so that the next drive knows what is gone and makes it anew
/// where a task goes on. What may go is decided by [`Clearing`]: sessions that are not over, and worktrees of
/// their tasks, stay unless `force`; uncommitted work is saved before anything goes.
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
    let mut yard =
        Yard { journal, state, ports, layout, force, listed, clock: SystemClock::new(), cleared: Cleared::default() };
    for spec in &tasks {
        match yard.task(spec).await {
            Ok(()) => {}
            Err(Halt::Kept(because)) => yard.cleared.kept.push(Kept { task: Some(spec.id.clone()), because }),
            Err(Halt::Broken(error)) => return Err(error.into()),
        }
    }
    yard.strangers().await?;
    Ok(yard.cleared)
}

struct Yard<'a> {
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

impl Yard<'_> {
    async fn task(&mut self, spec: &TaskSpec) -> Result<(), Halt> {
        let Some(task) = self.state.tasks.get(&spec.id) else { return Ok(()) };
        if let Some(session) = &task.session {
            self.listed.remove(&session.launch);
        }
        let mut clearing = Clearing::of(spec, task, self.layout, self.force).map_err(Halt::Kept)?;
        while let Some(record) = clearing.step() {
            let Record::Effect { effect } = record else {
                self.record(Some(&spec.id), record)?;
                continue;
            };
            let outcome = self.perform(&spec.id, effect.clone()).await?;
            clearing.judge(&effect, &outcome).map_err(Halt::Kept)?;
            self.note(&spec.id, &effect, outcome);
        }
        Ok(())
    }

    /// Notes for people what an effect did.
    fn note(&mut self, task: &TaskId, effect: &Effect, outcome: Outcome) {
        match (effect, outcome) {
            (Effect::Save { .. }, Outcome::Saved(Some(saved))) if !self.cleared.saved.contains(&saved.reference) => {
                self.cleared.saved.push(saved.reference);
            }
            (Effect::Forget { .. }, _) => self.cleared.ended.push(task.clone()),
            (Effect::Remove(_), _) => self.cleared.removed.push(task.clone()),
            _ => {}
        }
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
