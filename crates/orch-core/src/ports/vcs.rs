use std::fmt;

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::base::files::FileSet;
use crate::base::id::{AttemptNo, BranchName, Sha, TaskId};
use crate::base::time::Timestamp;

/// Version control of one repository: worktrees, evidence, saved work, branches.
///
/// Every call is safe beside every other; what must not run at once in one repository is locked inside.
#[async_trait]
pub trait Vcs: Send + Sync {
    /// The implementation's name, for messages.
    fn name(&self) -> &'static str;

    /// The branch that work is merged into when the manifest names none: the remote's HEAD.
    async fn default_base(&self) -> Result<BranchName, VcsError>;

    /// The tip of the base branch as the remote has it now.
    async fn base_tip(&self, base: &BranchName) -> Result<Sha, VcsError>;

    /// Makes the task's branch and worktree, or returns them as they were made before. The start
    /// commit is the base's tip with each predecessor merged in, in the order given; it is the same
    /// commit however often this is called with the same `base_tip` and predecessors.
    async fn prepare(&self, spec: &PrepareSpec) -> Result<Prepared, VcsError>;

    /// Where a worktree stands, without a look at its files: cheap enough to be asked of every one all the time.
    async fn head(&self, worktree: &Utf8Path) -> Result<Head, VcsError>;

    /// Evidence of what was done in a worktree since its start commit.
    async fn work(&self, spec: &WorkSpec) -> Result<Work, VcsError>;

    /// Saves uncommitted work (untracked, staged, mid-merge, detached HEAD) under
    /// `refs/orch/saved/<task>/<attempt>`, then `-2`, `-3` …; `None` when nothing is uncommitted. The
    /// worktree and its index stay as they are. Saving the same tree twice returns the first ref.
    async fn save(&self, spec: &SaveSpec) -> Result<Option<Saved>, VcsError>;

    /// Commits tracked changes and untracked files that `files` covers. Nothing to commit returns the head.
    async fn commit(&self, spec: &CommitSpec) -> Result<Sha, VcsError>;

    /// Takes other tips into a worktree's branch by merge commits; a tip already contained is skipped. Of one
    /// that was left behind ([`SyncSource::left_by`]) only the history comes in, and it is kept by name.
    async fn sync(&self, spec: &SyncSpec) -> Result<Sha, VcsError>;

    /// Pushes exactly one commit to exactly one branch, without force; with [`PushSpec::leaves`], also over
    /// exactly that tip, which is kept first.
    async fn push(&self, spec: &PushSpec) -> Result<(), VcsError>;

    /// The tip of a branch as the remote has it now, or `None` if it has no such branch.
    async fn remote_tip(&self, branch: &BranchName) -> Result<Option<Sha>, VcsError>;

    /// Whether `ancestor` is contained in `descendant`.
    async fn contains(&self, ancestor: &Sha, descendant: &Sha) -> Result<bool, VcsError>;

    /// The tree of a commit: whatever their history, commits with equal trees hold the same files.
    async fn tree(&self, commit: &Sha) -> Result<Sha, VcsError>;

    /// The tree that a merge of two commits gives, with the merge base that history shows; `None` when they
    /// conflict.
    async fn merged_tree(&self, ours: &Sha, theirs: &Sha) -> Result<Option<Sha>, VcsError>;

    /// Removes a worktree and its local branch. An absent one is no error.
    async fn remove(&self, spec: &RemoveSpec) -> Result<(), VcsError>;
}

/// A task's worktree to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrepareSpec {
    /// The task.
    pub task: TaskId,
    /// Its branch, made by this call.
    pub branch: BranchName,
    /// Where the worktree goes, absolute.
    pub worktree: Utf8PathBuf,
    /// The branch that the work is for.
    pub base: BranchName,
    /// Unmerged predecessors whose work the start must contain, in plan order.
    pub predecessors: Vec<Predecessor>,
}

/// A predecessor's work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Predecessor {
    /// The task that did it.
    pub task: TaskId,
    /// Its verified commit.
    pub sha: Sha,
}

/// A worktree that is ready for an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Prepared {
    /// The base's tip that it was made from.
    pub base: Sha,
    /// The commit that the agent starts from.
    pub start: Sha,
    /// Submodules that are empty there, because filling them would need the network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unfilled: Vec<String>,
}

impl Prepared {
    /// A worktree whose submodules, if any, are filled.
    pub fn new(base: Sha, start: Sha) -> Self {
        Self { base, start, unfilled: Vec::new() }
    }
}

