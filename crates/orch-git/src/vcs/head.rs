use camino::Utf8Path;
use git2::Repository;
use orch_core::base::{BranchName, Sha};
use orch_core::ports::{Head, VcsError};

use super::GitVcs;
use super::status::{STATUS, Status};

impl GitVcs {
    /// Where a worktree stands, by libgit2, which reads two small files; by the program where libgit2 cannot open
    /// the repository (reftable, SHA-256, partial clones).
    pub(super) async fn see_head(&self, worktree: &Utf8Path) -> Result<Head, VcsError> {
        let checkout = self.unchecked(worktree)?;
        let git_dir = checkout.git_dir.clone();
        if let Ok(Some(head)) = tokio::task::spawn_blocking(move || in_process(&git_dir)).await {
            return Ok(head);
        }
        let checkout = self.checkout(worktree).await?;
        let status = Status::of(checkout.repo.read(STATUS).args(["--untracked-files=no"])).await?;
        let sha = status.head.ok_or_else(|| VcsError::Missing { what: format!("a commit in {worktree}") })?;
        Ok(Head { sha, branch: status.branch.and_then(|name| BranchName::parse(&name).ok()) })
    }
}

/// `None` where libgit2 has no answer.
fn in_process(git_dir: &Utf8Path) -> Option<Head> {
    let repository = Repository::open(git_dir).ok()?;
    let head = repository.head().ok()?;
    let sha = Sha::parse(&head.peel_to_commit().ok()?.id().to_string()).ok()?;
    let branch = head.is_branch().then(|| head.shorthand().ok().and_then(|name| BranchName::parse(name).ok()));
    Some(Head { sha, branch: branch.flatten() })
}
