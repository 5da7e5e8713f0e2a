use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::BranchName;
use orch_core::ports::VcsError;

use super::{GitVcs, locks};
use crate::git::Repo;

/// What stands where a task's worktree belongs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing, or an empty directory.
    Free,
    /// A worktree that git finished making.
    Whole,
    /// A worktree whose making was interrupted, so nothing was ever launched in it.
    Half,
    /// A worktree that git still lists, but whose directory is gone.
    Gone,
    /// Something that is not a worktree of this repository.
    Foreign,
}

/// One of our worktrees, found by what the repository knows of it and not by what stands in its `.git` file.
#[derive(Debug, Clone)]
pub(super) struct Checkout {
    /// Calls in it.
    pub(super) repo: Repo,
    /// Its own git directory.
    pub(super) git_dir: Utf8PathBuf,
}

impl GitVcs {
    /// The worktree, with its configuration and its link to the repository checked.
    pub(super) async fn checkout(&self, worktree: &Utf8Path) -> Result<Checkout, VcsError> {
        let checkout = self.unchecked(worktree)?;
        self.baseline.check(Some(&checkout.git_dir)).await?;
        if checkout.git_dir == self.common {
            return Ok(checkout);
        }
        if leads_to(worktree, &checkout.git_dir) {
            return Ok(checkout);
        }
        Err(VcsError::Missing { what: format!("the link of {} to its repository", worktree.join(".git")) })
    }

    /// The worktree, for calls that read no configuration which matters.
    pub(super) fn unchecked(&self, worktree: &Utf8Path) -> Result<Checkout, VcsError> {
        let git_dir = registered(&self.common, worktree).filter(|_| worktree.is_dir());
        let git_dir = git_dir.or_else(|| self.is_main(worktree).then(|| self.common.clone()));
        let git_dir = git_dir.ok_or_else(|| VcsError::Missing { what: format!("worktree {worktree}") })?;
        Ok(Checkout { repo: self.repo.worktree(worktree, &git_dir), git_dir })
    }

    /// Whether it is the tree that the repository itself lies in: a session on its own works there.
    fn is_main(&self, worktree: &Utf8Path) -> bool {
        let own = worktree.join(".git").canonicalize_utf8().ok();
        own.is_some() && own == self.common.canonicalize_utf8().ok()
    }

    /// What stands at the path.
    pub(super) fn place(&self, worktree: &Utf8Path) -> Place {
        let there = worktree.symlink_metadata().is_ok();
        match registered(&self.common, worktree) {
            Some(git_dir) if is_half_made(&git_dir) => Place::Half,
            Some(_) if there => Place::Whole,
            Some(_) => Place::Gone,
            None if !there || is_empty(worktree) => Place::Free,
            None => Place::Foreign,
        }
    }

    /// Removes locks that nobody holds any more from a worktree that is about to be changed.
    pub(super) async fn clear_locks(&self, checkout: &Checkout, branch: Option<&BranchName>) -> Result<(), VcsError> {
        let (common, git_dir) = (self.common.clone(), checkout.git_dir.clone());
        let (worktree, branch) = (checkout.repo.dir().to_owned(), branch.cloned());
        let clear = move || locks::clear_stale(&common, &git_dir, &worktree, branch.as_ref());
        tokio::task::spawn_blocking(clear)
            .await
            .map_err(|error| VcsError::Git { command: "lock".to_owned(), stderr: error.to_string() })
    }
}

/// Whether a worktree's own `.git` leads to the git directory under which the repository knows it.
pub(super) fn leads_to(worktree: &Utf8Path, git_dir: &Utf8Path) -> bool {
    let link = worktree.join(".git");
    let text = if link.is_file() { fs::read_to_string(&link).unwrap_or_default() } else { String::new() };
    let target = text.trim_end().strip_prefix("gitdir: ").map(|path| worktree.join(path));
    target
        .and_then(|path| path.canonicalize_utf8().ok())
        .is_some_and(|target| Ok(target) == git_dir.canonicalize_utf8().map_err(drop))
}

/// The git directory under which the repository knows a worktree.
pub(super) fn registered(common: &Utf8Path, worktree: &Utf8Path) -> Option<Utf8PathBuf> {
    let wanted = settled(worktree);
    let leads_there = |git_dir: &Utf8PathBuf| worktree_of(git_dir).is_some_and(|path| settled(&path) == wanted);
    let linked = fs::read_to_string(worktree.join(".git")).ok();
    let linked = linked.as_deref().and_then(|link| link.trim_end().strip_prefix("gitdir: "));
    let linked = linked.map(|path| settled(&worktree.join(path)));
    let admin = settled(&common.join("worktrees"));
    if let Some(git_dir) = linked.filter(|git_dir| git_dir.parent() == Some(&admin) && leads_there(git_dir)) {
        return Some(git_dir);
    }
    let entries = admin.read_dir_utf8().ok()?;
    entries.flatten().map(camino::Utf8DirEntry::into_path).find(leads_there)
}

/// The directory of the worktree that a private git directory belongs to.
pub(super) fn worktree_of(git_dir: &Utf8Path) -> Option<Utf8PathBuf> {
    let text = fs::read_to_string(git_dir.join("gitdir")).ok()?;
    let link = git_dir.join(text.trim_end_matches('\n'));
    link.parent().map(Utf8Path::to_owned)
}

/// The path with symbolic links resolved as far as it exists.
fn settled(path: &Utf8Path) -> Utf8PathBuf {
    if let Ok(path) = path.canonicalize_utf8() {
        return path;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if !parent.as_str().is_empty() => settled(parent).join(name),
        _ => path.to_owned(),
    }
}

/// `git worktree add` locks what it makes with this reason until it is done.
fn is_half_made(git_dir: &Utf8Path) -> bool {
    fs::read_to_string(git_dir.join("locked")).is_ok_and(|reason| reason.trim() == "initializing")
}

fn is_empty(dir: &Utf8Path) -> bool {
    dir.read_dir_utf8().is_ok_and(|mut entries| entries.next().is_none())
}
