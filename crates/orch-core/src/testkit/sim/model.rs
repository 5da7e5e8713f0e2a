//! Which tasks may start, said as plainly as possible: a reference beside the engine's queues.

use crate::base::{TaskId, Timestamp};
use crate::plan::{Gate, Plan, SameFile, Status, TaskSpec};
use crate::state::{REMOTE, State, TaskState, agent};

pub(super) struct Model<'a> {
    pub(super) plan: &'a Plan,
    pub(super) state: &'a State,
}

impl Model<'_> {
    fn task(&self, id: &TaskId) -> Option<(&TaskSpec, &TaskState)> {
        Some((self.plan.task(id)?, self.state.tasks.get(id)?))
    }

    /// How many tasks may hold a slot.
    pub(super) fn most(&self) -> usize {
        self.plan.settings.max_parallel as usize
    }

    /// How many tasks hold a slot: those with an attempt open that wait neither for a person nor, with nothing of
    /// theirs going on, for the end of an outage.
    pub(super) fn slots(&self) -> usize {
        let rests = |task: &TaskState| task.waits.parked.is_some() && task.session.is_none() && task.open.is_none();
        let holds = |task: &&TaskState| task.status.is_open() && !task.needs_human && !rests(task);
        self.state.tasks.values().filter(holds).count()
    }

    pub(super) fn is_full(&self) -> bool {
        self.slots() >= self.most()
    }

    /// A task that works, or whose agent still lives, on files that this one declares too.
    pub(super) fn leaseholder(&self, id: &TaskId) -> Option<TaskId> {
        if self.plan.settings.same_file == SameFile::Explicit {
            return None;
        }
        let (spec, _) = self.task(id)?;
        let holds = |task: &TaskState| {
            let agent = task.session.is_some() && !matches!(task.status, Status::Complete | Status::PrOpen);
            agent || task.status.is_open() && !task.needs_human
        };
        let mut others = self.plan.tasks.iter().filter(|other| other.id != *id);
        others
            .find(|other| self.state.tasks.get(&other.id).is_some_and(holds) && other.files.overlaps(&spec.files))
            .map(|other| other.id.clone())
    }

    /// A task that must get further before this one begins.
    pub(super) fn before(&self, id: &TaskId) -> Option<TaskId> {
        let (spec, _) = self.task(id)?;
        let passes = |other: &TaskId, gate: Gate| {
            self.state.tasks.get(other).is_none_or(|task| {
                let far = match gate {
                    Gate::Complete => matches!(task.status, Status::Complete | Status::PrOpen | Status::Merged),
                    Gate::PrOpen => matches!(task.status, Status::PrOpen | Status::Merged),
                    Gate::Merged => task.status == Status::Merged,
                };
                far || task.skipped
            })
        };
        let declared = spec.depends_on.iter().find(|other| !passes(other, Gate::Complete));
        let gate = self.plan.settings.gate;
        let mut earlier = self.plan.tasks.iter().filter(|other| other.phase < spec.phase);
        declared.or_else(|| earlier.find(|other| !passes(&other.id, gate)).map(|other| &other.id)).cloned()
    }

    /// The tasks that wait for nothing but a slot.
    pub(super) fn ready(&self, now: Timestamp) -> Vec<TaskId> {
        if self.state.paused {
            return Vec::new();
        }
        let may = |id: &TaskId, task: &TaskState| {
            let waits = matches!(task.status, Status::Pending | Status::Blocked) && task.waits.on.is_empty();
            let held =
                task.paused || task.skipped || task.needs_human || task.waits.not_before.is_some_and(|at| at > now);
            let down = self.plan.task(id).is_some_and(|spec| self.is_down(spec, now));
            waits && !held && !down && self.before(id).is_none() && self.touches(id).is_none()
        };
        self.state.tasks.iter().filter(|(id, task)| may(id, task)).map(|(id, _)| id.clone()).collect()
    }

    /// Whether what a task's agent, or its worktree, needs is down, or whoever finds that out is still at it.
    fn is_down(&self, spec: &TaskSpec, now: Timestamp) -> bool {
        let agent = agent(self.plan.agent_of(spec));
        let outages = self.state.outages.iter().filter(|(provider, _)| **provider == agent || *provider == REMOTE);
        let tries = |id: &TaskId| self.state.tasks.get(id).is_some_and(|task| task.session.is_some());
        outages.map(|(_, outage)| outage).any(|outage| outage.until > now || outage.probe.as_ref().is_some_and(tries))
    }

    /// A task with overlapping files that is not through, whoever of the two goes first.
    fn touches(&self, id: &TaskId) -> Option<&TaskId> {
        if self.plan.settings.same_file == SameFile::Explicit {
            return None;
        }
        let (spec, _) = self.task(id)?;
        let others = self.plan.tasks.iter().filter(|other| other.id != *id && other.files.overlaps(&spec.files));
        let through = |task: &TaskState| {
            task.skipped || matches!(task.status, Status::Complete | Status::PrOpen | Status::Merged)
        };
        others.map(|other| &other.id).find(|other| !self.state.tasks.get(*other).is_some_and(through))
    }
}
