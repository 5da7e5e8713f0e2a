//! The port over the simulated repository.

use async_trait::async_trait;
use camino::Utf8Path;

use super::graph::{Merge, Node, merge_trees, tree_id};
use super::worktree::Worktree;
use super::{Made, Repo};
use crate::base::id::{BranchName, Sha, TaskId};
use crate::base::time::Timestamp;
use crate::ports::{
    Commit, CommitSpec, Head, PrepareSpec, Prepared, PushSpec, RemoveSpec, SaveSpec, Saved, SyncSpec, Vcs, VcsError,
    Work, WorkSpec,
};
use crate::testkit::fault::Operation;
use crate::testkit::world::World;

/// One connection to a [`World`]'s repository.
pub struct MockVcs {
    world: World,
}

impl MockVcs {
    /// Connects to a world.
    pub fn connect(world: &World) -> Self {
        Self { world: world.clone() }
    }

    /// The world that it works on.
    pub fn world(&self) -> &World {
        &self.world
    }

    fn perform<T>(
        &self,
        operation: Operation,
        subject: &str,
        act: impl FnOnce(&mut Repo, Timestamp) -> Result<T, VcsError>,
    ) -> Result<T, VcsError> {
        self.world.perform(operation, subject, |state, _| {
            let at = state.clock.now().wall;
            act(&mut state.repo, at)
        })
    }
}

#[async_trait]
impl Vcs for MockVcs {
    fn name(&self) -> &'static str {
        "mock"
    }

    async fn default_base(&self) -> Result<BranchName, VcsError> {
        self.perform(Operation::BaseTip, "HEAD", |repo, _| Ok(repo.base.clone()))
    }

    async fn base_tip(&self, base: &BranchName) -> Result<Sha, VcsError> {
        self.perform(Operation::BaseTip, base.as_str(), |repo, _| repo.fetch(base))
    }

    async fn prepare(&self, spec: &PrepareSpec) -> Result<Prepared, VcsError> {
        self.perform(Operation::Prepare, spec.task.as_str(), |repo, _| repo.prepare(spec))
    }

    async fn head(&self, worktree: &Utf8Path) -> Result<Head, VcsError> {
        self.perform(Operation::Head, worktree.as_str(), |repo, _| repo.head(worktree))
    }

    async fn work(&self, spec: &WorkSpec) -> Result<Work, VcsError> {
        self.perform(Operation::Work, spec.worktree.as_str(), |repo, _| repo.work(spec))
    }

    async fn save(&self, spec: &SaveSpec) -> Result<Option<Saved>, VcsError> {
        self.perform(Operation::Save, &format!("{}/{}", spec.task, spec.attempt), |repo, at| repo.save(spec, at))
    }

    async fn commit(&self, spec: &CommitSpec) -> Result<Sha, VcsError> {
        self.perform(Operation::Commit, spec.branch.as_str(), |repo, at| repo.commit(spec, at))
    }

    async fn sync(&self, spec: &SyncSpec) -> Result<Sha, VcsError> {
        self.perform(Operation::Sync, spec.branch.as_str(), |repo, at| repo.sync(spec, at))
    }

    async fn push(&self, spec: &PushSpec) -> Result<(), VcsError> {
        let subject = format!("{} {}", spec.branch, spec.sha);
        self.perform(Operation::Push, &subject, |repo, _| repo.push(spec))
    }

    async fn remote_tip(&self, branch: &BranchName) -> Result<Option<Sha>, VcsError> {
        self.perform(Operation::RemoteTip, branch.as_str(), |repo, _| Ok(repo.remote.get(branch).cloned()))
    }

    async fn contains(&self, ancestor: &Sha, descendant: &Sha) -> Result<bool, VcsError> {
        let subject = format!("{ancestor} {descendant}");
        self.perform(Operation::Contains, &subject, |repo, _| Ok(repo.graph.contains(ancestor, descendant)))
    }

    async fn tree(&self, commit: &Sha) -> Result<Sha, VcsError> {
        self.perform(Operation::Tree, commit.as_str(), |repo, _| repo.tree(commit))
    }

    async fn merged_tree(&self, ours: &Sha, theirs: &Sha) -> Result<Option<Sha>, VcsError> {
        let subject = format!("{ours} {theirs}");
        self.perform(Operation::MergedTree, &subject, |repo, _| {
            let (_, _, graph) = (repo.tree(ours)?, repo.tree(theirs)?, &repo.graph);
            let merged = merge_trees(&graph.common(ours, theirs), &graph.tree(ours), &graph.tree(theirs));
            Ok(merged.ok().map(|tree| tree_id(&tree)))
        })
    }

    async fn remove(&self, spec: &RemoveSpec) -> Result<(), VcsError> {
        self.perform(Operation::Remove, spec.task.as_str(), |repo, _| repo.remove(spec))
    }
}

