//! `merge` and `delete_branch`: exactly what was verified, once.

use super::ForgeHarness;
use super::bench::{branch, main_branch, merge_spec, pull, pull_spec, seen};
use crate::base::id::PullNumber;
use crate::ports::{Forge, ForgeError, MergeMethod, MergeSpec, PullChange, PullState};
use crate::testkit::contract::{CaseResult, HOLDS, Why, ensure, ensure_eq, ensure_matches};

pub(super) async fn merge_puts_the_work_into_the_base<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    let main = main_branch()?;
    let (opened, sha) = pull(h, &forge, "fix/issue-1", &[("a.txt", "1\n")]).await?;
    let other = h.publish(&main, &main, &[("b.txt", "1\n")]).await;
    let merged = forge.merge(&merge_spec(&opened, &sha)).await?;
    ensure_eq!(merged.state, PullState::Merged, "state");
    ensure_eq!(merged.merge_sha, h.tip(&main).await, "the merge's commit and the base's tip");
    ensure_eq!(merged.head_sha.as_ref(), Some(&sha), "the head");
    for (what, commit) in [("the work", &sha), ("what was there", &other)] {
        ensure!(h.contains(commit, &main).await, "the base does not contain {what}");
    }
    ensure_eq!(h.show(&main, "a.txt").await.as_deref(), Some("1\n"), "a file on the base");
    ensure_eq!(seen(&forge, &opened.head).await?, merged, "what find gives after it");
    HOLDS
}

pub(super) async fn merge_squashes_and_rebases<H: ForgeHarness>(h: &H) -> CaseResult {
    let main = main_branch()?;
    for (method, more) in [(MergeMethod::Squash, 1), (MergeMethod::Rebase, 2)] {
        let forge = h.fresh().await;
        let head = branch("fix/issue-1")?;
        h.publish(&head, &main, &[("a.txt", "1\n")]).await;
        let sha = h.publish(&head, &main, &[("a.txt", "2\n")]).await;
        let opened = forge.open(&pull_spec(&head, &sha, &main)).await?;
        h.publish(&main, &main, &[("b.txt", "1\n")]).await;
        let before = h.count(&main).await;
        let merged = forge.merge(&MergeSpec { method, ..merge_spec(&opened, &sha) }).await?;
        ensure_eq!(merged.state, PullState::Merged, "state after {method:?}");
        ensure_eq!(merged.merge_sha, h.tip(&main).await, "the commit of {method:?} and the base's tip");
        ensure_eq!(h.show(&main, "a.txt").await.as_deref(), Some("2\n"), "a file after {method:?}");
        ensure_eq!(h.count(&main).await, before + more, "commits on the base after {method:?}");
        ensure_eq!(seen(&forge, &head).await?.state, PullState::Merged, "state found after {method:?}");
    }
    HOLDS
}

pub(super) async fn merge_again_changes_nothing<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    let main = main_branch()?;
    let (opened, sha) = pull(h, &forge, "fix/issue-1", &[("a.txt", "1\n")]).await?;
    let merged = forge.merge(&merge_spec(&opened, &sha)).await?;
    let tip = h.tip(&main).await;
    ensure_eq!(forge.merge(&merge_spec(&opened, &sha)).await?, merged, "what the second merge gave");
    let forge = h.restart(forge).await;
    ensure_eq!(forge.merge(&merge_spec(&opened, &sha)).await?, merged, "what a merge after a restart gave");
    ensure_eq!(h.tip(&main).await, tip, "the base after further merges");
    HOLDS
}

pub(super) async fn merge_of_a_stale_head_is_refused<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    let main = main_branch()?;
    let (opened, verified) = pull(h, &forge, "fix/issue-1", &[("a.txt", "1\n")]).await?;
    let newer = h.publish(&opened.head, &main, &[("a.txt", "2\n")]).await;
    let tip = h.tip(&main).await;
    let refused = forge.merge(&merge_spec(&opened, &verified)).await;
    ensure_eq!(h.tip(&main).await, tip, "the base after the merge of a stale head");
    ensure_matches!(refused, Err(ForgeError::Stale { .. }), "the merge of a stale head");
    ensure_eq!(seen(&forge, &opened.head).await?.state, PullState::Open, "state after it");
    ensure_eq!(forge.merge(&merge_spec(&opened, &newer)).await?.state, PullState::Merged, "state at the right head");
    HOLDS
}

