//! What a session did to the repository that it was started in.

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::{AttemptNo, BranchName, LaunchId, Sha, TaskId, escape_block};
use orch_core::ports::{SaveSpec, Vcs, Work, WorkSpec};
use orch_git::{GitConfig, GitVcs, Remote};
use orch_runtime::{SessionFacts, SessionStore};

use crate::failure::Failure;

/// What a session did since it was started.
pub(crate) type Done = Work;

/// The commit that the repository around a directory is at; `None` outside of one.
///
/// # Errors
/// [`Failure`] when git does not say.
pub(crate) async fn head(store: &SessionStore, id: LaunchId, cwd: &Utf8Path) -> Result<Option<Sha>, Failure> {
    let Some((vcs, top)) = open(store, id, cwd, true).await? else { return Ok(None) };
    let worktrees = vcs.worktrees().await?;
    Ok(worktrees.into_iter().find(|worktree| worktree.path == top).and_then(|worktree| worktree.head))
}

/// Commits, files and what is not committed since a session was started; `None` outside of a repository.
///
/// # Errors
/// [`Failure`] when git does not say.
pub(crate) async fn done(store: &SessionStore, id: LaunchId, facts: &SessionFacts) -> Result<Option<Done>, Failure> {
    let Some(start) = &facts.head else { return Ok(None) };
    let Some((vcs, worktree)) = open(store, id, &facts.cwd, false).await? else { return Ok(None) };
    let branch = BranchName::parse("session").map_err(Failure::other)?;
    let spec = WorkSpec { worktree, branch, start: start.clone(), base: None, ignore_untracked: false };
    Ok(Some(vcs.work(&spec).await?))
}

/// Saves what is not committed, or says why it cannot be: it then stays where it is, which no end of a session
/// changes, and is no reason to let processes live.
pub(crate) async fn save_or_say(store: &SessionStore, id: LaunchId, cwd: &Utf8Path) -> Option<String> {
    save(store, id, cwd).await.unwrap_or_else(|error| {
        let error = escape_block(&error.to_string());
        crate::output::notice(&format!("note: the work of session {id} stays in {cwd} and is not saved: {error}\n"));
        None
    })
}

/// Saves what is not committed under `refs/orch/saved/session-<id>/`; `None` when there is nothing.
///
/// # Errors
/// [`Failure`] when it cannot be saved.
async fn save(store: &SessionStore, id: LaunchId, cwd: &Utf8Path) -> Result<Option<String>, Failure> {
    let Some((vcs, worktree)) = open(store, id, cwd, false).await? else { return Ok(None) };
    let task = TaskId::parse(&format!("session-{id}"))?;
    let saved = vcs.save(&SaveSpec { task, attempt: AttemptNo(1), worktree, partial: false }).await?;
    Ok(saved.map(|saved| saved.reference))
}

/// The repository around a directory, and where its tree begins; how it is configured is recorded at the `start`.
async fn open(
    store: &SessionStore,
    id: LaunchId,
    cwd: &Utf8Path,
    start: bool,
) -> Result<Option<(GitVcs, Utf8PathBuf)>, Failure> {
    let top = cwd.ancestors().find(|dir| dir.join(".git").exists()).map(Utf8Path::to_owned);
    let Some(top) = top else { return Ok(None) };
    let vcs = GitVcs::open(GitConfig {
        repo: top.clone(),
        remote: Remote::Itself,
        effects_lock: None,
        identity_default: orch_fleet::IDENTITY.map(str::to_owned).into(),
        baseline: store.git_baseline(id),
        new_baseline: start,
        hooks: false,
        owner: None,
    })
    .await?;
    Ok(Some((vcs, top)))
}
