//! Who may start: edges, gates, leases and slots.

use std::collections::{BTreeMap, BTreeSet};

use super::{Orchestrator, Pass};
use crate::effect::Purpose;
use crate::graph::TaskGraph;
use crate::id::{AttemptNo, TaskId};
use crate::plan::{Gate, SameFile};
use crate::record::{Record, StatusRecord, Todo};
use crate::state::{State, TaskState};
use crate::status::Status;

/// What is known about all tasks at once, kept up to date task by task so that no step looks at every task.
#[derive(Debug, Default)]
pub(super) struct Queues {
    /// Position in the manifest.
    index: BTreeMap<TaskId, usize>,
    /// Position in the plan's total order.
    rank: BTreeMap<TaskId, usize>,
    /// Ready and waiting for a slot or a lease, by rank.
    waiting: BTreeMap<usize, TaskId>,
    /// Failed and to be tried again, by rank.
    retrying: BTreeMap<usize, TaskId>,
    /// Verified, published, or failed with a pull request, by rank.
    published: BTreeMap<usize, TaskId>,
    /// Tasks that have a session.
    sessions: BTreeSet<TaskId>,
    /// Tasks that hold a slot.
    slots: BTreeSet<TaskId>,
    /// Tasks whose files nobody else may touch now.
    leases: BTreeSet<TaskId>,
    /// Whether each task meets its edges, when last noted.
    met: BTreeMap<TaskId, bool>,
    /// The tasks of each phase that have not reached the gate.
    short_of_gate: Vec<BTreeSet<TaskId>>,
}

impl Queues {
    pub(super) fn new(state: &State, graph: &TaskGraph) -> Self {
        let mut queues = Self::default();
        let Some(plan) = &state.plan else { return queues };
        queues.short_of_gate = vec![BTreeSet::new(); plan.phases.len()];
        queues.index = plan.tasks.iter().enumerate().map(|(i, task)| (task.id.clone(), i)).collect();
        queues.rank = graph.order().enumerate().map(|(i, task)| (task.clone(), i)).collect();
        let mut ignored = BTreeSet::new();
        for task in &plan.tasks {
            queues.note(state, graph, &task.id, &mut ignored);
        }
        queues
    }

    pub(super) fn index(&self, task: &TaskId) -> Option<usize> {
        self.index.get(task).copied()
    }

    pub(super) fn sessions(&self) -> impl Iterator<Item = &TaskId> {
        self.sessions.iter()
    }

