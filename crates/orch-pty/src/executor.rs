use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use orch_core::base::LaunchId;
use orch_core::ports::{
    EndMode, EndSpec, Executor, ExecutorCapabilities, ExecutorError, ExecutorEvent, Fingerprint, LaunchSpec, Launched,
    ScreenView, SessionInfo, SessionInput, SessionState,
};
use orch_process::check_launch;
use tokio::time::timeout;

use crate::attachment::Attachment;
use crate::inner::Inner;
use crate::link::Broken;
use crate::protocol::{Answer, Ask, Launch, refused, unavailable};
use crate::session::{PtySession, PtyState};
use crate::settings::PtySettings;
use crate::survivors::{end_survivors, target};

/// How long a host may take to say what it knows of a session that is to be ended.
const ANSWERING: Duration = Duration::from_secs(5);
/// How long a host may take to tell of an exit that is proved.
const TELLING: Duration = Duration::from_secs(2);

/// Runs agents on pseudo-terminals of a detached host; a cheap handle, cloned freely.
///
/// The host is started by the first launch. It and its sessions outlive every executor; a new one on
/// the same directory finds them.
#[derive(Debug, Clone)]
pub struct PtyExecutor {
    inner: Arc<Inner>,
}

impl PtyExecutor {
    /// Connects to the directory's host if there is one; none is started.
    ///
    /// # Errors
    /// [`ExecutorError::Unavailable`] when the directory or what listens there is not the user's own.
    pub async fn connect(settings: PtySettings) -> Result<Self, ExecutorError> {
        if !settings.dir.is_absolute() {
            return Err(refused(format!("directory {}", settings.dir), "it is not an absolute path"));
        }
        let executor = Self { inner: Arc::new(Inner::new(settings)) };
        executor.inner.link(false).await?;
        Ok(executor)
    }

    /// Starts a session as [`Executor::launch`] does, and keeps `meta` with it.
    ///
    /// # Errors
    /// As [`Executor::launch`].
    pub async fn launch_with(
        &self,
        spec: &LaunchSpec,
        meta: &BTreeMap<String, String>,
    ) -> Result<PtySession, ExecutorError> {
        check_launch(spec)?;
        let launch = Launch::new(spec, meta, self.inner.settings.log_limit);
        for _ in 0..3 {
            let Some(link) = self.inner.link(true).await? else { break };
            // A launch may be asked for twice: the second time it is found.
            match link.ask(Ask::Launch(Box::new(launch.clone()))).await {
                Ok(Ok(Answer::Session(session))) => return Ok(*session),
                Ok(Err(error)) => return Err(error),
                Ok(Ok(_)) => return Err(unavailable("the host answered something else")),
                Err(Broken) => {}
            }
        }
        Err(unavailable("the host broke off"))
    }

    /// Every session that is not forgotten, lost ones included, ordered by launch.
    ///
    /// # Errors
    /// [`ExecutorError::Unavailable`] when neither host nor table can be read.
    pub async fn sessions(&self) -> Result<Vec<PtySession>, ExecutorError> {
        match self.inner.ask(|| Ask::List).await? {
            Some(Answer::Sessions(sessions)) => Ok(sessions),
            Some(_) => Err(unavailable("the host answered something else")),
            None => Ok(self.inner.kept()?.into_values().collect()),
        }
    }

    /// Gives a session's terminal another size, in columns and rows.
    ///
    /// # Errors
    /// [`ExecutorError::NotFound`] without such a session.
    pub async fn resize(&self, launch: LaunchId, size: (u16, u16)) -> Result<(), ExecutorError> {
        self.inner.ask(|| Ask::Resize { launch, size }).await?.map(drop).ok_or(ExecutorError::NotFound { launch })
    }

    /// Attaches a terminal of so many columns and rows to a session.
    ///
    /// # Errors
    /// [`ExecutorError::NotFound`] without such a session or its screen.
    pub async fn attach(&self, launch: LaunchId, size: (u16, u16)) -> Result<Attachment, ExecutorError> {
        let greeted = self.inner.greet().await?.ok_or(ExecutorError::NotFound { launch })?;
        Attachment::begin(greeted, launch, size).await
    }

    /// Waits until a session has ended or is lost, however long that takes; what is known of it then.
    ///
    /// # Errors
    /// [`ExecutorError::NotFound`] without such a session.
    pub async fn wait(&self, launch: LaunchId) -> Result<PtySession, ExecutorError> {
        while let Some(link) = self.inner.link(false).await? {
            match link.ask_for_long(Ask::Wait(launch)).await {
                Ok(Ok(Answer::Session(session))) => return Ok(*session),
                Ok(Ok(_)) => return Err(unavailable("the host answered something else")),
                Ok(Err(error)) => return Err(error),
                Err(Broken) => {}
            }
        }
        self.inner.kept()?.remove(&launch).ok_or(ExecutorError::NotFound { launch })
    }

