//! A session host in a temporary directory, and eyes to check with.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::{LaunchId, Millis};
use orch_core::ports::{
    EndMode, EndSpec, Executor, ExecutorEvent, ExitStatus, Key, LaunchSpec, Launched, ProcessId, ScreenView,
    SessionInfo, SessionInput, SessionState,
};
use orch_process::{Signal, identify, signal};
use orch_pty::{PtyExecutor, PtySettings};
use tempfile::TempDir;

pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Ends its host and what is in it when dropped.
pub(crate) struct World {
    dir: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { dir: TempDir::with_prefix_in("orch pty-", "/tmp").expect("a directory") }
    }

    pub(crate) fn dir(&self) -> &Utf8Path {
        Utf8Path::from_path(self.dir.path()).expect("utf-8")
    }

    pub(crate) fn path(&self, name: &str) -> Utf8PathBuf {
        self.dir().join(name)
    }

    pub(crate) fn settings(&self) -> PtySettings {
        let host_command = vec![env!("CARGO_BIN_EXE_orch-pty-host").into()];
        PtySettings { host_command, linger: Millis(300), ..PtySettings::new(self.path("sessions")) }
    }

    pub(crate) async fn connect(&self) -> PtyExecutor {
        PtyExecutor::connect(self.settings()).await.expect("connected")
    }

    /// A plain launch of an argv.
    pub(crate) fn spec(&self, launch: u64, argv: &[&str]) -> LaunchSpec {
        let env = [
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("ORCH_LAUNCH", &launch.to_string()),
            ("ORCH_WORKTREE", self.dir().as_str()),
        ];
        LaunchSpec {
            launch: LaunchId(launch),
            name: format!("task-t{launch}"),
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            cwd: self.dir().to_owned(),
            env: BTreeMap::from(env.map(|(name, value)| (name.to_owned(), value.to_owned()))),
            stdin: None,
            log: self.path(&format!("{launch}.log")),
            size: (100, 30),
        }
    }

    /// A launch of a shell script.
    pub(crate) fn script(&self, launch: u64, script: &str) -> LaunchSpec {
        self.spec(launch, &["/bin/sh", "-c", script])
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_default()
    }

    pub(crate) fn log(&self, launch: u64) -> String {
        String::from_utf8_lossy(&self.read(&format!("{launch}.log"))).into_owned()
    }

    /// The processes whose environment has this variable, whole or as the beginning of the value.
    fn marked(is_ours: impl Fn(&str) -> bool) -> Vec<ProcessId> {
        let processes = std::fs::read_dir("/proc").expect("listed");
        let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let has_mark = |pid: &u32| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            String::from_utf8_lossy(&environment).split('\0').any(&is_ours)
        };
        pids.filter(has_mark).filter_map(identify).collect()
    }

    /// The processes that are hosts of this world.
    pub(crate) fn hosts(&self) -> Vec<ProcessId> {
        let dir = serde_json::to_string(self.settings().dir.as_str()).expect("text");
        let is_host =
            |var: &str| var.starts_with("ORCH_PTY_HOST=") && var.contains(&dir) && var.contains("\"detached\":true");
        Self::marked(is_host)
    }

    pub(crate) fn host(&self) -> ProcessId {
        let mut hosts = self.hosts();
        assert_eq!(hosts.len(), 1, "{hosts:?}");
        hosts.remove(0)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let worktree = format!("ORCH_WORKTREE={}", self.dir());
        for process in self.hosts().into_iter().chain(Self::marked(|var| var == worktree)) {
            signal(&process, Signal::KILL);
        }
    }
}

/// Repeats a question until it is answered; panics with the name of what never came.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begun.elapsed() < LIMIT, "{what} never came");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn session(pty: &PtyExecutor, launch: u64) -> Option<SessionInfo> {
    let all = pty.list().await.expect("listed");
    all.into_iter().find(|session| session.launch == LaunchId(launch))
}

pub(crate) async fn exit_of(pty: &PtyExecutor, launch: u64) -> ExitStatus {
    until("an exit", || async {
        match session(pty, launch).await?.state {
            SessionState::Exited(status) => Some(status),
            SessionState::Running => None,
        }
    })
    .await
}

pub(crate) async fn screen(pty: &PtyExecutor, launch: u64) -> Option<ScreenView> {
    pty.look(&[LaunchId(launch)]).await.expect("looked").pop()
}

/// Waits until a screen shows the text.
pub(crate) async fn shows(pty: &PtyExecutor, launch: u64, text: &str) -> ScreenView {
    until(text, || async { screen(pty, launch).await.filter(|view| view.text.contains(text)) }).await
}

/// Launches a script and waits for the word `ready`.
pub(crate) async fn ready(world: &World, pty: &PtyExecutor, launch: u64, script: &str) -> Launched {
    let launched = pty.launch(&world.script(launch, script)).await.expect("launched");
    shows(pty, launch, "ready").await;
    launched
}

/// Types a line, as a person would.
pub(crate) async fn type_line(pty: &PtyExecutor, launch: u64, line: &str) {
    let input = SessionInput { text: Some(line.to_owned()), keys: vec![Key::Enter] };
    pty.input(LaunchId(launch), &input, None).await.expect("typed");
}

/// Waits for an event.
pub(crate) async fn event(pty: &PtyExecutor, wanted: ExecutorEvent) {
    let wait = async { while !pty.events().await.contains(&wanted) {} };
    tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("{wanted:?} never came"));
}

pub(crate) fn kill(launch: u64, process: Option<ProcessId>) -> EndSpec {
    EndSpec { launch: LaunchId(launch), process, mode: EndMode::Kill, patience: Millis(10_000) }
}
