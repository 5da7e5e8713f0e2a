//! The connection, what is remembered, and what becomes of sessions between two calls.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use orch_core::base::LaunchId;
use orch_core::ports::{EndSpec, ExecutorError, ExecutorEvent, ExitStatus, ProcessId, SessionInfo, SessionState};
use orch_process::{Events, Exit, Mark, Signal, Target, alive, identify};
use tokio::time::{Instant, sleep};

use crate::config::TmuxConfig;
use crate::control::{Announcement, Broken, Reply};
use crate::quote::Line;
use crate::record::{FORMAT, Record};
use crate::registry::Registry;
use crate::screen;
use crate::server::{self, Link, unavailable};

/// How long tmux may take to learn the status of a process that is gone.
pub(crate) const REAPING: Duration = Duration::from_secs(2);
/// How long a pane may take to drain what its ended process wrote; a child that holds the terminal
/// and keeps writing could go on for ever.
const DRAINING: Duration = Duration::from_millis(250);

/// What every handle and every watching task shares.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) config: TmuxConfig,
    pub(crate) events: Events,
    registry: Mutex<Registry>,
    link: tokio::sync::Mutex<Option<Link>>,
    /// Held while a launch is looked for and started.
    pub(crate) launching: tokio::sync::Mutex<()>,
}

