//! What a published task waits for on its way into the base.

use super::{About, Wait, WaitKind, Waiting, names};
use crate::base::id::TaskId;
use crate::journal::record::DriverRecord;
use crate::plan::graph::Edge;
use crate::plan::spec::TaskSpec;
use crate::plan::status::Status;
use crate::ports::{CheckState, MergeState, Pull, PullState};
use crate::state::TaskState;

impl Waiting<'_> {
    /// What a published task waits for.
    pub(super) fn pull(self, about: About<'_>) -> Option<Wait> {
        let (spec, task) = (about.spec, about.task);
        let driver = self.state.driver.as_ref()?;
        let pull = task.publication.pull.as_ref()?;
        if task.todo.is_some() || task.session.is_some() || task.publication.pushed != task.work.verified {
            return None;
        }
        let since = task.publication.pull_since.max(task.times.changed_at);
        let ours = self.order(about).map(|wait| wait.since(since));
        ours.or_else(|| Some(self.alone(driver, spec, task, pull)?.since(since)))
    }

    /// What a pull request waits for, whatever its task is built on.
    pub(super) fn alone(self, driver: &DriverRecord, spec: &TaskSpec, task: &TaskState, pull: &Pull) -> Option<Wait> {
        match pull.state {
            PullState::Open => Some(self.open(driver, spec, task, pull)),
            PullState::Merged => Some(merged(driver, pull)),
            PullState::Closed => None,
        }
    }

    /// What keeps a pull request behind other tasks.
    fn order(self, about: About<'_>) -> Option<Wait> {
        let (spec, task) = (about.spec, about.task);
        let is_skipped = |id: &&TaskId| {
            self.state.tasks.get(*id).is_some_and(|other| other.skipped && other.status != Status::Merged)
        };
        let skipped: Vec<&TaskId> = task.work.contains.keys().filter(is_skipped).collect();
        if let Some(first) = skipped.first() {
            let all = names(skipped.iter().map(ToString::to_string), ", ");
            let what = format!("the merge of {all}, whose work it contains and which was skipped since");
            let ends = format!("somebody merges that, or `orch retry {first}` takes the skip back");
            return Some(Wait::new(WaitKind::Skipped, what, ends));
        }
        let unmerged = |id: &TaskId| {
            self.state.tasks.get(id).is_some_and(|other| other.status != Status::Merged && !other.skipped)
        };
        let edges = self.graph.predecessors(&spec.id);
        let before: Vec<&TaskId> = edges.iter().map(Edge::from).filter(|id| unmerged(id)).collect();
        let ends = if before.len() == 1 { "it is merged" } else { "they are merged" };
        let what = format!("the merge of {}", names(before.iter().map(ToString::to_string), ", "));
        (!before.is_empty()).then(|| Wait::new(WaitKind::Stack, what, ends))
    }

    /// What an open pull request waits for by itself.
    fn open(self, driver: &DriverRecord, spec: &TaskSpec, task: &TaskState, pull: &Pull) -> Wait {
        if let Some(wait) = obstacle(spec, task, pull) {
            return wait;
        }
        let (number, base) = (pull.number, &pull.base);
        if !(driver.auto_merge && driver.goal == Status::Merged) {
            let sha = task.work.verified.as_ref().map_or("", |sha| sha.short());
            let what = format!("somebody to merge pull request {number} into {base}");
            return Wait::new(WaitKind::Merge, what, format!("its commit {sha} is in {base}"));
        }
        let mut others = self.queues.lane().filter(|other| **other != spec.id);
        let what = match others.next() {
            Some(other) => format!("the merge of {other}, which goes first: one at a time"),
            None => format!("its turn to be merged into {base}"),
        };
        Wait::new(WaitKind::MergeQueue, what, "then")
    }
}

/// What stands against a merge of an open pull request, as its forge has it.
fn obstacle(spec: &TaskSpec, task: &TaskState, pull: &Pull) -> Option<Wait> {
    let (number, base) = (pull.number, &pull.base);
    let of = |kind, what: String, ends: &str| Some(Wait::new(kind, what, ends));
    if pull.head_sha.is_none() {
        let branch = &spec.branch;
        let sha = task.work.verified.as_ref().map_or("", |sha| sha.as_str());
        let what = format!("the branch {branch} of pull request {number}, which is not at the remote any more");
        let ends = format!(
            "somebody pushes it again (`git push REMOTE {sha}:refs/heads/{branch}`), or closes the pull request"
        );
        return of(WaitKind::Branch, what, &ends);
    }
    if pull.head_sha != task.work.verified {
        let what = format!("the forge to see what was pushed for pull request {number}");
        return of(WaitKind::Mergeability, what, "it does");
    }
    let checks = |state| pull.check_runs.iter().filter(move |check| check.required && check.state == state);
    let listed = |state| {
        let all: Vec<String> = checks(state).map(|check| check.name.clone()).collect();
        names(all.into_iter(), ", ")
    };
    if checks(CheckState::Failed).next().is_some() {
        let what = format!("checks of pull request {number} that failed: {}", listed(CheckState::Failed));
        return of(WaitKind::Checks, what, "they pass");
    }
    if checks(CheckState::Pending).next().is_some() {
        let what = format!("checks of pull request {number}: {}", listed(CheckState::Pending));
        return of(WaitKind::Checks, what, "they have passed");
    }
    let mut reviews = pull.reviews.iter().filter(|review| review.asks_for_changes());
    if let Some(review) = reviews.next() {
        let what = format!("{}, whose review of pull request {number} asks for changes", review.author);
        return of(WaitKind::Review, what, "the review is withdrawn, or another one approves");
    }
    match &pull.merge_state {
        MergeState::Queued => {
            let what = format!("the forge, which has pull request {number} in its queue");
            of(WaitKind::MergeQueue, what, "it is merged there")
        }
        MergeState::Dirty => {
            let what = format!("pull request {number}, which conflicts with {base}");
            of(WaitKind::Mergeability, what, "the conflict is resolved on its branch")
        }
        MergeState::Blocked(why) if !pull.draft => {
            let what = format!("pull request {number}, which cannot be merged now: {why}");
            let ends = format!("somebody merges or closes it there; `orch skip {}` lets others pass", spec.id);
            of(WaitKind::Mergeability, what, &ends)
        }
        _ if pull.draft => {
            of(WaitKind::Mergeability, format!("pull request {number}, which is a draft"), "it is ready")
        }
        MergeState::Unknown | MergeState::Clean | MergeState::Behind | MergeState::Blocked(_) => None,
    }
}

fn merged(driver: &DriverRecord, pull: &Pull) -> Wait {
    let (number, base) = (pull.number, &driver.base);
    let what = format!("{base}, which does not show yet what pull request {number} merged");
    Wait::new(WaitKind::Mergeability, what, "it does")
}
