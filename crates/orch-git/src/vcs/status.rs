use std::collections::BTreeSet;

use camino::Utf8Path;
use orch_core::base::Sha;
use orch_core::ports::{Dirt, VcsError};

use crate::git::Call;

/// What `git status` says of a worktree; paths as bytes, as they are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    /// The commit checked out; `None` on a branch without one.
    pub(super) head: Option<Sha>,
    /// The branch checked out; `None` when HEAD is detached.
    pub(super) branch: Option<String>,
    /// Tracked paths with changes, staged or not.
    pub(super) tracked: BTreeSet<Vec<u8>>,
    /// Untracked paths that are not ignored; repositories inside the worktree end in a slash.
    pub(super) untracked: BTreeSet<Vec<u8>>,
    /// Those of the tracked paths that are links to commits.
    pub(super) links: BTreeSet<Vec<u8>>,
    /// Whether the index holds several versions of a path.
    pub(super) unmerged: bool,
}

/// The arguments of the call whose output [`Status::parse`] reads. Submodules are not entered: their
/// configuration is not ours to trust.
pub(super) const STATUS: [&str; 7] =
    ["status", "--porcelain=v2", "--branch", "-z", "--no-renames", "--no-ahead-behind", "--ignore-submodules=dirty"];

impl Status {
    pub(super) async fn of(call: Call) -> Result<Self, VcsError> {
        Ok(Self::parse(&call.ok().await?.stdout))
    }

    /// Reads `git status --porcelain=v2 --branch -z`.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let mut status = Self::default();
        let mut pieces = bytes.split(|byte| *byte == 0).filter(|piece| !piece.is_empty());
        while let Some(piece) = pieces.next() {
            let (kind, rest) = piece.split_at(piece.len().min(2));
            match kind {
                b"# " => status.header(&String::from_utf8_lossy(rest)),
                b"1 " => status.change(rest, 7),
                b"2 " => {
                    status.change(rest, 8);
                    status.tracked.extend(pieces.next().map(<[u8]>::to_vec));
                }
                b"u " => {
                    status.unmerged = true;
                    status.change(rest, 9);
                }
                b"? " => drop(status.untracked.insert(rest.to_vec())),
                _ => {}
            }
        }
        status
    }

    fn header(&mut self, line: &str) {
        match line.split_once(' ') {
            Some(("branch.oid", oid)) => self.head = Sha::parse(oid).ok(),
            Some(("branch.head", name)) if name != "(detached)" => self.branch = Some(name.to_owned()),
            _ => {}
        }
    }

    /// The path stands after `fields` fields, blanks in it included.
    fn change(&mut self, rest: &[u8], fields: usize) {
        let path = rest.splitn(fields + 1, |byte| *byte == b' ').nth(fields).map(<[u8]>::to_vec);
        // `XY sub mH mI …`: the modes in the head and in the index.
        let is_link = rest.splitn(6, |byte| *byte == b' ').skip(2).take(2).any(|mode| mode == b"160000");
        self.links.extend(path.clone().filter(|_| is_link));
        self.tracked.extend(path);
    }

    /// The same as the port has it; lists bounded to `limit`.
    pub(super) fn dirt(&self, git_dir: &Utf8Path, limit: usize) -> Dirt {
        Dirt {
            tracked: names(&self.tracked, limit),
            untracked: names(&self.untracked, limit),
            operation: operation(git_dir).map(str::to_owned),
            nested: Vec::new(),
        }
    }
}

fn names(paths: &BTreeSet<Vec<u8>>, limit: usize) -> Vec<String> {
    paths.iter().take(limit).map(|path| String::from_utf8_lossy(path).into_owned()).collect()
}

/// The operation that is half done in a worktree, by the files that git keeps about it.
pub(super) fn operation(git_dir: &Utf8Path) -> Option<&'static str> {
    const MARKS: &[(&str, &str)] = &[
        ("rebase-merge", "rebase"),
        ("rebase-apply", "rebase"),
        ("MERGE_HEAD", "merge"),
        ("CHERRY_PICK_HEAD", "cherry-pick"),
        ("REVERT_HEAD", "revert"),
        ("sequencer", "cherry-pick"),
        ("BISECT_LOG", "bisect"),
    ];
    MARKS.iter().find(|(file, _)| git_dir.join(file).exists()).map(|(_, operation)| *operation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_is_read() {
        let sha = "0123456789012345678901234567890123456789";
        let text = format!(
            "# branch.oid {sha}\0# branch.head fix/x\0\
             1 .M N... 100644 100644 100644 {sha} {sha} a b\n\"c\0\
             2 R. N... 100644 100644 100644 {sha} {sha} R100 new name\0old name\0\
             u UU N... 100644 100644 100644 100644 {sha} {sha} {sha} both\0\
             ? -dash\0? nested/\0! ignored\0"
        );
        let status = Status::parse(text.as_bytes());
        let shown = |paths: &BTreeSet<Vec<u8>>| names(paths, 10);
        assert_eq!(status.head.as_ref().map(Sha::as_str), Some(sha));
        assert_eq!(status.branch.as_deref(), Some("fix/x"));
        assert_eq!(shown(&status.tracked), ["a b\n\"c", "both", "new name", "old name"]);
        assert_eq!(shown(&status.untracked), ["-dash", "nested/"]);
        assert!(status.unmerged);
        assert_eq!(names(&status.tracked, 1), ["a b\n\"c"]);
    }

    #[test]
    fn no_commit_and_a_detached_head_are_none() {
        let status = Status::parse(b"# branch.oid (initial)\0# branch.head (detached)\0");
        assert_eq!(status, Status::default());
    }
}
