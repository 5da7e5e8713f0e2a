//! A bare origin, a clone of it and a place for worktrees.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::{AttemptNo, BranchName, FileSet, Sha, TaskId};
use orch_core::ports::{
    CommitSpec, Predecessor, PrepareSpec, Prepared, PushSpec, RemoveSpec, SaveSpec, Vcs, VcsError, Work, WorkSpec,
};
use orch_git::{GitConfig, GitVcs, LocalForge, LocalForgeConfig, Remote};
use tempfile::TempDir;

pub(crate) struct Lab {
    pub(crate) vcs: Arc<GitVcs>,
    pub(crate) root: Utf8PathBuf,
    pub(crate) remote: Remote,
    _dir: TempDir,
}

impl Lab {
    /// A lab whose clone has a bare origin.
    pub(crate) async fn new() -> Self {
        Self::with(Remote::Named("origin".to_owned()), false).await
    }

    /// A lab whose repository is its own origin.
    pub(crate) async fn alone() -> Self {
        Self::with(Remote::Itself, false).await
    }

    pub(crate) async fn with(remote: Remote, hooks: bool) -> Self {
        Self::seeded(remote, hooks, &[("README", "hello\n"), ("src/a.txt", "1\n2\n3\n4\n5\n")]).await
    }

    /// A lab whose base has one commit with these files.
    pub(crate) async fn seeded(remote: Remote, hooks: bool, files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let root = Utf8Path::from_path(dir.path()).expect("UTF-8").canonicalize_utf8().expect("canonical");
        fs::create_dir(root.join("work")).expect("a directory");
        git(&root, &["init", "--quiet", "--initial-branch=main", "repo"]);
        let repo = root.join("repo");
        for (key, value) in [("user.name", "Ann"), ("user.email", "ann@example.org")] {
            git(&repo, &["config", key, value]);
        }
        for (file, text) in files {
            write(&repo, file, text);
        }
        git(&repo, &["add", "--all"]);
        git(&repo, &["commit", "--quiet", "-m", "first"]);
        if remote != Remote::Itself {
            git(&root, &["clone", "--quiet", "--bare", "repo", "origin.git"]);
            git(&repo, &["remote", "add", "origin", root.join("origin.git").as_str()]);
            git(&repo, &["fetch", "--quiet", "origin"]);
        }
        let vcs = Self::open(&root, &remote, hooks).await.expect("it opens");
        Self { vcs: Arc::new(vcs), root, remote, _dir: dir }
    }

    pub(crate) async fn open(root: &Utf8Path, remote: &Remote, hooks: bool) -> Result<GitVcs, VcsError> {
        GitVcs::open(Self::config(root, remote, hooks)).await
    }

    fn config(root: &Utf8Path, remote: &Remote, hooks: bool) -> GitConfig {
        GitConfig {
            repo: root.join("repo"),
            remote: remote.clone(),
            effects_lock: Some(root.join("effects.lock")),
            identity_default: ("orch".to_owned(), "orch@localhost".to_owned()),
            baseline: root.join("baseline.json"),
            new_baseline: true,
            hooks,
            owner: Some("lab".to_owned()),
        }
    }

    /// Another process's view of the same lab, after agents ran in it.
    pub(crate) async fn reopened_after_a_run(&self) -> GitVcs {
        let config = Self::config(&self.root, &self.remote, false);
        GitVcs::open(GitConfig { new_baseline: false, ..config }).await.expect("it opens")
    }

    /// Another process's view of the same lab.
    pub(crate) async fn reopened(&self) -> GitVcs {
        Self::open(&self.root, &self.remote, false).await.expect("it opens")
    }

    /// Version control of another workdir in the same place.
    pub(crate) async fn of_another_workdir(&self) -> GitVcs {
        let config = Self::config(&self.root, &self.remote, false);
        GitVcs::open(GitConfig { owner: Some("another".to_owned()), ..config }).await.expect("it opens")
    }

    pub(crate) async fn forge(&self) -> LocalForge {
        let (pulls, vcs, origin) = (self.root.join("pulls.json"), self.vcs.clone(), self.origin());
        LocalForge::open(LocalForgeConfig { pulls, vcs, origin }).await.expect("it opens")
    }

    pub(crate) fn repo(&self) -> Utf8PathBuf {
        self.root.join("repo")
    }

    pub(crate) fn origin(&self) -> Utf8PathBuf {
        self.root.join(if self.remote == Remote::Itself { "repo" } else { "origin.git" })
    }

    pub(crate) fn tree(&self, id: &str) -> Utf8PathBuf {
        self.root.join(format!("work/task-{id}"))
    }

    pub(crate) fn spec(&self, id: &str) -> PrepareSpec {
        PrepareSpec {
            task: task(id),
            branch: branch(&format!("task/{id}")),
            worktree: self.tree(id),
            base: branch("main"),
            predecessors: Vec::new(),
        }
    }

