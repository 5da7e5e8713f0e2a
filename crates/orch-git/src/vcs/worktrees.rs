use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::{BranchName, Sha, TaskId};
use orch_core::ports::VcsError;

use super::GitVcs;
use crate::git::Repo;

/// A worktree as git lists it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorktreeInfo {
    /// Where it is.
    pub path: Utf8PathBuf,
    /// The commit checked out.
    pub head: Option<Sha>,
    /// The branch checked out; `None` when HEAD is detached.
    pub branch: Option<BranchName>,
    /// Why it is locked, if it is.
    pub locked: Option<String>,
    /// Why git would prune it, if it would: mostly that its directory is gone.
    pub prunable: Option<String>,
}

impl WorktreeInfo {
    pub(crate) async fn list(repo: &Repo) -> Result<Vec<Self>, VcsError> {
        let output = repo.read(["worktree", "list", "--porcelain", "-z"]).ok().await?;
        Ok(parse(&String::from_utf8_lossy(&output.stdout)))
    }
}

impl GitVcs {
    /// Every worktree of the repository, the main one first.
    ///
    /// # Errors
    /// [`VcsError::Git`] if git cannot be run.
    pub async fn worktrees(&self) -> Result<Vec<WorktreeInfo>, VcsError> {
        WorktreeInfo::list(&self.repo).await
    }

    /// Worktrees `<workdir>/task-<id>` of tasks that are not among the known ones.
    ///
    /// # Errors
    /// [`VcsError::Git`] if git cannot be run.
    pub async fn list_orphan_worktrees(
        &self,
        workdir: &Utf8Path,
        known: &BTreeSet<TaskId>,
    ) -> Result<Vec<WorktreeInfo>, VcsError> {
        let workdir = workdir.canonicalize_utf8().unwrap_or_else(|_| workdir.to_owned());
        let is_orphan = |worktree: &WorktreeInfo| {
            let id = worktree.path.file_name().and_then(|name| name.strip_prefix("task-"));
            let id = id.and_then(|id| TaskId::parse(id).ok());
            worktree.path.parent() == Some(&workdir) && id.is_some_and(|id| !known.contains(&id))
        };
        Ok(self.worktrees().await?.into_iter().filter(is_orphan).collect())
    }
}

/// Reads `git worktree list --porcelain -z`: attributes end in NUL, worktrees in one more.
fn parse(text: &str) -> Vec<WorktreeInfo> {
    let mut found = Vec::new();
    for block in text.split("\0\0").filter(|block| !block.is_empty()) {
        let mut info = WorktreeInfo::default();
        for line in block.split('\0') {
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            match key {
                "worktree" => info.path = value.into(),
                "HEAD" => info.head = Sha::parse(value).ok(),
                "branch" => {
                    info.branch = value.strip_prefix("refs/heads/").and_then(|name| BranchName::parse(name).ok());
                }
                "locked" => info.locked = Some(value.to_owned()),
                "prunable" => info.prunable = Some(value.to_owned()),
                _ => {}
            }
        }
        found.push(info);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_whatever_stands_in_paths() {
        let sha = "0123456789012345678901234567890123456789";
        let text = format!(
            "worktree /r\0HEAD {sha}\0branch refs/heads/main\0\0\
             worktree /a\nb c\0HEAD {sha}\0detached\0locked why\nnot\0prunable gone\0\0"
        );
        let found = parse(&text);
        assert_eq!(found[0].branch.as_ref().map(BranchName::as_str), Some("main"));
        assert_eq!(found[1].path, "/a\nb c");
        assert_eq!((found[1].branch.clone(), found[1].locked.as_deref()), (None, Some("why\nnot")));
        assert_eq!(found[1].prunable.as_deref(), Some("gone"));
    }
}
