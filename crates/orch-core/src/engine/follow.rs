//! Following pull requests to the merge: others' work is taken in, bases are moved, one merge at a time.

use super::advance::Next;
use super::pulls::may_merge;
use super::{Orchestrator, Pass};
use crate::base::id::{BranchName, Sha, TaskId};
use crate::engine::PullLook;
use crate::engine::input::SeenPull;
use crate::heal::Signal;
use crate::journal::effect::{Effect, Look};
use crate::journal::record::{Evidence, Record, StatusRecord, Verdict};
use crate::plan::spec::{Plan, TaskSpec};
use crate::plan::status::Status;
use crate::ports::{
    Checks, Failure, MergeMethod, MergeSpec, MergeState, Pull, PullChange, PullState, Review, SyncSource, SyncSpec,
};
use crate::state::{BRANCH_GONE, PULLS, TaskState};

/// Looks at a merge that the base does not show before a person is needed.
const DOUBTS: u32 = 3;

impl Orchestrator {
    /// What an open pull request needs besides the merge itself.
    pub(super) fn follow(&self, pass: &Pass<'_>, plan: &Plan, spec: &TaskSpec, task: &TaskState) -> Next {
        if let Some(push) = self.push(spec, task) {
            return push;
        }
        if let Some(next) = self.publish_rest(pass, plan, spec, task) {
            return next;
        }
        let Some(pull) = &task.publication.pull else { return self.open_pull(plan, spec, task) };
        if pull.state != PullState::Open {
            return Next::Nothing;
        }
        let (base, draft) = self.pull_base(&spec.id);
        if pull.base == base && pull.draft == draft {
            return self.take_in(spec, task);
        }
        let change = PullChange {
            base: (pull.base != base).then_some(base),
            draft: (pull.draft != draft).then_some(draft),
            body: None,
        };
        Next::effect(Effect::UpdatePull { number: pull.number, change })
    }

    /// What is due where the forge merged something else than what was verified, or elsewhere: the rest gets a
    /// pull request of its own.
    pub(super) fn publish_rest(&self, pass: &Pass<'_>, plan: &Plan, spec: &TaskSpec, task: &TaskState) -> Option<Next> {
        let seen = self.pulls.seen_beside(&spec.id, task.work.verified.as_ref()?)?;
        let pull = seen.pull.as_ref().filter(|pull| pull.state == PullState::Merged)?;
        // What was merged into the branch of a predecessor gets into the base with that one, or, where that is
        // skipped, stays there with it.
        let is_on_its_way = |other: &TaskId, state: &TaskState| {
            let stays = !state.skipped || task.work.contains.contains_key(other);
            self.branch(other) == Some(&pull.base) && state.status != Status::Merged && stays
        };
        let on_its_way =
            || pull.base == self.config.base || !self.predecessors_that(&spec.id, is_on_its_way).is_empty();
        if seen.head_in_base || seen.head_in_pull && on_its_way() {
            return Some(match task.status {
                Status::Complete => Next::record(Record::Status(StatusRecord {
                    sha: task.work.verified.clone(),
                    ..StatusRecord::new(Status::Complete, Status::PrOpen)
                })),
                _ => Next::Nothing,
            });
        }
        if self.pulls.seen(&spec.id, pass.now).is_none_or(|(_, fresh)| !fresh) {
            return Some(Next::Look(Look::Pull(spec.id.clone())));
        }
        // What the branch had then is taken in as the base has it now, so that only the rest is left.
        let merged = pull.merge_sha.clone().filter(|_| pull.base == self.config.base && seen.head_is_ours);
        Some(match merged.filter(|_| !seen.merge_in_head) {
            Some(tip) => {
                let label = format!("base branch {}", self.config.base);
                self.sync(spec, vec![SyncSource { label, tip, merge_base: pull.head_sha.clone(), left_by: None }])
            }
            None => self.open_pull(plan, spec, task),
        })
    }