    /// What is known of a session, from the table when the host does not answer: that is no reason to let
    /// processes live.
    async fn known(&self, launch: LaunchId) -> Option<PtySession> {
        let told = timeout(ANSWERING, self.sessions()).await;
        let told = told.ok().and_then(Result::ok);
        let told = told.and_then(|sessions| sessions.into_iter().find(|session| session.launch == launch));
        told.or_else(|| self.inner.kept().ok()?.remove(&launch))
    }

    /// Forgets what has ended, ends what survived of lost sessions, and has the host leave, unless a
    /// session runs; tells whether no host is left.
    ///
    /// # Errors
    /// [`ExecutorError`] when host or table cannot be used, or a survivor cannot be ended.
    pub async fn shutdown(&self) -> Result<bool, ExecutorError> {
        let sessions = self.sessions().await?;
        if sessions.iter().any(|session| session.state == PtyState::Running) {
            return Ok(false);
        }
        for session in sessions {
            if session.state == PtyState::Lost {
                end_survivors(&session).await?;
            }
            self.forget(session.launch).await?;
        }
        self.inner.dismiss().await
    }
}

#[async_trait]
impl Executor for PtyExecutor {
    fn name(&self) -> &'static str {
        "pty"
    }

    fn capabilities(&self) -> ExecutorCapabilities {
        ExecutorCapabilities { attach: true, keeps_exits: true }
    }

    async fn launch(&self, spec: &LaunchSpec) -> Result<Launched, ExecutorError> {
        let session = self.launch_with(spec, &BTreeMap::new()).await?;
        Ok(Launched::new(session.name, session.process))
    }

    async fn list(&self) -> Result<Vec<SessionInfo>, ExecutorError> {
        let info = |session: PtySession| {
            let state = match session.state {
                PtyState::Running => SessionState::Running,
                PtyState::Exited(status) => SessionState::Exited(status),
                PtyState::Lost => return None,
            };
            let PtySession { launch, name, process, printed, .. } = session;
            let mut info = SessionInfo::new(launch, name, state);
            (info.process, info.activity) = (process, printed);
            Some(info)
        };
        Ok(self.sessions().await?.into_iter().filter_map(info).collect())
    }

    async fn look(&self, launches: &[LaunchId]) -> Result<Vec<ScreenView>, ExecutorError> {
        if launches.is_empty() {
            return Ok(Vec::new());
        }
        let Some(Answer::Screens(screens)) = self.inner.ask(|| Ask::Look(launches.to_vec())).await? else {
            return Ok(Vec::new());
        };
        let views = screens.into_iter().map(|screen| {
            let mut view = ScreenView::new(screen.launch, screen.text);
            (view.title, view.process, view.cursor_row) = (screen.title, screen.process, screen.cursor_row);
            view
        });
        Ok(views.collect())
    }

    async fn input(
        &self,
        launch: LaunchId,
        input: &SessionInput,
        expected: Option<Fingerprint>,
    ) -> Result<(), ExecutorError> {
        let Some(link) = self.inner.link(false).await? else { return Err(ExecutorError::NotFound { launch }) };
        // Never asked twice: what was typed before a connection broke is not known.
        match link.ask(Ask::Input { launch, input: input.clone(), expected }).await {
            Ok(answer) => answer.map(drop),
            Err(Broken) => Err(unavailable("the host broke off")),
        }
    }

    async fn end(&self, spec: &EndSpec) -> Result<bool, ExecutorError> {
        let session = self.known(spec.launch).await;
        let target = target(spec, session.as_ref());
        match spec.mode {
            EndMode::Ask => Ok(target.ask()),
            EndMode::Kill => {
                let gone = target.kill(spec.patience).await;
                if gone && session.is_some() {
                    // Whoever lists next shall see the exit; that the processes are gone is proved without.
                    drop(timeout(TELLING, self.wait(spec.launch)).await);
                }
                Ok(gone)
            }
        }
    }

    async fn forget(&self, launch: LaunchId) -> Result<(), ExecutorError> {
        if self.inner.ask(|| Ask::Forget(launch)).await?.is_none() {
            self.inner.forget_without_host(launch)?;
        }
        Ok(())
    }

    async fn events(&self) -> Vec<ExecutorEvent> {
        self.inner.events.next().await
    }
}
