//! One worktree: what is checked out, staged and on disk.

use globset::Glob;

use super::graph::Tree;
use crate::base::id::{BranchName, Sha};
use crate::ports::{Dirt, Nested};

/// The one file of every simulated repository inside a worktree.
pub(super) const NESTED: &str = "inside.txt";

#[derive(Debug, Clone)]
pub(super) struct Worktree {
    pub(super) branch: Option<BranchName>,
    pub(super) head: Sha,
    pub(super) index: Tree,
    pub(super) files: Tree,
    pub(super) operation: Option<String>,
    /// Repositories inside it whose work is nowhere else, and what they hold.
    pub(super) nested: Tree,
    /// Files that no commit of orch's takes.
    pub(super) stubborn: Vec<String>,
}

impl Worktree {
    pub(super) fn at(branch: &BranchName, head: &Sha, tree: &Tree) -> Self {
        Self {
            branch: Some(branch.clone()),
            head: head.clone(),
            index: tree.clone(),
            files: tree.clone(),
            operation: None,
            nested: Tree::default(),
            stubborn: Vec::new(),
        }
    }

    /// What is not committed, given the head's files.
    pub(super) fn dirt(&self, committed: &Tree) -> Dirt {
        let tracked = |path: &&String| committed.contains_key(*path) || self.index.contains_key(*path);
        let changed = |path: &&String| {
            let staged = self.index.get(*path);
            staged != committed.get(*path) || staged != self.files.get(*path)
        };
        let mut paths: Vec<&String> = committed.keys().chain(self.index.keys()).chain(self.files.keys()).collect();
        paths.sort();
        paths.dedup();
        let (known, unknown): (Vec<&String>, Vec<&String>) = paths.into_iter().partition(tracked);
        Dirt {
            tracked: known.into_iter().filter(changed).cloned().collect(),
            untracked: unknown.into_iter().filter(|path| !self.ignores(path)).cloned().collect(),
            operation: self.operation.clone(),
            nested: self
                .nested
                .keys()
                .map(|path| Nested { path: path.clone(), why: "its commits are only here".to_owned() })
                .collect(),
        }
    }

    /// All files as a commit of everything would have them.
    pub(super) fn everything(&self) -> Tree {
        let kept = |path: &String| self.index.contains_key(path) || !self.ignores(path);
        let files = self.files.iter().filter(|(path, _)| kept(path)).map(|(path, text)| (path.clone(), text.clone()));
        files.chain(self.nested.iter().map(|(path, text)| (format!("{path}/{NESTED}"), text.clone()))).collect()
    }

    /// Moves the checkout to a commit; files outside both trees stay.
    pub(super) fn check_out(&mut self, old: &Tree, head: &Sha, new: &Tree) {
        self.files.retain(|path, _| !old.contains_key(path) || new.contains_key(path));
        self.files.extend(new.clone());
        self.index.clone_from(new);
        self.head = head.clone();
    }

    /// Whether one of the globs in `.gitignore` matches the path or its last part.
    fn ignores(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        let globs = self.files.get(".gitignore").map(String::as_str).unwrap_or_default();
        globs.lines().filter_map(|line| Glob::new(line).ok()).any(|glob| {
            let matcher = glob.compile_matcher();
            matcher.is_match(path) || matcher.is_match(name)
        })
    }
}
