//! `find`: what is so at the forge, whoever did it.

use super::ForgeHarness;
use super::bench::{branch, main_branch, pull, pull_spec, seen};
use crate::base::id::PullNumber;
use crate::ports::{Forge, PullState};
use crate::testkit::contract::{CaseResult, HOLDS, ensure, ensure_eq};

pub(super) async fn find_gives_the_newest_of_each_head<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    ensure_eq!(forge.find(&[]).await?, [], "pull requests of no head");
    let (one, sha) = pull(h, &forge, "fix/issue-1", &[("a.txt", "1\n")]).await?;
    let (two, _) = pull(h, &forge, "fix/issue-2", &[("b.txt", "1\n")]).await?;
    h.close(one.number).await;
    let newest = forge.open(&pull_spec(&one.head, &sha, &main_branch()?)).await?;
    let heads = [two.head.clone(), branch("fix/none")?, one.head.clone()];
    let mut found: Vec<PullNumber> = forge.find(&heads).await?.iter().map(|pull| pull.number).collect();
    found.sort();
    let mut expected = [two.number, newest.number];
    expected.sort();
    ensure_eq!(found, expected, "numbers found");
    HOLDS
}

pub(super) async fn find_matches_whole_names<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    pull(h, &forge, "fix/issue-10", &[("a.txt", "1\n")]).await?;
    let others = [branch("fix/issue-1")?, branch("issue-10")?, branch("fix/issue-100")?, branch("Fix/issue-10")?];
    ensure_eq!(forge.find(&others).await?, [], "pull requests of heads that have none");
    HOLDS
}

pub(super) async fn find_sees_the_head_move<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    let (opened, _) = pull(h, &forge, "fix/issue-1", &[("a.txt", "1\n")]).await?;
    let newer = h.publish(&opened.head, &main_branch()?, &[("a.txt", "2\n")]).await;
    ensure_eq!(seen(&forge, &opened.head).await?.head_sha, Some(newer), "the head after a push");
    HOLDS
}

pub(super) async fn find_sees_conflicts<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    let (opened, _) = pull(h, &forge, "fix/issue-1", &[("shared.txt", "mine\n")]).await?;
    ensure!(seen(&forge, &opened.head).await?.mergeable != Some(false), "a clean one is called in conflict");
    h.publish(&main_branch()?, &main_branch()?, &[("shared.txt", "theirs\n")]).await;
    ensure!(seen(&forge, &opened.head).await?.mergeable != Some(true), "one in conflict is called clean");
    HOLDS
}

pub(super) async fn find_sees_what_was_merged_by_hand<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    let (opened, sha) = pull(h, &forge, "fix/issue-1", &[("a.txt", "1\n")]).await?;
    h.publish(&main_branch()?, &main_branch()?, &[("b.txt", "1\n")]).await;
    h.merge_by_hand(&opened.head, &main_branch()?).await;
    let found = seen(&forge, &opened.head).await?;
    ensure_eq!(found.state, PullState::Merged, "state after a merge by hand");
    ensure_eq!(found.head_sha, Some(sha), "the head after it");
    HOLDS
}

pub(super) async fn find_sees_what_was_closed<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    let (opened, _) = pull(h, &forge, "fix/issue-1", &[("a.txt", "1\n")]).await?;
    h.close(opened.number).await;
    let forge = h.restart(forge).await;
    ensure_eq!(seen(&forge, &opened.head).await?.state, PullState::Closed, "state after a close");
    h.publish(&opened.head, &main_branch()?, &[("a.txt", "2\n")]).await;
    ensure_eq!(seen(&forge, &opened.head).await?.state, PullState::Closed, "state after a later push");
    HOLDS
}
