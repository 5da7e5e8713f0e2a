//! Worktrees that somebody removed, moved or broke, made whole again on the branch that is still there. What is
//! uncommitted in them stays.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::{AttemptNo, BranchName};
use orch_core::ports::{PrepareSpec, SaveSpec, VcsError};

use super::GitVcs;
use super::checkout::{Checkout, Place, leads_to, registered};

impl GitVcs {
    /// Makes a task's worktree anew, or whole again.
    pub(super) async fn mend(&self, spec: &PrepareSpec, place: &Place) -> Result<(), VcsError> {
        match place {
            Place::Whole => self.mend_link(spec).await,
            Place::Gone => self.refill(spec).await,
            Place::Foreign => self.reattach(spec).await,
            Place::Half => {
                self.drop_worktree(&spec.worktree).await?;
                self.add_worktree(&spec.worktree, &[], spec.branch.as_str()).await
            }
            Place::Free => match self.elsewhere(&spec.branch).await? {
                Some(there) => self.bring_back(&there, &spec.worktree),
                None => self.add_worktree(&spec.worktree, &[], spec.branch.as_str()).await,
            },
        }
    }

    /// Makes `.git` lead to the repository again. A repository that stands there instead is saved first.
    async fn mend_link(&self, spec: &PrepareSpec) -> Result<(), VcsError> {
        let Some(git_dir) = registered(&self.common, &spec.worktree) else { return Ok(()) };
        let link = spec.worktree.join(".git");
        if leads_to(&spec.worktree, &git_dir) {
            return Ok(());
        }
        if link.symlink_metadata().is_ok() {
            let (task, worktree) = (spec.task.clone(), spec.worktree.clone());
            self.save_tree(&SaveSpec { task, attempt: AttemptNo(1), worktree, partial: false }).await?;
            let mut aside = git_dir.join("replaced");
            while aside.exists() {
                aside.set_file_name(format!("{}-again", aside.file_name().unwrap_or_default()));
            }
            fs::rename(&link, aside).map_err(|error| failed(&link, &error))?;
        }
        write_link(&spec.worktree, &git_dir)
    }

    /// Fills a worktree whose directory is gone again: what git keeps of it, submodules too, is still there.
    async fn refill(&self, spec: &PrepareSpec) -> Result<(), VcsError> {
        let Some(git_dir) = registered(&self.common, &spec.worktree) else { return Ok(()) };
        fs::create_dir_all(&spec.worktree).map_err(|error| failed(&spec.worktree, &error))?;
        write_link(&spec.worktree, &git_dir)?;
        let checkout = self.unchecked(&spec.worktree)?;
        self.clear_locks(&checkout, Some(&spec.branch)).await?;
        // A half done merge or rebase went with the directory.
        let args = ["checkout", "--quiet", "--force", "--no-recurse-submodules", spec.branch.as_str(), "--"];
        checkout.repo.write(args).ok().await.map(drop)
    }

    /// Registers a directory anew that git does not know as a worktree any more.
    async fn reattach(&self, spec: &PrepareSpec) -> Result<(), VcsError> {
        let (worktree, branch) = (&spec.worktree, spec.branch.as_str());
        let beside = Utf8PathBuf::from(format!("{worktree}.anew"));
        if registered(&self.common, &beside).is_some() {
            self.drop_worktree(&beside).await?;
        }
        self.repo.write(["worktree", "add", "--quiet", "--no-checkout", "--", beside.as_str(), branch]).ok().await?;
        let git_dir = registered(&self.common, &beside);
        let git_dir = git_dir.ok_or_else(|| VcsError::Missing { what: format!("worktree {beside}") })?;
        fs::remove_dir_all(&beside).map_err(|error| failed(&beside, &error))?;
        let back = git_dir.join("gitdir");
        fs::write(&back, format!("{}\n", worktree.join(".git"))).map_err(|error| failed(&back, &error))?;
        write_link(worktree, &git_dir)?;
        let checkout: Checkout = self.unchecked(worktree)?;
        checkout.repo.write(["read-tree", "--reset", branch]).ok().await.map(drop)
    }

    /// Where the branch is checked out, if it is.
    async fn elsewhere(&self, branch: &BranchName) -> Result<Option<Utf8PathBuf>, VcsError> {
        let found = self.worktrees().await?.into_iter().find(|tree| tree.branch.as_ref() == Some(branch));
        Ok(found.map(|tree| tree.path))
    }

    /// Moves a worktree that somebody moved back to its place.
    fn bring_back(&self, there: &Utf8Path, here: &Utf8Path) -> Result<(), VcsError> {
        let theirs =
            || VcsError::Unsafe { worktree: here.to_owned(), what: format!("its branch is checked out at {there}") };
        let git_dir = registered(&self.common, there).ok_or_else(theirs)?;
        if here.is_dir() {
            fs::remove_dir(here).map_err(|error| failed(here, &error))?;
        }
        fs::rename(there, here).map_err(|_| theirs())?;
        let back = git_dir.join("gitdir");
        fs::write(&back, format!("{}\n", here.join(".git"))).map_err(|error| failed(&back, &error))?;
        write_link(here, &git_dir)
    }
}

/// Whether a directory that git does not know was a worktree of this repository, or nothing at all.
pub(super) fn was_ours(common: &Utf8Path, worktree: &Utf8Path) -> bool {
    let link = worktree.join(".git");
    let Ok(found) = link.symlink_metadata() else { return worktree.is_dir() };
    let text = if found.is_file() && found.len() < 1 << 16 { fs::read_to_string(&link) } else { return false };
    let target = text.unwrap_or_default();
    let target = target.trim_end().strip_prefix("gitdir: ").map(|path| worktree.join(path));
    target.is_some_and(|target| !target.exists() && target.parent() == Some(&common.join("worktrees")))
}

fn write_link(worktree: &Utf8Path, git_dir: &Utf8Path) -> Result<(), VcsError> {
    let link = worktree.join(".git");
    fs::write(&link, format!("gitdir: {git_dir}\n")).map_err(|error| failed(&link, &error))
}

fn failed(path: &Utf8Path, error: &std::io::Error) -> VcsError {
    VcsError::Git { command: "worktree".to_owned(), stderr: format!("{path}: {error}") }
}
