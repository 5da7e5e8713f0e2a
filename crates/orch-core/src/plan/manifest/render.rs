//! The document with other states, or with another plan.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Data, json};

use crate::base::id::TaskId;

use super::json::{Kind, Pretty, Value};
use super::problem::{At, Problems};
use super::state::ProjectedTask;
use super::{Manifest, Problem, ProblemKind, Projection};

/// Fields by name and what they are to hold.
pub(super) type Fields = Vec<(&'static str, Data)>;

/// What to write over a document.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) projection: Projection,
    pub(super) settings: Fields,
    /// Other names for phases, by their index; those behind the last are new ones.
    pub(super) phases: BTreeMap<usize, String>,
    /// Plan fields of tasks.
    pub(super) tasks: BTreeMap<TaskId, Fields>,
    /// Tasks that are left out.
    pub(super) gone: BTreeSet<TaskId>,
    /// Tasks to append to a phase; behind the last, the phase is made.
    pub(super) added: BTreeMap<usize, Vec<Data>>,
}

impl Manifest {
    /// Writes the document with the states of the projection: the same fields in the same order, as
    /// `serde_json` prints with two blanks a level, and a newline at the end. What the user wrote,
    /// unknown fields included, stays as it is.
    ///
    /// Of the state fields that a task lacks, those that plans are written with are added, as null where they say nothing;
    /// orch's own are added only when they say something.
    pub fn render(&self, projection: &Projection) -> String {
        self.write(&Changes { projection: projection.clone(), ..Changes::default() })
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
        self.changed(&Changes { added: BTreeMap::from([(phase, tasks.to_vec())]), ..Changes::default() })
    }

    /// The manifest that the changed document is.
    pub(super) fn changed(&self, changes: &Changes) -> Result<Self, Vec<Problem>> {
        Self::parse(self.write(changes).as_bytes()).map(|parsed| parsed.manifest)
    }

    fn write(&self, changes: &Changes) -> String {
        let mut out = Pretty::new();
        let root = self.document.root();
        let projection = &changes.projection;
        let mark = projection.journal.map(|(seq, offset)| ("journal", json!({"seq": seq, "offset": offset})));
        let socket = projection.socket.as_ref().map(|socket| ("socket", json!(socket)));
        let own: Fields = socket.into_iter().chain(mark).chain(changes.settings.iter().cloned()).collect();
        out.begin('{');
        for (key, value) in root.members() {
            let name = key.text().unwrap_or_default();
            if name == "phases" {
                for (name, value) in own.iter().filter(|(name, _)| root.member(name).is_none()) {
                    out.member(name, value);
                }
            }
            out.key(key.raw());
            match own.iter().find(|(own, _)| *own == name) {
                Some((_, data)) => out.data(data),
                None if name == "phases" => self.write_phases(&mut out, value, changes),
                None => out.copy(value),
            }
        }
        out.end('}');
        out.finish()
    }

    fn write_phases(&self, out: &mut Pretty, phases: Value<'_>, changes: &Changes) {
        let mut ids = self.imported.iter().map(|task| &task.id);
        let mut count = 0;
        out.begin('[');
        for (index, phase) in phases.items().enumerate() {
            out.item();
            write_phase(out, phase, &mut ids, changes, index);
            count += 1;
        }
        let filled = changes.added.iter().filter(|(_, tasks)| !tasks.is_empty()).map(|(index, _)| *index);
        let end = filled.chain(changes.phases.keys().copied()).map(|index| index + 1).max().unwrap_or(0);
        for index in count..end {
            out.item();
            out.begin('{');
            let name = changes.phases.get(&index).cloned().unwrap_or_else(|| format!("Phase {}", index + 1));
            out.member("name", &json!(name));
            out.key("\"tasks\"");
            out.begin('[');
            write_added(out, changes, index);
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
    changes: &Changes,
    index: usize,
) {
    let has_tasks = phase.member("tasks").is_some();
    let grows = changes.added.get(&index).is_some_and(|tasks| !tasks.is_empty());
    let mut name = changes.phases.get(&index);
    out.begin('{');
    for (key, value) in phase.members() {
        out.key(key.raw());
        let field = key.text().unwrap_or_default();
        if let Some(name) = name.take_if(|_| field == "name") {
            out.data(&json!(name));
            continue;
        }
        if field != "tasks" || (value.is_null() && !grows) {
            out.copy(value);
            continue;
        }
        out.begin('[');
        for task in value.items() {
            let id = ids.next();
            if id.is_some_and(|id| changes.gone.contains(id)) {
                continue;
            }
            out.item();
            let fields = id.and_then(|id| changes.tasks.get(id));
            let state = id.and_then(|id| changes.projection.tasks.get(id));
            if fields.is_none() && state.is_none() {
                out.copy(task);
            } else {
                write_task(out, task, fields.map_or(&[], Vec::as_slice), state);
            }
        }
        write_added(out, changes, index);
        out.end(']');
    }
    if let Some(name) = name {
        out.member("name", &json!(name));
    }
    if !has_tasks && grows {
        out.key("\"tasks\"");
        out.begin('[');
        write_added(out, changes, index);
        out.end(']');
    }
    out.end('}');
}

fn write_task(out: &mut Pretty, task: Value<'_>, plan: &[(&'static str, Data)], state: Option<&ProjectedTask>) {
    debug_assert_eq!(task.kind(), Kind::Object);
    let plan = plan.iter().map(|(name, value)| (*name, value.clone(), true));
    let mut fields: Vec<_> = plan
        .chain(state.into_iter().flat_map(ProjectedTask::fields))
        .map(|(name, value, always)| (name, value, always, false))
        .collect();
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

fn write_added(out: &mut Pretty, changes: &Changes, index: usize) {
    for task in changes.added.get(&index).into_iter().flatten() {
        out.item();
        out.data(task);
    }
}
