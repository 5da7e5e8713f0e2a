//! What came of effects.

use super::{Orchestrator, Pass};
use crate::base::id::{AttemptNo, EffectId, LaunchId, TaskId};
use crate::base::time::{Millis, Timestamp};
use crate::heal::Signal;
use crate::journal::effect::{Effect, Look, Outcome};
use crate::journal::record::{Evidence, Record, StatusRecord, Verdict};
use crate::plan::status::Status;
use crate::ports::{EndMode, Failure, FailureKind, MergeMethod, PrepareSpec};
use crate::state::{Setback, TaskState, provider_of};

impl Orchestrator {
    /// An effect ended: remembers it, and judges it if it failed.
    pub(super) fn on_done(&mut self, pass: &mut Pass<'_>, id: EffectId, outcome: Outcome) {
        let Some(open) = self.state.open.get(&id).cloned() else { return };
        let well = !matches!(outcome, Outcome::Failed(_) | Outcome::Unknown);
        let nothing = matches!(&outcome, Outcome::Failed(failure) if failure.kind == FailureKind::Missing);
        self.record(pass, open.task.clone(), Record::Done { effect: id, outcome });
        if let (None, Effect::Save { task, .. }) = (&open.task, &open.effect) {
            return self.on_stray_saved(pass, task, well || nothing);
        }
        self.after(pass, open.task.as_ref(), id, &open.effect, well);
    }

    /// What is learned from an effect that ended.
    fn after(&mut self, pass: &mut Pass<'_>, task: Option<&TaskId>, id: EffectId, effect: &Effect, well: bool) {
        match effect {
            Effect::Launch { .. } if well => {
                if let Some((_, session)) = task.and_then(|task| self.live(task)) {
                    let session = session.clone();
                    self.sessions.begin(&session, pass.now);
                    self.watch_new(pass, LaunchId::from(id));
                }
            }
            Effect::End { launch, mode: EndMode::Kill, .. } if task.is_none() => {
                let effect = Effect::Forget { launch: *launch };
                self.record(pass, None, Record::Effect { effect });
            }
            Effect::Forget { launch } => self.sessions.forget(*launch),
            Effect::Prepare(spec) if well => self.worktrees.note_prepared(&spec.task),
            Effect::MergePull(_) if well => {
                self.pulls.outdate();
                if let Some(id) =
                    task.filter(|id| self.state.tasks.get(*id).is_some_and(|task| !task.publication.in_base))
                {
                    self.pulls.forget(id);
                }
            }
            Effect::OpenPull(_) | Effect::UpdatePull { .. } | Effect::Push(_) | Effect::MergePull(_) => {
                if let Some(id) = task {
                    self.pulls.forget(id);
                    let early = self
                        .state
                        .tasks
                        .get(id)
                        .is_some_and(|task| task.status.is_open() && task.publication.left.is_none());
                    if matches!(effect, Effect::Push(_)) && early && !well {
                        self.worktrees.no_early_push.insert(id.clone());
                    }
                }
            }
            Effect::Input { launch, .. } => self.sessions.look_again(*launch, !well),
            _ => {}
        }
        if let Some(task) = task {
            self.watch(pass, task);
        }
    }

    /// A session that may have ended before its events were listened to is listed once.
    fn watch_new(&mut self, pass: &mut Pass<'_>, launch: LaunchId) {
        if self.ask(&Look::Screen(launch), pass.now) {
            pass.looks.insert(Look::Screen(launch));
        }
    }

    /// Whether a conflict at the start can end by a merge: each ends it for one of those that it is built on.
    fn may_resolve(&self, task: &TaskState, spec: &PrepareSpec) -> bool {
        let most = self.config.limits.relaunch_limit as usize + spec.predecessors.len();
        !spec.predecessors.is_empty() && (task.retries.start_conflicts as usize) < most
    }

