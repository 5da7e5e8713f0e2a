//! `open`: one pull request a branch.

use super::ForgeHarness;
use super::bench::{branch, main_branch, merge_spec, pull, pull_spec, seen};
use crate::ports::{Forge, ForgeError, PullSpec, PullState};
use crate::testkit::contract::{CaseResult, HOLDS, ensure, ensure_eq, ensure_matches, join};

pub(super) async fn open_makes_a_pull_request<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    let (opened, sha) = pull(h, &forge, "fix/issue-1", &[("a.txt", "1\n")]).await?;
    ensure_eq!(opened.state, PullState::Open, "state");
    ensure_eq!(opened.head, branch("fix/issue-1")?, "head");
    ensure_eq!(opened.head_sha, Some(sha), "the head's commit");
    ensure_eq!(opened.base, main_branch()?, "base");
    ensure_eq!(opened.merge_sha, None, "the merge's commit");
    ensure!(!opened.draft, "it is a draft");
    let (second, sha) = pull(h, &forge, "fix/issue-2", &[("b.txt", "1\n")]).await?;
    ensure!(second.number != opened.number, "two branches have the same number");
    let head = branch("fix/issue-3")?;
    h.publish(&head, &branch("fix/issue-2")?, &[("c.txt", "1\n")]).await;
    let tip = h.tip(&head).await.unwrap_or(sha);
    let draft = PullSpec { draft: true, ..pull_spec(&head, &tip, &branch("fix/issue-2")?) };
    let third = forge.open(&draft).await?;
    ensure!(third.draft, "a draft is none");
    ensure_eq!(third.base, branch("fix/issue-2")?, "base of a stacked one");
    HOLDS
}

pub(super) async fn open_again_gives_the_same<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    let (first, sha) = pull(h, &forge, "fix/issue-1", &[("a.txt", "1\n")]).await?;
    let spec = pull_spec(&first.head, &sha, &main_branch()?);
    ensure_eq!(forge.open(&spec).await?.number, first.number, "number of a second open");
    let forge = h.restart(forge).await;
    ensure_eq!(forge.open(&spec).await?.number, first.number, "number after a restart");
    ensure_eq!(seen(&forge, &first.head).await?.number, first.number, "number found");
    HOLDS
}

pub(super) async fn open_side_by_side_makes_one<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    let (head, main) = (branch("fix/issue-1")?, main_branch()?);
    let spec = pull_spec(&head, &h.publish(&head, &main, &[("a.txt", "1\n")]).await, &main);
    let (first, second) = join(forge.open(&spec), forge.open(&spec)).await;
    ensure_eq!(first?.number, second?.number, "numbers of two opens at once");
    HOLDS
}

pub(super) async fn open_after_the_merge_gives_the_merged<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    let (first, sha) = pull(h, &forge, "fix/issue-1", &[("a.txt", "1\n")]).await?;
    forge.merge(&merge_spec(&first, &sha)).await?;
    let again = forge.open(&pull_spec(&first.head, &sha, &main_branch()?)).await?;
    ensure_eq!((again.number, again.state), (first.number, PullState::Merged), "what open gave after the merge");
    HOLDS
}

pub(super) async fn open_after_a_close_makes_another<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    let (first, sha) = pull(h, &forge, "fix/issue-1", &[("a.txt", "1\n")]).await?;
    h.close(first.number).await;
    let again = forge.open(&pull_spec(&first.head, &sha, &main_branch()?)).await?;
    ensure_eq!(again.state, PullState::Open, "state of the next one");
    ensure!(again.number != first.number, "open opened the closed one again");
    ensure_eq!(seen(&forge, &first.head).await?.number, again.number, "the newest of the head");
    HOLDS
}

pub(super) async fn open_of_what_came_after_the_merge_makes_another<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    let (first, sha) = pull(h, &forge, "fix/issue-1", &[("a.txt", "1\n")]).await?;
    forge.merge(&merge_spec(&first, &sha)).await?;
    let newer = h.publish(&first.head, &main_branch()?, &[("b.txt", "1\n")]).await;
    let again = forge.open(&pull_spec(&first.head, &newer, &main_branch()?)).await?;
    ensure_eq!((again.state, again.head_sha.as_ref()), (PullState::Open, Some(&newer)), "state and head of the next");
    ensure!(again.number != first.number, "what came after the merge is taken for merged");
    ensure_eq!(seen(&forge, &first.head).await?.number, again.number, "the newest of the head");
    HOLDS
}

pub(super) async fn open_of_what_was_merged_elsewhere_makes_another<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    let below = branch("fix/issue-1")?;
    h.publish(&below, &main_branch()?, &[("a.txt", "1\n")]).await;
    let head = branch("fix/issue-2")?;
    let sha = h.publish(&head, &below, &[("b.txt", "1\n")]).await;
    let stacked = forge.open(&pull_spec(&head, &sha, &below)).await?;
    forge.merge(&merge_spec(&stacked, &sha)).await?;
    let again = forge.open(&pull_spec(&head, &sha, &main_branch()?)).await?;
    ensure_eq!((again.state, again.base), (PullState::Open, main_branch()?), "state and base of the next");
    ensure!(again.number != stacked.number, "what was merged into another branch is taken for merged");
    HOLDS
}

pub(super) async fn open_without_a_head_is_refused<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    let (main, head) = (main_branch()?, branch("fix/issue-1")?);
    let sha = h.publish(&branch("fix/issue-10")?, &main, &[("a.txt", "1\n")]).await;
    let refused = forge.open(&pull_spec(&head, &sha, &main)).await;
    ensure_matches!(refused, Err(ForgeError::Refused { .. } | ForgeError::Stale { .. }), "open without a head branch");
    ensure_eq!(forge.find(&[head]).await?, [], "pull requests after it");
    HOLDS
}

pub(super) async fn open_of_nothing_new_is_refused<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    let (main, head) = (main_branch()?, branch("fix/issue-1")?);
    let sha = h.publish(&head, &main, &[("a.txt", "1\n")]).await;
    h.merge_by_hand(&head, &main).await;
    let refused = forge.open(&pull_spec(&head, &sha, &main)).await;
    ensure_matches!(refused, Err(ForgeError::Refused { .. }), "open of a head that the base has");
    HOLDS
}

pub(super) async fn open_at_another_commit_is_refused<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    let (main, head) = (main_branch()?, branch("fix/issue-1")?);
    let first = h.publish(&head, &main, &[("a.txt", "1\n")]).await;
    h.publish(&head, &main, &[("a.txt", "2\n")]).await;
    let refused = forge.open(&pull_spec(&head, &first, &main)).await;
    ensure_matches!(refused, Err(ForgeError::Refused { .. } | ForgeError::Stale { .. }), "open at an older commit");
    ensure_eq!(forge.find(&[head]).await?, [], "pull requests after it");
    HOLDS
}