    /// Takes in what others did where a pull request cannot do without: what was rewritten on its way into the
    /// base, and what it conflicts with; what does not merge goes back to the agent. All else can wait until it is
    /// next: a stack of any height costs each of its branches one verification. Where orch merges, the task that is next
    /// has its turn in [`Self::merge_next`].
    fn take_in(&self, spec: &TaskSpec, task: &TaskState) -> Next {
        let Some(seen) = task.work.verified.as_ref().and_then(|sha| self.pulls.seen_beside(&spec.id, sha)) else {
            return Next::Nothing;
        };
        let pull =
            seen.pull.as_ref().filter(|pull| pull.state == PullState::Open && pull.head_sha == task.work.verified);
        let dirty = pull.filter(|pull| pull.merge_state == MergeState::Dirty);
        let is_next = !self.has_unmerged_predecessors(&spec.id);
        let mut sources = Vec::new();
        match dirty {
            _ if is_next && self.merges() => {}
            _ if is_next && !seen.left_out.is_empty() => sources = self.rewritten_predecessors(task, seen),
            Some(pull) if pull.base != self.config.base => sources = self.moved_predecessors(task),
            Some(_) if !self.merges() && !seen.base_in_head => sources.push(self.base_source(seen)),
            _ => {}
        }
        if sources.is_empty() {
            return Next::Nothing;
        }
        // What was merged since may have changed what is due.
        if self.pulls.is_current(&spec.id) { self.sync(spec, sources) } else { Next::Look(Look::Pull(spec.id.clone())) }
    }

    fn base_source(&self, seen: &SeenPull) -> SyncSource {
        SyncSource {
            label: format!("base branch {}", self.config.base),
            tip: seen.base_tip.clone(),
            merge_base: None,
            left_by: None,
        }
    }

    /// Whether orch merges pull requests itself.
    pub(super) fn merges(&self) -> bool {
        self.config.auto_merge && self.config.goal == Status::Merged
    }

    /// Whether a branch already contains work that was skipped later and is not merged: it waits for that one's
    /// merge, or for the skip to be taken back.
    pub(super) fn is_on_skipped(&self, id: &TaskId) -> bool {
        let Some(task) = self.state.tasks.get(id) else { return false };
        let is_it = |other: &TaskId, state: &TaskState| {
            state.skipped && state.status != Status::Merged && task.work.contains.contains_key(other)
        };
        !self.predecessors_that(id, is_it).is_empty()
    }

    pub(super) fn sync(&self, spec: &TaskSpec, sources: Vec<SyncSource>) -> Next {
        let worktree = self.worktree(&spec.id);
        // `cleanup` removes worktrees of open pull requests too.
        if self.state.tasks.get(&spec.id).is_some_and(|task| !task.worktree.is_there()) {
            return self.prepare(spec);
        }
        Next::effect(Effect::Sync(SyncSpec { worktree, branch: spec.branch.clone(), sources }))
    }

    /// Predecessors whose unmerged work is not any more what this branch contains of it.
    fn moved_predecessors(&self, task: &TaskState) -> Vec<SyncSource> {
        self.sources(task, |state, _| {
            let published = matches!(state.status, Status::Complete | Status::PrOpen);
            state.work.verified.clone().filter(|_| published)
        })
    }

    /// Predecessors whose work got into the base as something else than this branch contains of it.
    fn rewritten_predecessors(&self, task: &TaskState, seen: &SeenPull) -> Vec<SyncSource> {
        self.sources(task, |state, old| {
            let merged = state.status == Status::Merged && seen.left_out.contains(old);
            let became = state.publication.pull.as_ref().and_then(|pull| pull.merge_sha.as_ref());
            became.or(state.claim()).filter(|_| merged).cloned()
        })
    }

