use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use orch_core::base::{LaunchId, Timestamp};
use orch_core::ports::{ExitStatus, ProcessId};
use serde::{Deserialize, Serialize};

/// What is known of one session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PtySession {
    /// Which launch it is.
    pub launch: LaunchId,
    /// Its name, for people.
    pub name: String,
    /// Program and arguments; what is longer than 1 KiB is cut and ends in `…`.
    pub argv: Vec<String>,
    /// The directory that it was started in.
    pub cwd: Utf8PathBuf,
    /// The launched process; absent when it was gone before it could be looked at.
    pub process: Option<ProcessId>,
    /// Whether it runs or what became of it.
    pub state: PtyState,
    /// When it was started.
    pub started_at: Timestamp,
    /// When it printed last.
    pub last_output_at: Option<Timestamp>,
    /// The file with its raw output.
    pub log: Utf8PathBuf,
    /// Bytes of output that could not be written to the log.
    pub log_lost: u64,
    /// Bytes of output so far: a value that changes whenever it prints.
    pub printed: u64,
    /// Columns and rows of its terminal.
    pub size: (u16, u16),
    /// The `ORCH_WORKTREE` of its environment, by which its processes are known.
    pub worktree: Option<String>,
    /// What the caller of the launch had kept with it.
    pub meta: BTreeMap<String, String>,
}

/// Whether a session runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PtyState {
    /// Its process lives.
    Running,
    /// Its process ended.
    Exited(ExitStatus),
    /// Its host died. Processes of it may have survived: [`crate::PtyExecutor`] ends them when asked to.
    Lost,
}

/// The host's part of a [`PtySession`] that changes with its output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Screen {
    pub(crate) launch: LaunchId,
    pub(crate) text: String,
    pub(crate) title: String,
    pub(crate) process: String,
    pub(crate) cursor_row: Option<u32>,
}
