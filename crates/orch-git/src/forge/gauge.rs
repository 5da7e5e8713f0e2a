//! Where a pull request stands, by what the origin holds.

use std::collections::BTreeMap;

use orch_core::base::{BranchName, PullNumber, Sha};
use orch_core::ports::{ForgeError, MergeState, Pull, PullState, VcsError};

use super::records::Record;
use super::{LocalForge, from_git};
use crate::merge::Merged;

impl LocalForge {
    /// Looks an open pull request up in the origin: it is merged if its base contains the commit of a merge under
    /// way, or its head (somebody merged by hand). The flag says that the record changed.
    pub(super) async fn look(&self, mut record: Record) -> Result<(Record, bool), ForgeError> {
        if record.state == PullState::Closed {
            return Ok((record, false));
        }
        let Some(base) = self.branch_tip(&record.base).await? else { return Ok((record, false)) };
        if record.state == PullState::Merged {
            let proof = record.merge_sha.as_ref().or(record.head_sha.as_ref());
            let there = match proof {
                Some(sha) => self.is_in(sha, &base).await?,
                None => false,
            };
            if there {
                return Ok((record, false));
            }
            // The file says so, and the base does not have it: it was edited, or the base was set back.
            record.state = PullState::Open;
            record.merge_sha = None;
        }
        if let Some(sha) = &record.merge_sha
            && self.is_in(sha, &base).await?
        {
            record.state = PullState::Merged;
            return Ok((record, true));
        }
        let (tip, seen) = (self.branch_tip(&record.head).await?, record.head_sha.clone());
        let Some(head) = tip.as_ref().or(seen.as_ref()) else { return Ok((record, false)) };
        let is_in_base = self.is_in(head, &base).await?;
        // A branch that was only set back to its base has merged nothing: what it had must be there too.
        if is_in_base && self.is_in(seen.as_ref().unwrap_or(head), &base).await? {
            self.keep_head(record.number, head).await?;
            record.merge_sha = Some(self.merge_of(head, &base).await?);
            record.head_sha = Some(head.clone());
            record.state = PullState::Merged;
            return Ok((record, true));
        }
        let moved = !is_in_base && tip.is_some() && tip != seen;
        if moved {
            record.head_sha = tip;
        }
        Ok((record, moved))
    }

    /// The record as the port has it.
    pub(super) async fn view(
        &self,
        record: &Record,
        merges: &mut BTreeMap<(Sha, Sha), bool>,
    ) -> Result<Pull, ForgeError> {
        let is_open = record.state == PullState::Open;
        let head_sha = if is_open { self.branch_tip(&record.head).await? } else { record.head_sha.clone() };
        let mut merge_state = MergeState::Unknown;
        if is_open {
            merge_state = match (&head_sha, self.branch_tip(&record.base).await?) {
                (Some(head), Some(base)) if !self.merges(head, base.clone(), merges).await? => MergeState::Dirty,
                (Some(_), Some(_)) if record.draft => MergeState::Blocked("it is a draft".to_owned()),
                (Some(_), Some(_)) => MergeState::Clean,
                (None, _) => MergeState::Blocked(format!("there is no branch {}", record.head)),
                (_, None) => MergeState::Blocked(format!("there is no branch {}", record.base)),
            };
        }
        let mut pull = Pull::new(record.number, record.head.clone(), record.base.clone(), record.state);
        pull.merge_sha = record.merge_sha.clone().filter(|_| record.state == PullState::Merged);
        (pull.head_sha, pull.merge_state, pull.draft) = (head_sha, merge_state, record.draft);
        (pull.check_runs, pull.reviews) = (record.checks.clone(), record.reviews());
        Ok(pull)
    }

    async fn merges(&self, head: &Sha, base: Sha, known: &mut BTreeMap<(Sha, Sha), bool>) -> Result<bool, ForgeError> {
        let key = (head.clone(), base);
        if let Some(answer) = known.get(&key) {
            return Ok(*answer);
        }
        let answer = match self.origin.merge_trees(None, &key.1, head).await {
            Ok(merged) => matches!(merged, Merged::Clean(_)),
            // Whoever tries to take the base in is told why.
            Err(VcsError::Git { stderr, .. }) if stderr.contains("unrelated histories") => false,
            Err(error) => return Err(from_git(error)),
        };
        // Pairs of tips that are gone are never asked for again.
        if known.len() >= 1000 {
            known.clear();
        }
        known.insert(key, answer);
        Ok(answer)
    }

    /// Whether `tip` contains the commit; a commit that is not there at all is in nothing.
    pub(super) async fn is_in(&self, commit: &Sha, tip: &Sha) -> Result<bool, ForgeError> {
        if self.origin.commit_of(commit.as_str()).await.map_err(from_git)?.is_none() {
            return Ok(false);
        }
        self.origin.is_ancestor(commit, tip).await.map_err(from_git)
    }

    /// The first commit of the base's own line that contains `head`.
    async fn merge_of(&self, head: &Sha, base: &Sha) -> Result<Sha, ForgeError> {
        let range = format!("{head}..{base}");
        let args = ["rev-list", "--first-parent", "--ancestry-path", &range];
        let lines = self.origin.read(args).ok().await.map_err(from_git)?.lines();
        Ok(lines.last().and_then(|line| Sha::parse(line).ok()).unwrap_or_else(|| head.clone()))
    }

    /// Keeps a pull request's head under `refs/pull/<number>/head`, as GitHub does.
    pub(super) async fn keep_head(&self, number: PullNumber, head: &Sha) -> Result<(), ForgeError> {
        self.origin.set_ref(&format!("refs/pull/{number}/head"), head, None).await.map_err(from_git)
    }

    /// Deletes a branch if it is still there; one that is checked out stays until its worktree goes.
    pub(super) async fn drop_branch(&self, branch: &BranchName, tip: &Sha) -> Result<(), ForgeError> {
        let reference = format!("refs/heads/{branch}");
        if self.checked_out_at(&reference).await?.is_some() {
            return Ok(());
        }
        let call = self.origin.write(["update-ref", "-d", &reference, tip.as_str()]);
        call.ok().await.map(drop).map_err(from_git)
    }
}
