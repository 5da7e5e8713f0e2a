//! What only broken backends do to the repository.

use camino::Utf8Path;

use super::MockRepository;
use super::graph::Node;
use crate::base::id::{BranchName, Sha};
use crate::ports::{PrepareSpec, Prepared, Saved};

impl MockRepository {
    /// Moves a saved ref, or drops it.
    pub(in crate::testkit) fn set_saved(&self, reference: &str, sha: Option<&Sha>) {
        let mut state = self.world.lock();
        match sha {
            Some(sha) => state.repo.saved.insert(reference.to_owned(), sha.clone()),
            None => state.repo.saved.remove(reference),
        };
    }

    /// Drops a local branch.
    pub(in crate::testkit) fn drop_local(&self, branch: &BranchName) {
        self.world.lock().repo.local.remove(branch);
    }

    /// Makes the start of what was just prepared another commit of the same content.
    pub(in crate::testkit) fn restart_elsewhere(&self, spec: &PrepareSpec, prepared: &Prepared) -> Prepared {
        let salt = self.world.calls().len();
        let mut state = self.world.lock();
        let (at, repo) = (state.clock.now().wall, &mut state.repo);
        let (parents, tree) = (vec![prepared.start.clone()], repo.graph.tree(&prepared.start));
        let start = repo.graph.add(Node { parents, tree, message: format!("start {salt}"), at });
        repo.move_to(&spec.worktree, &start);
        let moved = Prepared { base: prepared.base.clone(), start, unfilled: Vec::new() };
        repo.remember(&spec.task, moved.clone(), &spec.branch, &spec.worktree);
        moved
    }

    /// Saves anew without the files that a worktree does not track.
    pub(in crate::testkit) fn lose_untracked(&self, worktree: &Utf8Path, saved: Saved) -> Saved {
        let mut state = self.world.lock();
        let repo = &mut state.repo;
        let Some(mut node) = repo.graph.node(&saved.sha).cloned() else { return saved };
        if let Some(worktree) = repo.worktrees.get(worktree) {
            node.tree.retain(|path, _| worktree.index.contains_key(path));
        }
        let sha = repo.graph.add(node);
        repo.saved.insert(saved.reference.clone(), sha.clone());
        Saved { sha, ..saved }
    }

    /// Stages all that is on disk.
    pub(in crate::testkit) fn stage_everything(&self, worktree: &Utf8Path) {
        if let Some(worktree) = self.world.lock().repo.worktrees.get_mut(worktree) {
            worktree.index.clone_from(&worktree.files);
        }
    }
}
