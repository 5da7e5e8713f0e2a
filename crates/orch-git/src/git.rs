//! The one place that starts the git program.
//!
//! Every call is argv only, in a fixed directory and locale, with an environment of our own making, with
//! everything switched off through which a repository could make git start something, and with a bound on
//! time and output. Child processes that change something hold the effects lock through their stdin, so that
//! whoever takes over after our death can wait for them.

mod command;
mod environment;
mod output;
mod remote_error;
mod trouble;
mod version;

use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::Sha;
use orch_core::ports::VcsError;

pub(crate) use command::Call;
use command::Kind;
pub(crate) use output::{Output, printable};
pub(crate) use trouble::stays;
pub use version::GitVersion;

/// What all calls share.
#[derive(Debug, Clone)]
pub(crate) struct Git {
    effects_lock: Option<Utf8PathBuf>,
}

/// A repository, or one worktree of it, that calls are made in. Both directories are always named
/// explicitly: a `core.worktree`, a `core.bare` or a `.git` file that somebody planted changes nothing.
#[derive(Debug, Clone)]
pub(crate) struct Repo {
    git: Arc<Git>,
    dir: Utf8PathBuf,
    git_dir: Option<Utf8PathBuf>,
    work_tree: bool,
}

impl Git {
    pub(crate) fn new(effects_lock: Option<Utf8PathBuf>) -> Arc<Self> {
        Arc::new(Self { effects_lock })
    }
}

impl Repo {
    /// Calls in `dir` that find the repository themselves.
    pub(crate) fn discover(git: Arc<Git>, dir: &Utf8Path) -> Self {
        Self { git, dir: dir.to_owned(), git_dir: None, work_tree: false }
    }

    /// Calls in the repository of that git directory.
    pub(crate) fn at(git: Arc<Git>, dir: &Utf8Path, git_dir: &Utf8Path) -> Self {
        Self { git, dir: dir.to_owned(), git_dir: Some(git_dir.to_owned()), work_tree: false }
    }

    /// Calls in one worktree.
    pub(crate) fn worktree(&self, dir: &Utf8Path, git_dir: &Utf8Path) -> Self {
        Self { git: self.git.clone(), dir: dir.to_owned(), git_dir: Some(git_dir.to_owned()), work_tree: true }
    }

    /// Calls in another directory that find the repository themselves.
    pub(crate) fn beside(&self, dir: &Utf8Path) -> Self {
        Self::discover(self.git.clone(), dir)
    }

    /// What all calls share.
    pub(crate) fn shared(&self) -> Arc<Git> {
        self.git.clone()
    }

    pub(crate) fn dir(&self) -> &Utf8Path {
        &self.dir
    }

    /// A call that changes nothing: no optional locks, ended when its future is dropped.
    pub(crate) fn read<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Call {
        self.call(Kind::Read, args)
    }

    /// A call that changes the repository; it runs to its end even if its future is dropped.
    pub(crate) fn write<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Call {
        self.call(Kind::Write, args)
    }

    /// A call that only asks a remote, with the user's whole environment.
    pub(crate) fn ask<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Call {
        self.call(Kind::Ask, args)
    }

    /// A call that changes a remote or takes over what it has, with the user's whole environment; it runs to its
    /// end too.
    pub(crate) fn network<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Call {
        self.call(Kind::Network, args)
    }

    fn call<'a>(&self, kind: Kind, args: impl IntoIterator<Item = &'a str>) -> Call {
        let mut globals = Vec::new();
        if let Some(git_dir) = &self.git_dir {
            globals.push(format!("--git-dir={git_dir}"));
            if self.work_tree {
                globals.push(format!("--work-tree={}", self.dir));
            }
        }
        Call::new(kind, &self.dir, globals, args, self.git.effects_lock.clone())
    }

    /// The object that `spec` names, peeled to a commit; `None` when there is none.
    pub(crate) async fn commit_of(&self, spec: &str) -> Result<Option<Sha>, VcsError> {
        let spec = format!("{spec}^{{commit}}");
        let output = self.read(["rev-parse", "--verify", "--quiet", "--end-of-options", &spec]).run().await?;
        if output.status == 0 { output.sha().map(Some) } else { Ok(None) }
    }

    /// The tree of a commit.
    pub(crate) async fn tree_of(&self, commit: &Sha) -> Result<Sha, VcsError> {
        self.read(["rev-parse", "--verify", "--end-of-options", &format!("{commit}^{{tree}}")]).ok().await?.sha()
    }

    /// Whether `ancestor` is reachable from `descendant`; both must exist.
    pub(crate) async fn is_ancestor(&self, ancestor: &Sha, descendant: &Sha) -> Result<bool, VcsError> {
        let args = ["merge-base", "--is-ancestor", ancestor.as_str(), descendant.as_str()];
        let output = self.read(args).run().await?;
        match output.status {
            0 => Ok(true),
            1 => Ok(false),
            _ => Err(output.error("merge-base")),
        }
    }

    /// Sets a ref. With `old`, only if it is there now; an empty `old` means that it must not exist.
    pub(crate) async fn set_ref(&self, name: &str, new: &Sha, old: Option<&str>) -> Result<(), VcsError> {
        let mut args = vec!["update-ref", "--no-deref", name, new.as_str()];
        args.extend(old);
        self.write(args).ok().await.map(drop)
    }

    /// Sets several refs, all or none.
    pub(crate) async fn set_refs(&self, refs: &[(String, &Sha)]) -> Result<(), VcsError> {
        let lines: Vec<String> = refs.iter().map(|(name, sha)| format!("update {name} {sha}\n")).collect();
        let call = self.write(["update-ref", "--no-deref", "--stdin"]);
        call.input(lines.concat().into_bytes()).ok().await.map(drop)
    }

    /// Deletes a ref; an absent one is no error.
    pub(crate) async fn delete_ref(&self, name: &str) -> Result<(), VcsError> {
        self.write(["update-ref", "--no-deref", "-d", name]).ok().await.map(drop)
    }
}
