use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Check, Review};
use crate::base::id::{BranchName, PullNumber, Sha};
use crate::base::time::Timestamp;

/// Where pull requests live.
#[async_trait]
pub trait Forge: Send + Sync {
    /// The forge's name in manifests: `local`, `github`.
    fn name(&self) -> &'static str;

    /// Opens a pull request, or returns the one that its head branch already has: an open one, or one by which
    /// exactly this commit was merged into this base. What was merged at another commit or elsewhere is history.
    async fn open(&self, spec: &PullSpec) -> Result<Pull, ForgeError>;

    /// The newest pull request of each given head branch, in any state.
    async fn find(&self, heads: &[BranchName]) -> Result<Vec<Pull>, ForgeError>;

    /// Changes an open pull request. Changing a merged one to another base is no error and does nothing.
    async fn update(&self, number: PullNumber, change: &PullChange) -> Result<Pull, ForgeError>;

    /// Merges an open pull request at exactly the expected head; one already merged is returned as it is.
    async fn merge(&self, spec: &MergeSpec) -> Result<Pull, ForgeError>;

    /// Deletes a head branch at the remote once its pull request is merged. An absent branch is no error.
    async fn delete_branch(&self, branch: &BranchName) -> Result<(), ForgeError>;
}

/// A pull request to open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullSpec {
    /// The branch with the work.
    pub head: BranchName,
    /// The commit that the branch must be at.
    pub sha: Sha,
    /// The branch that it is for.
    pub base: BranchName,
    /// One line.
    pub title: String,
    /// Markdown.
    pub body: String,
    /// Not ready to be merged yet.
    pub draft: bool,
}

/// A pull request as its forge has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Pull {
    /// Its number.
    pub number: PullNumber,
    /// The branch with the work.
    pub head: BranchName,
    /// Where that branch is now, or was when it was merged.
    pub head_sha: Option<Sha>,
    /// The branch that it is for.
    pub base: BranchName,
    /// Its state.
    pub state: PullState,
    /// The commit that it became, once merged.
    pub merge_sha: Option<Sha>,
    /// The checks of its head; one that is expected and not reported yet is there and pending.
    #[serde(default)]
    pub check_runs: Vec<Check>,
    /// The reviews that stand, oldest first.
    #[serde(default)]
    pub reviews: Vec<Review>,
    /// What its forge says of merging it; of one that is not open nothing.
    #[serde(default)]
    pub merge_state: MergeState,
    /// Not ready to be merged yet.
    pub draft: bool,
}

impl Pull {
    /// A pull request of which nothing is known but this; set what is known besides.
    pub fn new(number: PullNumber, head: BranchName, base: BranchName, state: PullState) -> Self {
        Self {
            number,
            head,
            head_sha: None,
            base,
            state,
            merge_sha: None,
            check_runs: Vec::new(),
            reviews: Vec::new(),
            merge_state: MergeState::default(),
            draft: false,
        }
    }
}

impl Pull {
    /// Whether there is nothing to open any more: it is open, or exactly this commit was merged by it into this base.
    pub fn answers(&self, spec: &PullSpec) -> bool {
        match self.state {
            PullState::Open => true,
            PullState::Merged => self.head_sha.as_ref() == Some(&spec.sha) && self.base == spec.base,
            PullState::Closed => false,
        }
    }
}

/// Whether a pull request is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PullState {
    /// Waits.
    Open,
    /// Its work is in the base.
    Merged,
    /// Closed without a merge.
    Closed,
}

/// What a forge says of merging an open pull request as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MergeState {
    /// Nothing, or nothing yet.
    #[default]
    Unknown,
    /// It can be merged.
    Clean,
    /// It applies cleanly, and the forge wants what is new on the base in it first.
    Behind,
    /// It conflicts with its base.
    Dirty,
    /// Something else keeps it from being merged: what the forge said.
    Blocked(String),
    /// It waits in a queue of merges.
    Queued,
}

/// What to change of a pull request; absent fields stay.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PullChange {
    /// Another base branch.
    pub base: Option<BranchName>,
    /// Another body.
    pub body: Option<String>,
    /// Ready or not.
    pub draft: Option<bool>,
}

/// A pull request to merge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MergeSpec {
    /// Which.
    pub number: PullNumber,
    /// The head that was verified; another one is refused as [`ForgeError::Stale`].
    pub expected_head: Sha,
    /// How.
    pub method: MergeMethod,
}

/// How a pull request becomes part of its base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum MergeMethod {
    /// A merge commit.
    #[default]
    Merge,
    /// One new commit with all the changes.
    Squash,
    /// The commits anew on top of the base.
    Rebase,
}

/// Why a forge could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForgeError {
    /// No such pull request.
    #[error("pull request {number} does not exist")]
    NotFound {
        /// Its number.
        number: PullNumber,
    },
    /// The head branch is not at the remote, or has nothing that the base lacks, or the request is malformed.
    #[error("the forge refused {what}: {why}")]
    Refused {
        /// What was asked for.
        what: String,
        /// What it said.
        why: String,
    },
    /// The head is not the expected one.
    #[error("pull request {number} is at {}, expected {}", found.as_ref().map_or("no commit", Sha::short), expected.short())]
    Stale {
        /// Its number.
        number: PullNumber,
        /// Where it is.
        found: Option<Sha>,
        /// Where it should be.
        expected: Sha,
    },
    /// It does not apply cleanly.
    #[error("pull request {number} conflicts with {base} in {}", files.join(", "))]
    Conflict {
        /// Its number.
        number: PullNumber,
        /// The branch that it is for.
        base: BranchName,
        /// The files that conflict, where known.
        files: Vec<String>,
    },
    /// The forge cannot be reached now; trying again may work.
    #[error("the forge cannot be reached: {why}")]
    Unreachable {
        /// What was seen.
        why: String,
    },
    /// Something is in the way that somebody is just about to take away: a lock, a rebase of the base, changes in
    /// a tree that the merge has to update. Trying again may work; where it lasts, a person can put it right.
    #[error("not at this moment: {why}")]
    Busy {
        /// What was seen.
        why: String,
    },
    /// The forge wants to be left alone until then.
    #[error("the forge allows no more requests now: {why}")]
    Limited {
        /// What it said.
        why: String,
        /// When it may be asked again.
        retry_at: Timestamp,
    },
    /// Credentials are missing or refused.
    #[error("the forge does not accept our credentials: {why}")]
    Unauthorized {
        /// What it said.
        why: String,
    },
    /// A person must act first: the base is checked out with changes, the record file was damaged.
    #[error("{what} needs a person: {why}")]
    NeedsPerson {
        /// What was asked for.
        what: String,
        /// Why.
        why: String,
    },
}