/// Which worktree to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkSpec {
    /// The worktree.
    pub worktree: Utf8PathBuf,
    /// The branch that should be checked out there.
    pub branch: BranchName,
    /// The commit that the work is measured from.
    pub start: Sha,
    /// The branch that the work is for, if it is for one: what was merged from it is work of others.
    pub base: Option<BranchName>,
    /// Untracked files known not to count as dirt: what `verify` left behind.
    pub ignore_untracked: bool,
}

/// Where a worktree stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The commit checked out.
    pub sha: Sha,
    /// The branch checked out; `None` when HEAD is detached.
    pub branch: Option<BranchName>,
}

/// Evidence of work, as seen at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Work {
    /// The commit checked out.
    pub head: Sha,
    /// Its tree, as [`Vcs::tree`] tells it.
    pub tree: Sha,
    /// The branch checked out; `None` when HEAD is detached.
    pub branch: Option<BranchName>,
    /// Commits over the start commit, oldest first, at most 200, merges of predecessors left out.
    pub commits: Vec<Commit>,
    /// Files that differ between start and head, sorted, at most 1000; those that are as a merge of others' work
    /// brought them left out.
    pub changed: Vec<String>,
    /// What is not committed.
    pub dirt: Dirt,
    /// The time of the newest commit over the start commit.
    pub last_commit_at: Option<Timestamp>,
}

impl Work {
    /// A clean worktree without work at a commit; set what is there besides.
    pub fn new(head: Sha, tree: Sha) -> Self {
        Self {
            head,
            tree,
            branch: None,
            commits: Vec::new(),
            changed: Vec::new(),
            dirt: Dirt::default(),
            last_commit_at: None,
        }
    }
}

/// One commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Commit {
    /// Its id.
    pub sha: Sha,
    /// The first line of its message.
    pub subject: String,
}

impl Commit {
    /// A commit with the first line of its message.
    pub fn new(sha: Sha, subject: impl Into<String>) -> Self {
        Self { sha, subject: subject.into() }
    }
}

/// What is not committed in a worktree, or committed so that nobody could check it out; each list sorted, at most
/// 1000 entries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Dirt {
    /// Tracked files with changes, staged or not.
    pub tracked: Vec<String>,
    /// Untracked files that are not ignored.
    pub untracked: Vec<String>,
    /// An operation is half done: `merge`, `rebase`, `cherry-pick`, `revert`, `bisect`.
    pub operation: Option<String>,
    /// Repositories inside the worktree whose work cannot be published with it, and is in none of the other lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nested: Vec<Nested>,
}

/// A repository inside a worktree: a submodule, or one that somebody made or cloned there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Nested {
    /// Where it is, relative to the worktree.
    pub path: String,
    /// Why the work in it cannot be published, for people.
    pub why: String,
}

impl fmt::Display for Nested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.path, self.why)
    }
}

impl Dirt {
    /// Whether everything is committed.
    pub fn is_clean(&self) -> bool {
        self.tracked.is_empty() && self.untracked.is_empty() && self.operation.is_none() && self.nested.is_empty()
    }
}

/// Work to save.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaveSpec {
    /// The task.
    pub task: TaskId,
    /// The attempt that did the work.
    pub attempt: AttemptNo,
    /// Where it is.
    pub worktree: Utf8PathBuf,
    /// Whether what cannot be read is left out and named in [`Saved::missing`]; otherwise it is an error.
    pub partial: bool,
}

/// Saved work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Saved {
    /// The full ref name, under `refs/orch/saved/`.
    pub reference: String,
    /// The commit that holds it.
    pub sha: Sha,
    /// What could not be read and is not in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

impl Saved {
    /// A ref under `refs/orch/saved/` that holds everything.
    pub fn new(reference: impl Into<String>, sha: Sha) -> Self {
        Self { reference: reference.into(), sha, missing: Vec::new() }
    }
}

/// A commit to make for an agent that left its work uncommitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommitSpec {
    /// The worktree.
    pub worktree: Utf8PathBuf,
    /// The branch that must be checked out there.
    pub branch: BranchName,
    /// The commit message.
    pub message: String,
    /// Untracked files that may be added.
    pub files: FileSet,
}

/// Tips to take into a branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncSpec {
    /// The worktree with the branch checked out, clean.
    pub worktree: Utf8PathBuf,
    /// The branch.
    pub branch: BranchName,
    /// What is taken in, in this order.
    pub sources: Vec<SyncSource>,
}

