use orch_core::ports::VcsError;

use super::{GitVcs, Remote};

impl GitVcs {
    /// What would be lost with this repository: a branch or a worktree with a commit that no branch of the remote
    /// has, as last seen. `None` if there is none.
    ///
    /// # Errors
    /// [`VcsError::Git`] if git cannot be run.
    pub async fn unpublished(&self) -> Result<Option<String>, VcsError> {
        let Remote::Named(remote) = &self.remote else {
            return Ok(Some("all of it: it has no remote".to_owned()));
        };
        let heads: Vec<String> =
            self.worktrees().await?.into_iter().filter_map(|tree| Some(tree.head?.to_string())).collect();
        let known = format!("--remotes={remote}");
        let mut call = self.repo.read(["rev-list", "--max-count=1", "--branches"]);
        call = call.args(heads.iter().map(String::as_str)).args(["--not", known.as_str(), "--"]);
        let Some(sha) = call.ok().await?.lines().into_iter().next() else { return Ok(None) };
        let contains = format!("--contains={sha}");
        let args = ["for-each-ref", "--format=%(refname:short)", "--count=1", &contains, "refs/heads/"];
        let branch = self.repo.read(args).ok().await?.lines().into_iter().next();
        Ok(Some(branch.map_or_else(|| format!("commit {sha}"), |branch| format!("branch {branch}"))))
    }
}
