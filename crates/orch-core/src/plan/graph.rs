//! The plan as a graph: built only if acyclic, with the reason of every edge.

mod draw;
mod measure;
mod order;
mod reach;
mod same_file;
mod view;
mod width;

use std::fmt;
use std::sync::Arc;

use petgraph::Direction;
use petgraph::stable_graph::{NodeIndex, StableDiGraph};
use petgraph::visit::EdgeRef;

use crate::base::id::TaskId;
use crate::base::wire::wire_enum;
use crate::plan::spec::{Gate, Plan, SameFile};

use order::{Dependencies, total_order};
use reach::Reach;
use same_file::FileIndex;

pub(crate) use order::cycles;
pub use view::{EdgeView, GateView, GraphView, NodeView};

wire_enum!(
    /// Why one task comes before another.
    EdgeKind {
        /// The manifest says so.
        DependsOn = "dependsOn",
        /// Their files overlap.
        File = "file",
    }
);

/// Tasks that wait for each other in a ring.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} (each waits for the next)", Ring(.tasks))]
pub struct Cycle {
    /// The ring, each task once; every task waits for the next and the last for the first.
    pub tasks: Vec<TaskId>,
}

/// The order of a plan's tasks. Cloning is cheap.
///
/// Edges come from `dependsOn` and, unless the plan says `explicit`, from files: two tasks whose files
/// overlap are ordered by the [total order](TaskGraph::order), by an edge of their own only when no path
/// of other edges orders them already, so that k tasks on one file make a chain. Gates between phases
/// are not edges; see [`TaskGraph::gates`].
#[derive(Debug, Clone)]
pub struct TaskGraph {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Node indices are positions in the manifest.
    graph: StableDiGraph<Node, Link, u32>,
    by_id: Vec<u32>,
    order: Vec<u32>,
    /// Where each task stands in `order`.
    place: Vec<u32>,
    phases: Vec<String>,
    gate: Gate,
    files: FileIndex,
}

#[derive(Debug)]
struct Node {
    id: TaskId,
    phase: usize,
    minutes: Option<f64>,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    kind: EdgeKind,
    shares: bool,
}

/// One edge of a [`TaskGraph`].
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Edge<'g> {
    inner: &'g Inner,
    from: u32,
    to: u32,
    link: Link,
}

impl TaskGraph {
    /// Builds the graph of a plan. Dependencies on tasks that the plan does not have are left out.
    ///
    /// # Errors
    /// [`Cycle`] if tasks wait for each other; a dependency on a task of a later phase is such a ring,
    /// because the gate holds that one back.
    pub fn build(plan: &Plan) -> Result<Self, Cycle> {
        Self::build_as(plan, plan.settings.same_file)
    }

    pub(crate) fn build_as(plan: &Plan, same_file: SameFile) -> Result<Self, Cycle> {
        let dependencies = Dependencies::of(&plan.tasks);
        let Some(order) = total_order(&dependencies) else {
            let first = cycles(&plan.tasks).into_iter().next().unwrap_or_default();
            return Err(Cycle::new(&first, |index| plan.tasks[index].id.clone()));
        };
        let place = places(&order);
        let files = FileIndex::new(plan.tasks.iter().map(|task| &task.files));
        let explicit = dependencies.predecessors;
        let by_file = match same_file {
            SameFile::Serialize => reduced(&files.candidates(&order), &explicit, &order, &place),
            SameFile::Explicit => vec![Vec::new(); explicit.len()],
        };
        let mut graph = StableDiGraph::with_capacity(plan.tasks.len(), explicit.iter().map(Vec::len).sum());
        for task in &plan.tasks {
            graph.add_node(Node { id: task.id.clone(), phase: task.phase, minutes: task.estimate_minutes });
        }
        for &to in &order {
            let (task, node) = (to as usize, NodeIndex::from(to));
            let declared = explicit[task].iter().map(|&from| (from, EdgeKind::DependsOn));
            let implied = by_file[task].iter().map(|&from| (from, EdgeKind::File));
            for (from, kind) in declared.chain(implied) {
                let shares = kind == EdgeKind::File || files.overlap(from, to);
                graph.add_edge(NodeIndex::from(from), node, Link { kind, shares });
            }
        }
        let mut by_id: Vec<u32> = graph.node_indices().map(index_of).collect();
        by_id.sort_by(|a, b| plan.tasks[*a as usize].id.cmp(&plan.tasks[*b as usize].id));
        let (phases, gate) = (plan.phases.clone(), plan.settings.gate);
        Ok(Self { inner: Arc::new(Inner { graph, by_id, order, place, phases, gate, files }) })
    }

    /// How many tasks there are.
    pub fn len(&self) -> usize {
        self.inner.order.len()
    }

    /// Whether there are no tasks.
    pub fn is_empty(&self) -> bool {
        self.inner.order.is_empty()
    }

    /// The total order that same-file edges follow: repeatedly the first task of the manifest whose
    /// explicit and gate predecessors are all taken.
    pub fn order(&self) -> impl Iterator<Item = &TaskId> {
        self.inner.order.iter().map(|&index| self.inner.id(index))
    }

