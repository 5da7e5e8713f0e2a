//! `base_tip` and `prepare`: where work starts, the same however often it is asked for.

use super::VcsHarness;
use super::bench::{branch, commits, desk, desk_after, main_branch, prepare_spec};
use crate::ports::{RemoveSpec, Vcs, VcsError};
use crate::testkit::contract::{CaseResult, HOLDS, Why, ensure, ensure_eq, ensure_matches};

pub(super) async fn base_is_as_the_remote_has_it<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let main = main_branch()?;
    ensure_eq!(vcs.default_base().await?, main, "the base when none is named");
    ensure_eq!(Some(vcs.base_tip(&main).await?), h.tip(&main).await, "the base's tip");
    let newer = h.publish(&main, &[("new.txt", "new\n")]).await;
    ensure_eq!(vcs.base_tip(&main).await?, newer, "the base's tip after someone pushed");
    ensure!(vcs.base_tip(&branch("no-such")?).await.is_err(), "a base that does not exist has a tip");
    HOLDS
}

pub(super) async fn prepare_starts_from_the_newest_base<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let newest = h.publish(&main_branch()?, &[("new.txt", "new\n")]).await;
    let spec = prepare_spec(h, "t1", &[])?;
    let prepared = vcs.prepare(&spec).await?;
    ensure_eq!(prepared.base, newest, "base");
    ensure_eq!(prepared.start, newest, "start without predecessors");
    ensure_eq!(h.read(&spec.worktree, "new.txt").await.as_deref(), Some("new\n"), "a file of the base");
    ensure_eq!(h.resolve("refs/heads/task/t1").await, Some(newest.clone()), "the branch");
    let work = desk(h, &vcs, "t1").await?.work(&vcs).await?;
    ensure_eq!(work.branch, Some(spec.branch), "the branch checked out");
    ensure_eq!(work.head, newest, "the commit checked out");
    ensure!(work.dirt.is_clean(), "a new worktree is not clean: {:?}", work.dirt);
    ensure_eq!(h.tip(&branch("task/t1")?).await, None, "the branch at the remote, to which nobody pushed");
    HOLDS
}

pub(super) async fn prepare_again_gives_the_same<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let spec = prepare_spec(h, "t1", &[])?;
    let first = vcs.prepare(&spec).await?;
    ensure_eq!(vcs.prepare(&spec).await?, first, "the second time");
    h.publish(&main_branch()?, &[("new.txt", "new\n")]).await;
    ensure_eq!(vcs.prepare(&spec).await?, first, "after the base moved");
    let vcs = h.restart(vcs).await;
    ensure_eq!(vcs.prepare(&spec).await?, first, "after a restart");
    HOLDS
}

pub(super) async fn prepare_again_keeps_work<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let spec = prepare_spec(h, "t1", &[])?;
    let first = vcs.prepare(&spec).await?;
    let desk = desk(h, &vcs, "t1").await?;
    let head = commits(h, &desk, "work", &[("src/a.txt", "mine\n")]).await;
    h.write(&desk.path, "notes.txt", "draft\n").await;
    let vcs = h.restart(vcs).await;
    ensure_eq!(vcs.prepare(&spec).await?, first, "base and start once work was done");
    ensure_eq!(desk.work(&vcs).await?.head, head, "the head");
    ensure_eq!(h.read(&desk.path, "notes.txt").await.as_deref(), Some("draft\n"), "uncommitted work");
    HOLDS
}

