//! What holds a task, and what can still happen without a person.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Orchestrator;
use super::dispatch::{Queues, meets, reached};
use super::waits::{Wait, Waiting, names};
use crate::base::id::TaskId;
use crate::journal::effect::Effect;
use crate::plan::graph::{EdgeKind, TaskGraph};
use crate::plan::status::Status;
use crate::state::{Session, State, TaskState};

/// Where a whole run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// Every task reached the goal or was skipped.
    Goal,
    /// Something goes on, or waits for a time or a forge.
    Working,
    /// Nothing can happen without a person.
    NeedsPerson,
}

/// One reason why a task may not start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Blocker {
    /// The task that it waits for.
    pub task: TaskId,
    /// Why.
    pub kind: BlockerKind,
    /// The files that both declare.
    pub files: Vec<String>,
}

/// Why one task waits for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum BlockerKind {
    /// It is declared.
    DependsOn,
    /// Their files overlap.
    File,
    /// An earlier phase is not through its gate.
    Phase,
}

/// What holds the tasks of a state, whether or not anyone drives it.
pub(crate) struct Holds<'a> {
    state: &'a State,
    graph: &'a TaskGraph,
    queues: Queues,
}

impl<'a> Holds<'a> {
    pub(crate) fn new(state: &'a State, graph: &'a TaskGraph) -> Self {
        Self { state, graph, queues: Queues::new(state, graph) }
    }

    /// Everything that a task waits for now, what only a person ends first; empty while it is at work or done.
    pub(crate) fn waits(&self, id: &TaskId) -> Vec<Wait> {
        Waiting { state: self.state, graph: self.graph, queues: &self.queues }.of(id)
    }

    pub(crate) fn blockers(&self, id: &TaskId) -> Vec<Blocker> {
        blockers(self.state, self.graph, &self.queues, id)
    }

    /// The first phase that is not through its gate.
    pub(crate) fn open_phase(&self) -> Option<usize> {
        self.queues.closed_gate(usize::MAX)
    }
}

pub(super) fn blockers(state: &State, graph: &TaskGraph, queues: &Queues, id: &TaskId) -> Vec<Blocker> {
    let spec = state.plan.as_ref().and_then(|plan| plan.tasks.get(queues.index(id)?));
    let (Some(spec), Some(task)) = (spec, state.tasks.get(id)) else { return Vec::new() };
    if task.status.has_begun() {
        return Vec::new();
    }
    let conflicts = |other: &TaskId| task.status == Status::Blocked && task.waits.on.contains(other);
    let edges = graph.predecessors(id).into_iter().filter(|edge| !is_met(state, edge.from()) || conflicts(edge.from()));
    let edges = edges.map(|edge| Blocker {
        task: edge.from().clone(),
        kind: match edge.kind() {
            EdgeKind::DependsOn => BlockerKind::DependsOn,
            EdgeKind::File => BlockerKind::File,
        },
        files: edge.files(),
    });
    let gate = queues.closed_gate(spec.phase).into_iter().flat_map(|phase| queues.short_of_gate(phase));
    let gate = gate.map(|task| Blocker { task: task.clone(), kind: BlockerKind::Phase, files: Vec::new() });
    edges.chain(gate).collect()
}

/// Whether nothing more is wanted of a task.
pub(crate) fn is_at_goal(task: &TaskState, goal: Status) -> bool {
    let status = match goal {
        Status::Complete => task.status.meets_edges(),
        Status::PrOpen => matches!(task.status, Status::PrOpen | Status::Merged),
        _ => task.status == Status::Merged,
    };
    task.skipped || status && !task.needs_human
}

fn is_met(state: &State, id: &TaskId) -> bool {
    state.tasks.get(id).is_none_or(meets)
}

/// Whether a process runs that needs nobody; that of a paused task goes on, and its end is taken in.
fn is_at_work(task: &TaskState) -> bool {
    !task.needs_human && task.session.as_ref().is_some_and(Session::is_live)
}