    /// The edges into a task, their sources in total order; none for an unknown task.
    pub fn predecessors(&self, task: &TaskId) -> Vec<Edge<'_>> {
        self.around(task, Direction::Incoming)
    }

    /// The edges out of a task, their targets in total order; none for an unknown task.
    pub fn successors(&self, task: &TaskId) -> Vec<Edge<'_>> {
        self.around(task, Direction::Outgoing)
    }

    /// All edges, by target and then source in total order.
    pub fn edges(&self) -> Vec<Edge<'_>> {
        let into = |&index: &u32| self.inner.edges_of(index, Direction::Incoming);
        self.inner.order.iter().flat_map(into).collect()
    }

    /// The total order as positions in the manifest.
    pub(crate) fn order_indices(&self) -> impl Iterator<Item = usize> {
        self.inner.order.iter().map(|&index| index as usize)
    }

    /// The positions of the tasks that one at a position waits for by an edge.
    pub(crate) fn sources(&self, index: usize) -> impl Iterator<Item = usize> {
        self.inner.graph.neighbors_directed(NodeIndex::new(index), Direction::Incoming).map(NodeIndex::index)
    }

    fn around(&self, task: &TaskId, direction: Direction) -> Vec<Edge<'_>> {
        self.inner.index(task).map_or_else(Vec::new, |index| self.inner.edges_of(index, direction))
    }
}

impl Inner {
    fn index(&self, task: &TaskId) -> Option<u32> {
        self.by_id.binary_search_by(|&index| self.id(index).cmp(task)).ok().map(|at| self.by_id[at])
    }

    fn node(&self, index: u32) -> &Node {
        &self.graph[NodeIndex::from(index)]
    }

    fn id(&self, index: u32) -> &TaskId {
        &self.node(index).id
    }

    fn neighbours(&self, index: u32, direction: Direction) -> impl Iterator<Item = u32> {
        self.graph.neighbors_directed(NodeIndex::from(index), direction).map(index_of)
    }

    fn edges_of(&self, index: u32, direction: Direction) -> Vec<Edge<'_>> {
        let mut edges: Vec<Edge<'_>> = self
            .graph
            .edges_directed(NodeIndex::from(index), direction)
            .map(|edge| {
                let (from, to) = (index_of(edge.source()), index_of(edge.target()));
                Edge { inner: self, from, to, link: *edge.weight() }
            })
            .collect();
        edges.sort_by_key(|edge| (self.place[edge.to as usize], self.place[edge.from as usize]));
        edges
    }

    /// The tasks of each phase that has any, in total order.
    fn by_phase(&self) -> Vec<(usize, Vec<u32>)> {
        let mut phases: Vec<(usize, Vec<u32>)> = Vec::new();
        for &index in &self.order {
            let phase = self.node(index).phase;
            match phases.last_mut() {
                Some((last, tasks)) if *last == phase => tasks.push(index),
                _ => phases.push((phase, vec![index])),
            }
        }
        phases
    }
}

impl<'g> Edge<'g> {
    /// The task that comes first.
    pub fn from(&self) -> &'g TaskId {
        self.inner.id(self.from)
    }

    /// The task that waits.
    pub fn to(&self) -> &'g TaskId {
        self.inner.id(self.to)
    }

    /// The stronger reason.
    pub fn kind(&self) -> EdgeKind {
        self.link.kind
    }

    /// The positions of both tasks in the manifest.
    pub(crate) fn indices(&self) -> (usize, usize) {
        (self.from as usize, self.to as usize)
    }

    /// What the files of both have in common: of each overlapping pair of entries the more specific
    /// one; sorted. Empty when they share nothing.
    pub fn files(&self) -> Vec<String> {
        if self.link.shares { self.inner.files.shared(self.from, self.to) } else { Vec::new() }
    }
}

impl fmt::Debug for Edge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {} ({} {:?})", self.from(), self.to(), self.kind(), self.files())
    }
}

impl Cycle {
    pub(crate) fn new(ring: &[usize], id: impl Fn(usize) -> TaskId) -> Self {
        Self { tasks: ring.iter().map(|&index| id(index)).collect() }
    }
}

/// Shows `t1 -> t2 -> t1`.
struct Ring<'t>(&'t [TaskId]);

impl fmt::Display for Ring<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|task| write!(f, "{task} -> "))?;
        self.0.first().map_or(Ok(()), |first| write!(f, "{first}"))
    }
}

/// Drops every file edge whose order a path of other edges gives.
///
/// What is redundant in the full graph may go all at once: in a graph without cycles, leaving out edges
/// that other paths replace takes no path away.
fn reduced(by_file: &[Vec<u32>], explicit: &[Vec<u32>], order: &[u32], place: &[u32]) -> Vec<Vec<u32>> {
    let places_of = |tasks: &[u32]| -> Vec<u32> { tasks.iter().map(|&task| place[task as usize]).collect() };
    let all = order.iter().map(|&task| {
        let mut before = places_of(&explicit[task as usize]);
        before.extend(places_of(&by_file[task as usize]));
        before.sort_unstable();
        before.dedup();
        before
    });
    let mut reach = Reach::new(all.collect());
    let mut kept = vec![Vec::new(); order.len()];
    for &task in order {
        let mut direct = places_of(&explicit[task as usize]);
        let mut candidates = places_of(&by_file[task as usize]);
        candidates.sort_unstable();
        candidates.dedup();
        for &candidate in candidates.iter().rev() {
            if direct.iter().all(|&later| !reach.reaches(candidate, later)) {
                direct.push(candidate);
                kept[task as usize].push(order[candidate as usize]);
            }
        }
    }
    kept
}

#[expect(clippy::cast_possible_truncation, reason = "petgraph numbers nodes with u32")]
fn index_of(node: NodeIndex) -> u32 {
    node.index() as u32
}

#[expect(clippy::cast_possible_truncation, reason = "petgraph numbers nodes with u32")]
fn places(order: &[u32]) -> Vec<u32> {
    let mut place = vec![0; order.len()];
    for (at, &index) in order.iter().enumerate() {
        place[index as usize] = at as u32;
    }
    place
}

#[cfg(test)]
mod tests;
