//! What agents and other people do to the repository.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::graph::{Graph, Merge, Node, Tree};
use super::remote::Remote;
use super::worktree::Worktree;
use super::{Made, Repo};
use crate::base::id::{BranchName, Sha, TaskId};
use crate::base::time::Timestamp;
use crate::ports::{Prepared, VcsError};
use crate::testkit::world::World;

/// The simulated repository as agents and other people use it; for scripts and tests.
///
/// A path of a worktree that does not exist makes writing do nothing, and committing return `None`.
pub struct MockRepository {
    pub(super) world: World,
}

impl MockRepository {
    /// The repository of a world.
    pub fn of(world: &World) -> Self {
        Self { world: world.clone() }
    }

    /// Writes a file in a worktree.
    pub fn write(&self, worktree: &Utf8Path, path: &str, content: &str) {
        self.within(worktree, |tree| tree.files.insert(path.to_owned(), content.to_owned()));
    }

    /// Deletes a file in a worktree.
    pub fn delete(&self, worktree: &Utf8Path, path: &str) {
        self.within(worktree, |tree| tree.files.remove(path));
    }

    /// What a file in a worktree holds.
    pub fn read(&self, worktree: &Utf8Path, path: &str) -> Option<String> {
        self.within(worktree, |tree| tree.files.get(path).cloned()).flatten()
    }

    /// Stages a file as it is, or its absence.
    pub fn stage(&self, worktree: &Utf8Path, path: &str) {
        self.within(worktree, |tree| match tree.files.get(path) {
            Some(content) => tree.index.insert(path.to_owned(), content.clone()),
            None => tree.index.remove(path),
        });
    }

    /// Commits what is staged.
    pub fn commit(&self, worktree: &Utf8Path, message: &str) -> Option<Sha> {
        let mut state = self.world.lock();
        let at = state.clock.now().wall;
        state.repo.commit_index(worktree, message, at)
    }

    /// Writes, stages and commits files.
    pub fn commit_files(&self, worktree: &Utf8Path, message: &str, files: &[(&str, &str)]) -> Option<Sha> {
        for (path, content) in files {
            self.write(worktree, path, content);
            self.stage(worktree, path);
        }
        self.commit(worktree, message)
    }

    /// `git reset --soft`: goes back to a commit, files and index stay, as the first half of an amend.
    pub fn rewind(&self, worktree: &Utf8Path, to: &Sha) {
        let mut state = self.world.lock();
        let Some(tree) = state.repo.worktrees.get_mut(worktree) else { return };
        tree.head = to.clone();
        if let Some(branch) = tree.branch.clone() {
            state.repo.local.insert(branch, to.clone());
        }
    }

    /// The first parent of a worktree's head.
    pub fn parent(&self, worktree: &Utf8Path) -> Option<Sha> {
        let state = self.world.lock();
        let head = &state.repo.worktrees.get(worktree)?.head;
        state.repo.graph.node(head)?.parents.first().cloned()
    }

    /// Deletes a worktree, as an agent does that thinks it is done; its branch stays.
    pub fn lose_worktree(&self, worktree: &Utf8Path) {
        self.world.lock().repo.worktrees.remove(worktree);
    }

    /// Makes a repository inside a worktree, with a file `inside.txt` in a commit that nobody else has.
    pub fn nest(&self, worktree: &Utf8Path, path: &str, content: &str) {
        self.within(worktree, |tree| tree.nested.insert(path.to_owned(), content.to_owned()));
    }

    /// Removes a repository inside a worktree.
    pub fn unnest(&self, worktree: &Utf8Path, path: &str) {
        self.within(worktree, |tree| tree.nested.remove(path));
    }

    /// Writes a file that no commit made for the agent takes.
    pub fn write_stubborn(&self, worktree: &Utf8Path, path: &str) {
        self.write(worktree, path, "stays\n");
        self.within(worktree, |tree| tree.stubborn.push(path.to_owned()));
    }