    /// What became of the work of others that a branch contains, in plan order.
    fn sources(&self, task: &TaskState, became: impl Fn(&TaskState, &Sha) -> Option<Sha>) -> Vec<SyncSource> {
        let source = |(id, old): (&TaskId, &Sha)| {
            let tip = became(self.state.tasks.get(id)?, old)?;
            let (label, merge_base) = (id.to_string(), Some(old.clone()));
            (tip != *old).then(|| (self.queues.index(id), SyncSource { label, tip, merge_base, left_by: None }))
        };
        let mut sources: Vec<(Option<usize>, SyncSource)> = task.work.contains.iter().filter_map(source).collect();
        sources.sort_by_key(|(index, _)| *index);
        sources.into_iter().map(|(_, source)| source).collect()
    }

    /// What a look at a task's pull request is about.
    pub(super) fn pull_look(&self, id: &TaskId) -> Option<PullLook> {
        let (_, spec, task) = self.spec(id)?;
        let is_merged = |other: &TaskId| self.state.tasks.get(other).is_some_and(|it| it.status == Status::Merged);
        let builds_on = task.work.contains.iter().filter(|(other, _)| is_merged(other));
        Some(PullLook {
            task: id.clone(),
            head: spec.branch.clone(),
            sha: task.claim().cloned(),
            builds_on: builds_on.map(|(_, tip)| tip.clone()).collect(),
            is_next: self.merges() && task.status == Status::PrOpen && !self.has_unmerged_predecessors(id),
        })
    }

    /// Pull requests were looked at, all in one.
    pub(super) fn on_pulls(&mut self, pass: &mut Pass<'_>, all: Vec<(TaskId, Result<Box<SeenPull>, Failure>)>) {
        let answered = all.iter().any(|(_, seen)| seen.is_ok());
        self.judge_sight(pass, &all, answered);
        let retry_at = all.iter().filter_map(|(_, seen)| seen.as_ref().err()?.retry_at).max();
        let told = retry_at.map(|at| at.since(pass.now.wall)).unwrap_or_default();
        self.pulls.note_forge(answered, told, self.config.limits.pull_interval, pass.now);
        for (task, seen) in all {
            self.on_pull(pass, &task, seen.ok().map(|seen| *seen));
        }
    }

    /// What it means that pull requests could be looked at, or not.
    fn judge_sight(&mut self, pass: &mut Pass<'_>, all: &[(TaskId, Result<Box<SeenPull>, Failure>)], answered: bool) {
        let seen: Vec<TaskId> = all.iter().filter(|(_, seen)| seen.is_ok()).map(|(id, _)| id.clone()).collect();
        if answered {
            self.on_seen_again(pass, PULLS, &seen);
        }
        let follows = |id: &TaskId| {
            let task = self.state.tasks.get(id).filter(|task| task.session.is_none() && task.todo.is_none());
            task.is_some_and(|task| matches!(task.status, Status::Complete | Status::PrOpen))
        };
        let failed = all.iter().filter_map(|(id, seen)| Some((id, seen.as_ref().err()?)));
        let failed: Vec<(TaskId, Failure)> =
            failed.filter(|(id, _)| follows(id)).map(|(id, why)| (id.clone(), why.clone())).collect();
        match failed.first().map(|(_, why)| why.clone()).filter(|_| !answered) {
            Some(why) => {
                let tasks = failed.into_iter().map(|(id, _)| id).collect();
                self.on_unseen(pass, PULLS, tasks, true, &why);
            }
            None => failed.into_iter().for_each(|(id, why)| self.on_unseen(pass, PULLS, vec![id], false, &why)),
        }
    }

    /// A pull request was looked at.
    fn on_pull(&mut self, pass: &mut Pass<'_>, id: &TaskId, seen: Option<SeenPull>) {
        let pull = seen.as_ref().and_then(|seen| seen.pull.clone());
        self.judge_pull_seen(pass, id, seen);
        if let Some(pull) = pull {
            self.note_pull(pass, id, pull);
        }
    }

