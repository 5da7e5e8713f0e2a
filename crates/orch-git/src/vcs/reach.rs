use camino::Utf8Path;
use git2::{Oid, Repository};
use orch_core::{Sha, VcsError};

use super::GitVcs;

impl GitVcs {
    /// Whether `ancestor` is contained in `descendant`, by libgit2; by the program where libgit2 cannot open the
    /// repository (reftable, SHA-256, partial clones).
    pub(super) async fn reaches(&self, ancestor: &Sha, descendant: &Sha) -> Result<bool, VcsError> {
        if ancestor == descendant {
            return self.existing(ancestor).await.map(|()| true);
        }
        let (common, old, new) = (self.common.clone(), ancestor.clone(), descendant.clone());
        let answer = tokio::task::spawn_blocking(move || in_process(&common, &old, &new)).await;
        if let Ok(Some(answer)) = answer {
            return Ok(answer);
        }
        self.existing(ancestor).await?;
        self.existing(descendant).await?;
        self.repo.is_ancestor(ancestor, descendant).await
    }

    /// # Errors
    /// [`VcsError::Missing`] if there is no such commit here.
    pub(super) async fn existing(&self, sha: &Sha) -> Result<(), VcsError> {
        match self.repo.commit_of(sha.as_str()).await? {
            Some(_) => Ok(()),
            None => Err(VcsError::Missing { what: format!("commit {sha}") }),
        }
    }
}

/// `None` where libgit2 has no answer: the program then says why.
fn in_process(common: &Utf8Path, ancestor: &Sha, descendant: &Sha) -> Option<bool> {
    let repository = Repository::open(common).ok()?;
    let (old, new) = (Oid::from_str(ancestor.as_str()).ok()?, Oid::from_str(descendant.as_str()).ok()?);
    repository.find_commit(old).ok()?;
    repository.graph_descendant_of(new, old).ok()
}
