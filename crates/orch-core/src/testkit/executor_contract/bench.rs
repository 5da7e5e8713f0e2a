//! What the cases share: specs, and waits that name what they waited for.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::{Behaviour, ExecutorHarness};
use crate::base::id::LaunchId;
use crate::base::time::Millis;
use crate::ports::{
    EndMode, EndSpec, Executor, ExecutorEvent, ExitStatus, LaunchSpec, Launched, ProcessId, ScreenView, SessionInfo,
    SessionState,
};
use crate::testkit::contract::{Why, bounded, ensure, race};

pub(super) const ONE: LaunchId = LaunchId(1);

/// A plain launch of a behaviour in the scratch directory, named after its number.
pub(super) fn spec<H: ExecutorHarness>(h: &H, launch: LaunchId, behaviour: &Behaviour) -> LaunchSpec {
    let scratch = h.scratch();
    LaunchSpec {
        launch,
        name: format!("task-t{launch}"),
        argv: h.argv(behaviour),
        env: BTreeMap::from(
            [
                ("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"),
                ("ORCH_LAUNCH", &launch.to_string()),
                ("ORCH_WORKTREE", scratch.as_str()),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        ),
        stdin: None,
        log: scratch.join(format!("log-{launch}")),
        cwd: scratch,
        size: (80, 24),
    }
}

/// Launches a behaviour and waits until it says `ready`.
pub(super) async fn ready<H: ExecutorHarness>(
    h: &H,
    executor: &H::Executor,
    launch: LaunchId,
    behaviour: &Behaviour,
) -> Result<Launched, Why> {
    let launched = executor.launch(&spec(h, launch, behaviour)).await?;
    shows(h, executor, launch, "ready").await?;
    Ok(launched)
}

/// Launches a behaviour and waits for its exit.
pub(super) async fn run_out<H: ExecutorHarness>(
    h: &H,
    executor: &H::Executor,
    spec: &LaunchSpec,
) -> Result<ExitStatus, Why> {
    executor.launch(spec).await?;
    exit_of(h, executor, spec.launch).await
}

pub(super) async fn exit_of<H: ExecutorHarness>(
    h: &H,
    executor: &H::Executor,
    launch: LaunchId,
) -> Result<ExitStatus, Why> {
    for _ in 0..h.patience() {
        match session(executor, launch).await?.map(|info| info.state) {
            Some(SessionState::Exited(status)) => return Ok(status),
            Some(SessionState::Running) => h.settle().await,
            None => return Err(Why(format!("launch {launch} is not listed, though it was not forgotten"))),
        }
    }
    Err(Why(format!("launch {launch} is still listed as running after its process should have ended")))
}

pub(super) async fn session<E: Executor>(executor: &E, launch: LaunchId) -> Result<Option<SessionInfo>, Why> {
    let mut found = executor.list().await?.into_iter().filter(|info| info.launch == launch);
    let first = found.next();
    ensure!(found.next().is_none(), "launch {launch} is listed twice");
    Ok(first)
}

pub(super) async fn state<E: Executor>(executor: &E, launch: LaunchId) -> Result<Option<SessionState>, Why> {
    Ok(session(executor, launch).await?.map(|info| info.state))
}

/// Waits until a session's screen contains the text.
pub(super) async fn shows<H: ExecutorHarness>(
    h: &H,
    executor: &H::Executor,
    launch: LaunchId,
    text: &str,
) -> Result<ScreenView, Why> {
    looks_so(h, executor, launch, text, |view| view.text.contains(text)).await
}

pub(super) async fn looks_so<H: ExecutorHarness>(
    h: &H,
    executor: &H::Executor,
    launch: LaunchId,
    what: &str,
    so: impl Fn(&ScreenView) -> bool,
) -> Result<ScreenView, Why> {
    let mut last = None;
    for _ in 0..h.patience() {
        let view = executor.look(&[launch]).await?.pop();
        match view {
            Some(view) if so(&view) => return Ok(view),
            other => last = other,
        }
        h.settle().await;
    }
    Err(Why(format!("the screen of launch {launch} never showed {what:?}; it shows {}", bounded(&last))))
}

/// Waits until a file holds exactly these bytes.
pub(super) async fn holds<H: ExecutorHarness>(h: &H, path: &Utf8Path, expected: &[u8]) -> Result<(), Why> {
    for _ in 0..h.patience() {
        if h.read(path).is_some_and(|found| found == expected) {
            return Ok(());
        }
        h.settle().await;
    }
    let found = h.read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let expected = String::from_utf8_lossy(expected).into_owned();
    Err(Why(format!("{path} holds {}, expected {}", bounded(&found), bounded(&expected))))
}

/// Waits for a file and gives what it holds.
pub(super) async fn file<H: ExecutorHarness>(h: &H, path: &Utf8PathBuf) -> Result<Vec<u8>, Why> {
    for _ in 0..h.patience() {
        if let Some(found) = h.read(path) {
            return Ok(found);
        }
        h.settle().await;
    }
    Err(Why(format!("{path} never appeared")))
}

/// The pid that a behaviour wrote to a file.
pub(super) async fn pid_in<H: ExecutorHarness>(h: &H, path: &Utf8PathBuf) -> Result<u32, Why> {
    let bytes = file(h, path).await?;
    Ok(String::from_utf8_lossy(&bytes).trim().parse()?)
}

/// Waits until no process has the pid.
pub(super) async fn dies<H: ExecutorHarness>(h: &H, pid: u32) -> Result<(), Why> {
    for _ in 0..h.patience() {
        if !h.alive(pid) {
            return Ok(());
        }
        h.settle().await;
    }
    Err(Why(format!("process {pid} is still alive")))
}

/// Waits for an event; between waits the world moves, and the wait is cancelled.
pub(super) async fn event<H: ExecutorHarness>(
    h: &H,
    executor: &H::Executor,
    expected: ExecutorEvent,
) -> Result<(), Why> {
    for _ in 0..h.patience() {
        if let Ok(events) = race(executor.events(), h.settle()).await
            && events.contains(&expected)
        {
            return Ok(());
        }
    }
    Err(Why(format!("the event {expected:?} never came")))
}

/// Lets time pass in which something must not happen.
pub(super) async fn wait_quietly<H: ExecutorHarness>(h: &H) {
    for _ in 0..h.quiet() {
        h.settle().await;
    }
}

pub(super) fn end_spec(launch: LaunchId, process: Option<ProcessId>, mode: EndMode) -> EndSpec {
    EndSpec { launch, process, mode, patience: Millis(5_000) }
}

pub(super) fn process_of(launched: &Launched) -> Result<ProcessId, Why> {
    launched.process.clone().ok_or_else(|| Why("launch told no process of a live agent".to_owned()))
}
