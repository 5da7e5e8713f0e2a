//! The largest set of tasks of which none comes before another.

use std::collections::VecDeque;

/// Up to this many tasks the width is exact; the closure then takes half a megabyte.
const EXACT: usize = 2_000;

/// A part of the graph with its own numbering, in which every edge leads to a higher number.
pub(super) struct Part {
    /// The direct successors of each task.
    pub(super) after: Vec<Vec<usize>>,
}

/// The width of the part; a lower bound where it is large.
pub(super) fn width(part: &Part) -> usize {
    let count = part.after.len();
    if count > EXACT { widest_round(part) } else { count - matching(&closure(part)) }
}

/// The most tasks of one level, counted from the start or from the end.
fn widest_round(part: &Part) -> usize {
    let count = part.after.len();
    let (mut early, mut late) = (vec![0_usize; count], vec![0_usize; count]);
    for task in 0..count {
        for &next in &part.after[task] {
            early[next] = early[next].max(early[task] + 1);
        }
    }
    for task in (0..count).rev() {
        late[task] = part.after[task].iter().map(|&next| late[next] + 1).max().unwrap_or(0);
    }
    [early, late].iter().map(|levels| most_frequent(levels)).max().unwrap_or(0)
}

fn most_frequent(levels: &[usize]) -> usize {
    let mut counts = vec![0_usize; levels.len()];
    for &level in levels {
        counts[level] += 1;
    }
    counts.into_iter().max().unwrap_or(0)
}

/// A set of task numbers.
#[derive(Clone)]
struct Bits(Vec<u64>);

impl Bits {
    fn new(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    fn insert(&mut self, task: usize) {
        self.0[task / 64] |= 1 << (task % 64);
    }

    fn unite(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(own, theirs)| *own |= theirs);
    }

    /// The members that `other` lacks.
    fn without(&self, other: &Self) -> Vec<usize> {
        let words = self.0.iter().zip(&other.0).map(|(own, theirs)| own & !theirs).enumerate();
        let members =
            words.flat_map(|(at, word)| (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * 64 + bit));
        members.collect()
    }
}

fn closure(part: &Part) -> Vec<Bits> {
    let count = part.after.len();
    let mut reached = vec![Bits::new(count); count];
    for task in (0..count).rev() {
        let mut own = Bits::new(count);
        for &next in &part.after[task] {
            own.insert(next);
            own.unite(&reached[next]);
        }
        reached[task] = own;
    }
    reached
}

/// The size of a largest matching of tasks with tasks that they come before; what it leaves over is the
/// number of chains that cover the part, and so its width.
fn matching(comes_before: &[Bits]) -> usize {
    let count = comes_before.len();
    let (mut next_of, mut previous_of) = (vec![None; count], vec![None; count]);
    let mut pairs = 0;
    for start in 0..count {
        let Some(path) = augmenting(start, comes_before, &previous_of) else { continue };
        pairs += 1;
        for (task, next) in path {
            next_of[task] = Some(next);
            previous_of[next] = Some(task);
        }
    }
    debug_assert_eq!(pairs, next_of.iter().flatten().count());
    pairs
}

/// The pairs to make so that `start` gets one and nobody loses theirs.
fn augmenting(start: usize, comes_before: &[Bits], previous_of: &[Option<usize>]) -> Option<Vec<(usize, usize)>> {
    let count = comes_before.len();
    let (mut visited, mut reached_from) = (Bits::new(count), vec![(0, None); count]);
    let mut queue = VecDeque::from([(start, None)]);
    while let Some((task, gives_up)) = queue.pop_front() {
        for next in comes_before[task].without(&visited) {
            visited.insert(next);
            reached_from[next] = (task, gives_up);
            if let Some(other) = previous_of[next] {
                queue.push_back((other, Some(next)));
                continue;
            }
            let mut path = Vec::new();
            let mut end = Some(next);
            while let Some(at) = end {
                path.push((reached_from[at].0, at));
                end = reached_from[at].1;
            }
            return Some(path);
        }
    }
    None
}
