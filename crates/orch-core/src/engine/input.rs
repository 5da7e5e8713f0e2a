//! What can happen: the closed list of inputs.

use crate::base::id::{BranchName, EffectId, LaunchId, Sha, TaskId};
use crate::journal::effect::Outcome;
use crate::journal::record::{ImportedState, UserVerb};
use crate::plan::spec::Plan;
use crate::ports::{ExecutorEvent, ExitStatus, Failure, Head, Launched, Pull, PullState, ScreenView, Work};

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Input {
    /// Time passed.
    Tick,
    /// Something was seen.
    Seen(Seen),
    /// An effect ended.
    Done {
        /// Which.
        effect: EffectId,
        /// What came of it.
        outcome: Outcome,
    },
    /// A person said something, about one task or, where that makes sense, about all.
    User {
        /// The task.
        task: Option<TaskId>,
        /// What.
        verb: UserVerb,
    },
}

impl From<ExecutorEvent> for Input {
    fn from(event: ExecutorEvent) -> Self {
        Self::Seen(match event {
            ExecutorEvent::Output(launch) => Seen::Output(launch),
            ExecutorEvent::Exited(_) | ExecutorEvent::Lost => Seen::Stirred,
        })
    }
}

/// Something that was seen.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Seen {
    /// All sessions, as the executor lists them.
    Sessions(Vec<SeenSession>),
    /// The executor could not say which sessions there are.
    NotListed(Failure),
    /// A session may have ended, or the executor died: the list says.
    Stirred,
    /// A session's screen could not be looked at.
    NoScreen(LaunchId),
    /// A session printed something.
    Output(LaunchId),
    /// A session's screen.
    Screen(ScreenView),
    /// Where a task's worktree stands, or why that could not be looked at.
    Head {
        /// The task.
        task: TaskId,
        /// What was found.
        head: Result<Head, String>,
    },
    /// A task's worktree, or why it could not be looked at.
    Work {
        /// The task.
        task: TaskId,
        /// What was found.
        work: Result<Box<Work>, Failure>,
    },
    /// Tasks' pull requests and the branches around them, or why they could not be looked at.
    Pulls(Vec<(TaskId, Result<Box<SeenPull>, Failure>)>),
    /// The plan as the manifest has it now, with the states that it gives to tasks (used only when
    /// there is no journal).
    Plan {
        /// The plan.
        plan: Box<Plan>,
        /// States other than a fresh `pending`.
        states: Vec<(TaskId, ImportedState)>,
        /// What is said of the change, for people.
        why: String,
    },
}

/// One session in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeenSession {
    /// Which launch.
    pub launch: LaunchId,
    /// Its name and process.
    pub launched: Launched,
    /// How it ended, if it did, with the last lines of its output.
    pub exit: Option<(ExitStatus, Vec<String>)>,
    /// The executor's activity value.
    pub activity: u64,
}

/// A pull request and the branches around it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeenPull {
    /// The newest pull request of the task's branch.
    pub pull: Option<Pull>,
    /// The task's verified commit, which everything else is compared with.
    pub head: Option<Sha>,
    /// The base's tip at the remote.
    pub base_tip: Sha,
    /// Whether the base's tip is contained in the task's verified commit.
    pub base_in_head: bool,
    /// Whether the task's verified commit is contained in the base.
    pub head_in_base: bool,
    /// Whether the pull request's head is contained in the task's verified commit.
    pub head_is_ours: bool,
    /// Whether the task's verified commit is contained in the pull request's head.
    pub head_in_pull: bool,
    /// Whether a merge into the base would make exactly the verified commit's tree; only told where it was asked.
    pub adds_nothing: bool,
    /// Tips of merged predecessors that the task builds on and the base does not contain: they were rewritten.
    pub left_out: Vec<Sha>,
    /// For a merged pull request: whether the commit that it became is contained in the base.
    pub merge_in_base: bool,
    /// For a merged pull request: whether the commit that it became is contained in the task's verified commit.
    pub merge_in_head: bool,
}

impl SeenPull {
    /// What is seen before anything is compared.
    pub fn of(head: Option<Sha>, base_tip: Sha, pull: Option<Pull>) -> Self {
        Self {
            pull,
            head,
            base_tip,
            base_in_head: false,
            head_in_base: false,
            head_is_ours: true,
            head_in_pull: false,
            adds_nothing: false,
            left_out: Vec::new(),
            merge_in_base: false,
            merge_in_head: false,
        }
    }

    /// Whether the forge says that it merged exactly the verified commit into a branch.
    pub fn is_exact(&self, base: &BranchName) -> bool {
        self.pull.as_ref().is_some_and(|pull| {
            let exact = pull.head_sha.is_some() && pull.head_sha == self.head && pull.base == *base;
            pull.state == PullState::Merged && exact
        })
    }

    /// Whether the verified commit is in the base, as it is or as what the forge made of exactly it.
    pub fn is_landed(&self, base: &BranchName) -> bool {
        self.head_in_base || self.is_exact(base) && self.merge_in_base
    }
}
