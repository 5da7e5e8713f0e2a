//! What executors tell by themselves.

use std::time::Instant;

use orch_core::engine::{Input, Seen};
use orch_core::ports::{Executor, ExecutorEvent};

use crate::caught::caught;

/// What the executor tells next, or its panic.
pub(super) async fn events(executor: &dyn Executor, not_before: Option<Instant>) -> Result<Vec<ExecutorEvent>, String> {
    if let Some(at) = not_before {
        super::after(at.saturating_duration_since(Instant::now())).await;
    }
    caught(executor.events()).await
}

/// What it means for the engine.
pub(super) fn seen_event(event: ExecutorEvent) -> Input {
    match event {
        ExecutorEvent::Output(launch) => Input::Seen(Seen::Output(launch)),
        ExecutorEvent::Exited(_) | ExecutorEvent::Lost => Input::Seen(Seen::Stirred),
    }
}
