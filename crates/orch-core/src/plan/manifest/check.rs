//! What only the whole manifest tells: ids, dependencies, branches and rings.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::id::{BranchName, TaskId};
use crate::plan::graph::{Cycle, cycles};
use crate::plan::spec::TaskSpec;

use super::problem::{At, ProblemKind, Problems, quoted};
use super::read::{Contents, Draft};

/// The checks over one manifest.
pub(super) struct Checker<'c, 'd> {
    pub(super) contents: &'c Contents<'d>,
    pub(super) problems: &'c mut Problems,
}

impl<'c> Checker<'c, '_> {
    /// The tasks that could be made out, each with the index of its draft.
    pub(super) fn tasks(&mut self) -> Vec<TaskSpec> {
        let first = self.unique_ids();
        let branches = self.branches();
        let mut tasks = Vec::with_capacity(self.contents.tasks.len());
        for (index, draft) in self.contents.tasks.iter().enumerate() {
            let depends_on = self.dependencies(draft, &first);
            let own = draft.id.as_ref().filter(|(id, _)| first.get(id.as_str()) == Some(&index));
            if let (Some((id, _)), Some(branch)) = (own, branches[index].clone()) {
                tasks.push(draft.finish(id.clone(), depends_on, branch));
            }
        }
        for ring in cycles(&tasks) {
            self.ring(&tasks, &ring, &first);
        }
        tasks
    }

    /// The first draft of each id; later ones, also under the collision key, are errors.
    fn unique_ids(&mut self) -> BTreeMap<&'c str, usize> {
        let contents = self.contents;
        let (mut first, mut keys) = (BTreeMap::new(), BTreeMap::<String, usize>::new());
        for (index, draft) in contents.tasks.iter().enumerate() {
            let Some((id, _)) = &draft.id else { continue };
            let key = id.collision_key();
            let Some(other) = keys.get(&key).map(|&other| &contents.tasks[other]) else {
                keys.insert(key, index);
                first.insert(id.as_str(), index);
                continue;
            };
            let theirs = other.id.as_ref().map_or("", |(id, _)| id.as_str());
            let place = place_of(other);
            let message = if theirs == id.as_str() {
                format!("the id {id} is taken already, by {place}")
            } else {
                format!("the id {id} counts as the same as that of {place}: case is ignored and . equals _")
            };
            self.at_task(draft, "id", |problems, at, offset| {
                problems.add(ProblemKind::DuplicateId, at, offset, message, "give it another id");
            });
        }
        first
    }

    fn dependencies(&mut self, draft: &Draft<'_>, first: &BTreeMap<&str, usize>) -> Vec<TaskId> {
        let mut known = Vec::with_capacity(draft.depends_on.len());
        for (index, name, value) in &draft.depends_on {
            let target = first.get(name.as_str()).map(|&index| &self.contents.tasks[index]);
            let own = draft.id.as_ref().is_some_and(|(id, _)| id.as_str() == name);
            let (kind, message, help) = match target {
                _ if own => {
                    (ProblemKind::SelfDependency, "a task cannot wait for itself".to_owned(), "remove it".to_owned())
                }
                None => {
                    (ProblemKind::UnknownDependency, format!("there is no task {}", quoted(name)), self.meant(name))
                }
                Some(target) if target.place.0 > draft.place.0 => {
                    let message =
                        format!("{name} is in a later phase, which the gate holds back until this task is done");
                    (ProblemKind::LaterPhase, message, "move one of the two to another phase".to_owned())
                }
                Some(target) => {
                    known.extend(target.id.as_ref().map(|(id, _)| id.clone()));
                    continue;
                }
            };
            self.at_task(draft, "dependsOn", |problems, at, _| {
                problems.add(kind, &At::Item(at, *index), value.start(), message, help);
            });
        }
        known
    }

    /// The task that an unknown name may have meant.
    fn meant(&self, name: &str) -> String {
        let number = name.trim_start_matches('#').parse().ok();
        let same = |id: &TaskId| id.collision_key() == name.to_ascii_lowercase().replace('.', "_");
        let meant = self.contents.tasks.iter().find_map(|task| {
            let (id, _) = task.id.as_ref()?;
            (same(id) || (number.is_some() && task.issue == number)).then_some(id)
        });
        meant
            .map_or_else(|| "name a task of this manifest, or remove it".to_owned(), |id| format!("did you mean {id}?"))
    }

    /// Every task's branch, given or by rule; those that stand in each other's way are errors.
    fn branches(&mut self) -> Vec<Option<BranchName>> {
        let contents = self.contents;
        let mut issues = BTreeSet::new();
        let mut all = Vec::with_capacity(contents.tasks.len());
        for draft in &contents.tasks {
            let again = draft.issue.is_some_and(|issue| !issues.insert(issue));
            let id = draft.id.as_ref().map(|(id, _)| id);
            let by_rule = || {
                let name = match (draft.issue, id) {
                    (Some(issue), Some(id)) if again => format!("fix/issue-{issue}-{id}"),
                    (Some(issue), _) => format!("fix/issue-{issue}"),
                    (None, id) => format!("task/{}", id?),
                };
                BranchName::parse(&name).ok()
            };
            all.push(draft.branch.clone().or_else(by_rule));
        }
        let mut owners: BTreeMap<&str, Option<usize>> = BTreeMap::new();
        owners.extend(contents.base.as_ref().map(|base| (base.as_str(), None)));
        for (index, branch) in all.iter().enumerate().filter_map(|(index, branch)| Some((index, branch.as_ref()?))) {
            // What was written is an error already; its place by rule is nobody's wish.
            let given = contents.tasks[index].object.member("branch").is_some_and(|value| !value.is_null());
            if given && contents.tasks[index].branch.is_none() {
                continue;
            }
            if let Some(owner) = owners.get(branch.as_str()) {
                self.collision(index, branch, &format!("is also the branch of {}", self.owner(*owner)));
            } else {
                owners.insert(branch.as_str(), Some(index));
            }
        }
        for (&name, &index) in &owners {
            let above = name.match_indices('/').find_map(|(at, _)| owners.get_key_value(&name[..at]));
            let Some((&short, &other)) = above else { continue };
            // The base stays what it is, so the task's branch has to give way.
            let (task, rival, theirs) =
                if let Some(task) = index { (task, other, short) } else { (other.unwrap_or(0), index, name) };
            let own = if index.is_some() { name } else { short };
            if let Ok(own) = BranchName::parse(own) {
                self.collision(
                    task,
                    &own,
                    &format!(
                        "cannot be beside {theirs}, the branch of {}: git keeps one as a directory of the other",
                        self.owner(rival)
                    ),
                );
            }
        }
        all
    }

    fn owner(&self, owner: Option<usize>) -> String {
        owner.map_or_else(|| "the base".to_owned(), |index| place_of(&self.contents.tasks[index]))
    }

    fn collision(&mut self, index: usize, branch: &BranchName, what: &str) {
        let draft = &self.contents.tasks[index];
        let message = format!("the branch {} {what}", quoted(branch.as_str()));
        self.at_task(draft, "branch", |problems, at, offset| {
            problems.add(ProblemKind::BranchCollision, at, offset, message, "give this task another \"branch\"");
        });
    }

    fn ring(&mut self, tasks: &[TaskSpec], ring: &[usize], first: &BTreeMap<&str, usize>) {
        let cycle = Cycle::new(ring, |index| tasks[index].id.clone());
        let [task, next] = [0, 1].map(|at| cycle.tasks.get(at).or(cycle.tasks.first()));
        let Some(draft) = task.and_then(|id| first.get(id.as_str())).map(|&index| &self.contents.tasks[index]) else {
            return;
        };
        let entry = draft.depends_on.iter().find(|(_, name, _)| next.is_some_and(|next| next.as_str() == name));
        let Some((index, _, value)) = entry else { return };
        let message = format!("these tasks wait for each other: {cycle}");
        self.at_task(draft, "dependsOn", |problems, at, _| {
            problems.add(
                ProblemKind::Cycle,
                &At::Item(at, *index),
                value.start(),
                message,
                "remove one dependency of the ring",
            );
        });
    }

    /// Reports at a field of a task, or at the task where it has no such field.
    pub(super) fn at_task(&mut self, draft: &Draft<'_>, field: &str, report: impl FnOnce(&mut Problems, &At<'_>, u32)) {
        let (phase, task) = draft.place;
        let phases = At::Key(&At::Root, "phases");
        let phase = At::Item(&phases, phase);
        let tasks = At::Key(&phase, "tasks");
        let task = At::Item(&tasks, task);
        match draft.object.member(field) {
            Some(value) => report(self.problems, &At::Key(&task, field), value.start()),
            None => report(self.problems, &task, draft.object.start()),
        }
    }
}

fn place_of(draft: &Draft<'_>) -> String {
    let name = draft.id.as_ref().map_or("a task", |(id, _)| id.as_str());
    format!("{name} (phases[{}].tasks[{}])", draft.place.0, draft.place.1)
}
