//! Which tasks may start, kept up to date step by step.

use std::collections::BTreeSet;

use petgraph::Direction;

use crate::id::TaskId;

use super::{Inner, TaskGraph};

/// The tasks whose edges are met and whose phase is open, and that were not taken yet.
///
/// A step costs as much as the task has dependents; opening a phase costs nothing until its tasks are
/// listed. Every call for an unknown task, or one that changes nothing, does nothing.
#[derive(Debug, Clone)]
pub struct ReadySet {
    graph: TaskGraph,
    /// By position in the manifest.
    tasks: Vec<Standing>,
    /// How many tasks of each phase have not passed the gate.
    held: Vec<usize>,
    /// The last phase that may start.
    open: usize,
    /// What waits for nothing but its gate, as (phase, place in the total order).
    free: BTreeSet<(usize, u32)>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    /// Edges into it whose source is not met.
    waits: u32,
    met: bool,
    passed: bool,
    taken: bool,
}

impl ReadySet {
    /// Starts with nothing met, nothing passed and nothing taken.
    pub fn new(graph: &TaskGraph) -> Self {
        let inner = &graph.inner;
        let mut held = Vec::new();
        for &index in &inner.order {
            let phase = inner.node(index).phase;
            held.resize(held.len().max(phase + 1), 0);
            held[phase] += 1;
        }
        let mut set = Self {
            graph: graph.clone(),
            tasks: vec![Standing::default(); graph.len()],
            held,
            open: 0,
            free: BTreeSet::new(),
        };
        for &index in &inner.order {
            let waits = inner.neighbours(index, Direction::Incoming).map(|_| 1).sum();
            set.tasks[index as usize].waits = waits;
            set.refresh(index);
        }
        set.reopen();
        set
    }

    /// The tasks that may start, in total order.
    pub fn ready(&self) -> impl Iterator<Item = &TaskId> {
        let inner: &Inner = &self.graph.inner;
        self.free.range(..(self.open + 1, 0)).map(|&(_, place)| inner.id(inner.order[place as usize]))
    }

    /// Whether a task is listed by [`ReadySet::ready`].
    pub fn is_ready(&self, task: &TaskId) -> bool {
        let inner = &self.graph.inner;
        inner.index(task).is_some_and(|index| {
            let phase = inner.node(index).phase;
            phase <= self.open && self.free.contains(&(phase, inner.place[index as usize]))
        })
    }

    /// Says that what waits for a task by an edge need not wait any more; returns what became ready.
    pub fn met(&mut self, task: &TaskId) -> Vec<TaskId> {
        self.set_met(task, true)
    }

    /// Takes [`ReadySet::met`] back.
    pub fn unmet(&mut self, task: &TaskId) {
        self.set_met(task, false);
    }

    /// Says that a task reached its phase's gate; returns what became ready when a phase opened by it.
    pub fn passed(&mut self, task: &TaskId) -> Vec<TaskId> {
        let before = self.open;
        self.set_passed(task, true);
        let inner = &self.graph.inner;
        let opened = self.free.range((before + 1, 0)..(self.open + 1, 0));
        opened.map(|&(_, place)| inner.id(inner.order[place as usize]).clone()).collect()
    }

    /// Takes [`ReadySet::passed`] back; later phases close again.
    pub fn unpassed(&mut self, task: &TaskId) {
        self.set_passed(task, false);
    }

    /// Takes a task off the list because it was started.
    pub fn take(&mut self, task: &TaskId) {
        self.set_taken(task, true);
    }

    /// Puts a task back that had not begun after all.
    pub fn put_back(&mut self, task: &TaskId) {
        self.set_taken(task, false);
    }

    fn set_met(&mut self, task: &TaskId, met: bool) -> Vec<TaskId> {
        let inner = self.graph.clone().inner;
        let Some(index) = inner.index(task).filter(|&index| self.tasks[index as usize].met != met) else {
            return Vec::new();
        };
        self.tasks[index as usize].met = met;
        let mut freed = BTreeSet::new();
        for target in inner.neighbours(index, Direction::Outgoing) {
            let waits = &mut self.tasks[target as usize].waits;
            *waits = if met { *waits - 1 } else { *waits + 1 };
            if self.refresh(target) && inner.node(target).phase <= self.open {
                freed.insert(inner.place[target as usize]);
            }
        }
        freed.into_iter().map(|place| inner.id(inner.order[place as usize]).clone()).collect()
    }

    fn set_passed(&mut self, task: &TaskId, passed: bool) {
        let Some(index) = self.graph.inner.index(task) else { return };
        if std::mem::replace(&mut self.tasks[index as usize].passed, passed) == passed {
            return;
        }
        let phase = self.graph.inner.node(index).phase;
        if passed {
            self.held[phase] -= 1;
        } else {
            self.held[phase] += 1;
            self.open = self.open.min(phase);
        }
        self.reopen();
    }

    fn set_taken(&mut self, task: &TaskId, taken: bool) {
        if let Some(index) = self.graph.inner.index(task) {
            self.tasks[index as usize].taken = taken;
            self.refresh(index);
        }
    }

    /// Opens phases as far as all before them have passed.
    fn reopen(&mut self) {
        while self.open + 1 < self.held.len() && self.held[self.open] == 0 {
            self.open += 1;
        }
    }

    /// Lists or unlists a task by its standing; returns whether it became listed.
    fn refresh(&mut self, index: u32) -> bool {
        let inner = &self.graph.inner;
        let key = (inner.node(index).phase, inner.place[index as usize]);
        let standing = self.tasks[index as usize];
        if standing.waits == 0 && !standing.taken {
            return self.free.insert(key);
        }
        self.free.remove(&key);
        false
    }
}
