use std::fs;
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::Sha;
use orch_core::ports::{RemoveSpec, VcsError};

use super::checkout::{Place, registered};
use super::nested::Inner;
use super::status::{STATUS, Status};
use super::{GitVcs, Remote, local_ref};

impl GitVcs {
    pub(super) async fn remove_worktree(&self, spec: &RemoveSpec) -> Result<(), VcsError> {
        let _path = self.paths.hold(&spec.worktree).await;
        let _alone = self.worktrees.write().await;
        let place = self.place(&spec.worktree);
        let nothing_is_made = place == Place::Half;
        if !spec.discard && !nothing_is_made {
            self.check_removable(spec, &place).await?;
        }
        match place {
            Place::Whole | Place::Half | Place::Gone => self.drop_worktree(&spec.worktree).await?,
            Place::Free if spec.worktree.is_dir() => {
                fs::remove_dir(&spec.worktree).map_err(|error| failed(&spec.worktree, &error))?;
            }
            Place::Free => {}
            Place::Foreign => return Err(would_lose(&spec.worktree, "something that is not a worktree of orch's")),
        }
        if spec.delete_branch {
            self.drop_branch(spec).await?;
        }
        Ok(())
    }

    /// # Errors
    /// [`VcsError::Unsafe`] if the worktree is not clean or locked by somebody, or if it or the branch has a commit
    /// that nothing else keeps.
    async fn check_removable(&self, spec: &RemoveSpec, place: &Place) -> Result<(), VcsError> {
        let branch = self.repo.commit_of(&local_ref(&spec.branch)).await?;
        let mut heads: Vec<Sha> = branch.filter(|_| spec.delete_branch).into_iter().collect();
        if *place == Place::Whole {
            let checkout = self.checkout(&spec.worktree).await?;
            let locked = fs::read_to_string(checkout.git_dir.join("locked"));
            if let Ok(reason) = locked {
                return Err(would_lose(&spec.worktree, &format!("it is locked: {}", reason.trim())));
            }
            let status = Status::of(checkout.repo.read(STATUS).args(["--untracked-files=all"])).await?;
            let dirt = status.dirt(&checkout.git_dir, 10);
            if !dirt.is_clean() {
                let files: Vec<String> = dirt.tracked.into_iter().chain(dirt.untracked).chain(dirt.operation).collect();
                return Err(would_lose(&spec.worktree, &format!("not committed: {}", files.join(", "))));
            }
            if let Some(what) = self.inner(&checkout).await?.iter().find_map(Inner::at_risk) {
                return Err(would_lose(&spec.worktree, &what));
            }
            heads.extend(status.head);
        }
        for head in heads {
            if !self.is_kept(&head, spec).await? {
                return Err(would_lose(&spec.worktree, &format!("commit {} is on no remote", head.short())));
            }
        }
        Ok(())
    }

    /// Whether a remote-tracking ref, the base, a pull request or a saved ref contains the commit; the branch itself
    /// counts if it stays.
    async fn is_kept(&self, head: &Sha, spec: &RemoveSpec) -> Result<bool, VcsError> {
        let own = local_ref(&spec.branch);
        let contains = format!("--contains={head}");
        let mut call =
            self.repo.read(["for-each-ref", "--format=%(refname)", &contains, "refs/orch/saved/", "refs/pull/"]);
        call = match &self.remote {
            Remote::Named(name) => call.args([format!("refs/remotes/{name}/").as_str(), own.as_str()]),
            Remote::Itself => call.args(["refs/heads/"]),
        };
        let names = call.ok().await?.lines();
        Ok(names.iter().any(|name| *name != own || !spec.delete_branch))
    }

    /// Removes a worktree and its registration, whatever state they are in.
    pub(super) async fn drop_worktree(&self, worktree: &Utf8Path) -> Result<(), VcsError> {
        let args = ["worktree", "remove", "--force", "--force", "--", worktree.as_str()];
        let output = self.repo.write(args).run().await?;
        if output.status == 0 {
            return Ok(());
        }
        // Directories without write permission, or a damaged `.git` file, stop git half way.
        if worktree.is_dir() {
            let dir = worktree.to_owned();
            let removed = tokio::task::spawn_blocking(move || remove_tree(&dir)).await;
            removed
                .map_err(|error| VcsError::Git { command: "worktree".to_owned(), stderr: error.to_string() })?
                .map_err(|error| failed(worktree, &error))?;
        }
        if registered(&self.common, worktree).is_some() {
            self.repo.write(args).ok().await?;
        }
        Ok(())
    }

    /// Deletes the branch and what is recorded of its start. A branch that is checked out elsewhere stays.
    async fn drop_branch(&self, spec: &RemoveSpec) -> Result<(), VcsError> {
        if self.repo.commit_of(&local_ref(&spec.branch)).await?.is_some() {
            let output = self.repo.write(["branch", "--quiet", "-D", "--", spec.branch.as_str()]).run().await?;
            let is_elsewhere = ["used by worktree", "checked out at"].iter().any(|text| output.stderr.contains(text));
            if output.status != 0 && !is_elsewhere {
                return Err(output.error("branch"));
            }
        }
        self.forget(&spec.task).await
    }
}

/// Removes a directory with everything in it, giving directories back the permissions that this needs. Symbolic
/// links are removed, never followed.
pub(super) fn remove_tree(dir: &Utf8Path) -> std::io::Result<()> {
    let mut open: Vec<Utf8PathBuf> = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700))?;
        for entry in dir.read_dir_utf8()? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.into_path());
            }
        }
    }
    fs::remove_dir_all(dir)
}

fn failed(worktree: &Utf8Path, error: &std::io::Error) -> VcsError {
    VcsError::Git { command: "worktree".to_owned(), stderr: format!("{worktree}: {error}") }
}

fn would_lose(worktree: &Utf8Path, what: &str) -> VcsError {
    VcsError::Unsafe { worktree: worktree.to_owned(), what: what.to_owned() }
}
