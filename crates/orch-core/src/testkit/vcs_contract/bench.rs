//! What the cases share: specs, prepared worktrees, commits of agents.

use camino::Utf8PathBuf;

use super::VcsHarness;
use crate::base::id::{AttemptNo, BranchName, Sha, TaskId};
use crate::ports::{
    LeftTip, Predecessor, PrepareSpec, Prepared, PushSpec, RemoveSpec, SaveSpec, SyncSource, SyncSpec, Vcs, Work,
    WorkSpec,
};
use crate::testkit::contract::Why;

/// A task's worktree as the cases use it.
pub(super) struct Desk {
    pub(super) task: TaskId,
    pub(super) branch: BranchName,
    pub(super) path: Utf8PathBuf,
    pub(super) start: Sha,
}

pub(super) fn branch(name: &str) -> Result<BranchName, Why> {
    Ok(BranchName::parse(name)?)
}

pub(super) fn main_branch() -> Result<BranchName, Why> {
    branch("main")
}

pub(super) fn prepare_spec<H: VcsHarness>(h: &H, task: &str, after: &[(&str, &Sha)]) -> Result<PrepareSpec, Why> {
    let mut predecessors = Vec::new();
    for (task, sha) in after {
        predecessors.push(Predecessor { task: TaskId::parse(task)?, sha: (*sha).clone() });
    }
    Ok(PrepareSpec {
        task: TaskId::parse(task)?,
        branch: branch(&format!("task/{task}"))?,
        worktree: h.worktree(&format!("task-{task}")),
        base: main_branch()?,
        predecessors,
    })
}

pub(super) async fn desk<H: VcsHarness>(h: &H, vcs: &H::Vcs, task: &str) -> Result<Desk, Why> {
    desk_after(h, vcs, task, &[]).await
}

pub(super) async fn desk_after<H: VcsHarness>(
    h: &H,
    vcs: &H::Vcs,
    task: &str,
    after: &[(&str, &Sha)],
) -> Result<Desk, Why> {
    let spec = prepare_spec(h, task, after)?;
    let Prepared { start, .. } = vcs.prepare(&spec).await?;
    Ok(Desk { task: spec.task, branch: spec.branch, path: spec.worktree, start })
}

/// Commits files in a worktree as its agent would.
pub(super) async fn commits<H: VcsHarness>(h: &H, desk: &Desk, message: &str, files: &[(&str, &str)]) -> Sha {
    for (path, content) in files {
        h.write(&desk.path, path, content).await;
        h.stage(&desk.path, path).await;
    }
    h.commit(&desk.path, message).await
}

impl Desk {
    pub(super) fn work_spec(&self) -> WorkSpec {
        WorkSpec {
            worktree: self.path.clone(),
            branch: self.branch.clone(),
            start: self.start.clone(),
            base: BranchName::parse("main").ok(),
            ignore_untracked: false,
        }
    }

    pub(super) async fn work<V: Vcs>(&self, vcs: &V) -> Result<Work, Why> {
        Ok(vcs.work(&self.work_spec()).await?)
    }

    pub(super) fn save_spec(&self, attempt: u32) -> SaveSpec {
        SaveSpec { task: self.task.clone(), attempt: AttemptNo(attempt), worktree: self.path.clone(), partial: false }
    }

    pub(super) fn sync_spec(&self, label: &str, tip: &Sha, merge_base: Option<&Sha>) -> SyncSpec {
        let source =
            SyncSource { label: label.to_owned(), tip: tip.clone(), merge_base: merge_base.cloned(), left_by: None };
        SyncSpec { worktree: self.path.clone(), branch: self.branch.clone(), sources: vec![source] }
    }

    pub(super) fn push_spec(&self, sha: &Sha) -> Result<PushSpec, Why> {
        Ok(PushSpec { branch: self.branch.clone(), sha: sha.clone(), base: main_branch()?, leaves: None })
    }

    pub(super) fn left(&self, tip: &Sha) -> LeftTip {
        LeftTip { task: self.task.clone(), tip: tip.clone() }
    }

    pub(super) fn remove_spec(&self, discard: bool) -> RemoveSpec {
        RemoveSpec {
            task: self.task.clone(),
            worktree: self.path.clone(),
            branch: self.branch.clone(),
            discard,
            delete_branch: true,
        }
    }
}
