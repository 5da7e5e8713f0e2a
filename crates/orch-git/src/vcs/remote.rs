use std::time::Instant;

use orch_core::base::{BranchName, Sha};
use orch_core::ports::{SyncSource, VcsError};

use super::{GitVcs, Remote, local_ref};

/// How it comes that a repository has no current branch.
const DETACHED: &str = "HEAD is detached, on no branch (a checked out tag or commit, a bisect or a rebase)";

impl GitVcs {
    /// The remote's HEAD; of a repository that is its own origin, the branch checked out in it.
    pub(super) async fn find_default_base(&self) -> Result<BranchName, VcsError> {
        let name = match &self.remote {
            Remote::Itself => {
                let branch = crate::repository::head_branch_of(&self.repo).await?;
                return branch.ok_or_else(|| VcsError::NoBase { why: DETACHED.to_owned() });
            }
            Remote::Named(remote) => {
                self.baseline.check(None).await?;
                let output = self.repo.ask(["ls-remote", "--symref", "--", remote, "HEAD"]).run().await?;
                if output.status != 0 {
                    return Err(output.remote_error("its HEAD"));
                }
                output.lines().into_iter().find_map(|line| {
                    line.strip_prefix("ref: ").and_then(|rest| rest.strip_suffix("\tHEAD")).map(str::to_owned)
                })
            }
        };
        name.as_deref()
            .and_then(|name| name.strip_prefix("refs/heads/"))
            .and_then(|name| BranchName::parse(name).ok())
            .ok_or_else(|| VcsError::NoBase { why: "the remote's HEAD is on no branch that has a commit".to_owned() })
    }

    /// The base's tip as the remote has it now, fetched. Callers that come while a fetch is under way share the
    /// next one: twelve tasks that start at once cost two fetches.
    pub(super) async fn fetch_base(&self, base: &BranchName) -> Result<Sha, VcsError> {
        let asked = Instant::now();
        let missing = || VcsError::Missing { what: format!("base branch {base}") };
        let reference = self.remote_ref(base);
        if let Remote::Named(remote) = &self.remote {
            let mut fetched = self.fetched.lock().await;
            if fetched.get(base).is_none_or(|began| *began < asked) {
                self.baseline.check(None).await?;
                let began = Instant::now();
                let refspec = format!("+{}:{reference}", local_ref(base));
                let output = self
                    .repo
                    .network(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"])
                    .args(["--no-recurse-submodules", "--refmap=", "--", remote, &refspec])
                    .run()
                    .await?;
                if output.stderr.contains("couldn't find remote ref") {
                    return Err(missing());
                }
                if output.status != 0 {
                    return Err(output.remote_error(&format!("a fetch of {base}")));
                }
                fetched.insert(base.clone(), began);
            }
        }
        let [tip] = self.tips([reference]).await?;
        if tip.is_none()
            && self.remote == Remote::Itself
            && crate::repository::head_branch_of(&self.repo).await?.as_ref() == Some(base)
        {
            return Err(VcsError::NoBase { why: format!("{base} is checked out and has no commit yet") });
        }
        tip.ok_or_else(missing)
    }

    /// Fetches the remote's branches if one of the tips is not here yet: what a forge made by a squash is known by
    /// name before anybody fetched it.
    pub(super) async fn fetch_missing(&self, sources: &[SyncSource]) -> Result<(), VcsError> {
        let Remote::Named(remote) = &self.remote else { return Ok(()) };
        for source in sources {
            if self.repo.commit_of(source.tip.as_str()).await?.is_some() {
                continue;
            }
            self.baseline.check(None).await?;
            let output = self
                .repo
                .network(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"])
                .args(["--no-recurse-submodules", "--refmap=", "--", remote])
                .args([format!("+refs/heads/*:refs/remotes/{remote}/*").as_str()])
                .run()
                .await?;
            return if output.status == 0 { Ok(()) } else { Err(output.remote_error("a fetch of its branches")) };
        }
        Ok(())
    }

    pub(super) async fn ask_remote_tip(&self, branch: &BranchName) -> Result<Option<Sha>, VcsError> {
        let wanted = local_ref(branch);
        let Remote::Named(remote) = &self.remote else { return self.repo.commit_of(&wanted).await };
        self.baseline.check(None).await?;
        let output = self.repo.ask(["ls-remote", "--refs", "--", remote, &wanted]).run().await?;
        if output.status != 0 {
            return Err(output.remote_error(&format!("the tip of {branch}")));
        }
        // The pattern also matches refs that merely end in it.
        let lines = output.lines();
        let tip = lines.iter().filter_map(|line| line.split_once('\t')).find(|(_, name)| *name == wanted);
        tip.map(|(sha, _)| Sha::parse(sha).map_err(|_| output.error("ls-remote"))).transpose()
    }
}
