//! Where things lie in a workdir, as pure paths.

use camino::{Utf8Path, Utf8PathBuf};

use crate::base::id::{AttemptNo, LaunchId, TaskId};

/// The paths of a workdir.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    root: Utf8PathBuf,
}

impl Layout {
    /// The layout below an absolute directory.
    pub fn new(root: impl Into<Utf8PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The workdir itself.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// A task's worktree: `task-<id>/`.
    pub fn worktree(&self, task: &TaskId) -> Utf8PathBuf {
        self.root.join(format!("task-{task}"))
    }

    /// The prompt of an attempt: `prompts/<id>-<attempt>.md`; of its later launches, with the launch added.
    pub fn prompt(&self, task: &TaskId, attempt: AttemptNo, launch: Option<LaunchId>) -> Utf8PathBuf {
        let suffix = launch.map(|launch| format!("-{launch}")).unwrap_or_default();
        self.root.join("prompts").join(format!("{task}-{attempt}{suffix}.md"))
    }

    /// The raw output of an attempt's sessions: `logs/<id>-<attempt>.log`.
    pub fn log(&self, task: &TaskId, attempt: AttemptNo) -> Utf8PathBuf {
        self.root.join("logs").join(format!("{task}-{attempt}.log"))
    }

    /// What a failed attempt printed last: `logs/<id>-<attempt>-error.log`.
    pub fn error_log(&self, task: &TaskId, attempt: AttemptNo) -> Utf8PathBuf {
        self.root.join("logs").join(format!("{task}-{attempt}-error.log"))
    }

    /// The output of a verify command: `logs/<id>-verify-<n>.log`, `n` being its launch.
    pub fn verify_log(&self, task: &TaskId, launch: LaunchId) -> Utf8PathBuf {
        self.root.join("logs").join(format!("{task}-verify-{launch}.log"))
    }

    /// Where agents' hooks leave their messages: `hooks/`.
    pub fn hooks(&self) -> Utf8PathBuf {
        self.root.join("hooks")
    }
}
