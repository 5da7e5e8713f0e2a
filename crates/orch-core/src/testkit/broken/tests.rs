//! Every defect is found, by the case that is meant to find it.

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};

use super::{BrokenExecutor, BrokenForge, BrokenVcs, ExecutorDefect, ForgeDefect, VcsDefect};
use crate::base::id::{BranchName, PullNumber, Sha};
use crate::testkit::harness::{MockExecutorHarness, MockForgeHarness, MockVcsHarness, block_on};
use crate::testkit::{
    Behaviour, ContractBroken, ExecutorHarness, ForgeHarness, MockExecutor, Report, VcsHarness, run_executor_contract,
    run_forge_contract, run_vcs_contract,
};

/// One line a defect: how many cases find it, if the one made for it does.
fn table<D: std::fmt::Debug + Copy>(
    all: &[D],
    found_by: impl Fn(D) -> &'static str,
    run: impl Fn(D) -> Result<Report, ContractBroken>,
) -> String {
    let found = |defect: &D| {
        let failed = run(*defect).err().map(|ContractBroken(report)| report.failed).unwrap_or_default();
        let expected = found_by(*defect);
        let known = failed.iter().any(|failure| failure.case == expected);
        format!("{defect:?}: {}{expected}, {} in all", if known { "" } else { "NOT BY " }, failed.len())
    };
    all.iter().map(found).collect::<Vec<_>>().join("\n")
}

struct Broken<H, D> {
    inner: H,
    defect: D,
}

#[async_trait]
impl ExecutorHarness for Broken<MockExecutorHarness, ExecutorDefect> {
    type Executor = BrokenExecutor<MockExecutor>;

    async fn fresh(&self) -> Self::Executor {
        BrokenExecutor::new(self.inner.fresh().await, self.defect)
    }

    async fn restart(&self, executor: Self::Executor) -> Self::Executor {
        BrokenExecutor::new(self.inner.restart(executor.into_inner()).await, self.defect)
    }

    async fn settle(&self) {
        self.inner.settle().await;
    }

    fn patience(&self) -> u32 {
        self.inner.patience()
    }

    fn argv(&self, behaviour: &Behaviour) -> Vec<String> {
        self.inner.argv(behaviour)
    }

    fn scratch(&self) -> Utf8PathBuf {
        self.inner.scratch()
    }

    fn make_dir(&self, path: &Utf8Path) {
        self.inner.make_dir(path);
    }

    fn write(&self, path: &Utf8Path, content: &[u8]) {
        self.inner.write(path, content);
    }

    fn read(&self, path: &Utf8Path) -> Option<Vec<u8>> {
        self.inner.read(path)
    }

    fn mode(&self, path: &Utf8Path) -> Option<u32> {
        self.inner.mode(path)
    }

    fn alive(&self, pid: u32) -> bool {
        self.inner.alive(pid)
    }

    async fn plant_foreign(&self, executor: &Self::Executor) -> bool {
        self.inner.plant_foreign(executor.inner()).await
    }

    async fn lose(&self, executor: &Self::Executor) -> bool {
        self.inner.lose(executor.inner()).await
    }
}

#[async_trait]
impl VcsHarness for Broken<MockVcsHarness, VcsDefect> {
    type Vcs = BrokenVcs;

    async fn fresh(&self) -> BrokenVcs {
        BrokenVcs::new(self.inner.fresh().await, self.defect)
    }

    async fn restart(&self, vcs: BrokenVcs) -> BrokenVcs {
        BrokenVcs::new(self.inner.restart(vcs.into_inner()).await, self.defect)
    }

    fn worktree(&self, name: &str) -> Utf8PathBuf {
        self.inner.worktree(name)
    }

    async fn write(&self, worktree: &Utf8Path, path: &str, content: &str) {
        self.inner.write(worktree, path, content).await;
    }

    async fn delete(&self, worktree: &Utf8Path, path: &str) {
        self.inner.delete(worktree, path).await;
    }

    async fn read(&self, worktree: &Utf8Path, path: &str) -> Option<String> {
        self.inner.read(worktree, path).await
    }

    async fn stage(&self, worktree: &Utf8Path, path: &str) {
        self.inner.stage(worktree, path).await;
    }

    async fn nest(&self, worktree: &Utf8Path, path: &str, content: &str) {
        self.inner.nest(worktree, path, content).await;
    }

    async fn lose_worktree(&self, worktree: &Utf8Path) {
        self.inner.lose_worktree(worktree).await;
    }

    async fn commit(&self, worktree: &Utf8Path, message: &str) -> Sha {
        self.inner.commit(worktree, message).await
    }

