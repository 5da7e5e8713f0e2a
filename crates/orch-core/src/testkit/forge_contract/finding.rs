//! `find`: what is so at the forge, whoever did it.

use super::ForgeHarness;
use super::bench::{branch, main_branch, merge_spec, pull, pull_spec, seen};
use crate::base::id::PullNumber;
use crate::ports::{Forge, MergeState, PullChange, PullState};
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
    let clean = seen(&forge, &opened.head).await?.merge_state;
    ensure!(matches!(clean, MergeState::Clean | MergeState::Unknown), "a clean one is called {clean:?}");
    h.publish(&main_branch()?, &main_branch()?, &[("shared.txt", "theirs\n")]).await;
    let dirty = seen(&forge, &opened.head).await?.merge_state;
    ensure!(matches!(dirty, MergeState::Dirty | MergeState::Unknown), "one in conflict is called {dirty:?}");
    HOLDS
}

pub(super) async fn find_sees_what_keeps_it_from_being_merged<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    let (opened, sha) = pull(h, &forge, "fix/issue-1", &[("a.txt", "1\n")]).await?;
    let draft = |draft| PullChange { draft: Some(draft), ..PullChange::default() };
    forge.update(opened.number, &draft(true)).await?;
    let held = seen(&forge, &opened.head).await?.merge_state;
    ensure!(!matches!(held, MergeState::Clean | MergeState::Queued), "a draft is called {held:?}");
    forge.update(opened.number, &draft(false)).await?;
    let free = seen(&forge, &opened.head).await?.merge_state;
    ensure!(!matches!(free, MergeState::Blocked(_) | MergeState::Dirty), "what is ready is called {free:?}");
    forge.merge(&merge_spec(&opened, &sha)).await?;
    ensure_eq!(seen(&forge, &opened.head).await?.merge_state, MergeState::Unknown, "merge state once merged");
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
