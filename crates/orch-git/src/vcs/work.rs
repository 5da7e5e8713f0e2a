use std::collections::BTreeSet;

use orch_core::base::{BranchName, Sha, Timestamp};
use orch_core::ports::{Commit, VcsError, Work, WorkSpec};

use super::GitVcs;
use super::checkout::Checkout;
use super::status::{STATUS, Status};
use super::sync::TRAILER;

/// The most commits that evidence lists.
const COMMITS: usize = 200;
/// The most files in each list of evidence.
const FILES: usize = 1000;

/// A merge that brought work of others.
struct TakenIn {
    before: Sha,
    merged: Sha,
    tip: Sha,
}

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
        let taken = self.taken_in(&checkout, spec, &head).await?;
        let (commits, last_commit_at) = self.own_commits(&checkout, &spec.start, &head, &taken).await?;
        let changed = self.changed_files(&checkout, &spec.start, &head, &taken).await?;
        let tree = self.tree_of(&head).await?;
        let mut work = Work::new(head, tree);
        work.branch = status.branch.and_then(|name| BranchName::parse(&name).ok());
        (work.commits, work.changed, work.dirt, work.last_commit_at) = (commits, changed, dirt, last_commit_at);
        Ok(work)
    }

    /// The merges on the branch that brought work of others: orch's own, and an agent's of the base.
    async fn taken_in(&self, checkout: &Checkout, spec: &WorkSpec, head: &Sha) -> Result<Vec<TakenIn>, VcsError> {
        if spec.start == *head {
            return Ok(Vec::new());
        }
        self.existing(&spec.start).await?;
        let range = format!("{}..{head}", spec.start);
        let format = format!("--format=%H %P%x00%(trailers:key={TRAILER},valueonly)%x00");
        let output = checkout.repo.read(["log", "--first-parent", "--merges", &format, &range]).ok().await?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let fields: Vec<&str> = text.split('\0').collect();
        let base = match &spec.base {
            Some(base) if fields.len() > 1 => self.repo.commit_of(&self.remote_ref(base)).await?,
            _ => None,
        };
        let mut taken = Vec::new();
        for merge in fields.chunks_exact(2) {
            let shas: Vec<Sha> = merge[0].split_whitespace().filter_map(|sha| Sha::parse(sha).ok()).collect();
            let [merged, before, tips @ ..] = shas.as_slice() else { continue };
            let ours = !merge[1].trim().is_empty();
            for tip in tips {
                let of_the_base = match &base {
                    Some(base) if !ours => self.reaches(tip, base).await?,
                    _ => false,
                };
                if ours || of_the_base {
                    taken.push(TakenIn { before: before.clone(), merged: merged.clone(), tip: tip.clone() });
                }
            }
        }
        Ok(taken)
    }

    /// Commits over the start, oldest first, and the time of the newest. What merges brought in is not work
    /// of this task.
    async fn own_commits(
        &self,
        checkout: &Checkout,
        start: &Sha,
        head: &Sha,
        taken: &[TakenIn],
    ) -> Result<(Vec<Commit>, Option<Timestamp>), VcsError> {
        if start == head {
            return Ok((Vec::new(), None));
        }
        let range = format!("{start}..{head}");
        let brought: Vec<String> = taken.iter().map(|taken| format!("^{}", taken.tip)).collect();
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
            commits.push(Commit::new(sha, fields.next().unwrap_or_default()));
        }
        Ok((commits, newest))
    }

    /// Files that differ between start and head, but those that are as a merge brought them.
    async fn changed_files(
        &self,
        checkout: &Checkout,
        start: &Sha,
        head: &Sha,
        taken: &[TakenIn],
    ) -> Result<Vec<String>, VcsError> {
        if start == head {
            return Ok(Vec::new());
        }
        let mut names = differing(checkout, start, head).await?;
        for taken in taken {
            let touched: BTreeSet<String> =
                differing(checkout, &taken.before, &taken.merged).await?.into_iter().collect();
            if touched.is_empty() {
                continue;
            }
            let own: BTreeSet<String> = differing(checkout, &taken.tip, head).await?.into_iter().collect();
            names.retain(|name| !touched.contains(name) || own.contains(name));
        }
        names.sort();
        names.truncate(FILES);
        Ok(names)
    }
}

/// Files that differ between two commits.
async fn differing(checkout: &Checkout, one: &Sha, other: &Sha) -> Result<Vec<String>, VcsError> {
    let args = ["diff-tree", "-r", "-z", "--name-only", "--no-renames", "--no-ext-diff", "--end-of-options"];
    Ok(checkout.repo.read(args).args([one.as_str(), other.as_str()]).ok().await?.names())
}
