//! What turns one plan into another, as small as the difference.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::base::id::TaskId;
use crate::plan::spec::{Plan, PlanSettings, TaskSpec};

/// What turns one plan into another.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct PlanChange {
    /// The settings, if any of them changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<PlanSettings>,
    /// The phases' names, if they changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phases: Option<Vec<String>>,
    /// Tasks that are gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<TaskId>,
    /// Tasks that are new, changed or elsewhere, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<PlacedTask>,
}

/// A task and its place in the new plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlacedTask {
    /// The place, counted from 0.
    pub at: usize,
    /// The task.
    pub task: TaskSpec,
}

impl PlanChange {
    /// What turns `old` into `new`; `None` where that is no less than the whole plan: most tasks changed, or
    /// those that did not are in another order.
    pub fn between(old: &Plan, new: &Plan) -> Option<Self> {
        let before: BTreeMap<&TaskId, &TaskSpec> = old.tasks.iter().map(|task| (&task.id, task)).collect();
        let after: BTreeSet<&TaskId> = new.tasks.iter().map(|task| &task.id).collect();
        let places = new.tasks.iter().enumerate();
        let changed = places.filter(|(_, task)| before.get(&task.id) != Some(task));
        let tasks: Vec<PlacedTask> = changed.map(|(at, task)| PlacedTask { at, task: task.clone() }).collect();
        let change = Self {
            settings: (old.settings != new.settings).then(|| new.settings.clone()),
            phases: (old.phases != new.phases).then(|| new.phases.clone()),
            removed: old.tasks.iter().map(|task| &task.id).filter(|id| !after.contains(id)).cloned().collect(),
            tasks,
        };
        (change.tasks.len() * 2 <= new.tasks.len() && change.applied(old) == *new).then_some(change)
    }

    /// The plan that it makes of another.
    pub fn applied(&self, old: &Plan) -> Plan {
        let placed: BTreeSet<&TaskId> =
            self.removed.iter().chain(self.tasks.iter().map(|placed| &placed.task.id)).collect();
        let mut kept = old.tasks.iter().filter(|task| !placed.contains(&task.id));
        let mut tasks = Vec::with_capacity(old.tasks.len() + self.tasks.len());
        for PlacedTask { at, task } in &self.tasks {
            tasks.extend(kept.by_ref().take(at.saturating_sub(tasks.len())).cloned());
            tasks.push(task.clone());
        }
        tasks.extend(kept.cloned());
        Plan {
            settings: self.settings.as_ref().unwrap_or(&old.settings).clone(),
            phases: self.phases.as_ref().unwrap_or(&old.phases).clone(),
            tasks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::{planned, planned_task};

    fn of(names: &[&str]) -> Plan {
        planned(names.iter().map(|name| planned_task(name, 0, &[""; 0], &[""; 0])).collect())
    }

    fn titled(mut plan: Plan, at: usize) -> Plan {
        plan.tasks[at].title = "another".to_owned();
        plan
    }

    #[test]
    fn a_change_makes_of_the_old_plan_the_new_one() {
        let old = of(&["a", "b", "c", "d", "e", "f"]);
        let settings = Plan { settings: PlanSettings { max_parallel: 9, ..old.settings.clone() }, ..old.clone() };
        let phases = Plan { phases: vec!["x".to_owned(), "y".to_owned()], ..old.clone() };
        let rows = [
            (old.clone(), Some(0)),
            (settings, Some(0)),
            (phases, Some(0)),
            (of(&["a", "b", "c", "d", "e", "f", "g"]), Some(1)),
            (of(&["n", "a", "b", "m", "c", "d", "e", "f"]), Some(2)),
            (of(&["b", "d", "e", "f"]), Some(0)),
            (titled(of(&["a", "c", "x", "d", "e", "f"]), 3), Some(2)),
            (titled(old.clone(), 5), Some(1)),
            (of(&["b", "a", "c", "d", "e", "f"]), None),
            (of(&["x", "y"]), None),
            (of(&[]), Some(0)),
        ];
        for (new, tasks) in rows {
            let change = PlanChange::between(&old, &new);
            assert_eq!(change.as_ref().map(|change| change.tasks.len()), tasks, "{new:?}");
            let Some(change) = change else { continue };
            let text = serde_json::to_string(&change).expect("JSON");
            let read: PlanChange = serde_json::from_str(&text).expect("it comes back");
            assert_eq!(read.applied(&old), new, "{text}");
        }
    }
}
