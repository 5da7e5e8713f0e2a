use camino::Utf8Path;
use git2::{Oid, Repository};
use orch_core::base::Sha;
use orch_core::ports::VcsError;

use super::GitVcs;
use crate::merge::Merged;

/// So many merges are remembered; pairs of tips that are gone are never asked for again.
const REMEMBERED: usize = 1000;

impl GitVcs {
    /// The tree of a commit, by libgit2; by the program where libgit2 cannot open the repository.
    pub(super) async fn tree_of(&self, commit: &Sha) -> Result<Sha, VcsError> {
        let (common, asked) = (self.common.clone(), commit.clone());
        if let Ok(Some(tree)) = tokio::task::spawn_blocking(move || in_process(&common, &asked)).await {
            return Ok(tree);
        }
        self.existing(commit).await?;
        self.repo.tree_of(commit).await
    }

    /// The tree that a merge would make, by the program: only it says what a forge that merges by git will get.
    pub(super) async fn foretell(&self, ours: &Sha, theirs: &Sha) -> Result<Option<Sha>, VcsError> {
        let key = (ours.clone(), theirs.clone());
        if let Some(known) = self.foretold.lock().await.get(&key) {
            return Ok(known.clone());
        }
        self.existing(ours).await?;
        self.existing(theirs).await?;
        let tree = match self.repo.merge_trees(None, ours, theirs).await? {
            Merged::Clean(tree) => Some(tree),
            Merged::Conflict(_) => None,
        };
        let mut foretold = self.foretold.lock().await;
        if foretold.len() >= REMEMBERED {
            foretold.clear();
        }
        foretold.insert(key, tree.clone());
        Ok(tree)
    }
}

/// `None` where libgit2 has no answer: the program then says why.
fn in_process(common: &Utf8Path, commit: &Sha) -> Option<Sha> {
    let repository = Repository::open(common).ok()?;
    let commit = repository.find_commit(Oid::from_str(commit.as_str()).ok()?).ok()?;
    Sha::parse(&commit.tree_id().to_string()).ok()
}
