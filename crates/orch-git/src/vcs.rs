mod checkout;
mod commit;
mod head;
mod identity;
mod locks;
mod mend;
mod nested;
mod paths;
mod prepare;
mod published;
mod push;
mod reach;
mod remote;
mod remove;
mod save;
mod status;
mod submodules;
mod survey;
mod sync;
mod tree;
mod work;
mod worktrees;

use std::collections::BTreeMap;
use std::thread::available_parallelism;
use std::time::Instant;

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::{BranchName, Sha};
use orch_core::ports::{
    CommitSpec, Head, PrepareSpec, Prepared, PushSpec, RemoveSpec, SaveSpec, Saved, SyncSpec, Vcs, VcsError, Work,
    WorkSpec,
};
use tokio::sync::{Mutex, RwLock, Semaphore};

use crate::baseline::{Baseline, ConfigChange};
use crate::git::{Git, GitVersion, Repo};

pub use identity::Identity;
pub use save::RESTORE;
pub use survey::Survey;
pub use worktrees::WorktreeInfo;

use paths::PathLocks;

/// Which repository [`GitVcs`] works on, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitConfig {
    /// The clone, or the repository that the user stands in.
    pub repo: Utf8PathBuf,
    /// Where branches are published.
    pub remote: Remote,
    /// The file whose shared lock every child holds that changes something; made if it is missing.
    pub effects_lock: Option<Utf8PathBuf>,
    /// Name and email for commits where the user has configured none.
    pub identity_default: (String, String),
    /// The record of the repository's configuration.
    pub baseline: Utf8PathBuf,
    /// Whether that record is made now where there is none: before any agent ran. Otherwise a missing one is
    /// as a changed one: [`VcsError::Tampered`] until a person looks.
    pub new_baseline: bool,
    /// Whether the repository's hooks run on commit and push; tokens are kept from them.
    pub hooks: bool,
    /// What the workdir is known by, letters and digits: a branch that another one made is a person's. `None` shares
    /// what it made with all others that have none.
    pub owner: Option<String>,
}

/// Where branches are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remote {
    /// A configured remote, usually `origin`.
    Named(String),
    /// There is none: the repository is its own origin.
    Itself,
}

/// [`Vcs`] on a git repository.
///
/// Worktrees are made in parallel, as many at once as there are processors; removing one excludes making one.
/// Calls for the same worktree run one after another.
#[derive(Debug)]
pub struct GitVcs {
    repo: Repo,
    common: Utf8PathBuf,
    remote: Remote,
    identity_default: (String, String),
    hooks: bool,
    owner: Option<String>,
    version: GitVersion,
    baseline: Baseline,
    /// When the newest finished fetch of a base began.
    fetched: Mutex<BTreeMap<BranchName, Instant>>,
    /// Written by whoever removes worktrees, read by whoever makes one.
    worktrees: RwLock<()>,
    making: Semaphore,
    /// How many `making` lets in at once.
    makers: u32,
    paths: PathLocks,
    /// The trees of merges that were asked about.
    foretold: Mutex<BTreeMap<(Sha, Sha), Option<Sha>>>,
}

impl GitVcs {
    /// Opens the repository and loads the record of its configuration, or makes that record.
    ///
    /// # Errors
    /// [`VcsError::Missing`] if there is no repository, [`VcsError::Refused`] if git is older than 2.38,
    /// [`VcsError::Git`] if git cannot be run or the record cannot be read or written.
    pub async fn open(config: GitConfig) -> Result<Self, VcsError> {
        let git = Git::new(config.effects_lock);
        let version = crate::git_version().await?;
        if version < GitVersion::OLDEST {
            let why = format!("this is {version}, orch needs {} or newer", GitVersion::OLDEST);
            return Err(VcsError::Refused { what: "git".to_owned(), why });
        }
        let (common, top) = crate::repository::locate(&git, &config.repo).await?;
        if let Remote::Named(name) = &config.remote
            && !is_remote_name(name)
        {
            return Err(VcsError::Missing { what: format!("a remote named {name:?}") });
        }
        let outside = Repo::discover(git.clone(), Utf8Path::new("/"));
        let remote = match &config.remote {
            Remote::Named(name) => Some(name.as_str()),
            Remote::Itself => None,
        };
        let used = (remote, config.hooks);
        let baseline = Baseline::open(&config.baseline, &common, outside, used, config.new_baseline).await?;
        let makers = available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
        Ok(Self {
            repo: Repo::at(git, &top, &common),
            common,
            remote: config.remote,
            identity_default: config.identity_default,
            hooks: config.hooks,
            owner: config.owner,
            version,
            baseline,
            fetched: Mutex::default(),
            worktrees: RwLock::default(),
            making: Semaphore::new(makers as usize),
            makers,
            paths: PathLocks::default(),
            foretold: Mutex::default(),
        })
    }

