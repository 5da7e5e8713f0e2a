//! What executors tell by themselves.

use std::time::Instant;

use orch_core::ports::{Executor, ExecutorEvent};

use crate::caught::caught;

/// What the executor tells next, or its panic.
pub(super) async fn events(executor: &dyn Executor, not_before: Option<Instant>) -> Result<Vec<ExecutorEvent>, String> {
    if let Some(at) = not_before {
        super::after(at.saturating_duration_since(Instant::now())).await;
    }
    caught(executor.events()).await
}
