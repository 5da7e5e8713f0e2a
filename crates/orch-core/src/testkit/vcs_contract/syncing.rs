//! `sync`: other work comes in by merges, or nothing changes.

use super::VcsHarness;
use super::bench::{commits, desk, desk_after, main_branch};
use crate::ports::{Vcs, VcsError};
use crate::testkit::contract::{CaseResult, HOLDS, Why, ensure, ensure_eq, ensure_matches};

pub(super) async fn sync_takes_in_the_base<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let main = main_branch()?;
    let desk = desk(h, &vcs, "t1").await?;
    let own = commits(h, &desk, "own", &[("src/a.txt", "mine\n")]).await;
    let base = h.publish(&main, &[("new.txt", "new\n"), ("src/b.txt", "theirs\n")]).await;
    vcs.base_tip(&main).await?;
    let head = vcs.sync(&desk.sync_spec("main", &base, None)).await?;
    for (what, sha) in [("own work", &own), ("the base", &base)] {
        ensure!(vcs.contains(sha, &head).await?, "the head does not contain {what}");
    }
    let work = desk.work(&vcs).await?;
    ensure_eq!(work.head, head, "the head");
    ensure_eq!(work.branch, Some(desk.branch.clone()), "the branch checked out");
    ensure!(work.dirt.is_clean(), "the worktree is not clean after sync: {:?}", work.dirt);
    for (path, content) in [("new.txt", "new\n"), ("src/a.txt", "mine\n"), ("src/b.txt", "theirs\n")] {
        ensure_eq!(h.read(&desk.path, path).await.as_deref(), Some(content), "{path}");
    }
    HOLDS
}

pub(super) async fn sync_skips_what_is_contained<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let main = main_branch()?;
    let desk = desk(h, &vcs, "t1").await?;
    let own = commits(h, &desk, "own", &[("src/a.txt", "mine\n")]).await;
    ensure_eq!(vcs.sync(&desk.sync_spec("main", &desk.start, None)).await?, own, "sync with the start");
    let base = h.publish(&main, &[("new.txt", "new\n")]).await;
    vcs.base_tip(&main).await?;
    let head = vcs.sync(&desk.sync_spec("main", &base, None)).await?;
    let vcs = h.restart(vcs).await;
    ensure_eq!(vcs.sync(&desk.sync_spec("main", &base, None)).await?, head, "the same sync again");
    ensure_eq!(vcs.sync(&desk.sync_spec("main", &base, Some(&desk.start))).await?, head, "again with a merge base");
    HOLDS
}

pub(super) async fn sync_names_conflicts_and_changes_nothing<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let main = main_branch()?;
    let desk = desk(h, &vcs, "t1").await?;
    commits(h, &desk, "own", &[("shared.txt", "mine\n"), ("src/a.txt", "mine\n")]).await;
    let base = h.publish(&main, &[("shared.txt", "theirs\n"), ("new.txt", "new\n")]).await;
    vcs.base_tip(&main).await?;
    let before = h.status(&desk.path).await;
    match vcs.sync(&desk.sync_spec("main", &base, None)).await {
        Err(VcsError::Conflict { files, .. }) => ensure_eq!(files, ["shared.txt"], "the files that conflict"),
        other => return Err(Why(format!("a conflict gave {other:?}, expected Conflict"))),
    }
    ensure_eq!(h.status(&desk.path).await, before, "the worktree's state after a conflict");
    HOLDS
}

pub(super) async fn sync_of_a_squashed_predecessor_uses_the_merge_base<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let main = main_branch()?;
    let first = desk(h, &vcs, "t1").await?;
    let old_tip = commits(h, &first, "one", &[("shared.txt", "first\n")]).await;
    let second = desk_after(h, &vcs, "t2", &[("t1", &old_tip)]).await?;
    commits(h, &second, "two", &[("shared.txt", "first and second\n")]).await;
    let squashed = h.publish(&main, &[("shared.txt", "first\n"), ("new.txt", "new\n")]).await;
    vcs.base_tip(&main).await?;
    let plain = vcs.sync(&second.sync_spec("main", &squashed, None)).await;
    ensure_matches!(plain, Err(VcsError::Conflict { .. }), "a plain merge of a squashed predecessor");
    let head = vcs.sync(&second.sync_spec("main", &squashed, Some(&old_tip))).await?;
    ensure!(vcs.contains(&squashed, &head).await?, "the head does not contain the squashed commit");
    ensure_eq!(h.show(&head, "shared.txt").await.as_deref(), Some("first and second\n"), "the shared file");
    ensure_eq!(h.read(&second.path, "new.txt").await.as_deref(), Some("new\n"), "a file of the base");
    HOLDS
}

pub(super) async fn sync_never_overwrites_uncommitted_work<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let main = main_branch()?;
    let desk = desk(h, &vcs, "t1").await?;
    commits(h, &desk, "own", &[("src/a.txt", "mine\n")]).await;
    let base = h.publish(&main, &[("new.txt", "theirs\n"), ("shared.txt", "theirs\n")]).await;
    vcs.base_tip(&main).await?;
    for path in ["new.txt", "shared.txt"] {
        h.write(&desk.path, path, "uncommitted\n").await;
        let refused = vcs.sync(&desk.sync_spec("main", &base, None)).await;
        let kept = h.read(&desk.path, path).await;
        ensure_eq!(kept.as_deref(), Some("uncommitted\n"), "{path}, uncommitted, after sync gave {refused:?}");
    }
    HOLDS
}

pub(super) async fn sync_leaves_a_pushed_tip_behind<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    let first = commits(h, &desk, "one", &[("src/a.txt", "1\n"), ("gone.txt", "x\n")]).await;
    vcs.push(&desk.push_spec(&first)?).await?;
    h.rewind(&desk.path, &desk.start).await;
    h.delete(&desk.path, "gone.txt").await;
    h.stage(&desk.path, "gone.txt").await;
    let amended = commits(h, &desk, "one, better", &[("src/a.txt", "2\n")]).await;
    let mut spec = desk.sync_spec("what was pushed", &first, None);
    spec.sources[0].left_by = Some(desk.task.clone());
    let head = vcs.sync(&spec).await?;
    ensure_eq!(vcs.sync(&spec).await?, head, "the same again");
    for (what, sha) in [("what was pushed", &first), ("what the agent made of it", &amended)] {
        ensure!(vcs.contains(sha, &head).await?, "the head does not contain {what}");
    }
    ensure_eq!(h.show(&head, "src/a.txt").await.as_deref(), Some("2\n"), "a file that both changed");
    ensure_eq!(h.show(&head, "gone.txt").await, None, "a file that was taken back");
    ensure!(desk.work(&vcs).await?.dirt.is_clean(), "the worktree is not clean");
    ensure_eq!(h.resolve("refs/orch/saved/t1/pushed-1").await, Some(first), "what was left behind");
    vcs.push(&desk.push_spec(&head)?).await?;
    HOLDS
}
