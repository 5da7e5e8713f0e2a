//! `end`: gently or for certain, the whole family, and nobody else.

use super::bench::{ONE, dies, end_spec, exit_of, pid_in, process_of, ready, run_out, spec, state, wait_quietly};
use super::{Behaviour, ExecutorHarness};
use crate::base::id::LaunchId;
use crate::base::time::BootId;
use crate::ports::{EndMode, Executor, ProcessId, SessionState};
use crate::testkit::contract::{CaseResult, HOLDS, ensure, ensure_eq};

pub(super) async fn end_by_asking_lets_the_agent_end<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let launched = ready(h, &executor, ONE, &Behaviour::Sleep).await?;
    let process = process_of(&launched)?;
    executor.end(&end_spec(ONE, Some(process.clone()), EndMode::Ask)).await?;
    dies(h, process.pid).await?;
    let status = exit_of(h, &executor, ONE).await?;
    ensure_eq!(status.code, None, "exit code of an agent that a signal ended");
    ensure!(matches!(status.signal, Some(1 | 15)), "signal of an asked end is {:?}, expected 1 or 15", status.signal);
    HOLDS
}

pub(super) async fn end_by_asking_does_not_kill_the_deaf<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let launched = ready(h, &executor, ONE, &Behaviour::IgnoreHangup).await?;
    let process = process_of(&launched)?;
    let proved = executor.end(&end_spec(ONE, Some(process.clone()), EndMode::Ask)).await?;
    ensure!(!proved, "an agent that ignores the request is called gone");
    wait_quietly(h).await;
    ensure!(h.alive(process.pid), "asking killed an agent that ignores the request");
    ensure_eq!(state(&executor, ONE).await?, Some(SessionState::Running), "state of the deaf agent");
    HOLDS
}

pub(super) async fn end_by_killing_proves_the_death<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    for (launch, behaviour) in [(ONE, Behaviour::Sleep), (LaunchId(2), Behaviour::IgnoreHangup)] {
        let launched = ready(h, &executor, launch, &behaviour).await?;
        let process = process_of(&launched)?;
        let proved = executor.end(&end_spec(launch, Some(process.clone()), EndMode::Kill)).await?;
        ensure!(proved, "killing {behaviour:?} is not proved");
        ensure!(!h.alive(process.pid), "{behaviour:?} was called gone and lives");
        exit_of(h, &executor, launch).await?;
    }
    HOLDS
}

pub(super) async fn end_of_one_leaves_the_others<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let launches = [ONE, LaunchId(2), LaunchId(10), LaunchId(11)];
    let mut processes = Vec::new();
    for launch in launches {
        processes.push(process_of(&ready(h, &executor, launch, &Behaviour::Sleep).await?)?);
    }
    executor.end(&end_spec(ONE, Some(processes[0].clone()), EndMode::Kill)).await?;
    executor.forget(ONE).await?;
    wait_quietly(h).await;
    for (launch, process) in launches.into_iter().zip(processes).skip(1) {
        ensure!(h.alive(process.pid), "ending launch 1 ended the process of launch {launch}");
        ensure_eq!(state(&executor, launch).await?, Some(SessionState::Running), "state of launch {launch}");
    }
    HOLDS
}

pub(super) async fn end_is_idempotent<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let exited = run_out(h, &executor, &spec(h, ONE, &Behaviour::ExitWith(4))).await?;
    for mode in [EndMode::Ask, EndMode::Kill, EndMode::Kill] {
        ensure!(executor.end(&end_spec(ONE, None, mode)).await?, "ending an ended session is not proved");
    }
    ensure_eq!(exit_of(h, &executor, ONE).await?, exited, "status after ending an ended session");
    HOLDS
}

pub(super) async fn end_of_unknown_sessions_is_proved<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let launched = ready(h, &executor, ONE, &Behaviour::Sleep).await?;
    executor.end(&end_spec(ONE, launched.process.clone(), EndMode::Kill)).await?;
    executor.forget(ONE).await?;
    for (launch, process) in [(LaunchId(77), None), (ONE, None), (ONE, launched.process)] {
        ensure!(executor.end(&end_spec(launch, process, EndMode::Kill)).await?, "nothing to end is not proved gone");
    }
    HOLDS
}

pub(super) async fn end_kills_children_outside_the_group<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let pid_file = h.scratch().join("child");
    let behaviour = Behaviour::LeaveChild { pid_file: pid_file.clone(), exit: false, holds_terminal: false };
    let launched = ready(h, &executor, ONE, &behaviour).await?;
    let child = pid_in(h, &pid_file).await?;
    ensure!(h.alive(child), "the child does not live");
    ensure!(executor.end(&end_spec(ONE, launched.process, EndMode::Kill)).await?, "the end is not proved");
    ensure!(!h.alive(child), "a child in its own session survived the kill that was called proved");
    HOLDS
}

pub(super) async fn end_kills_what_an_ended_agent_left<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let pid_file = h.scratch().join("child");
    let behaviour = Behaviour::LeaveChild { pid_file: pid_file.clone(), exit: true, holds_terminal: false };
    let launched = executor.launch(&spec(h, ONE, &behaviour)).await?;
    ensure_eq!(exit_of(h, &executor, ONE).await?.code, Some(0), "exit code");
    let child = pid_in(h, &pid_file).await?;
    ensure!(executor.end(&end_spec(ONE, launched.process, EndMode::Kill)).await?, "the end is not proved");
    ensure!(!h.alive(child), "a child that the agent left survived the kill that was called proved");
    ensure_eq!(exit_of(h, &executor, ONE).await?.code, Some(0), "exit code after the end");
    HOLDS
}

pub(super) async fn end_never_touches_a_reused_pid<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let process = process_of(&ready(h, &executor, ONE, &Behaviour::Sleep).await?)?;
    let later = ProcessId { started: process.started + 1, ..process.clone() };
    let other_boot = ProcessId { boot: BootId("another boot".to_owned()), ..process.clone() };
    for claimed in [later, other_boot] {
        for mode in [EndMode::Ask, EndMode::Kill] {
            let gone = executor.end(&end_spec(LaunchId(50), Some(claimed.clone()), mode)).await?;
            ensure!(gone, "a process whose pid was reused is not called gone");
        }
    }
    wait_quietly(h).await;
    ensure!(h.alive(process.pid), "the new owner of a reused pid was killed");
    ensure_eq!(state(&executor, ONE).await?, Some(SessionState::Running), "state of the new owner");
    HOLDS
}
