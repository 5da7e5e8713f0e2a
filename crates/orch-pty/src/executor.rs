use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use orch_core::{
    EndMode, EndSpec, Executor, ExecutorCapabilities, ExecutorError, ExecutorEvent, Fingerprint, LaunchId, LaunchSpec,
    Launched, Millis, ProcessId, ScreenView, SessionInfo, SessionInput, SessionState,
};
use orch_process::{Events, Exit, Mark, Target, check_launch, private_dir};

use crate::attachment::Attachment;
use crate::entry::{self, Started};
use crate::link::{Broken, Link, greet};
use crate::protocol::{Answer, Ask, Launch, News, refused, unavailable};
use crate::session::{PtySession, PtyState};
use crate::settings::{PtySettings, lock_file};
use crate::table::{self, Table};

/// How long the proof that survivors of an earlier start are gone is waited for.
const SURVIVORS: Millis = Millis(5000);
/// How long a host that has the lock may take until it listens.
const LISTENING: Duration = Duration::from_secs(10);
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

#[derive(Debug)]
struct Inner {
    settings: PtySettings,
    events: Arc<Events>,
    link: tokio::sync::Mutex<Option<Arc<Link>>>,
    /// The host whose sessions were told to run, as long as it lives.
    host: Arc<Mutex<Option<ProcessId>>>,
}

impl PtyExecutor {
    /// Connects to the directory's host if there is one; none is started.
    ///
    /// # Errors
    /// [`ExecutorError::Unavailable`] when the directory or what listens there is not the user's own.
    pub async fn connect(settings: PtySettings) -> Result<Self, ExecutorError> {
        let inner =
            Inner { settings, events: Arc::default(), link: tokio::sync::Mutex::default(), host: Arc::default() };
        let executor = Self { inner: Arc::new(inner) };
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
            None => {
                let dir = &self.inner.settings.dir;
                let kept = table::read(dir).map_err(|error| unavailable(format!("{dir}: {error}")))?;
                Ok(kept.into_values().collect())
            }
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
        let greeted = greet(&self.inner.settings.dir).await?.ok_or(ExecutorError::NotFound { launch })?;
        Attachment::begin(greeted, launch, size).await
    }

    async fn session(&self, launch: LaunchId) -> Result<Option<PtySession>, ExecutorError> {
        Ok(self.sessions().await?.into_iter().find(|session| session.launch == launch))
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
        Ok(Launched { session: session.name, process: session.process })
    }

