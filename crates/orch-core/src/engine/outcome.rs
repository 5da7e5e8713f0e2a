//! What came of effects.

use super::{Orchestrator, Pass};
use crate::base::id::{AttemptNo, EffectId, LaunchId, TaskId};
use crate::heal::Signal;
use crate::journal::effect::{Effect, Look, Outcome};
use crate::journal::record::{Evidence, Record, StatusRecord, Verdict};
use crate::plan::status::Status;
use crate::ports::{EndMode, PrepareSpec};
use crate::ports::{Failure, FailureKind};
use crate::state::{Setback, TaskState, provider_of};

impl Orchestrator {
    /// An effect ended: remembers it, and judges it if it failed.
    pub(super) fn on_done(&mut self, pass: &mut Pass<'_>, id: EffectId, outcome: Outcome) {
        let Some(open) = self.state.open.get(&id).cloned() else { return };
        let well = !matches!(outcome, Outcome::Failed(_) | Outcome::Unknown);
        self.record(pass, open.task.clone(), Record::Done { effect: id, outcome });
        self.after(pass, open.task.as_ref(), id, &open.effect, well);
    }

    /// What the eyes learn from an effect that ended.
    fn after(&mut self, pass: &mut Pass<'_>, task: Option<&TaskId>, id: EffectId, effect: &Effect, well: bool) {
        match effect {
            Effect::Launch { .. } if well => {
                if let Some((_, session)) = task.and_then(|task| self.live(task)) {
                    let session = session.clone();
                    self.eyes.begin(&session, pass.now);
                    self.watch_new(pass, LaunchId::from(id));
                }
            }
            Effect::End { launch, mode: EndMode::Kill, .. } if task.is_none() => {
                let effect = Effect::Forget { launch: *launch };
                self.record(pass, None, Record::Effect { effect });
            }
            Effect::Forget { launch } => self.eyes.forget(*launch),
            Effect::Prepare(spec) if well => self.eyes.note_prepared(&spec.task),
            Effect::MergePull(_) if well => self.eyes.doubt_pulls(),
            Effect::OpenPull(_) | Effect::UpdatePull { .. } | Effect::Push(_) | Effect::MergePull(_) => {
                if let Some(id) = task {
                    self.eyes.forget_pull(id);
                    let early =
                        self.state.tasks.get(id).is_some_and(|task| task.status.is_open() && task.left.is_none());
                    if matches!(effect, Effect::Push(_)) && early && !well {
                        self.eyes.no_early_push.insert(id.clone());
                    }
                }
            }
            Effect::Input { launch, .. } => self.eyes.look_again(*launch, !well),
            _ => {}
        }
        if let Some(task) = task {
            self.watch(pass, task);
        }
    }

    /// A session that may have ended before its events were listened to is listed once.
    fn watch_new(&mut self, pass: &mut Pass<'_>, launch: LaunchId) {
        if self.eyes.ask(&Look::Screen(launch)) {
            pass.looks.insert(Look::Screen(launch));
        }
    }

    /// What the failure of an effect means: a verdict, or that the task must wait for those before it.
    pub(super) fn judge_setback(&self, id: &TaskId, task: &TaskState, setback: &Setback) -> Record {
        let Setback { effect, failure } = setback;
        let signal = match (effect, failure.kind) {
            (Effect::Prepare(spec), FailureKind::Conflict) => return blocked(task, spec, failure),
            // The base has just moved: it is taken in first, which says what conflicts. A worktree is made anew first.
            (Effect::MergePull(_), FailureKind::Conflict) | (Effect::Sync(_), FailureKind::Missing)
                if task.delays < self.config.limits.relaunch_limit =>
            {
                Signal::Delayed
            }
            (Effect::Sync(_) | Effect::MergePull(_), FailureKind::Conflict) => Signal::Conflict,
            (_, FailureKind::Unavailable | FailureKind::Busy) => Signal::Delayed,
            (Effect::End { .. } | Effect::Save { .. }, _) | (_, FailureKind::NeedsPerson) => Signal::Broken,
            (Effect::Prepare(_), _) => Signal::PrepareFailed,
            (Effect::Launch { .. }, _) => Signal::LaunchFailed,
            (Effect::Commit(_), _) => Signal::Failed,
            _ => Signal::PublishRefused,
        };
        let detail = match effect {
            Effect::Sync(spec) if signal == Signal::Conflict => {
                let tips: Vec<&str> = spec.sources.iter().map(|source| source.tip.as_str()).collect();
                format!("{}: merge {} into the branch and resolve it", failure.message, tips.join(" and "))
            }
            _ => format!("{}: {}", effect.name(), failure.message),
        };
        let files = failure.files.clone();
        let evidence = Evidence { message: Some(failure.message.clone()), files, ..Evidence::default() };
        let mut case = self.case(id, signal, detail);
        case.local = signal == Signal::Delayed && failure.kind == FailureKind::Busy;
        case.reset_at = failure.retry_at;
        if let (Signal::Delayed, Some(provider), FailureKind::Unavailable) = (signal, provider_of(effect), failure.kind)
        {
            self.is_about(&mut case, provider.to_owned());
        }
        Record::Verdict(Box::new(Verdict { launch: None, rule: effect.name().to_owned(), evidence, case }))
    }
}

fn blocked(task: &TaskState, spec: &PrepareSpec, failure: &Failure) -> Record {
    Record::Status(StatusRecord {
        reason: Some(format!("the work that it builds on conflicts in {}", failure.files.join(", "))),
        attempt: Some(AttemptNo(task.attempt.0.saturating_sub(1))),
        waits_on: spec.predecessors.iter().map(|predecessor| predecessor.task.clone()).collect(),
        ..StatusRecord::new(task.status, Status::Blocked)
    })
}
