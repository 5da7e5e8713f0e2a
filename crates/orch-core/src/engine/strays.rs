//! Sessions that no record knows: what may be their work is saved, then they are ended.

use super::{Orchestrator, Pass};
use crate::base::id::{AttemptNo, LaunchId, TaskId};
use crate::engine::input::SeenSession;
use crate::journal::effect::Effect;
use crate::journal::record::Record;
use crate::ports::{EndMode, ProcessId};

impl Orchestrator {
    /// A session that no record knows: what may be its work is saved, then it is ended.
    pub(super) fn end_stray(&mut self, pass: &mut Pass<'_>, session: SeenSession) {
        let SeenSession { launch, launched, .. } = session;
        match self.task_named(&launched.session) {
            Some((task, attempt)) => {
                let worktree = self.worktree(&task);
                self.sessions.strays.push((task.clone(), launch, launched.process));
                let effect = Effect::Save { task, attempt, worktree, partial: true };
                self.record(pass, None, Record::Effect { effect });
            }
            None => self.end_saved_stray(pass, launch, launched.process),
        }
    }

    /// The task whose agent a session is, by its label, and the attempt that its work counts as.
    fn task_named(&self, session: &str) -> Option<(TaskId, AttemptNo)> {
        // tmux has no dots in names.
        let is_it = |id: &TaskId| {
            session
                .strip_prefix("task-")
                .is_some_and(|name| name == id.as_str() || name == id.as_str().replace('.', "_"))
        };
        let (id, task) = self.state.tasks.iter().find(|(id, _)| is_it(id))?;
        Some((id.clone(), task.attempt.number.max(AttemptNo(1))))
    }

    fn end_saved_stray(&mut self, pass: &mut Pass<'_>, launch: LaunchId, process: Option<ProcessId>) {
        let effect = Effect::End { launch, process, mode: EndMode::Kill };
        self.record(pass, None, Record::Effect { effect });
    }

    /// Ends the sessions that no record knows and whose work is saved by now; where it could not be, they are left
    /// alone, and the next orchestrator tries again.
    pub(super) fn on_stray_saved(&mut self, pass: &mut Pass<'_>, task: &TaskId, saved: bool) {
        let strays = std::mem::take(&mut self.sessions.strays);
        let (its, others) = strays.into_iter().partition(|(of, ..)| of == task);
        self.sessions.strays = others;
        let its: Vec<_> = its;
        for (_, launch, process) in its.into_iter().filter(|_| saved) {
            self.end_saved_stray(pass, launch, process);
        }
    }
}