    /// Remembers a pull request that waits for something else than it did, so that whoever asks is told.
    fn note_pull(&mut self, pass: &mut Pass<'_>, id: &TaskId, pull: Pull) {
        let Some(task) = self.state.tasks.get(id) else { return };
        let published = matches!(task.status, Status::Complete | Status::PrOpen) && !task.needs_human;
        let known = task.publication.pull.as_ref().is_some_and(|known| known.number == pull.number);
        if published && known && task.healing.unanswered.is_none() && self.waits_otherwise(id, &pull) {
            self.record(pass, Some(id.clone()), Record::Pull { pull: Box::new(pull) });
        }
    }

    fn judge_pull_seen(&mut self, pass: &mut Pass<'_>, id: &TaskId, seen: Option<SeenPull>) {
        self.looks.answered(&Look::Pull(id.clone()));
        let Some((_, _, task)) = self.spec(id) else { return };
        let task = task.clone();
        self.pulls.note(id, seen.clone(), pass.now);
        self.pulls.merges_due = true;
        pass.dirty.insert(id.clone());
        let Some(seen) = seen else { return };
        if !self.pulls.is_current(id) {
            // Something was merged while it was looked at.
            return self.pulls.forget(id);
        }
        if task.open.is_some() || task.healing.unanswered.is_some() || task.publication.in_base {
            return;
        }
        if seen.head.as_ref() != task.claim() {
            // Something else was verified meanwhile.
            return self.pulls.forget(id);
        }
        // A task that was sent back has more to do than what was verified.
        let only_lands = matches!(task.status, Status::Complete | Status::PrOpen) || task.needs_human || task.skipped;
        if only_lands && seen.is_landed(&self.config.base) {
            self.pulls.outdate();
            return self.judge_pull(pass, id, Signal::PullMerged, "merged", "its work is in the base", &seen);
        }
        if task.needs_human && task.status == Status::Error {
            let head =
                seen.pull.as_ref().filter(|pull| pull.state == PullState::Open).and_then(|pull| pull.head_sha.clone());
            if task.publication.pull.as_ref().is_some_and(|pull| pull.state == PullState::Closed)
                && head.is_some()
                && head == task.publication.pushed
            {
                let change = StatusRecord { sha: head, ..StatusRecord::new(Status::Error, Status::PrOpen) };
                self.record(pass, Some(id.clone()), Record::Status(change));
            }
            return;
        }
        if task.needs_human || !matches!(task.status, Status::Complete | Status::PrOpen) || task.work.verified.is_none()
        {
            return;
        }
        let Some(pull) = &seen.pull else { return };
        if pull.state == PullState::Merged {
            return self.on_other_merge(pass, id, pull, &seen);
        }
        if task.status != Status::PrOpen {
            return;
        }
        if pull.state == PullState::Closed {
            return self.judge_pull(pass, id, Signal::PullClosed, "closed", "closed without a merge", &seen);
        }
        if pull.head_sha.is_none() && task.publication.pushed == task.work.verified {
            // A forge may lag behind a push.
            if self.pulls.note_doubt(id) >= DOUBTS {
                let branch = self.branch(id).map_or("its branch", BranchName::as_str);
                let detail = format!("{branch} was deleted at the remote; `orch retry {id}` pushes it again");
                self.judge_pull(pass, id, Signal::Broken, BRANCH_GONE, &detail, &seen);
            }
            return;
        }
        if pull.head_sha != task.work.verified {
            // A forge may lag behind a push; a commit that is not ours is someone else's.
            if let (false, Some(head)) =
                (seen.head_is_ours || task.publication.pushed != task.work.verified, &pull.head_sha)
            {
                let detail = format!("someone pushed to its branch: it is at {} and was not verified", head.short());
                self.judge_pull(pass, id, Signal::Broken, "head", &detail, &seen);
            }
            return;
        }
        if pull.checks() == Checks::Failed {
            let failed: Vec<&str> =
                pull.check_runs.iter().filter(|it| it.is_against()).map(|it| it.name.as_str()).collect();
            let detail = match failed.as_slice() {
                [only] => format!("a required check failed: {only}"),
                several => format!("required checks failed: {}", several.join(", ")),
            };
            return self.judge_pull(pass, id, Signal::ChecksFailed, "checks", &detail, &seen);
        }
        let new = |review: &&Review| review.trusted && !task.publication.heeded.contains(&review.id);
        if let Some(review) = pull.reviews.iter().filter(new).find(|review| review.asks_for_changes()) {
            let detail = format!("changes were requested: {}", gist(review));
            let mut pull = pull.clone();
            pull.reviews.retain(|review| new(&review));
            let seen = SeenPull { pull: Some(pull), ..seen };
            self.judge_pull(pass, id, Signal::ChangesRequested, "review", &detail, &seen);
        }
    }

