//! The contract of [`Forge`], line by line.

mod bench;
mod finding;
mod merging;
mod opening;
mod updating;

use async_trait::async_trait;

use super::contract::{ContractBroken, Report, suite};
use crate::base::id::{BranchName, PullNumber, Sha};
use crate::ports::Forge;

/// What a backend brings to run [`run_forge_contract`]: a remote with pull requests, and other people's hands on it.
///
/// The harness has one current world; [`ForgeHarness::fresh`] begins the next. All other calls concern
/// the current one and act as a push or another person would, not through the backend.
#[async_trait]
pub trait ForgeHarness: Send + Sync {
    /// The backend, or a wrapper around it.
    type Forge: Forge;

    /// Begins a world: a remote whose HEAD is `main` with [`super::SEED`] in one commit, without pull requests.
    async fn fresh(&self) -> Self::Forge;

    /// Drops the backend and connects anew to the same forge.
    async fn restart(&self, forge: Self::Forge) -> Self::Forge;

    /// Adds a commit with these files to a branch at the remote, which is made from the tip of `from` if absent.
    async fn publish(&self, branch: &BranchName, from: &BranchName, files: &[(&str, &str)]) -> Sha;

    /// The tip of a branch at the remote.
    async fn tip(&self, branch: &BranchName) -> Option<Sha>;

    /// What a file on a branch at the remote holds.
    async fn show(&self, branch: &BranchName, path: &str) -> Option<String>;

    /// Whether a commit is contained in a branch at the remote.
    async fn contains(&self, ancestor: &Sha, branch: &BranchName) -> bool;

    /// How many commits a branch at the remote has.
    async fn count(&self, branch: &BranchName) -> usize;

    /// Merges a branch into another by git alone and pushes the result, as a person beside the forge would.
    async fn merge_by_hand(&self, branch: &BranchName, into: &BranchName);

    /// Closes a pull request as a person would.
    async fn close(&self, number: PullNumber);
}

/// Runs every case of a forge's contract.
///
/// # Errors
/// [`ContractBroken`] lists each case that fails and why.
pub async fn run_forge_contract<H: ForgeHarness>(harness: &H) -> Result<Report, ContractBroken> {
    run(harness, None).await
}

/// Runs the one case of that name; an unknown name runs nothing.
///
/// # Errors
/// [`ContractBroken`] if it fails.
pub async fn run_forge_case<H: ForgeHarness>(harness: &H, case: &str) -> Result<Report, ContractBroken> {
    run(harness, Some(case)).await
}

async fn run<H: ForgeHarness>(harness: &H, only: Option<&str>) -> Result<Report, ContractBroken> {
    suite!(harness, only;
        opening::open_makes_a_pull_request,
        opening::open_again_gives_the_same,
        opening::open_side_by_side_makes_one,
        opening::open_after_the_merge_gives_the_merged,
        opening::open_after_a_close_makes_another,
        opening::open_of_what_came_after_the_merge_makes_another,
        opening::open_of_what_was_merged_elsewhere_makes_another,
        opening::open_without_a_head_is_refused,
        opening::open_of_nothing_new_is_refused,
        opening::open_at_another_commit_is_refused,
        finding::find_gives_the_newest_of_each_head,
        finding::find_matches_whole_names,
        finding::find_sees_the_head_move,
        finding::find_sees_conflicts,
        finding::find_sees_what_keeps_it_from_being_merged,
        finding::find_sees_what_was_merged_by_hand,
        finding::find_sees_what_was_closed,
        updating::update_retargets,
        updating::update_changes_the_draft,
        updating::update_of_a_merged_one_does_nothing,
        updating::update_of_an_unknown_one_is_not_found,
        merging::merge_puts_the_work_into_the_base,
        merging::merge_squashes_and_rebases,
        merging::merge_again_changes_nothing,
        merging::merge_of_a_stale_head_is_refused,
        merging::merge_names_conflicts_and_changes_nothing,
        merging::merge_of_a_closed_one_is_refused,
        merging::merge_of_a_hand_merged_one_changes_nothing,
        merging::merge_of_a_stack_goes_bottom_up,
        merging::merge_of_an_unknown_one_is_not_found,
        merging::delete_branch_leaves_the_merge_visible,
        merging::delete_of_an_absent_branch_is_no_error,
    )
}
