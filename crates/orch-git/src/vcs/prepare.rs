use camino::Utf8Path;
use orch_core::base::{BranchName, Sha, TaskId};
use orch_core::ports::{PrepareSpec, Prepared, VcsError};

use super::checkout::{Place, registered};
use super::mend::was_ours;
use super::{GitVcs, Remote, local_ref};
use crate::merge::{Merged, Signature};

impl GitVcs {
    /// Makes branch and worktree, or returns them as they were made before.
    ///
    /// The order makes every cut safe: the start is recorded before the branch exists, git marks a worktree as
    /// initializing until it is whole, and nothing is launched before this call has returned.
    pub(super) async fn make_worktree(&self, spec: &PrepareSpec) -> Result<Prepared, VcsError> {
        let _path = self.paths.hold(&spec.worktree).await;
        self.baseline.check(None).await?;
        let _nothing_is_removed = self.worktrees.read().await;
        if let Some(prepared) = self.made_before(spec).await? {
            return self.filled(spec, prepared).await;
        }
        let base = self.fetch_base(&spec.base).await?;
        let start = self.start_commit(spec, &base).await?;
        self.repo.set_refs(&[(self.base_ref(&spec.task), &base), (self.start_ref(&spec.task), &start)]).await?;
        if let Err(error) =
            self.add_worktree(&spec.worktree, &["--no-track", "-b", spec.branch.as_str()], start.as_str()).await
        {
            return Err(self.not_added(spec, error).await?);
        }
        self.filled(spec, Prepared::new(base, start)).await
    }

    /// Fills the submodules of a worktree, and notes those that stay empty.
    async fn filled(&self, spec: &PrepareSpec, mut prepared: Prepared) -> Result<Prepared, VcsError> {
        let checkout = self.unchecked(&spec.worktree)?;
        prepared.unfilled = self.fill_submodules(&checkout).await?;
        Ok(prepared)
    }

    /// What an earlier call made, completed if it was interrupted; `None` if there is nothing of it.
    async fn made_before(&self, spec: &PrepareSpec) -> Result<Option<Prepared>, VcsError> {
        let names = [self.base_ref(&spec.task), self.start_ref(&spec.task), local_ref(&spec.branch)];
        let [base, start, tip] = self.tips(names).await?;
        let recorded = base.zip(start).map(|(base, start)| Prepared::new(base, start));
        let place = self.place(&spec.worktree);
        let known = recorded.is_some() && tip.is_some();
        if place == Place::Foreign && !(known && was_ours(&self.common, &spec.worktree)) {
            return Err(in_the_way(
                &spec.worktree,
                "something that is not a worktree of this repository is in the way",
            ));
        }
        let (prepared, tip) = match (recorded, tip) {
            (None, Some(tip)) => return Err(taken(&spec.branch, tip)),
            (None, None) if place == Place::Free || place == Place::Gone && !self.keeps_modules(&spec.worktree) => {
                self.clear_place(&spec.worktree, &place).await?;
                return self.unknown_to_others(&spec.branch, &spec.base).await.map(|()| None);
            }
            (None, None) => return Err(in_the_way(&spec.worktree, "a worktree that orch has no record of")),
            (Some(prepared), None) if place == Place::Whole => {
                let branch = spec.branch.clone();
                return Err(VcsError::Moved { branch, found: None, expected: prepared.start });
            }
            (Some(_), None) => {
                self.clear_place(&spec.worktree, &place).await?;
                return Ok(None);
            }
            (Some(prepared), Some(tip)) => (prepared, tip),
        };
        if !self.reaches(&prepared.start, &tip).await? {
            return Err(taken(&spec.branch, tip));
        }
        self.mend(spec, &place).await?;
        Ok(Some(prepared))
    }

    /// Whether git still keeps repositories of submodules of a worktree whose directory is gone.
    fn keeps_modules(&self, worktree: &Utf8Path) -> bool {
        registered(&self.common, worktree).is_some_and(|git_dir| git_dir.join("modules").exists())
    }

    /// # Errors
    /// [`VcsError::BranchTaken`] if the remote has a branch of that name with something that the base lacks: a clone
    /// knows branches that only others have.
    async fn unknown_to_others(&self, branch: &BranchName, base: &BranchName) -> Result<(), VcsError> {
        if self.remote == Remote::Itself {
            return Ok(());
        }
        let [known, base] = self.tips([self.remote_ref(branch), self.remote_ref(base)]).await?;
        let Some((known, base)) = known.zip(base) else { return Ok(()) };
        if self.reaches(&known, &base).await? {
            return Ok(());
        }
        // It may be gone by now.
        match self.ask_remote_tip(branch).await? {
            Some(tip) => Err(taken(branch, tip)),
            None => Ok(()),
        }
    }

    /// Removes what is left of a worktree in which nothing was ever launched, or which is gone.
    async fn clear_place(&self, worktree: &Utf8Path, place: &Place) -> Result<(), VcsError> {
        match place {
            Place::Half | Place::Gone => self.drop_worktree(worktree).await,
            Place::Free | Place::Whole | Place::Foreign => Ok(()),
        }
    }