    /// What the forge merged is not what was verified; only what nobody verified is a matter for a person.
    fn on_other_merge(&mut self, pass: &mut Pass<'_>, id: &TaskId, pull: &Pull, seen: &SeenPull) {
        let base = &self.config.base;
        let (number, at) = (pull.number, pull.head_sha.as_ref().map_or("no commit", Sha::short));
        if seen.is_exact(base) {
            // A remote may lag behind its forge.
            if self.pulls.note_doubt(id) < DOUBTS {
                return;
            }
            let became = pull.merge_sha.as_ref().map_or("no commit", Sha::short);
            let detail = format!("pull request {number} was merged as {became}, which {base} does not contain");
            self.judge_pull(pass, id, Signal::Broken, "merged-away", &detail, seen);
        } else if pull.base == *base && seen.head_in_pull {
            let detail = format!("pull request {number} was merged at {at}, with commits that were not verified");
            self.judge_pull(pass, id, Signal::Broken, "merged-more", &detail, seen);
        }
    }

    fn judge_pull(
        &mut self,
        pass: &mut Pass<'_>,
        id: &TaskId,
        signal: Signal,
        rule: &str,
        detail: &str,
        seen: &SeenPull,
    ) {
        let detail = crate::base::text::one_line(detail);
        let message = seen
            .pull
            .as_ref()
            .map(|pull| format!("pull request {} is {:?}, base at {}", pull.number, pull.state, seen.base_tip.short()));
        let case = self.case(id, signal, detail);
        let verdict = Verdict {
            launch: None,
            rule: rule.to_owned(),
            evidence: Evidence { message, pull: seen.pull.clone(), ..Evidence::default() },
            case,
        };
        self.record(pass, Some(id.clone()), Record::Verdict(Box::new(verdict)));
    }

    /// Merges the next pull request that may be merged, or takes the base into it first; whether anything began.
    pub(super) fn merge_next(&mut self, pass: &mut Pass<'_>) -> bool {
        let wanted = self.merges() && !self.state.paused;
        if !wanted || !self.pulls.merges_due || self.queues.is_merging() {
            return false;
        }
        if !self.holder_waits(pass) {
            self.pulls.holder = None;
        }
        match self.next_merge(pass) {
            Some((id, Next::Record(record))) => {
                if matches!(*record, Record::Effect { effect: Effect::Sync(_) }) {
                    self.pulls.holder = Some((id.clone(), pass.now.awake));
                }
                self.record(pass, Some(id), *record);
                true
            }
            Some((_, Next::Look(look))) => {
                if self.ask(&look, pass.now) {
                    pass.looks.insert(look);
                }
                false
            }
            _ => {
                self.pulls.merges_due = false;
                false
            }
        }
    }

    /// The task that is next on the way into the base, and what is due for it.
    fn next_merge(&self, pass: &Pass<'_>) -> Option<(TaskId, Next)> {
        let step = |id: &TaskId| match self.merge_step(id, pass) {
            Next::Nothing => None,
            next => Some((id.clone(), next)),
        };
        match &self.pulls.holder {
            Some((id, _)) => step(id),
            None => self.queues.mergeable().find_map(step),
        }
    }

