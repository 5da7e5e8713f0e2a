//! Exit codes, and what went wrong with what to do about it: every kind of error has its place here.

use std::fmt::Display;
use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::{IdError, TaskId, escape_line};
use orch_core::engine::Unworkable;
use orch_core::plan::{Cycle, Problem};
use orch_core::ports::{ExecutorError, ForgeError, VcsError};
use orch_fleet::FleetError;
use orch_runtime::{
    ClearError, ControlError, ControlRefusal, DriveError, FileError, JournalError, LockError, NotifyError,
    SettingsError, WorkdirError,
};

/// How a person lets hooks run.
pub(crate) const HOOKS: &str =
    "`[git] hooks = true` in orch.toml has the repository's own hooks run on commit and push, without tokens";

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// The goal is reached, or there was nothing to do.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// Bad usage or bad input; nothing was changed.
    Input = 2,
    /// It stopped because a person is needed.
    NeedsPerson = 3,
    /// Another orchestrator holds the workdir.
    Held = 4,
    /// A person interrupted it.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// What was given cannot be; nothing was changed.
    #[error("{message}")]
    Input { message: String, help: Option<String> },
    /// The system refused something that no other kind names.
    #[error("{message}")]
    System { message: String },
    /// A manifest cannot be.
    #[error("{}", problem_text(path, problems))]
    Manifest { path: Utf8PathBuf, problems: Vec<Problem> },
    /// There is no such task.
    #[error("there is no task {task}")]
    UnknownTask { task: TaskId, known: Vec<TaskId> },
    /// Whoever read our output went away.
    #[error("nobody reads the output")]
    NobodyReads,
    #[error(transparent)]
    Fleet(FleetError),
    #[error(transparent)]
    Workdir(#[from] WorkdirError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(transparent)]
    Drive(#[from] DriveError),
    #[error(transparent)]
    Clear(#[from] ClearError),
    #[error(transparent)]
    Notify(#[from] NotifyError),
    #[error(transparent)]
    Vcs(#[from] VcsError),
    #[error(transparent)]
    Forge(#[from] ForgeError),
    #[error(transparent)]
    Executor(#[from] ExecutorError),
    #[error(transparent)]
    Id(#[from] IdError),
    #[error("tasks wait for each other: {0}")]
    Cycle(#[from] Cycle),
}

impl Failure {
    /// What was given cannot be.
    pub(crate) fn input(message: impl Display) -> Self {
        Self::Input { message: message.to_string(), help: None }
    }

    /// The system refused something.
    pub(crate) fn other(message: impl Display) -> Self {
        Self::System { message: message.to_string() }
    }

    /// A manifest cannot be.
    pub(crate) fn problems(path: &Utf8Path, problems: Vec<Problem>) -> Self {
        Self::Manifest { path: path.to_owned(), problems }
    }

    /// Adds what to do about bad input.
    pub(crate) fn help(self, help: impl Display) -> Self {
        match self {
            Self::Input { message, .. } => Self::Input { message, help: Some(help.to_string()) },
            other => other,
        }
    }

    /// How the command ends, and what to do about it.
    pub(crate) fn verdict(&self) -> (Exit, Option<String>) {
        match self {
            Self::Input { help, .. } => (Exit::Input, help.clone()),
            Self::System { .. } | Self::File(_) | Self::Lock(LockError::File(_)) | Self::Notify(_) => {
                (Exit::Failed, None)
            }
            Self::Manifest { .. } => (Exit::Input, Some("`orch schema` says what a manifest may hold".to_owned())),
            Self::UnknownTask { known, .. } => (Exit::Input, Some(known_text(known))),
            Self::NobodyReads => (Exit::Done, None),
            Self::Fleet(error) => of_fleet(error),
            Self::Workdir(error) => of_workdir(error),
            Self::Settings(_) => {
                (Exit::Input, Some("nothing was changed; correct the settings and try again".to_owned()))
            }
            Self::Journal(error)
            | Self::Drive(DriveError::Journal(error))
            | Self::Clear(ClearError::Journal(error)) => of_journal(error),
            Self::Drive(DriveError::File(_)) => {
                (Exit::Failed, Some("agents go on; `orch run` takes over where this one was".to_owned()))
            }
            Self::Lock(LockError::Held { .. } | LockError::Busy { .. }) => (Exit::Held, None),
            Self::Control(error) => of_control(error),
            Self::Vcs(error) => of_vcs(error),
            Self::Forge(error) => of_forge(error),
            Self::Executor(error) | Self::Clear(ClearError::Executor(error)) => of_executor(error),
            Self::Id(_) => (Exit::Input, Some("`orch status` lists the tasks".to_owned())),
            Self::Cycle(_) => (Exit::Input, Some("take one of the edges out: `orch graph` draws them".to_owned())),
        }
    }
}

/// What has a kind of its own here is that kind.
impl From<FleetError> for Failure {
    fn from(error: FleetError) -> Self {
        match error {
            FleetError::Manifest { path, problems } => Self::Manifest { path, problems },
            FleetError::Workdir(error) => Self::Workdir(error),
            FleetError::Settings(error) => Self::Settings(error),
            FleetError::Journal(error) => Self::Journal(error),
            FleetError::File(error) => Self::File(error),
            FleetError::Lock(error) => Self::Lock(error),
            FleetError::Control(error) => Self::Control(error),
            FleetError::Drive(error) => Self::Drive(error),
            FleetError::Clear(error) => Self::Clear(error),
            FleetError::Vcs(error) => Self::Vcs(error),
            FleetError::Forge(error) => Self::Forge(error),
            FleetError::Executor(error) => Self::Executor(error),
            FleetError::Unworkable(Unworkable::Cycle(error)) => Self::Cycle(error),
            FleetError::NoManifest { .. }
            | FleetError::NoProfile { .. }
            | FleetError::ResumesUnknown { .. }
            | FleetError::Answers { .. }
            | FleetError::Edit { .. }
            | FleetError::ExecutorBusy { .. }
            | FleetError::NoRepository { .. }
            | FleetError::NoForge { .. }
            | FleetError::RemoteElsewhere { .. }
            | FleetError::HookNotRun { .. }
            | FleetError::NoSession { .. }
            | FleetError::Unworkable(Unworkable::Gate(_))
            | FleetError::NotAdded { .. } => Self::Fleet(error),
        }
    }
}

fn of_fleet(error: &FleetError) -> (Exit, Option<String>) {
    let help = match error {
        FleetError::NoManifest { .. } => "`orch init` makes a workdir, `orch schema` says what goes in".to_owned(),
        FleetError::ResumesUnknown { .. } => {
            "add {session_id} to the command too, for agents that take a conversation's id, or leave it out of resume"
                .to_owned()
        }
        FleetError::Edit { .. } => {
            "undo it; or remove the file's \"journal\" key to have all state fields written anew".to_owned()
        }
        FleetError::ExecutorBusy { busy } => format!(
            "go on there until they have ended, or end them: `orch kill --all`; then \"executor\" may be another than {busy}"
        ),
        FleetError::NoRepository { .. } => "or use `orch init`".to_owned(),
        FleetError::RemoteElsewhere { remote, .. } => {
            format!("`orch init --repo PATH`, or point the remote {remote} at a path")
        }
        FleetError::HookNotRun { .. } => HOOKS.to_owned(),
        FleetError::Unworkable(Unworkable::Gate(beyond)) => {
            format!("run with --until {}, or set \"gate\": \"complete\" in the manifest", beyond.gate.as_str())
        }
        FleetError::NoSession { task } => format!("`orch status {task}` says where it stands"),
        _ => return (Exit::Input, None),
    };
    (Exit::Input, Some(help))
}

fn of_workdir(error: &WorkdirError) -> (Exit, Option<String>) {
    match error {
        WorkdirError::NotFound { notes, .. } => (Exit::Input, Some(notes.join("\n")).filter(|notes| !notes.is_empty())),
        WorkdirError::NotAWorkdir { .. } => (Exit::Input, Some("`orch init` makes one".to_owned())),
        WorkdirError::Exists { root } => (Exit::Input, Some(format!("use it as it is: `orch -w {root} status`"))),
        WorkdirError::ForeignOwner { .. }
        | WorkdirError::Escapes { .. }
        | WorkdirError::NotEmpty { .. }
        | WorkdirError::NotUtf8 { .. } => (Exit::Input, None),
        WorkdirError::File(error) if error.source.kind() == std::io::ErrorKind::NotFound => {
            (Exit::Input, Some("`orch init` makes a workdir".to_owned()))
        }
        WorkdirError::NoSocketPlace { .. } | WorkdirError::File(_) => (Exit::Failed, None),
    }
}

fn of_journal(error: &JournalError) -> (Exit, Option<String>) {
    let help = match error {
        JournalError::Damaged { .. } | JournalError::Newer { .. } => Some("nothing was changed".to_owned()),
        JournalError::Changed { .. } => {
            Some("the journal belongs to one orchestrator; read it with `orch events`".to_owned())
        }
        JournalError::File(_)
        | JournalError::Unwritable { .. }
        | JournalError::OutOfOrder { .. }
        | JournalError::Broken { .. } => None,
    };
    (Exit::Failed, help)
}

fn of_control(error: &ControlError) -> (Exit, Option<String>) {
    match error {
        ControlError::NotRunning { .. } => (Exit::Failed, Some("it may just have ended; try again".to_owned())),
        ControlError::Refused(ControlRefusal::TooLong) | ControlError::Unsendable { .. } => (Exit::Input, None),
        ControlError::Refused(ControlRefusal::Busy | ControlRefusal::Ending | ControlRefusal::Malformed { .. })
        | ControlError::Timeout { .. }
        | ControlError::NoAnswer { .. }
        | ControlError::BadAnswer { .. }
        | ControlError::NotPrivate { .. }
        | ControlError::File(_) => (Exit::Failed, None),
    }
}

fn of_vcs(error: &VcsError) -> (Exit, Option<String>) {
    match error {
        VcsError::Missing { .. } | VcsError::NoBase { .. } => (Exit::Input, None),
        VcsError::Unreachable { .. } | VcsError::Busy { .. } => {
            (Exit::Failed, Some("trying again may work".to_owned()))
        }
        VcsError::Conflict { .. }
        | VcsError::BranchTaken { .. }
        | VcsError::Unsafe { .. }
        | VcsError::Tampered { .. } => (Exit::NeedsPerson, None),
        VcsError::Moved { .. } | VcsError::Refused { .. } | VcsError::Git { .. } => (Exit::Failed, None),
    }
}

fn of_executor(error: &ExecutorError) -> (Exit, Option<String>) {
    let help = match error {
        ExecutorError::NotFound { .. } | ExecutorError::Stale { .. } => {
            Some("`orch status` shows which sessions there are".to_owned())
        }
        ExecutorError::Unavailable { .. } => Some("`orch doctor` checks the machine".to_owned()),
        ExecutorError::Refused { .. } | ExecutorError::Unsupported { .. } => None,
    };
    (Exit::Failed, help)
}

fn of_forge(error: &ForgeError) -> (Exit, Option<String>) {
    match error {
        ForgeError::NeedsPerson { .. } | ForgeError::Conflict { .. } | ForgeError::Unauthorized { .. } => {
            (Exit::NeedsPerson, None)
        }
        ForgeError::Unreachable { .. } | ForgeError::Busy { .. } => {
            (Exit::Failed, Some("trying again may work".to_owned()))
        }
        ForgeError::Limited { retry_at, .. } => (Exit::Failed, Some(format!("it may be asked again at {retry_at}"))),
        ForgeError::NotFound { .. } | ForgeError::Refused { .. } | ForgeError::Stale { .. } => (Exit::Failed, None),
    }
}

fn known_text(known: &[TaskId]) -> String {
    const SHOWN: usize = 20;
    if known.is_empty() {
        return "the plan has no tasks yet".to_owned();
    }
    let names: Vec<&str> = known.iter().take(SHOWN).map(TaskId::as_str).collect();
    let more = known.len().checked_sub(SHOWN).filter(|more| *more > 0);
    let more = more.map_or_else(String::new, |more| format!(" and {more} more"));
    format!("the plan has {}{more}", names.join(", "))
}

/// Problems of a manifest as text, each with its place and its cure.
pub(crate) fn problem_text(path: &Utf8Path, problems: &[Problem]) -> String {
    let path = escape_line(path.as_str());
    let line = |problem: &Problem| {
        let Problem { line, column, path: place, message, help, .. } = problem;
        let kind = if problem.kind.is_warning() { "warning: " } else { "" };
        format!("{path}:{line}:{column}: {kind}{place}: {message}\n  help: {help}")
    };
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}
