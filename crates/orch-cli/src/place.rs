//! Where a fleet's agents run: a private tmux server or a session host.

use std::path::Path;
use std::sync::Arc;

use camino::Utf8PathBuf;
use orch_core::base::{LaunchId, Millis};
use orch_core::plan::ExecutorKind;
use orch_core::ports::{EndMode, EndSpec, Executor};
use orch_pty::{PtyExecutor, PtySettings};
use orch_runtime::{EffectsLock, SocketPlaces, Workdir};
use orch_tmux::{TmuxConfig, TmuxExecutor};

use crate::failure::Failure;
use crate::terminal;

/// How long a process may take to be proved gone.
const PROOF: Millis = Millis::from_secs(5);

/// Where a workdir's agents run; a cheap handle, cloned freely.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// A private tmux server on a socket.
    Tmux(Arc<TmuxExecutor>, Utf8PathBuf),
    /// The session host of a directory.
    Pty(PtyExecutor),
}

impl Place {
    /// Connects to a workdir's place; nothing is started. `effects` is kept open by what starts here, so
    /// that the next orchestrator waits for it.
    ///
    /// # Errors
    /// [`Failure`] when it cannot be used.
    pub(crate) async fn connect(
        kind: ExecutorKind,
        workdir: &Workdir,
        effects: Option<&EffectsLock>,
    ) -> Result<Self, Failure> {
        match kind {
            ExecutorKind::Tmux => {
                let socket = workdir.tmux_socket(&SocketPlaces::from_env())?;
                let config = TmuxConfig {
                    socket: socket.clone(),
                    conf_dir: workdir.root().join("tmux"),
                    marker: workdir.root().to_string(),
                    stdin_guard: effects.map(EffectsLock::shared_handle).transpose()?.map(Arc::new),
                };
                Ok(Self::Tmux(Arc::new(TmuxExecutor::connect(config).await?), socket))
            }
            ExecutorKind::Pty => Ok(Self::Pty(PtyExecutor::connect(PtySettings::new(workdir.sessions())).await?)),
        }
    }

    /// It as the port.
    pub(crate) fn executor(&self) -> Arc<dyn Executor> {
        match self {
            Self::Tmux(executor, _) => Arc::clone(executor) as _,
            Self::Pty(executor) => Arc::new(executor.clone()),
        }
    }

    /// The socket that people may use, where there is one.
    pub(crate) fn socket(&self) -> Option<&Utf8PathBuf> {
        match self {
            Self::Tmux(_, socket) => Some(socket),
            Self::Pty(_) => None,
        }
    }

    /// Connects this process's terminal to a session until a person detaches or the session ends.
    ///
    /// # Errors
    /// [`Failure`] without such a session or a terminal.
    pub(crate) async fn attach(&self, launch: LaunchId) -> Result<(), Failure> {
        match self {
            Self::Tmux(executor, _) => {
                let argv = executor.attach_argv(launch).await?;
                terminal::become_program(&argv)
            }
            Self::Pty(executor) => terminal::attach(executor, launch).await.map(drop),
        }
    }

    /// Ends every session, and the server or host.
    ///
    /// # Errors
    /// [`Failure`] when something could not be ended.
    pub(crate) async fn end_everything(&self) -> Result<(), Failure> {
        let executor = self.executor();
        for session in executor.list().await? {
            let (launch, process) = (session.launch, session.process);
            executor.end(&EndSpec { launch, process, mode: EndMode::Kill, patience: PROOF }).await?;
            executor.forget(launch).await?;
        }
        self.shutdown().await.map(drop)
    }

    /// Ends the server or host, unless a session still runs; whether none is left.
    ///
    /// # Errors
    /// [`Failure`] when it does not answer.
    pub(crate) async fn shutdown(&self) -> Result<bool, Failure> {
        Ok(match self {
            Self::Tmux(executor, _) => executor.shutdown().await?,
            Self::Pty(executor) => executor.shutdown().await?,
        })
    }
}

/// Where agents run if nobody says: tmux where it is installed.
pub(crate) fn of_this_machine() -> ExecutorKind {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_program = |dir: &Path| rustix::fs::access(dir.join("tmux"), rustix::fs::Access::EXEC_OK).is_ok();
    if std::env::split_paths(&path).any(|dir| is_program(&dir)) { ExecutorKind::Tmux } else { ExecutorKind::Pty }
}
