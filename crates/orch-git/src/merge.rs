//! Merges without a worktree: trees by `git merge-tree`, commits by `git commit-tree`.

use orch_core::base::Sha;
use orch_core::ports::VcsError;

use crate::git::Repo;

/// The longest commit message that is handed over; Linux takes 128 KiB in one argument.
const MESSAGE_BYTES: usize = 64 << 10;

/// What merging two commits gives.
pub(crate) enum Merged {
    /// The tree of the result.
    Clean(Sha),
    /// The files that conflict, sorted.
    Conflict(Vec<String>),
}

/// Who a commit is by, and when.
#[derive(Debug, Clone, Default)]
pub(crate) struct Signature {
    /// `-c` settings that say who commits.
    pub(crate) settings: Vec<String>,
    /// The author, if not who commits: name, email, date.
    pub(crate) author: Option<[String; 3]>,
    /// The fixed date of both, for commits that must come out the same each time.
    pub(crate) date: Option<String>,
}

impl Repo {
    /// Merges `theirs` into `ours`. Attributes count as `ours` has them, whatever is checked out.
    ///
    /// With `base`, git 2.40 is needed.
    pub(crate) async fn merge_trees(&self, base: Option<&Sha>, ours: &Sha, theirs: &Sha) -> Result<Merged, VcsError> {
        let base = base.map(|base| format!("--merge-base={base}"));
        let output = self
            .write(["merge-tree", "--write-tree", "-z", "--name-only", "--no-messages"])
            .args(base.as_deref())
            .args([ours.as_str(), theirs.as_str()])
            .env("GIT_ATTR_SOURCE", ours.as_str())
            .run()
            .await?;
        let mut names = output.names();
        match output.status {
            0 | 1 if names.is_empty() => Err(output.error("merge-tree")),
            0 => Sha::parse(&names.swap_remove(0)).map(Merged::Clean).map_err(|_| output.error("merge-tree")),
            1 => {
                names.remove(0);
                names.sort();
                names.dedup();
                Ok(Merged::Conflict(names))
            }
            _ => Err(output.error("merge-tree")),
        }
    }

    /// Makes a commit of a tree; nothing points at it yet.
    pub(crate) async fn commit_tree(
        &self,
        tree: &Sha,
        parents: &[&Sha],
        message: &str,
        by: &Signature,
    ) -> Result<Sha, VcsError> {
        let mut call = self.write(["commit-tree", tree.as_str()]);
        for parent in parents {
            call = call.args(["-p", parent.as_str()]);
        }
        call = call.args(["-m", bounded(message)]);
        for setting in &by.settings {
            call = call.config(setting);
        }
        if let Some(date) = &by.date {
            call = call.env("GIT_AUTHOR_DATE", date).env("GIT_COMMITTER_DATE", date);
        }
        if let Some([name, email, date]) = &by.author {
            call = call.env("GIT_AUTHOR_NAME", name).env("GIT_AUTHOR_EMAIL", email).env("GIT_AUTHOR_DATE", date);
        }
        call.sha().await
    }
}

/// A message that fits into an argument; NUL, which no argument can hold, ends it.
fn bounded(message: &str) -> &str {
    let message = message.split('\0').next().unwrap_or_default();
    let fits = |end: &usize| *end <= MESSAGE_BYTES;
    let end = message.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(fits).last().unwrap_or(0);
    &message[..end]
}
