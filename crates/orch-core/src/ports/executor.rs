use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use crate::base::id::LaunchId;
use crate::base::time::{BootId, Millis};

/// Where agents run: starts argv in sessions that outlive their starter, and tells what became of them.
///
/// Seven calls. A session is identified by its [`LaunchId`], kept where the world keeps it; names
/// are for people. The implementation never sleeps to give an agent time: waits that input or ending
/// need are the core's.
#[async_trait]
pub trait Executor: Send + Sync {
    /// The executor's name in manifests: `tmux`, `pty`.
    fn name(&self) -> &'static str;

    /// What this executor can do.
    fn capabilities(&self) -> ExecutorCapabilities;

    /// Starts the argv directly (no shell) as a session, or returns the session that this launch
    /// already started, live or ended.
    async fn launch(&self, spec: &LaunchSpec) -> Result<Launched, ExecutorError>;

    /// Every session that carries our mark, live or ended and not yet forgotten. Sessions of others
    /// are never listed.
    async fn list(&self) -> Result<Vec<SessionInfo>, ExecutorError>;

    /// The rendered screens of the given sessions, in one round trip; unknown ones are left out.
    async fn look(&self, launches: &[LaunchId]) -> Result<Vec<ScreenView>, ExecutorError>;

    /// Types into a session. With `expected`, the screen is looked at first and the input refused as
    /// [`ExecutorError::Stale`] if it no longer has that fingerprint.
    async fn input(
        &self,
        launch: LaunchId,
        input: &SessionInput,
        expected: Option<Fingerprint>,
    ) -> Result<(), ExecutorError>;

    /// Ends a session's processes; the exit stays listed until [`Executor::forget`]. Returns `true`
    /// when they are proved gone. Works from [`EndSpec::process`] alone when the session is lost.
    async fn end(&self, spec: &EndSpec) -> Result<bool, ExecutorError>;

    /// Drops what is kept of an ended session. Unknown sessions are no error.
    async fn forget(&self, launch: LaunchId) -> Result<(), ExecutorError>;

    /// Waits until something happened and returns it; cancel-safe. Events wake, they do not prove:
    /// [`Executor::list`] and [`Executor::look`] say what is so.
    async fn events(&self) -> Vec<ExecutorEvent>;
}

/// What an executor can do beyond the seven calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecutorCapabilities {
    /// A person can attach a terminal to a session.
    pub attach: bool,
    /// Exit statuses survive the orchestrator.
    pub keeps_exits: bool,
}

/// One process to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchSpec {
    /// The launch's identity, also in the process's environment as `ORCH_LAUNCH`.
    pub launch: LaunchId,
    /// A label for people, such as `task-t1`; letters, digits, `_` and `-` only.
    pub name: String,
    /// Program and arguments; never empty, no NUL.
    pub argv: Vec<String>,
    /// The working directory, absolute.
    pub cwd: Utf8PathBuf,
    /// The whole environment of the process; nothing else is inherited but what the terminal needs (`TERM`).
    pub env: BTreeMap<String, String>,
    /// A file that becomes standard input instead of the terminal.
    pub stdin: Option<Utf8PathBuf>,
    /// The file to which the session's raw output is appended, created with mode 0600.
    pub log: Utf8PathBuf,
    /// Terminal size: columns, rows.
    pub size: (u16, u16),
}

/// A process in a way that survives pid reuse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// The process id; also its session and process group id when started by an executor.
    pub pid: u32,
    /// Start time as the kernel counts it (Linux: field 22 of `/proc/PID/stat`, in clock ticks after boot).
    pub started: u64,
    /// The boot that it belongs to.
    pub boot: BootId,
}

/// What a launch came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Launched {
    /// The session's name in the executor, for people.
    pub session: String,
    /// The started process; absent when it was gone before it could be looked at.
    pub process: Option<ProcessId>,
}

impl Launched {
    /// What was launched.
    pub fn new(session: impl Into<String>, process: Option<ProcessId>) -> Self {
        Self { session: session.into(), process }
    }
}

/// One session as the executor sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Which launch it is.
    pub launch: LaunchId,
    /// The session's name in the executor, for people.
    pub session: String,
    /// The launched process, while known.
    pub process: Option<ProcessId>,
    /// Whether it runs or how it ended.
    pub state: SessionState,
    /// A value that changes when the session prints something; equal values mean "nothing new was seen".
    pub activity: u64,
}