    /// What the failure of an effect means: a verdict, or that the task must wait for those before it.
    pub(super) fn judge_setback(&self, now: Timestamp, id: &TaskId, task: &TaskState, setback: &Setback) -> Record {
        let Setback { effect, failure } = setback;
        let signal = match (effect, failure.kind) {
            (Effect::Prepare(spec), FailureKind::Conflict) if self.may_resolve(task, spec) => {
                return blocked(task, spec, failure, self.config.limits.backoff, now);
            }
            // The base has just moved: it is taken in first, which says what conflicts. A worktree is made anew first.
            (Effect::MergePull(_), FailureKind::Conflict) | (Effect::Sync(_), FailureKind::Missing)
                if task.waits.delays() < self.config.limits.relaunch_limit =>
            {
                Signal::Delayed
            }
            (Effect::Sync(_) | Effect::MergePull(_), FailureKind::Conflict) => Signal::Conflict,
            // What stands elsewhere than expected is looked at again, later and later.
            (Effect::MergePull(_) | Effect::UpdatePull { .. }, FailureKind::Moved)
            | (_, FailureKind::Unavailable | FailureKind::Busy | FailureKind::Queued) => Signal::Delayed,
            (Effect::End { .. } | Effect::Save { .. }, _) | (_, FailureKind::NeedsPerson) => Signal::Broken,
            (Effect::Prepare(_), _) => Signal::PrepareFailed,
            (Effect::Launch { .. }, _) => Signal::LaunchFailed,
            (Effect::Commit(_), _) => Signal::Failed,
            _ => Signal::PublishRefused,
        };
        let conflicts = failure.kind == FailureKind::Conflict;
        let detail = match effect {
            Effect::Sync(spec) if signal == Signal::Conflict => {
                let tips: Vec<&str> = spec.sources.iter().map(|source| source.tip.as_str()).collect();
                format!("{}: merge {} into the branch and resolve it", failure.message, tips.join(" and "))
            }
            Effect::MergePull(spec) if signal == Signal::Delayed && spec.method == MergeMethod::Rebase && conflicts => {
                format!("{}: {}; unless its base moved it is squashed", effect.name(), failure.message)
            }
            _ => format!("{}: {}", effect.name(), failure.message),
        };
        let files = failure.files.clone();
        let evidence = Evidence { message: Some(failure.message.clone()), files, ..Evidence::default() };
        let mut case = self.case(id, signal, detail);
        case.local = signal == Signal::Delayed && matches!(failure.kind, FailureKind::Busy | FailureKind::Moved);
        case.reset_at = failure.retry_at;
        if let (Signal::Delayed, Some(provider), FailureKind::Unavailable) = (signal, provider_of(effect), failure.kind)
        {
            self.is_about(&mut case, provider.to_owned());
        }
        Record::Verdict(Box::new(Verdict { launch: None, rule: effect.name().to_owned(), evidence, case }))
    }
}

/// A task waits until one of those whose work conflicts is merged; not the first time, also for a while.
fn blocked(task: &TaskState, spec: &PrepareSpec, failure: &Failure, backoff: Millis, now: Timestamp) -> Record {
    let doubled = Millis(backoff.0.saturating_mul(1 << task.retries.start_conflicts.min(8)));
    Record::Status(StatusRecord {
        retry_at: (task.retries.start_conflicts > 0).then(|| now + doubled),
        reason: Some(format!("the work that it builds on conflicts in {}", failure.files.join(", "))),
        attempt: Some(AttemptNo(task.attempt.number.0.saturating_sub(1))),
        waits_on: spec.predecessors.iter().map(|predecessor| predecessor.task.clone()).collect(),
        ..StatusRecord::new(task.status, Status::Blocked)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::BranchName;
    use crate::ports::FailureKind;
    use crate::state::Retries;

    #[test]
    fn a_conflict_at_the_start_that_comes_back_is_tried_later_and_later() {
        let branch = |name: &str| BranchName::parse(name).expect("a branch");
        let id = TaskId::parse("t1").expect("an id");
        let spec = PrepareSpec {
            task: id,
            branch: branch("task/t1"),
            worktree: "/work/task-t1".into(),
            base: branch("main"),
            predecessors: Vec::new(),
        };
        let failure = Failure::new(FailureKind::Conflict, "no");
        let now = Timestamp::from_millis(0);
        let after = |start_conflicts| {
            let retries = Retries { start_conflicts, ..Retries::default() };
            let task = TaskState { retries, ..TaskState::default() };
            match blocked(&task, &spec, &failure, Millis::from_secs(10), now) {
                Record::Status(change) => change.retry_at.map(|at| at.since(now)),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!([0, 1, 3].map(after), [None, Some(Millis::from_secs(20)), Some(Millis::from_secs(80))]);
    }
}
