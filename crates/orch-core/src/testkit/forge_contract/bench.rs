//! What the cases share.

use super::ForgeHarness;
use crate::base::id::{BranchName, Sha};
use crate::ports::{Forge, MergeMethod, MergeSpec, Pull, PullSpec};
use crate::testkit::contract::Why;

pub(super) fn branch(name: &str) -> Result<BranchName, Why> {
    Ok(BranchName::parse(name)?)
}

pub(super) fn main_branch() -> Result<BranchName, Why> {
    branch("main")
}

pub(super) fn pull_spec(head: &BranchName, sha: &Sha, base: &BranchName) -> PullSpec {
    PullSpec {
        head: head.clone(),
        sha: sha.clone(),
        base: base.clone(),
        title: "fix: \"it's\" $(x) é".to_owned(),
        body: "Closes #1\n\n## Changes\n`x`; --y\n".to_owned(),
        draft: false,
    }
}

/// A branch from `main` with one file, and its pull request.
pub(super) async fn pull<H: ForgeHarness>(
    h: &H,
    forge: &H::Forge,
    head: &str,
    files: &[(&str, &str)],
) -> Result<(Pull, Sha), Why> {
    let (head, main) = (branch(head)?, main_branch()?);
    let sha = h.publish(&head, &main, files).await;
    Ok((forge.open(&pull_spec(&head, &sha, &main)).await?, sha))
}

pub(super) async fn seen<F: Forge>(forge: &F, head: &BranchName) -> Result<Pull, Why> {
    let mut found = forge.find(std::slice::from_ref(head)).await?;
    match (found.pop(), found.is_empty()) {
        (Some(pull), true) => Ok(pull),
        (last, _) => Err(Why(format!("find for {head} gave {last:?} and {} more", found.len()))),
    }
}

pub(super) fn merge_spec(pull: &Pull, expected_head: &Sha) -> MergeSpec {
    MergeSpec { number: pull.number, expected_head: expected_head.clone(), method: MergeMethod::Merge }
}
