use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::BranchName;
use orch_core::plan::Plan;
use orch_core::ports::Vcs;
use orch_core::state::State;
use orch_git::{GitConfig, GitVcs, Remote, RemoteInfo};
use orch_runtime::Workdir;

use crate::error::FleetError;
use crate::given::settings_of;

/// Who commits where the user has configured no identity: a name and an address.
pub const IDENTITY: [&str; 2] = ["orch", "orch@localhost"];

/// The repository that agents work on, and where its branches are published.
pub(crate) struct Repository {
    pub(crate) path: Utf8PathBuf,
    remote: Option<RemoteInfo>,
}

impl Repository {
    /// Finds it, or clones it from the path that the manifest names. Where no agent ever ran, `first`, its remote
    /// is looked for; else it is the one that was recorded then.
    pub(crate) async fn find(workdir: &Workdir, plan: &Plan, first: bool) -> Result<Self, FleetError> {
        let path = match workdir.repo() {
            clone if clone.exists() => clone,
            clone => match plan.settings.repo.as_deref().map(|repo| workdir.root().join(repo)) {
                Some(origin) if origin.exists() => {
                    orch_git::clone(origin.as_str(), &clone, Some(workdir.effects_lock())).await?;
                    clone
                }
                _ => enclosing(workdir.root())?,
            },
        };
        let remote = if first {
            orch_git::detect_remote(&path).await?
        } else {
            orch_git::recorded_remote(&path, &baseline(workdir)).await?
        };
        Ok(Self { path, remote })
    }

    /// Where its branches are published.
    pub(crate) fn remote(&self) -> Remote {
        self.remote.as_ref().map_or(Remote::Itself, |remote| Remote::Named(remote.name.clone()))
    }

    /// The repository on this disk that is published to.
    pub(crate) fn origin(&self) -> Result<Utf8PathBuf, FleetError> {
        let Some(RemoteInfo { name, url, .. }) = &self.remote else { return Ok(self.path.clone()) };
        let origin = self.path.join(url.strip_prefix("file://").unwrap_or(url));
        if origin.exists() {
            return Ok(origin);
        }
        Err(FleetError::RemoteElsewhere { repo: self.path.clone(), remote: name.clone(), url: url.clone() })
    }
}

/// How a workdir's repository is opened.
pub(crate) fn git_config(workdir: &Workdir, repo: Utf8PathBuf, remote: Remote, hooks: bool) -> GitConfig {
    GitConfig {
        repo,
        remote,
        effects_lock: Some(workdir.effects_lock()),
        identity_default: IDENTITY.map(str::to_owned).into(),
        baseline: baseline(workdir),
        new_baseline: false,
        hooks,
        owner: None,
    }
}

/// A workdir's repository, to look at or to accept how it is configured; nothing is cloned.
///
/// # Errors
/// [`FleetError`] when settings or repository cannot be read.
pub async fn existing_repository(workdir: &Workdir) -> Result<GitVcs, FleetError> {
    let hooks = settings_of(workdir)?.git_hooks;
    let repo = match workdir.repo() {
        clone if clone.exists() => clone,
        _ => enclosing(workdir.root())?,
    };
    let remote = match orch_git::detect_remote(&repo).await? {
        None => Remote::Itself,
        Some(remote) => Remote::Named(remote.name),
    };
    Ok(GitVcs::open(git_config(workdir, repo, remote, hooks)).await?)
}

fn baseline(workdir: &Workdir) -> Utf8PathBuf {
    workdir.root().join("git-baseline.json")
}

fn enclosing(root: &Utf8Path) -> Result<Utf8PathBuf, FleetError> {
    let found = root.ancestors().skip(1).find(|dir| dir.join(".git").exists());
    found.map(Utf8Path::to_owned).ok_or_else(|| FleetError::NoRepository { root: root.to_owned() })
}

/// The base branch: as the manifest says, as it was, or as the remote has it.
pub(crate) async fn base_branch(plan: &Plan, state: &State, vcs: &GitVcs) -> Result<BranchName, FleetError> {
    if let Some(base) = &plan.settings.base {
        return Ok(base.clone());
    }
    match &state.driver {
        Some(driver) => Ok(driver.base.clone()),
        None => Ok(vcs.default_base().await?),
    }
}

/// What agents' git finds in the environment where the user has configured no identity.
pub(crate) async fn identity_variables(vcs: &GitVcs) -> Result<BTreeMap<String, String>, FleetError> {
    let identity = vcs.identity().await?;
    if identity.configured {
        return Ok(BTreeMap::new());
    }
    let name = ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"].map(|key| (key.to_owned(), identity.name.clone()));
    let email = ["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"].map(|key| (key.to_owned(), identity.email.clone()));
    Ok(name.into_iter().chain(email).collect())
}
