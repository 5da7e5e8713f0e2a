//! Outages: which tasks wait for their end, and which goes first to find out.

use super::advance::Next;
use super::{Orchestrator, Pass};
use crate::base::time::Millis;
use crate::heal::Case;
use crate::state::TaskState;

/// Whoever goes first after an outage got through when it lived so long.
const PROBE: Millis = Millis::from_secs(60);

impl Orchestrator {
    /// Lets the next task go on that waited for the end of an outage; whether one did. It goes first, to find
    /// out whether that is over; the others follow.
    pub(super) fn unpark(&mut self, pass: &mut Pass<'_>) -> bool {
        let is_up = |task: &TaskState| task.waits.parked.as_ref().is_some_and(|provider| !self.is_down(provider, pass));
        let next = self.queues.parked().find(|id| self.state.tasks.get(*id).is_some_and(is_up));
        let Some((plan, spec, task)) = next.and_then(|id| self.spec(id)) else { return false };
        let Some(todo) = task.todo else { return false };
        let id = spec.id.clone();
        match self.step(pass, (plan, spec, task), todo) {
            Next::Record(record) => {
                self.record(pass, Some(id), *record);
                self.wake_for_probe(pass);
                true
            }
            Next::Look(look) => {
                if self.ask(&look, pass.now) {
                    pass.looks.insert(look);
                }
                false
            }
            Next::Nothing => false,
        }
    }

    /// Has those who wait looked at again when whoever goes first has got through.
    pub(super) fn wake_for_probe(&mut self, pass: &Pass<'_>) {
        for id in self.state.outages.values().filter_map(|outage| outage.probe.as_ref()) {
            self.wakeups.wake(id, pass.now.awake + PROBE);
        }
    }

    /// Whether something is down: until its time, and then until whoever went first got through.
    pub(super) fn is_down(&self, provider: &str, pass: &Pass<'_>) -> bool {
        let Some(outage) = self.state.outages.get(provider) else { return false };
        let goes = |task: &&TaskState| task.status.is_open() && task.waits.parked.is_none() && !task.needs_human;
        let first = outage.probe.as_ref().and_then(|id| self.state.tasks.get(id)).filter(goes);
        let Some(first) = first else { return outage.until > pass.now.wall };
        let lived = |launched_at| pass.now.awake.since(launched_at) >= PROBE;
        !first.session.as_ref().is_some_and(|session| session.launched.is_some() && lived(session.launched_at))
    }

    /// Puts into a case what is down, and for how long.
    pub(super) fn is_about(&self, case: &mut Case, provider: String) {
        case.outage = self.state.outages.get(&provider).cloned();
        case.provider = provider;
    }
}
