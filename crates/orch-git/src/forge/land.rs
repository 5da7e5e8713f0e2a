//! A merge, from the check of the head to the moved base and the closed record.

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::Sha;
use orch_core::ports::{ForgeError, MergeSpec, PullState};

use super::records::{Record, Records};
use super::{LocalForge, from_git, refused};
use crate::vcs::WorktreeInfo;

/// How often a base that moves under a merge is merged into again.
const TRIES: usize = 3;

impl LocalForge {
    /// Merges, or finds that it was merged before.
    pub(super) async fn land(&self, mut records: Records, spec: &MergeSpec) -> Result<Record, ForgeError> {
        let (mut record, moved) = self.look(records.by_number(spec.number)?.clone()).await?;
        let what = format!("merging pull request {}", spec.number);
        match record.state {
            PullState::Merged => {
                if moved {
                    records.put(record.clone());
                    self.store(records).await?;
                }
                return Ok(record);
            }
            PullState::Closed => return Err(refused(&what, "it is closed".to_owned())),
            PullState::Open if record.draft => return Err(refused(&what, "it is a draft".to_owned())),
            PullState::Open => {}
        }
        self.vcs.check_configuration().await.map_err(from_git)?;
        let found = self.branch_tip(&record.head).await?;
        if found.as_ref() != Some(&spec.expected_head) {
            let expected = spec.expected_head.clone();
            return Err(ForgeError::Stale { number: spec.number, found, expected });
        }
        let reference = format!("refs/heads/{}", record.base);
        for _ in 0..TRIES {
            let Some(base) = self.branch_tip(&record.base).await? else {
                return Err(refused(&what, format!("there is no branch {}", record.base)));
            };
            self.check_free(&reference).await?;
            let tree = self.checked_out_at(&reference).await?;
            let merged = self.compose(&record, &base, &spec.expected_head, spec.method).await?;
            self.keep_head(record.number, &spec.expected_head).await?;
            record.head_sha = Some(spec.expected_head.clone());
            record.merge_sha = Some(merged.clone());
            records.put(record.clone());
            records = self.store(records).await?;
            if self.advance(&reference, &base, &merged, tree.as_deref(), &what).await? {
                record.state = PullState::Merged;
                records.put(record.clone());
                self.store(records).await?;
                return Ok(record);
            }
        }
        Err(ForgeError::Busy { why: format!("{} moved again and again", record.base) })
    }

    /// Moves the base on, with the tree that it is checked out in; `false` if it moved away meanwhile.
    async fn advance(
        &self,
        reference: &str,
        old: &Sha,
        new: &Sha,
        tree: Option<&Utf8Path>,
        what: &str,
    ) -> Result<bool, ForgeError> {
        let output = match tree {
            Some(tree) => {
                let args =
                    ["merge", "--quiet", "--ff-only", "--no-autostash", "--no-stat", "--no-verify", new.as_str()];
                self.origin.beside(tree).write(args).run().await
            }
            None => self.origin.write(["update-ref", reference, new.as_str(), old.as_str()]).run().await,
        };
        let output = output.map_err(from_git)?;
        let now = self.origin.commit_of(reference).await.map_err(from_git)?;
        if output.status == 0 {
            // Another branch may have been checked out there, or the base moved, between two looks.
            return match &now {
                Some(now) => self.is_in(new, now).await,
                None => Ok(false),
            };
        }
        match tree {
            _ if now.as_ref() != Some(old) => Ok(false),
            // Files in the way, a lock, an operation under way: what stops git stops this, for as long as it is there.
            Some(tree) => Err(ForgeError::Busy { why: format!("{what}: {tree} cannot take it in: {}", output.stderr) }),
            None => Err(from_git(output.error("update-ref"))),
        }
    }

    /// The worktree in which a branch of the origin is checked out.
    pub(super) async fn checked_out_at(&self, reference: &str) -> Result<Option<Utf8PathBuf>, ForgeError> {
        let worktrees = WorktreeInfo::list(&self.origin).await.map_err(from_git)?;
        let is_here = |info: &WorktreeInfo| {
            info.branch.as_ref().is_some_and(|branch| reference.strip_prefix("refs/heads/") == Some(branch.as_str()))
        };
        Ok(worktrees.into_iter().find(is_here).map(|info| info.path).filter(|path| path.is_dir()))
    }
}
