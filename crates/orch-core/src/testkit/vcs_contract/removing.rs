//! `remove`: only what is elsewhere, unless told to discard.

use super::VcsHarness;
use super::bench::{commits, desk, main_branch, prepare_spec};
use crate::ports::{RemoveSpec, Vcs, VcsError};
use crate::testkit::contract::{CaseResult, HOLDS, ensure, ensure_eq, ensure_matches};

pub(super) async fn remove_refuses_uncommitted_work<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    for (task, path) in [("t1", "notes.txt"), ("t2", "src/a.txt")] {
        let desk = desk(h, &vcs, task).await?;
        h.write(&desk.path, path, "draft\n").await;
        let refused = vcs.remove(&desk.remove_spec(false)).await;
        ensure_eq!(h.read(&desk.path, path).await.as_deref(), Some("draft\n"), "{path}, uncommitted, after remove");
        ensure_matches!(refused, Err(VcsError::Unsafe { .. }), "remove of a worktree with {path} uncommitted");
    }
    HOLDS
}

pub(super) async fn remove_refuses_commits_that_are_nowhere_else<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    let sha = commits(h, &desk, "one", &[("src/a.txt", "1\n")]).await;
    ensure_matches!(
        vcs.remove(&desk.remove_spec(false)).await,
        Err(VcsError::Unsafe { .. }),
        "remove of unpushed work"
    );
    ensure_eq!(desk.work(&vcs).await?.head, sha, "the head after it");
    HOLDS
}

pub(super) async fn remove_keeps_a_branch_whose_worktree_is_gone<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    let sha = commits(h, &desk, "one", &[("src/a.txt", "1\n")]).await;
    vcs.remove(&RemoveSpec { delete_branch: false, ..desk.remove_spec(false) }).await?;
    ensure_matches!(
        vcs.remove(&desk.remove_spec(false)).await,
        Err(VcsError::Unsafe { .. }),
        "remove of a branch with unpushed work"
    );
    ensure_eq!(h.resolve("refs/heads/task/t1").await, Some(sha), "the branch");
    HOLDS
}

pub(super) async fn remove_leaves_commits_to_the_branch_that_stays<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    let sha = commits(h, &desk, "one", &[("src/a.txt", "1\n")]).await;
    vcs.remove(&RemoveSpec { delete_branch: false, ..desk.remove_spec(false) }).await?;
    ensure_eq!(h.read(&desk.path, "src/a.txt").await, None, "a file of the worktree");
    ensure_eq!(h.resolve("refs/heads/task/t1").await, Some(sha), "the branch");
    HOLDS
}

pub(super) async fn remove_after_the_push<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    let sha = commits(h, &desk, "one", &[("src/a.txt", "1\n")]).await;
    vcs.push(&desk.push_spec(&sha)?).await?;
    h.write(&desk.path, "left.tmp", "ignored\n").await;
    vcs.remove(&RemoveSpec { delete_branch: false, ..desk.remove_spec(false) }).await?;
    ensure_eq!(h.read(&desk.path, "src/a.txt").await, None, "a file of the worktree");
    ensure_eq!(h.resolve("refs/heads/task/t1").await, Some(sha.clone()), "the branch, which was to stay");
    vcs.remove(&desk.remove_spec(false)).await?;
    ensure_eq!(h.resolve("refs/heads/task/t1").await, None, "the branch, which was to go");
    ensure_eq!(h.tip(&desk.branch).await, Some(sha), "the branch at the remote");
    HOLDS
}

pub(super) async fn remove_discards_when_told<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    commits(h, &desk, "one", &[("src/a.txt", "1\n")]).await;
    h.write(&desk.path, "notes.txt", "draft\n").await;
    vcs.remove(&desk.remove_spec(true)).await?;
    ensure_eq!(h.read(&desk.path, "notes.txt").await, None, "a file of the worktree");
    ensure_eq!(h.resolve("refs/heads/task/t1").await, None, "the branch");
    let again = vcs.prepare(&prepare_spec(h, "t1", &[])?).await?;
    ensure_eq!(Some(again.start), h.tip(&main_branch()?).await, "the start made anew");
    ensure_eq!(h.read(&desk.path, "src/a.txt").await.as_deref(), Some("a\n"), "a file made anew");
    HOLDS
}

pub(super) async fn remove_of_an_absent_worktree_is_no_error<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    for _ in 0..2 {
        vcs.remove(&desk.remove_spec(false)).await?;
    }
    let vcs = h.restart(vcs).await;
    vcs.remove(&desk.remove_spec(true)).await?;
    HOLDS
}

pub(super) async fn saved_work_outlives_its_worktree<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    commits(h, &desk, "one", &[("src/a.txt", "1\n")]).await;
    h.write(&desk.path, "notes.txt", "draft\n").await;
    let saved = vcs.save(&desk.save_spec(1)).await?;
    vcs.remove(&desk.remove_spec(true)).await?;
    ensure!(saved.is_some(), "nothing was saved");
    if let Some(saved) = saved {
        ensure_eq!(h.resolve(&saved.reference).await, Some(saved.sha.clone()), "the ref");
        ensure_eq!(h.show(&saved.sha, "notes.txt").await.as_deref(), Some("draft\n"), "a saved file");
    }
    HOLDS
}

pub(super) async fn remove_refuses_repositories_inside<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    h.nest(&desk.path, "app", "precious\n").await;
    let refused = vcs.remove(&desk.remove_spec(false)).await;
    ensure_matches!(refused, Err(VcsError::Unsafe { .. }), "remove of a worktree with a repository inside");
    ensure!(!desk.work(&vcs).await?.dirt.nested.is_empty(), "the repository inside is gone");
    HOLDS
}
