//! Repositories before there is a [`GitVcs`](crate::GitVcs) on them: the machine's git, clones, remotes.

use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::BranchName;
use orch_core::ports::VcsError;

use crate::git::{Git, GitVersion, Repo};

/// A configured remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteInfo {
    /// Its name.
    pub name: String,
    /// Where it is fetched from, `url.<base>.insteadOf` applied.
    pub url: String,
}

/// The version of the git program on `PATH`.
///
/// # Errors
/// [`VcsError::Missing`] if there is none, or its version cannot be read.
pub async fn git_version() -> Result<GitVersion, VcsError> {
    let missing = || VcsError::Missing { what: "the git program".to_owned() };
    let output = Repo::discover(Git::new(None), Utf8Path::new("/")).read(["version"]).ok().await;
    GitVersion::parse(&output.map_err(|_| missing())?.text()).ok_or_else(missing)
}

/// Clones a repository, a URL or a path, with its remote named `origin`. `dest` appears whole or not at all.
///
/// # Errors
/// [`VcsError::Refused`] if `dest` exists or access is denied, [`VcsError::Unreachable`] if the source does not
/// answer.
pub async fn clone(source: &str, dest: &Utf8Path, effects_lock: Option<Utf8PathBuf>) -> Result<(), VcsError> {
    if dest.symlink_metadata().is_ok() {
        return Err(VcsError::Refused { what: "a clone".to_owned(), why: format!("{dest} exists already") });
    }
    let failed = |error: std::io::Error| VcsError::Git { command: "clone".to_owned(), stderr: error.to_string() };
    let parent = dest.parent().filter(|dir| !dir.as_str().is_empty()).unwrap_or(Utf8Path::new("."));
    let parent = parent.canonicalize_utf8().map_err(failed)?;
    let source = absolute(source);
    let partial = tempfile::Builder::new().prefix(".orch-clone-").tempdir_in(&parent).map_err(failed)?;
    let place = Utf8Path::from_path(partial.path()).map(|path| path.join("repo"));
    let place = place.ok_or_else(|| VcsError::Missing { what: format!("a UTF-8 path for {dest}") })?;
    let output = Repo::discover(Git::new(effects_lock), &parent)
        .network(["clone", "--quiet", "--origin=origin", "--no-recurse-submodules", "--", &source, place.as_str()])
        .run()
        .await?;
    if output.status != 0 {
        return Err(output.remote_error(&format!("a clone of {source}")));
    }
    std::fs::rename(&place, dest).map_err(failed)
}

/// Makes a repository of everything in a directory, as one commit on `main`, and a bare origin of it at
/// `origin`: what a demonstration or a test starts from.
///
/// # Errors
/// [`VcsError::Git`] if git refuses, for instance because one of them exists.
pub async fn create_origin(dir: &Utf8Path, origin: &Utf8Path) -> Result<(), VcsError> {
    let repo = Repo::discover(Git::new(None), dir);
    repo.write(["init", "--quiet", "--initial-branch=main"]).ok().await?;
    repo.write(["add", "--all"]).ok().await?;
    let commit = repo.write(["commit", "--quiet", "--message=The beginning"]);
    commit.config("user.name=orch").config("user.email=orch@localhost").ok().await?;
    repo.network(["clone", "--quiet", "--bare", "--", dir.as_str(), origin.as_str()]).ok().await?;
    Ok(())
}

/// A path on disk, made absolute, because the clone runs elsewhere; URLs and scp-like names stay.
fn absolute(source: &str) -> String {
    match Utf8Path::new(source).canonicalize_utf8() {
        Ok(path) => path.into_string(),
        Err(_) => source.to_owned(),
    }
}

/// The remote that a repository publishes to: `origin`, else its only one; `None` if it has none.
///
/// # Errors
/// [`VcsError::Missing`] if there is no repository, [`VcsError::Refused`] if several remotes leave the choice open.
pub async fn detect_remote(repo: &Utf8Path) -> Result<Option<RemoteInfo>, VcsError> {
    detect(repo, None).await
}

/// The remote that a repository publishes to, of those that it had when its configuration was recorded: whoever
/// adds one later, an agent say, does not choose where work goes.
///
/// # Errors
/// Those of [`detect_remote`]; [`VcsError::Git`] if the record cannot be read.
pub async fn recorded_remote(repo: &Utf8Path, record: &Utf8Path) -> Result<Option<RemoteInfo>, VcsError> {
    detect(repo, Some(record)).await
}

async fn detect(repo: &Utf8Path, record: Option<&Utf8Path>) -> Result<Option<RemoteInfo>, VcsError> {
    let git = Git::new(None);
    let (common, top) = locate(&git, repo).await?;
    let repo = Repo::at(git, &top, &common);
    let mut names = repo.read(["remote"]).ok().await?.lines();
    if let Some(known) = record.map(crate::baseline::recorded_keys).transpose()?.flatten() {
        names.retain(|name| known.contains(&format!("remote.{name}.url")));
    }
    let name = match names.as_slice() {
        [] => return Ok(None),
        [only] => only,
        several => several.iter().find(|name| *name == "origin").ok_or_else(|| VcsError::Refused {
            what: "choosing a remote".to_owned(),
            why: format!("there are {}, and none is named origin", several.join(", ")),
        })?,
    };
    let url = repo.read(["remote", "get-url", "--", name]).ok().await?.text();
    Ok(Some(RemoteInfo { name: name.clone(), url }))
}

/// The branch that is checked out in the worktree around a directory, with or without a commit; `None` where HEAD
/// is on none.
///
/// # Errors
/// [`VcsError::Missing`] if there is no repository.
pub async fn head_branch(dir: &Utf8Path) -> Result<Option<BranchName>, VcsError> {
    let git = Git::new(None);
    locate(&git, dir).await?;
    head_branch_of(&Repo::discover(git, dir)).await
}

pub(crate) async fn head_branch_of(repo: &Repo) -> Result<Option<BranchName>, VcsError> {
    let output = repo.read(["symbolic-ref", "--quiet", "HEAD"]).run().await?;
    let name = output.text();
    let name = name.strip_prefix("refs/heads/").filter(|_| output.status == 0);
    Ok(name.and_then(|name| BranchName::parse(name).ok()))
}

/// The shared git directory of the repository at or above `dir`, and the directory to run in: the top of its
/// worktree, or the git directory of a bare one.
pub(crate) async fn locate(git: &Arc<Git>, dir: &Utf8Path) -> Result<(Utf8PathBuf, Utf8PathBuf), VcsError> {
    let missing = || VcsError::Missing { what: format!("a git repository at {dir}") };
    if !dir.is_dir() {
        return Err(missing());
    }
    let found = Repo::discover(git.clone(), dir);
    let args = ["rev-parse", "--path-format=absolute", "--git-common-dir"];
    let output = found.read(args).run().await?;
    if output.status != 0 {
        return Err(missing());
    }
    let common = Utf8PathBuf::from(output.text());
    let top = found.read(["rev-parse", "--path-format=absolute", "--show-toplevel"]).run().await?;
    let top = if top.status == 0 { Utf8PathBuf::from(top.text()) } else { common.clone() };
    Ok((common, top))
}
