//! `work`: what was done, as it is.

use super::VcsHarness;
use super::bench::{commits, desk, main_branch};
use crate::ports::{Dirt, Vcs, VcsError, WorkSpec};
use crate::testkit::contract::{CaseResult, HOLDS, ensure, ensure_eq, ensure_matches};

pub(super) async fn head_is_where_the_worktree_stands<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    let head = vcs.head(&desk.path).await?;
    ensure_eq!((&head.sha, &head.branch), (&desk.start, &Some(desk.work_spec().branch)), "the head of a new worktree");
    h.write(&desk.path, "src/a.txt", "dirty\n").await;
    ensure_eq!(vcs.head(&desk.path).await?, head, "the head while nothing is committed");
    let commit = commits(h, &desk, "first", &[("src/a.txt", "x\n")]).await;
    ensure_eq!(vcs.head(&desk.path).await?.sha, commit, "the head after a commit");
    h.detach(&desk.path).await;
    let head = vcs.head(&desk.path).await?;
    ensure_eq!((head.sha, head.branch), (commit, None), "a detached head");
    HOLDS
}

pub(super) async fn head_of_a_missing_worktree_is_missing<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let head = vcs.head(&h.worktree("absent")).await;
    ensure_matches!(head, Err(VcsError::Missing { .. }), "the head of a worktree that is not there");
    HOLDS
}

pub(super) async fn work_of_nothing_is_empty<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    let work = desk.work(&vcs).await?;
    ensure_eq!(work.head, desk.start, "the head");
    ensure!(work.commits.is_empty() && work.changed.is_empty(), "work in a new worktree: {work:?}");
    ensure_eq!(work.last_commit_at, None, "the time of no commit");
    ensure_eq!(work.dirt, Dirt::default(), "dirt in a new worktree");
    HOLDS
}

pub(super) async fn work_lists_commits_oldest_first<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    let first =
        commits(h, &desk, "fix: one's \"first\"\n\nbody\n", &[("src/new.txt", "1\n"), ("src/a.txt", "x\n")]).await;
    h.delete(&desk.path, "src/b.txt").await;
    h.stage(&desk.path, "src/b.txt").await;
    let second = commits(h, &desk, "second é", &[]).await;
    let third = commits(h, &desk, "third", &[("src/a.txt", "a\n")]).await;
    let work = desk.work(&vcs).await?;
    let found: Vec<(&str, &str)> =
        work.commits.iter().map(|commit| (commit.sha.as_str(), commit.subject.as_str())).collect();
    let expected = [(first.as_str(), "fix: one's \"first\""), (second.as_str(), "second é"), (third.as_str(), "third")];
    ensure_eq!(found, expected, "commits");
    ensure_eq!(work.changed, ["src/b.txt", "src/new.txt"], "files that differ from the start");
    ensure_eq!(work.head, third, "the head");
    ensure!(work.last_commit_at.is_some(), "the newest commit has no time");
    HOLDS
}

pub(super) async fn work_leaves_out_what_was_merged_in<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    let own = commits(h, &desk, "own", &[("src/a.txt", "mine\n")]).await;
    let base = h.publish(&main_branch()?, &[("new.txt", "new\n")]).await;
    vcs.base_tip(&main_branch()?).await?;
    vcs.sync(&desk.sync_spec("main", &base, None)).await?;
    let work = desk.work(&vcs).await?;
    let found: Vec<_> = work.commits.iter().map(|commit| commit.sha.clone()).collect();
    ensure_eq!(found, [own], "own commits after a merge of the base");
    ensure_eq!(work.changed, ["src/a.txt"], "files that it changed itself");
    HOLDS
}

pub(super) async fn work_shows_what_is_not_committed<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    h.write(&desk.path, "src/a.txt", "changed\n").await;
    h.write(&desk.path, "shared.txt", "staged\n").await;
    h.stage(&desk.path, "shared.txt").await;
    h.delete(&desk.path, "src/b.txt").await;
    h.write(&desk.path, "added.txt", "added\n").await;
    h.stage(&desk.path, "added.txt").await;
    h.write(&desk.path, "deep/er/new.txt", "new\n").await;
    h.write(&desk.path, "deep/other.txt", "new\n").await;
    h.write(&desk.path, "ignored.tmp", "x\n").await;
    let dirt = desk.work(&vcs).await?.dirt;
    ensure_eq!(dirt.tracked, ["added.txt", "shared.txt", "src/a.txt", "src/b.txt"], "tracked files with changes");
    ensure_eq!(dirt.untracked, ["deep/er/new.txt", "deep/other.txt"], "untracked files");
    ensure_eq!(dirt.operation, None, "the operation");
    HOLDS
}

pub(super) async fn work_names_odd_files_as_they_are<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    let odd = ["-dash.txt", "a \"b\".txt", "it's.txt", "tab\there.txt", "é漢.txt"];
    for path in odd {
        h.write(&desk.path, path, "x\n").await;
    }
    ensure_eq!(desk.work(&vcs).await?.dirt.untracked, odd, "untracked files with odd names");
    commits(h, &desk, "odd", &odd.map(|path| (path, "y\n"))).await;
    ensure_eq!(desk.work(&vcs).await?.changed, odd, "changed files with odd names");
    HOLDS
}

pub(super) async fn work_ignores_untracked_files_when_told<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    h.write(&desk.path, "target/out.txt", "x\n").await;
    h.write(&desk.path, "src/a.txt", "x\n").await;
    let dirt = vcs.work(&WorkSpec { ignore_untracked: true, ..desk.work_spec() }).await?.dirt;
    ensure_eq!(dirt.untracked, [""; 0], "untracked files that do not count");
    ensure_eq!(dirt.tracked, ["src/a.txt"], "tracked files, which do");
    HOLDS
}

pub(super) async fn work_shows_a_detached_head<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    h.detach(&desk.path).await;
    let head = commits(h, &desk, "adrift", &[("src/a.txt", "x\n")]).await;
    let work = desk.work(&vcs).await?;
    ensure_eq!(work.branch, None, "the branch of a detached HEAD");
    ensure_eq!(work.head, head, "the head");
    HOLDS
}

pub(super) async fn work_shows_a_half_done_merge<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let (desk, other) = (desk(h, &vcs, "t1").await?, desk(h, &vcs, "t2").await?);
    commits(h, &desk, "ours", &[("shared.txt", "ours\n")]).await;
    let theirs = commits(h, &other, "theirs", &[("shared.txt", "theirs\n")]).await;
    h.merge_halfway(&desk.path, &theirs).await;
    let dirt = desk.work(&vcs).await?.dirt;
    ensure_eq!(dirt.operation.as_deref(), Some("merge"), "the operation");
    ensure!(dirt.tracked.contains(&"shared.txt".to_owned()), "the file in conflict is not told: {dirt:?}");
    HOLDS
}

pub(super) async fn work_of_a_missing_worktree_is_missing<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    let spec = WorkSpec { worktree: h.worktree("nowhere"), ..desk.work_spec() };
    ensure_matches!(vcs.work(&spec).await, Err(VcsError::Missing { .. }), "work in no worktree");
    HOLDS
}

pub(super) async fn work_shows_repositories_inside<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    h.nest(&desk.path, "app", "precious\n").await;
    let dirt = desk.work(&vcs).await?.dirt;
    let nested: Vec<&str> = dirt.nested.iter().map(|nested| nested.path.as_str()).collect();
    ensure_eq!(nested, ["app"], "repositories inside");
    ensure_eq!(dirt.untracked, [""; 0], "untracked files");
    HOLDS
}
