use std::collections::BTreeMap;

use serde::Serialize;

use super::fleet::count;
use crate::base::id::{BranchName, PullNumber, TaskId};
use crate::base::time::Timestamp;
use crate::engine::is_at_goal;
use crate::heal::Signal;
use crate::plan::spec::TaskSpec;
use crate::plan::status::Status;
use crate::ports::Commit;
use crate::state::{State, TaskState};

/// The form of [`ReportView`]; grows when a field changes its meaning or goes.
const VERSION: u32 = 1;

/// What a whole run came to: the JSON of `orch report`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ReportView {
    /// The form of this view.
    pub version: u32,
    /// The project's name.
    pub project: String,
    /// When the first record was written.
    pub started_at: Option<Timestamp>,
    /// When the last task reached the goal; `None` while one has not.
    pub finished_at: Option<Timestamp>,
    /// How many tasks have each status, zeros included.
    pub counts: BTreeMap<Status, usize>,
    /// The tasks in manifest order.
    pub tasks: Vec<TaskReport>,
    /// The most attempts that were open at once.
    pub parallel_peak: usize,
}

/// What one task came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TaskReport {
    /// Its name.
    pub id: TaskId,
    /// Where it stands.
    pub status: Status,
    /// How many attempts were opened.
    pub attempts: u32,
    /// Whole seconds from its first attempt until it was verified, or else until the last record.
    pub duration_seconds: Option<u64>,
    /// Its branch.
    pub branch: BranchName,
    /// Its pull request.
    pub pr_number: Option<PullNumber>,
    /// Commits over its start, oldest first; subjects are foreign text.
    pub commits: Vec<Commit>,
    /// Files changed over its start; foreign text.
    pub files: Vec<String>,
    /// What was done against trouble.
    pub remedies: Vec<RemedyView>,
    /// A person is needed.
    pub needs_human: bool,
    /// Why it waits, failed or needs a person.
    pub reason: Option<String>,
}

/// One decision of the heal policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RemedyView {
    /// When.
    pub at: Timestamp,
    /// Against what.
    pub signal: Signal,
    /// What.
    pub remedy: &'static str,
    /// Why.
    pub reason: String,
}

impl ReportView {
    /// The report on a state.
    pub fn new(state: &State) -> Self {
        let specs = state.plan.as_ref().map_or(&[][..], |plan| &plan.tasks);
        let tasks: Vec<TaskReport> = specs.iter().map(|spec| TaskReport::new(spec, state)).collect();
        Self {
            version: VERSION,
            project: state.plan.as_ref().map_or_else(String::new, |plan| plan.settings.project.clone()),
            started_at: state.began,
            finished_at: finished_at(state),
            counts: count(tasks.iter().map(|task| task.status)),
            tasks,
            parallel_peak: state.parallel_peak,
        }
    }
}

fn finished_at(state: &State) -> Option<Timestamp> {
    let goal = state.driver.as_ref()?.goal;
    let all = state.tasks.values().all(|task| is_at_goal(task, goal));
    state.tasks.values().filter_map(|task| task.times.changed_at).max().filter(|_| all)
}

impl TaskReport {
    fn new(spec: &TaskSpec, state: &State) -> Self {
        let fresh = TaskState::default();
        let task = state.tasks.get(&spec.id).unwrap_or(&fresh);
        let until = task.times.completed_at.or(state.latest);
        let taken = task.healing.remedies.iter().map(|taken| RemedyView {
            at: taken.at,
            signal: taken.signal,
            remedy: taken.remedy,
            reason: taken.reason.clone(),
        });
        Self {
            id: spec.id.clone(),
            status: task.status,
            attempts: task.attempt.number.0,
            duration_seconds: task.times.started_at.zip(until).map(|(from, until)| until.since(from).0 / 1000),
            branch: spec.branch.clone(),
            pr_number: task.publication.pull.as_ref().map(|pull| pull.number),
            commits: task.work.commits.clone(),
            files: task.work.changed.clone(),
            remedies: taken.collect(),
            needs_human: task.needs_human,
            reason: task.reason.clone(),
        }
    }
}