    async fn rewind(&self, worktree: &Utf8Path, to: &Sha) {
        self.inner.rewind(worktree, to).await;
    }

    async fn detach(&self, worktree: &Utf8Path) {
        self.inner.detach(worktree).await;
    }

    async fn merge_halfway(&self, worktree: &Utf8Path, tip: &Sha) {
        self.inner.merge_halfway(worktree, tip).await;
    }

    async fn status(&self, worktree: &Utf8Path) -> String {
        self.inner.status(worktree).await
    }

    async fn show(&self, commit: &Sha, path: &str) -> Option<String> {
        self.inner.show(commit, path).await
    }

    async fn resolve(&self, reference: &str) -> Option<Sha> {
        self.inner.resolve(reference).await
    }

    async fn publish(&self, branch: &BranchName, files: &[(&str, &str)]) -> Sha {
        self.inner.publish(branch, files).await
    }

    async fn tip(&self, branch: &BranchName) -> Option<Sha> {
        self.inner.tip(branch).await
    }

    async fn make_local_branch(&self, branch: &BranchName) -> Sha {
        self.inner.make_local_branch(branch).await
    }

    async fn age(&self) {
        self.inner.age().await;
    }

    async fn cut_off(&self, cut: bool) -> bool {
        self.inner.cut_off(cut).await
    }
}

#[async_trait]
impl ForgeHarness for Broken<MockForgeHarness, ForgeDefect> {
    type Forge = BrokenForge;

    async fn fresh(&self) -> BrokenForge {
        BrokenForge::new(self.inner.fresh().await, self.defect)
    }

    async fn restart(&self, forge: BrokenForge) -> BrokenForge {
        BrokenForge::new(self.inner.restart(forge.into_inner()).await, self.defect)
    }

    async fn publish(&self, branch: &BranchName, from: &BranchName, files: &[(&str, &str)]) -> Sha {
        self.inner.publish(branch, from, files).await
    }

    async fn tip(&self, branch: &BranchName) -> Option<Sha> {
        self.inner.tip(branch).await
    }

    async fn show(&self, branch: &BranchName, path: &str) -> Option<String> {
        self.inner.show(branch, path).await
    }

    async fn contains(&self, ancestor: &Sha, branch: &BranchName) -> bool {
        self.inner.contains(ancestor, branch).await
    }

    async fn count(&self, branch: &BranchName) -> usize {
        self.inner.count(branch).await
    }

    async fn merge_by_hand(&self, branch: &BranchName, into: &BranchName) {
        self.inner.merge_by_hand(branch, into).await;
    }

    async fn close(&self, number: PullNumber) {
        self.inner.close(number).await;
    }
}

