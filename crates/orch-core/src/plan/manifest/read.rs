//! From the document to tasks and settings, every fault noted on the way.

mod fields;
mod task;

use crate::base::id::BranchName;
use crate::plan::spec::{Autonomy, ExecutorKind, ForgeKind, Gate, MergeMode, PlanSettings, PushMode, SameFile};
use crate::ports::MergeMethod;

use super::fields::{Field, PHASE, SETTINGS, near};
use super::json::{Kind, Value};
use super::problem::{At, ProblemKind, Problems, quoted};

pub(super) use task::Draft;

/// The document, read as far as it can be.
#[derive(Default)]
pub(super) struct Contents<'d> {
    /// Absent when the project has no name.
    pub(super) settings: Option<PlanSettings>,
    pub(super) phases: Vec<String>,
    pub(super) tasks: Vec<Draft<'d>>,
    pub(super) workdir: Option<String>,
    pub(super) socket: Option<String>,
    pub(super) created: Option<crate::base::time::Timestamp>,
    pub(super) journal: Option<(u64, u64)>,
    /// Also when there are no settings for want of a name.
    pub(super) base: Option<BranchName>,
}

/// The reader of fields.
pub(super) struct Reader<'p> {
    pub(super) problems: &'p mut Problems,
}

/// An object's members by the table of its fields.
struct Members<'d> {
    object: Value<'d>,
    fields: &'static [Field],
    values: Vec<Option<Value<'d>>>,
}

pub(super) fn read<'d>(root: Value<'d>, problems: &mut Problems) -> Contents<'d> {
    let mut reader = Reader { problems };
    let at = At::Root;
    let mut contents = Contents::default();
    let Some(members) = reader.members(&at, root, SETTINGS) else { return contents };
    contents.workdir = reader.text(&at, &members, "workdir");
    contents.socket = reader.text(&at, &members, "socket");
    contents.created = reader.time(&at, &members, "created");
    contents.journal = reader.mark(&at, &members);
    reader.text(&at, &members, "$schema");
    contents.base = reader.branch(&at, &members, "base");
    contents.settings = reader.settings(&at, &members, contents.base.clone());
    reader.phases(&at, &members, &mut contents);
    contents
}

impl Reader<'_> {
    fn settings(&mut self, at: &At<'_>, members: &Members<'_>, base: Option<BranchName>) -> Option<PlanSettings> {
        let project = match members.get("project") {
            Some(_) => self.text(at, members, "project"),
            None => self.missing(at, members.object, "project"),
        };
        let methods = [("merge", MergeMethod::Merge), ("squash", MergeMethod::Squash), ("rebase", MergeMethod::Rebase)];
        let method = |name: &str| methods.iter().find(|(own, _)| *own == name).map(|(_, method)| *method);
        let settings = PlanSettings {
            project: String::new(),
            repo: self.text(at, members, "repo"),
            base,
            agent: self.argument(at, members, "agent").unwrap_or_else(|| "codex".to_owned()),
            model: self.argument(at, members, "model"),
            model_tier: self.argument(at, members, "modelTier"),
            executor: self.one_of(at, members, "executor", ExecutorKind::parse),
            forge: self.one_of(at, members, "forge", ForgeKind::parse),
            autonomy: self.one_of(at, members, "autonomy", Autonomy::parse).unwrap_or(Autonomy::Full),
            same_file: self.one_of(at, members, "sameFile", SameFile::parse).unwrap_or(SameFile::Serialize),
            gate: self.one_of(at, members, "gate", Gate::parse).unwrap_or(Gate::Complete),
            merge: self.one_of(at, members, "merge", MergeMode::parse),
            merge_method: self.one_of(at, members, "mergeMethod", method).unwrap_or_default(),
            push: self.one_of(at, members, "push", PushMode::parse).unwrap_or(PushMode::Early),
            max_parallel: self.count(at, members, "maxParallel").unwrap_or(4),
            verify: self.argv(at, members, "verify").unwrap_or_default(),
        };
        // The name comes last, so that the other fields are read without it too.
        Some(PlanSettings { project: project?, ..settings })
    }

    fn phases<'d>(&mut self, at: &At<'_>, members: &Members<'d>, contents: &mut Contents<'d>) {
        let Some(phases) = members.get("phases") else {
            self.missing::<()>(at, members.object, "phases");
            return;
        };
        let at = At::Key(at, "phases");
        if !self.is(&at, phases, Kind::Array) {
            return;
        }
        for (index, phase) in phases.items().enumerate() {
            let at = At::Item(&at, index);
            let Some(members) = self.members(&at, phase, PHASE) else { continue };
            let name = self.text(&at, &members, "name");
            contents.phases.push(name.unwrap_or_else(|| format!("Phase {}", index + 1)));
            let Some(tasks) = members.get("tasks") else { continue };
            let at = At::Key(&at, "tasks");
            if !self.is(&at, tasks, Kind::Array) {
                continue;
            }
            for (place, task) in tasks.items().enumerate() {
                contents.tasks.extend(self.task(&At::Item(&at, place), task, (index, place)));
            }
        }
    }

    /// The object's members that are not null, by table; unknown ones are kept in the document.
    fn members<'d>(&mut self, at: &At<'_>, object: Value<'d>, fields: &'static [Field]) -> Option<Members<'d>> {
        if !self.is(at, object, Kind::Object) {
            return None;
        }
        let mut values = vec![None; fields.len()];
        for (key, value) in object.members() {
            let Some(name) = key.text() else { continue };
            if let Some(slot) = fields.iter().position(|field| field.name == name) {
                values[slot] = Some(value).filter(|value| !value.is_null());
            } else if let Some(meant) = near(&name, fields) {
                let message = format!("the field {} is unknown and kept as it is", quoted(&name));
                let help = format!("did you mean {meant}?");
                self.problems.add(ProblemKind::NearMiss, &At::Key(at, &name), key.start(), message, help);
            }
        }
        Some(Members { object, fields, values })
    }

    fn missing<T>(&mut self, at: &At<'_>, object: Value<'_>, name: &str) -> Option<T> {
        let message = format!("the required field {name} is missing");
        self.problems.add(ProblemKind::Missing, at, object.start(), message, format!("add \"{name}\""));
        None
    }

    fn is(&mut self, at: &At<'_>, value: Value<'_>, wanted: Kind) -> bool {
        let right = value.kind() == wanted;
        if !right {
            self.wrong_type(at, value, wanted.name());
        }
        right
    }

    fn wrong_type(&mut self, at: &At<'_>, value: Value<'_>, wanted: &str) {
        if self.problems.only_counts(ProblemKind::Type) {
            return;
        }
        let message = format!("this is {} and should be {wanted}", value.kind().name());
        self.problems.add(ProblemKind::Type, at, value.start(), message, format!("write {wanted}"));
    }
}

impl<'d> Members<'d> {
    fn get(&self, name: &str) -> Option<Value<'d>> {
        let slot = self.fields.iter().position(|field| field.name == name)?;
        self.values[slot]
    }

    fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}
