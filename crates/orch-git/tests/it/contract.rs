//! The ports' contract suites on real repositories.

use std::fs;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::{BranchName, PullNumber, Sha};
use orch_core::testkit::{ForgeHarness, Report, SEED, VcsHarness, run_forge_contract, run_vcs_contract};
use orch_git::{GitVcs, LocalForge, Remote};

use crate::lab::{Lab, branch, git, head, raw_git, sha, write};

/// The lab of the case that runs.
#[derive(Default)]
struct Bench {
    lab: Mutex<Option<Arc<Lab>>>,
}

impl Bench {
    async fn begin(&self) -> Arc<Lab> {
        let lab = Arc::new(Lab::seeded(Remote::Named("origin".to_owned()), false, SEED).await);
        *self.lab.lock().expect("no panic") = Some(lab.clone());
        lab
    }

    fn lab(&self) -> Arc<Lab> {
        self.lab.lock().expect("no panic").clone().expect("a case runs")
    }

    /// Commits to a branch at the remote, made from `from` if absent, as somebody with a clone of their own.
    fn push_files(&self, branch: &BranchName, from: &BranchName, files: &[(&str, &str)]) -> Sha {
        let clone = self.somebody();
        let begin = if self.remote_tip(branch).is_some() { branch } else { from };
        git(&clone, &["checkout", "--quiet", "--detach", &format!("origin/{begin}")]);
        for (file, text) in files {
            write(&clone, file, text);
        }
        git(&clone, &["add", "--all"]);
        git(&clone, &["commit", "--quiet", "--allow-empty", "-m", "somebody's"]);
        git(&clone, &["push", "--quiet", "origin", &format!("HEAD:refs/heads/{branch}")]);
        head(&clone)
    }

    /// Somebody's up-to-date clone.
    fn somebody(&self) -> Utf8PathBuf {
        let lab = self.lab();
        let clone = lab.root.join("somebody");
        if !clone.exists() {
            git(&lab.root, &["clone", "--quiet", lab.origin().as_str(), "somebody"]);
        }
        git(&clone, &["fetch", "--quiet", "--prune", "origin"]);
        clone
    }

    fn remote_tip(&self, branch: &BranchName) -> Option<Sha> {
        resolve(&self.lab().origin(), &format!("refs/heads/{branch}"))
    }
}

fn resolve(repo: &Utf8Path, reference: &str) -> Option<Sha> {
    let output = raw_git(repo, &["rev-parse", "--verify", "--quiet", &format!("{reference}^{{commit}}")]);
    output.status.success().then(|| sha(String::from_utf8_lossy(&output.stdout).trim()))
}