    pub(crate) async fn prepare(&self, id: &str) -> Prepared {
        self.vcs.prepare(&self.spec(id)).await.expect("it prepares")
    }

    /// Prepares a task with one commit that writes `file`.
    pub(crate) async fn done(&self, id: &str, file: &str, text: &str) -> Sha {
        self.prepare(id).await;
        self.edit(id, file, text)
    }

    /// Commits `text` as the task's `file`, as an agent does.
    pub(crate) fn edit(&self, id: &str, file: &str, text: &str) -> Sha {
        commit(&self.tree(id), file, text, &format!("{id}: {file}"))
    }

    /// Prepares a task with one commit and pushes it.
    pub(crate) async fn pushed(&self, id: &str, file: &str, text: &str) -> Sha {
        let sha = self.done(id, file, text).await;
        self.vcs.push(&push_spec(id, &sha)).await.expect("it pushes");
        sha
    }

    pub(crate) fn remove_spec(&self, id: &str) -> RemoveSpec {
        RemoveSpec {
            task: task(id),
            worktree: self.tree(id),
            branch: branch(&format!("task/{id}")),
            discard: false,
            delete_branch: true,
        }
    }

    pub(crate) fn save_spec(&self, id: &str) -> SaveSpec {
        SaveSpec { task: task(id), attempt: AttemptNo(1), worktree: self.tree(id), partial: false }
    }

    pub(crate) fn commit_spec(&self, id: &str, files: &[&str]) -> CommitSpec {
        CommitSpec {
            worktree: self.tree(id),
            branch: branch(&format!("task/{id}")),
            message: format!("{id}: left over"),
            files: FileSet::parse(&files.iter().map(|file| (*file).to_owned()).collect::<Vec<_>>())
                .expect("a file set"),
        }
    }

    pub(crate) async fn work(&self, id: &str, start: &Sha) -> Work {
        self.vcs.work(&self.work_spec(id, start)).await.expect("evidence")
    }

    pub(crate) fn work_spec(&self, id: &str, start: &Sha) -> WorkSpec {
        WorkSpec {
            worktree: self.tree(id),
            branch: branch(&format!("task/{id}")),
            start: start.clone(),
            base: Some(branch("main")),
            ignore_untracked: false,
        }
    }

    /// Commits to the base at the origin, as somebody else does.
    pub(crate) fn move_base(&self, file: &str, text: &str) -> Sha {
        let clone = self.root.join("somebody");
        if !clone.exists() {
            git(&self.root, &["clone", "--quiet", self.origin().as_str(), "somebody"]);
        }
        git(&clone, &["pull", "--quiet", "--ff-only", "origin", "main"]);
        let sha = commit(&clone, file, text, &format!("base: {file}"));
        git(&clone, &["push", "--quiet", "origin", "HEAD:refs/heads/main"]);
        sha
    }
}

/// Runs git as a person would, without the machine's configuration; returns what it prints.
pub(crate) fn git(dir: &Utf8Path, args: &[&str]) -> String {
    let output = raw_git(dir, args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {args:?} in {dir}: {stderr}");
    String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()
}

pub(crate) fn raw_git(dir: &Utf8Path, args: &[&str]) -> std::process::Output {
    let identity = [("GIT_AUTHOR_NAME", "Agent"), ("GIT_COMMITTER_NAME", "Agent")];
    let mails = [("GIT_AUTHOR_EMAIL", "agent@example.org"), ("GIT_COMMITTER_EMAIL", "agent@example.org")];
    Command::new("git")
        .args(args)
        .current_dir(dir)
        .envs(identity)
        .envs(mails)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .expect("git runs")
}

pub(crate) fn write(dir: &Utf8Path, file: &str, text: &str) {
    let path = dir.join(file);
    fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
    fs::write(path, text).expect("a file");
}

pub(crate) fn commit(dir: &Utf8Path, file: &str, text: &str, message: &str) -> Sha {
    write(dir, file, text);
    git(dir, &["add", "--all"]);
    git(dir, &["commit", "--quiet", "-m", message]);
    head(dir)
}

pub(crate) fn head(dir: &Utf8Path) -> Sha {
    sha(&git(dir, &["rev-parse", "HEAD"]))
}

pub(crate) fn sha(text: &str) -> Sha {
    Sha::parse(text).expect("an object name")
}

pub(crate) fn branch(name: &str) -> BranchName {
    BranchName::parse(name).expect("a branch name")
}

pub(crate) fn task(id: &str) -> TaskId {
    TaskId::parse(id).expect("a task id")
}

pub(crate) fn predecessor(id: &str, sha: &Sha) -> Predecessor {
    Predecessor { task: task(id), sha: sha.clone() }
}

pub(crate) fn push_spec(id: &str, sha: &Sha) -> PushSpec {
    PushSpec { branch: branch(&format!("task/{id}")), sha: sha.clone(), base: branch("main"), leaves: None }
}
