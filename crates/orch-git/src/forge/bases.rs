//! Branches that a person's git works on without having them checked out.

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::ports::ForgeError;

use super::LocalForge;

/// Where git notes which branch an operation will move or go back to, in the git directory of a worktree.
const NOTES: [(&str, &str); 3] =
    [("rebase-merge/head-name", "a rebase"), ("rebase-apply/head-name", "a rebase"), ("BISECT_START", "a bisect")];

impl LocalForge {
    /// Refuses to move a branch under somebody's rebase or bisect of it, which git itself refuses too: the rebase
    /// could not end.
    ///
    /// # Errors
    /// [`ForgeError::Busy`] with what is under way and where.
    pub(super) async fn check_free(&self, reference: &str) -> Result<(), ForgeError> {
        let (common, reference) = (self.common.clone(), reference.to_owned());
        let found = super::blocking("a look at its base", move || under_way(&common, &reference)).await?;
        match found {
            Some((what, git_dir)) => {
                let why = format!("{what} of its base is under way ({git_dir}); it is merged once that ended");
                Err(ForgeError::Busy { why })
            }
            None => Ok(()),
        }
    }
}

/// The operation on a branch that is under way in one of the worktrees, and whose git directory says so.
fn under_way(common: &Utf8Path, reference: &str) -> Option<(&'static str, Utf8PathBuf)> {
    let linked = common.join("worktrees").read_dir_utf8().into_iter().flatten().flatten();
    let mut git_dirs = std::iter::once(common.to_owned()).chain(linked.map(camino::Utf8DirEntry::into_path));
    let short = reference.strip_prefix("refs/heads/").unwrap_or(reference);
    git_dirs.find_map(|git_dir| {
        let names = |note: &str| {
            let path = git_dir.join(note);
            let small = path.symlink_metadata().is_ok_and(|found| found.is_file() && found.len() < 4096);
            let text = if small { std::fs::read_to_string(&path).unwrap_or_default() } else { String::new() };
            [reference, short].contains(&text.trim())
        };
        NOTES.iter().find(|(note, _)| names(note)).map(|(_, what)| (*what, git_dir.clone()))
    })
}
