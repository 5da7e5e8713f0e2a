use std::fmt;

use serde::Serialize;

use crate::base::id::{Seq, TaskId};
use crate::base::text::escape_line;
use crate::base::time::Timestamp;
use crate::engine::decide;
use crate::heal::{Case, Decision, DefaultPolicy, HealPolicy, Limits};
use crate::journal::record::{Entry, Record};
use crate::plan::status::{Status, transition};
use crate::state::State;

/// What deciding again came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Replay {
    /// How many decisions were made again.
    pub decisions: usize,
    /// How many moves of the status machine were checked.
    pub moves: usize,
    /// What differs, in the order of the journal.
    pub differences: Vec<Difference>,
}

/// One place at which the journal and the engine disagree.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// The record.
    pub seq: Seq,
    /// When it was written.
    pub timestamp: Timestamp,
    /// The task that it is about.
    pub task: Option<TaskId>,
    /// How they disagree.
    #[serde(flatten)]
    pub kind: DifferenceKind,
}

/// How the journal and the engine can disagree.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
#[non_exhaustive]
pub enum DifferenceKind {
    /// The status machine knows no such move.
    IllegalMove {
        /// From.
        from: Status,
        /// To.
        to: Status,
    },
    /// The task had another status than the record says.
    WrongStatus {
        /// What the record says.
        recorded: Status,
        /// What the records before it say.
        actual: Status,
    },
    /// A remedy answers no verdict.
    NoVerdict,
    /// The policy decides otherwise.
    Decision {
        /// What the journal says.
        recorded: Box<Decision>,
        /// What the policy says now.
        decided: Box<Decision>,
    },
}

/// The default policy under thresholds of its own, whatever the journal's were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherLimits {
    /// The thresholds.
    pub limits: Limits,
    /// The policy's name; it must not be that of the policy in the journal.
    pub name: String,
}

impl HealPolicy for OtherLimits {
    fn name(&self) -> &str {
        &self.name
    }

    fn decide(&self, case: &Case, _limits: &Limits, now: Timestamp) -> Decision {
        DefaultPolicy.decide(case, &self.limits, now)
    }
}

/// Decides again what a journal says was decided.
///
/// Every `remedy` is compared with what the policy says to the verdict that it answers, under the
/// thresholds of the last `driver` record; reasons count only when the policy is the one that the
/// journal names. Every `status` must be a legal move from the status that the task had.
pub fn replay(entries: &[Entry], policy: &dyn HealPolicy) -> Replay {
    let mut state = State::default();
    let mut replay = Replay { decisions: 0, moves: 0, differences: Vec::new() };
    for entry in entries {
        let found = match &entry.record {
            Record::Status(change) => {
                replay.moves += 1;
                status_difference(&state, entry, change.from, change.to)
            }
            Record::Remedy { policy: name, decision, .. } => {
                replay.decisions += 1;
                decision_difference(&state, entry, policy, policy.name() == name, decision)
            }
            Record::Driver(_)
            | Record::Plan { .. }
            | Record::PlanChanged { .. }
            | Record::Imported(_)
            | Record::Effect { .. }
            | Record::Done { .. }
            | Record::Verdict(_)
            | Record::Progress(_)
            | Record::Pull { .. }
            | Record::SeenAgain { .. }
            | Record::User { .. }
            | Record::Gap { .. } => None,
        };
        let at = |kind| Difference { seq: entry.seq, timestamp: entry.timestamp, task: entry.task.clone(), kind };
        replay.differences.extend(found.map(at));
        state.apply(entry);
    }
    replay
}

fn status_difference(state: &State, entry: &Entry, from: Status, to: Status) -> Option<DifferenceKind> {
    let actual = entry.task.as_ref().and_then(|id| state.tasks.get(id)).map(|task| task.status);
    match actual {
        Some(actual) if actual != from => Some(DifferenceKind::WrongStatus { recorded: from, actual }),
        _ if transition(from, to).is_none() => Some(DifferenceKind::IllegalMove { from, to }),
        _ => None,
    }
}

fn decision_difference(
    state: &State,
    entry: &Entry,
    policy: &dyn HealPolicy,
    same_policy: bool,
    recorded: &Decision,
) -> Option<DifferenceKind> {
    let task = entry.task.as_ref().and_then(|id| state.tasks.get(id));
    let Some((task, verdict)) = task.and_then(|task| Some((task, task.healing.unanswered.as_ref()?))) else {
        return Some(DifferenceKind::NoVerdict);
    };
    let limits = state.driver.as_ref().map(|driver| driver.limits.clone()).unwrap_or_default();
    let decided = decide(policy, task, verdict, &limits, entry.timestamp);
    let same = decided.remedy == recorded.remedy && (!same_policy || decided.reason == recorded.reason);
    (!same).then(|| DifferenceKind::Decision { recorded: Box::new(recorded.clone()), decided: Box::new(decided) })
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = self.task.as_ref().map_or_else(String::new, |task| format!(" {task}"));
        write!(f, "record {}{task}: ", self.seq)?;
        match &self.kind {
            DifferenceKind::IllegalMove { from, to } => write!(f, "no task goes from {from} to {to}"),
            DifferenceKind::WrongStatus { recorded, actual } => {
                write!(f, "it says that the task was {recorded}, but it was {actual}")
            }
            DifferenceKind::NoVerdict => f.write_str("a remedy that answers no verdict"),
            DifferenceKind::Decision { recorded, decided } => {
                let shown = |d: &Decision| format!("{} ({})", d.remedy.name(), escape_line(&d.reason));
                write!(f, "decided {}, now {}", shown(recorded), shown(decided))
            }
        }
    }
}
