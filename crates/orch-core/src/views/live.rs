//! What is seen of live sessions just now.

use serde::{Deserialize, Serialize};

use crate::base::id::TaskId;
use crate::base::text::one_line;
use crate::base::time::AwakeMs;
use crate::engine::Orchestrator;

/// What is seen of a task's live session just now. Nothing of it is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveView {
    /// The task.
    pub task: TaskId,
    /// Awake time of the last change on its screen.
    pub changed_at: AwakeMs,
    /// The last line of its screen that says something, cleaned; foreign text.
    pub line: Option<String>,
}

impl Orchestrator {
    /// What this process sees of every live session.
    pub fn live_views(&self) -> Vec<LiveView> {
        let seen = self.observed().map(|(task, observed)| {
            let line = observed.text().and_then(|text| text.lines().rev().find(|line| !line.trim().is_empty()));
            LiveView { task: task.clone(), changed_at: observed.changed_at, line: line.map(one_line) }
        });
        seen.collect()
    }
}