    /// Detaches a worktree's HEAD.
    pub fn detach(&self, worktree: &Utf8Path) {
        self.within(worktree, |tree| tree.branch = None);
    }

    /// Begins to merge a tip and leaves it half done, as a conflict does.
    pub fn begin_merge(&self, worktree: &Utf8Path) {
        self.within(worktree, |tree| tree.operation = Some("merge".to_owned()));
    }

    /// All that is checked out, staged and on disk in a worktree, as text to compare.
    pub fn status(&self, worktree: &Utf8Path) -> String {
        self.within(worktree, |tree| format!("{tree:?}")).unwrap_or_default()
    }

    /// What a file of a commit holds.
    pub fn show(&self, commit: &Sha, path: &str) -> Option<String> {
        self.world.lock().repo.graph.tree(commit).get(path).cloned()
    }

    /// Every file of a branch at the remote with its content.
    pub fn remote_files(&self, branch: &BranchName) -> BTreeMap<String, String> {
        let state = self.world.lock();
        state.repo.remote.get(branch).map(|tip| state.repo.graph.tree(tip)).unwrap_or_default()
    }

    /// Merges a commit into a worktree's branch, the worktree's side winning where both changed a file.
    pub fn merge_keeping_ours(&self, worktree: &Utf8Path, tip: &Sha) -> Option<Sha> {
        let mut state = self.world.lock();
        let at = state.clock.now().wall;
        let repo = &mut state.repo;
        let mine = repo.worktrees.get(worktree)?;
        let mut tree = repo.graph.tree(tip);
        tree.extend(mine.files.clone());
        let parents = vec![mine.head.clone(), tip.clone()];
        let sha = repo.graph.add(Node { parents, tree, message: "resolved".to_owned(), at });
        repo.move_to(worktree, &sha);
        Some(sha)
    }

    /// The commit of a full ref name: `refs/heads/…`, `refs/orch/saved/…`.
    pub fn resolve(&self, reference: &str) -> Option<Sha> {
        let state = self.world.lock();
        match reference.strip_prefix("refs/heads/") {
            Some(branch) => BranchName::parse(branch).ok().and_then(|name| state.repo.local.get(&name).cloned()),
            None => state.repo.saved.get(reference).cloned(),
        }
    }

    /// Adds someone else's commit to a branch at the remote, which is made from the base if it is not there.
    pub fn publish(&self, branch: &BranchName, files: &[(&str, &str)]) -> Sha {
        let mut state = self.world.lock();
        let at = state.clock.now().wall;
        let repo = &mut state.repo;
        let parent = repo.remote.get(branch).or_else(|| repo.remote.get(&repo.base)).cloned();
        let sha = repo.add_commit(parent, files, "someone else's work", at);
        repo.remote.insert(branch.clone(), sha.clone());
        sha
    }

    /// Makes someone else's local branch with a commit of its own.
    pub fn make_local_branch(&self, branch: &BranchName) -> Sha {
        let mut state = self.world.lock();
        let at = state.clock.now().wall;
        let repo = &mut state.repo;
        let parent = repo.remote.get(&repo.base).cloned();
        let sha = repo.add_commit(parent, &[("theirs.txt", "theirs\n")], "theirs", at);
        repo.local.insert(branch.clone(), sha.clone());
        sha
    }

    /// Moves a branch at the remote, as a force push would; `None` deletes it.
    pub fn set_remote(&self, branch: &BranchName, sha: Option<&Sha>) {
        let mut state = self.world.lock();
        match sha {
            Some(sha) => state.repo.remote.insert(branch.clone(), sha.clone()),
            None => state.repo.remote.remove(branch),
        }
    }

    /// Merges a branch into another at the remote by hand, as a person beside the forge would; `None` on conflict.
    pub fn merge_by_hand(&self, branch: &BranchName, into: &BranchName) -> Option<Sha> {
        let mut state = self.world.lock();
        let at = state.clock.now().wall;
        let repo = &mut state.repo;
        let (tip, into_tip) = (repo.remote.get(branch)?.clone(), repo.remote.get(into)?.clone());
        let merge = Merge { into: &into_tip, tip: &tip, base: None, message: "merged by hand", at };
        let sha = repo.graph.merge(&merge).ok()?;
        repo.remote.insert(into.clone(), sha.clone());
        Some(sha)
    }

