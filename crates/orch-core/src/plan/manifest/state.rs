//! The state fields of a task in the manifest: read as facts, written as a projection.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::base::id::{PullNumber, TaskId};
use crate::base::time::Timestamp;
use crate::plan::status::Status;

/// A task's state as the manifest shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ProjectedTask {
    /// Where it stands.
    pub status: Status,
    /// Its worktree.
    pub worktree: Option<String>,
    /// Its tmux session.
    pub tmux_session: Option<String>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it last got further.
    pub last_progress: Option<Timestamp>,
    /// When it was verified.
    pub completed_at: Option<Timestamp>,
    /// Its pull request.
    pub pr_number: Option<PullNumber>,
    /// Its session in the executor.
    pub session: Option<String>,
    /// How many attempts were begun.
    pub attempts: u32,
    /// Whether a person is needed.
    pub needs_human: bool,
    /// Why a person is needed.
    pub reason: Option<String>,
    /// Whether others need not wait for it.
    pub skipped: bool,
    /// Whether it is left alone.
    pub paused: bool,
}

impl Default for ProjectedTask {
    fn default() -> Self {
        Self {
            status: Status::Pending,
            worktree: None,
            tmux_session: None,
            started_at: None,
            last_progress: None,
            completed_at: None,
            pr_number: None,
            session: None,
            attempts: 0,
            needs_human: false,
            reason: None,
            skipped: false,
            paused: false,
        }
    }
}

/// A task's state as it was written in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ImportedTask {
    /// Which task.
    pub id: TaskId,
    /// What its state fields say; absent ones are as for a task that has not begun.
    #[serde(flatten)]
    pub state: ProjectedTask,
}

/// What [`Manifest::render`](super::Manifest::render) writes over the state fields.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Projection {
    /// The state of each task; the others keep what the document says.
    pub tasks: BTreeMap<TaskId, ProjectedTask>,
    /// Where the tmux server listens; `None` keeps what the document says.
    pub socket: Option<String>,
    /// The record's number and the journal's length that the states show; `None` keeps what the document says.
    pub journal: Option<(u64, u64)>,
}

impl ProjectedTask {
    /// The fields as the manifest has them, in its order, each with whether it is written even where
    /// it says nothing: the fields that plans are written with are, orch's own are not.
    pub(crate) fn fields(&self) -> [(&'static str, Value, bool); 13] {
        let time = |time: Option<Timestamp>| json!(time.map(|time| time.to_string()));
        [
            ("status", json!(self.status.as_str()), true),
            ("worktree", json!(self.worktree), true),
            ("tmuxSession", json!(self.tmux_session), true),
            ("startedAt", time(self.started_at), true),
            ("lastProgress", time(self.last_progress), true),
            ("completedAt", time(self.completed_at), true),
            ("prNumber", json!(self.pr_number.map(|number| number.0)), true),
            ("session", json!(self.session), self.session.is_some()),
            ("attempts", json!(self.attempts), self.attempts > 0),
            ("needsHuman", json!(self.needs_human), self.needs_human),
            ("reason", json!(self.reason), self.reason.is_some()),
            ("skipped", json!(self.skipped), self.skipped),
            ("paused", json!(self.paused), self.paused),
        ]
    }
}
