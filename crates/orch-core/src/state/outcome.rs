//! What the outcome of an effect changes of its task.

use super::{Session, Setback, TaskState, Worktree};
use crate::base::id::{Sha, TaskId};
use crate::base::text::one_line;
use crate::base::time::AwakeMs;
use crate::journal::effect::{Effect, Outcome, Purpose};
use crate::journal::record::Todo;
use crate::plan::status::Status;
use crate::ports::{EndMode, Failure, FailureKind, PullState, PushSpec, SyncSpec};

/// So often a save that a person's word is behind waits for a lock or a device before it is given up.
const SAVES_BY_HAND: u32 = 3;

impl TaskState {
    pub(super) fn done(&mut self, effect: &Effect, outcome: &Outcome, awake: AwakeMs) {
        if let Effect::Input { input, .. } = effect {
            let typed = match outcome {
                Outcome::Ok => Some(true),
                Outcome::Failed(_) => Some(false),
                _ => None,
            };
            self.each_session(|session| session.each_delivery(|delivery| delivery.end(input, typed, awake)));
        }
        if let Outcome::Failed(failure) = outcome {
            return self.failed(effect, failure);
        }
        if let (Effect::MergePull(_), Outcome::Pull(pull)) = (effect, outcome)
            && pull.state == PullState::Open
        {
            self.publication.pull = Some(pull.clone());
            return self
                .failed(effect, &Failure::new(FailureKind::Queued, "the forge took it and has not merged it yet"));
        }
        if !matches!(outcome, Outcome::Ended(false) | Outcome::Unknown) {
            self.end_delays(effect);
        }
        match (effect, outcome) {
            (Effect::Prepare(spec), Outcome::Prepared(prepared)) => {
                // A worktree that was made anew holds what its branch holds.
                if self.worktree.prepared().is_none_or(|before| before.start != prepared.start) {
                    self.work.contains = spec.predecessors.iter().map(|p| (p.task.clone(), p.sha.clone())).collect();
                }
                self.worktree = Worktree::Ready(prepared.clone());
                self.retries.start_conflicts = 0;
                if self.is_published() {
                    return;
                }
                self.then(match self.status {
                    // Imported: what is said to be done is looked at before it is believed.
                    Status::Complete | Status::PrOpen => Todo::Judge,
                    _ => Todo::Launch { purpose: Purpose::Work, resume: false },
                });
            }
            (Effect::Launch { .. }, Outcome::Launched(launched)) => self.each_session(|session| {
                session.launched = Some(launched.clone());
                session.marks.changed_at = awake;
            }),
            (Effect::Input { expected: Some(screen), .. }, Outcome::Ok) => {
                self.each_session(|session| session.answered = Some(*screen));
            }
            (Effect::Input { expected: Some(_), .. }, _) => {
                // What was typed perhaps gets the time to show.
                self.each_session(|session| session.typed_at = Some(awake));
                self.not_typed();
            }
            (Effect::End { mode: EndMode::Ask, .. }, _) => self.while_ending(|ending| ending.asked_at = Some(awake)),
            (Effect::End { mode: EndMode::Kill, .. }, Outcome::Ended(true)) => {
                self.while_ending(|ending| ending.gone = true);
            }
            (Effect::End { mode: EndMode::Kill, .. }, Outcome::Ended(false)) => {
                let failure = Failure::new(FailureKind::NeedsPerson, "its processes could not be proved gone");
                self.failed(effect, &failure);
            }
            (Effect::Forget { .. }, _) => self.session = None,
            (Effect::Save { .. }, Outcome::Saved(saved)) => {
                if let Some(saved) = saved.as_ref().filter(|saved| !self.work.saved.contains(&saved.reference)) {
                    self.work.saved.push(saved.reference.clone());
                }
                let missing =
                    saved.as_ref().map(|saved| saved.missing.join(", ")).filter(|missing| !missing.is_empty());
                self.not_saved(missing);
                self.worktree.note_saved();
                self.while_ending(|ending| ending.saved = true);
            }
            (Effect::Commit(_), _) => {
                self.attempt.committed += 1;
                self.then(Todo::Judge);
            }
            (Effect::Sync(spec), Outcome::At(head)) => self.synced(spec, head, None),
            (Effect::Sync(spec), Outcome::Synced { head, tree }) => self.synced(spec, head, Some(tree)),
            (Effect::Push(spec), _) => {
                self.publication.pushed = Some(spec.sha.clone());
                self.publication.left = None;
            }
            (Effect::OpenPull(spec), Outcome::Pull(pull)) if !pull.answers(spec) => {
                let why = format!("pull request {} is not one of {} at {}", pull.number, spec.head, spec.sha.short());
                self.failed(effect, &Failure::new(FailureKind::NeedsPerson, &why));
            }
            (Effect::MergePull(spec), Outcome::Pull(pull)) => {
                // Merged at another head, it says nothing of what was verified.
                let exact = pull.head_sha.as_ref() == Some(&spec.expected_head);
                self.publication.in_base |= pull.state == PullState::Merged && exact;
                self.publication.pull = Some(pull.clone());
            }
            (Effect::OpenPull(_) | Effect::UpdatePull { .. }, Outcome::Pull(pull)) => {
                self.publication.pull = Some(pull.clone());
            }
            (Effect::Remove(_), _) => self.worktree.remove(),
            _ => {}
        }
    }

