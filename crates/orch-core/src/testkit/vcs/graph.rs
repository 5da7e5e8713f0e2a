//! Commits as a graph, and what git computes from one.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::Sha;
use crate::time::Timestamp;

/// Every file of a commit with its content.
pub(in crate::testkit) type Tree = BTreeMap<String, String>;

#[derive(Clone)]
pub(in crate::testkit) struct Node {
    pub(in crate::testkit) parents: Vec<Sha>,
    pub(in crate::testkit) tree: Tree,
    pub(in crate::testkit) message: String,
    pub(in crate::testkit) at: Timestamp,
}

#[derive(Default)]
pub(in crate::testkit) struct Graph {
    nodes: BTreeMap<Sha, Node>,
}

impl Graph {
    /// Adds a commit; equal commits have equal ids.
    pub(in crate::testkit) fn add(&mut self, node: Node) -> Sha {
        let parents = node.parents.iter().map(|parent| format!("{parent}\n"));
        let files = node.tree.iter().map(|(path, content)| format!("{path}\0{}\0{content}\n", content.len()));
        let text = format!("{}\n{}\n{}", node.at, node.message, parents.chain(files).collect::<Vec<_>>().concat());
        let sha = digest(&text);
        self.nodes.entry(sha.clone()).or_insert(node);
        sha
    }

    pub(in crate::testkit) fn node(&self, sha: &Sha) -> Option<&Node> {
        self.nodes.get(sha)
    }

    pub(in crate::testkit) fn tree(&self, sha: &Sha) -> Tree {
        self.nodes.get(sha).map(|node| node.tree.clone()).unwrap_or_default()
    }

    /// The commit and all that it contains.
    pub(in crate::testkit) fn ancestors(&self, sha: &Sha) -> BTreeSet<Sha> {
        let (mut seen, mut open) = (BTreeSet::new(), vec![sha.clone()]);
        while let Some(sha) = open.pop() {
            if let Some(node) = self.nodes.get(&sha)
                && seen.insert(sha)
            {
                open.extend(node.parents.iter().cloned());
            }
        }
        seen
    }

    pub(in crate::testkit) fn contains(&self, ancestor: &Sha, descendant: &Sha) -> bool {
        self.ancestors(descendant).contains(ancestor)
    }

    /// The newest commit that both contain.
    pub(in crate::testkit) fn merge_base(&self, one: &Sha, other: &Sha) -> Option<Sha> {
        let theirs = self.ancestors(other);
        let common: Vec<Sha> = self.ancestors(one).into_iter().filter(|sha| theirs.contains(sha)).collect();
        common.into_iter().max_by_key(|sha| self.ancestors(sha).len())
    }

    /// Merges a tip into another by a new commit.
    ///
    /// # Errors
    /// The files that conflict.
    pub(in crate::testkit) fn merge(&mut self, merge: &Merge<'_>) -> Result<Sha, Vec<String>> {
        let base = merge.base.cloned().or_else(|| self.merge_base(merge.into, merge.tip));
        let base = base.map(|base| self.tree(&base)).unwrap_or_default();
        let tree = merge_trees(&base, &self.tree(merge.into), &self.tree(merge.tip))?;
        let parents = vec![merge.into.clone(), merge.tip.clone()];
        Ok(self.add(Node { parents, tree, message: merge.message.to_owned(), at: merge.at }))
    }

    /// Commits from `start` (left out) to `head` along first parents, merges left out, oldest first.
    pub(in crate::testkit) fn own_commits(&self, start: &Sha, head: &Sha) -> Vec<(Sha, &Node)> {
        let known = self.ancestors(start);
        let (mut commits, mut at) = (Vec::new(), Some(head.clone()));
        while let Some(sha) = at.take_if(|sha| !known.contains(sha)) {
            let Some(node) = self.nodes.get(&sha) else { break };
            at = node.parents.first().cloned();
            if node.parents.len() < 2 {
                commits.push((sha, node));
            }
        }
        commits.reverse();
        commits
    }
}

/// A merge to make.
pub(in crate::testkit) struct Merge<'a> {
    pub(in crate::testkit) into: &'a Sha,
    pub(in crate::testkit) tip: &'a Sha,
    pub(in crate::testkit) base: Option<&'a Sha>,
    pub(in crate::testkit) message: &'a str,
    pub(in crate::testkit) at: Timestamp,
}

/// Merges whole files: one that both sides changed to different contents conflicts.
pub(in crate::testkit) fn merge_trees(base: &Tree, ours: &Tree, theirs: &Tree) -> Result<Tree, Vec<String>> {
    let paths: BTreeSet<&String> = base.keys().chain(ours.keys()).chain(theirs.keys()).collect();
    let (mut merged, mut conflicts) = (Tree::new(), Vec::new());
    for path in paths {
        let (was, our, their) = (base.get(path), ours.get(path), theirs.get(path));
        let content = if our == their || their == was {
            our
        } else if our == was {
            their
        } else {
            conflicts.push(path.clone());
            continue;
        };
        if let Some(content) = content {
            merged.insert(path.clone(), content.clone());
        }
    }
    if conflicts.is_empty() { Ok(merged) } else { Err(conflicts) }
}

fn digest(text: &str) -> Sha {
    let fnv = |seed: u64| text.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let seeds = [0xcbf2_9ce4_8422_2325, 0x9e37_79b9_7f4a_7c15, 0x2545_f491_4f6c_dd1d];
    let hex = seeds.map(|seed| format!("{:016x}", fnv(seed))).concat();
    Sha::parse(&hex[..40]).expect("forty hexadecimal digits are an id")
}