type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Inner {
    pub(crate) fn new(config: TmuxConfig) -> Self {
        Self {
            config,
            events: Events::default(),
            registry: Mutex::default(),
            link: tokio::sync::Mutex::default(),
            launching: tokio::sync::Mutex::default(),
        }
    }

    /// The connection to the server, made anew if it broke. Without a server one is started, or
    /// `None` given, as asked.
    pub(crate) async fn link(self: &Arc<Self>, start: bool) -> Result<Option<Link>, ExecutorError> {
        let mut held = self.link.lock().await;
        if let Some(link) = held.as_ref().filter(|link| !link.control.is_closed()) {
            return Ok(Some(link.clone()));
        }
        *held = None;
        if !server::is_running(&self.config).await? && !start {
            return Ok(None);
        }
        let weak = Arc::downgrade(self);
        let link = server::attach(&self.config, start, move |said| {
            if let Some(inner) = weak.upgrade() {
                inner.heard(&said);
            }
        })
        .await?;
        if self.registry(|registry| registry.serve(&link.process)) {
            self.events.push(ExecutorEvent::Lost);
        }
        self.watch_server(&link.process);
        self.adopt(&link).await?;
        *held = Some(link.clone());
        Ok(Some(link))
    }

    /// Runs a line of commands on the server, or gives `None` without one. A connection that broke is
    /// made anew once: only for lines that may run twice.
    pub(crate) async fn ask(self: &Arc<Self>, line: &Line) -> Result<Option<Vec<Reply>>, ExecutorError> {
        for last in [false, true] {
            let Some(link) = self.link(false).await? else { return Ok(None) };
            match link.control.run(line).await {
                Err(Broken) if !last => {}
                answer => return broken_off(answer).map(Some),
            }
        }
        Ok(None)
    }

    /// What tmux knows of our panes; an empty list without a server.
    pub(crate) async fn records(self: &Arc<Self>) -> Result<Vec<Record>, ExecutorError> {
        let Some(link) = self.link(false).await? else { return Ok(Vec::new()) };
        let in_keeper = ["list-panes", "-s", "-t", &link.keeper, "-f", "#{@orch_launch}", "-F", FORMAT];
        let Some(mut records) = self.listed(&in_keeper).await? else { return Ok(Vec::new()) };
        let mut seen: BTreeSet<u32> = records.iter().map(|record| record.pane).collect();
        if !self.registry(|registry| registry.is_within(&seen)) {
            // Whatever is missing is gone, or somebody took it out of the keeper.
            let anywhere = ["list-panes", "-a", "-f", &filter(&link, "#{@orch_launch}"), "-F", FORMAT];
            let Some(all) = self.listed(&anywhere).await? else { return Ok(Vec::new()) };
            records = all;
            seen = records.iter().map(|record| record.pane).collect();
            self.registry(|registry| registry.retain(&seen));
        }
        Ok(records.into_iter().map(|record| self.note(record)).collect())
    }

    /// The pane of a launch, as it is now.
    pub(crate) async fn find(self: &Arc<Self>, launch: LaunchId) -> Result<Option<Record>, ExecutorError> {
        let known = self.registry(|registry| registry.record(launch).map(Record::target));
        if let Some(target) = known
            && let Some(replies) =
                self.ask(&Line::new().command(["display-message", "-p", "-t", &target, FORMAT])).await?
            && let Some(Ok(text)) = replies.first()
            && let Some(record) = Record::parse(text).filter(|record| record.launch == launch)
        {
            return Ok(Some(self.note(record)));
        }
        let Some(link) = self.link(false).await? else { return Ok(None) };
        let filter = filter(&link, &format!("#{{==:#{{@orch_launch}},{launch}}}"));
        let found = self.listed(&["list-panes", "-a", "-f", &filter, "-F", FORMAT]).await?;
        let found = found.into_iter().flatten().next();
        if found.is_none() {
            self.registry(|registry| registry.remove(launch));
        }
        Ok(found.map(|record| self.note(record)))
    }

    async fn listed(self: &Arc<Self>, words: &[&str]) -> Result<Option<Vec<Record>>, ExecutorError> {
        let Some(replies) = self.ask(&Line::new().command(words.iter().copied())).await? else { return Ok(None) };
        match replies.into_iter().next() {
            Some(Ok(text)) => Ok(Some(text.lines().filter_map(Record::parse).collect())),
            Some(Err(why)) => Err(unavailable(format!("the panes could not be listed: {why}"))),
            None => Err(unavailable("the panes were not listed")),
        }
    }

    /// Takes in what was seen of a pane: completes it with what is remembered, and has a new one watched.
    pub(crate) fn note(self: &Arc<Self>, mut record: Record) -> Record {
        let launch = record.launch;
        let remembered = self.registry(|registry| registry.record(launch).and_then(|known| known.process.clone()));
        if record.process.is_none() {
            // As long as tmux has not reaped it, the pid can be nobody else's.
            let untaken = || (record.status.is_none()).then(|| identify(record.pid)).flatten();
            record.process = remembered.or_else(untaken);
        }
        let news = self.registry(|registry| registry.note(record.clone()));
        if news.printed {
            self.events.push(ExecutorEvent::Output(launch));
        }
        if news.new {
            self.watch(launch, record.process.as_ref());
        }
        record
    }

    pub(crate) fn registry<T>(&self, work: impl FnOnce(&mut Registry) -> T) -> T {
        work(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Finds the sessions that outlived an earlier connection, and makes sure that their output is heard.
    async fn adopt(self: &Arc<Self>, link: &Link) -> Result<(), ExecutorError> {
        let filter = format!("#{{&&:#{{@orch_launch}},#{{!=:#{{session_id}},{}}}}}", link.keeper);
        let line = Line::new().command(["list-windows", "-t", &link.keeper, "-F", "#{window_id}"]).command([
            "list-panes",
            "-a",
            "-f",
            &filter,
            "-F",
            FORMAT,
        ]);
        let replies = broken_off(link.control.run(&line).await)?;
        let [Ok(windows), Ok(panes)] = replies.as_slice() else {
            return Err(unavailable("the server did not say what is in it"));
        };
        let linked: BTreeSet<&str> = windows.lines().collect();
        let keeper = format!("{}:", link.keeper);
        for record in panes.lines().filter_map(Record::parse) {
            if !linked.contains(record.window.as_str()) {
                // A window that ended just now needs no link.
                broken_off(link.control.one(["link-window", "-d", "-s", &record.window, "-t", &keeper]).await)?.ok();
            }
            self.note(record);
        }
        Ok(())
    }

    pub(crate) async fn session(self: &Arc<Self>, record: Record) -> Result<SessionInfo, ExecutorError> {
        let record = self.reaped(record).await?;
        let ended = self.has_ended(&record);
        let state = match record.status {
            Some(status) => SessionState::Exited(status),
            None if ended && record.process.as_ref().map_or(record.dead, |process| !alive(process)) => {
                SessionState::Exited(ExitStatus::default())
            }
            None => SessionState::Running,
        };
        let activity = screen::activity(&record);
        let mut info = SessionInfo::new(record.launch, record.name, state);
        (info.process, info.activity) = (record.process, activity);
        Ok(info)
    }

    /// Whether the session's process is known to have ended. A terminal that closed says nothing: its
    /// process may live on without.
    fn has_ended(&self, record: &Record) -> bool {
        record.status.is_some()
            || self.registry(|registry| registry.has_ended(record.launch))
            || record.dead && !record.process.as_ref().is_some_and(alive)
    }

    /// The record once tmux has learnt the status of a process that has ended and has drained its
    /// output, or after some patience as it is.
    pub(crate) async fn reaped(self: &Arc<Self>, mut record: Record) -> Result<Record, ExecutorError> {
        let launch = record.launch;
        let (mut reaping, mut draining) = (Pauses::within(REAPING), Pauses::within(DRAINING));
        while self.has_ended(&record) && !(record.dead && record.status.is_some()) {
            let again = if record.status.is_none() {
                self.remind().await;
                reaping.next().await
            } else {
                !self.registry(|registry| registry.is_drained(launch)) && draining.next().await
            };
            if !again {
                break;
            }
            match self.find(launch).await? {
                Some(now) => record = now,
                None => break,
            }
        }
        if record.status.is_some() {
            self.registry(|registry| registry.drain(launch));
        }
        Ok(record)
    }

    /// Has the server look for ended children. Built with utempter (as Debian's is), it drops the
    /// signal of a child that ends while it opens or closes another pane, and would never look.
    async fn remind(&self) {
        let server = self.link.lock().await.as_ref().map(|link| link.process.clone());
        server.map(|server| orch_process::signal(&server, Signal::CHILD));
    }

    /// What belongs to a launch, from what was recorded and from what tmux tells.
    pub(crate) fn target(&self, spec: &EndSpec, record: Option<&Record>) -> Target {
        let process = spec.process.clone().or_else(|| record.and_then(|record| record.process.clone()));
        let worktree = std::fs::read_to_string(self.config.launch_file(spec.launch)).ok();
        let marks = worktree.map(|worktree| Mark::Is("ORCH_WORKTREE".to_owned(), worktree)).into_iter().collect();
        Target { process, launch: spec.launch, marks }
    }

    fn heard(self: &Arc<Self>, said: &Announcement) {
        match said {
            Announcement::Output(pane) => {
                if let Some(launch) = self.registry(|registry| registry.printed(*pane)) {
                    self.events.push(ExecutorEvent::Output(launch));
                }
            }
            Announcement::Closed => {
                tokio::spawn(Arc::clone(self).reconnect());
            }
            Announcement::Attached(_) => {}
        }
    }

    /// Makes the connection anew as long as the server lives; its death is noticed elsewhere.
    fn reconnect(self: Arc<Self>) -> Boxed {
        Box::pin(async move {
            let mut pauses = Pauses::within(Duration::from_secs(60));
            while self.link(false).await.is_err() && pauses.next().await {}
        })
    }

    fn watch_server(self: &Arc<Self>, process: &ProcessId) {
        let (weak, exit, process) = (Arc::downgrade(self), Exit::watch(process), process.clone());
        tokio::spawn(async move {
            if let Some(exit) = exit {
                exit.wait().await;
            }
            let Some(inner) = weak.upgrade() else { return };
            if inner.registry(|registry| registry.lose(&process)) {
                inner.events.push(ExecutorEvent::Lost);
            }
        });
    }

    fn watch(self: &Arc<Self>, launch: LaunchId, process: Option<&ProcessId>) {
        let (weak, exit) = (Arc::downgrade(self), process.and_then(Exit::watch));
        let watcher = tokio::spawn(async move {
            if let Some(exit) = exit {
                exit.wait().await;
            }
            if let Some(inner) = weak.upgrade() {
                inner.registry(|registry| registry.end(launch));
                inner.events.push(ExecutorEvent::Exited(launch));
            }
        });
        self.registry(|registry| registry.watch(launch, watcher.abort_handle()));
    }
}

/// A filter for `list-panes -a`: every window of ours is in the keeper too, and would be listed twice.
pub(crate) fn filter(link: &Link, which: &str) -> String {
    format!("#{{&&:{which},#{{!=:#{{session_id}},{}}}}}", link.keeper)
}

/// Growing pauses between two looks at something that announces nothing.
struct Pauses {
    deadline: Instant,
    next: Duration,
}

impl Pauses {
    fn within(span: Duration) -> Self {
        Self { deadline: Instant::now() + span, next: Duration::from_micros(500) }
    }

    /// Pauses; `false` when the time is over.
    async fn next(&mut self) -> bool {
        if Instant::now() >= self.deadline {
            return false;
        }
        sleep(self.next).await;
        self.next = (self.next * 3 / 2).min(Duration::from_millis(100));
        true
    }
}

/// The answer of the control client, or that it broke off.
pub(crate) fn broken_off<T>(answer: Result<T, Broken>) -> Result<T, ExecutorError> {
    answer.map_err(|Broken| unavailable("the connection to the server broke off"))
}
