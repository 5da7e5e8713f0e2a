//! `tree` and `merged_tree`: what is the same, whatever its history.

use super::VcsHarness;
use super::bench::{commits, desk, main_branch};
use crate::base::id::Sha;
use crate::ports::{Vcs, VcsError};
use crate::testkit::contract::{CaseResult, HOLDS, ensure, ensure_eq, ensure_matches};

pub(super) async fn trees_are_equal_where_files_are<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let desk = desk(h, &vcs, "t1").await?;
    let seed = vcs.tree(&desk.start).await?;
    let changed = commits(h, &desk, "there", &[("src/a.txt", "b\n")]).await;
    let there = vcs.tree(&changed).await?;
    ensure!(there != seed, "other files have the same tree");
    ensure_eq!(desk.work(&vcs).await?.tree, there, "the tree that work tells");
    let back = commits(h, &desk, "and back", &[("src/a.txt", "a\n")]).await;
    ensure_eq!(vcs.tree(&back).await?, seed, "the tree of the same files");
    let vcs = h.restart(vcs).await;
    ensure_eq!(vcs.tree(&changed).await?, there, "the same tree asked for again");
    HOLDS
}

pub(super) async fn merged_tree_is_what_a_sync_makes<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let main = main_branch()?;
    let desk = desk(h, &vcs, "t1").await?;
    let own = commits(h, &desk, "own", &[("src/a.txt", "mine\n")]).await;
    ensure_eq!(vcs.merged_tree(&own, &desk.start).await?, Some(vcs.tree(&own).await?), "a merge of what it contains");
    ensure_eq!(vcs.merged_tree(&desk.start, &own).await?, Some(vcs.tree(&own).await?), "a merge of what contains it");
    let base = h.publish(&main, &[("new.txt", "new\n")]).await;
    vcs.base_tip(&main).await?;
    let merged = vcs.merged_tree(&base, &own).await?;
    ensure_eq!(vcs.merged_tree(&own, &base).await?, merged, "the merge the other way round");
    let head = vcs.sync(&desk.sync_spec("main", &base, None)).await?;
    ensure_eq!(merged, Some(vcs.tree(&head).await?), "the tree foretold and the tree made");
    HOLDS
}

pub(super) async fn merged_tree_tells_conflicts<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let main = main_branch()?;
    let desk = desk(h, &vcs, "t1").await?;
    let own = commits(h, &desk, "own", &[("shared.txt", "mine\n")]).await;
    let base = h.publish(&main, &[("shared.txt", "theirs\n")]).await;
    vcs.base_tip(&main).await?;
    let before = h.status(&desk.path).await;
    ensure_eq!(vcs.merged_tree(&own, &base).await?, None, "the tree of a conflict");
    ensure_eq!(h.status(&desk.path).await, before, "the worktree's state after it");
    HOLDS
}

pub(super) async fn tree_of_an_unknown_commit_is_missing<H: VcsHarness>(h: &H) -> CaseResult {
    let vcs = h.fresh().await;
    let start = desk(h, &vcs, "t1").await?.start;
    let unknown = Sha::parse("1234567890123456789012345678901234567890")?;
    ensure_matches!(vcs.tree(&unknown).await, Err(VcsError::Missing { .. }), "the tree of no commit");
    let merged = vcs.merged_tree(&start, &unknown).await;
    ensure_matches!(merged, Err(VcsError::Missing { .. }), "the tree of a merge with no commit");
    HOLDS
}
