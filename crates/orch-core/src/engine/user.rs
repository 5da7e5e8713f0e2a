//! What people say: checked here, remembered, and carried out by what follows from the state.

use super::{Orchestrator, Pass};
use crate::base::id::TaskId;
use crate::journal::record::{Record, UserVerb};
use crate::plan::status::Status;

/// Why the engine does not do what a person said; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no such task.
    #[error("there is no task {0}; `orch status` lists them")]
    UnknownTask(TaskId),
    /// The verb needs a task.
    #[error("{0} needs a task")]
    NeedsTask(&'static str),
    /// A plan that cannot be taken.
    #[error("the plan cannot be taken: {0}")]
    Plan(String),
    /// It cannot be done in this status.
    #[error("{task} is {status}: {why}")]
    NotNow {
        /// The task.
        task: TaskId,
        /// Its status.
        status: Status,
        /// What stands against it, and what to do instead.
        why: &'static str,
    },
}

impl Orchestrator {
    pub(super) fn on_user(
        &mut self,
        pass: &mut Pass<'_>,
        task: Option<&TaskId>,
        verb: UserVerb,
    ) -> Result<String, Refusal> {
        let Some(id) = task else { return self.on_user_for_all(pass, verb) };
        let Some(state) = self.state.tasks.get(id) else { return Err(Refusal::UnknownTask(id.clone())) };
        if let Some(why) = objection(state, &verb) {
            return Err(Refusal::NotNow { task: id.clone(), status: state.status, why });
        }
        self.record(pass, Some(id.clone()), Record::User { verb: verb.clone() });
        if verb == UserVerb::Resume {
            self.sessions.rebase(self.launch_of(id), pass.now);
        }
        self.worktrees.forget_fix(id);
        self.worktrees.no_early_push.remove(id);
        Ok(match verb {
            UserVerb::Kill => {
                format!("{id}: its work is being saved and its agent ended; `orch retry {id}` starts it again")
            }
            UserVerb::Retry => format!("{id} is tried again"),
            UserVerb::Publish => format!("{id} goes on to be published"),
            UserVerb::Pause => format!("{id} is paused; `orch resume {id}` goes on"),
            UserVerb::Resume => format!("{id} goes on"),
            UserVerb::Skip => self.skipped_answer(id),
            UserVerb::Send { .. } => format!("typed into {id}"),
            UserVerb::Attach => format!("attached to {id}"),
        })
    }

    fn skipped_answer(&self, id: &TaskId) -> String {
        let builds_on =
            |task: &crate::state::TaskState| task.work.contains.contains_key(id) && task.status != Status::Merged;
        let tasks = self.state.tasks.iter().filter(|(other, task)| *other != id && builds_on(task));
        let behind: Vec<&str> = tasks.map(|(other, _)| other.as_str()).collect();
        let said = format!("{id} is skipped; others may pass it, `orch retry {id}` undoes it");
        match behind.as_slice() {
            [] => said,
            names => format!(
                "{said}; built on it already and not merged without it: {}, until its pull request is merged or the \
                 skip is undone",
                names.join(", ")
            ),
        }
    }

    fn launch_of(&self, id: &TaskId) -> Option<crate::base::id::LaunchId> {
        Some(self.state.tasks.get(id)?.session.as_ref()?.launch)
    }

    fn on_user_for_all(&mut self, pass: &mut Pass<'_>, verb: UserVerb) -> Result<String, Refusal> {
        match verb {
            UserVerb::Pause | UserVerb::Resume => {
                let said = if verb == UserVerb::Pause {
                    "everything is paused; `orch resume` goes on"
                } else {
                    "everything goes on"
                };
                if verb == UserVerb::Resume {
                    self.sessions.rebase(None, pass.now);
                }
                self.record(pass, None, Record::User { verb });
                pass.dirty.extend(self.state.tasks.keys().cloned());
                Ok(said.to_owned())
            }
            UserVerb::Kill => {
                let open: Vec<TaskId> =
                    self.state.tasks.iter().filter(|(_, task)| task.is_under_way()).map(|(id, _)| id.clone()).collect();
                self.record(pass, None, Record::User { verb });
                for id in &open {
                    self.queues.note(&self.state, &self.graph, id, &mut pass.dirty);
                    pass.dirty.insert(id.clone());
                }
                Ok(format!("{} agents are being ended, their work saved", open.len()))
            }
            UserVerb::Publish => {
                let waiting = self.state.tasks.iter().filter(|(_, task)| task.waits_to_publish());
                let waiting: Vec<TaskId> = waiting.map(|(id, _)| id.clone()).collect();
                if waiting.is_empty() {
                    return Ok("nothing verified waits for a person".to_owned());
                }
                self.record(pass, None, Record::User { verb });
                for id in &waiting {
                    self.worktrees.forget_fix(id);
                    self.queues.note(&self.state, &self.graph, id, &mut pass.dirty);
                    pass.dirty.insert(id.clone());
                }
                let names: Vec<&str> = waiting.iter().map(TaskId::as_str).collect();
                Ok(format!("{} goes on to be published", names.join(", ")))
            }
            UserVerb::Retry => Err(Refusal::NeedsTask("retry")),
            UserVerb::Skip => Err(Refusal::NeedsTask("skip")),
            UserVerb::Send { .. } => Err(Refusal::NeedsTask("send")),
            UserVerb::Attach => Err(Refusal::NeedsTask("attach")),
        }
    }
}

/// What stands against a verb, if anything does.
fn objection(task: &crate::state::TaskState, verb: &UserVerb) -> Option<&'static str> {
    let live = task.session.as_ref().is_some_and(crate::state::Session::is_live);
    match verb {
        UserVerb::Kill | UserVerb::Retry | UserVerb::Skip if task.status == Status::Merged => {
            Some("it is merged, and that is final")
        }
        UserVerb::Kill if !task.status.is_open() && task.session.is_none() => {
            Some("no agent works on it; `orch pause` or `orch skip` keep it from going on")
        }
        UserVerb::Send { .. } | UserVerb::Attach if !live => Some("it has no live session"),
        UserVerb::Publish if !task.waits_to_publish() => Some("nothing verified of it waits for a person"),
        UserVerb::Retry if !retriable(task) => Some("there is nothing to retry"),
        _ => None,
    }
}

fn retriable(task: &crate::state::TaskState) -> bool {
    task.needs_human || task.skipped || task.status == Status::Error || task.status.is_open()
}
