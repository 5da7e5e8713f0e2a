//! The total order of tasks, and the rings that forbid one.

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

use petgraph::algo::kosaraju_scc;
use petgraph::graph::DiGraph;

use crate::base::id::TaskId;
use crate::plan::spec::TaskSpec;

/// The declared dependencies by position in the manifest.
pub(super) struct Dependencies {
    phases: Vec<usize>,
    /// What each task waits for, each once.
    pub(super) predecessors: Vec<Vec<u32>>,
}

impl Dependencies {
    pub(super) fn of(tasks: &[TaskSpec]) -> Self {
        let mut by_id: Vec<(&str, u32)> = tasks.iter().map(|task| task.id.as_str()).zip(0..).collect();
        by_id.sort_unstable();
        let find = |id: &TaskId| {
            let at = by_id.binary_search_by_key(&id.as_str(), |(own, _)| own).ok()?;
            Some(by_id[at].1)
        };
        let resolve = |task: &TaskSpec| {
            let mut known: Vec<u32> = task.depends_on.iter().filter_map(find).collect();
            known.sort_unstable();
            known.dedup();
            known
        };
        Self {
            phases: tasks.iter().map(|task| task.phase).collect(),
            predecessors: tasks.iter().map(resolve).collect(),
        }
    }
}

/// Repeatedly takes the first task whose predecessors, explicit and by gate, are all taken; `None` if
/// some never are.
#[expect(clippy::cast_possible_truncation, reason = "a manifest of 256 MiB holds fewer tasks than u32 counts")]
pub(super) fn total_order(dependencies: &Dependencies) -> Option<Vec<u32>> {
    let count = dependencies.predecessors.len();
    let mut open: Vec<usize> = dependencies.predecessors.iter().map(Vec::len).collect();
    let mut dependents = vec![Vec::new(); count];
    let mut phases: BTreeMap<usize, (usize, BinaryHeap<Reverse<u32>>)> = BTreeMap::new();
    for (task, before) in dependencies.predecessors.iter().enumerate() {
        for &source in before {
            dependents[source as usize].push(task as u32);
        }
        let (size, free) = phases.entry(dependencies.phases[task]).or_default();
        *size += 1;
        if before.is_empty() {
            free.push(Reverse(task as u32));
        }
    }
    let mut order = Vec::with_capacity(count);
    while let Some((phase, (size, mut free))) = phases.pop_first() {
        let due = order.len() + size;
        while let Some(Reverse(task)) = free.pop() {
            order.push(task);
            for &dependent in &dependents[task as usize] {
                let left = &mut open[dependent as usize];
                *left -= 1;
                if *left > 0 {
                    continue;
                }
                let home = dependencies.phases[dependent as usize];
                if home == phase {
                    free.push(Reverse(dependent));
                } else if let Some((_, later)) = phases.get_mut(&home) {
                    later.push(Reverse(dependent));
                }
            }
        }
        if order.len() < due {
            return None;
        }
    }
    Some(order)
}

/// One ring for each knot of tasks that wait for each other, and one for each dependency on a later
/// phase: positions in the manifest, every task waiting for the next. Sorted by their first task.
pub(crate) fn cycles(tasks: &[TaskSpec]) -> Vec<Vec<usize>> {
    let dependencies = Dependencies::of(tasks);
    let mut rings = Vec::new();
    if total_order(&dependencies).is_some() {
        return rings;
    }
    let mut waits: DiGraph<(), (), u32> = DiGraph::with_capacity(tasks.len(), tasks.len());
    for _ in tasks {
        waits.add_node(());
    }
    for (task, before) in dependencies.predecessors.iter().enumerate() {
        for &source in before {
            let source = source as usize;
            if dependencies.phases[source] > dependencies.phases[task] {
                rings.push(vec![task, source]);
            } else {
                waits.add_edge(to_node(task), to_node(source), ());
            }
        }
    }
    for knot in kosaraju_scc(&waits) {
        let members: BTreeSet<usize> = knot.into_iter().map(petgraph::graph::NodeIndex::index).collect();
        rings.extend(shortest_ring(&members, &dependencies.predecessors));
    }
    rings.sort();
    rings
}

fn to_node(task: usize) -> petgraph::graph::NodeIndex<u32> {
    petgraph::graph::NodeIndex::new(task)
}

/// The shortest way from the first member back to itself, if there is one.
fn shortest_ring(members: &BTreeSet<usize>, predecessors: &[Vec<u32>]) -> Option<Vec<usize>> {
    let first = *members.first()?;
    let mut came_from: BTreeMap<usize, usize> = BTreeMap::new();
    let mut queue = VecDeque::from([first]);
    while let Some(task) = queue.pop_front() {
        for source in predecessors[task].iter().map(|&source| source as usize).filter(|s| members.contains(s)) {
            if source == first {
                let mut ring = vec![task];
                while let Some(&before) =
                    ring.last().filter(|&&last| last != first).and_then(|last| came_from.get(last))
                {
                    ring.push(before);
                }
                ring.reverse();
                return Some(ring);
            }
            if let Entry::Vacant(unseen) = came_from.entry(source) {
                unseen.insert(task);
                queue.push_back(source);
            }
        }
    }
    None
}
