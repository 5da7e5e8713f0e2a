use orch_core::ports::VcsError;

use super::GitVcs;
use crate::git::Repo;
use crate::merge::Signature;

/// Whom commits are by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name.
    pub name: String,
    /// The email address.
    pub email: String,
    /// Whether the user configured it; if not, it is orch's default.
    pub configured: bool,
}

impl Identity {
    fn settings(&self) -> Vec<String> {
        vec![format!("user.name={}", self.name), format!("user.email={}", self.email)]
    }
}

impl GitVcs {
    /// Whom commits in this repository are by: the user's own identity, else the default.
    ///
    /// # Errors
    /// [`VcsError::Git`] if git cannot be run.
    pub async fn identity(&self) -> Result<Identity, VcsError> {
        self.identity_in(&self.repo).await
    }

    async fn identity_in(&self, repo: &Repo) -> Result<Identity, VcsError> {
        // Without this git makes up an address from the host's name.
        let output = repo.read(["var", "GIT_AUTHOR_IDENT"]).config("user.useConfigOnly=true").run().await?;
        let text = output.text();
        let own = text.rsplit_once("> ").and_then(|(who, _)| who.split_once(" <")).filter(|_| output.status == 0);
        Ok(if let Some((name, email)) = own {
            Identity { name: name.to_owned(), email: email.to_owned(), configured: true }
        } else {
            let (name, email) = self.identity_default.clone();
            Identity { name, email, configured: false }
        })
    }

    /// The settings that a call in `repo` needs to be able to commit.
    pub(super) async fn identity_settings(&self, repo: &Repo) -> Result<Vec<String>, VcsError> {
        let identity = self.identity_in(repo).await?;
        Ok(if identity.configured { Vec::new() } else { identity.settings() })
    }

    /// The signature of a commit made now, in whatever repository: the origin need not know the user.
    pub(crate) async fn signature(&self) -> Result<Signature, VcsError> {
        Ok(Signature { settings: self.identity().await?.settings(), ..Signature::default() })
    }
}
