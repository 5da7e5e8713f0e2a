//! What an edit changed.

use std::collections::BTreeMap;

use crate::base::id::TaskId;
use crate::plan::spec::{Plan, PlanSettings, TaskSpec};

/// The difference between two plans; fields by their names in the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PlanDiff {
    /// Tasks that only the new plan has, in its order.
    pub added: Vec<TaskId>,
    /// Tasks that only the old plan has, in its order.
    pub removed: Vec<TaskId>,
    /// Tasks of both that differ, in the new plan's order, and in what; `phase` when they moved.
    pub changed: Vec<(TaskId, Vec<&'static str>)>,
    /// Settings that differ.
    pub settings: Vec<&'static str>,
    /// Whether the phases' number, order or names differ.
    pub phases_changed: bool,
}

impl PlanDiff {
    /// Whether the plans are the same, but for the order of tasks within a phase.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Compares two plans.
pub fn diff(old: &Plan, new: &Plan) -> PlanDiff {
    let by_id = |plan: &Plan| -> BTreeMap<TaskId, usize> {
        plan.tasks.iter().enumerate().map(|(index, task)| (task.id.clone(), index)).collect()
    };
    let (before, after) = (by_id(old), by_id(new));
    let mut difference = PlanDiff {
        settings: settings(&old.settings, &new.settings),
        phases_changed: old.phases != new.phases,
        ..PlanDiff::default()
    };
    for task in &new.tasks {
        match before.get(&task.id).map(|&index| fields(&old.tasks[index], task)) {
            None => difference.added.push(task.id.clone()),
            Some(fields) if fields.is_empty() => {}
            Some(fields) => difference.changed.push((task.id.clone(), fields)),
        }
    }
    let gone = old.tasks.iter().filter(|task| !after.contains_key(&task.id));
    difference.removed = gone.map(|task| task.id.clone()).collect();
    difference
}

fn fields(old: &TaskSpec, new: &TaskSpec) -> Vec<&'static str> {
    let TaskSpec {
        id: _,
        phase,
        issue,
        title,
        files,
        depends_on,
        body,
        prompt,
        agent,
        model,
        priority,
        role,
        verify,
        estimate_minutes,
        branch,
    } = old;
    named(&[
        ("phase", *phase != new.phase),
        ("issue", *issue != new.issue),
        ("title", *title != new.title),
        ("files", *files != new.files),
        ("dependsOn", *depends_on != new.depends_on),
        ("body", *body != new.body),
        ("prompt", *prompt != new.prompt),
        ("agent", *agent != new.agent),
        ("model", *model != new.model),
        ("priority", *priority != new.priority),
        ("role", *role != new.role),
        ("verify", *verify != new.verify),
        ("estimateMinutes", *estimate_minutes != new.estimate_minutes),
        ("branch", *branch != new.branch),
    ])
}

fn settings(old: &PlanSettings, new: &PlanSettings) -> Vec<&'static str> {
    let PlanSettings {
        project,
        repo,
        base,
        agent,
        model,
        model_tier,
        executor,
        forge,
        autonomy,
        same_file,
        gate,
        merge,
        merge_method,
        push,
        max_parallel,
        verify,
    } = old;
    named(&[
        ("project", *project != new.project),
        ("repo", *repo != new.repo),
        ("base", *base != new.base),
        ("agent", *agent != new.agent),
        ("model", *model != new.model),
        ("modelTier", *model_tier != new.model_tier),
        ("executor", *executor != new.executor),
        ("forge", *forge != new.forge),
        ("autonomy", *autonomy != new.autonomy),
        ("sameFile", *same_file != new.same_file),
        ("gate", *gate != new.gate),
        ("merge", *merge != new.merge),
        ("mergeMethod", *merge_method != new.merge_method),
        ("push", *push != new.push),
        ("maxParallel", *max_parallel != new.max_parallel),
        ("verify", *verify != new.verify),
    ])
}

fn named(differences: &[(&'static str, bool)]) -> Vec<&'static str> {
    differences.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect()
}
