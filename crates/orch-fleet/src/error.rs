use std::collections::BTreeMap;
use std::io;

use camino::Utf8PathBuf;
use orch_core::base::{TaskId, escape_block, escape_line};
use orch_core::engine::Unworkable;
use orch_core::plan::{ExecutorKind, ForgeKind, Problem};
use orch_core::ports::{ExecutorError, ForgeError, VcsError};
use orch_core::state::EditRefusal;
use orch_runtime::{
    ClearError, ControlError, DriveError, FileError, JournalError, LockError, SettingsError, WorkdirError,
};

/// Why a fleet cannot be put together, driven or taken down.
///
/// What a person wrote (settings, manifest, agents, place of the repository) is checked before anything is changed.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The manifest cannot be read.
    #[error("cannot read {path}: {source}")]
    NoManifest {
        /// Where it is looked for.
        path: Utf8PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The manifest cannot be.
    #[error("{path} cannot be taken: it has {} problems, the first: {}", problems.len(), first(problems))]
    Manifest {
        /// Where it lies.
        path: Utf8PathBuf,
        /// All that is wrong with it.
        problems: Vec<Problem>,
    },
    /// Tasks want agents that have no profile.
    #[error("{}", no_profile_text(missing))]
    NoProfile {
        /// The names of the agents, each with the tasks that want it.
        missing: BTreeMap<String, Vec<TaskId>>,
    },
    /// A profile resumes conversations whose id its command does not set.
    #[error("[agents.{agent}] resume wants {{session_id}}, which its command does not give it")]
    ResumesUnknown {
        /// The agent.
        agent: String,
    },
    /// A profile has answers to dialogs, which this version does not give.
    #[error("[agents.{agent}] answers are not in this build: dialogs go to a person; take them out")]
    Answers {
        /// The agent.
        agent: String,
    },
    /// A hand edit of the manifest cannot be taken.
    #[error("the edit of {path} cannot be taken: {refusal}")]
    Edit {
        /// The manifest.
        path: Utf8PathBuf,
        /// Why.
        refusal: EditRefusal,
    },
    /// Agents still run in another executor than the one that was asked for.
    #[error("agents still run in {busy}")]
    ExecutorBusy {
        /// Where they run.
        busy: ExecutorKind,
    },
    /// There is no repository to work on.
    #[error("{root} has no repo/ and lies in no git repository; set \"repo\" in the manifest to a path")]
    NoRepository {
        /// The workdir.
        root: Utf8PathBuf,
    },
    /// There is no forge of that name.
    #[error("the forge {forge} is not in this build; set \"forge\": \"local\" and an origin on disk")]
    NoForge {
        /// What the manifest asks for.
        forge: ForgeKind,
    },
    /// The local forge needs a remote on this disk.
    #[error("{repo} publishes to {}, which is no repository on this disk; the local forge needs one", escape_line(url))]
    RemoteElsewhere {
        /// The repository.
        repo: Utf8PathBuf,
        /// The remote's name.
        remote: String,
        /// Where it points to.
        url: String,
    },
    /// Branches could not be checked out from the remote without a hook that is not run.
    #[error("orch pushes without hooks, but {hook}")]
    HookNotRun {
        /// Which, and why it matters.
        hook: String,
    },
    /// A task has no live session.
    #[error("{task} has no session")]
    NoSession {
        /// The task.
        task: TaskId,
    },
    /// Tasks cannot be added.
    #[error("{}", escape_block(why))]
    NotAdded {
        /// Why.
        why: String,
    },
    /// The workdir, or a place for its sockets.
    #[error(transparent)]
    Workdir(#[from] WorkdirError),
    /// Settings cannot be.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A file of the workdir cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another orchestrator holds the workdir, or what a dead one started still works.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The control socket.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The drive broke off; agents go on.
    #[error(transparent)]
    Drive(#[from] DriveError),
    /// Taking down broke off.
    #[error(transparent)]
    Clear(#[from] ClearError),
    /// Version control.
    #[error(transparent)]
    Vcs(#[from] VcsError),
    /// The forge.
    #[error(transparent)]
    Forge(#[from] ForgeError),
    /// The executor.
    #[error(transparent)]
    Executor(#[from] ExecutorError),
    /// The plan that the journal holds goes in a circle, or its phases wait for what the goal leaves out.
    #[error(transparent)]
    Unworkable(#[from] Unworkable),
}

fn first(problems: &[Problem]) -> String {
    problems.first().map_or_else(String::new, |problem| format!("line {}: {}", problem.line, problem.message))
}

/// Every agent that is missing, each with the first task that wants it.
fn no_profile_text(missing: &BTreeMap<String, Vec<TaskId>>) -> String {
    let line = |(name, tasks): (&String, &Vec<TaskId>)| {
        let (name, first) = (escape_line(name), tasks.first().map_or("", TaskId::as_str));
        let more = if tasks.len() > 1 { format!(" and {} more", tasks.len() - 1) } else { String::new() };
        format!(
            "task {first}{more} wants the agent {name}, which has no profile: add [agents.{name}] with a command to orch.toml"
        )
    };
    missing.iter().map(line).collect::<Vec<_>>().join("\n")
}
