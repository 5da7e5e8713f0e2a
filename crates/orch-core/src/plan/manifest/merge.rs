//! A document that was written over an older plan, brought to the plan as of now.

use std::collections::BTreeMap;

use serde_json::{Value as Data, json};

use crate::base::id::TaskId;
use crate::plan::spec::{Plan, TaskSpec};

use super::render::{Changes, Fields};
use super::{Manifest, Problem, diff};

impl Manifest {
    /// The manifest with everything that the plan got between `then`, the plan that this document was
    /// written over, and `now`; what the document itself changes of `then` stays.
    ///
    /// # Errors
    /// Every problem of the resulting manifest.
    pub fn brought_forward(self, then: &Plan, now: &Plan) -> Result<Self, Vec<Problem>> {
        let (since, edit) = (diff(then, now), diff(then, &self.plan));
        if since.is_empty() {
            return Ok(self);
        }
        let untouched = |changed: &[&'static str], name: &str| !changed.contains(&name);
        let mut changes = Changes::default();
        let settings = json!(now.settings);
        let kept = since.settings.iter().filter(|name| untouched(&edit.settings, name));
        changes.settings = kept.map(|name| (*name, settings[*name].clone())).collect();
        changes.phases = self.phases_forward(then, now);

        let edited: BTreeMap<&TaskId, &[&'static str]> =
            edit.changed.iter().map(|(id, fields)| (id, fields.as_slice())).collect();
        for (id, fields) in &since.changed {
            let (Some(ours), Some(theirs)) = (now.task(id), self.plan.task(id)) else { continue };
            let by_hand = edited.get(id).copied().unwrap_or_default();
            let fields: Vec<&'static str> = fields.iter().copied().filter(|name| untouched(by_hand, name)).collect();
            if fields.contains(&"phase") && theirs.phase != ours.phase {
                // What stands in another phase is written anew there.
                changes.gone.insert(id.clone());
                let spec = TaskSpec { phase: ours.phase, ..theirs.clone() };
                let mut task = as_object(&spec);
                task.extend(members(ours, &fields).into_iter().map(|(name, value)| (name.to_owned(), value)));
                changes.added.entry(ours.phase).or_default().push(Data::Object(task));
            } else if !fields.is_empty() {
                changes.tasks.insert(id.clone(), members(ours, &fields));
            }
        }
        changes.gone.extend(since.removed.iter().filter(|id| !edited.contains_key(id)).cloned());
        for spec in now.tasks.iter().filter(|spec| since.added.contains(&spec.id)) {
            if self.plan.task(&spec.id).is_none() {
                changes.added.entry(spec.phase).or_default().push(Data::Object(as_object(spec)));
            }
        }
        self.changed(&changes)
    }

    /// The names that phases got since then, where the document says what it said then, and new phases.
    fn phases_forward(&self, then: &Plan, now: &Plan) -> BTreeMap<usize, String> {
        let new = now.phases.iter().enumerate();
        new.filter(|(index, name)| {
            let before = then.phases.get(*index);
            before != Some(name) && self.plan.phases.get(*index) == before
        })
        .map(|(index, name)| (index, name.clone()))
        .collect()
    }
}

/// Fields of a task as the manifest has them.
fn members(spec: &TaskSpec, names: &[&'static str]) -> Fields {
    let task = json!(spec);
    names.iter().filter(|name| **name != "phase").map(|name| (*name, task[*name].clone())).collect()
}

/// A task as the manifest has it: fields that say nothing are left out.
fn as_object(spec: &TaskSpec) -> serde_json::Map<String, Data> {
    let Data::Object(mut task) = json!(spec) else { return serde_json::Map::new() };
    task.retain(|name, value| name != "phase" && !value.is_null());
    task
}

#[cfg(test)]
mod tests;