/// One tip to take in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncSource {
    /// What it is, for the merge message: a task or branch name.
    pub label: String,
    /// The tip.
    pub tip: Sha,
    /// The merge base to compute with, when it is not the one that history shows: the old tip of a
    /// predecessor that was squashed or reworked.
    pub merge_base: Option<Sha>,
    /// The task of this very branch, where its agent rewrote what had been pushed: the tip's history comes
    /// in, of its contents nothing, and it stays at `refs/orch/saved/<task>/pushed-<n>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_by: Option<TaskId>,
}

/// A commit to publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushSpec {
    /// The branch at the remote.
    pub branch: BranchName,
    /// Exactly this commit.
    pub sha: Sha,
    /// The base branch, which is never pushed to.
    pub base: BranchName,
    /// What was pushed there before and may be left behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaves: Option<LeftTip>,
}

/// A tip that was pushed to a task's branch and that its agent's history does not contain any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftTip {
    /// The task: the tip stays at `refs/orch/saved/<task>/pushed-<n>`.
    pub task: TaskId,
    /// The only commit at the remote that may be replaced.
    pub tip: Sha,
}

/// A worktree to remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoveSpec {
    /// The task.
    pub task: TaskId,
    /// The worktree.
    pub worktree: Utf8PathBuf,
    /// Its branch.
    pub branch: BranchName,
    /// Without it, removal is refused as [`VcsError::Unsafe`] when something uncommitted is there, or a
    /// commit that neither a remote-tracking ref, the base, a saved ref nor, if it stays, the branch contains.
    pub discard: bool,
    /// Whether the local branch goes too.
    pub delete_branch: bool,
}

/// Why version control could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VcsError {
    /// Work does not merge cleanly.
    #[error("{with} conflicts in {}", files.join(", "))]
    Conflict {
        /// What was being merged.
        with: String,
        /// The files that conflict.
        files: Vec<String>,
    },
    /// The branch exists and is not ours.
    #[error(
        "branch {branch} exists already at {} and was not made here: rename or delete it, here and at the remote, or give the task another \"branch\"",
        tip.short()
    )]
    BranchTaken {
        /// The branch.
        branch: BranchName,
        /// Where it stands.
        tip: Sha,
    },
    /// The branch moved away from what was expected.
    #[error("{branch} is at {}, expected {}", found.as_ref().map_or("nothing", Sha::short), expected.short())]
    Moved {
        /// The branch.
        branch: BranchName,
        /// Where it is.
        found: Option<Sha>,
        /// Where it should be.
        expected: Sha,
    },
    /// The remote refused for good: protected branch, a hook, missing permission.
    #[error("the remote refused {what}: {why}")]
    Refused {
        /// What was asked for.
        what: String,
        /// What it said.
        why: String,
    },
    /// The remote cannot be reached now; trying again may work.
    #[error("the remote cannot be reached: {why}")]
    Unreachable {
        /// What was seen.
        why: String,
    },
    /// This machine is short of something, or another program holds it, for the moment: a lock, handles, room on
    /// the disk. Trying again may work; where it lasts, a person can put it right.
    #[error("not at this moment: {why}")]
    Busy {
        /// What was seen.
        why: String,
    },
    /// It would lose work.
    #[error("{worktree} holds work that is nowhere else: {what}")]
    Unsafe {
        /// Where.
        worktree: Utf8PathBuf,
        /// What would be lost.
        what: String,
    },
    /// Configuration, hooks or filters of the repository were changed by someone other than orch.
    #[error("the repository's {what} changed since orch began: {detail}")]
    Tampered {
        /// What: configuration, hooks, attributes.
        what: String,
        /// The keys or files.
        detail: String,
    },
    /// The worktree, branch or commit is not there.
    #[error("{what} does not exist")]
    Missing {
        /// What is missing.
        what: String,
    },
    /// There is no branch that work could be for.
    #[error("there is no branch to work for: {why}; name one: \"base\" in the manifest, or `orch init --base BRANCH`")]
    NoBase {
        /// What is there instead.
        why: String,
    },
    /// Git itself failed or answered something unexpected.
    #[error("git {command} failed: {stderr}")]
    Git {
        /// The subcommand.
        command: String,
        /// What it printed, bounded.
        stderr: String,
    },
}
