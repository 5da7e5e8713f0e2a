mod bases;
mod gauge;
mod land;
mod merge;
mod records;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use camino::Utf8PathBuf;
use orch_core::base::{BranchName, PullNumber, Sha};
use orch_core::ports::{Forge, ForgeError, MergeSpec, Pull, PullChange, PullSpec, PullState, VcsError};
use tokio::sync::Mutex;

use crate::git::{Git, Repo};
use crate::vcs::GitVcs;
use records::Records;

/// Where a [`LocalForge`] keeps its records and what it merges into.
#[derive(Debug, Clone)]
pub struct LocalForgeConfig {
    /// The file with the pull requests; made by the first one.
    pub pulls: Utf8PathBuf,
    /// The version control of the same fleet, for its identity and settings.
    pub vcs: Arc<GitVcs>,
    /// The repository on disk that branches are pushed to; may be the one that `vcs` works on.
    pub origin: Utf8PathBuf,
}

/// [`Forge`] on a repository on disk: pull requests are records in a file, merges are real.
///
/// Everything is looked up anew under a lock that also holds other processes off. A merge is announced in the
/// record before the base moves, by the commit that it will make: whoever comes after a crash finds either that
/// commit in the base, and records the merge, or does not, and merges.
#[derive(Debug)]
pub struct LocalForge {
    vcs: Arc<GitVcs>,
    origin: Repo,
    /// The origin's git directory, which all its worktrees share.
    common: Utf8PathBuf,
    pulls: Utf8PathBuf,
    /// Held for a whole operation; the map remembers whether two commits merge.
    state: Mutex<BTreeMap<(Sha, Sha), bool>>,
}

impl LocalForge {
    /// Opens the forge of a repository on disk.
    ///
    /// # Errors
    /// [`ForgeError::Refused`] if `origin` is no repository.
    pub async fn open(config: LocalForgeConfig) -> Result<Self, ForgeError> {
        let git: Arc<Git> = config.vcs.repo().shared();
        let located = crate::repository::locate(&git, &config.origin).await;
        let (common, top) = located.map_err(|error| refused("a local forge", format!("{}: {error}", config.origin)))?;
        let origin = Repo::at(git, &top, &common);
        Ok(Self { vcs: config.vcs, origin, common, pulls: config.pulls, state: Mutex::default() })
    }

    async fn records(&self) -> Result<Records, ForgeError> {
        let path = self.pulls.clone();
        blocking("its records", move || Records::open(&path)).await?
    }

    async fn store(&self, records: Records) -> Result<Records, ForgeError> {
        let path = self.pulls.clone();
        blocking("its records", move || records.store(&path).map(|()| records)).await?
    }

    async fn branch_tip(&self, branch: &BranchName) -> Result<Option<Sha>, ForgeError> {
        self.origin.commit_of(&format!("refs/heads/{branch}")).await.map_err(from_git)
    }

    /// Refuses what has nothing to merge or nowhere to go, as GitHub does.
    async fn check_new(&self, spec: &PullSpec) -> Result<(), ForgeError> {
        let refuse = |why: String| Err(refused(&format!("a pull request of {}", spec.head), why));
        if spec.title.trim().is_empty() {
            return refuse("it has no title".to_owned());
        }
        if spec.head == spec.base {
            return refuse("a branch cannot be merged into itself".to_owned());
        }
        let Some(base) = self.branch_tip(&spec.base).await? else {
            return refuse(format!("there is no branch {}", spec.base));
        };
        match self.branch_tip(&spec.head).await? {
            None => refuse(format!("there is no branch {}", spec.head)),
            Some(tip) if tip != spec.sha => refuse(format!("it is at {}, expected {}", tip.short(), spec.sha.short())),
            Some(tip) if self.origin.is_ancestor(&tip, &base).await.map_err(from_git)? => {
                refuse(format!("there are no commits over {}", spec.base))
            }
            Some(_) => Ok(()),
        }
    }
}

