//! Which tasks must follow which because their files overlap.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::files::{Entry, FileSet, Shape};

/// The distinct entries of all tasks: equal ones are found by name, so that only directories and
/// globs are ever compared with others.
#[derive(Debug)]
pub(super) struct FileIndex {
    entries: Vec<(String, Shape)>,
    starts: Vec<u32>,
    touched: Vec<u32>,
}

impl FileIndex {
    #[expect(clippy::cast_possible_truncation, reason = "a manifest of 256 MiB holds fewer entries than u32 counts")]
    pub(super) fn new<'p>(sets: impl Iterator<Item = &'p FileSet>) -> Self {
        let mut known: BTreeMap<&'p str, u32> = BTreeMap::new();
        let mut index = Self { entries: Vec::new(), starts: vec![0], touched: Vec::new() };
        for set in sets {
            for entry in set.each() {
                let entries = &mut index.entries;
                let id = *known.entry(entry.text).or_insert_with(|| {
                    entries.push((entry.text.to_owned(), entry.shape.clone()));
                    entries.len() as u32 - 1
                });
                index.touched.push(id);
            }
            index.starts.push(index.touched.len() as u32);
        }
        index
    }

    /// Whether the files of two tasks overlap.
    pub(super) fn overlap(&self, left: u32, right: u32) -> bool {
        let theirs = self.of(right);
        self.of(left).iter().any(|&a| theirs.iter().any(|&b| a == b || self.entry(a).overlaps(self.entry(b))))
    }

    /// What the files of two tasks have in common, as [`FileSet::shared`] says it.
    pub(super) fn shared(&self, left: u32, right: u32) -> Vec<String> {
        let mut common = BTreeSet::new();
        for &a in self.of(left) {
            for &b in self.of(right) {
                let (own, other) = (self.entry(a), self.entry(b));
                if own.overlaps(other) {
                    common.insert(own.narrower(other).to_owned());
                }
            }
        }
        common.into_iter().collect()
    }

    /// The entries of a task as written.
    pub(super) fn names(&self, task: u32) -> impl Iterator<Item = &str> {
        self.of(task).iter().map(|&id| self.entry(id).text)
    }

    /// For each task those before it in the order that it must follow: the last one on each entry that
    /// overlaps one of its own. With what these follow in turn, every overlapping pair is ordered.
    pub(super) fn candidates(&self, order: &[u32]) -> Vec<Vec<u32>> {
        let wider = self.wider();
        let mut last: Vec<Option<u32>> = vec![None; self.entries.len()];
        // What was touched within a wide entry since that entry itself was.
        let mut news: Vec<BTreeSet<u32>> = vec![BTreeSet::new(); self.entries.len()];
        let mut candidates = vec![Vec::new(); order.len()];
        for &task in order {
            let own = &mut candidates[task as usize];
            for &id in self.of(task) {
                own.extend(last[id as usize]);
                own.extend(wider[id as usize].iter().filter_map(|&wide| last[wide as usize]));
                own.extend(std::mem::take(&mut news[id as usize]).iter().filter_map(|&narrow| last[narrow as usize]));
            }
            for &id in self.of(task) {
                last[id as usize] = Some(task);
                for &wide in &wider[id as usize] {
                    news[wide as usize].insert(id);
                }
            }
        }
        candidates
    }

    /// For each entry the others that overlap it and could match at, or above, where it begins.
    #[expect(clippy::cast_possible_truncation, reason = "a manifest of 256 MiB holds fewer entries than u32 counts")]
    fn wider(&self) -> Vec<Vec<u32>> {
        let mut by_prefix: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for id in 0..self.entries.len() as u32 {
            for prefix in self.entry(id).prefixes() {
                by_prefix.entry(prefix).or_default().push(id);
            }
        }
        let mut wider = vec![Vec::new(); self.entries.len()];
        for (id, own) in (0..).zip(wider.iter_mut()) {
            let entry = self.entry(id);
            let above: BTreeSet<u32> = entry
                .prefixes()
                .into_iter()
                .flat_map(at_and_above)
                .filter_map(|prefix| by_prefix.get(prefix))
                .flatten()
                .copied()
                .collect();
            own.extend(above.into_iter().filter(|&other| other != id && entry.overlaps(self.entry(other))));
        }
        wider
    }

    fn of(&self, task: u32) -> &[u32] {
        let task = task as usize;
        &self.touched[self.starts[task] as usize..self.starts[task + 1] as usize]
    }

    fn entry(&self, id: u32) -> Entry<'_> {
        let (text, shape) = &self.entries[id as usize];
        Entry { text, shape }
    }
}

/// The path itself, each directory above it, and the root as the empty path.
fn at_and_above(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |at: &&str| {
        let at = *at;
        (!at.is_empty()).then(|| at.rfind('/').map_or("", |slash| &at[..slash]))
    })
}
