//! The remote's branches, and what was last seen of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::id::{BranchName, Sha};

/// The branches at the remote, with this repository's tracking branches.
#[derive(Default)]
pub(in crate::testkit) struct Remote {
    tips: BTreeMap<BranchName, Sha>,
    /// The tips when the remote was last talked to.
    tracked: BTreeMap<BranchName, Sha>,
    /// The branches of which these may differ.
    moved: BTreeSet<BranchName>,
}

impl Remote {
    pub(in crate::testkit) fn get(&self, branch: &BranchName) -> Option<&Sha> {
        self.tips.get(branch)
    }

    pub(in crate::testkit) fn contains_key(&self, branch: &BranchName) -> bool {
        self.tips.contains_key(branch)
    }

    pub(in crate::testkit) fn insert(&mut self, branch: BranchName, tip: Sha) {
        self.moved.insert(branch.clone());
        self.tips.insert(branch, tip);
    }

    pub(in crate::testkit) fn remove(&mut self, branch: &BranchName) {
        self.moved.insert(branch.clone());
        self.tips.remove(branch);
    }

    /// Moves every tracking branch to where its branch is.
    pub(super) fn fetch(&mut self) {
        for branch in std::mem::take(&mut self.moved) {
            self.track(branch);
        }
    }

    /// Moves a branch and its tracking branch.
    pub(super) fn push(&mut self, branch: &BranchName, tip: &Sha) {
        self.tips.insert(branch.clone(), tip.clone());
        self.track(branch.clone());
    }

    /// Where the branches at the remote are.
    pub(in crate::testkit) fn tips(&self) -> impl Iterator<Item = &Sha> {
        self.tips.values()
    }

    /// Where the tracking branches are.
    pub(super) fn tracked(&self) -> impl Iterator<Item = &Sha> {
        self.tracked.values()
    }

    fn track(&mut self, branch: BranchName) {
        match self.tips.get(&branch) {
            Some(tip) => _ = self.tracked.insert(branch, tip.clone()),
            None => _ = self.tracked.remove(&branch),
        }
    }
}