#[async_trait]
impl Forge for LocalForge {
    fn name(&self) -> &'static str {
        "local"
    }

    async fn open(&self, spec: &PullSpec) -> Result<Pull, ForgeError> {
        let mut merges = self.state.lock().await;
        let mut records = self.records().await?;
        if let Some(record) = records.newest(&spec.head) {
            let (looked, moved) = self.look(record.clone()).await?;
            let view = self.view(&looked, &mut merges).await?;
            if moved {
                records.put(looked);
                records = self.store(records).await?;
            }
            if view.answers(spec) {
                return Ok(view);
            }
        }
        self.check_new(spec).await?;
        let record = records.add(spec);
        self.keep_head(record.number, &spec.sha).await?;
        self.store(records).await?;
        self.view(&record, &mut merges).await
    }

    async fn find(&self, heads: &[BranchName]) -> Result<Vec<Pull>, ForgeError> {
        let mut merges = self.state.lock().await;
        let mut records = self.records().await?;
        let mut found = Vec::new();
        let mut changed = false;
        for head in heads {
            let Some(record) = records.newest(head) else { continue };
            let (record, moved) = self.look(record.clone()).await?;
            found.push(self.view(&record, &mut merges).await?);
            if moved {
                changed = true;
                records.put(record);
            }
        }
        if changed {
            self.store(records).await?;
        }
        Ok(found)
    }

    async fn update(&self, number: PullNumber, change: &PullChange) -> Result<Pull, ForgeError> {
        let mut merges = self.state.lock().await;
        let mut records = self.records().await?;
        let (mut record, _) = self.look(records.by_number(number)?.clone()).await?;
        if record.state == PullState::Open {
            if let Some(base) = &change.base
                && (self.branch_tip(base).await?.is_none() || *base == record.head)
            {
                let why = format!("{base} cannot be its base");
                return Err(refused(&format!("a change of pull request {number}"), why));
            }
            record.change(change);
        }
        records.put(record.clone());
        self.store(records).await?;
        self.view(&record, &mut merges).await
    }

    async fn merge(&self, spec: &MergeSpec) -> Result<Pull, ForgeError> {
        let mut merges = self.state.lock().await;
        let records = self.records().await?;
        let record = self.land(records, spec).await?;
        self.view(&record, &mut merges).await
    }

    async fn delete_branch(&self, branch: &BranchName) -> Result<(), ForgeError> {
        let _merges = self.state.lock().await;
        let Some(tip) = self.branch_tip(branch).await? else { return Ok(()) };
        let mut records = self.records().await?;
        let what = format!("deleting {branch}");
        let Some(record) = records.newest(branch) else {
            return Err(refused(&what, "it has no pull request".to_owned()));
        };
        let (record, moved) = self.look(record.clone()).await?;
        let is_merged = record.state == PullState::Merged && record.head_sha.as_ref() == Some(&tip);
        if moved {
            records.put(record);
            self.store(records).await?;
        }
        if !is_merged {
            return Err(refused(&what, "it has commits that were not merged".to_owned()));
        }
        self.drop_branch(branch, &tip).await
    }
}

/// Runs file work off the async threads.
async fn blocking<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ForgeError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| person(what, error.to_string()))
}

fn refused(what: &str, why: String) -> ForgeError {
    ForgeError::Refused { what: what.to_owned(), why }
}

fn person(what: &str, why: String) -> ForgeError {
    ForgeError::NeedsPerson { what: what.to_owned(), why }
}

/// What git says of a repository on disk is either a matter of the moment or for a person.
fn from_git(error: VcsError) -> ForgeError {
    match error {
        VcsError::Unreachable { why } => ForgeError::Unreachable { why },
        VcsError::Refused { what, why } => ForgeError::Refused { what, why },
        VcsError::Busy { why } => ForgeError::Busy { why },
        error @ (VcsError::Git { .. }
        | VcsError::Conflict { .. }
        | VcsError::BranchTaken { .. }
        | VcsError::Moved { .. }
        | VcsError::Unsafe { .. }
        | VcsError::Tampered { .. }
        | VcsError::NoBase { .. }
        | VcsError::Missing { .. }) => person("the local forge", error.to_string()),
    }
}
