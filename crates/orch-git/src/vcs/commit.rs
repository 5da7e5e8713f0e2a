use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;

use orch_core::base::{FileSet, Sha};
use orch_core::ports::{CommitSpec, VcsError};
use tempfile::NamedTempFile;

use super::GitVcs;
use super::checkout::Checkout;
use super::status::{STATUS, Status};
use super::sync::on_branch;

impl GitVcs {
    pub(super) async fn commit_work(&self, spec: &CommitSpec) -> Result<Sha, VcsError> {
        let _path = self.paths.hold(&spec.worktree).await;
        let checkout = self.checkout(&spec.worktree).await?;
        let status = Status::of(checkout.repo.read(STATUS).args(["--untracked-files=all"])).await?;
        on_branch(&checkout, &status, &spec.branch)?;
        let no_commit = || VcsError::Missing { what: format!("a commit on {}", spec.branch) };
        // What links to commits elsewhere is an agent's or a person's to commit: git would enter the repository there,
        // and run what its configuration names.
        let changed = status.tracked.difference(&status.links).cloned();
        let (gone, changed): (Vec<_>, Vec<_>) = changed.partition(|path| is_directory(&checkout, path));
        let added = [changed, covered(&status.untracked, &spec.files)].concat();
        if gone.is_empty() && added.is_empty() {
            return status.head.ok_or_else(no_commit);
        }
        self.clear_locks(&checkout, Some(&spec.branch)).await?;
        if !gone.is_empty() {
            let paths = gone.iter().flat_map(|path| [path.as_slice(), b"\0"].concat()).collect();
            checkout.repo.write(["update-index", "--force-remove", "-z", "--stdin"]).input(paths).ok().await?;
        }
        if !added.is_empty() {
            add(&checkout, &added).await?;
        }
        self.record(&checkout, &spec.message).await?;
        checkout.repo.commit_of("HEAD").await?.ok_or_else(no_commit)
    }

    /// Commits the index, unless it is the same as the head after all (a mode or line ending that does not count).
    async fn record(&self, checkout: &Checkout, message: &str) -> Result<(), VcsError> {
        let staged = checkout.repo.read(["diff-index", "--cached", "--quiet", "HEAD", "--"]).run().await?;
        if staged.status == 0 {
            return Ok(());
        }
        let message = text_file(message.as_bytes())?;
        let path =
            message.path().to_str().ok_or_else(|| failed("its message", "the temporary directory is not UTF-8"))?;
        let mut call = checkout.repo.write(["commit", "--quiet", "--cleanup=whitespace", "--no-edit", "--no-status"]);
        for setting in self.identity_settings(&checkout.repo).await? {
            call = call.config(setting);
        }
        call.config("diff.ignoreSubmodules=dirty").args(["--file", path]).with_hooks(self.hooks).ok().await.map(drop)
    }
}

/// The untracked paths that the task may add; repositories inside the worktree never.
fn covered(untracked: &BTreeSet<Vec<u8>>, files: &FileSet) -> Vec<Vec<u8>> {
    // Names that are no UTF-8 are covered as they are shown.
    let may = |path: &&Vec<u8>| !path.ends_with(b"/") && files.covers(&String::from_utf8_lossy(path));
    untracked.iter().filter(may).cloned().collect()
}

/// Whether a directory stands where a tracked file was: added as a path it could become a link to a commit.
fn is_directory(checkout: &Checkout, path: &[u8]) -> bool {
    let place = checkout.repo.dir().as_std_path().join(OsStr::from_bytes(path));
    place.symlink_metadata().is_ok_and(|found| found.is_dir())
}

/// Adds exactly these paths, whatever characters they have.
async fn add(checkout: &Checkout, paths: &[Vec<u8>]) -> Result<(), VcsError> {
    let list = text_file(&paths.join(&0))?;
    let path = list.path().to_str().ok_or_else(|| failed("its paths", "the temporary directory is not UTF-8"))?;
    let from = format!("--pathspec-from-file={path}");
    let call = checkout.repo.write(["add", &from, "--pathspec-file-nul"]);
    call.global("--literal-pathspecs").ok().await.map(drop)
}

fn text_file(bytes: &[u8]) -> Result<NamedTempFile, VcsError> {
    let write = || {
        let mut file = NamedTempFile::new()?;
        file.write_all(bytes)?;
        file.flush()?;
        Ok(file)
    };
    write().map_err(|error: std::io::Error| failed("a temporary file", error))
}

fn failed(what: &str, why: impl std::fmt::Display) -> VcsError {
    VcsError::Git { command: "commit".to_owned(), stderr: format!("{what}: {why}") }
}
