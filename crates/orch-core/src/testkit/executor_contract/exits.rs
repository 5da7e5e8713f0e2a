//! Exits: told exactly, and kept until they are forgotten.

use super::bench::{ONE, exit_of, pid_in, ready, run_out, session, spec, state, wait_quietly};
use super::{Behaviour, ExecutorHarness};
use crate::base::id::LaunchId;
use crate::ports::{EndMode, Executor, ExitStatus};
use crate::testkit::contract::{CaseResult, HOLDS, Outcome, ensure, ensure_eq};

const fn code(code: i32) -> ExitStatus {
    ExitStatus { code: Some(code), signal: None }
}

pub(super) async fn exit_codes_are_told<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    for (launch, expected) in (1..).map(LaunchId).zip([0, 1, 2, 7, 126, 127, 129, 255]) {
        let status = run_out(h, &executor, &spec(h, launch, &Behaviour::ExitWith(expected))).await?;
        ensure_eq!(status, code(expected), "status of exit {expected}");
    }
    HOLDS
}

pub(super) async fn signals_are_told<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    for (launch, signal) in (1..).map(LaunchId).zip([1, 2, 9, 15]) {
        let status = run_out(h, &executor, &spec(h, launch, &Behaviour::DieBySignal(signal))).await?;
        ensure_eq!(status, ExitStatus { code: None, signal: Some(signal) }, "status after signal {signal}");
    }
    HOLDS
}

pub(super) async fn exits_are_kept_until_forgotten<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    run_out(h, &executor, &spec(h, ONE, &Behaviour::ExitWith(7))).await?;
    ready(h, &executor, LaunchId(2), &Behaviour::Sleep).await?;
    wait_quietly(h).await;
    ensure_eq!(exit_of(h, &executor, ONE).await?, code(7), "status a while later");
    executor.forget(ONE).await?;
    ensure!(session(&executor, ONE).await?.is_none(), "a forgotten session is still listed");
    ensure!(session(&executor, LaunchId(2)).await?.is_some(), "forgetting one session dropped another");
    let executor = h.restart(executor).await;
    ensure!(session(&executor, ONE).await?.is_none(), "a forgotten session is listed again after a restart");
    HOLDS
}

pub(super) async fn exits_survive_a_restart<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    if !executor.capabilities().keeps_exits {
        return Ok(Outcome::Skipped("the executor does not keep exits"));
    }
    run_out(h, &executor, &spec(h, ONE, &Behaviour::ExitWith(7))).await?;
    run_out(h, &executor, &spec(h, LaunchId(2), &Behaviour::DieBySignal(9))).await?;
    let executor = h.restart(executor).await;
    ensure_eq!(exit_of(h, &executor, ONE).await?, code(7), "exit code after a restart");
    let killed = ExitStatus { code: None, signal: Some(9) };
    ensure_eq!(exit_of(h, &executor, LaunchId(2)).await?, killed, "signal after a restart");
    HOLDS
}

pub(super) async fn exits_while_nobody_watched_are_told<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    if !executor.capabilities().keeps_exits {
        return Ok(Outcome::Skipped("the executor does not keep exits"));
    }
    executor.launch(&spec(h, ONE, &Behaviour::ExitWith(5))).await?;
    let executor = h.restart(executor).await;
    ensure_eq!(exit_of(h, &executor, ONE).await?, code(5), "status of an exit around a restart");
    HOLDS
}

pub(super) async fn exit_is_told_while_a_child_holds_the_terminal<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let pid_file = h.scratch().join("child");
    let behaviour = Behaviour::LeaveChild { pid_file: pid_file.clone(), exit: true, holds_terminal: true };
    let launched = executor.launch(&spec(h, ONE, &behaviour)).await?;
    pid_in(h, &pid_file).await?;
    exit_of(h, &executor, ONE).await?;
    executor.end(&super::bench::end_spec(ONE, launched.process, EndMode::Kill)).await?;
    HOLDS
}

pub(super) async fn forget_of_unknown_sessions_is_no_error<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    executor.forget(LaunchId(99)).await?;
    run_out(h, &executor, &spec(h, ONE, &Behaviour::ExitWith(0))).await?;
    executor.forget(ONE).await?;
    executor.forget(ONE).await?;
    ensure_eq!(state(&executor, ONE).await?, None, "state of a forgotten session");
    HOLDS
}
