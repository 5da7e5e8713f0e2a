//! A private server in a temporary directory, and eyes to check with.

use std::collections::BTreeMap;
use std::fs::File;
use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::{LaunchId, Millis};
use orch_core::ports::{
    EndMode, EndSpec, Executor, ExecutorEvent, ExitStatus, LaunchSpec, Launched, ProcessId, ScreenView, SessionInfo,
    SessionState,
};
use orch_tmux::{TmuxConfig, TmuxExecutor};
use tempfile::TempDir;

pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// Ends its server when dropped.
pub(crate) struct World {
    dir: TempDir,
    pub(crate) lock: Arc<File>,
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = TempDir::with_prefix_in("orch tmux-", "/tmp").expect("a directory");
        let lock = Arc::new(File::create(dir.path().join("effects.lock")).expect("a lock file"));
        Self { dir, lock }
    }

    pub(crate) fn dir(&self) -> &Utf8Path {
        Utf8Path::from_path(self.dir.path()).expect("utf-8")
    }

    pub(crate) fn path(&self, name: &str) -> Utf8PathBuf {
        self.dir().join(name)
    }

    pub(crate) fn config(&self) -> TmuxConfig {
        TmuxConfig {
            socket: self.path("orchestrator.sock"),
            conf_dir: self.path("tmux"),
            marker: "workdir #1; \"quoted\"".to_owned(),
            stdin_guard: Some(Arc::clone(&self.lock)),
        }
    }

    pub(crate) async fn connect(&self) -> TmuxExecutor {
        TmuxExecutor::connect(self.config()).await.expect("connected")
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

    pub(crate) fn mode(&self, name: &str) -> u32 {
        std::fs::metadata(self.path(name)).expect("it exists").permissions().mode() & 0o777
    }

    /// Runs tmux on our server, as a person would.
    pub(crate) fn tmux(&self, args: &[&str]) -> Output {
        Command::new("tmux").args(["-S", self.path("orchestrator.sock").as_str()]).args(args).output().expect("tmux")
    }

    pub(crate) fn ask_tmux(&self, args: &[&str]) -> String {
        String::from_utf8_lossy(&self.tmux(args).stdout).trim().to_owned()
    }

    pub(crate) fn server_pid(&self) -> u32 {
        self.ask_tmux(&["display-message", "-p", "#{pid}"]).parse().expect("a server")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
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

pub(crate) async fn session(tmux: &TmuxExecutor, launch: u64) -> Option<SessionInfo> {
    let all = tmux.list().await.expect("listed");
    all.into_iter().find(|session| session.launch == LaunchId(launch))
}

pub(crate) async fn exit_of(tmux: &TmuxExecutor, launch: u64) -> ExitStatus {
    until("an exit", || async {
        match session(tmux, launch).await?.state {
            SessionState::Exited(status) => Some(status),
            SessionState::Running => None,
        }
    })
    .await
}

pub(crate) async fn screen(tmux: &TmuxExecutor, launch: u64) -> Option<ScreenView> {
    tmux.look(&[LaunchId(launch)]).await.expect("looked").pop()
}

/// Waits until a screen shows the text.
pub(crate) async fn shows(tmux: &TmuxExecutor, launch: u64, text: &str) -> ScreenView {
    until(text, || async { screen(tmux, launch).await.filter(|view| view.text.contains(text)) }).await
}

/// Launches a script and waits for the word `ready`.
pub(crate) async fn ready(world: &World, tmux: &TmuxExecutor, launch: u64, script: &str) -> Launched {
    let launched = tmux.launch(&world.script(launch, script)).await.expect("launched");
    shows(tmux, launch, "ready").await;
    launched
}

/// Waits for an event.
pub(crate) async fn event(tmux: &TmuxExecutor, wanted: ExecutorEvent) {
    let wait = async { while !tmux.events().await.contains(&wanted) {} };
    tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("{wanted:?} never came"));
}

pub(crate) fn kill(launch: u64, process: Option<ProcessId>) -> EndSpec {
    EndSpec { launch: LaunchId(launch), process, mode: EndMode::Kill, patience: Millis(10_000) }
}