impl Repo {
    fn fetch(&mut self, base: &BranchName) -> Result<Sha, VcsError> {
        self.remote.fetch();
        self.remote.get(base).cloned().ok_or_else(|| VcsError::Missing { what: format!("branch {base}") })
    }

    fn tree(&self, commit: &Sha) -> Result<Sha, VcsError> {
        self.graph.tree_id(commit).ok_or_else(|| VcsError::Missing { what: format!("commit {commit}") })
    }

    fn prepare(&mut self, spec: &PrepareSpec) -> Result<Prepared, VcsError> {
        if let Some(made) = self.prepared.get(&spec.task)
            && made.branch == spec.branch
            && self.worktrees.contains_key(&made.worktree)
        {
            return Ok(made.prepared.clone());
        }
        let ours = self.prepared.get(&spec.task).is_some_and(|made: &Made| made.branch == spec.branch);
        match (self.local.get(&spec.branch).cloned(), self.prepared.get(&spec.task)) {
            (Some(tip), Some(made)) if ours => {
                let prepared = made.prepared.clone();
                let worktree = Worktree::at(&spec.branch, &tip, &self.graph.tree(&tip));
                self.worktrees.insert(spec.worktree.clone(), worktree);
                return Ok(prepared);
            }
            (Some(tip), _) => return Err(VcsError::BranchTaken { branch: spec.branch.clone(), tip }),
            (None, _) => {}
        }
        let base = self.fetch(&spec.base)?;
        let mut start = base.clone();
        for predecessor in &spec.predecessors {
            if self.graph.contains(&predecessor.sha, &start) {
                continue;
            }
            let merge = Merge {
                into: &start,
                tip: &predecessor.sha,
                base: None,
                message: &format!("Merge {}", predecessor.task),
                at: Timestamp::from_millis(0),
            };
            start = self
                .graph
                .merge(&merge)
                .map_err(|files| VcsError::Conflict { with: predecessor.task.to_string(), files })?;
        }
        let prepared = Prepared { base, start: start.clone(), unfilled: Vec::new() };
        let worktree = Worktree::at(&spec.branch, &start, &self.graph.tree(&start));
        self.worktrees.insert(spec.worktree.clone(), worktree);
        self.local.insert(spec.branch.clone(), start);
        self.remember(&spec.task, prepared.clone(), &spec.branch, &spec.worktree);
        Ok(prepared)
    }

    fn head(&mut self, worktree: &Utf8Path) -> Result<Head, VcsError> {
        let worktree = self.worktree(worktree)?;
        Ok(Head { sha: worktree.head.clone(), branch: worktree.branch.clone() })
    }

