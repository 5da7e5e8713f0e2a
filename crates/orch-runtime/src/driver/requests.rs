//! What people ask of a running orchestrator, and what they are told.

use orch_core::base::TaskId;
use orch_core::engine::Refusal;
use orch_core::journal::UserVerb;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::control::Requests;

/// What people ask of a running orchestrator.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "camelCase")]
pub enum Request {
    /// Say something to the engine.
    User {
        /// The task.
        task: Option<TaskId>,
        /// What.
        verb: UserVerb,
    },
    /// Look at everything now.
    Wake,
    /// Leave; agents go on.
    Stop,
    /// Add tasks to the plan.
    Add {
        /// The phase, from 0; the last one when absent.
        phase: Option<usize>,
        /// The tasks, shaped as in the manifest.
        tasks: Vec<serde_json::Value>,
    },
}

/// What they are told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// It was done.
    Done(String),
    /// It was not, and nothing was changed.
    Refused(String),
    /// It was not looked at, because the orchestrator leaves just now.
    Leaving,
}

/// The answer to a person's words.
pub fn answer_of(said: Option<Result<String, Refusal>>) -> Answer {
    match said {
        Some(Ok(done)) => Answer::Done(done),
        Some(Err(refusal)) => Answer::Refused(refusal.to_string()),
        None => Answer::Done(String::new()),
    }
}

/// Tells those who came too late that nobody heard them.
pub(super) fn turn_away(requests: Option<Requests<Request, Answer>>) {
    let Some(mut requests) = requests else { return };
    requests.close();
    while let Ok((_, back)) = requests.try_recv() {
        // Who does not wait for the answer needs none.
        let _ = back.send(Answer::Leaving);
    }
}

pub(super) async fn next_request(
    requests: &mut Option<Requests<Request, Answer>>,
) -> Option<(Request, oneshot::Sender<Answer>)> {
    match requests {
        Some(requests) => match requests.recv().await {
            Some(request) => Some(request),
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}