    /// Takes the repository's configuration, hooks and attributes as they are now for right: at `init`, and
    /// after a person looked at what [`VcsError::Tampered`] named.
    ///
    /// # Errors
    /// [`VcsError::Tampered`] if the configuration cannot be read at all, [`VcsError::Git`] if the record
    /// cannot be written.
    pub async fn baseline(&self) -> Result<(), VcsError> {
        self.baseline.record().await
    }

    /// What of the repository's configuration, hooks and attributes could mislead orch and is not as it was recorded.
    ///
    /// # Errors
    /// [`VcsError::Tampered`] if the configuration cannot be read at all, [`VcsError::Git`] if the record cannot.
    pub async fn configuration_changes(&self) -> Result<Vec<ConfigChange>, VcsError> {
        self.baseline.changes().await
    }

    /// Compares the repository's configuration, hooks and attributes with their record.
    ///
    /// # Errors
    /// [`VcsError::Tampered`] names what differs.
    pub async fn check_configuration(&self) -> Result<(), VcsError> {
        self.baseline.check(None).await
    }

    /// The version of the git program.
    pub fn version(&self) -> GitVersion {
        self.version
    }

    /// The repository's git directory, which all worktrees share.
    pub fn common_dir(&self) -> &Utf8Path {
        &self.common
    }

    /// The top of the repository's own worktree, or its git directory if it is bare.
    pub fn top(&self) -> &Utf8Path {
        self.repo.dir()
    }

    pub(crate) fn repo(&self) -> &Repo {
        &self.repo
    }

    /// The full name of the ref under which a remote's branch is known here.
    fn remote_ref(&self, branch: &BranchName) -> String {
        match &self.remote {
            Remote::Named(name) => format!("refs/remotes/{name}/{branch}"),
            Remote::Itself => local_ref(branch),
        }
    }
}

/// The full name of a branch.
fn local_ref(branch: &BranchName) -> String {
    format!("refs/heads/{branch}")
}

/// A remote's name becomes a part of ref names and an operand: whatever could be an option or a URL is none.
fn is_remote_name(name: &str) -> bool {
    BranchName::parse(name).is_ok()
}

#[async_trait]
impl Vcs for GitVcs {
    fn name(&self) -> &'static str {
        "git"
    }

    async fn default_base(&self) -> Result<BranchName, VcsError> {
        self.find_default_base().await
    }

    async fn base_tip(&self, base: &BranchName) -> Result<Sha, VcsError> {
        self.fetch_base(base).await
    }

    async fn prepare(&self, spec: &PrepareSpec) -> Result<Prepared, VcsError> {
        self.make_worktree(spec).await
    }

    async fn head(&self, worktree: &Utf8Path) -> Result<Head, VcsError> {
        self.see_head(worktree).await
    }

    async fn work(&self, spec: &WorkSpec) -> Result<Work, VcsError> {
        self.see_work(spec).await
    }

    async fn save(&self, spec: &SaveSpec) -> Result<Option<Saved>, VcsError> {
        self.save_work(spec).await
    }

    async fn commit(&self, spec: &CommitSpec) -> Result<Sha, VcsError> {
        self.commit_work(spec).await
    }

    async fn sync(&self, spec: &SyncSpec) -> Result<Sha, VcsError> {
        self.take_in(spec).await
    }

    async fn push(&self, spec: &PushSpec) -> Result<(), VcsError> {
        self.publish(spec).await
    }

    async fn remote_tip(&self, branch: &BranchName) -> Result<Option<Sha>, VcsError> {
        self.ask_remote_tip(branch).await
    }

    async fn contains(&self, ancestor: &Sha, descendant: &Sha) -> Result<bool, VcsError> {
        self.reaches(ancestor, descendant).await
    }

    async fn tree(&self, commit: &Sha) -> Result<Sha, VcsError> {
        self.tree_of(commit).await
    }

    async fn merged_tree(&self, ours: &Sha, theirs: &Sha) -> Result<Option<Sha>, VcsError> {
        self.foretell(ours, theirs).await
    }

    async fn remove(&self, spec: &RemoveSpec) -> Result<(), VcsError> {
        self.remove_worktree(spec).await
    }
}
