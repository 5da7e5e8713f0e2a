use std::path::Path;
use std::sync::Arc;

use camino::Utf8PathBuf;
use orch_core::base::{LaunchId, Millis};
use orch_core::plan::ExecutorKind;
use orch_core::ports::{EndMode, EndSpec, Executor, SessionState};
use orch_pty::{PtyExecutor, PtySettings};
use orch_runtime::{EffectsLock, SocketPlaces, Workdir};
use orch_tmux::{TmuxConfig, TmuxExecutor};

use crate::error::FleetError;

/// How long a process may take to be proved gone.
const PROOF: Millis = Millis::from_secs(5);

/// Where a workdir's agents run; a cheap handle, cloned freely.
#[derive(Clone)]
pub struct Place(Kind);

#[derive(Clone)]
enum Kind {
    /// A private tmux server on a socket.
    Tmux(Arc<TmuxExecutor>, Utf8PathBuf),
    /// The session host of a directory.
    Pty(PtyExecutor),
    /// What the embedder brought.
    Own(Arc<dyn Executor>),
}

/// How a person's terminal is connected to a session.
#[derive(Debug)]
pub enum Attach {
    /// By this program, which takes the terminal over.
    Program(Vec<String>),
    /// By whoever has the terminal: [`PtyExecutor::attach`] gives the two ends.
    Terminal(PtyExecutor),
    /// Not at all: this executor has no terminals for people.
    Nothing,
}

impl Place {
    /// Connects to a workdir's place; nothing is started. `effects` is kept open by what starts here, so
    /// that the next orchestrator waits for it.
    pub(crate) async fn connect(
        kind: ExecutorKind,
        workdir: &Workdir,
        effects: Option<&EffectsLock>,
    ) -> Result<Self, FleetError> {
        Ok(Self(match kind {
            ExecutorKind::Tmux => {
                let socket = workdir.tmux_socket(&SocketPlaces::from_env())?;
                let config = TmuxConfig {
                    socket: socket.clone(),
                    conf_dir: workdir.root().join("tmux"),
                    marker: workdir.root().to_string(),
                    stdin_guard: effects.map(EffectsLock::shared_handle).transpose()?.map(Arc::new),
                };
                Kind::Tmux(Arc::new(TmuxExecutor::connect(config).await?), socket)
            }
            ExecutorKind::Pty => Kind::Pty(PtyExecutor::connect(PtySettings::new(workdir.sessions())).await?),
        }))
    }

    /// An embedder's own.
    pub(crate) fn own(executor: Arc<dyn Executor>) -> Self {
        Self(Kind::Own(executor))
    }

    /// It as the port.
    pub fn executor(&self) -> Arc<dyn Executor> {
        match &self.0 {
            Kind::Tmux(executor, _) => Arc::clone(executor) as _,
            Kind::Pty(executor) => Arc::new(executor.clone()),
            Kind::Own(executor) => Arc::clone(executor),
        }
    }

    /// The socket that people may use, where there is one.
    pub fn socket(&self) -> Option<&Utf8PathBuf> {
        match &self.0 {
            Kind::Tmux(_, socket) => Some(socket),
            Kind::Pty(_) | Kind::Own(_) => None,
        }
    }

    /// How a person's terminal is connected to a session.
    ///
    /// # Errors
    /// [`FleetError::Executor`] without such a session.
    pub async fn attach(&self, launch: LaunchId) -> Result<Attach, FleetError> {
        Ok(match &self.0 {
            Kind::Tmux(executor, _) => Attach::Program(executor.attach_argv(launch).await?),
            Kind::Pty(executor) => Attach::Terminal(executor.clone()),
            Kind::Own(_) => Attach::Nothing,
        })
    }

    /// Ends every session, and the server or host. Nothing is saved before: for what is thrown away anyway.
    ///
    /// # Errors
    /// [`FleetError::Executor`] when something could not be ended.
    pub async fn end_everything(&self) -> Result<(), FleetError> {
        let executor = self.executor();
        for session in executor.list().await? {
            let (launch, process) = (session.launch, session.process);
            executor.end(&EndSpec { launch, process, mode: EndMode::Kill, patience: PROOF }).await?;
            executor.forget(launch).await?;
        }
        self.shutdown().await.map(drop)
    }

    /// Ends the server or host, unless a session still runs; whether none is left.
    pub(crate) async fn shutdown(&self) -> Result<bool, FleetError> {
        Ok(match &self.0 {
            Kind::Tmux(executor, _) => executor.shutdown().await?,
            Kind::Pty(executor) => executor.shutdown().await?,
            Kind::Own(executor) => {
                !executor.list().await?.iter().any(|session| matches!(session.state, SessionState::Running))
            }
        })
    }
}

/// Where agents run if nobody says: tmux where it is installed.
pub(crate) fn of_this_machine() -> ExecutorKind {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_program = |dir: &Path| rustix::fs::access(dir.join("tmux"), rustix::fs::Access::EXEC_OK).is_ok();
    if std::env::split_paths(&path).any(|dir| is_program(&dir)) { ExecutorKind::Tmux } else { ExecutorKind::Pty }
}