impl Orchestrator {
    /// What a task waits for before it may start; empty once it has begun.
    pub fn blockers(&self, id: &TaskId) -> Vec<Blocker> {
        blockers(&self.state, &self.graph, &self.queues, id)
    }

    pub(super) fn has_blockers(&self, id: &TaskId) -> bool {
        let Some((_, spec, _)) = self.spec(id) else { return false };
        self.queues.closed_gate(spec.phase).is_some()
            || self.graph.predecessors(id).into_iter().any(|edge| !is_met(&self.state, edge.from()))
    }

    pub(super) fn blocked_reason(&self, id: &TaskId) -> String {
        format!("waits for {}", names(self.blockers(id).iter().map(ToString::to_string), ", "))
    }

    /// Where the run stands.
    pub fn outlook(&self) -> Outlook {
        let Some(plan) = &self.state.plan else { return Outlook::Goal };
        // Telling people is no part of the work.
        if self.state.open.values().any(|open| !matches!(open.effect, Effect::Notify(_))) {
            return Outlook::Working;
        }
        let mut slots = self.queues.slots().filter_map(|id| self.state.tasks.get(id));
        let mut sessions = self.queues.sessions().filter_map(|id| self.state.tasks.get(id));
        if slots.any(|task| !self.is_paused(task)) || sessions.any(is_at_work) {
            return Outlook::Working;
        }
        let mut all_reached = true;
        let mut stopped: BTreeSet<&TaskId> = BTreeSet::new();
        // Skipped tasks do not hold up what starts after them, but pull requests are merged behind what they came after.
        let mut passed: BTreeSet<&TaskId> = BTreeSet::new();
        let mut phase_stopped: Option<usize> = None;
        for id in self.graph.order() {
            let Some((_, spec, task)) = self.spec(id) else { continue };
            if self.is_winding_up(task) {
                return Outlook::Working;
            }
            let behind_task = self.graph.predecessors(id).into_iter().any(|edge| stopped.contains(edge.from()));
            let pull_behind =
                behind_task || self.graph.predecessors(id).into_iter().any(|edge| passed.contains(edge.from()));
            if task.skipped && pull_behind {
                passed.insert(id);
            }
            if self.reached_goal(task) {
                continue;
            }
            all_reached = false;
            let behind_gate = phase_stopped.is_some_and(|phase| phase < spec.phase);
            // Whoever holds a slot or a lease by now waits for a person.
            let starts = !task.status.has_begun() || task.status == Status::Error;
            // What conflicts before it begins waits for a merge, and here nobody but a person makes one.
            let unmerged = !task.waits.on.is_empty() && (!self.merges() || behind_task);
            let held = task.needs_human
                || unmerged
                || task.status == Status::PrOpen && self.merges() && self.is_on_skipped(id)
                || self.is_paused(task)
                || starts && (self.is_full() || self.is_leased(plan, spec))
                || !task.status.has_begun() && (behind_gate || behind_task)
                || task.status == Status::PrOpen && self.config.auto_merge && pull_behind;
            if !held {
                return Outlook::Working;
            }
            stopped.insert(id);
            if !reached(task, plan.settings.gate) {
                phase_stopped = Some(phase_stopped.map_or(spec.phase, |phase| phase.min(spec.phase)));
            }
        }
        if all_reached { Outlook::Goal } else { Outlook::NeedsPerson }
    }

    fn reached_goal(&self, task: &TaskState) -> bool {
        is_at_goal(task, self.config.goal)
    }

    /// Whether something about the task ends by itself and is waited for, whatever its status.
    fn is_winding_up(&self, task: &TaskState) -> bool {
        let ending = task.session.as_ref().and_then(|session| session.ending.as_ref());
        let session = ending.is_some_and(|ending| !self.is_paused(task) && !ending.hopeless);
        let worktree = task.status == Status::Merged && task.worktree.is_there() && !self.is_paused(task);
        session || worktree || task.healing.unanswered.is_some()
    }
}
