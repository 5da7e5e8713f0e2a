use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use camino::Utf8Path;

use crate::base::files::FileSet;
use crate::base::id::{BranchName, Sha};
use crate::ports::{
    CommitSpec, Dirt, Head, PrepareSpec, Prepared, PushSpec, RemoveSpec, SaveSpec, Saved, SyncSpec, Vcs, VcsError,
    Work, WorkSpec,
};
use crate::testkit::{MockRepository, MockVcs};

super::defects!(
    /// What is wrong with a [`BrokenVcs`].
    VcsDefect {
        /// A start made again from the same tips is another commit.
        StartsDiffer = "prepare_start_is_deterministic",
        /// Work starts without that of its predecessors.
        ForgetsPredecessors = "prepare_contains_its_predecessors",
        /// A branch of others is taken over.
        TakesBranches = "prepare_refuses_a_branch_of_others",
        /// The base is the one that was seen first.
        RemembersTheBase = "base_is_as_the_remote_has_it",
        /// A worktree stands where it was seen first.
        RemembersHeads = "head_is_where_the_worktree_stands",
        /// Nothing is ever uncommitted.
        CallsDirtClean = "work_shows_what_is_not_committed",
        /// Untracked directories are named instead of their files.
        NamesDirectories = "work_shows_what_is_not_committed",
        /// Untracked files are not saved.
        SaveLosesUntracked = "save_keeps_every_kind_of_change",
        /// Saving stages what it saves.
        SaveTouchesTheIndex = "save_leaves_worktree_and_index_alone",
        /// The next saving replaces the last.
        SaveOverwrites = "save_numbers_its_refs",
        /// The same work is saved again and again.
        SaveRepeats = "save_twice_gives_the_first_ref",
        /// Every untracked file is committed.
        CommitTakesEverything = "commit_takes_tracked_and_covered_files",
        /// A conflict leaves its markers behind.
        SyncLeavesConflicts = "sync_names_conflicts_and_changes_nothing",
        /// Only the merge base that history shows is used.
        SyncIgnoresTheMergeBase = "sync_of_a_squashed_predecessor_uses_the_merge_base",
        /// What others pushed is overwritten.
        PushForces = "push_never_forces",
        /// What a push leaves behind is not kept.
        PushDropsWhatItLeaves = "push_leaves_behind_what_it_is_told_to",
        /// Told that one tip may be left behind, it leaves any.
        PushLeavesOthersBehind = "push_leaves_nothing_else_behind",
        /// A tip that was left behind is merged like another's work.
        SyncMergesWhatItLeaves = "sync_leaves_a_pushed_tip_behind",
        /// The branch's tip is pushed, whatever was asked for.
        PushesTheTip = "push_publishes_exactly_one_commit",
        /// The base is pushed to.
        PushesToTheBase = "push_never_touches_the_base",
        /// A remote that cannot be reached is called pushed to.
        CallsLostPushesDone = "push_to_an_unreachable_remote_may_be_tried_again",
        /// A remote's branch is where it was seen first.
        RemembersRemoteTips = "remote_tips_are_as_the_remote_has_them",
        /// A tree is known by the commit that has it.
        TakesCommitsForTrees = "trees_are_equal_where_files_are",
        /// In a conflict one side wins unsaid.
        MergesOverConflicts = "merged_tree_tells_conflicts",
        /// Removing always discards.
        RemoveDiscards = "remove_refuses_uncommitted_work",
        /// Removing drops what was saved.
        RemoveDropsSaved = "saved_work_outlives_its_worktree",
    }
);

/// Version control with one defect, over a simulated repository.
pub struct BrokenVcs {
    inner: MockVcs,
    defect: VcsDefect,
    seen: Mutex<BTreeMap<BranchName, Option<Sha>>>,
}

impl BrokenVcs {
    /// Breaks version control.
    pub fn new(inner: MockVcs, defect: VcsDefect) -> Self {
        Self { inner, defect, seen: Mutex::default() }
    }

    /// What it broke.
    pub fn into_inner(self) -> MockVcs {
        self.inner
    }