    async fn list(&self) -> Result<Vec<SessionInfo>, ExecutorError> {
        let info = |session: PtySession| {
            let state = match session.state {
                PtyState::Running => SessionState::Running,
                PtyState::Exited(status) => SessionState::Exited(status),
                PtyState::Lost => return None,
            };
            let PtySession { launch, name, process, printed, .. } = session;
            Some(SessionInfo { launch, session: name, process, state, activity: printed })
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
        let views = screens.into_iter().map(|screen| ScreenView {
            launch: screen.launch,
            text: screen.text,
            title: screen.title,
            process: screen.process,
            cursor_row: screen.cursor_row,
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
        // A host that does not answer is no reason to let processes live.
        let session = self.session(spec.launch).await.ok().flatten();
        let target = target(spec, session.as_ref());
        match spec.mode {
            EndMode::Ask => Ok(target.ask()),
            EndMode::Kill => {
                let gone = target.kill(spec.patience).await;
                if gone && session.is_some_and(|session| session.state == PtyState::Running) {
                    // Whoever lists next shall see the exit; that the processes are gone is proved without.
                    self.told(spec.launch).await;
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

impl PtyExecutor {
    /// Waits until the host no longer calls an ended session running.
    async fn told(&self, launch: LaunchId) {
        let wait = async {
            while let Ok(Some(session)) = self.session(launch).await
                && session.state == PtyState::Running
            {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(TELLING, wait).await.unwrap_or_default();
    }
}

/// What belongs to a launch, from what was recorded and from what the host tells.
pub(crate) fn target(spec: &EndSpec, session: Option<&PtySession>) -> Target {
    let process = spec.process.clone().or_else(|| session.and_then(|session| session.process.clone()));
    let worktree = session.and_then(|session| session.worktree.clone());
    let marks = worktree.map(|worktree| Mark::Is("ORCH_WORKTREE".to_owned(), worktree)).into_iter().collect();
    Target { process, launch: spec.launch, marks }
}

impl Inner {
    /// Asks the host, or gives `None` without one. A connection that broke is made anew once: only for
    /// questions that may be asked twice.
    async fn ask(self: &Arc<Self>, ask: impl Fn() -> Ask) -> Result<Option<Answer>, ExecutorError> {
        for _ in 0..2 {
            let Some(link) = self.link(false).await? else { return Ok(None) };
            if let Ok(answer) = link.ask(ask()).await {
                return answer.map(Some);
            }
        }
        Err(unavailable("the host broke off"))
    }

    /// The connection to the host, made anew if it broke. Without a host one is started, or `None` given,
    /// as asked.
    async fn link(self: &Arc<Self>, start: bool) -> Result<Option<Arc<Link>>, ExecutorError> {
        let mut held = self.link.lock().await;
        if let Some(link) = held.as_ref().filter(|link| !link.is_closed()) {
            return Ok(Some(Arc::clone(link)));
        }
        *held = None;
        let dir = &self.settings.dir;
        let mut greeted = greet(dir).await?;
        if greeted.is_none() && start {
            private_dir(dir).map_err(|error| unavailable(error.to_string()))?;
            let deadline = tokio::time::Instant::now() + LISTENING;
            while greeted.is_none() {
                let started = entry::start(&self.settings).await?;
                greeted = greet(dir).await?;
                if greeted.is_none() && tokio::time::Instant::now() > deadline {
                    return Err(unavailable(format!("{dir} is locked, and nobody listens there ({started:?})")));
                }
                if started == Started::Held {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
        let Some(greeted) = greeted else { return Ok(None) };
        let link = self.watch(greeted);
        if let Err(Broken) = link.ask(Ask::Subscribe).await {
            return Ok(None);
        }
        *held = Some(Arc::clone(&link));
        Ok(Some(link))
    }

    fn watch(self: &Arc<Self>, greeted: crate::link::Greeted) -> Arc<Link> {
        let host = greeted.host.clone();
        let before = lock(&self.host).replace(host.clone());
        if before.is_some_and(|before| before != host) {
            self.events.push(ExecutorEvent::Lost);
        }
        let (events, known) = (Arc::clone(&self.events), Arc::clone(&self.host));
        let hear = move |news: Option<News>| {
            let Some(News { printed, exited }) = news else {
                let (events, known, host) = (Arc::clone(&events), Arc::clone(&known), host.clone());
                tokio::spawn(async move { lose(&events, &known, &host).await });
                return;
            };
            for launch in printed {
                events.push(ExecutorEvent::Output(launch));
            }
            for launch in exited {
                events.push(ExecutorEvent::Exited(launch));
            }
        };
        Arc::new(Link::open(greeted, hear))
    }

    /// Drops an ended or lost session from the table that no host holds.
    fn forget_without_host(&self, launch: LaunchId) -> Result<(), ExecutorError> {
        let dir = &self.settings.dir;
        let failed = |error: std::io::Error| unavailable(format!("{dir}: {error}"));
        if !table::read(dir).map_err(failed)?.contains_key(&launch) {
            return Ok(());
        }
        let lock = std::fs::File::options().write(true).open(lock_file(dir)).map_err(failed)?;
        lock.try_lock().map_err(|_| unavailable(format!("{dir} is locked: a host starts or ends there; try again")))?;
        let (mut table, _) = Table::open(dir).map_err(failed)?;
        table.forgotten(launch).map_err(failed)
    }
}

/// A connection broke: if its host died, its sessions are lost.
async fn lose(events: &Events, known: &Mutex<Option<ProcessId>>, host: &ProcessId) {
    if let Some(exit) = Exit::watch(host) {
        exit.wait().await;
    }
    let mut known = lock(known);
    if known.as_ref() == Some(host) {
        *known = None;
        events.push(ExecutorEvent::Lost);
    }
}

fn lock(known: &Mutex<Option<ProcessId>>) -> std::sync::MutexGuard<'_, Option<ProcessId>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends what survived of an earlier start of a launch, so that it does not run twice at once.
pub(crate) async fn end_survivors(lost: &PtySession) -> Result<(), ExecutorError> {
    let spec = EndSpec { launch: lost.launch, process: None, mode: EndMode::Kill, patience: SURVIVORS };
    if target(&spec, Some(lost)).kill(spec.patience).await {
        return Ok(());
    }
    let what = format!("launch {}", lost.launch);
    Err(refused(what, "what an earlier start of it left running could not be ended"))
}
