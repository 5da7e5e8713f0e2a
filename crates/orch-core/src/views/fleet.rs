use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use serde::Serialize;

use crate::base::id::{AttemptNo, BranchName, PullNumber, Seq, TaskId};
use crate::base::layout::Layout;
use crate::base::time::{AwakeMs, Timestamp};
use crate::engine::{Blocker, Holds, Wait};
use crate::journal::record::{Entry, ImportedState, Record};
use crate::plan::graph::TaskGraph;
use crate::plan::manifest::{ImportedTask, Manifest};
use crate::plan::spec::{Plan, TaskSpec};
use crate::plan::status::Status;
use crate::state::{State, TaskState};

/// The whole fleet at one moment: the JSON of `orch status`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FleetView {
    /// The project's name.
    pub project: String,
    /// The workdir.
    pub workdir: Utf8PathBuf,
    /// Whether anyone drives it.
    pub orchestrator: OrchestratorView,
    /// The first phase that is not through its gate, else the last one; `None` when the plan has none.
    pub phase: Option<PhaseView>,
    /// How many tasks have each status, zeros included.
    pub counts: BTreeMap<Status, usize>,
    /// The tasks in manifest order.
    pub tasks: Vec<TaskView>,
}

/// Whether an orchestrator holds the workdir.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OrchestratorView {
    /// Whether one does.
    pub running: bool,
    /// Its process id.
    pub pid: Option<u32>,
}

/// A phase by number and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PhaseView {
    /// Its number, from 0.
    pub index: usize,
    /// Its name; foreign text.
    pub name: String,
}

/// One task at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TaskView {
    /// Its name.
    pub id: TaskId,
    /// One line; foreign text.
    pub title: String,
    /// Its phase, from 0.
    pub phase: usize,
    /// Where it stands.
    pub status: Status,
    /// The last attempt that was opened; 0 before the first.
    pub attempt: AttemptNo,
    /// Its agent profile.
    pub agent: String,
    /// Its session in the executor, while it has one.
    pub session: Option<String>,
    /// Its branch.
    pub branch: BranchName,
    /// Its worktree, while there is one.
    pub worktree: Option<Utf8PathBuf>,
    /// Its pull request.
    pub pr_number: Option<PullNumber>,
    /// A person is needed.
    pub needs_human: bool,
    /// Why it waits, failed or needs a person; foreign text may be quoted in it.
    pub reason: Option<String>,
    /// Others may pass it.
    pub skipped: bool,
    /// Nothing is done for it, because it or everything is paused.
    pub paused: bool,
    /// What it waits for before it may start.
    pub blocked_by: Vec<Blocker>,
    /// All that it waits for now: for what, since when, and what would end it.
    pub waits: Vec<Wait>,
    /// When its first attempt opened.
    pub started_at: Option<Timestamp>,
    /// When it was last seen to get on.
    pub last_progress: Option<Timestamp>,
    /// When it was verified.
    pub completed_at: Option<Timestamp>,
}

impl FleetView {
    /// The fleet as a state has it; `driver` is the process id of the orchestrator that holds the workdir.
    ///
    /// `graph` must be that of the state's plan. A state without a plan is a fleet without tasks.
    pub fn new(state: &State, graph: &TaskGraph, layout: &Layout, driver: Option<u32>) -> Self {
        let holds = Holds::new(state, graph);
        let plan = state.plan.as_ref();
        let tasks = plan.map_or_else(Vec::new, |plan| {
            let view = |spec| TaskView::new(plan, spec, state, &holds, layout);
            plan.tasks.iter().map(view).collect()
        });
        let mut view = Self {
            project: plan.map_or_else(String::new, |plan| plan.settings.project.clone()),
            workdir: layout.root().to_owned(),
            orchestrator: OrchestratorView { running: driver.is_some(), pid: driver },
            phase: plan.and_then(|plan| phase(plan, &holds)),
            counts: BTreeMap::new(),
            tasks,
        };
        view.recount();
        view
    }

