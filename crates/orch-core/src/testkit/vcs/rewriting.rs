//! What else agents do to history, and what the whole repository looks like.

use std::collections::BTreeSet;

use camino::Utf8Path;

use super::graph::{Node, merge_trees};
use super::worktree::Worktree;
use super::{MockRepository, Repo};
use crate::base::id::{BranchName, Sha};
use crate::base::time::Timestamp;

impl MockRepository {
    /// Every branch and saved ref with its commit, as text to compare.
    pub fn refs(&self) -> String {
        let state = self.world.lock();
        let repo = &state.repo;
        format!(
            "{:?} {:?} {:?} {:?}",
            repo.local,
            repo.saved,
            repo.remote.tips().collect::<Vec<_>>(),
            repo.worktrees.keys()
        )
    }

    /// The commit that a worktree has checked out.
    pub fn head(&self, worktree: &Utf8Path) -> Option<Sha> {
        self.within(worktree, |tree| tree.head.clone())
    }

    /// Replaces the last commit by one of what is staged.
    pub fn amend(&self, worktree: &Utf8Path, message: &str) -> Option<Sha> {
        self.rewrite(worktree, |repo, mine, at| {
            let parents = repo.graph.node(&mine.head)?.parents.clone();
            Some(repo.graph.add(Node { parents, tree: mine.index.clone(), message: message.to_owned(), at }))
        })
    }

    /// Makes one commit of all that a branch at the remote does not have.
    pub fn squash(&self, worktree: &Utf8Path, base: &BranchName) -> Option<Sha> {
        self.rewrite(worktree, |repo, mine, at| {
            let tip = repo.remote.get(base)?.clone();
            let mut fork = mine.head.clone();
            while !repo.graph.contains(&fork, &tip) {
                fork = repo.graph.node(&fork)?.parents.first()?.clone();
            }
            let tree = repo.graph.tree(&mine.head);
            Some(repo.graph.add(Node { parents: vec![fork], tree, message: "all in one".to_owned(), at }))
        })
    }

    /// Rebases all of it onto a commit; `None` on conflict.
    pub fn replant(&self, worktree: &Utf8Path, onto: &Sha) -> Option<Sha> {
        self.rewrite(worktree, |repo, mine, at| {
            let (before, theirs) = (repo.graph.common(&mine.head, onto), repo.graph.tree(onto));
            let tree = merge_trees(&before, &theirs, &repo.graph.tree(&mine.head)).ok()?;
            Some(repo.graph.add(Node { parents: vec![onto.clone()], tree, message: "rebased".to_owned(), at }))
        })
    }

    /// Goes back to the commit before the last one, for good.
    pub fn take_back(&self, worktree: &Utf8Path) -> Option<Sha> {
        self.rewrite(worktree, |repo, mine, _| repo.graph.node(&mine.head)?.parents.first().cloned())
    }

    /// Makes another branch here and goes on there.
    pub fn switch(&self, worktree: &Utf8Path, branch: &BranchName) {
        let mut state = self.world.lock();
        let repo = &mut state.repo;
        if let Some(mine) = repo.worktrees.get_mut(worktree) {
            mine.branch = Some(branch.clone());
            repo.local.insert(branch.clone(), mine.head.clone());
        }
    }

    /// Deletes a worktree's directory with all that is in it.
    pub fn delete_worktree(&self, worktree: &Utf8Path) {
        self.world.lock().repo.worktrees.remove(worktree);
    }

    /// What of a worktree is neither committed nor saved, if anything is.
    pub fn unsaved(&self, worktree: &Utf8Path) -> Option<String> {
        let state = self.world.lock();
        let repo = &state.repo;
        let mine = repo.worktrees.get(worktree)?;
        let dirt = mine.dirt(&repo.graph.tree(&mine.head));
        let (first, all) = (dirt.tracked.into_iter().chain(dirt.untracked).next()?, mine.everything());
        let is_saved = |sha: &Sha| repo.graph.node(sha).is_some_and(|node| node.tree == all);
        (!repo.saved.values().any(is_saved)).then_some(first)
    }

    /// The first of these commits that no branch, saved ref, worktree or pull request contains.
    pub fn unreachable<'s>(&self, commits: impl Iterator<Item = &'s Sha>) -> Option<Sha> {
        let mut state = self.world.lock();
        let pulls = state.all_pulls();
        let repo = &state.repo;
        let heads = repo
            .worktrees
            .values()
            .map(|tree| &tree.head)
            .chain(pulls.iter().filter_map(|pull| pull.head_sha.as_ref()));
        let tips: BTreeSet<&Sha> =
            repo.local.values().chain(repo.remote.tips()).chain(repo.saved.values()).chain(heads).collect();
        let kept: BTreeSet<Sha> = repo.graph.histories(tips);
        let mut commits = commits;
        commits.find(|sha| !kept.contains(*sha)).cloned()
    }

    fn rewrite(
        &self,
        worktree: &Utf8Path,
        make: impl FnOnce(&mut Repo, &Worktree, Timestamp) -> Option<Sha>,
    ) -> Option<Sha> {
        let mut state = self.world.lock();
        let at = state.clock.now().wall;
        let repo = &mut state.repo;
        let mine = repo.worktrees.get(worktree)?.clone();
        let sha = make(repo, &mine, at)?;
        repo.move_to(worktree, &sha);
        Some(sha)
    }
}
