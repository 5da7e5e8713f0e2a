//! `list`, `look` and `events`: what is there, and nothing else.

use super::bench::{
    ONE, end_spec, event, exit_of, looks_so, process_of, ready, run_out, session, shows, spec, state, wait_quietly,
};
use super::{Behaviour, ExecutorHarness};
use crate::base::id::LaunchId;
use crate::ports::{EndMode, Executor, ExecutorEvent, Key, SessionInput, SessionState};
use crate::testkit::contract::{CaseResult, HOLDS, Outcome, ensure, ensure_eq, race};

pub(super) async fn list_shows_every_live_session<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    ensure_eq!(executor.list().await?, [], "sessions of a new world");
    for launch in [1, 2, 3] {
        ready(h, &executor, LaunchId(launch), &Behaviour::Sleep).await?;
    }
    for launch in [1, 2, 3] {
        let found = state(&executor, LaunchId(launch)).await?;
        ensure_eq!(found, Some(SessionState::Running), "state of launch {launch}");
    }
    HOLDS
}

pub(super) async fn list_leaves_out_sessions_of_others<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    ready(h, &executor, ONE, &Behaviour::Sleep).await?;
    if !h.plant_foreign(&executor).await {
        return Ok(Outcome::Skipped("the world has no sessions of others"));
    }
    let launches: Vec<LaunchId> = executor.list().await?.iter().map(|info| info.launch).collect();
    ensure_eq!(launches, [ONE], "sessions listed beside a foreign one");
    let executor = h.restart(executor).await;
    ensure_eq!(executor.list().await?.len(), 1, "sessions listed after a restart");
    HOLDS
}

pub(super) async fn list_gives_the_process_and_survives_a_restart<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let launched = ready(h, &executor, ONE, &Behaviour::Sleep).await?;
    let process = process_of(&launched)?;
    ensure!(h.alive(process.pid), "process {} told by launch does not live", process.pid);
    let executor = h.restart(executor).await;
    let found = session(&executor, ONE).await?;
    ensure_eq!(found.as_ref().map(|info| info.state), Some(SessionState::Running), "state after a restart");
    ensure_eq!(found.as_ref().and_then(|info| info.process.clone()), Some(process), "process after a restart");
    ensure_eq!(found.map(|info| info.session), Some(launched.session), "session name after a restart");
    HOLDS
}

pub(super) async fn look_leaves_out_unknown_sessions<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    ensure_eq!(executor.look(&[LaunchId(7)]).await?, [], "screens of a new world");
    ready(h, &executor, ONE, &Behaviour::Sleep).await?;
    ready(h, &executor, LaunchId(12), &Behaviour::Sleep).await?;
    let asked = [LaunchId(2), ONE, LaunchId(123), LaunchId(12)];
    let mut seen: Vec<LaunchId> = executor.look(&asked).await?.iter().map(|view| view.launch).collect();
    seen.sort();
    ensure_eq!(seen, [ONE, LaunchId(12)], "screens given");
    ensure_eq!(executor.look(&[]).await?, [], "screens of no session");
    HOLDS
}

pub(super) async fn look_shows_text_without_escapes<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let text = "\u{1b}[31mred é漢\u{1b}[0m   \nsecond #{pane_id} line  \n\n  indented\n";
    executor.launch(&spec(h, ONE, &Behaviour::PrintAndSleep(text.to_owned()))).await?;
    let view = shows(h, &executor, ONE, "indented").await?;
    ensure!(!view.text.contains('\u{1b}'), "the screen has escape sequences: {:?}", view.text);
    ensure_eq!(view.text.trim_end(), "red é漢\nsecond #{pane_id} line\n\n  indented", "the screen");
    if let Some(row) = view.cursor_row {
        ensure_eq!(row, 4, "the cursor's row");
    }
    HOLDS
}

pub(super) async fn look_shows_the_title<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    ready(h, &executor, ONE, &Behaviour::SetTitle("⠋ it's; #{x} busy".to_owned())).await?;
    looks_so(h, &executor, ONE, "the title", |view| view.title == "⠋ it's; #{x} busy").await?;
    HOLDS
}

pub(super) async fn activity_changes_only_with_output<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    ready(h, &executor, ONE, &Behaviour::EchoLines).await?;
    wait_quietly(h).await;
    let before = session(&executor, ONE).await?.map(|info| info.activity);
    wait_quietly(h).await;
    executor.look(&[ONE]).await?;
    ensure_eq!(session(&executor, ONE).await?.map(|info| info.activity), before, "activity without output");
    executor.input(ONE, &line("hello"), None).await?;
    shows(h, &executor, ONE, "got hello").await?;
    for _ in 0..h.patience() {
        if session(&executor, ONE).await?.map(|info| info.activity) != before {
            return HOLDS;
        }
        h.settle().await;
    }
    Err(crate::testkit::contract::Why("activity is the same after output".to_owned()))
}

fn line(text: &str) -> SessionInput {
    SessionInput { text: Some(text.to_owned()), keys: vec![Key::Enter] }
}

pub(super) async fn output_makes_an_event<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    ready(h, &executor, ONE, &Behaviour::EchoLines).await?;
    event(h, &executor, ExecutorEvent::Output(ONE)).await?;
    drain(h, &executor).await;
    executor.input(ONE, &line("hello"), None).await?;
    event(h, &executor, ExecutorEvent::Output(ONE)).await?;
    HOLDS
}

async fn drain<H: ExecutorHarness>(h: &H, executor: &H::Executor) -> usize {
    let mut wakes = 0;
    for _ in 0..h.quiet() {
        wakes += usize::from(race(executor.events(), h.settle()).await.is_ok());
    }
    wakes
}

pub(super) async fn exit_makes_an_event_even_when_nobody_waited<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    run_out(h, &executor, &spec(h, ONE, &Behaviour::ExitWith(0))).await?;
    event(h, &executor, ExecutorEvent::Exited(ONE)).await?;
    HOLDS
}

pub(super) async fn exit_makes_an_event_after_a_restart<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    let launched = ready(h, &executor, ONE, &Behaviour::Sleep).await?;
    let executor = h.restart(executor).await;
    drain(h, &executor).await;
    executor.end(&end_spec(ONE, launched.process, EndMode::Ask)).await?;
    event(h, &executor, ExecutorEvent::Exited(ONE)).await?;
    exit_of(h, &executor, ONE).await?;
    HOLDS
}

pub(super) async fn quiet_sessions_make_no_events<H: ExecutorHarness>(h: &H) -> CaseResult {
    let executor = h.fresh().await;
    for launch in [1, 2, 3] {
        ready(h, &executor, LaunchId(launch), &Behaviour::Sleep).await?;
    }
    wait_quietly(h).await;
    drain(h, &executor).await;
    let wakes = drain(h, &executor).await;
    ensure!(wakes <= 1, "three silent sessions made events {wakes} times in {} waits", h.quiet());
    HOLDS
}
