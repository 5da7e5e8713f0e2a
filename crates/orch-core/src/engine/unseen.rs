//! Looks that fail: what cannot be looked at is waited for as an outage, and what lasts ends at a person.

use super::advance::decide;
use super::{Orchestrator, Pass};
use crate::base::id::TaskId;
use crate::heal::{Remedy, Signal};
use crate::journal::record::{Evidence, Record, Verdict};
use crate::ports::{Failure, FailureKind};
use crate::state::TaskState;

impl Orchestrator {
    /// Something that tasks are looked at by cannot be had. One of them is told of for all; where that lasts, or no
    /// waiting helps, a person is called for all at once. `shared` says that nothing of it can be had at all.
    pub(super) fn on_unseen(
        &mut self,
        pass: &mut Pass<'_>,
        what: &'static str,
        concerned: Vec<TaskId>,
        shared: bool,
        failure: &Failure,
    ) {
        let waits = |task: &TaskState| task.waits.delay.as_ref().filter(|delay| delay.what == what).map(|it| it.until);
        let is_free = |task: &TaskState| {
            let judged = task.healing.setback.is_none() && task.healing.unanswered.is_none();
            let due = shared || waits(task).is_none_or(|until| until <= pass.now.wall);
            task.open.is_none() && judged && due && !task.needs_human && !task.skipped && !self.is_paused(task)
        };
        let joined = shared && self.state.outages.get(what).is_some_and(|outage| outage.until > pass.now.wall);
        let is_concerned = |id: &TaskId| self.state.tasks.get(id).is_some_and(is_free);
        let mut concerned: Vec<TaskId> = concerned.into_iter().filter(is_concerned).collect();
        // Who waits for it already goes on doing so.
        concerned.sort_by_key(|id| self.state.tasks.get(id).and_then(waits).is_none());
        let Some(first) = concerned.first().filter(|_| !joined) else { return };
        let verdict = self.unseen(first, what, shared, failure);
        let lasts = self.state.tasks.get(first).is_some_and(|task| {
            let decision = decide(self.policy.as_ref(), task, &verdict, &self.config.limits, pass.now.wall);
            decision.remedy == Remedy::Escalate
        });
        let told = if lasts { concerned.len() } else { 1 };
        // All of them before anything is decided: they stand and fall together.
        let verdicts: Vec<(TaskId, Verdict)> =
            concerned.into_iter().take(told).map(|id| (id.clone(), self.unseen(&id, what, shared, failure))).collect();
        for (id, mut one) in verdicts {
            one.case.delays = one.case.delays.max(verdict.case.delays);
            self.record(pass, Some(id), Record::Verdict(Box::new(one)));
        }
    }

    fn unseen(&self, id: &TaskId, what: &'static str, shared: bool, failure: &Failure) -> Verdict {
        let signal = if failure.kind == FailureKind::NeedsPerson { Signal::Broken } else { Signal::Delayed };
        let mut case = self.case(id, signal, format!("{what} cannot be seen: {}", failure.message));
        case.local = signal == Signal::Delayed && failure.kind != FailureKind::Unavailable;
        case.reset_at = failure.retry_at;
        if shared {
            self.is_about(&mut case, what.to_owned());
        }
        let evidence = Evidence { message: Some(failure.message.clone()), ..Evidence::default() };
        Verdict { launch: None, rule: what.to_owned(), evidence, case }
    }

    /// What could not be looked at is seen again: nobody waits for it any more.
    pub(super) fn on_seen_again(&mut self, pass: &mut Pass<'_>, what: &'static str, tasks: &[TaskId]) {
        let waited = |id: &TaskId| self.state.tasks.get(id).is_some_and(|task| task.waits_for_sight(what));
        if !self.state.outages.contains_key(what) && !tasks.iter().any(waited) {
            return;
        }
        self.record(pass, None, Record::SeenAgain { what: what.to_owned() });
        for id in self.state.tasks.keys() {
            self.queues.note(&self.state, &self.graph, id, &mut pass.dirty);
            pass.dirty.insert(id.clone());
        }
    }
}