    /// The tip of a branch at the remote.
    pub fn remote_tip(&self, branch: &BranchName) -> Option<Sha> {
        self.world.lock().repo.remote.get(branch).cloned()
    }

    /// A branch's tip at the remote and every commit that it contains.
    pub fn remote_history(&self, branch: &BranchName) -> BTreeSet<Sha> {
        let state = self.world.lock();
        state.repo.remote.get(branch).map(|tip| state.repo.graph.history(tip)).unwrap_or_default()
    }

    /// Whether a commit is contained in another.
    pub fn contains(&self, ancestor: &Sha, descendant: &Sha) -> bool {
        self.world.lock().repo.graph.contains(ancestor, descendant)
    }

    pub(super) fn within<T>(&self, worktree: &Utf8Path, act: impl FnOnce(&mut Worktree) -> T) -> Option<T> {
        self.world.lock().repo.worktrees.get_mut(worktree).map(act)
    }
}

impl Default for Repo {
    /// A remote whose `main` has one commit with a `README.md`.
    fn default() -> Self {
        let base = BranchName::parse("main").expect("main is a branch name");
        let mut repo = Self {
            graph: Graph::default(),
            base: base.clone(),
            remote: Remote::default(),
            local: [].into(),
            saved: [].into(),
            prepared: [].into(),
            worktrees: [].into(),
        };
        let root = repo.add_commit(None, &[("README.md", "hello\n")], "first", Timestamp::from_millis(0));
        repo.remote.insert(base, root);
        repo
    }
}

impl Repo {
    pub(in crate::testkit) fn add_commit(
        &mut self,
        parent: Option<Sha>,
        files: &[(&str, &str)],
        message: &str,
        at: Timestamp,
    ) -> Sha {
        let mut tree = parent.as_ref().map(|parent| self.graph.tree(parent)).unwrap_or_default();
        tree.extend(files.iter().map(|(path, content)| ((*path).to_owned(), (*content).to_owned())));
        self.graph.add(Node { parents: parent.into_iter().collect(), tree, message: message.to_owned(), at })
    }

    pub(super) fn worktree(&mut self, path: &Utf8Path) -> Result<&mut Worktree, VcsError> {
        self.worktrees.get_mut(path).ok_or_else(|| VcsError::Missing { what: format!("worktree {path}") })
    }

    pub(super) fn commit_index(&mut self, path: &Utf8Path, message: &str, at: Timestamp) -> Option<Sha> {
        let worktree = self.worktrees.get_mut(path)?;
        let (parents, tree) = (vec![worktree.head.clone()], worktree.index.clone());
        let sha = self.graph.add(Node { parents, tree, message: message.to_owned(), at });
        worktree.head = sha.clone();
        worktree.operation = None;
        if let Some(branch) = &worktree.branch {
            self.local.insert(branch.clone(), sha.clone());
        }
        Some(sha)
    }

    /// Moves a worktree's branch and files to a commit.
    pub(super) fn move_to(&mut self, path: &Utf8Path, sha: &Sha) {
        let Some(worktree) = self.worktrees.get_mut(path) else { return };
        let (old, new): (Tree, Tree) = (self.graph.tree(&worktree.head), self.graph.tree(sha));
        worktree.check_out(&old, sha, &new);
        if let Some(branch) = &worktree.branch {
            self.local.insert(branch.clone(), sha.clone());
        }
    }

    pub(super) fn remember(&mut self, task: &TaskId, prepared: Prepared, branch: &BranchName, worktree: &Utf8PathBuf) {
        let made = Made { prepared, branch: branch.clone(), worktree: worktree.clone() };
        self.prepared.insert(task.clone(), made);
    }
}
