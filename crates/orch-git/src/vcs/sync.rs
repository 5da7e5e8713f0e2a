use orch_core::base::{BranchName, Sha};
use orch_core::ports::{SyncSource, SyncSpec, VcsError};

use super::GitVcs;
use super::checkout::Checkout;
use super::status::{STATUS, Status, operation};
use crate::git::GitVersion;
use crate::merge::{Merged, Signature};

/// The trailer that marks a merge as ours, with the tip that it took in.
pub(super) const TRAILER: &str = "Orch-Sync";

impl GitVcs {
    pub(super) async fn take_in(&self, spec: &SyncSpec) -> Result<Sha, VcsError> {
        let _path = self.paths.hold(&spec.worktree).await;
        let checkout = self.checkout(&spec.worktree).await?;
        let old = self.settled_head(&checkout, &spec.branch).await?;
        self.fetch_missing(&spec.sources).await?;
        let by = self.signature().await?;
        let mut head = old.clone();
        for source in &spec.sources {
            if let Some(task) = &source.left_by {
                self.keep_pushed(task, &source.tip).await?;
            }
            if !self.reaches(&source.tip, &head).await? {
                head = self.merged(&head, source, &spec.branch, &by).await?;
            }
        }
        if head == old {
            return Ok(head);
        }
        self.clear_locks(&checkout, Some(&spec.branch)).await?;
        let args = ["merge", "--quiet", "--ff-only", "--no-autostash", "--no-stat", "--no-verify", head.as_str()];
        let output = checkout.repo.write(args).run().await?;
        match output.status {
            0 => {
                self.move_submodules(&checkout, &old).await?;
                Ok(head)
            }
            _ if output.stderr.contains("would be overwritten") => {
                Err(VcsError::Unsafe { worktree: spec.worktree.clone(), what: output.stderr })
            }
            _ => Err(output.error("merge")),
        }
    }

    /// The commit checked out, if the branch is checked out, no operation is under way and no tracked file is
    /// changed.
    async fn settled_head(&self, checkout: &Checkout, branch: &BranchName) -> Result<Sha, VcsError> {
        let status = Status::of(checkout.repo.read(STATUS).args(["--untracked-files=no"])).await?;
        on_branch(checkout, &status, branch)?;
        if let Some(path) = status.tracked.first() {
            let what = format!("{} is not committed", String::from_utf8_lossy(path));
            return Err(VcsError::Unsafe { worktree: checkout.repo.dir().to_owned(), what });
        }
        status.head.ok_or_else(|| VcsError::Missing { what: format!("a commit on {branch}") })
    }

    async fn merged(
        &self,
        head: &Sha,
        source: &SyncSource,
        branch: &BranchName,
        by: &Signature,
    ) -> Result<Sha, VcsError> {
        let label: String = source.label.chars().filter(|c| !c.is_control()).collect();
        if source.left_by.is_some() {
            let tree = self.repo.tree_of(head).await?;
            let message = format!("Leave {label} behind\n\n{TRAILER}: {}", source.tip);
            return self.repo.commit_tree(&tree, &[head, &source.tip], &message, by).await;
        }
        let old = source.merge_base.as_ref();
        let grew = match old {
            Some(old) => self.reaches(old, &source.tip).await?,
            None => false,
        };
        if old.is_some() && !grew && self.version < GitVersion::MERGE_BASE {
            let what = format!("a merge of {}", source.label);
            let why = format!("git {} is needed for it, this is {}", GitVersion::MERGE_BASE, self.version);
            return Err(VcsError::Refused { what, why });
        }
        // A tip that only grew shares more with this branch than its old tip: history knows best, unless both took
        // in the same squashed commit, which leaves history with two bases that do not merge.
        let mut merged = self.repo.merge_trees(old.filter(|_| !grew), head, &source.tip).await?;
        if grew && matches!(merged, Merged::Conflict(_)) && self.version >= GitVersion::MERGE_BASE {
            let again = self.repo.merge_trees(old, head, &source.tip).await?;
            merged = if matches!(again, Merged::Clean(_)) { again } else { merged };
        }
        let tree = match merged {
            Merged::Clean(tree) => tree,
            Merged::Conflict(files) => return Err(VcsError::Conflict { with: source.label.clone(), files }),
        };
        let message = format!("Merge {label} into {branch}\n\n{TRAILER}: {}", source.tip);
        self.repo.commit_tree(&tree, &[head, &source.tip], &message, by).await
    }
}

/// # Errors
/// [`VcsError::Unsafe`] if something else is checked out or an operation is half done: a change of ours would
/// end up elsewhere, or would end it.
pub(super) fn on_branch(checkout: &Checkout, status: &Status, branch: &BranchName) -> Result<(), VcsError> {
    let what = if let Some(operation) = operation(&checkout.git_dir) {
        format!("a {operation} is half done")
    } else if status.unmerged {
        "unmerged files are in the index".to_owned()
    } else {
        match status.branch.as_deref() {
            Some(found) if found == branch.as_str() => return Ok(()),
            Some(found) => format!("{found} is checked out instead of {branch}"),
            None => format!("HEAD is detached, not on {branch}"),
        }
    };
    Err(VcsError::Unsafe { worktree: checkout.repo.dir().to_owned(), what })
}
