//! The graph as data for other programs: the JSON of `orch graph --json`.

use serde::Serialize;

use crate::base::id::TaskId;

use super::{EdgeKind, TaskGraph};

/// A plan's graph, whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct GraphView {
    /// The tasks in manifest order.
    pub nodes: Vec<NodeView>,
    /// One edge a pair, by target and then source in total order.
    pub edges: Vec<EdgeView>,
    /// Which phase waits for which.
    pub gates: Vec<GateView>,
    /// The tasks by the earliest round in which they could start.
    pub waves: Vec<Vec<TaskId>>,
    /// The chain of tasks that decides when all is done.
    pub critical_path: Vec<TaskId>,
    /// The largest number of tasks that could run at once, whatever `maxParallel` says.
    pub peak_parallel: usize,
}

/// A task in the graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NodeView {
    /// Its name.
    pub id: TaskId,
    /// Its phase, from 0.
    pub phase: usize,
    /// What it may touch.
    pub files: Vec<String>,
}

/// An edge in the graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EdgeView {
    /// The task that comes first.
    pub from: TaskId,
    /// The task that waits.
    pub to: TaskId,
    /// The stronger reason.
    pub kind: EdgeKind,
    /// What both touch.
    pub files: Vec<String>,
}

/// A gate: no task of `phase` before all of phase `after` reached it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GateView {
    /// The phase that waits, from 0.
    pub phase: usize,
    /// The phase that it waits for.
    pub after: usize,
}

impl TaskGraph {
    /// The whole graph as data.
    pub fn view(&self) -> GraphView {
        let mut indices = self.inner.order.clone();
        indices.sort_unstable();
        let node = |index| NodeView {
            id: self.inner.id(index).clone(),
            phase: self.inner.node(index).phase,
            files: self.inner.files.names(index).map(str::to_owned).collect(),
        };
        let edges = self.edges().into_iter().map(|edge| EdgeView {
            from: edge.from().clone(),
            to: edge.to().clone(),
            kind: edge.kind(),
            files: edge.files(),
        });
        GraphView {
            nodes: indices.into_iter().map(node).collect(),
            edges: edges.collect(),
            gates: self.gates(),
            waves: self.waves().into_iter().map(|wave| wave.into_iter().cloned().collect()).collect(),
            critical_path: self.critical_path().into_iter().cloned().collect(),
            peak_parallel: self.peak_parallel(),
        }
    }
}
