use std::sync::Arc;

use async_trait::async_trait;
use orch_core::base::LaunchId;
use orch_core::ports::{
    EndMode, EndSpec, Executor, ExecutorCapabilities, ExecutorError, ExecutorEvent, Fingerprint, LaunchSpec, Launched,
    ScreenView, SessionInfo, SessionInput, SessionState,
};
use orch_process::{Exit, check_launch};
use tmux_interface::AttachSession;

use crate::config::TmuxConfig;
use crate::inner::{Inner, REAPING, filter};
use crate::quote::Line;
use crate::server;
use crate::{input, launch, screen};

/// Runs agents in sessions of a private tmux server; a cheap handle, cloned freely.
///
/// The server is started by the first launch. It and its sessions outlive every executor; a new one
/// on the same socket finds and watches them.
#[derive(Debug, Clone)]
pub struct TmuxExecutor {
    inner: Arc<Inner>,
}

impl TmuxExecutor {
    /// Connects to the workdir's server if there is one, and takes over the sessions in it.
    ///
    /// # Errors
    /// [`ExecutorError::Unavailable`] when tmux is not installed or the socket belongs to a server
    /// that is not ours.
    pub async fn connect(config: TmuxConfig) -> Result<Self, ExecutorError> {
        server::check_program().await?;
        let inner = Arc::new(Inner::new(config));
        inner.link(false).await?;
        Ok(Self { inner })
    }

    /// The argv that attaches a terminal to a session.
    ///
    /// # Errors
    /// [`ExecutorError::NotFound`] without such a session.
    pub async fn attach_argv(&self, launch: LaunchId) -> Result<Vec<String>, ExecutorError> {
        let Some(link) = self.inner.link(false).await? else { return Err(ExecutorError::NotFound { launch }) };
        let filter = filter(&link, &format!("#{{==:#{{@orch_launch}},{launch}}}"));
        let line = Line::new().command(["list-panes", "-a", "-f", &filter, "-F", "#{session_id}"]);
        let told = self.inner.ask(&line).await?.and_then(|mut replies| replies.pop()).and_then(Result::ok);
        let session = told.as_deref().and_then(|text| text.lines().next());
        let session = session.ok_or(ExecutorError::NotFound { launch })?.to_owned();
        Ok(server::argv(&self.inner.config, AttachSession::new().target_session(session).build()))
    }

    /// Ends the server unless a session in it still runs; tells whether no server is left.
    ///
    /// # Errors
    /// [`ExecutorError::Unavailable`] when the server cannot be asked.
    pub async fn shutdown(&self) -> Result<bool, ExecutorError> {
        if self.list().await?.iter().any(|session| session.state == SessionState::Running) {
            return Ok(false);
        }
        let Some(link) = self.inner.link(false).await? else { return Ok(true) };
        self.inner.registry(|registry| registry.lose(&link.process));
        let exit = Exit::watch(&link.process);
        server::kill(&self.inner.config).await?;
        let Some(exit) = exit else { return Ok(true) };
        Ok(tokio::time::timeout(REAPING, exit.wait()).await.is_ok())
    }
}

#[async_trait]
impl Executor for TmuxExecutor {
    fn name(&self) -> &'static str {
        "tmux"
    }

    fn capabilities(&self) -> ExecutorCapabilities {
        ExecutorCapabilities { attach: true, keeps_exits: true }
    }

    async fn launch(&self, spec: &LaunchSpec) -> Result<Launched, ExecutorError> {
        check_launch(spec)?;
        let _alone = self.inner.launching.lock().await;
        let record = match self.inner.find(spec.launch).await? {
            Some(record) => record,
            None => launch::start(&self.inner, spec).await?,
        };
        Ok(Launched::new(record.name, record.process))
    }

    async fn list(&self) -> Result<Vec<SessionInfo>, ExecutorError> {
        let mut sessions = Vec::new();
        for record in self.inner.records().await? {
            sessions.push(self.inner.session(record).await?);
        }
        sessions.sort_by_key(|session| session.launch);
        Ok(sessions)
    }

    async fn look(&self, launches: &[LaunchId]) -> Result<Vec<ScreenView>, ExecutorError> {
        screen::look(&self.inner, launches).await
    }

    async fn input(
        &self,
        launch: LaunchId,
        input: &SessionInput,
        expected: Option<Fingerprint>,
    ) -> Result<(), ExecutorError> {
        input::deliver(&self.inner, launch, input, expected).await
    }

    async fn end(&self, spec: &EndSpec) -> Result<bool, ExecutorError> {
        // A server that does not answer is no reason to let processes live.
        let record = self.inner.find(spec.launch).await.ok().flatten();
        let target = self.inner.target(spec, record.as_ref());
        match spec.mode {
            EndMode::Ask => Ok(target.ask()),
            EndMode::Kill => {
                let gone = target.kill(spec.patience).await;
                if gone && let Some(record) = record {
                    // Whoever lists next shall see the exit; that the processes are gone is proved without.
                    self.inner.registry(|registry| registry.end(spec.launch));
                    drop(self.inner.reaped(record).await);
                }
                Ok(gone)
            }
        }
    }

    async fn forget(&self, launch: LaunchId) -> Result<(), ExecutorError> {
        if let Some(record) = self.inner.find(launch).await? {
            let window = record.window.clone();
            if self.inner.session(record).await?.state == SessionState::Running {
                let what = format!("forgetting launch {launch}");
                return Err(ExecutorError::Refused { what, why: "it still runs".to_owned() });
            }
            // No answer and an error both mean that the window is gone already.
            self.inner.ask(&Line::new().command(["kill-window", "-t", &window])).await?;
            self.inner.registry(|registry| registry.remove(launch));
        }
        // A note that stays behind names nobody once its processes are gone.
        std::fs::remove_file(self.inner.config.launch_file(launch)).unwrap_or_default();
        Ok(())
    }

    async fn events(&self) -> Vec<ExecutorEvent> {
        self.inner.events.next().await
    }
}
