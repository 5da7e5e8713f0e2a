//! Which tasks may start: edges, gates, leases and slots.

use std::collections::{BTreeMap, BTreeSet};

use super::{Orchestrator, Pass};
use crate::base::id::{AttemptNo, LaunchId, TaskId};
use crate::base::time::Timestamp;
use crate::journal::effect::{Effect, Purpose};
use crate::journal::record::{Record, StatusRecord, Todo};
use crate::plan::graph::TaskGraph;
use crate::plan::spec::{Gate, Plan, SameFile, TaskSpec};
use crate::plan::status::Status;
use crate::ports::Fingerprint;
use crate::state::{REMOTE, Session, State, TaskState, agent};

/// What is known about all tasks at once, kept up to date task by task so that no step looks at every task.
#[derive(Debug, Default)]
pub(super) struct Queues {
    /// Position in the manifest.
    index: BTreeMap<TaskId, usize>,
    /// Position in the plan's total order.
    rank: BTreeMap<TaskId, usize>,
    /// Ready and waiting for a slot or a lease, by rank.
    waiting: BTreeMap<usize, TaskId>,
    /// Waiting for the end of an outage, by rank.
    parked: BTreeMap<usize, TaskId>,
    /// Failed and to be tried again now, by rank.
    retrying: BTreeMap<usize, TaskId>,
    /// Failed and to be tried again at a time.
    resting: Resting,
    /// Tasks that have a session, and which.
    sessions: BTreeMap<TaskId, LaunchId>,
    /// Whose session each is.
    launches: BTreeMap<LaunchId, TaskId>,
    /// Tasks that wait for their turn to verify: who holds up merges first, then by rank.
    unverified: BTreeMap<(bool, usize), TaskId>,
    /// Tasks that have it.
    verifying: BTreeSet<TaskId>,
    /// Open pull requests that nothing of orch's keeps from being merged, by rank.
    mergeable: BTreeMap<usize, TaskId>,
    /// Pull requests on their way into the base.
    lane: BTreeSet<TaskId>,
    /// Times at which a task may go on.
    timers: BTreeSet<(Timestamp, TaskId)>,
    /// Tasks that hold a slot.
    slots: BTreeSet<TaskId>,
    /// Tasks whose files nobody else may touch now.
    leases: BTreeSet<TaskId>,
    /// Whether each task meets its edges, when last noted.
    met: BTreeMap<TaskId, bool>,
    /// What tells each phase's tasks from those that it had before an edit.
    tasks: Vec<String>,
    /// The tasks of each phase that have not reached the gate.
    short_of_gate: Vec<BTreeSet<TaskId>>,
}

/// Retries that wait for their time, by rank: none is looked at before.
#[derive(Debug, Default)]
struct Resting {
    until: BTreeMap<usize, (Timestamp, TaskId)>,
    due: BTreeSet<(Timestamp, usize)>,
}

impl Resting {
    /// Notes until when a task rests, if it does.
    fn note(&mut self, rank: usize, task: &TaskId, until: Option<Timestamp>) {
        if let Some((old, _)) = self.until.remove(&rank) {
            self.due.remove(&(old, rank));
        }
        if let Some(until) = until {
            self.until.insert(rank, (until, task.clone()));
            self.due.insert((until, rank));
        }
    }

    /// Takes the first whose time has come.
    fn take_due(&mut self, now: Timestamp) -> Option<(usize, TaskId)> {
        let (_, rank) = *self.due.first().filter(|(until, _)| *until <= now)?;
        self.due.pop_first();
        self.until.remove(&rank).map(|(_, task)| (rank, task))
    }
}

impl Queues {
    pub(super) fn new(state: &State, graph: &TaskGraph) -> Self {
        let mut queues = Self::default();
        let Some(plan) = &state.plan else { return queues };
        queues.short_of_gate = vec![BTreeSet::new(); plan.phases.len()];
        queues.index = plan.tasks.iter().enumerate().map(|(i, task)| (task.id.clone(), i)).collect();
        queues.rank = graph.order().enumerate().map(|(i, task)| (task.clone(), i)).collect();
        let mut tasks = vec![Vec::new(); plan.phases.len()];
        for task in &plan.tasks {
            tasks.get_mut(task.phase).into_iter().for_each(|phase: &mut Vec<&str>| phase.push(task.id.as_str()));
        }
        queues.tasks = tasks.into_iter().map(|phase| fingerprint(phase.into_iter())).collect();
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
        self.sessions.keys()
    }

    pub(super) fn task_of(&self, launch: LaunchId) -> Option<&TaskId> {
        self.launches.get(&launch)
    }

    /// How many tasks have a turn to verify.
    pub(super) fn verifying(&self) -> usize {
        self.verifying.len()
    }

