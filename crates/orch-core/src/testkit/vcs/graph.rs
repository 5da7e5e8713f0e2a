//! Commits as a graph, and what git computes from one.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::id::Sha;
use crate::base::time::Timestamp;

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
    /// In the order in which they were made: nothing contains what comes after it.
    commits: Vec<Commit>,
    places: BTreeMap<Sha, usize>,
}

struct Commit {
    sha: Sha,
    node: Node,
    parents: Vec<usize>,
}

impl Graph {
    /// Adds a commit; equal commits have equal ids.
    pub(in crate::testkit) fn add(&mut self, node: Node) -> Sha {
        let parents = node.parents.iter().map(|parent| format!("{parent}\n"));
        let files = node.tree.iter().map(|(path, content)| format!("{path}\0{}\0{content}\n", content.len()));
        let text = format!("{}\n{}\n{}", node.at, node.message, parents.chain(files).collect::<Vec<_>>().concat());
        let sha = digest(&text);
        if !self.places.contains_key(&sha) {
            let parents = node.parents.iter().filter_map(|parent| self.places.get(parent).copied()).collect();
            self.places.insert(sha.clone(), self.commits.len());
            self.commits.push(Commit { sha: sha.clone(), node, parents });
        }
        sha
    }

    pub(in crate::testkit) fn node(&self, sha: &Sha) -> Option<&Node> {
        self.places.get(sha).map(|place| &self.commits[*place].node)
    }

    pub(in crate::testkit) fn tree(&self, sha: &Sha) -> Tree {
        self.node(sha).map(|node| node.tree.clone()).unwrap_or_default()
    }

    /// The id of a commit's tree.
    pub(in crate::testkit) fn tree_id(&self, sha: &Sha) -> Option<Sha> {
        self.node(sha).map(|node| tree_id(&node.tree))
    }

    /// The merges of others' work on the way from `start` to `head`: what each was made of, and what it took in.
    pub(in crate::testkit) fn taken_in(&self, start: &Sha, head: &Sha) -> Vec<(&Tree, &Tree, &Tree)> {
        let (mut taken, mut at) = (Vec::new(), Some(head.clone()));
        while let Some(sha) = at.take_if(|sha| !self.contains(sha, start)) {
            let Some(node) = self.node(&sha) else { break };
            if let [first, tip] = node.parents.as_slice()
                && let (Some(first), Some(tip)) = (self.node(first), self.node(tip))
            {
                taken.push((&first.tree, &node.tree, &tip.tree));
            }
            at = node.parents.first().cloned();
        }
        taken
    }

    /// The commit and all that it contains.
    pub(in crate::testkit) fn history(&self, sha: &Sha) -> BTreeSet<Sha> {
        self.histories([sha])
    }

