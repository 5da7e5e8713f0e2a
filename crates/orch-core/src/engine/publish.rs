//! Publishing verified work, clearing up after the merge, and telling people.

use std::collections::BTreeSet;

use super::advance::Next;
use super::dispatch::fingerprint;
use super::{Orchestrator, Pass};
use crate::agents::prompt;
use crate::base::id::{BranchName, Sha, TaskId};
use crate::journal::effect::{Effect, Look, Notice, NoticeKind};
use crate::journal::record::{Record, StatusRecord};
use crate::plan::spec::{Plan, TaskSpec};
use crate::plan::status::Status;
use crate::ports::{LeftTip, Pull, PullSpec, PullState, PushSpec, RemoveSpec, SyncSource};
use crate::state::{TaskState, Worktree};

use super::outlook::Outlook;

impl Orchestrator {
    /// Push, then find or open the pull request.
    pub(super) fn publish(&self, pass: &Pass<'_>, plan: &Plan, spec: &TaskSpec, task: &TaskState) -> Next {
        if task.work.verified.is_none() {
            // Only an imported state can be complete without a commit that orch verified.
            return Next::Nothing;
        }
        if let Some(push) = self.push(spec, task) {
            return push;
        }
        if self.config.goal == Status::Complete {
            return Next::Nothing;
        }
        if let Some(next) = self.publish_rest(pass, plan, spec, task) {
            return next;
        }
        let seen = task.work.verified.as_ref().and_then(|sha| self.pulls.seen_beside(&spec.id, sha));
        let seen_open = seen.and_then(|seen| seen.pull.as_ref()).filter(|pull| pull.state == PullState::Open);
        let is_seen = |pull: &Pull| seen_open.is_some_and(|seen| seen.number == pull.number);
        match &task.publication.pull {
            // What was open before the work was sent back may be merged now, and another one opened.
            Some(pull) if pull.state == PullState::Open && (is_seen(pull) || pull.head_sha == task.work.verified) => {
                let sha = task.work.verified.clone();
                Next::record(Record::Status(StatusRecord {
                    sha,
                    ..StatusRecord::new(Status::Complete, Status::PrOpen)
                }))
            }
            // Someone may have merged it, or opened a pull request, by hand.
            _ if !self.pulls.was_looked_at(&spec.id) => Next::Look(Look::Pull(spec.id.clone())),
            _ => self.open_pull(plan, spec, task),
        }
    }

    /// Goes on with verified work after a person helped, unless that person committed something to be verified first.
    pub(super) fn go_on(&self, pass: &Pass<'_>, spec: &TaskSpec, task: &TaskState) -> Next {
        let id = &spec.id;
        if task.worktree.is_there() && !self.worktrees.looked_for_fix(id) {
            return self.look_at_work(pass, id);
        }
        let open = task.publication.pull.as_ref().is_some_and(|pull| pull.state == PullState::Open);
        let to = if open { Status::PrOpen } else { Status::Running };
        Next::record(Record::Status(StatusRecord {
            sha: task.publication.unpublished.as_ref().map(|it| it.sha.clone()),
            ..StatusRecord::new(Status::Error, to)
        }))
    }

    /// The push that is due, if the remote does not have the verified commit.
    pub(super) fn push(&self, spec: &TaskSpec, task: &TaskState) -> Option<Next> {
        let sha = task.work.verified.as_ref().filter(|sha| task.publication.pushed.as_ref() != Some(sha))?;
        let Some(left) = &task.publication.left else { return Some(Next::effect(self.push_of(spec, sha, None))) };
        if !self.pulls.was_looked_at(&spec.id) {
            return Some(Next::Look(Look::Pull(spec.id.clone())));
        }
        if self.may_leave(spec, task, left) && self.pulls.has_none_open(&spec.id) {
            return Some(Next::effect(self.push_of(spec, sha, Some(left))));
        }
        let label = "what was pushed before".to_owned();
        let left_by = Some(spec.id.clone());
        Some(self.sync(spec, vec![SyncSource { label, tip: left.clone(), merge_base: None, left_by }]))
    }

    /// A push of one commit to a task's branch, over a tip that is left behind.
    pub(super) fn push_of(&self, spec: &TaskSpec, sha: &Sha, left: Option<&Sha>) -> Effect {
        let leaves = left.map(|tip| LeftTip { task: spec.id.clone(), tip: tip.clone() });
        let (branch, base) = (spec.branch.clone(), self.config.base.clone());
        Effect::Push(PushSpec { branch, sha: sha.clone(), base, leaves })
    }

    /// Whether a tip of ours at the remote may be replaced: as far as is known, nobody sees it in a pull
    /// request and no other task builds on it.
    pub(super) fn may_leave(&self, spec: &TaskSpec, task: &TaskState, left: &Sha) -> bool {
        let builds_on = |other: &TaskState| other.work.contains.get(&spec.id) == Some(left);
        task.publication.pull.as_ref().is_none_or(|pull| pull.state != PullState::Open)
            && !self.state.tasks.values().any(builds_on)
    }