pub(super) async fn prepare_contains_its_predecessors<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let (one, two) = (desk(h, &vcs, "t1").await?, desk(h, &vcs, "t2").await?);
    let first = commits(h, &one, "one", &[("one.txt", "1\n")]).await;
    let second = commits(h, &two, "two", &[("two.txt", "2\n")]).await;
    let base = h.publish(&main_branch()?, &[("new.txt", "new\n")]).await;
    let three = desk_after(h, &vcs, "t3", &[("t1", &first), ("t2", &second)]).await?;
    for (what, sha) in [("the base", &base), ("t1", &first), ("t2", &second)] {
        ensure!(vcs.contains(sha, &three.start).await?, "the start does not contain {what}");
    }
    for path in ["one.txt", "two.txt", "new.txt"] {
        ensure!(h.read(&three.path, path).await.is_some(), "{path} is not in the worktree");
    }
    let work = three.work(&vcs).await?;
    ensure!(work.commits.is_empty() && work.changed.is_empty(), "predecessors count as own work: {work:?}");
    HOLDS
}

pub(super) async fn prepare_start_is_deterministic<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let (one, two) = (desk(h, &vcs, "t1").await?, desk(h, &vcs, "t2").await?);
    let first = commits(h, &one, "one", &[("one.txt", "1\n")]).await;
    let second = commits(h, &two, "two", &[("two.txt", "2\n")]).await;
    let spec = prepare_spec(h, "t3", &[("t1", &first), ("t2", &second)])?;
    let before = vcs.prepare(&spec).await?;
    let remove = RemoveSpec {
        task: spec.task.clone(),
        worktree: spec.worktree.clone(),
        branch: spec.branch.clone(),
        discard: true,
        delete_branch: true,
    };
    vcs.remove(&remove).await?;
    h.age().await;
    let vcs = h.restart(vcs).await;
    ensure_eq!(vcs.prepare(&spec).await?, before, "the start made anew from the same base and predecessors");
    HOLDS
}

pub(super) async fn prepare_names_conflicts_and_leaves_nothing<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let (one, two) = (desk(h, &vcs, "t1").await?, desk(h, &vcs, "t2").await?);
    let first = commits(h, &one, "one", &[("shared.txt", "first\n"), ("src/a.txt", "1\n")]).await;
    let second = commits(h, &two, "two", &[("shared.txt", "second\n"), ("src/b.txt", "2\n")]).await;
    match vcs.prepare(&prepare_spec(h, "t3", &[("t1", &first), ("t2", &second)])?).await {
        Err(VcsError::Conflict { with, files }) => {
            ensure_eq!(files, ["shared.txt"], "the files that conflict");
            ensure!(with.contains("t2"), "the conflict is said to be with {with:?}, expected t2");
        }
        other => return Err(Why(format!("predecessors that conflict gave {other:?}, expected Conflict"))),
    }
    ensure_eq!(h.resolve("refs/heads/task/t3").await, None, "the branch after a conflict");
    let start = vcs.prepare(&prepare_spec(h, "t3", &[("t1", &first)])?).await?.start;
    ensure!(vcs.contains(&first, &start).await?, "the start without the conflict lacks t1");
    HOLDS
}

pub(super) async fn prepare_refuses_a_branch_of_others<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let spec = prepare_spec(h, "t1", &[])?;
    let theirs = h.make_local_branch(&spec.branch).await;
    let refused = vcs.prepare(&spec).await;
    ensure_matches!(&refused, Err(VcsError::BranchTaken { tip, .. }) if *tip == theirs, "prepare on a branch of others");
    ensure_eq!(h.resolve("refs/heads/task/t1").await, Some(theirs), "their branch");
    HOLDS
}

pub(super) async fn prepare_again_without_the_worktree_keeps_the_branch<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let spec = prepare_spec(h, "t1", &[])?;
    let made = vcs.prepare(&spec).await?;
    let desk = desk(h, &vcs, "t1").await?;
    let sha = commits(h, &desk, "one", &[("src/a.txt", "1\n")]).await;
    h.lose_worktree(&desk.path).await;
    ensure_eq!(vcs.prepare(&spec).await?, made, "what is prepared again");
    ensure_eq!(desk.work(&vcs).await?.head, sha, "the head");
    ensure_eq!(h.read(&desk.path, "src/a.txt").await.as_deref(), Some("1\n"), "a committed file");
    HOLDS
}
