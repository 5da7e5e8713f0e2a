//! One task of the document.

use std::collections::BTreeSet;

use crate::base::files::{FileSet, entry_text};
use crate::base::id::{BranchName, PullNumber, TaskId};
use crate::plan::spec::{Priority, TaskSpec};
use crate::plan::status::Status;

use super::super::fields::TASK;
use super::super::json::Value;
use super::super::problem::{At, ProblemKind, quoted};
use super::super::state::ProjectedTask;
use super::{Members, Reader};

/// A task that was read, with the places that later checks need.
pub(in crate::plan::manifest) struct Draft<'d> {
    /// Its phase and its place there.
    pub(in crate::plan::manifest) place: (usize, usize),
    pub(in crate::plan::manifest) object: Value<'d>,
    pub(in crate::plan::manifest) id: Option<(TaskId, Value<'d>)>,
    pub(in crate::plan::manifest) issue: Option<u64>,
    pub(in crate::plan::manifest) branch: Option<BranchName>,
    /// By index in `dependsOn`; repeats left out.
    pub(in crate::plan::manifest) depends_on: Vec<(usize, String, Value<'d>)>,
    pub(in crate::plan::manifest) fields: Fields,
    pub(in crate::plan::manifest) state: ProjectedTask,
}

/// The fields that need no other task.
#[derive(Default)]
pub(in crate::plan::manifest) struct Fields {
    title: String,
    files: FileSet,
    body: Option<String>,
    prompt: Option<String>,
    agent: Option<String>,
    model: Option<String>,
    priority: Option<Priority>,
    role: Option<String>,
    verify: Option<Vec<String>>,
    estimate_minutes: Option<f64>,
}

impl Draft<'_> {
    /// The task, with what only the whole manifest tells.
    pub(in crate::plan::manifest) fn finish(
        &self,
        id: TaskId,
        depends_on: Vec<TaskId>,
        branch: BranchName,
    ) -> TaskSpec {
        let fields = &self.fields;
        TaskSpec {
            id,
            phase: self.place.0,
            issue: self.issue,
            title: fields.title.clone(),
            files: fields.files.clone(),
            depends_on,
            body: fields.body.clone(),
            prompt: fields.prompt.clone(),
            agent: fields.agent.clone(),
            model: fields.model.clone(),
            priority: fields.priority,
            role: fields.role.clone(),
            verify: fields.verify.clone(),
            estimate_minutes: fields.estimate_minutes,
            branch,
        }
    }
}

impl Reader<'_> {
    pub(super) fn task<'d>(&mut self, at: &At<'_>, object: Value<'d>, place: (usize, usize)) -> Option<Draft<'d>> {
        let members = self.members(at, object, TASK)?;
        Some(Draft {
            place,
            object,
            id: self.id(at, &members),
            issue: self.count(at, &members, "issue"),
            branch: self.branch(at, &members, "branch"),
            depends_on: self.dependencies(at, &members),
            fields: Fields {
                title: self.text(at, &members, "title").unwrap_or_default(),
                files: self.files(at, &members),
                body: self.text(at, &members, "body"),
                prompt: self.prompt(at, &members),
                agent: self.argument(at, &members, "agent"),
                model: self.argument(at, &members, "model"),
                priority: self.one_of(at, &members, "priority", Priority::parse),
                role: self.text(at, &members, "role"),
                verify: self.argv(at, &members, "verify"),
                estimate_minutes: self.minutes(at, &members, "estimateMinutes"),
            },
            state: self.state(at, &members),
        })
    }

    fn id<'d>(&mut self, at: &At<'_>, members: &Members<'d>) -> Option<(TaskId, Value<'d>)> {
        let Some(value) = members.get("id") else { return self.missing(at, members.object, "id") };
        let at = At::Key(at, "id");
        let (text, _) = self.text_of(&at, value)?;
        match TaskId::parse(&text) {
            Ok(id) => Some((id, value)),
            Err(error) => {
                let message = format!("{} is no task id", quoted(&text));
                self.problems.add(ProblemKind::Id, &at, value.start(), message, error.why);
                None
            }
        }
    }

    fn prompt(&mut self, at: &At<'_>, members: &Members<'_>) -> Option<String> {
        let value = members.get("prompt")?;
        let at = At::Key(at, "prompt");
        let (text, _) = self.text_of(&at, value)?;
        self.without_nul(&at, value, text)
    }

    fn dependencies<'d>(&mut self, at: &At<'_>, members: &Members<'d>) -> Vec<(usize, String, Value<'d>)> {
        let Some(value) = members.get("dependsOn") else { return Vec::new() };
        let at = At::Key(at, "dependsOn");
        let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
        if !self.is(&at, value, super::Kind::Array) {
            return found;
        }
        for (index, item) in value.items().enumerate() {
            let at = At::Item(&at, index);
            let Some((text, _)) = self.text_of(&at, item) else { continue };
            if seen.insert(text.clone()) {
                found.push((index, text, item));
            } else {
                self.repeated(&at, item, &text);
            }
        }
        found
    }

    fn files(&mut self, at: &At<'_>, members: &Members<'_>) -> FileSet {
        let value = members.get("files");
        let at_files = At::Key(at, "files");
        let mut entries = Vec::new();
        if let Some(value) = value.filter(|value| self.is(&at_files, *value, super::Kind::Array)) {
            let mut seen = BTreeSet::new();
            for (index, item) in value.items().enumerate() {
                let at = At::Item(&at_files, index);
                let Some((text, _)) = self.text_of(&at, item) else { continue };
                match entry_text(&text) {
                    Err(fault) => {
                        let message = format!("{} is no file of the repository: {fault}", quoted(&text));
                        self.problems.add(ProblemKind::File, &at, item.start(), message, fault.help());
                    }
                    Ok(kept) if !seen.insert(kept.clone()) => self.repeated(&at, item, &kept),
                    Ok(_) => entries.push(text),
                }
            }
            if value.items().next().is_some() {
                return FileSet::parse(&entries).unwrap_or_default();
            }
        }
        let name = members.get("id").and_then(Value::text).map_or_else(|| "the task".to_owned(), |id| quoted(&id));
        let message = format!("{name} names no files, so it is taken to overlap nothing");
        let help = "list the paths, directories or globs that it may touch";
        self.problems.add(ProblemKind::NoFiles, at, members.object.start(), message, help);
        FileSet::default()
    }

    fn repeated(&mut self, at: &At<'_>, item: Value<'_>, text: &str) {
        let message = format!("{} is there already", quoted(text));
        self.problems.add(ProblemKind::Repeated, at, item.start(), message, "remove the repeat");
    }

    fn state(&mut self, at: &At<'_>, members: &Members<'_>) -> ProjectedTask {
        ProjectedTask {
            status: self.one_of(at, members, "status", Status::parse).unwrap_or(Status::Pending),
            worktree: self.text(at, members, "worktree"),
            tmux_session: self.text(at, members, "tmuxSession"),
            started_at: self.time(at, members, "startedAt"),
            last_progress: self.time(at, members, "lastProgress"),
            completed_at: self.time(at, members, "completedAt"),
            pr_number: self.count(at, members, "prNumber").map(PullNumber),
            session: self.text(at, members, "session"),
            attempts: self.count(at, members, "attempts").unwrap_or(0),
            needs_human: self.flag(at, members, "needsHuman"),
            reason: self.text(at, members, "reason"),
            skipped: self.flag(at, members, "skipped"),
            paused: self.flag(at, members, "paused"),
        }
    }
}
