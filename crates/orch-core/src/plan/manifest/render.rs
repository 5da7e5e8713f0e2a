//! The document with other states, or with more tasks.

use std::collections::BTreeSet;

use serde_json::{Value as Data, json};

use crate::base::id::TaskId;

use super::json::{Kind, Pretty, Value};
use super::problem::{At, Problems};
use super::state::ProjectedTask;
use super::{Manifest, Problem, ProblemKind, Projection};

/// What to write over a document.
struct Changes<'c> {
    projection: &'c Projection,
    /// Tasks to append, and to which phase; one behind the last is a new one.
    added: &'c [Data],
    phase: usize,
}

impl Manifest {
    /// Writes the document with the states of the projection: the same fields in the same order, as
    /// `serde_json` prints with two blanks a level, and a newline at the end. What the user wrote,
    /// unknown fields included, stays as it is.
    ///
    /// Of the state fields that a task lacks, those that plans are written with are added, as null where they say nothing;
    /// orch's own are added only when they say something.
    pub fn render(&self, projection: &Projection) -> String {
        let known: BTreeSet<&str> = self.plan.tasks.iter().map(|task| task.id.as_str()).collect();
        let is_new = |task: &&Data| task["id"].as_str().is_none_or(|id| !known.contains(id));
        let added: Vec<Data> = projection.added.iter().filter(is_new).cloned().collect();
        let phase = self.plan.phases.len().saturating_sub(1);
        self.write(&Changes { projection, added: &added, phase })
    }

    /// The manifest with tasks appended to a phase, counted from 0 (default: the last one); one behind
    /// the last is a new phase.
    ///
    /// # Errors
    /// Every problem of the resulting manifest; [`ProblemKind::Phase`] for a phase further behind.
    pub fn with_tasks_added(&self, phase: Option<usize>, tasks: &[Data]) -> Result<Self, Vec<Problem>> {
        let phases = self.plan.phases.len();
        let phase = phase.unwrap_or(phases.saturating_sub(1));
        if phase > phases {
            let mut problems = Problems::default();
            let message = format!("there is no phase {phase}: the manifest has {phases}, counted from 0");
            let help = format!("name a phase from 0 to {phases}");
            problems.add(ProblemKind::Phase, &At::Key(&At::Root, "phases"), 0, message, help);
            return Err(problems.finish(self.document.text()));
        }
        let changes = Changes { projection: &Projection::default(), added: tasks, phase };
        Self::parse(self.write(&changes).as_bytes()).map(|parsed| parsed.manifest)
    }

    fn write(&self, changes: &Changes<'_>) -> String {
        let mut out = Pretty::new();
        let root = self.document.root();
        let mark = changes.projection.journal.map(|(seq, offset)| json!({"seq": seq, "offset": offset}));
        let own = [("socket", changes.projection.socket.as_ref().map(|socket| json!(socket))), ("journal", mark)];
        out.begin('{');
        for (key, value) in root.members() {
            let name = key.text().unwrap_or_default();
            let replaced = own.iter().find(|(own, _)| *own == name).and_then(|(_, value)| value.as_ref());
            if name == "phases" {
                for (name, value) in own.iter().filter(|(name, _)| root.member(name).is_none()) {
                    if let Some(value) = value {
                        out.member(name, value);
                    }
                }
            }
            out.key(key.raw());
            match replaced {
                Some(data) => out.data(data),
                None if name == "phases" => self.write_phases(&mut out, value, changes),
                None => out.copy(value),
            }
        }
        out.end('}');
        out.finish()
    }

    fn write_phases(&self, out: &mut Pretty, phases: Value<'_>, changes: &Changes<'_>) {
        let mut ids = self.imported.iter().map(|task| &task.id);
        let mut count = 0;
        out.begin('[');
        for (index, phase) in phases.items().enumerate() {
            out.item();
            let added = if index == changes.phase { changes.added } else { &[] };
            write_phase(out, phase, &mut ids, changes, added);
            count += 1;
        }
        if count == changes.phase && !changes.added.is_empty() {
            out.item();
            out.begin('{');
            out.member("name", &json!(format!("Phase {}", count + 1)));
            out.key("\"tasks\"");
            out.begin('[');
            write_added(out, changes, changes.added);
            out.end(']');
            out.end('}');
        }
        out.end(']');
    }
}

fn write_phase<'i>(
    out: &mut Pretty,
    phase: Value<'_>,
    ids: &mut impl Iterator<Item = &'i TaskId>,
    changes: &Changes<'_>,
    added: &[Data],
) {
    let has_tasks = phase.member("tasks").is_some();
    out.begin('{');
    for (key, value) in phase.members() {
        out.key(key.raw());
        if key.text().is_none_or(|key| key != "tasks") || (value.is_null() && added.is_empty()) {
            out.copy(value);
            continue;
        }
        out.begin('[');
        for task in value.items() {
            out.item();
            match ids.next().and_then(|id| changes.projection.tasks.get(id)) {
                Some(state) => write_task(out, task, state),
                None => out.copy(task),
            }
        }
        write_added(out, changes, added);
        out.end(']');
    }
    if !has_tasks && !added.is_empty() {
        out.key("\"tasks\"");
        out.begin('[');
        write_added(out, changes, added);
        out.end(']');
    }
    out.end('}');
}

fn write_task(out: &mut Pretty, task: Value<'_>, state: &ProjectedTask) {
    debug_assert_eq!(task.kind(), Kind::Object);
    let mut fields = state.fields().map(|(name, value, always)| (name, value, always, false));
    out.begin('{');
    for (key, value) in task.members() {
        out.key(key.raw());
        let name = key.text().unwrap_or_default();
        match fields.iter_mut().find(|(own, ..)| *own == name) {
            Some((_, data, _, written)) => {
                out.data(data);
                *written = true;
            }
            None => out.copy(value),
        }
    }
    for (name, value, ..) in fields.iter().filter(|(_, _, always, written)| *always && !written) {
        out.member(name, value);
    }
    out.end('}');
}

fn write_added(out: &mut Pretty, changes: &Changes<'_>, added: &[Data]) {
    for task in added {
        out.item();
        let mut task = task.clone();
        let id = task["id"].as_str().and_then(|id| TaskId::parse(id).ok());
        let state = id.and_then(|id| changes.projection.tasks.get(&id));
        if let (Some(state), Some(fields)) = (state, task.as_object_mut()) {
            for (name, value, always) in state.fields() {
                if always || fields.contains_key(name) {
                    fields.insert(name.to_owned(), value);
                }
            }
        }
        out.data(&task);
    }
}
