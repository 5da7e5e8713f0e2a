//! The contract of [`Vcs`], line by line.

mod bench;
mod committing;
mod preparing;
mod publishing;
mod removing;
mod saving;
mod syncing;
mod trees;
mod working;

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};

use super::contract::{ContractBroken, Report, suite};
use crate::base::id::{BranchName, Sha};
use crate::ports::Vcs;

/// The files of the one commit on `main` that every fresh remote has.
pub const SEED: &[(&str, &str)] =
    &[(".gitignore", "*.tmp\n"), ("shared.txt", "one\n"), ("src/a.txt", "a\n"), ("src/b.txt", "b\n")];

/// What a backend brings to run [`run_vcs_contract`]: repositories, and other people's hands on them.
///
/// The harness has one current world; [`VcsHarness::fresh`] begins the next. All other calls concern
/// the current one and act as an agent or another person would, not through the backend.
#[async_trait]
pub trait VcsHarness: Send + Sync {
    /// The backend, or a wrapper around it.
    type Vcs: Vcs;

    /// Begins a world: a remote whose HEAD is `main` with [`SEED`] in one commit, and a clone of it.
    async fn fresh(&self) -> Self::Vcs;

    /// Drops the backend and opens the same clone anew.
    async fn restart(&self, vcs: Self::Vcs) -> Self::Vcs;

    /// An absolute path where a worktree of that name may be made.
    fn worktree(&self, name: &str) -> Utf8PathBuf;

    /// Writes a file in a worktree, with the directories that it needs.
    async fn write(&self, worktree: &Utf8Path, path: &str, content: &str);

    /// Deletes a file in a worktree.
    async fn delete(&self, worktree: &Utf8Path, path: &str);

    /// What a file in a worktree holds, or `None` if it is not there.
    async fn read(&self, worktree: &Utf8Path, path: &str) -> Option<String>;

    /// `git add -A -- PATH` in a worktree.
    async fn stage(&self, worktree: &Utf8Path, path: &str);

    /// Makes a repository inside a worktree, with a file `inside.txt` in a commit that nobody else has.
    async fn nest(&self, worktree: &Utf8Path, path: &str, content: &str);

    /// Deletes a worktree's directory, `.git` and all.
    async fn lose_worktree(&self, worktree: &Utf8Path);

    /// Commits what is staged in a worktree.
    async fn commit(&self, worktree: &Utf8Path, message: &str) -> Sha;

    /// `git reset --soft` to a commit in a worktree: the first half of an amend.
    async fn rewind(&self, worktree: &Utf8Path, to: &Sha);

    /// `git checkout --detach` in a worktree.
    async fn detach(&self, worktree: &Utf8Path);

    /// `git merge` of a tip that conflicts, in a worktree, left as it is.
    async fn merge_halfway(&self, worktree: &Utf8Path, tip: &Sha);

    /// Everything that a worktree's owner could notice, as text to compare: HEAD, the index
    /// (`git ls-files -s`) and what is on disk (`git status --porcelain=v2`).
    async fn status(&self, worktree: &Utf8Path) -> String;

    /// What a file of a commit in the clone holds, or `None` if the commit has no such file.
    async fn show(&self, commit: &Sha, path: &str) -> Option<String>;

    /// The commit of a full ref name in the clone, or `None` if there is no such ref.
    async fn resolve(&self, reference: &str) -> Option<Sha>;

    /// Adds someone else's commit with these files to a branch at the remote, made from `main` if absent.
    async fn publish(&self, branch: &BranchName, files: &[(&str, &str)]) -> Sha;

    /// The tip of a branch at the remote, asked of the remote itself.
    async fn tip(&self, branch: &BranchName) -> Option<Sha>;

    /// Makes someone else's local branch in the clone with a commit of its own.
    async fn make_local_branch(&self, branch: &BranchName) -> Sha;

    /// Lets more than a second pass, so that commits before and after differ in time. Without it the
    /// cases that ask for the same commit again prove less.
    async fn age(&self) {}

    /// Makes the remote unreachable, or reachable again; `false` if the world cannot.
    async fn cut_off(&self, cut: bool) -> bool;
}