    pub(super) fn open_pull(&self, plan: &Plan, spec: &TaskSpec, task: &TaskState) -> Next {
        let Some(sha) = task.work.verified.clone() else { return Next::Nothing };
        let (base, draft) = self.pull_base(&spec.id);
        Next::effect(Effect::OpenPull(PullSpec {
            head: spec.branch.clone(),
            sha,
            base,
            title: prompt::pull_title(spec, &task.work.commits),
            body: prompt::pull_body(spec, task, plan.verify_of(spec)),
            draft,
        }))
    }

    /// The base of a pull request and whether it is a draft: the branch of the only unmerged
    /// predecessor, else the base branch, not ready while several are unmerged.
    pub(super) fn pull_base(&self, id: &TaskId) -> (BranchName, bool) {
        let contained =
            |other: &TaskId| self.state.tasks.get(id).is_some_and(|task| task.work.contains.contains_key(other));
        // Work that is sent back stays what this one builds on.
        let unmerged = self.predecessors_that(id, |other, state| {
            let published = matches!(state.status, Status::Complete | Status::PrOpen) && state.work.verified.is_some();
            let builds_on =
                published || state.status != Status::Merged && state.publication.pushed.is_some() && contained(other);
            // Work that a branch already contains stays out of the base until it is merged by itself.
            builds_on && (!state.skipped || contained(other))
        });
        match unmerged.as_slice() {
            [] => (self.config.base.clone(), false),
            [only] => (self.branch(only).unwrap_or(&self.config.base).clone(), false),
            _ => (self.config.base.clone(), true),
        }
    }

    /// The worktree of a merged task goes; what is uncommitted in it is saved first.
    pub(super) fn clear_away(&self, spec: &TaskSpec, task: &TaskState) -> Next {
        let (id, worktree) = (spec.id.clone(), self.worktree(&spec.id));
        let remove = |task, worktree, discard| {
            let branch = spec.branch.clone();
            Next::effect(Effect::Remove(RemoveSpec { task, worktree, branch, discard, delete_branch: !discard }))
        };
        match &task.worktree {
            Worktree::NotMade | Worktree::Removed(_) => Next::Nothing,
            Worktree::Leftovers { saved: false, .. } => {
                Next::effect(Effect::Save { task: id, attempt: task.attempt.number, worktree, partial: false })
            }
            Worktree::Leftovers { saved: true, .. } => remove(id, worktree, true),
            Worktree::Ready(_) => remove(id, worktree, false),
        }
    }

    /// Tells people, once each, of phases that are done, of tasks that need them and of the end.
    pub(super) fn announce(&mut self, pass: &mut Pass<'_>) {
        if !self.config.notify {
            return;
        }
        for notice in self.news(pass) {
            self.record(pass, None, Record::Effect { effect: Effect::Notify(notice) });
        }
    }

    fn news(&self, pass: &Pass<'_>) -> Vec<Notice> {
        let Some(plan) = &self.state.plan else { return Vec::new() };
        let touched = pass.records.iter().filter_map(|entry| entry.task.as_ref());
        let mut news: Vec<Notice> = Vec::new();
        for task in touched.collect::<BTreeSet<&TaskId>>() {
            let Some((_, spec, state)) = self.spec(task) else { continue };
            if state.needs_human {
                let text = state.reason.clone().unwrap_or_default();
                let title =
                    format!("{}: {task} needs a person (attempt {})", plan.settings.project, state.attempt.number);
                let alone = || format!("{task} needs a person: {}", state.healing.calls);
                let occasion = Some(state.healing.shared_call.clone().unwrap_or_else(alone));
                news.push(Notice { event: NoticeKind::Escalation, title, text, occasion });
            }
            let done = self.queues.short_of_gate(spec.phase).next().is_none();
            if let (true, Some(name)) = (done, plan.phases.get(spec.phase)) {
                let title = format!("{}: phase {} is through its gate", plan.settings.project, spec.phase);
                let occasion = self.queues.tasks_of(spec.phase).map(|tasks| format!("phase {}: {tasks}", spec.phase));
                news.push(Notice { event: NoticeKind::PhaseDone, title, text: name.clone(), occasion });
            }
        }
        // The last of it may be the end of an effect, such as the removal of a worktree.
        let moves = |record: &Record| matches!(record, Record::Status(_) | Record::User { .. } | Record::Done { .. });
        let moved = pass.records.iter().any(|entry| moves(&entry.record));
        if moved && self.outlook() == Outlook::Goal {
            let title = format!("{}: finished", plan.settings.project);
            let text = format!("every task is {} or skipped", self.config.goal);
            let skipped = self.state.tasks.iter().filter(|(_, task)| task.skipped).map(|(id, _)| id.as_str());
            let tasks = plan.tasks.iter().map(|task| task.id.as_str());
            let occasion =
                Some(format!("{}: {}", self.config.goal, fingerprint(tasks.chain(["skipped"]).chain(skipped))));
            news.push(Notice { event: NoticeKind::Finished, title, text, occasion });
        }
        let mut told = BTreeSet::new();
        news.retain(|notice| {
            let occasion = notice.occasion().to_owned();
            !self.state.notices.contains(&occasion) && told.insert(occasion)
        });
        news
    }
}
