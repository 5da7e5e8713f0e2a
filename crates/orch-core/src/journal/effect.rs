//! What the engine asks of the world, what came of it, and what it wants to look at.

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use crate::base::id::{AttemptNo, LaunchId, PullNumber, Sha};
use crate::ports::Failure;
use crate::ports::{
    CommitSpec, EndMode, Fingerprint, Launched, MergeSpec, PrepareSpec, Prepared, ProcessId, Pull, PullChange,
    PullSpec, PushSpec, RemoveSpec, Saved, SessionInput, SyncSpec,
};

/// Something to do to the world. The record that holds it is its intent: that record's `seq` is its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Effect {
    /// Make the branch and the worktree.
    Prepare(PrepareSpec),
    /// Start a process. The launch's id is the effect's id; argv and prompt follow from the state.
    Launch {
        /// The attempt that it belongs to.
        attempt: AttemptNo,
        /// What the process is for.
        purpose: Purpose,
        /// Whether the agent's own conversation is resumed.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        resume: bool,
        /// For [`Purpose::Verify`]: the commit that is judged.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha: Option<Sha>,
        /// Whether the prompt is pasted once the agent takes input.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        paste: bool,
    },
    /// Type into a session, if its screen still is the one that justified it.
    Input {
        /// The session.
        launch: LaunchId,
        /// What to type.
        input: SessionInput,
        /// The screen that justified it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expected: Option<Fingerprint>,
    },
    /// End a session's processes.
    End {
        /// The session.
        launch: LaunchId,
        /// The process recorded at launch.
        process: Option<ProcessId>,
        /// How hard.
        mode: EndMode,
    },
    /// Drop what the executor keeps of an ended session.
    Forget {
        /// The session.
        launch: LaunchId,
    },
    /// Save uncommitted work.
    Save {
        /// The task.
        task: crate::base::id::TaskId,
        /// The attempt that did it.
        attempt: AttemptNo,
        /// Where it is.
        worktree: Utf8PathBuf,
        /// A person ends the agent, whatever can be saved: what cannot be read is left out and named.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        partial: bool,
    },
    /// Commit what an agent left uncommitted.
    Commit(CommitSpec),
    /// Take others' work into the branch.
    Sync(SyncSpec),
    /// Publish one commit.
    Push(PushSpec),
    /// Open the pull request.
    OpenPull(PullSpec),
    /// Change the pull request.
    UpdatePull {
        /// Its number.
        number: PullNumber,
        /// What changes.
        change: PullChange,
    },
    /// Merge the pull request.
    MergePull(MergeSpec),
    /// Remove the worktree.
    Remove(RemoveSpec),
    /// Tell a person.
    Notify(Notice),
}

/// What a launched process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Purpose {
    /// The agent works on its task.
    Work,
    /// The agent is asked to commit what it left.
    AskCommit,
    /// The verify command judges one commit.
    Verify,
}

/// Something a person wants to hear of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// What happened.
    pub event: NoticeKind,
    /// One line.
    pub title: String,
    /// More.
    pub text: String,
    /// What it is about, the same for what was told already; the title where a journal does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occasion: Option<String>,
}

impl Notice {
    /// What it is about: no occasion is announced twice.
    pub fn occasion(&self) -> &str {
        self.occasion.as_deref().unwrap_or(&self.title)
    }
}

/// The occasions on which people are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum NoticeKind {
    /// All tasks of a phase reached its gate.
    PhaseDone,
    /// A person is needed.
    Escalation,
    /// The goal is reached.
    Finished,
    /// The orchestrator broke off; its journal does not know, agents go on.
    Failed,
}

impl Effect {
    /// The effect's name, as in the journal.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Prepare(_) => "prepare",
            Self::Launch { .. } => "launch",
            Self::Input { .. } => "input",
            Self::End { .. } => "end",
            Self::Forget { .. } => "forget",
            Self::Save { .. } => "save",
            Self::Commit(_) => "commit",
            Self::Sync(_) => "sync",
            Self::Push(_) => "push",
            Self::OpenPull(_) => "openPull",
            Self::UpdatePull { .. } => "updatePull",
            Self::MergePull(_) => "mergePull",
            Self::Remove(_) => "remove",
            Self::Notify(_) => "notify",
        }
    }

    /// Every effect's name, in the order of a task's life.
    pub const NAMES: [&'static str; 14] = [
        "prepare",
        "launch",
        "input",
        "end",
        "forget",
        "save",
        "commit",
        "sync",
        "push",
        "openPull",
        "updatePull",
        "mergePull",
        "remove",
        "notify",
    ];
}

/// What came of an effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Outcome {
    /// It is done.
    Ok,
    /// The worktree is ready.
    Prepared(Prepared),
    /// The process was started.
    Launched(Launched),
    /// The work was saved, or there was none.
    Saved(Option<Saved>),
    /// The branch is now at this commit.
    At(Sha),
    /// The branch took others' work in.
    Synced {
        /// The commit that it is at now.
        head: Sha,
        /// That commit's tree.
        tree: Sha,
    },
    /// The pull request as it is now.
    Pull(Pull),
    /// Whether the processes are proved gone.
    Ended(bool),
    /// It could not be done.
    Failed(Failure),
    /// Nobody knows whether it was done, and it may not be repeated.
    Unknown,
}

/// Something to look at; looks change nothing and are not journaled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Look {
    /// All sessions of the executor.
    Sessions,
    /// One session's screen.
    Screen(LaunchId),
    /// Where a task's worktree stands.
    Head(crate::base::id::TaskId),
    /// A task's worktree.
    Work(crate::base::id::TaskId),
    /// A task's pull request, and where its head and its base stand.
    Pull(crate::base::id::TaskId),
}