    fn work(&mut self, spec: &WorkSpec) -> Result<Work, VcsError> {
        let worktree = self.worktree(&spec.worktree)?.clone();
        let (was, is) = (self.graph.tree(&spec.start), self.graph.tree(&worktree.head));
        let mut changed: Vec<String> =
            was.keys().chain(is.keys()).filter(|path| was.get(*path) != is.get(*path)).cloned().collect();
        for (before, merge, tip) in self.graph.taken_in(&spec.start, &worktree.head) {
            let brought = |path: &String| before.get(path) != merge.get(path) && is.get(path) == tip.get(path);
            changed.retain(|path| !brought(path));
        }
        changed.sort();
        changed.dedup();
        let commits = self.graph.own_commits(&spec.start, &worktree.head);
        let mut dirt = worktree.dirt(&is);
        if spec.ignore_untracked {
            dirt.untracked.clear();
        }
        Ok(Work {
            head: worktree.head.clone(),
            tree: tree_id(&is),
            branch: worktree.branch.clone(),
            changed,
            dirt,
            last_commit_at: commits.iter().map(|(_, node)| node.at).max(),
            commits: commits.into_iter().map(|(sha, node)| Commit { sha, subject: subject(&node.message) }).collect(),
        })
    }

    fn save(&mut self, spec: &SaveSpec, at: Timestamp) -> Result<Option<Saved>, VcsError> {
        let worktree = self.worktree(&spec.worktree)?.clone();
        let clean = worktree.dirt(&self.graph.tree(&worktree.head)).is_clean();
        let adrift = worktree.branch.is_none() && !self.kept(&worktree.head, true);
        if clean && !adrift {
            return Ok(None);
        }
        let tree = worktree.everything();
        let first = format!("refs/orch/saved/{}/{}", spec.task, spec.attempt);
        let mut reference = first.clone();
        for number in 2.. {
            let Some(sha) = self.saved.get(&reference) else { break };
            let same = self
                .graph
                .node(sha)
                .is_some_and(|node| node.tree == tree && node.parents[..] == [worktree.head.clone()]);
            if same {
                return Ok(Some(Saved { reference, sha: sha.clone(), missing: Vec::new() }));
            }
            reference = format!("{first}-{number}");
        }
        let sha = self.graph.add(Node { parents: vec![worktree.head], tree, message: "saved".to_owned(), at });
        self.saved.insert(reference.clone(), sha.clone());
        Ok(Some(Saved { reference, sha, missing: Vec::new() }))
    }

    fn commit(&mut self, spec: &CommitSpec, at: Timestamp) -> Result<Sha, VcsError> {
        self.on_branch(&spec.worktree, &spec.branch)?;
        let head = self.worktree(&spec.worktree)?.head.clone();
        let committed = self.graph.tree(&head);
        let worktree = self.worktree(&spec.worktree)?;
        let dirt = worktree.dirt(&committed);
        let stubborn = worktree.stubborn.clone();
        let covered = dirt.untracked.into_iter().filter(|path| spec.files.covers(path) && !stubborn.contains(path));
        for path in dirt.tracked.into_iter().chain(covered) {
            match worktree.files.get(&path) {
                Some(content) => worktree.index.insert(path, content.clone()),
                None => worktree.index.remove(&path),
            };
        }
        if worktree.index == committed {
            return Ok(head);
        }
        Ok(self.commit_index(&spec.worktree, &spec.message, at).unwrap_or(head))
    }

    fn sync(&mut self, spec: &SyncSpec, at: Timestamp) -> Result<Sha, VcsError> {
        self.on_branch(&spec.worktree, &spec.branch)?;
        let worktree = self.worktree(&spec.worktree)?.clone();
        let dirt = worktree.dirt(&self.graph.tree(&worktree.head));
        if !dirt.tracked.is_empty() || dirt.operation.is_some() {
            let what = format!("changes in {}", dirt.tracked.join(", "));
            return Err(VcsError::Unsafe { worktree: spec.worktree.clone(), what });
        }
        let mut head = worktree.head.clone();
        for source in &spec.sources {
            if self.graph.contains(&source.tip, &head) {
                continue;
            }
            if let Some(task) = &source.left_by {
                self.keep_pushed(task, &source.tip);
                let (parents, tree) = (vec![head.clone(), source.tip.clone()], self.graph.tree(&head));
                head = self.graph.add(Node { parents, tree, message: format!("Leave {} behind", source.label), at });
                continue;
            }
            let message = format!("Merge {}", source.label);
            let merge =
                Merge { into: &head, tip: &source.tip, base: source.merge_base.as_ref(), message: &message, at };
            head =
                self.graph.merge(&merge).map_err(|files| VcsError::Conflict { with: source.label.clone(), files })?;
        }
        let incoming = self.graph.tree(&head);
        if let Some(path) = dirt.untracked.iter().find(|path| incoming.contains_key(*path)) {
            return Err(VcsError::Unsafe { worktree: spec.worktree.clone(), what: format!("untracked {path}") });
        }
        self.move_to(&spec.worktree, &head);
        Ok(head)
    }