    /// These commits and all that they contain.
    pub(in crate::testkit) fn histories<'s>(&self, tips: impl IntoIterator<Item = &'s Sha>) -> BTreeSet<Sha> {
        let mut open: BTreeSet<usize> = tips.into_iter().filter_map(|tip| self.places.get(tip).copied()).collect();
        let mut seen = BTreeSet::new();
        while let Some(place) = open.pop_last() {
            let commit = &self.commits[place];
            seen.insert(commit.sha.clone());
            open.extend(&commit.parents);
        }
        seen
    }

    pub(in crate::testkit) fn contains(&self, ancestor: &Sha, descendant: &Sha) -> bool {
        let (Some(wanted), Some(from)) = (self.places.get(ancestor), self.places.get(descendant)) else { return false };
        let mut open = BTreeSet::from([*from]);
        while let Some(place) = open.pop_last().filter(|place| place >= wanted) {
            if place == *wanted {
                return true;
            }
            open.extend(&self.commits[place].parents);
        }
        false
    }

    /// The files that two commits have in common, as git's recursive strategy sees it: several newest
    /// common commits are merged first.
    pub(in crate::testkit) fn common(&self, one: &Sha, other: &Sha) -> Tree {
        let bases = self.merge_bases(one, other);
        let Some((first, rest)) = bases.split_first() else { return Tree::new() };
        rest.iter().fold(self.tree(first), |tree, next| {
            let theirs = self.tree(next);
            merge_trees(&self.common(first, next), &tree, &theirs).unwrap_or(tree)
        })
    }

    /// The commits that both contain and that no other such commit contains, newest first.
    fn merge_bases(&self, one: &Sha, other: &Sha) -> Vec<&Sha> {
        let mut frontier = Frontier::default();
        for (sha, by_one, by_other) in [(one, true, false), (other, false, true)] {
            if let Some(place) = self.places.get(sha) {
                frontier.reach(*place, Reached { by_one, by_other, below_a_base: false });
            }
        }
        let mut bases = Vec::new();
        // What contains a commit comes after it, so once it is taken all ways to it are known.
        while let Some((place, mut reached)) = frontier.take() {
            if reached.by_one && reached.by_other && !reached.below_a_base {
                bases.push(&self.commits[place].sha);
                reached.below_a_base = true;
            }
            for parent in &self.commits[place].parents {
                frontier.reach(*parent, reached);
            }
        }
        bases
    }

    /// Merges a tip into another by a new commit.
    ///
    /// # Errors
    /// The files that conflict.
    pub(in crate::testkit) fn merge(&mut self, merge: &Merge<'_>) -> Result<Sha, Vec<String>> {
        let base = merge.base.map_or_else(|| self.common(merge.into, merge.tip), |base| self.tree(base));
        let tree = merge_trees(&base, &self.tree(merge.into), &self.tree(merge.tip))?;
        let parents = vec![merge.into.clone(), merge.tip.clone()];
        Ok(self.add(Node { parents, tree, message: merge.message.to_owned(), at: merge.at }))
    }

    /// Commits from `start` (left out) to `head` along first parents, merges left out, oldest first.
    pub(in crate::testkit) fn own_commits(&self, start: &Sha, head: &Sha) -> Vec<(Sha, &Node)> {
        let (mut commits, mut at) = (Vec::new(), Some(head.clone()));
        while let Some(sha) = at.take_if(|sha| !self.contains(sha, start)) {
            let Some(node) = self.node(&sha) else { break };
            at = node.parents.first().cloned();
            if node.parents.len() < 2 {
                commits.push((sha, node));
            }
        }
        commits.reverse();
        commits
    }
}

/// Commits that are reached and not taken, by their place.
#[derive(Default)]
struct Frontier {
    open: BTreeMap<usize, Reached>,
    /// How many of them are not below a base.
    above: usize,
}

/// From where a commit is reached.
#[derive(Clone, Copy, Default)]
struct Reached {
    by_one: bool,
    by_other: bool,
    below_a_base: bool,
}

impl Frontier {
    fn reach(&mut self, place: usize, from: Reached) {
        let known = self.open.get(&place).copied();
        let old = known.unwrap_or_default();
        let new = Reached {
            by_one: old.by_one || from.by_one,
            by_other: old.by_other || from.by_other,
            below_a_base: old.below_a_base || from.below_a_base,
        };
        self.above += usize::from(!new.below_a_base);
        self.above -= usize::from(known.is_some_and(|known| !known.below_a_base));
        self.open.insert(place, new);
    }

    /// The newest, as long as one that is not below a base is left.
    fn take(&mut self) -> Option<(usize, Reached)> {
        let (place, reached) = self.open.pop_last().filter(|_| self.above > 0)?;
        self.above -= usize::from(!reached.below_a_base);
        Some((place, reached))
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

/// The id of a tree.
pub(in crate::testkit) fn tree_id(tree: &Tree) -> Sha {
    let files = tree.iter().map(|(path, content)| format!("{path}\0{}\0{content}\n", content.len()));
    digest(&files.collect::<Vec<_>>().concat())
}

fn digest(text: &str) -> Sha {
    let fnv = |seed: u64| text.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let seeds = [0xcbf2_9ce4_8422_2325, 0x9e37_79b9_7f4a_7c15, 0x2545_f491_4f6c_dd1d];
    let hex = seeds.map(|seed| format!("{:016x}", fnv(seed))).concat();
    Sha::parse(&hex[..40]).expect("forty hexadecimal digits are an id")
}
