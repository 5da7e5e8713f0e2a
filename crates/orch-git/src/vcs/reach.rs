use camino::Utf8Path;
use git2::{ErrorCode, Oid, Repository};
use orch_core::base::Sha;
use orch_core::ports::VcsError;

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

    /// The commits of full ref names, by libgit2; by the program where libgit2 cannot open the repository.
    pub(super) async fn tips<const N: usize>(&self, names: [String; N]) -> Result<[Option<Sha>; N], VcsError> {
        let (common, asked) = (self.common.clone(), names.clone());
        if let Ok(Some(tips)) = tokio::task::spawn_blocking(move || tips_in_process(&common, &asked)).await {
            return Ok(tips);
        }
        let mut tips = [const { None }; N];
        for (tip, name) in tips.iter_mut().zip(&names) {
            *tip = self.repo.commit_of(name).await?;
        }
        Ok(tips)
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

/// `None` where libgit2 has no answer for one of them.
fn tips_in_process<const N: usize>(common: &Utf8Path, names: &[String; N]) -> Option<[Option<Sha>; N]> {
    let repository = Repository::open(common).ok()?;
    let mut tips = [const { None }; N];
    for (tip, name) in tips.iter_mut().zip(names) {
        match repository.find_reference(name).and_then(|reference| reference.peel_to_commit()) {
            Ok(commit) => *tip = Some(Sha::parse(&commit.id().to_string()).ok()?),
            Err(error) if error.code() == ErrorCode::NotFound => {}
            Err(_) => return None,
        }
    }
    Some(tips)
}
