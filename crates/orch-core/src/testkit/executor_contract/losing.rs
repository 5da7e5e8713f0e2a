//! When the executor itself dies: told, survivors ended, and on with a new one.

use super::bench::{ONE, dies, end_spec, event, process_of, ready, session, state};
use super::{Behaviour, ExecutorHarness};
use crate::base::id::LaunchId;
use crate::ports::{EndMode, Executor, ExecutorEvent, SessionState};
use crate::testkit::contract::{CaseResult, HOLDS, Outcome, Why, ensure, ensure_eq};

const NO_LOSS: CaseResult = Ok(Outcome::Skipped("nothing but the connection holds the sessions"));

pub(super) async fn lost_sessions_are_told<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    ready(h, &executor, ONE, &Behaviour::Sleep).await?;
    if !h.lose(&executor).await {
        return NO_LOSS;
    }
    event(h, &executor, ExecutorEvent::Lost).await?;
    not_running(h, &executor).await?;
    let executor = h.restart(executor).await;
    not_running(h, &executor).await?;
    HOLDS
}

/// Waits until the first launch is not told to run; an executor may be unavailable at first.
async fn not_running<H: ExecutorHarness>(h: &H, executor: &H::Executor) -> Result<(), Why> {
    let mut last = None;
    for _ in 0..h.patience() {
        last = Some(executor.list().await);
        if let Some(Ok(sessions)) = &last
            && !sessions.iter().any(|info| info.launch == ONE && info.state == SessionState::Running)
        {
            return Ok(());
        }
        h.settle().await;
    }
    Err(Why(format!("the list after a loss is still {last:?}")))
}

pub(super) async fn lost_sessions_are_ended_by_their_process<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let process = process_of(&ready(h, &executor, ONE, &Behaviour::IgnoreHangup).await?)?;
    if !h.lose(&executor).await {
        return NO_LOSS;
    }
    let executor = h.restart(executor).await;
    let proved = executor.end(&end_spec(ONE, Some(process.clone()), EndMode::Kill)).await?;
    ensure!(proved, "the end of a survivor is not proved");
    ensure!(!h.alive(process.pid), "a survivor was called gone and lives");
    HOLDS
}

pub(super) async fn launch_works_again_after_a_loss<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let process = process_of(&ready(h, &executor, ONE, &Behaviour::Sleep).await?)?;
    if !h.lose(&executor).await {
        return NO_LOSS;
    }
    dies(h, process.pid).await?;
    not_running(h, &executor).await?;
    ready(h, &executor, LaunchId(2), &Behaviour::Sleep).await?;
    ensure_eq!(state(&executor, LaunchId(2)).await?, Some(SessionState::Running), "state of the next launch");
    ensure!(
        session(&executor, ONE).await?.is_none_or(|info| info.state != SessionState::Running),
        "the lost session is listed as running"
    );
    HOLDS
}
