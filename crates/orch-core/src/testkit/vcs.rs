//! Version control in memory.

mod graph;
mod port;
mod remote;
mod repository;
mod rewriting;
mod sabotage;
#[cfg(test)]
mod tests;
mod worktree;

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

pub(super) use graph::{Graph, Merge, Node, merge_trees};
pub use port::MockVcs;
use remote::Remote;
pub use repository::MockRepository;
use worktree::Worktree;

use crate::base::id::{BranchName, Sha, TaskId};
use crate::ports::Prepared;

/// One repository with its remote.
pub(super) struct Repo {
    pub(super) graph: Graph,
    /// The remote's HEAD.
    pub(super) base: BranchName,
    pub(super) remote: Remote,
    /// Branches here.
    local: BTreeMap<BranchName, Sha>,
    /// Saved work, by full ref name.
    saved: BTreeMap<String, Sha>,
    /// What was prepared for which task.
    prepared: BTreeMap<TaskId, Made>,
    worktrees: BTreeMap<Utf8PathBuf, Worktree>,
}

struct Made {
    prepared: Prepared,
    branch: BranchName,
    worktree: Utf8PathBuf,
}