    /// Adds what only a manifest says, for a workdir whose journal has not begun.
    #[must_use]
    pub fn with_imported(mut self, imported: &[ImportedTask]) -> Self {
        let by_id: BTreeMap<&TaskId, _> = imported.iter().map(|task| (&task.id, &task.state)).collect();
        for task in &mut self.tasks {
            let Some(said) = by_id.get(&task.id) else { continue };
            task.session = said.session.clone().or_else(|| said.tmux_session.clone());
            task.worktree = said.worktree.as_ref().map(Utf8PathBuf::from);
            task.pr_number = said.pr_number;
            task.started_at = said.started_at;
            task.last_progress = said.last_progress;
            task.completed_at = said.completed_at;
        }
        self
    }

    /// The same fleet with one of its tasks only; none for an unknown one. Counts are of all tasks.
    #[must_use]
    pub fn only(mut self, task: &TaskId) -> Self {
        self.tasks.retain(|view| view.id == *task);
        self
    }

    fn recount(&mut self) {
        self.counts = count(self.tasks.iter().map(|task| task.status));
    }
}

impl State {
    /// The state that a manifest gives where no journal has begun.
    pub fn from_manifest(manifest: &Manifest) -> Self {
        let mut state = Self::default();
        let at = manifest.created().unwrap_or(Timestamp::from_millis(0));
        let why = "manifest.json".to_owned();
        let plan = Record::Plan { why, plan: Box::new(manifest.plan().clone()) };
        let imports = manifest.imported().iter().map(|task| {
            let said = &task.state;
            let imported = ImportedState {
                status: said.status,
                attempt: AttemptNo(said.attempts),
                pull: said.pr_number,
                needs_human: said.needs_human,
                reason: said.reason.clone(),
                skipped: said.skipped,
                paused: said.paused,
            };
            (Some(task.id.clone()), Record::Imported(imported))
        });
        for (task, record) in std::iter::once((None, plan)).chain(imports) {
            state.apply(&Entry { seq: Seq(0), timestamp: at, awake: AwakeMs(0), task, record });
        }
        (state.began, state.latest) = (None, None);
        state
    }
}

/// How often each status occurs, zeros included.
pub(super) fn count(statuses: impl Iterator<Item = Status>) -> BTreeMap<Status, usize> {
    let mut counts: BTreeMap<Status, usize> = Status::ALL.iter().map(|status| (*status, 0)).collect();
    for status in statuses {
        *counts.entry(status).or_default() += 1;
    }
    counts
}

fn phase(plan: &Plan, holds: &Holds<'_>) -> Option<PhaseView> {
    let index = holds.open_phase().or_else(|| plan.phases.len().checked_sub(1))?;
    Some(PhaseView { index, name: plan.phases.get(index)?.clone() })
}

impl TaskView {
    pub(super) fn new(plan: &Plan, spec: &TaskSpec, state: &State, holds: &Holds<'_>, layout: &Layout) -> Self {
        let fresh = TaskState::default();
        let task = state.tasks.get(&spec.id).unwrap_or(&fresh);
        let launched = task.session.as_ref().and_then(|session| session.launched.as_ref());
        Self {
            id: spec.id.clone(),
            title: spec.title.clone(),
            phase: spec.phase,
            status: task.status,
            attempt: task.attempt.number,
            agent: plan.agent_of(spec).to_owned(),
            session: launched.map(|launched| launched.session.clone()),
            branch: spec.branch.clone(),
            worktree: task.worktree.is_there().then(|| layout.worktree(&spec.id)),
            pr_number: task.publication.pull.as_ref().map(|pull| pull.number),
            needs_human: task.needs_human,
            reason: task.reason.clone(),
            skipped: task.skipped,
            paused: task.paused || state.paused,
            blocked_by: holds.blockers(&spec.id),
            waits: holds.waits(&spec.id),
            started_at: task.times.started_at,
            last_progress: task.times.last_progress,
            completed_at: task.times.completed_at,
        }
    }
}
