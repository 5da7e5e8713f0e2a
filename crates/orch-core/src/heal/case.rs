use serde::{Deserialize, Serialize};

use super::Signal;
use crate::base::id::{AttemptNo, TaskId};
use crate::base::time::{Millis, Timestamp};
use crate::ports::{Key, SessionInput};

/// A signal with what the policy may know of its task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Case {
    /// What the evidence means.
    pub signal: Signal,
    /// The evidence in one line, for the reason.
    pub detail: String,
    /// The attempt that is open.
    pub attempt: AttemptNo,
    /// Attempts that failed since the start or since a person said `retry`, this one included.
    pub failures: u32,
    /// Feedback rounds so far.
    pub feedback_rounds: u32,
    /// Relaunches without progress between them.
    pub relaunches: u32,
    /// Delays in a row.
    #[serde(default)]
    pub delays: u32,
    /// For [`Signal::Delayed`]: what is in the way is here, where a person can take it away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub local: bool,
    /// Times that this same prompt was answered already.
    pub same_prompt: u32,
    /// What would answer the prompt, if a rule knows.
    pub answer: Option<SessionInput>,
    /// What wakes this agent.
    pub poke: SessionInput,
    /// For [`Signal::Silent`]: how long nothing was heard.
    pub silent: Millis,
    /// For [`Signal::Silent`]: how often the session was poked in this silence.
    #[serde(default)]
    pub pokes: u32,
    /// For [`Signal::Silent`]: the screen takes plain line input, so that keys do what they say.
    pub line_input: bool,
    /// The agent was asked to commit in this attempt.
    pub asked_to_commit: bool,
    /// Times that orch committed for the agent in this attempt.
    #[serde(default)]
    pub committed: u32,
    /// Uncommitted files that orch may not commit by itself.
    pub foreign_dirt: Vec<String>,
    /// Repositories inside the worktree whose work cannot be published with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nested: Vec<String>,
    /// For [`Signal::Limited`] and [`Signal::Delayed`]: when it will be over, where that was said.
    pub reset_at: Option<Timestamp>,
    /// For [`Signal::Limited`] and [`Signal::Delayed`]: what is down.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub provider: String,
    /// Its outage so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outage: Option<Outage>,
    /// From the task's id, 0 to 999: spreads the retries of many.
    #[serde(default)]
    pub spread: u16,
}

impl Case {
    /// The first time that something is seen, in the first attempt; Enter wakes the agent.
    pub fn new(signal: Signal, detail: impl Into<String>) -> Self {
        Self {
            signal,
            detail: detail.into(),
            attempt: AttemptNo(1),
            failures: 1,
            feedback_rounds: 0,
            relaunches: 0,
            delays: 0,
            local: false,
            same_prompt: 0,
            answer: None,
            poke: SessionInput { text: None, keys: vec![Key::Enter] },
            silent: Millis(0),
            pokes: 0,
            line_input: false,
            asked_to_commit: false,
            committed: 0,
            foreign_dirt: Vec::new(),
            nested: Vec::new(),
            reset_at: None,
            provider: String::new(),
            outage: None,
            spread: 0,
        }
    }
}

/// The time in which something that several tasks need cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outage {
    /// When it was first seen.
    pub since: Timestamp,
    /// How often all waited.
    pub rounds: u32,
    /// Until when all wait.
    pub until: Timestamp,
    /// How long all waited, the present round included; time in suspend does not count.
    pub waited: Millis,
    /// The task that goes first, to find out whether it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<TaskId>,
}