    /// Its branch took others' work in; what was not verified yet is to be verified.
    fn synced(&mut self, spec: &SyncSpec, head: &Sha, tree: Option<&Sha>) {
        if spec.sources.iter().any(|source| source.left_by.is_some()) {
            self.publication.left = None;
        }
        for source in &spec.sources {
            if let Ok(task) = TaskId::parse(&source.label) {
                self.work.contains.insert(task, source.tip.clone());
            }
        }
        if self.work.verified.as_ref() != Some(head) {
            self.work.verifying = Some(head.clone());
            self.work.head = Some(head.clone());
            self.work.tree = tree.cloned();
            self.then(Todo::Launch { purpose: Purpose::Verify, resume: false });
        }
    }

    fn failed(&mut self, effect: &Effect, failure: &Failure) {
        let kind = failure.kind;
        if matches!(effect, Effect::Save { .. }) && self.is_saved_enough(kind) {
            self.not_saved(Some(failure.message.clone()).filter(|_| kind != FailureKind::Missing));
            return self.while_ending(|ending| ending.saved = true);
        }
        // A new worktree is made before anything else is done there.
        if kind == FailureKind::Missing && matches!(effect, Effect::Commit(_) | Effect::Sync(_)) {
            self.worktree.remove();
        }
        let passes = matches!(kind, FailureKind::Unavailable | FailureKind::Busy);
        if let (Effect::MergePull(spec), FailureKind::Conflict) = (effect, kind) {
            self.publication.unmergeable = Some(spec.expected_head.clone());
        }
        if let Effect::Push(spec) = effect {
            self.publication.left = self.rewritten(spec, failure);
        }
        let judged = match effect {
            Effect::Input { .. } | Effect::Notify(_) | Effect::Remove(_) => false,
            Effect::Save { .. } if self.status == Status::Merged => false,
            // The push of the verified commit decides.
            Effect::Push(_) => !self.status.is_open() && self.publication.left.is_none(),
            Effect::Forget { .. } => passes,
            _ => true,
        };
        if judged {
            self.healing.setback = Some(Box::new(Setback { effect: effect.clone(), failure: failure.clone() }));
        }
        match effect {
            // What cannot be saved is left where it is, to `cleanup`.
            Effect::Save { .. } if self.status == Status::Merged => self.worktree.remove(),
            Effect::End { .. } | Effect::Save { .. } if !passes => {
                self.while_ending(|ending| ending.hopeless = true);
            }
            // The process may live all the same: it is ended before another one begins.
            Effect::Launch { purpose, resume, .. } => {
                self.then(Todo::Launch { purpose: *purpose, resume: *resume });
                self.each_session(|session| session.end().force = true);
            }
            Effect::Input { expected: Some(_), .. } => self.not_typed(),
            Effect::Forget { .. } if !passes => self.session = None,
            // Once saved, a worktree that still cannot be removed is left to `cleanup`.
            Effect::Remove(spec) if spec.discard => self.worktree.remove(),
            Effect::Remove(_) => self.worktree.keep_leftovers(),
            _ => {}
        }
    }

    /// Whether its agent is ended although its work could not be saved: there is no worktree any more, or a person
    /// said so, and waiting did not help.
    fn is_saved_enough(&self, kind: FailureKind) -> bool {
        let passes = matches!(kind, FailureKind::Unavailable | FailureKind::Busy);
        let tried = !passes || self.waits.delays() >= SAVES_BY_HAND;
        let by_hand = tried && self.session.as_ref().is_some_and(Session::ends_by_hand);
        self.status != Status::Merged && (kind == FailureKind::Missing || by_hand)
    }

    fn not_saved(&mut self, why: Option<String>) {
        if let (Some(why), Some(reason)) = (&why, &mut self.reason) {
            reason.push_str(&format!("; not saved, so it stays in the worktree: {}", one_line(why)));
        }
        self.work.unsaved = why;
    }

    /// Whether its work is verified and only waits for others.
    fn is_published(&self) -> bool {
        matches!(self.status, Status::Complete | Status::PrOpen) && self.work.verified.is_some()
    }

    /// What was waited for is there: the waiting ends, unless it was for something else.
    fn end_delays(&mut self, effect: &Effect) {
        if self.waits.delay.as_ref().is_none_or(|delay| delay.what == effect.name()) {
            self.waits.delay = None;
        }
    }

    /// The tip that a plain push found in its way, if orch itself pushed that.
    fn rewritten(&self, spec: &PushSpec, failure: &Failure) -> Option<Sha> {
        let found = failure.found.as_ref().filter(|_| failure.kind == FailureKind::Moved && spec.leaves.is_none());
        found.filter(|found| self.publication.offered.contains(*found)).cloned()
    }

    /// An answer that was not given, or nobody knows whether it was, does not count: the screen is judged anew.
    fn not_typed(&mut self) {
        if let Some((_, count)) = &mut self.conversation.answered {
            *count = count.saturating_sub(1);
        }
    }
}