fn show(repo: &Utf8Path, commit: &str, path: &str) -> Option<String> {
    let output = raw_git(repo, &["cat-file", "blob", &format!("{commit}:{path}")]);
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[async_trait]
impl VcsHarness for Bench {
    type Vcs = GitVcs;

    async fn fresh(&self) -> GitVcs {
        self.begin().await.reopened().await
    }

    async fn restart(&self, vcs: GitVcs) -> GitVcs {
        drop(vcs);
        self.lab().reopened().await
    }

    fn worktree(&self, name: &str) -> Utf8PathBuf {
        self.lab().root.join("work").join(name)
    }

    async fn write(&self, worktree: &Utf8Path, path: &str, content: &str) {
        write(worktree, path, content);
    }

    async fn delete(&self, worktree: &Utf8Path, path: &str) {
        fs::remove_file(worktree.join(path)).expect("a file");
    }

    async fn read(&self, worktree: &Utf8Path, path: &str) -> Option<String> {
        fs::read_to_string(worktree.join(path)).ok()
    }

    async fn stage(&self, worktree: &Utf8Path, path: &str) {
        git(worktree, &["--literal-pathspecs", "add", "--all", "--", path]);
    }

    async fn nest(&self, worktree: &Utf8Path, path: &str, content: &str) {
        git(worktree, &["init", "--quiet", path]);
        crate::lab::commit(&worktree.join(path), "inside.txt", content, "inside");
    }

    async fn lose_worktree(&self, worktree: &Utf8Path) {
        std::fs::remove_dir_all(worktree).expect("a worktree");
    }

    async fn commit(&self, worktree: &Utf8Path, message: &str) -> Sha {
        git(worktree, &["commit", "--quiet", "-m", message]);
        head(worktree)
    }

    async fn rewind(&self, worktree: &Utf8Path, to: &Sha) {
        git(worktree, &["reset", "--quiet", "--soft", to.as_str()]);
    }

    async fn detach(&self, worktree: &Utf8Path) {
        git(worktree, &["checkout", "--quiet", "--detach"]);
    }

    async fn merge_halfway(&self, worktree: &Utf8Path, tip: &Sha) {
        assert!(!raw_git(worktree, &["merge", tip.as_str()]).status.success(), "it conflicts");
    }

    async fn status(&self, worktree: &Utf8Path) -> String {
        let at = fs::read_to_string(git(worktree, &["rev-parse", "--git-path", "HEAD"])).expect("a HEAD");
        let index = git(worktree, &["ls-files", "-s"]);
        let status = git(worktree, &["--no-optional-locks", "status", "--porcelain=v2", "--untracked-files=all"]);
        format!("{at}{}\n{index}\n{status}", head(worktree))
    }

    async fn show(&self, commit: &Sha, path: &str) -> Option<String> {
        show(&self.lab().repo(), commit.as_str(), path)
    }

    async fn resolve(&self, reference: &str) -> Option<Sha> {
        resolve(&self.lab().repo(), reference)
    }

    async fn publish(&self, branch_name: &BranchName, files: &[(&str, &str)]) -> Sha {
        self.push_files(branch_name, &branch("main"), files)
    }

    async fn tip(&self, branch: &BranchName) -> Option<Sha> {
        self.remote_tip(branch)
    }

    async fn make_local_branch(&self, branch: &BranchName) -> Sha {
        let repo = self.lab().repo();
        let made = git(&repo, &["commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "theirs"]);
        git(&repo, &["branch", branch.as_str(), &made]);
        sha(&made)
    }

    async fn cut_off(&self, cut: bool) -> bool {
        let (here, gone) = (self.lab().origin(), self.lab().root.join("unplugged.git"));
        let (from, to) = if cut { (here, gone) } else { (gone, here) };
        fs::rename(from, to).expect("it moves");
        true
    }
}

#[async_trait]
impl ForgeHarness for Bench {
    type Forge = LocalForge;

    async fn fresh(&self) -> LocalForge {
        self.begin().await.forge().await
    }

    async fn restart(&self, forge: LocalForge) -> LocalForge {
        drop(forge);
        self.lab().forge().await
    }

    async fn publish(&self, branch: &BranchName, from: &BranchName, files: &[(&str, &str)]) -> Sha {
        self.push_files(branch, from, files)
    }

    async fn tip(&self, branch: &BranchName) -> Option<Sha> {
        self.remote_tip(branch)
    }

    async fn show(&self, branch: &BranchName, path: &str) -> Option<String> {
        show(&self.lab().origin(), branch.as_str(), path)
    }

    async fn contains(&self, ancestor: &Sha, branch: &BranchName) -> bool {
        let args = ["merge-base", "--is-ancestor", ancestor.as_str(), branch.as_str()];
        raw_git(&self.lab().origin(), &args).status.success()
    }

    async fn count(&self, branch: &BranchName) -> usize {
        git(&self.lab().origin(), &["rev-list", "--count", branch.as_str()]).parse().expect("a number")
    }

    async fn merge_by_hand(&self, branch: &BranchName, into: &BranchName) {
        let clone = self.somebody();
        git(&clone, &["checkout", "--quiet", "--detach", &format!("origin/{into}")]);
        git(&clone, &["merge", "--quiet", "--no-ff", "-m", "by hand", &format!("origin/{branch}")]);
        git(&clone, &["push", "--quiet", "origin", &format!("HEAD:refs/heads/{into}")]);
    }

    async fn close(&self, number: PullNumber) {
        let file = self.lab().root.join("pulls.json");
        let mut pulls: serde_json::Value = serde_json::from_slice(&fs::read(&file).expect("a file")).expect("JSON");
        let pulls_list = pulls["pulls"].as_array_mut().expect("a list");
        let pull = pulls_list.iter_mut().find(|pull| pull["number"] == number.0).expect("it is there");
        pull["state"] = "closed".into();
        fs::write(&file, pulls.to_string()).expect("a file");
    }
}

fn nothing_skipped(report: &Report) {
    assert!(report.skipped.is_empty(), "{:?}", report.skipped);
    assert!(!report.passed.is_empty());
}

#[tokio::test]
async fn git_keeps_the_contract_of_version_control() {
    match run_vcs_contract(&Bench::default()).await {
        Ok(report) => nothing_skipped(&report),
        Err(broken) => panic!("{broken}"),
    }
}

#[tokio::test]
async fn the_local_forge_keeps_the_contract_of_forges() {
    match run_forge_contract(&Bench::default()).await {
        Ok(report) => nothing_skipped(&report),
        Err(broken) => panic!("{broken}"),
    }
}