    pub(super) async fn add_worktree(
        &self,
        worktree: &Utf8Path,
        branch: &[&str],
        commit: &str,
    ) -> Result<(), VcsError> {
        let slot = self.making.acquire().await;
        let call = self.repo.write(["worktree", "add", "--quiet"]).args(branch.iter().copied());
        let added = call.args(["--", worktree.as_str(), commit]).ok().await.map(drop);
        drop(slot);
        match (&added, branch) {
            (Err(VcsError::Git { stderr, .. }), [.., name]) if read_half_made(stderr) => {
                self.add_worktree_alone(worktree, name, commit).await
            }
            (Err(VcsError::Git { stderr, .. }), []) if read_half_made(stderr) => {
                self.add_worktree_alone(worktree, commit, commit).await
            }
            _ => added,
        }
    }

    /// Adds a worktree while no other is being made, with its branch if that was made already.
    async fn add_worktree_alone(&self, worktree: &Utf8Path, branch: &str, commit: &str) -> Result<(), VcsError> {
        let _all = self.making.acquire_many(self.makers).await;
        let call = self.repo.write(["worktree", "add", "--quiet"]);
        let call = match self.repo.commit_of(&format!("refs/heads/{branch}")).await? {
            Some(_) => call.args(["--", worktree.as_str(), branch]),
            None => call.args(["--no-track", "-b", branch, "--", worktree.as_str(), commit]),
        };
        call.ok().await.map(drop)
    }

    /// Why the worktree could not be added: perhaps somebody made a branch of that name just now.
    async fn not_added(&self, spec: &PrepareSpec, error: VcsError) -> Result<VcsError, VcsError> {
        let theirs = matches!(&error, VcsError::Git { stderr, .. } if stderr.contains("a branch named"));
        match self.repo.commit_of(&local_ref(&spec.branch)).await? {
            Some(tip) if theirs => {
                self.forget(&spec.task).await?;
                Ok(taken(&spec.branch, tip))
            }
            _ => Ok(error),
        }
    }

    /// Forgets where a task started.
    pub(super) async fn forget(&self, task: &TaskId) -> Result<(), VcsError> {
        self.repo.delete_ref(&self.start_ref(task)).await?;
        self.repo.delete_ref(&self.base_ref(task)).await
    }

    /// Forgets where all tasks of this workdir started: what it made is then a person's.
    ///
    /// # Errors
    /// [`VcsError::Git`] if git cannot be run.
    pub async fn disown(&self) -> Result<(), VcsError> {
        let Some(owner) = &self.owner else { return Ok(()) };
        let args = ["for-each-ref", "--format=delete %(refname)", &format!("refs/orch/of/{owner}/")];
        let lines = self.repo.read(args).ok().await?.stdout;
        if lines.is_empty() {
            return Ok(());
        }
        self.repo.write(["update-ref", "--no-deref", "--stdin"]).input(lines).ok().await.map(drop)
    }

    /// The ref that records the base's tip that a task was made from.
    fn base_ref(&self, task: &TaskId) -> String {
        format!("{}/base/{task}", self.own_refs())
    }

    /// The ref that records the commit that a task started from.
    fn start_ref(&self, task: &TaskId) -> String {
        format!("{}/start/{task}", self.own_refs())
    }

    fn own_refs(&self) -> String {
        self.owner.as_ref().map_or_else(|| "refs/orch".to_owned(), |owner| format!("refs/orch/of/{owner}"))
    }

    /// The base with every predecessor merged in, in the order given; the same commit each time.
    async fn start_commit(&self, spec: &PrepareSpec, base: &Sha) -> Result<Sha, VcsError> {
        let mut start = base.clone();
        for predecessor in &spec.predecessors {
            if self.reaches(&predecessor.sha, &start).await? {
                continue;
            }
            if self.reaches(&start, &predecessor.sha).await? {
                start = predecessor.sha.clone();
                continue;
            }
            let tree = match self.repo.merge_trees(None, &start, &predecessor.sha).await? {
                Merged::Clean(tree) => tree,
                Merged::Conflict(files) => {
                    return Err(VcsError::Conflict { with: predecessor.task.to_string(), files });
                }
            };
            let message = format!("Merge {} into {}", predecessor.task, spec.branch);
            let by = self.signature_at(base).await?;
            start = self.repo.commit_tree(&tree, &[&start, &predecessor.sha], &message, &by).await?;
        }
        Ok(start)
    }

    /// Who commits, at the time of another commit, so that the same commit comes of it each time.
    async fn signature_at(&self, commit: &Sha) -> Result<Signature, VcsError> {
        let log = self.repo.read(["log", "-1", "--format=%ct", "--end-of-options", commit.as_str()]);
        let date = log.ok().await?.text();
        Ok(Signature { date: Some(format!("@{date} +0000")), ..self.signature().await? })
    }
}

fn taken(branch: &BranchName, tip: Sha) -> VcsError {
    VcsError::BranchTaken { branch: branch.clone(), tip }
}

/// Whether git stumbled over another worktree that was being made: it reads what it keeps of all of them.
fn read_half_made(stderr: &str) -> bool {
    stderr.contains("failed to read") && stderr.contains("/worktrees/")
}

fn in_the_way(worktree: &Utf8Path, what: &str) -> VcsError {
    VcsError::Unsafe { worktree: worktree.to_owned(), what: what.to_owned() }
}