    pub(super) fn published(&self) -> impl Iterator<Item = &TaskId> {
        self.published.values()
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = &TaskId> {
        self.slots.iter()
    }

    pub(super) fn leases(&self) -> impl Iterator<Item = &TaskId> {
        self.leases.iter()
    }

    pub(super) fn retrying(&self) -> impl Iterator<Item = &TaskId> {
        self.retrying.values()
    }

    /// The first phase before `phase` that is not through its gate.
    pub(super) fn closed_gate(&self, phase: usize) -> Option<usize> {
        self.short_of_gate.iter().take(phase).position(|short| !short.is_empty())
    }

    /// The tasks that keep a phase's gate closed.
    pub(super) fn short_of_gate(&self, phase: usize) -> impl Iterator<Item = &TaskId> {
        self.short_of_gate.get(phase).into_iter().flatten()
    }

    /// Notes a task's new state; tasks that may be concerned become dirty.
    pub(super) fn note(&mut self, state: &State, graph: &TaskGraph, id: &TaskId, dirty: &mut BTreeSet<TaskId>) {
        let (Some(task), Some(plan)) = (state.tasks.get(id), &state.plan) else { return };
        let (Some(&rank), Some(spec)) = (self.rank.get(id), self.index(id).and_then(|i| plan.tasks.get(i))) else {
            return;
        };
        let free = !task.needs_human && !task.skipped;
        let is = |wanted: bool, map: &mut BTreeMap<usize, TaskId>| {
            if wanted {
                map.insert(rank, id.clone());
            } else {
                map.remove(&rank);
            }
        };
        is(task.status == Status::Pending && free && !task.paused, &mut self.waiting);
        let idle = task.session.is_none() && task.open.is_none();
        is(task.status == Status::Error && free && !task.paused && idle, &mut self.retrying);
        let closed = task.status == Status::Error && task.pull.is_some();
        is(matches!(task.status, Status::Complete | Status::PrOpen) || closed, &mut self.published);
        let has = |wanted: bool, set: &mut BTreeSet<TaskId>| {
            if wanted {
                set.insert(id.clone())
            } else {
                set.remove(id)
            };
        };
        has(task.session.is_some(), &mut self.sessions);
        has(task.status.is_open() && !task.needs_human, &mut self.slots);
        has(holds_lease(task), &mut self.leases);
        let met = meets(task);
        if self.met.insert(id.clone(), met) != Some(met) {
            dirty.extend(graph.successors(id).iter().map(|edge| edge.to().clone()));
        }
        self.note_gate(plan.settings.gate, task, id, spec.phase, &mut *dirty, plan);
    }

    fn note_gate(
        &mut self,
        gate: Gate,
        task: &TaskState,
        id: &TaskId,
        phase: usize,
        dirty: &mut BTreeSet<TaskId>,
        plan: &crate::plan::Plan,
    ) {
        let Some(short) = self.short_of_gate.get_mut(phase) else { return };
        let was_closed = !short.is_empty();
        if reached(task, gate) {
            short.remove(id);
        } else {
            short.insert(id.clone());
        }
        if was_closed == short.is_empty() {
            dirty.extend(plan.tasks.iter().filter(|later| later.phase > phase).map(|later| later.id.clone()));
        }
    }
}

/// Whether an edge from this task is met.
pub(super) fn meets(task: &TaskState) -> bool {
    task.status.meets_edges() || task.skipped
}

/// Whether a task lets its phase through the gate.
pub(super) fn reached(task: &TaskState, gate: Gate) -> bool {
    let level = match gate {
        Gate::Complete => task.status.meets_edges(),
        Gate::PrOpen => matches!(task.status, Status::PrOpen | Status::Merged),
        Gate::Merged => task.status == Status::Merged,
    };
    (level && !task.needs_human) || task.skipped
}

fn holds_lease(task: &TaskState) -> bool {
    let working = task.session.is_some() && !matches!(task.status, Status::Complete | Status::PrOpen);
    (task.status.is_open() && !task.needs_human) || working
}

impl Orchestrator {
    /// Starts what may start, rework before new work, in plan order; whether anything did.
    pub(super) fn dispatch(&mut self, pass: &mut Pass<'_>) -> bool {
        if self.state.paused {
            return false;
        }
        let mut moved = false;
        let candidates: Vec<TaskId> =
            self.queues.retrying.values().chain(self.queues.waiting.values()).cloned().collect();
        for task in candidates {
            if self.queues.slots.len() >= self.max_parallel() as usize {
                break;
            }
            if self.may_start(&task, pass) {
                self.open_attempt(pass, task);
                moved = true;
            }
        }
        moved
    }

    fn may_start(&self, task: &TaskId, pass: &Pass<'_>) -> bool {
        let Some((plan, spec, state)) = self.spec(task) else { return false };
        let due = state.not_before.is_none_or(|at| at <= pass.now.wall);
        if plan.settings.same_file == SameFile::Explicit {
            return due;
        }
        due && !self
            .queues
            .leases
            .iter()
            .any(|other| other != task && self.spec(other).is_some_and(|(_, held, _)| held.files.overlaps(&spec.files)))
    }

    fn open_attempt(&mut self, pass: &mut Pass<'_>, task: TaskId) {
        let Some(state) = self.state.tasks.get(&task) else { return };
        let todo = match &state.prepared {
            Some(_) if !state.removed => Todo::Launch { purpose: Purpose::Work, resume: false },
            _ => Todo::Prepare,
        };
        let attempt = AttemptNo(state.attempt.0 + 1);
        let change = StatusRecord {
            attempt: Some(attempt),
            todo: Some(todo),
            ..StatusRecord::new(state.status, Status::Running)
        };
        self.record(pass, Some(task), Record::Status(change));
    }
}

impl StatusRecord {
    /// A bare move.
    pub fn new(from: Status, to: Status) -> Self {
        Self { from, to, reason: None, attempt: None, todo: None, sha: None, retry_at: None, waits_on: Vec::new() }
    }
}