#[test]
fn every_broken_executor_is_found() {
    let run = |defect| block_on(run_executor_contract(&Broken { inner: MockExecutorHarness::default(), defect }));
    insta::assert_snapshot!(table(ExecutorDefect::ALL, ExecutorDefect::found_by, run), @r"
    LosesExitCodes: exit_codes_are_told, 11 in all
    PrefixMatchesIds: ids_and_names_match_whole, 1 in all
    CallsDeadAlive: exit_codes_are_told, 25 in all
    DropsTrailingSemicolon: text_arrives_byte_for_byte, 2 in all
    TypesCarriageReturns: text_arrives_byte_for_byte, 2 in all
    CutsLongText: text_arrives_byte_for_byte, 1 in all
    PressesKeysFirst: keys_follow_the_text, 5 in all
    RepeatsInput: input_of_a_line_arrives_once, 7 in all
    IgnoresStale: input_with_a_stale_fingerprint_types_nothing, 2 in all
    TypesThenRefuses: input_with_a_stale_fingerprint_types_nothing, 1 in all
    SwallowsLostInput: input_to_unknown_sessions_is_not_found, 3 in all
    ForgetsExitsAtRestart: exits_survive_a_restart, 3 in all
    TellsExitsOnce: exits_are_kept_until_forgotten, 5 in all
    NeverForgets: exits_are_kept_until_forgotten, 2 in all
    LaunchesTwice: launch_twice_starts_one_process, 4 in all
    RefusesUsedNames: names_may_repeat, 1 in all
    LeaksItsEnvironment: launch_gives_exactly_the_environment, 1 in all
    IgnoresTheDirectory: launch_sets_the_working_directory, 1 in all
    IgnoresStdin: launch_reads_stdin_from_a_file, 1 in all
    LosesTheLog: log_is_complete_from_the_first_byte, 4 in all
    LooksAllOrNothing: look_leaves_out_unknown_sessions, 2 in all
    ShowsEscapes: look_shows_text_without_escapes, 3 in all
    CountsLooksAsActivity: activity_changes_only_with_output, 1 in all
    TellsNothing: output_makes_an_event, 4 in all
    TellsTooMuch: quiet_sessions_make_no_events, 4 in all
    KillsWhenAsking: end_by_asking_does_not_kill_the_deaf, 2 in all
    LiesAboutTheEnd: end_by_killing_proves_the_death, 7 in all
    TrustsPids: end_never_touches_a_reused_pid, 1 in all
    ");
}

#[test]
fn every_broken_vcs_is_found() {
    let run = |defect| block_on(run_vcs_contract(&Broken { inner: MockVcsHarness::default(), defect }));
    insta::assert_snapshot!(table(VcsDefect::ALL, VcsDefect::found_by, run), @r"
    StartsDiffer: prepare_start_is_deterministic, 5 in all
    ForgetsPredecessors: prepare_contains_its_predecessors, 2 in all
    TakesBranches: prepare_refuses_a_branch_of_others, 1 in all
    RemembersTheBase: base_is_as_the_remote_has_it, 1 in all
    RemembersHeads: head_is_where_the_worktree_stands, 1 in all
    CallsDirtClean: work_shows_what_is_not_committed, 7 in all
    NamesDirectories: work_shows_what_is_not_committed, 1 in all
    SaveLosesUntracked: save_keeps_every_kind_of_change, 7 in all
    SaveTouchesTheIndex: save_leaves_worktree_and_index_alone, 2 in all
    SaveOverwrites: save_numbers_its_refs, 1 in all
    SaveRepeats: save_twice_gives_the_first_ref, 2 in all
    CommitTakesEverything: commit_takes_tracked_and_covered_files, 2 in all
    SyncLeavesConflicts: sync_names_conflicts_and_changes_nothing, 2 in all
    SyncIgnoresTheMergeBase: sync_of_a_squashed_predecessor_uses_the_merge_base, 1 in all
    PushForces: push_never_forces, 4 in all
    PushDropsWhatItLeaves: push_leaves_behind_what_it_is_told_to, 1 in all
    PushLeavesOthersBehind: push_leaves_nothing_else_behind, 1 in all
    SyncMergesWhatItLeaves: sync_leaves_a_pushed_tip_behind, 1 in all
    PushesTheTip: push_publishes_exactly_one_commit, 2 in all
    PushesToTheBase: push_never_touches_the_base, 1 in all
    CallsLostPushesDone: push_to_an_unreachable_remote_may_be_tried_again, 1 in all
    RemembersRemoteTips: remote_tips_are_as_the_remote_has_them, 1 in all
    TakesCommitsForTrees: trees_are_equal_where_files_are, 2 in all
    MergesOverConflicts: merged_tree_tells_conflicts, 1 in all
    RemoveDiscards: remove_refuses_uncommitted_work, 4 in all
    RemoveDropsSaved: saved_work_outlives_its_worktree, 1 in all
    ");
}

#[test]
fn every_broken_forge_is_found() {
    let run = |defect| block_on(run_forge_contract(&Broken { inner: MockForgeHarness::default(), defect }));
    insta::assert_snapshot!(table(ForgeDefect::ALL, ForgeDefect::found_by, run), @r"
    CreatesASecondPull: open_again_gives_the_same, 2 in all
    ReopensClosed: open_after_a_close_makes_another, 1 in all
    TakesOldMerges: open_of_what_came_after_the_merge_makes_another, 2 in all
    MakesUpHeads: open_without_a_head_is_refused, 1 in all
    OpensAtAnyCommit: open_at_another_commit_is_refused, 1 in all
    PrefixMatchesHeads: find_matches_whole_names, 4 in all
    FindsTheOldest: find_gives_the_newest_of_each_head, 3 in all
    ForgetsAtRestart: find_sees_what_was_closed, 1 in all
    HidesHandMerges: find_sees_what_was_merged_by_hand, 2 in all
    ForgetsChanges: update_retargets, 4 in all
    MergesStaleHeads: merge_of_a_stale_head_is_refused, 1 in all
    MergesTwice: merge_again_changes_nothing, 2 in all
    MergesClosed: merge_of_a_closed_one_is_refused, 1 in all
    OverwritesInConflicts: merge_names_conflicts_and_changes_nothing, 1 in all
    DeletesByPrefix: delete_branch_leaves_the_merge_visible, 1 in all
    ");
}