    fn push(&mut self, spec: &PushSpec) -> Result<(), VcsError> {
        let what = || format!("push to {}", spec.branch);
        if spec.branch == spec.base || spec.branch == self.base {
            return Err(VcsError::Refused { what: what(), why: "it is the base".to_owned() });
        }
        if self.graph.node(&spec.sha).is_none() {
            return Err(VcsError::Missing { what: format!("commit {}", spec.sha) });
        }
        let found = self.remote.get(&spec.branch);
        if let Some(tip) = found.filter(|tip| !self.graph.contains(tip, &spec.sha)).cloned() {
            let Some(left) = spec.leaves.as_ref().filter(|left| left.tip == tip) else {
                let (branch, expected) = (spec.branch.clone(), spec.sha.clone());
                return Err(VcsError::Moved { branch, found: Some(tip), expected });
            };
            self.keep_pushed(&left.task, &left.tip);
        }
        self.remote.push(&spec.branch, &spec.sha);
        Ok(())
    }

    /// Keeps a tip that is left behind, once.
    fn keep_pushed(&mut self, task: &TaskId, tip: &Sha) {
        let name = |number: u32| format!("refs/orch/saved/{task}/pushed-{number}");
        let free = (1..=u32::MAX).map(name).find(|name| self.saved.get(name).is_none_or(|kept| kept == tip));
        self.saved.extend(free.map(|name| (name, tip.clone())));
    }

    fn remove(&mut self, spec: &RemoveSpec) -> Result<(), VcsError> {
        let refuse = |what: &str| VcsError::Unsafe { worktree: spec.worktree.clone(), what: what.to_owned() };
        let branch = self.local.get(&spec.branch).filter(|_| spec.delete_branch && !spec.discard);
        if branch.is_some_and(|tip| !self.kept(tip, false)) {
            return Err(refuse("commits that are nowhere else"));
        }
        if let Some(worktree) = self.worktrees.get(&spec.worktree)
            && !spec.discard
        {
            if !worktree.dirt(&self.graph.tree(&worktree.head)).is_clean() {
                return Err(refuse("something uncommitted"));
            }
            if !self.kept(&worktree.head, !spec.delete_branch) {
                return Err(refuse("commits that are nowhere else"));
            }
        }
        self.worktrees.remove(&spec.worktree);
        if spec.delete_branch {
            self.local.remove(&spec.branch);
            self.prepared.remove(&spec.task);
        }
        Ok(())
    }

    /// Whether a commit is contained in a remote branch as last seen, in a saved ref or, if those count, in a local branch.
    fn kept(&self, sha: &Sha, locals_count: bool) -> bool {
        let local = self.local.values().filter(|_| locals_count);
        let mut tips = self.remote.tracked().chain(self.saved.values()).chain(local);
        tips.any(|tip| self.graph.contains(sha, tip))
    }

    fn on_branch(&mut self, worktree: &Utf8Path, branch: &BranchName) -> Result<(), VcsError> {
        let worktree = self.worktree(worktree)?;
        if worktree.branch.as_ref() == Some(branch) {
            return Ok(());
        }
        let found = Some(worktree.head.clone());
        let expected = self.local.get(branch).cloned();
        let expected = expected.ok_or_else(|| VcsError::Missing { what: format!("branch {branch}") })?;
        Err(VcsError::Moved { branch: branch.clone(), found, expected })
    }
}

fn subject(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}
