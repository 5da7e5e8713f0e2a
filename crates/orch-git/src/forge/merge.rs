//! The commits that a merge makes, by its method.

use orch_core::base::Sha;
use orch_core::ports::{ForgeError, MergeMethod};

use super::records::Record;
use super::{LocalForge, from_git, refused};
use crate::git::GitVersion;
use crate::merge::{Merged, Signature};

impl LocalForge {
    /// The commit that the base becomes when `head` is merged into it; nothing points at it yet.
    pub(super) async fn compose(
        &self,
        record: &Record,
        base: &Sha,
        head: &Sha,
        method: MergeMethod,
    ) -> Result<Sha, ForgeError> {
        let by = self.vcs.signature().await.map_err(from_git)?;
        match method {
            MergeMethod::Merge => {
                let tree = self.merged_tree(record, None, base, head).await?;
                let (number, title) = (record.number, one_line(&record.title));
                let message = format!("Merge pull request #{number} from {}\n\n{title}", record.head);
                self.origin.commit_tree(&tree, &[base, head], &message, &by).await.map_err(from_git)
            }
            MergeMethod::Squash => {
                let tree = self.merged_tree(record, None, base, head).await?;
                self.squashed(record, base, &tree, &by).await
            }
            MergeMethod::Rebase => self.rebased(record, base, head, &by).await,
        }
    }

    async fn squashed(&self, record: &Record, base: &Sha, tree: &Sha, by: &Signature) -> Result<Sha, ForgeError> {
        let message = format!("{} (#{})\n\n{}", one_line(&record.title), record.number, record.body);
        self.origin.commit_tree(tree, &[base], message.trim_end(), by).await.map_err(from_git)
    }

    /// The head's commits anew on the base. Where the head has the base in it, its own tree must come out; commits
    /// of which that cannot be said, because a merge among them resolved what they do not say, become one.
    async fn rebased(&self, record: &Record, base: &Sha, head: &Sha, by: &Signature) -> Result<Sha, ForgeError> {
        let replayed = self.replay(record, base, head, by).await;
        if !self.origin.is_ancestor(base, head).await.map_err(from_git)? {
            return replayed;
        }
        let tree = self.origin.tree_of(head).await.map_err(from_git)?;
        match replayed {
            Ok(tip) if self.origin.tree_of(&tip).await.map_err(from_git)? == tree => Ok(tip),
            Ok(_) | Err(ForgeError::Conflict { .. }) => self.squashed(record, base, &tree, by).await,
            Err(error) => Err(error),
        }
    }

    /// The head's commits anew on the base, their authors kept; those that the base has already, or that change
    /// nothing there, are left out.
    async fn replay(&self, record: &Record, base: &Sha, head: &Sha, by: &Signature) -> Result<Sha, ForgeError> {
        if self.vcs.version() < GitVersion::MERGE_BASE {
            let why = format!("git {} is needed for it, this is {}", GitVersion::MERGE_BASE, self.vcs.version());
            return Err(refused("a rebase", why));
        }
        let range = format!("{base}...{head}");
        let format = "--format=%H%x00%P%x00%an%x00%ae%x00%ad%x00%B%x00";
        let args = ["log", "--reverse", "--topo-order", "--no-merges", "--cherry-pick", "--right-only"];
        let output = self.origin.read(args).args(["--date=raw", format, &range]).ok().await.map_err(from_git)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let fields: Vec<&str> = text.split('\0').collect();
        let mut tip = base.clone();
        for commit in fields.chunks_exact(6) {
            let own = Sha::parse(commit[0].trim_start()).map_err(|_| from_git(output.error("log")))?;
            let parent = Sha::parse(commit[1]).map_err(|_| refused("a rebase", format!("{own} has no parent")))?;
            let tree = self.merged_tree(record, Some(&parent), &tip, &own).await?;
            if tree == self.origin.tree_of(&tip).await.map_err(from_git)? {
                continue;
            }
            let author = Some([commit[2], commit[3], commit[4]].map(str::to_owned));
            let by = Signature { author, ..by.clone() };
            tip = self.origin.commit_tree(&tree, &[&tip], commit[5].trim_end(), &by).await.map_err(from_git)?;
        }
        Ok(tip)
    }

    async fn merged_tree(
        &self,
        record: &Record,
        merge_base: Option<&Sha>,
        ours: &Sha,
        theirs: &Sha,
    ) -> Result<Sha, ForgeError> {
        match self.origin.merge_trees(merge_base, ours, theirs).await.map_err(from_git)? {
            Merged::Clean(tree) => Ok(tree),
            Merged::Conflict(files) => {
                Err(ForgeError::Conflict { number: record.number, base: record.base.clone(), files })
            }
        }
    }
}

fn one_line(title: &str) -> String {
    title.split_whitespace().collect::<Vec<_>>().join(" ")
}
