//! `save`: nothing uncommitted is ever lost, and nobody notices the saving.

use super::VcsHarness;
use super::bench::{Desk, commits, desk};
use crate::ports::{Saved, Vcs, VcsError};
use crate::testkit::contract::{CaseResult, HOLDS, Why, ensure, ensure_eq, ensure_matches};

async fn saved<V: Vcs>(vcs: &V, desk: &Desk, attempt: u32) -> Result<Saved, Why> {
    let saved = vcs.save(&desk.save_spec(attempt)).await?;
    saved.ok_or_else(|| Why("save told that nothing is uncommitted".to_owned()))
}

pub(super) async fn save_of_a_clean_worktree_is_nothing<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    ensure_eq!(vcs.save(&desk.save_spec(1)).await?, None, "a new worktree saved");
    commits(h, &desk, "work", &[("src/a.txt", "x\n")]).await;
    ensure_eq!(vcs.save(&desk.save_spec(1)).await?, None, "committed work saved");
    ensure_eq!(h.resolve("refs/orch/saved/t1/1").await, None, "the ref");
    HOLDS
}

/// Leaves a change of every kind.
async fn mess<H: VcsHarness>(h: &H, desk: &Desk) {
    h.write(&desk.path, "src/a.txt", "changed\n").await;
    h.delete(&desk.path, "src/b.txt").await;
    h.write(&desk.path, "staged.txt", "staged\n").await;
    h.stage(&desk.path, "staged.txt").await;
    h.write(&desk.path, "shared.txt", "staged\n").await;
    h.stage(&desk.path, "shared.txt").await;
    h.write(&desk.path, "shared.txt", "then changed\n").await;
    h.write(&desk.path, "deep/it's é.txt", "untracked\n").await;
}

pub(super) async fn save_keeps_every_kind_of_change<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    let head = commits(h, &desk, "work", &[("done.txt", "done\n")]).await;
    mess(h, &desk).await;
    let saved = saved(&vcs, &desk, 1).await?;
    ensure_eq!(saved.reference, "refs/orch/saved/t1/1", "the ref's name");
    ensure_eq!(h.resolve(&saved.reference).await, Some(saved.sha.clone()), "the ref");
    ensure!(vcs.contains(&head, &saved.sha).await?, "the saved commit does not contain the head");
    for (path, expected) in [
        ("src/a.txt", Some("changed\n")),
        ("src/b.txt", None),
        ("staged.txt", Some("staged\n")),
        ("shared.txt", Some("then changed\n")),
        ("deep/it's é.txt", Some("untracked\n")),
        ("done.txt", Some("done\n")),
    ] {
        ensure_eq!(h.show(&saved.sha, path).await.as_deref(), expected, "{path} as saved");
    }
    HOLDS
}

pub(super) async fn save_leaves_worktree_and_index_alone<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    mess(h, &desk).await;
    let before = h.status(&desk.path).await;
    saved(&vcs, &desk, 1).await?;
    ensure_eq!(h.status(&desk.path).await, before, "the worktree's state after save");
    ensure_eq!(h.read(&desk.path, "deep/it's é.txt").await.as_deref(), Some("untracked\n"), "an untracked file");
    ensure_eq!(h.resolve("refs/heads/task/t1").await, Some(desk.start.clone()), "the branch");
    HOLDS
}

pub(super) async fn save_numbers_its_refs<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    let mut found = Vec::new();
    for (attempt, content) in [(1, "a\n"), (1, "b\n"), (1, "c\n"), (2, "d\n"), (2, "e\n")] {
        h.write(&desk.path, "notes.txt", content).await;
        found.push(saved(&vcs, &desk, attempt).await?);
    }
    let names: Vec<&str> =
        found.iter().map(|saved| saved.reference.trim_start_matches("refs/orch/saved/t1/")).collect();
    ensure_eq!(names, ["1", "1-2", "1-3", "2", "2-2"], "names of refs");
    for (saved, content) in found.iter().zip(["a\n", "b\n", "c\n", "d\n", "e\n"]) {
        ensure_eq!(h.resolve(&saved.reference).await, Some(saved.sha.clone()), "{}", saved.reference);
        ensure_eq!(h.show(&saved.sha, "notes.txt").await.as_deref(), Some(content), "{}", saved.reference);
    }
    HOLDS
}

pub(super) async fn save_twice_gives_the_first_ref<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    mess(h, &desk).await;
    let first = saved(&vcs, &desk, 1).await?;
    ensure_eq!(saved(&vcs, &desk, 1).await?, first, "the same work saved again");
    h.age().await;
    let vcs = h.restart(vcs).await;
    ensure_eq!(saved(&vcs, &desk, 1).await?, first, "the same work saved after a restart");
    ensure_eq!(h.resolve("refs/orch/saved/t1/1-2").await, None, "a second ref for the same work");
    HOLDS
}

pub(super) async fn save_of_a_half_done_merge<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let (desk, other) = (desk(h, &vcs, "t1").await?, desk(h, &vcs, "t2").await?);
    commits(h, &desk, "ours", &[("shared.txt", "ours\n")]).await;
    let theirs = commits(h, &other, "theirs", &[("shared.txt", "theirs\n")]).await;
    h.merge_halfway(&desk.path, &theirs).await;
    h.write(&desk.path, "notes.txt", "midway\n").await;
    let before = h.status(&desk.path).await;
    let saved = saved(&vcs, &desk, 1).await?;
    ensure_eq!(h.show(&saved.sha, "notes.txt").await.as_deref(), Some("midway\n"), "an untracked file as saved");
    let shared = h.read(&desk.path, "shared.txt").await;
    ensure_eq!(h.show(&saved.sha, "shared.txt").await, shared, "the file in conflict as saved");
    ensure_eq!(h.status(&desk.path).await, before, "the worktree's state after save");
    HOLDS
}

pub(super) async fn save_of_a_detached_head<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    h.detach(&desk.path).await;
    let adrift = commits(h, &desk, "adrift", &[("src/a.txt", "adrift\n")]).await;
    let clean = saved(&vcs, &desk, 1).await?;
    ensure!(vcs.contains(&adrift, &clean.sha).await?, "a commit that no branch has was not saved");
    h.write(&desk.path, "notes.txt", "draft\n").await;
    let dirty = saved(&vcs, &desk, 1).await?;
    ensure!(vcs.contains(&adrift, &dirty.sha).await?, "a commit that no branch has was not saved");
    ensure_eq!(h.show(&dirty.sha, "notes.txt").await.as_deref(), Some("draft\n"), "an untracked file as saved");
    HOLDS
}

pub(super) async fn save_keeps_repositories_inside<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    h.nest(&desk.path, "app", "precious\n").await;
    let first = saved(&vcs, &desk, 1).await?;
    ensure_eq!(h.show(&first.sha, "app/inside.txt").await.as_deref(), Some("precious\n"), "a file in it as saved");
    ensure_eq!(saved(&vcs, &desk, 1).await?, first, "the same saved again");
    HOLDS
}

pub(super) async fn save_of_a_lost_worktree_is_missing<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    h.lose_worktree(&desk.path).await;
    ensure_matches!(vcs.save(&desk.save_spec(1)).await, Err(VcsError::Missing { .. }), "a save of nothing");
    ensure_matches!(desk.work(&vcs).await.map_err(|_| ()), Err(()), "a look at nothing");
    HOLDS
}