impl SessionInfo {
    /// A session whose process is not known and that printed nothing; set what is known besides.
    pub fn new(launch: LaunchId, session: impl Into<String>, state: SessionState) -> Self {
        Self { launch, session: session.into(), process: None, state, activity: 0 }
    }
}

/// Whether a session runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SessionState {
    /// Its process lives.
    Running,
    /// Its process ended.
    Exited(ExitStatus),
}

/// How a process ended; both absent when the executor could not learn it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ExitStatus {
    /// The exit code.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.signal) {
            (_, Some(signal)) => write!(f, "signal {signal}"),
            (Some(code), None) => write!(f, "exit {code}"),
            (None, None) => f.write_str("an unknown status"),
        }
    }
}

/// A session's screen, as a person would see it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScreenView {
    /// Which launch it is.
    pub launch: LaunchId,
    /// The visible rows and a bounded piece of history above them, right-trimmed, joined by newlines,
    /// without escape sequences.
    pub text: String,
    /// The terminal title, as set by the program.
    pub title: String,
    /// The foreground process's name, where known.
    pub process: String,
    /// The row of the cursor, counted from 0 in `text`'s lines, where known.
    pub cursor_row: Option<u32>,
}

impl ScreenView {
    /// A screen of which nothing but its text is known; set what is known besides.
    pub fn new(launch: LaunchId, text: impl Into<String>) -> Self {
        Self { launch, text: text.into(), title: String::new(), process: String::new(), cursor_row: None }
    }
}

/// A digest of what a screen shows; equal screens have equal fingerprints in every process and version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub u64);

impl Fingerprint {
    /// The fingerprint of a screen's text (FNV-1a, 64 bits; trailing blanks and blank rows at the end do not count).
    pub fn of(text: &str) -> Self {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for line in text.trim_end().lines() {
            for byte in line.trim_end().bytes().chain([b'\n']) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        Self(hash)
    }
}

/// What is typed into a session: first the text, then the keys.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionInput {
    /// Text delivered byte for byte, as a bracketed paste when the program asked for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Keys pressed after it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Key>,
}

/// A key on the keyboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Key {
    /// Return.
    Enter,
    /// Escape.
    Escape,
    /// Tab.
    Tab,
    /// Backspace.
    Backspace,
    /// Cursor up.
    Up,
    /// Cursor down.
    Down,
    /// Cursor left.
    Left,
    /// Cursor right.
    Right,
    /// A letter with Control, as in `Ctrl('c')`.
    Ctrl(char),
    /// A printable character.
    Char(char),
    /// No key: makes the program draw its screen anew (a resize there and back).
    Redraw,
}

/// Which session to end, and how hard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndSpec {
    /// Which launch it is.
    pub launch: LaunchId,
    /// The process recorded at launch, if any: ended even when the executor lost the session. A pid
    /// whose start time or boot differs is another process and is never touched.
    pub process: Option<ProcessId>,
    /// How hard.
    pub mode: EndMode,
    /// How long to wait for the proof before returning `false`.
    pub patience: Millis,
}

/// How hard to end a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EndMode {
    /// Hang-up and terminate the process group, and come back at once.
    Ask,
    /// Kill the process group and every process that carries this launch's `ORCH_LAUNCH` and
    /// `ORCH_WORKTREE` environment, and prove them gone.
    Kill,
}

/// Something happened in an executor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutorEvent {
    /// A session printed something.
    Output(LaunchId),
    /// A session's process ended.
    Exited(LaunchId),
    /// The executor died with all its sessions, or was found dead.
    Lost,
}

/// Why an executor could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecutorError {
    /// There is no such session.
    #[error("session of launch {launch} does not exist")]
    NotFound {
        /// The launch asked for.
        launch: LaunchId,
    },
    /// The screen is not the one that justified the input.
    #[error("the screen of launch {launch} changed since it was judged")]
    Stale {
        /// The launch asked for.
        launch: LaunchId,
    },
    /// The request can never work: a program that does not exist, a prompt too long for an argument.
    #[error("{what} was refused: {why}")]
    Refused {
        /// What was asked for.
        what: String,
        /// Why it cannot be.
        why: String,
    },
    /// The executor itself is not there or broke off; trying again may work.
    #[error("{executor} is not available: {why}")]
    Unavailable {
        /// The executor's name.
        executor: &'static str,
        /// What was seen.
        why: String,
    },
    /// The executor cannot do this at all.
    #[error("{executor} does not support {what}")]
    Unsupported {
        /// The executor's name.
        executor: &'static str,
        /// The missing ability.
        what: &'static str,
    },
}
