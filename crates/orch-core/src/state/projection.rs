//! The state as the manifest shows it, and which edits of the manifest can be taken.

use std::collections::BTreeMap;

use crate::base::id::{AttemptNo, TaskId};
use crate::base::layout::Layout;
use crate::journal::record::ImportedState;
use crate::plan::manifest::{ImportedTask, Manifest, ProjectedTask, diff};
use crate::plan::spec::{ExecutorKind, Plan};
use crate::plan::status::Status;
use crate::state::{State, TaskState};

/// Why an edit of the manifest cannot be taken; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", faults.join("; "))]
pub struct EditRefusal {
    /// What cannot be taken, each with what to do instead.
    pub faults: Vec<String>,
}

/// An edit of the manifest that can be taken.
#[derive(Debug, Clone)]
pub struct TakenEdit {
    /// The manifest with the edit and everything that it did not know yet.
    pub manifest: Manifest,
    /// What it changes of the plan, in words; `None` when it changes nothing.
    pub change: Option<String>,
}

impl State {
    /// Judges a manifest that somebody wrote: what they changed is what differs from the state `then`,
    /// which is the fold of the journal up to the manifest's own mark. Whatever the plan got since is no
    /// change of theirs, and neither are state fields that are merely old. A manifest without a mark
    /// (`then` is `None`) is an edit of the plan as of now, and its state fields say nothing.
    ///
    /// # Errors
    /// [`EditRefusal`] with everything that cannot be taken; state fields that say what they never said.
    pub fn judge_edit(
        &self,
        then: Option<&Self>,
        file: Manifest,
        layout: &Layout,
        running: bool,
    ) -> Result<TakenEdit, EditRefusal> {
        let mut manifest = file;
        if let (Some(then), Some(now)) = (then, &self.plan) {
            if let Some(task) = self.changed_state(then, &manifest, layout) {
                return Err(EditRefusal {
                    faults: vec![format!(
                        "the state fields of {task} are orch's; `orch retry|skip|pause|kill {task}` change what they show"
                    )],
                });
            }
            manifest = manifest.brought_forward(then.plan.as_ref().unwrap_or(now), now).map_err(|problems| {
                let faults = problems.iter().take(5).map(|problem| {
                    format!("with what was changed since it was read, the manifest has a fault: {problem}")
                });
                EditRefusal { faults: faults.collect() }
            })?;
        }
        let change = self.edit(manifest.plan(), running)?;
        Ok(TakenEdit { manifest, change })
    }

    /// A task with a state field that shows neither what was so then nor what is so now.
    fn changed_state(&self, then: &Self, file: &Manifest, layout: &Layout) -> Option<TaskId> {
        let shown =
            |state: &Self, id: &TaskId| state.tasks.get(id).map(|task| task.project(id, layout, state.last_executor()));
        let differs = |task: &&ImportedTask| {
            let (then, now) = match (shown(then, &task.id), shown(self, &task.id)) {
                (None, None) => return task.import().is_some(),
                (then, now) => (then.unwrap_or_default(), now.unwrap_or_default()),
            };
            if task.state == then {
                return false;
            }
            let known = then.fields().into_iter().zip(now.fields());
            task.state.fields().iter().zip(known).any(|(field, (then, now))| *field != then && *field != now)
        };
        file.imported().iter().find(differs).map(|task| task.id.clone())
    }

    /// Every task's state as the manifest shows it.
    pub fn project(&self, layout: &Layout, executor: ExecutorKind) -> BTreeMap<TaskId, ProjectedTask> {
        self.tasks.iter().map(|(id, task)| (id.clone(), task.project(id, layout, executor))).collect()
    }

    /// What an edit of the plan changes, in words; `None` when it changes nothing.
    ///
    /// With no orchestrator running, settings may change and every task that has not begun. Beside a
    /// running one tasks may be added, and those that have not begun may change.
    ///
    /// # Errors
    /// [`EditRefusal`] with everything that cannot be taken.
    pub fn edit(&self, plan: &Plan, running: bool) -> Result<Option<String>, EditRefusal> {
        let Some(old) = &self.plan else { return Ok(Some("the first plan".to_owned())) };
        let change = diff(old, plan);
        if change.is_empty() {
            return Ok(None);
        }
        let begun = |id: &TaskId| self.tasks.get(id).is_some_and(|task| task.status.has_begun());
        let mut faults = Vec::new();
        for id in change.removed.iter().filter(|id| begun(id)) {
            faults.push(format!("{id} has begun and cannot be removed; `orch skip {id}` lets others pass it"));
        }
        for (id, fields) in change.changed.iter().filter(|(id, _)| begun(id)) {
            let fields = fields.join(", ");
            faults.push(format!(
                "{id} has begun, so its {fields} cannot change; `orch kill {id}` ends it, `orch add` makes another task"
            ));
        }
        if running && !change.settings.is_empty() {
            let settings = change.settings.join(", ");
            faults.push(format!("{settings} cannot change while an orchestrator runs; `orch stop`, edit, `orch run`"));
        }
        if running && change.phases_changed && !plan.phases.starts_with(&old.phases) {
            faults.push("phases cannot change while an orchestrator runs, but for new ones at the end; `orch stop`, edit, `orch run`".to_owned());
        }
        if !faults.is_empty() {
            return Err(EditRefusal { faults });
        }
        let list = |what: &str, ids: Vec<&TaskId>| {
            let ids: Vec<&str> = ids.into_iter().map(TaskId::as_str).collect();
            (!ids.is_empty()).then(|| format!("{what} {}", ids.join(", ")))
        };
        let said = [
            list("added", change.added.iter().collect()),
            list("removed", change.removed.iter().collect()),
            list("changed", change.changed.iter().map(|(id, _)| id).collect()),
            (!change.settings.is_empty()).then(|| format!("settings {}", change.settings.join(", "))),
            change.phases_changed.then(|| "phases".to_owned()),
        ];
        Ok(Some(said.into_iter().flatten().collect::<Vec<_>>().join("; ")))
    }
}

impl TaskState {
    /// Its state as the manifest shows it.
    pub fn project(&self, id: &TaskId, layout: &Layout, executor: ExecutorKind) -> ProjectedTask {
        let session = self.session.as_ref().and_then(|session| session.launched.as_ref());
        let session = session.map(|launched| launched.session.clone());
        let worktree = self.worktree.is_there();
        ProjectedTask {
            status: self.status,
            worktree: worktree.then(|| layout.worktree(id).into_string()),
            tmux_session: session.clone().filter(|_| executor == ExecutorKind::Tmux),
            started_at: self.times.started_at,
            last_progress: self.times.last_progress,
            completed_at: self.times.completed_at,
            pr_number: self.publication.pull.as_ref().map(|pull| pull.number),
            session,
            attempts: self.attempt.number.0,
            needs_human: self.needs_human,
            reason: self.reason.clone(),
            skipped: self.skipped,
            paused: self.paused,
        }
    }
}

impl ImportedTask {
    /// The state to take in when there is no journal; `None` for a task that has not begun and carries no mark.
    pub fn import(&self) -> Option<ImportedState> {
        let state = &self.state;
        let fresh = matches!(state.status, Status::Pending | Status::Blocked)
            && !state.skipped
            && !state.paused
            && !state.needs_human;
        (!fresh).then(|| ImportedState {
            status: state.status,
            attempt: AttemptNo(state.attempts),
            pull: state.pr_number,
            needs_human: state.needs_human,
            reason: state.reason.clone(),
            skipped: state.skipped,
            paused: state.paused,
        })
    }
}
