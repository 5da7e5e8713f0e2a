use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::base::id::{BranchName, PullNumber};
use crate::ports::{Forge, ForgeError, MergeSpec, MergeState, Pull, PullChange, PullSpec, PullState};
use crate::testkit::MockForge;

super::defects!(
    /// What is wrong with a [`BrokenForge`].
    ForgeDefect {
        /// A branch that has a pull request gets another.
        CreatesASecondPull = "open_again_gives_the_same",
        /// A closed pull request is opened again.
        ReopensClosed = "open_after_a_close_makes_another",
        /// Whatever its branch once merged is taken for the answer.
        TakesOldMerges = "open_of_what_came_after_the_merge_makes_another",
        /// A missing head branch is made up.
        MakesUpHeads = "open_without_a_head_is_refused",
        /// A pull request opens at whatever commit the head is at.
        OpensAtAnyCommit = "open_at_another_commit_is_refused",
        /// A head is taken for one that begins alike.
        PrefixMatchesHeads = "find_matches_whole_names",
        /// The oldest pull request of a head is found.
        FindsTheOldest = "find_gives_the_newest_of_each_head",
        /// Only pull requests of this connection are found.
        ForgetsAtRestart = "find_sees_what_was_closed",
        /// A merge that it did not make is not seen.
        HidesHandMerges = "find_sees_what_was_merged_by_hand",
        /// Changes are told, not made.
        ForgetsChanges = "update_retargets",
        /// The head is merged wherever it is.
        MergesStaleHeads = "merge_of_a_stale_head_is_refused",
        /// A merged pull request is merged again.
        MergesTwice = "merge_again_changes_nothing",
        /// A closed pull request is merged.
        MergesClosed = "merge_of_a_closed_one_is_refused",
        /// In a conflict the head wins.
        OverwritesInConflicts = "merge_names_conflicts_and_changes_nothing",
        /// Branches that begin alike are deleted too.
        DeletesByPrefix = "delete_branch_leaves_the_merge_visible",
    }
);

/// A forge with one defect, over a simulated one.
pub struct BrokenForge {
    inner: MockForge,
    defect: ForgeDefect,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    opened: BTreeSet<PullNumber>,
    merged: BTreeSet<PullNumber>,
}

impl BrokenForge {
    /// Breaks a forge.
    pub fn new(inner: MockForge, defect: ForgeDefect) -> Self {
        Self { inner, defect, memory: Mutex::default() }
    }

    /// The forge that it broke.
    pub fn into_inner(self) -> MockForge {
        self.inner
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pull(&self, number: PullNumber) -> Option<Pull> {
        self.inner.pulls().into_iter().find(|pull| pull.number == number)
    }

    fn of_head(&self, head: &BranchName) -> Option<Pull> {
        self.inner.pulls().into_iter().rev().find(|pull| pull.head == *head)
    }

    fn has(&self, defect: ForgeDefect) -> bool {
        self.defect == defect
    }

    /// What the defect does before or instead of opening; `None` opens as usual.
    async fn open_wrongly(&self, spec: &PullSpec) -> Option<Result<Pull, ForgeError>> {
        let repository = self.inner.world().repository();
        let known = self.of_head(&spec.head);
        match self.defect {
            ForgeDefect::CreatesASecondPull => {
                let open = known.filter(|pull| pull.state == PullState::Open)?;
                self.inner.close(open.number);
                let second = self.inner.open(spec).await;
                self.inner.reopen(open.number);
                Some(second)
            }
            ForgeDefect::ReopensClosed => {
                self.inner.reopen(known?.number);
                None
            }
            ForgeDefect::TakesOldMerges => known.filter(|pull| pull.state == PullState::Merged).map(Ok),
            ForgeDefect::MakesUpHeads if repository.remote_tip(&spec.head).is_none() => {
                repository.set_remote(&spec.head, Some(&spec.sha));
                None
            }
            ForgeDefect::OpensAtAnyCommit => {
                let sha = repository.remote_tip(&spec.head)?;
                Some(self.inner.open(&PullSpec { sha, ..spec.clone() }).await)
            }
            _ => None,
        }
    }
}

#[async_trait]
impl Forge for BrokenForge {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    async fn open(&self, spec: &PullSpec) -> Result<Pull, ForgeError> {
        let opened = match self.open_wrongly(spec).await {
            Some(opened) => opened?,
            None => self.inner.open(spec).await?,
        };
        self.memory().opened.insert(opened.number);
        Ok(opened)
    }

    async fn find(&self, heads: &[BranchName]) -> Result<Vec<Pull>, ForgeError> {
        let mut found = self.inner.find(heads).await?;
        let all = self.inner.pulls();
        match self.defect {
            ForgeDefect::PrefixMatchesHeads => {
                let alike = |head: &BranchName| all.iter().find(|pull| pull.head.as_str().starts_with(head.as_str()));
                found = heads.iter().filter_map(alike).cloned().collect();
            }
            ForgeDefect::FindsTheOldest => {
                let oldest = |head: &BranchName| all.iter().find(|pull| pull.head == *head);
                found = heads.iter().filter_map(oldest).cloned().collect();
            }
            ForgeDefect::ForgetsAtRestart => found.retain(|pull| self.memory().opened.contains(&pull.number)),
            ForgeDefect::HidesHandMerges => {
                let merged = self.memory().merged.clone();
                for pull in found.iter_mut().filter(|pull| !merged.contains(&pull.number)) {
                    pull.state = PullState::Open;
                }
            }
            _ => {}
        }
        Ok(found)
    }

    async fn update(&self, number: PullNumber, change: &PullChange) -> Result<Pull, ForgeError> {
        if let Some(pull) = self.pull(number).filter(|_| self.has(ForgeDefect::ForgetsChanges)) {
            let base = change.base.clone().unwrap_or(pull.base);
            return Ok(Pull { base, draft: change.draft.unwrap_or(pull.draft), ..pull });
        }
        self.inner.update(number, change).await
    }

    async fn merge(&self, spec: &MergeSpec) -> Result<Pull, ForgeError> {
        let repository = self.inner.world().repository();
        let mut spec = spec.clone();
        if let Some(pull) = self.pull(spec.number) {
            match self.defect {
                ForgeDefect::MergesStaleHeads => spec.expected_head = pull.head_sha.unwrap_or(spec.expected_head),
                ForgeDefect::MergesTwice if pull.state == PullState::Merged => {
                    repository.publish(&pull.base, &[("merged-again.txt", "x\n")]);
                }
                ForgeDefect::MergesClosed => self.inner.reopen(spec.number),
                ForgeDefect::OverwritesInConflicts if pull.merge_state == MergeState::Dirty => {
                    repository.set_remote(&pull.base, pull.head_sha.as_ref());
                }
                _ => {}
            }
        }
        self.memory().merged.insert(spec.number);
        self.inner.merge(&spec).await
    }

    async fn delete_branch(&self, branch: &BranchName) -> Result<(), ForgeError> {
        if self.has(ForgeDefect::DeletesByPrefix) {
            for pull in self.inner.pulls() {
                if pull.head.as_str().starts_with(branch.as_str()) {
                    self.inner.delete_branch(&pull.head).await?;
                }
            }
        }
        self.inner.delete_branch(branch).await
    }
}
