//! What is remembered: the closed list of records that the journal holds.

use serde::{Deserialize, Serialize};

use crate::base::id::{AttemptNo, BranchName, EffectId, LaunchId, PullNumber, Seq, Sha, TaskId};
use crate::base::time::{AwakeMs, BootId, Millis, Timestamp};
use crate::heal::{Case, Decision, Limits, Signal};
use crate::journal::effect::{Effect, Outcome, Purpose};
use crate::plan::change::PlanChange;
use crate::plan::spec::{ExecutorKind, Plan};
use crate::plan::status::Status;
use crate::ports::{Commit, Dirt, ExitStatus, Fingerprint, Pull};

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its position, from 1 without gaps.
    pub seq: Seq,
    /// When it was decided, in wall time.
    pub timestamp: Timestamp,
    /// The same moment in awake time of the boot that the last `driver` record names.
    pub awake: AwakeMs,
    /// The task that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// What is remembered.
    #[serde(flatten)]
    pub record: Record,
}

/// A fact or a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Record {
    /// An orchestrator took over or left.
    Driver(DriverRecord),
    /// The plan from here on.
    Plan {
        /// Why it changed, for people.
        why: String,
        /// The whole plan.
        plan: Box<Plan>,
    },
    /// The plan from here on, as what differs from the one before.
    PlanChanged {
        /// Why it changed, for people.
        why: String,
        /// The difference.
        change: Box<PlanChange>,
    },
    /// A task's state as the manifest gave it when there was no journal; the first plan, which
    /// follows, takes all of them in at once.
    Imported(ImportedState),
    /// A task's status changed.
    Status(StatusRecord),
    /// An effect begins; this record's `seq` is its id.
    Effect {
        /// What is to be done.
        effect: Effect,
    },
    /// An effect ended.
    Done {
        /// Which.
        effect: EffectId,
        /// What came of it.
        outcome: Outcome,
    },
    /// What evidence means.
    Verdict(Box<Verdict>),
    /// What is done about the verdict before it.
    Remedy {
        /// The signal that it answers.
        signal: Signal,
        /// The policy that decided.
        policy: String,
        /// The decision.
        #[serde(flatten)]
        decision: Decision,
    },
    /// Marks of life of one session.
    Progress(Marks),
    /// A pull request as it was seen when what it waits for had changed.
    Pull {
        /// The pull request.
        pull: Box<Pull>,
    },
    /// What looks could not show is seen again.
    SeenAgain {
        /// What: `sessions`, `pull requests`.
        what: String,
    },
    /// A person said something.
    User {
        /// What.
        verb: UserVerb,
    },
    /// Time in which nothing could be seen.
    Gap {
        /// What happened: `suspend`, `stopped`.
        what: String,
        /// How long, in wall time.
        lasted: Millis,
    },
}

/// The journal's format that this version writes, and the newest that it reads. It grows when a journal
/// gets something that an older version would misread; new fields that may be left out do not count.
pub const JOURNAL_FORMAT: u32 = 1;

/// An orchestrator took over or left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DriverRecord {
    /// The journal's format from here on, see [`JOURNAL_FORMAT`]; 1 where a journal does not say.
    #[serde(default = "first_format")]
    pub format: u32,
    /// `true` when it took over, `false` when it left.
    pub start: bool,
    /// The version of orch.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// The boot that awake times count from.
    pub boot: BootId,
    /// The base branch.
    pub base: BranchName,
    /// Where agents run; tmux where a journal does not say.
    #[serde(default = "tmux")]
    pub executor: ExecutorKind,
    /// The thresholds in force.
    pub limits: Limits,
    /// The goal: tasks are followed up to this status.
    pub goal: Status,
    /// Whether orch merges.
    pub auto_merge: bool,
    /// How many tasks hold a slot at once.
    pub max_parallel: u32,
    /// Names of variables that every verify command gets beside the usual ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_pass: Vec<String>,
}

fn first_format() -> u32 {
    1
}

fn tmux() -> ExecutorKind {
    ExecutorKind::Tmux
}

/// A task's state as the manifest gave it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ImportedState {
    /// Its status.
    pub status: Status,
    /// Attempts so far.
    pub attempt: AttemptNo,
    /// Its pull request.
    pub pull: Option<PullNumber>,
    /// A person is needed.
    pub needs_human: bool,
    /// Why.
    pub reason: Option<String>,
    /// Others may pass it.
    pub skipped: bool,
    /// Nothing is done for it.
    pub paused: bool,
}

/// A move of the status machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StatusRecord {
    /// From.
    pub from: Status,
    /// To.
    pub to: Status,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The attempt that this move opens, or goes back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptNo>,
    /// The step that comes next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub todo: Option<Todo>,
    /// The commit that was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha: Option<Sha>,
    /// When a retry is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// For a start point that conflicts: the predecessors of which one must be merged first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_on: Vec<TaskId>,
}

/// The step that a task takes next, once its session is gone and no effect is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Todo {
    /// Make the worktree.
    Prepare,
    /// Start a process.
    Launch {
        /// What for.
        purpose: Purpose,
        /// Resume the agent's conversation.
        resume: bool,
    },
    /// Commit what the agent left.
    Commit,
    /// Look at the worktree and judge it.
    Judge,
    /// Close the attempt.
    EndAttempt,
}

/// What evidence means, with everything that the policy may know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Verdict {
    /// The session that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch: Option<LaunchId>,
    /// The rule that decided what the evidence means.
    pub rule: String,
    /// What was seen.
    pub evidence: Evidence,
    /// The signal and what the policy decides on.
    pub case: Case,
}

/// What was seen, bounded; each field only where it was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Evidence {
    /// How the process ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<ExitStatus>,
    /// The last lines of its output: at most 20, or 200 where it did not end well.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tail: Vec<String>,
    /// The line of the screen that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// The screen's fingerprint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub screen: Option<Fingerprint>,
    /// The worktree's head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<Sha>,
    /// That head's tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tree: Option<Sha>,
    /// The verify command that judged it, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// The worktree is not on the task's branch.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
    /// Commits over the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commits: Option<Vec<Commit>>,
    /// Files changed over the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<Vec<String>>,
    /// What is not committed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dirt: Option<Dirt>,
    /// What an effect or a forge said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The files that do not merge.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// The pull request as it was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull: Option<Pull>,
}

/// Marks of life of one session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Marks {
    /// The session.
    pub launch: LaunchId,
    /// The executor's activity value when last seen.
    pub activity: u64,
    /// Awake time of the last change on its screen.
    pub changed_at: AwakeMs,
    /// Its screen when last looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screen: Option<Fingerprint>,
    /// The worktree's head when last looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Sha>,
}

/// What a person can say to the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "camelCase")]
#[non_exhaustive]
pub enum UserVerb {
    /// End the agent; the task needs a person until `retry`.
    Kill,
    /// Try again from a clean count.
    Retry,
    /// Go on with what is verified and came to need a person on its way to the base.
    Publish,
    /// Do nothing for it.
    Pause,
    /// Go on.
    Resume,
    /// Let others pass it.
    Skip,
    /// Type a line into its session.
    Send {
        /// The text; Enter follows.
        text: String,
    },
    /// A person attached to its session.
    Attach,
}

impl UserVerb {
    /// The verb's name, as in the journal.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Retry => "retry",
            Self::Publish => "publish",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Skip => "skip",
            Self::Send { .. } => "send",
            Self::Attach => "attach",
        }
    }
}
