//! Outages, as remembered: one for all tasks of a provider, of the remote, of the executor.

use super::{State, TaskState};
use crate::base::id::TaskId;
use crate::base::time::{Millis, Timestamp};
use crate::heal::{Outage, Remedy, Signal};
use crate::journal::effect::{Effect, Outcome, Purpose};
use crate::journal::record::Verdict;

/// The repository and the forge, as outages are kept by.
pub(crate) const REMOTE: &str = "the remote";

/// The pull requests of all tasks, as looks show them.
pub(crate) const PULLS: &str = "pull requests";

/// The executor's list of sessions.
pub(crate) const SESSIONS: &str = "sessions";

/// What an effect needs that others need too, and that may be down.
pub(crate) const fn provider_of(effect: &Effect) -> Option<&'static str> {
    match effect {
        Effect::Prepare(_)
        | Effect::Push(_)
        | Effect::OpenPull(_)
        | Effect::UpdatePull { .. }
        | Effect::MergePull(_) => Some(REMOTE),
        Effect::Launch { .. } => Some("the executor"),
        _ => None,
    }
}

impl State {
    /// Whose outage a verdict is about that a remedy answers now.
    pub(super) fn who_is_down(&self, task: Option<&TaskId>) -> Option<String> {
        let verdict = self.tasks.get(task?)?.healing.unanswered.as_ref()?;
        Some(verdict.case.provider.clone()).filter(|provider| !provider.is_empty())
    }

    /// A remedy waits for the end of an outage, or gave it to a person.
    pub(super) fn note_outage(
        &mut self,
        (task, provider): (&TaskId, String),
        signal: Signal,
        remedy: &Remedy,
        now: Timestamp,
    ) {
        let at = match (signal, remedy) {
            (Signal::Limited, Remedy::Resume { at, counted: false }) | (Signal::Delayed, Remedy::Wait { at }) => *at,
            (Signal::Limited | Signal::Delayed, Remedy::Escalate) => {
                // The next task waits as long before a person is called again.
                if let Some(outage) = self.outages.get_mut(&provider) {
                    (outage.waited, outage.probe) = (Millis(0), None);
                }
                return;
            }
            _ => return,
        };
        // Who cannot be looked at is at work all the same.
        let parks = ![PULLS, SESSIONS].contains(&provider.as_str());
        let outage = self.outages.entry(provider.clone()).or_insert_with(|| Outage::beginning(now));
        outage.wait(task, at, now);
        if let Some(task) = self.tasks.get_mut(task).filter(|task| parks && task.status.is_open()) {
            task.waits.parked = Some(provider);
        }
    }

    /// A task goes on: where something is down, it is the one that finds out whether it still is.
    pub(super) fn note_probe(&mut self, id: &TaskId, effect: &Effect) {
        let agent = match effect {
            Effect::Launch { purpose: Purpose::Work, .. } => self.agent_of(id),
            Effect::Prepare(_) => Some(REMOTE.to_owned()),
            // What is only cleared away goes nowhere.
            Effect::End { .. } | Effect::Forget { .. } | Effect::Save { .. } => return,
            _ => None,
        };
        let parked = self.tasks.get_mut(id).and_then(|task| task.waits.parked.take());
        for provider in [agent, parked].into_iter().flatten() {
            if let Some(outage) = self.outages.get_mut(&provider) {
                outage.probe = Some(id.clone());
            }
        }
    }

    /// An effect that needed the remote, or the executor, was done.
    pub(super) fn note_reached(&mut self, effect: &Effect, outcome: &Outcome) {
        if matches!(outcome, Outcome::Failed(_) | Outcome::Unknown) {
            return;
        }
        if let Some(provider) = provider_of(effect) {
            self.outages.remove(provider);
        }
    }

    /// An agent ended otherwise than by an outage, or got on: its provider answers.
    pub(super) fn note_answer(&mut self, id: &TaskId) {
        if let Some(agent) = self.agent_of(id) {
            self.outages.remove(&agent);
        }
    }

    fn agent_of(&self, id: &TaskId) -> Option<String> {
        // Plans are searched from one end to the other.
        let plan = self.plan.as_ref().filter(|_| !self.outages.is_empty())?;
        Some(agent(plan.agent_of(plan.task(id)?)))
    }
}

/// The provider of an agent, as outages are kept by.
pub(crate) fn agent(name: &str) -> String {
    format!("agent {name}")
}

/// Whether a verdict about an ended agent says that its provider answered.
pub(super) fn answers(task: &TaskState, verdict: &Verdict) -> bool {
    let of_agent = task.session.as_ref().is_some_and(|session| session.purpose != Purpose::Verify);
    let silent = matches!(verdict.case.signal, Signal::Limited | Signal::Lost | Signal::Credentials | Signal::Delayed);
    of_agent && verdict.launch.is_some() && verdict.evidence.exit.is_some() && !silent
}

impl Outage {
    fn beginning(now: Timestamp) -> Self {
        Self { since: now, rounds: 0, until: now, waited: Millis(0), probe: None }
    }

    /// One more task waits until then: a new round where the last one is over, else it joins that.
    fn wait(&mut self, task: &TaskId, at: Timestamp, now: Timestamp) {
        if now >= self.until {
            self.rounds += 1;
            self.waited = Millis(self.waited.0.saturating_add(at.since(now).0));
            self.until = at;
        }
        if self.probe.as_ref() == Some(task) {
            self.probe = None;
        }
    }
}