    /// The tasks that get their turn to verify before another one.
    pub(super) fn verified_before(&self, task: &TaskId) -> impl Iterator<Item = &TaskId> {
        self.unverified.values().take_while(move |other| *other != task)
    }

    pub(super) fn mergeable(&self) -> impl Iterator<Item = &TaskId> {
        self.mergeable.values()
    }

    /// Tasks that wait for the end of an outage, in the order of the plan.
    pub(super) fn parked(&self) -> impl Iterator<Item = &TaskId> {
        self.parked.values()
    }

    /// Whether a pull request is on its way into the base: merges go one at a time.
    pub(super) fn is_merging(&self) -> bool {
        !self.lane.is_empty()
    }

    /// Pull requests on their way into the base.
    pub(super) fn lane(&self) -> impl Iterator<Item = &TaskId> {
        self.lane.iter()
    }

    pub(super) fn next_timer(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Takes the tasks whose time has come.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Vec<TaskId> {
        let mut due = Vec::new();
        while self.timers.first().is_some_and(|(at, _)| *at <= now) {
            due.extend(self.timers.pop_first().map(|(_, task)| task));
        }
        due
    }

    /// Lists the retries whose time has come.
    fn wake_rested(&mut self, now: Timestamp) {
        self.retrying.extend(std::iter::from_fn(|| self.resting.take_due(now)));
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = &TaskId> {
        self.slots.iter()
    }

    pub(super) fn leases(&self) -> impl Iterator<Item = &TaskId> {
        self.leases.iter()
    }

    /// The first phase before `phase` that is not through its gate.
    pub(super) fn closed_gate(&self, phase: usize) -> Option<usize> {
        self.short_of_gate.iter().take(phase).position(|short| !short.is_empty())
    }

    /// The tasks that keep a phase's gate closed.
    pub(super) fn short_of_gate(&self, phase: usize) -> impl Iterator<Item = &TaskId> {
        self.short_of_gate.get(phase).into_iter().flatten()
    }

    /// What tells a phase's tasks from those that it had before an edit.
    pub(super) fn tasks_of(&self, phase: usize) -> Option<&str> {
        self.tasks.get(phase).map(String::as_str)
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
        let retries = task.status == Status::Error && free && !task.paused && idle && !task.publication.goes_on();
        is(retries && task.waits.not_before.is_none(), &mut self.retrying);
        self.resting.note(rank, id, task.waits.not_before.filter(|_| retries));
        let judged = task.healing.setback.is_none() && task.healing.unanswered.is_none();
        let waits = task.status.is_open() && free && !task.paused && idle && judged && task.todo.is_some();
        is(waits && task.waits.parked.is_some(), &mut self.parked);
        let open = task.status == Status::PrOpen && free && !task.paused;
        let moving = is_moving(state, task);
        is(
            open && !moving && idle && task.healing.unanswered.is_none() && !task.publication.in_base,
            &mut self.mergeable,
        );
        let has = |wanted: bool, set: &mut BTreeSet<TaskId>| {
            if wanted { set.insert(id.clone()) } else { set.remove(id) }
        };
        has(open && moving, &mut self.lane);
        let stood = [false, true].map(|behind| self.unverified.remove(&(behind, rank)).is_some()).contains(&true);
        let (waits, verifies) = (waits_to_verify(task), is_verifying(task));
        if waits {
            self.unverified.insert((task.status != Status::PrOpen, rank), id.clone());
        }
        let changed = has(verifies, &mut self.verifying) || stood && !waits;
        if changed && !verifies {
            dirty.extend(self.unverified.values().cloned());
        }
        has(holds_slot(task), &mut self.slots);
        has(holds_lease(task), &mut self.leases);
        let launch = task.session.as_ref().map(|session| session.launch);
        if self.sessions.get(id).copied() != launch {
            if let Some(old) = self.sessions.remove(id) {
                self.launches.remove(&old);
            }
            if let Some(launch) = launch {
                self.sessions.insert(id.clone(), launch);
                self.launches.insert(launch, id.clone());
            }
        }
        let end_at = task.session.as_ref().and_then(|session| session.ending.as_ref()?.not_before);
        self.timers.extend(task.waits.not_before.into_iter().chain(end_at).map(|at| (at, id.clone())));
        let met = meets(task);
        if self.met.insert(id.clone(), met) != Some(met) {
            dirty.extend(graph.successors(id).iter().map(|edge| edge.to().clone()));
        }
        self.note_gate(plan, task, spec, dirty);
    }

    fn note_gate(&mut self, plan: &Plan, task: &TaskState, spec: &TaskSpec, dirty: &mut BTreeSet<TaskId>) {
        let (id, phase) = (&spec.id, spec.phase);
        let Some(short) = self.short_of_gate.get_mut(phase) else { return };
        let was_closed = !short.is_empty();
        if reached(task, plan.settings.gate) {
            short.remove(id);
        } else {
            short.insert(id.clone());
        }
        if was_closed == short.is_empty() {
            dirty.extend(plan.tasks.iter().filter(|later| later.phase > phase).map(|later| later.id.clone()));
        }
    }
}

/// A short name for a set of tasks, the same for the same ones in the same order.
pub(super) fn fingerprint<'a>(tasks: impl Iterator<Item = &'a str>) -> String {
    let tasks: Vec<&str> = tasks.collect();
    format!("{:x}", Fingerprint::of(&tasks.join("\n")).0)
}

/// Whether a published task is on its way: its branch takes something in, is verified or pushed, or is merged.
fn is_moving(state: &State, task: &TaskState) -> bool {
    let open = task.open.and_then(|id| state.open.get(&id)).map(|open| &open.effect);
    let acts = matches!(open, Some(Effect::MergePull(_) | Effect::Sync(_) | Effect::Push(_)));
    acts || task.todo.is_some() || task.session.is_some() || task.publication.pushed != task.work.verified
}

fn waits_to_verify(task: &TaskState) -> bool {
    let verify = matches!(task.todo, Some(Todo::Launch { purpose: Purpose::Verify, .. }));
    let free = !task.needs_human && !task.paused && task.healing.setback.is_none() && task.healing.unanswered.is_none();
    // What a person put right waits for a slot first: its turn would hold up the one that has it.
    verify
        && free
        && task.status != Status::Error
        && task.session.is_none()
        && task.open.is_none()
        && task.waits.parked.is_none()
}

/// Whether a task has a turn to verify; who needs a person, or ended and is paused, gives it back.
fn is_verifying(task: &TaskState) -> bool {
    let held = |session: &Session| task.needs_human || task.paused && session.ended.is_some();
    task.session.as_ref().is_some_and(|session| session.purpose == Purpose::Verify && !held(session))
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

/// Whether a task takes one of the places that there are at once; what waits for the end of an outage does not.
pub(super) fn holds_slot(task: &TaskState) -> bool {
    let waits = task.waits.parked.is_some() && task.session.is_none() && task.open.is_none();
    task.status.is_open() && !task.needs_human && !waits
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
        self.queues.wake_rested(pass.now.wall);
        let mut moved = false;
        while !self.is_full() {
            if self.unpark(pass) {
                moved = true;
                continue;
            }
            let mut candidates = self.queues.retrying.values().chain(self.queues.waiting.values());
            let Some(task) = candidates.find(|task| self.may_start(task, pass)).cloned() else { break };
            self.open_attempt(pass, task);
            moved = true;
        }
        moved
    }

    fn may_start(&self, task: &TaskId, pass: &Pass<'_>) -> bool {
        let Some((plan, spec, state)) = self.spec(task) else { return false };
        if self.is_down(REMOTE, pass) || self.is_down(&agent(plan.agent_of(spec)), pass) {
            return false;
        }
        state.waits.not_before.is_none_or(|at| at <= pass.now.wall) && !self.is_leased(plan, spec)
    }

    /// Whether another task holds the lease of files that this one touches.
    pub(super) fn is_leased(&self, plan: &Plan, spec: &TaskSpec) -> bool {
        let overlaps = |other: &TaskId| self.spec(other).is_some_and(|(_, held, _)| held.files.overlaps(&spec.files));
        let mut others = self.queues.leases.iter().filter(|other| **other != spec.id);
        plan.settings.same_file == SameFile::Serialize && others.any(overlaps)
    }

    /// Whether every slot is taken.
    pub(super) fn is_full(&self) -> bool {
        self.queues.slots.len() >= self.max_parallel() as usize
    }

    fn open_attempt(&mut self, pass: &mut Pass<'_>, task: TaskId) {
        let Some(state) = self.state.tasks.get(&task) else { return };
        let todo = match state.todo {
            // A person's fix was found: there is nothing for an agent to do.
            Some(Todo::Launch { purpose: Purpose::Verify, .. }) => state.todo,
            _ if state.worktree.is_there() => Some(Todo::Launch { purpose: Purpose::Work, resume: false }),
            _ => Some(Todo::Prepare),
        };
        let attempt = AttemptNo(state.attempt.number.0 + 1);
        let change = StatusRecord { attempt: Some(attempt), todo, ..StatusRecord::new(state.status, Status::Running) };
        self.record(pass, Some(task), Record::Status(change));
    }
}

impl StatusRecord {
    /// A bare move.
    pub fn new(from: Status, to: Status) -> Self {
        Self { from, to, reason: None, attempt: None, todo: None, sha: None, retry_at: None, waits_on: Vec::new() }
    }
}
