use orch_core::{BranchName, Commit, Sha, Timestamp, VcsError, Work, WorkSpec};

use super::GitVcs;
use super::checkout::Checkout;
use super::status::{STATUS, Status};
use super::sync::TRAILER;

/// The most commits that evidence lists.
const COMMITS: usize = 200;
/// The most files in each list of evidence.
const FILES: usize = 1000;

impl GitVcs {
    pub(super) async fn see_work(&self, spec: &WorkSpec) -> Result<Work, VcsError> {
        let checkout = self.checkout(&spec.worktree).await?;
        let untracked = if spec.ignore_untracked { "--untracked-files=no" } else { "--untracked-files=all" };
        let status = Status::of(checkout.repo.read(STATUS).args([untracked])).await?;
        let mut dirt = status.dirt(&checkout.git_dir, FILES);
        dirt.nested = self.unpublishable(&checkout, &status, &spec.start).await?;
        // Git would show nothing of them but their name.
        dirt.untracked.retain(|path| !path.ends_with('/'));
        let head = status.head.ok_or_else(|| VcsError::Missing { what: format!("a commit in {}", spec.worktree) })?;
        let (commits, last_commit_at) = self.own_commits(&checkout, &spec.start, &head).await?;
        Ok(Work {
            branch: status.branch.and_then(|name| BranchName::parse(&name).ok()),
            changed: self.changed_files(&checkout, &spec.start, &head).await?,
            head,
            commits,
            dirt,
            last_commit_at,
        })
    }

    /// Commits over the start, oldest first, and the time of the newest. What our own merges brought in is not
    /// work of this task.
    async fn own_commits(
        &self,
        checkout: &Checkout,
        start: &Sha,
        head: &Sha,
    ) -> Result<(Vec<Commit>, Option<Timestamp>), VcsError> {
        if start == head {
            return Ok((Vec::new(), None));
        }
        self.existing(start).await?;
        let range = format!("{start}..{head}");
        let ours = format!("--grep=^{TRAILER}: ");
        let merges =
            checkout.repo.read(["rev-list", "--first-parent", "--merges", "--parents", &ours, &range]).ok().await?;
        let brought = merges.lines();
        let brought = brought.iter().flat_map(|line| line.split(' ').skip(2)).map(|parent| format!("^{parent}"));
        let brought: Vec<String> = brought.collect();
        let count = format!("--max-count={COMMITS}");
        let output = checkout
            .repo
            .read(["log", "-z", "--no-merges", "--reverse", "--topo-order", "--format=%H %ct %s", &count, &range])
            .args(brought.iter().map(String::as_str))
            .ok()
            .await?;
        let mut newest = None;
        let mut commits = Vec::new();
        for line in output.names() {
            let mut fields = line.splitn(3, ' ');
            let sha = Sha::parse(fields.next().unwrap_or_default()).map_err(|_| output.error("log"))?;
            let at: i64 = fields.next().and_then(|at| at.parse().ok()).ok_or_else(|| output.error("log"))?;
            newest = newest.max(Some(Timestamp::from_millis(at.saturating_mul(1000))));
            commits.push(Commit { sha, subject: fields.next().unwrap_or_default().to_owned() });
        }
        Ok((commits, newest))
    }

    async fn changed_files(&self, checkout: &Checkout, start: &Sha, head: &Sha) -> Result<Vec<String>, VcsError> {
        if start == head {
            return Ok(Vec::new());
        }
        let args = ["diff-tree", "-r", "-z", "--name-only", "--no-renames", "--no-ext-diff", "--end-of-options"];
        let mut names = checkout.repo.read(args).args([start.as_str(), head.as_str()]).ok().await?.names();
        names.sort();
        names.truncate(FILES);
        Ok(names)
    }
}