/// Runs every case of version control's contract.
///
/// # Errors
/// [`ContractBroken`] lists each case that fails and why.
pub async fn run_vcs_contract<H: VcsHarness>(harness: &H) -> Result<Report, ContractBroken> {
    run(harness, None).await
}

/// Runs the one case of that name; an unknown name runs nothing.
///
/// # Errors
/// [`ContractBroken`] if it fails.
pub async fn run_vcs_case<H: VcsHarness>(harness: &H, case: &str) -> Result<Report, ContractBroken> {
    run(harness, Some(case)).await
}

async fn run<H: VcsHarness>(harness: &H, only: Option<&str>) -> Result<Report, ContractBroken> {
    suite!(harness, only;
        preparing::base_is_as_the_remote_has_it,
        preparing::prepare_starts_from_the_newest_base,
        preparing::prepare_again_gives_the_same,
        preparing::prepare_again_keeps_work,
        preparing::prepare_again_without_the_worktree_keeps_the_branch,
        saving::save_of_a_lost_worktree_is_missing,
        preparing::prepare_contains_its_predecessors,
        preparing::prepare_start_is_deterministic,
        preparing::prepare_names_conflicts_and_leaves_nothing,
        preparing::prepare_refuses_a_branch_of_others,
        working::head_is_where_the_worktree_stands,
        working::head_of_a_missing_worktree_is_missing,
        working::work_of_nothing_is_empty,
        working::work_lists_commits_oldest_first,
        working::work_leaves_out_what_was_merged_in,
        working::work_shows_what_is_not_committed,
        working::work_names_odd_files_as_they_are,
        working::work_ignores_untracked_files_when_told,
        working::work_shows_a_detached_head,
        working::work_shows_a_half_done_merge,
        working::work_of_a_missing_worktree_is_missing,
        working::work_shows_repositories_inside,
        saving::save_keeps_repositories_inside,
        removing::remove_refuses_repositories_inside,
        saving::save_of_a_clean_worktree_is_nothing,
        saving::save_keeps_every_kind_of_change,
        saving::save_leaves_worktree_and_index_alone,
        saving::save_numbers_its_refs,
        saving::save_twice_gives_the_first_ref,
        saving::save_of_a_half_done_merge,
        saving::save_of_a_detached_head,
        committing::commit_takes_tracked_and_covered_files,
        committing::commit_of_nothing_gives_the_head,
        committing::commit_on_another_branch_is_refused,
        syncing::sync_takes_in_the_base,
        syncing::sync_skips_what_is_contained,
        syncing::sync_names_conflicts_and_changes_nothing,
        syncing::sync_of_a_squashed_predecessor_uses_the_merge_base,
        syncing::sync_never_overwrites_uncommitted_work,
        syncing::sync_leaves_a_pushed_tip_behind,
        trees::trees_are_equal_where_files_are,
        trees::merged_tree_is_what_a_sync_makes,
        trees::merged_tree_tells_conflicts,
        trees::tree_of_an_unknown_commit_is_missing,
        publishing::push_publishes_exactly_one_commit,
        publishing::push_again_is_done,
        publishing::push_never_forces,
        publishing::push_never_goes_back,
        publishing::push_leaves_behind_what_it_is_told_to,
        publishing::push_leaves_nothing_else_behind,
        publishing::push_never_touches_the_base,
        publishing::push_of_an_unknown_commit_fails,
        publishing::push_to_an_unreachable_remote_may_be_tried_again,
        publishing::remote_tips_are_as_the_remote_has_them,
        publishing::contains_follows_history,
        removing::remove_refuses_uncommitted_work,
        removing::remove_refuses_commits_that_are_nowhere_else,
        removing::remove_keeps_a_branch_whose_worktree_is_gone,
        removing::remove_leaves_commits_to_the_branch_that_stays,
        removing::remove_after_the_push,
        removing::remove_discards_when_told,
        removing::remove_of_an_absent_worktree_is_no_error,
        removing::saved_work_outlives_its_worktree,
    )
}
