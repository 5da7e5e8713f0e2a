//! Which task comes before which by any path, answered without a closure.

/// Reachability over places in the total order; every edge leads to a higher place.
///
/// Three labels a task answer nearly all questions at once: a spanning tree (inside a subtree means
/// reachable), levels and the interval of tree numbers among all descendants (outside means not).
/// What is left is searched backwards between the two places.
pub(super) struct Reach {
    before: Vec<Vec<u32>>,
    level: Vec<u32>,
    tree: Vec<u32>,
    tree_end: Vec<u32>,
    low: Vec<u32>,
    high: Vec<u32>,
    seen: Vec<u32>,
    search: u32,
    stack: Vec<u32>,
}

impl Reach {
    /// Prepares the labels from each place's direct predecessors.
    pub(super) fn new(before: Vec<Vec<u32>>) -> Self {
        let count = before.len();
        let mut level = vec![0_u32; count];
        let mut size = vec![1_u32; count];
        for (place, sources) in before.iter().enumerate() {
            level[place] = sources.iter().map(|&source| level[source as usize] + 1).max().unwrap_or(0);
        }
        let parent = |place: usize| before[place].iter().max().map(|&parent| parent as usize);
        for place in (0..count).rev() {
            if let Some(parent) = parent(place) {
                size[parent] += size[place];
            }
        }
        let (mut tree, mut next, mut roots) = (vec![0_u32; count], vec![0_u32; count], 0_u32);
        for place in 0..count {
            let free = parent(place).map_or(&mut roots, |parent| &mut next[parent]);
            tree[place] = *free;
            *free += size[place];
            next[place] = tree[place] + 1;
        }
        let tree_end = tree.iter().zip(&size).map(|(start, size)| start + size).collect();
        let (mut low, mut high) = (tree.clone(), tree.clone());
        for place in (0..count).rev() {
            for &source in &before[place] {
                low[source as usize] = low[source as usize].min(low[place]);
                high[source as usize] = high[source as usize].max(high[place]);
            }
        }
        Self { before, level, tree, tree_end, low, high, seen: vec![0; count], search: 0, stack: Vec::new() }
    }

    /// Whether a path leads from one place to another; each place reaches itself.
    pub(super) fn reaches(&mut self, from: u32, to: u32) -> bool {
        self.search += 1;
        self.stack.clear();
        self.stack.push(to);
        while let Some(place) = self.stack.pop() {
            match self.by_label(from, place) {
                Some(true) => return true,
                Some(false) => {}
                None => {
                    for &source in &self.before[place as usize] {
                        if source >= from && self.seen[source as usize] != self.search {
                            self.seen[source as usize] = self.search;
                            self.stack.push(source);
                        }
                    }
                }
            }
        }
        false
    }

    fn by_label(&self, from: u32, to: u32) -> Option<bool> {
        let (a, b) = (from as usize, to as usize);
        if (self.tree[a]..self.tree_end[a]).contains(&self.tree[b]) {
            return Some(true);
        }
        let outside = self.level[a] >= self.level[b] || self.low[b] < self.low[a] || self.high[b] > self.high[a];
        outside.then_some(false)
    }
}