pub(super) async fn merge_names_conflicts_and_changes_nothing<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    let main = main_branch()?;
    let (opened, sha) = pull(h, &forge, "fix/issue-1", &[("shared.txt", "mine\n")]).await?;
    let tip = h.publish(&main, &main, &[("shared.txt", "theirs\n")]).await;
    match forge.merge(&merge_spec(&opened, &sha)).await {
        Err(ForgeError::Conflict { files, .. }) => {
            ensure!(files.is_empty() || files == ["shared.txt"], "the files that conflict are {files:?}");
        }
        other => return Err(Why(format!("a conflict gave {other:?}, expected Conflict"))),
    }
    ensure_eq!(h.tip(&main).await, Some(tip), "the base after a conflict");
    ensure_eq!(seen(&forge, &opened.head).await?.state, PullState::Open, "state after a conflict");
    HOLDS
}

pub(super) async fn merge_of_a_closed_one_is_refused<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    let main = main_branch()?;
    let (opened, sha) = pull(h, &forge, "fix/issue-1", &[("a.txt", "1\n")]).await?;
    h.close(opened.number).await;
    let tip = h.tip(&main).await;
    ensure_matches!(forge.merge(&merge_spec(&opened, &sha)).await, Err(ForgeError::Refused { .. }), "a closed merge");
    ensure_eq!(h.tip(&main).await, tip, "the base after it");
    ensure_eq!(seen(&forge, &opened.head).await?.state, PullState::Closed, "state after it");
    HOLDS
}

pub(super) async fn merge_of_a_hand_merged_one_changes_nothing<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    let main = main_branch()?;
    let (opened, sha) = pull(h, &forge, "fix/issue-1", &[("a.txt", "1\n")]).await?;
    h.merge_by_hand(&opened.head, &main).await;
    let tip = h.tip(&main).await;
    let merged = forge.merge(&merge_spec(&opened, &sha)).await?;
    ensure_eq!(merged.state, PullState::Merged, "state");
    ensure_eq!(h.tip(&main).await, tip, "the base after it");
    HOLDS
}

pub(super) async fn merge_of_a_stack_goes_bottom_up<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    let main = main_branch()?;
    let (below, first) = pull(h, &forge, "fix/issue-1", &[("a.txt", "1\n")]).await?;
    let head = branch("fix/issue-2")?;
    let second = h.publish(&head, &below.head, &[("a.txt", "2\n")]).await;
    let above = forge.open(&pull_spec(&head, &second, &below.head)).await?;
    forge.merge(&merge_spec(&below, &first)).await?;
    forge.update(above.number, &PullChange { base: Some(main.clone()), ..PullChange::default() }).await?;
    forge.delete_branch(&below.head).await?;
    ensure_eq!(seen(&forge, &head).await?.state, PullState::Open, "state of the upper one once its base is gone");
    let merged = forge.merge(&merge_spec(&above, &second)).await?;
    ensure_eq!((merged.state, merged.base), (PullState::Merged, main.clone()), "state and base of the upper one");
    ensure_eq!(h.show(&main, "a.txt").await.as_deref(), Some("2\n"), "a file on the base");
    HOLDS
}

pub(super) async fn merge_of_an_unknown_one_is_not_found<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    let expected_head = h.publish(&branch("x")?, &main_branch()?, &[("a.txt", "1\n")]).await;
    let spec = MergeSpec { number: PullNumber(99), expected_head, method: MergeMethod::Merge };
    let found = forge.merge(&spec).await;
    ensure_matches!(found, Err(ForgeError::NotFound { number: PullNumber(99) }), "merge of no pull request");
    HOLDS
}

pub(super) async fn delete_branch_leaves_the_merge_visible<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    let (opened, sha) = pull(h, &forge, "fix/issue-1", &[("a.txt", "1\n")]).await?;
    let (other, _) = pull(h, &forge, "fix/issue-10", &[("b.txt", "1\n")]).await?;
    forge.merge(&merge_spec(&opened, &sha)).await?;
    forge.delete_branch(&opened.head).await?;
    ensure_eq!(h.tip(&opened.head).await, None, "the deleted branch");
    ensure!(h.tip(&other.head).await.is_some(), "another branch went with it");
    let found = seen(&forge, &opened.head).await?;
    ensure_eq!((found.state, found.head_sha), (PullState::Merged, Some(sha)), "state and head after it");
    HOLDS
}

pub(super) async fn delete_of_an_absent_branch_is_no_error<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    forge.delete_branch(&branch("fix/none")?).await?;
    HOLDS
}
