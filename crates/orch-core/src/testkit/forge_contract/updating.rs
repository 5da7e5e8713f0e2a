//! `update`: what is asked for changes, the rest stays.

use super::ForgeHarness;
use super::bench::{branch, main_branch, merge_spec, pull, pull_spec, seen};
use crate::base::id::PullNumber;
use crate::ports::{Forge, ForgeError, PullChange, PullState};
use crate::testkit::contract::{CaseResult, HOLDS, ensure, ensure_eq, ensure_matches};

pub(super) async fn update_retargets<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    let (below, _) = pull(h, &forge, "fix/issue-1", &[("a.txt", "1\n")]).await?;
    let head = branch("fix/issue-2")?;
    let sha = h.publish(&head, &below.head, &[("b.txt", "1\n")]).await;
    let stacked = forge.open(&pull_spec(&head, &sha, &below.head)).await?;
    let change = PullChange { base: Some(main_branch()?), ..PullChange::default() };
    for _ in 0..2 {
        let changed = forge.update(stacked.number, &change).await?;
        ensure_eq!(changed.base, main_branch()?, "base");
        ensure_eq!((changed.number, changed.state), (stacked.number, PullState::Open), "number and state");
    }
    let found = seen(&forge, &head).await?;
    ensure_eq!((found.base, found.head_sha), (main_branch()?, Some(sha)), "base and head found");
    HOLDS
}

pub(super) async fn update_changes_the_draft<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    let (opened, _) = pull(h, &forge, "fix/issue-1", &[("a.txt", "1\n")]).await?;
    for draft in [true, true, false] {
        let change = PullChange { draft: Some(draft), ..PullChange::default() };
        ensure_eq!(forge.update(opened.number, &change).await?.draft, draft, "draft");
    }
    let change = PullChange { body: Some("another\n`body`".to_owned()), ..PullChange::default() };
    let changed = forge.update(opened.number, &change).await?;
    ensure!(!changed.draft && changed.base == opened.base, "another body changed more: {changed:?}");
    HOLDS
}

pub(super) async fn update_of_a_merged_one_does_nothing<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    let other = branch("release")?;
    h.publish(&other, &main_branch()?, &[("r.txt", "1\n")]).await;
    let (opened, sha) = pull(h, &forge, "fix/issue-1", &[("a.txt", "1\n")]).await?;
    let merged = forge.merge(&merge_spec(&opened, &sha)).await?;
    let change = PullChange { base: Some(other), ..PullChange::default() };
    let after = forge.update(opened.number, &change).await?;
    ensure_eq!((after.state, after.base), (PullState::Merged, merged.base), "state and base of a merged one");
    HOLDS
}

pub(super) async fn update_of_an_unknown_one_is_not_found<H: ForgeHarness>(h: &H) -> CaseResult {
    let forge = h.fresh().await;
    let found = forge.update(PullNumber(99), &PullChange { draft: Some(true), ..PullChange::default() }).await;
    ensure_matches!(found, Err(ForgeError::NotFound { number: PullNumber(99) }), "update of no pull request");
    HOLDS
}