    fn hands(&self) -> MockRepository {
        self.inner.world().repository()
    }

    fn has(&self, defect: VcsDefect) -> bool {
        self.defect == defect
    }

    fn first_seen(&self, branch: &BranchName, tip: Option<Sha>) -> Option<Sha> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.entry(branch.clone()).or_insert(tip).clone()
    }

    fn overwrite(&self, saved: Saved) -> Saved {
        let Some((first, _)) = saved.reference.rsplit_once('-') else { return saved };
        let first = Saved { reference: first.to_owned(), ..saved };
        self.hands().set_saved(&first.reference, Some(&first.sha));
        self.hands().set_saved(&saved.reference, None);
        first
    }
}

#[async_trait]
impl Vcs for BrokenVcs {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    async fn default_base(&self) -> Result<BranchName, VcsError> {
        self.inner.default_base().await
    }

    async fn base_tip(&self, base: &BranchName) -> Result<Sha, VcsError> {
        let tip = self.inner.base_tip(base).await?;
        if self.has(VcsDefect::RemembersTheBase) {
            return Ok(self.first_seen(base, Some(tip.clone())).unwrap_or(tip));
        }
        Ok(tip)
    }

    async fn prepare(&self, spec: &PrepareSpec) -> Result<Prepared, VcsError> {
        match self.defect {
            VcsDefect::ForgetsPredecessors => {
                self.inner.prepare(&PrepareSpec { predecessors: Vec::new(), ..spec.clone() }).await
            }
            VcsDefect::TakesBranches => {
                let taken = self.inner.prepare(spec).await;
                if matches!(taken, Err(VcsError::BranchTaken { .. })) {
                    self.hands().drop_local(&spec.branch);
                    return self.inner.prepare(spec).await;
                }
                taken
            }
            VcsDefect::StartsDiffer => {
                let known = self.hands().resolve(&format!("refs/heads/{}", spec.branch)).is_some();
                let prepared = self.inner.prepare(spec).await?;
                Ok(if known { prepared } else { self.hands().restart_elsewhere(spec, &prepared) })
            }
            _ => self.inner.prepare(spec).await,
        }
    }

    async fn head(&self, worktree: &Utf8Path) -> Result<Head, VcsError> {
        let head = self.inner.head(worktree).await?;
        let Some(branch) = head.branch.clone().filter(|_| self.has(VcsDefect::RemembersHeads)) else { return Ok(head) };
        Ok(Head { sha: self.first_seen(&branch, Some(head.sha.clone())).unwrap_or(head.sha), ..head })
    }

    async fn work(&self, spec: &WorkSpec) -> Result<Work, VcsError> {
        let mut work = self.inner.work(spec).await?;
        match self.defect {
            VcsDefect::CallsDirtClean => work.dirt = Dirt::default(),
            VcsDefect::NamesDirectories => {
                for path in &mut work.dirt.untracked {
                    path.truncate(path.find('/').map_or(path.len(), |slash| slash + 1));
                }
                work.dirt.untracked.dedup();
            }
            _ => {}
        }
        Ok(work)
    }

    async fn save(&self, spec: &SaveSpec) -> Result<Option<Saved>, VcsError> {
        let last = self.hands().resolve(&format!("refs/orch/saved/{}/{}", spec.task, spec.attempt));
        let Some(saved) = self.inner.save(spec).await? else { return Ok(None) };
        Ok(Some(match self.defect {
            VcsDefect::SaveLosesUntracked => self.hands().lose_untracked(&spec.worktree, saved),
            VcsDefect::SaveTouchesTheIndex => {
                self.hands().stage_everything(&spec.worktree);
                saved
            }
            VcsDefect::SaveOverwrites => self.overwrite(saved),
            VcsDefect::SaveRepeats if last.as_ref() == Some(&saved.sha) => {
                let again = Saved { reference: format!("{}-2", saved.reference), ..saved };
                self.hands().set_saved(&again.reference, Some(&again.sha));
                again
            }
            _ => saved,
        }))
    }