    /// Whether the task that took the base in last is still on the way: none overtakes it, or it would have to take the
    /// base in once more. Checks that never end hold the others up for as long as a verify command may.
    fn holder_waits(&self, pass: &Pass<'_>) -> bool {
        let Some((id, since)) = &self.pulls.holder else { return false };
        let Some((_, _, task)) = self.spec(id) else { return false };
        let late = pass.now.awake.since(*since) >= self.config.limits.verify_timeout;
        let pending = |seen: &SeenPull| {
            let pull = seen.pull.as_ref().filter(|pull| pull.state == PullState::Open);
            pull.is_some_and(|pull| pull.checks() == Checks::Pending || pull.head_sha != task.work.verified)
        };
        let seen = self.pulls.seen(id, pass.now);
        let waits = seen.is_none_or(|(seen, _)| pending(seen) || task.claim().is_some_and(|sha| may_merge(seen, sha)));
        !late && waits && self.queues.mergeable().any(|other| other == id)
    }

    fn merge_step(&self, id: &TaskId, pass: &Pass<'_>) -> Next {
        let Some((plan, spec, task)) = self.spec(id) else { return Next::Nothing };
        if task.waits.not_before.is_some_and(|at| at > pass.now.wall) || self.has_unmerged_predecessors(id) {
            return Next::Nothing;
        }
        let (Some(pull), Some(head)) = (&task.publication.pull, &task.work.verified) else { return Next::Nothing };
        if pull.base != self.config.base || pull.draft {
            return Next::Nothing;
        }
        // No task overtakes what was just pushed: it may be what the merge waits for.
        if !self.pulls.was_looked_at(id) {
            return Next::Look(Look::Pull(id.clone()));
        }
        // What could not be merged when last seen is looked at again at its time.
        let Some((seen, fresh)) = self.pulls.seen(id, pass.now).filter(|(seen, _)| may_merge(seen, head)) else {
            return Next::Nothing;
        };
        if !fresh {
            return Next::Look(Look::Pull(id.clone()));
        }
        // Another one was opened than what is remembered, and nobody was told.
        if seen.pull.as_ref().is_some_and(|seen| seen.number != pull.number) {
            return self.open_pull(plan, spec, task);
        }
        // What was verified is what the base becomes: it is in there already, or nothing of it is new.
        let method = plan.settings.merge_method;
        let behind = seen.pull.as_ref().is_some_and(|pull| pull.merge_state == MergeState::Behind);
        if !seen.base_in_head && (!seen.adds_nothing || behind || method == MergeMethod::Rebase) {
            let mut sources = self.rewritten_predecessors(task, seen);
            sources.push(self.base_source(seen));
            return self.sync(spec, sources);
        }
        // What took its base in by a merge has that conflict behind it, and replaying its commits has not: squashed,
        // it is what was verified, and the base stays linear.
        let replayed = task.publication.unmergeable.as_ref() == Some(head);
        let method = match method {
            MergeMethod::Rebase if replayed => MergeMethod::Squash,
            method => method,
        };
        Next::effect(Effect::MergePull(MergeSpec { number: pull.number, expected_head: head.clone(), method }))
    }

    /// Whether a task that this one was ordered after still has to be merged before it.
    fn has_unmerged_predecessors(&self, id: &TaskId) -> bool {
        self.graph.predecessors(id).into_iter().any(|edge| {
            self.state.tasks.get(edge.from()).is_some_and(|task| task.status != Status::Merged && !task.skipped)
        })
    }
}

/// A review in a line: what it says first.
fn gist(review: &Review) -> &str {
    let comments = review.comments.iter().map(|comment| comment.text.as_str());
    let said = [review.text.as_str()].into_iter().chain(comments).find(|text| !text.trim().is_empty());
    said.unwrap_or(review.author.as_str())
}
