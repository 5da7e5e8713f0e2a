//! The connection to a directory's host, and what becomes of it between two calls.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use camino::Utf8Path;
use orch_core::base::LaunchId;
use orch_core::ports::{ExecutorError, ExecutorEvent, ProcessId};
use orch_process::{Events, Exit, Signal, private_dir, signal};
use tokio::time::{Instant, sleep, timeout};

use crate::entry;
use crate::link::{Broken, Greeted, Link, greet};
use crate::protocol::{Answer, Ask, News, unavailable};
use crate::session::PtySession;
use crate::settings::{PtySettings, lock_file};
use crate::table::{self, Table};

/// How long a host that has the lock may take until it listens.
const LISTENING: Duration = Duration::from_secs(10);
/// How long a host that nothing keeps may take to leave.
const LEAVING: Duration = Duration::from_secs(5);
/// How often it is looked whether it does.
const LOOK: Duration = Duration::from_millis(10);

/// What every handle shares.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) settings: PtySettings,
    pub(crate) events: Events,
    link: tokio::sync::Mutex<Option<Arc<Link>>>,
    /// The host that sessions were seen in, as long as it lives.
    host: Mutex<Option<ProcessId>>,
}

impl Inner {
    pub(crate) fn new(settings: PtySettings) -> Self {
        Self { settings, events: Events::default(), link: tokio::sync::Mutex::default(), host: Mutex::default() }
    }

    /// Asks the host, or gives `None` without one. A connection that broke is made anew once: only for
    /// questions that may be asked twice.
    pub(crate) async fn ask(self: &Arc<Self>, ask: impl Fn() -> Ask) -> Result<Option<Answer>, ExecutorError> {
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
    pub(crate) async fn link(self: &Arc<Self>, start: bool) -> Result<Option<Arc<Link>>, ExecutorError> {
        let mut held = self.link.lock().await;
        if let Some(link) = held.as_ref().filter(|link| !link.is_closed()) {
            return Ok(Some(Arc::clone(link)));
        }
        *held = None;
        let mut greeted = self.greet().await?;
        if greeted.is_none() && start {
            greeted = Some(self.start().await?);
        }
        let Some(greeted) = greeted else { return Ok(None) };
        let link = self.take_over(greeted);
        if let Err(Broken) = link.ask(Ask::Subscribe).await {
            return Ok(None);
        }
        *held = Some(Arc::clone(&link));
        Ok(Some(link))
    }

    /// Has the host leave, which nothing may keep; tells whether none is left.
    pub(crate) async fn dismiss(self: &Arc<Self>) -> Result<bool, ExecutorError> {
        let Some(link) = self.link(false).await? else { return Ok(true) };
        // One that broke off has left already.
        link.ask(Ask::Leave).await.unwrap_or(Ok(Answer::Done))?;
        let host = self.host().take();
        self.link.lock().await.take();
        drop(link);
        let Some(exit) = host.as_ref().and_then(Exit::watch) else { return Ok(true) };
        Ok(timeout(LEAVING, exit.wait()).await.is_ok())
    }

    /// What the table keeps when no host does.
    pub(crate) fn kept(&self) -> Result<BTreeMap<LaunchId, PtySession>, ExecutorError> {
        let dir = &self.settings.dir;
        table::read(dir).map_err(|error| unavailable(format!("the table in {dir}: {error}")))
    }

    /// Drops an ended or lost session from the table that no host holds.
    pub(crate) fn forget_without_host(&self, launch: LaunchId) -> Result<(), ExecutorError> {
        let dir = &self.settings.dir;
        let failed = |error: std::io::Error| unavailable(format!("{dir}: {error}"));
        if !self.kept()?.contains_key(&launch) {
            return Ok(());
        }
        let lock = File::options().write(true).open(lock_file(dir)).map_err(failed)?;
        lock.try_lock().map_err(|_| unavailable(format!("a host starts or ends in {dir}: try again")))?;
        let (mut table, _) = Table::open(dir).map_err(failed)?;
        table.forgotten(launch).map_err(failed)
    }

    /// Connects to a living host. One that has no socket yet, or no longer, is waited for: without it
    /// its sessions would be taken for lost.
    pub(crate) async fn greet(&self) -> Result<Option<Greeted>, ExecutorError> {
        let dir = &self.settings.dir;
        let deadline = Instant::now() + LISTENING;
        let mut greeted = greet(dir).await?;
        while greeted.is_none()
            && let Lock::Held(holder) = Lock::of(dir)
        {
            if Instant::now() > deadline {
                return Err(unavailable(format!("{} is locked, and nobody listens there", lock_file(dir))));
            }
            // A swept socket is made anew on this signal.
            holder.map(|host| signal(&host, Signal::USR1));
            sleep(LOOK).await;
            greeted = greet(dir).await?;
        }
        Ok(greeted)
    }

    /// Starts a host and connects to it, or to the one that somebody else started meanwhile.
    async fn start(&self) -> Result<Greeted, ExecutorError> {
        let dir = &self.settings.dir;
        if let Some(parent) = dir.parent() {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(parent);
            made.map_err(|error| unavailable(format!("{parent}: {error}")))?;
        }
        private_dir(dir).map_err(|error| unavailable(error.to_string()))?;
        let deadline = Instant::now() + LISTENING;
        while Instant::now() < deadline {
            // Whether it is this one that listens or one that was started beside it, is all the same.
            entry::start(&self.settings).await?;
            if let Some(greeted) = self.greet().await? {
                return Ok(greeted);
            }
        }
        Err(unavailable(format!("hosts in {dir} leave as soon as they are started")))
    }

    fn take_over(self: &Arc<Self>, greeted: Greeted) -> Arc<Link> {
        let host = greeted.host.clone();
        let before = self.host().replace(host.clone());
        if before.is_some_and(|before| before != host) {
            self.events.push(ExecutorEvent::Lost);
        }
        let weak = Arc::downgrade(self);
        Arc::new(Link::open(greeted, move |news: Option<News>| match (news, weak.upgrade()) {
            (_, None) => {}
            (None, Some(_)) => drop(tokio::spawn(broken(Weak::clone(&weak), host.clone()))),
            (Some(News { printed, exited }), Some(inner)) => {
                printed.into_iter().map(ExecutorEvent::Output).for_each(|event| inner.events.push(event));
                exited.into_iter().map(ExecutorEvent::Exited).for_each(|event| inner.events.push(event));
            }
        }))
    }

    fn host(&self) -> MutexGuard<'_, Option<ProcessId>> {
        self.host.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection broke: it is made anew, or its host is dead or dying and its sessions are lost.
fn broken(inner: Weak<Inner>, host: ProcessId) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let Some(again) = inner.upgrade() else { return };
        if matches!(again.link(false).await, Ok(Some(_))) {
            return;
        }
        drop(again);
        if let Some(exit) = Exit::watch(&host) {
            exit.wait().await;
        }
        let Some(inner) = inner.upgrade() else { return };
        let mut known = inner.host();
        if known.as_ref() == Some(&host) {
            *known = None;
            inner.events.push(ExecutorEvent::Lost);
        }
    })
}

/// The lock of a directory.
enum Lock {
    Free,
    /// A host has it, and said which process it is.
    Held(Option<ProcessId>),
}

impl Lock {
    fn of(dir: &Utf8Path) -> Self {
        let Ok(file) = File::open(lock_file(dir)) else { return Self::Free };
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {
                let text = std::fs::read(lock_file(dir)).unwrap_or_default();
                Self::Held(serde_json::from_slice(&text).ok())
            }
            Ok(()) | Err(TryLockError::Error(_)) => Self::Free,
        }
    }
}