    async fn commit(&self, spec: &CommitSpec) -> Result<Sha, VcsError> {
        let everything = FileSet::parse(&["**".to_owned()]);
        match everything {
            Ok(files) if self.has(VcsDefect::CommitTakesEverything) => {
                self.inner.commit(&CommitSpec { files, ..spec.clone() }).await
            }
            _ => self.inner.commit(spec).await,
        }
    }

    async fn sync(&self, spec: &SyncSpec) -> Result<Sha, VcsError> {
        let mut spec = spec.clone();
        if self.has(VcsDefect::SyncIgnoresTheMergeBase) {
            spec.sources.iter_mut().for_each(|source| source.merge_base = None);
        }
        if self.has(VcsDefect::SyncMergesWhatItLeaves) {
            spec.sources.iter_mut().for_each(|source| source.left_by = None);
        }
        let synced = self.inner.sync(&spec).await;
        if let Err(VcsError::Conflict { files, .. }) = &synced
            && self.has(VcsDefect::SyncLeavesConflicts)
        {
            for file in files {
                self.hands().write(&spec.worktree, file, "<<<<<<<\n");
            }
            self.hands().begin_merge(&spec.worktree);
        }
        synced
    }

    async fn push(&self, spec: &PushSpec) -> Result<(), VcsError> {
        let hands = self.hands();
        let mut spec = spec.clone();
        if self.has(VcsDefect::PushesTheTip) {
            spec.sha = hands.resolve(&format!("refs/heads/{}", spec.branch)).unwrap_or(spec.sha);
        }
        match (self.defect, self.inner.push(&spec).await) {
            (VcsDefect::PushDropsWhatItLeaves, pushed) => {
                hands.set_saved(
                    &format!(
                        "refs/orch/saved/{}/pushed-1",
                        spec.leaves.map_or_else(String::new, |left| left.task.to_string())
                    ),
                    None,
                );
                pushed
            }
            (VcsDefect::PushLeavesOthersBehind, Err(VcsError::Moved { .. })) if spec.leaves.is_some() => {
                hands.set_remote(&spec.branch, Some(&spec.sha));
                Ok(())
            }
            (VcsDefect::PushForces, Err(VcsError::Moved { .. }))
            | (VcsDefect::PushesToTheBase, Err(VcsError::Refused { .. })) => {
                hands.set_remote(&spec.branch, Some(&spec.sha));
                Ok(())
            }
            (VcsDefect::CallsLostPushesDone, Err(VcsError::Unreachable { .. })) => Ok(()),
            (_, pushed) => pushed,
        }
    }

    async fn remote_tip(&self, branch: &BranchName) -> Result<Option<Sha>, VcsError> {
        let tip = self.inner.remote_tip(branch).await?;
        Ok(if self.has(VcsDefect::RemembersRemoteTips) { self.first_seen(branch, tip) } else { tip })
    }

    async fn contains(&self, ancestor: &Sha, descendant: &Sha) -> Result<bool, VcsError> {
        self.inner.contains(ancestor, descendant).await
    }

    async fn tree(&self, commit: &Sha) -> Result<Sha, VcsError> {
        let tree = self.inner.tree(commit).await?;
        Ok(if self.has(VcsDefect::TakesCommitsForTrees) { commit.clone() } else { tree })
    }

    async fn merged_tree(&self, ours: &Sha, theirs: &Sha) -> Result<Option<Sha>, VcsError> {
        match self.inner.merged_tree(ours, theirs).await? {
            None if self.has(VcsDefect::MergesOverConflicts) => self.inner.tree(ours).await.map(Some),
            merged => Ok(merged),
        }
    }

    async fn remove(&self, spec: &RemoveSpec) -> Result<(), VcsError> {
        let discard = spec.discard || self.has(VcsDefect::RemoveDiscards);
        self.inner.remove(&RemoveSpec { discard, ..spec.clone() }).await?;
        if self.has(VcsDefect::RemoveDropsSaved) {
            self.hands().set_saved(&format!("refs/orch/saved/{}/1", spec.task), None);
        }
        Ok(())
    }
}
