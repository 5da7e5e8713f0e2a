//! One session: its terminal is read, its typing written and its end noted by two tasks.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use orch_core::base::LaunchId;
use orch_core::ports::{ExecutorError, ExitStatus};
use pty_process::Pty;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::process::Child;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};

use super::attach::Viewer;
use super::outgoing::Outgoing;
use super::scribe::Record;
use super::terminal::Terminal;
use super::{Host, now};
use crate::protocol::{News, refused, unavailable};
use crate::session::{PtySession, PtyState, Screen};

/// How much of one terminal is read before the others have their turn, in bytes.
const TURN: usize = 64 * 1024;
/// How long a terminal that nobody has open is left alone; a program may open it again.
const CLOSED: Duration = Duration::from_millis(500);
/// After an exit: silence that says that nothing more comes, though a child has the terminal open.
const QUIET: Duration = Duration::from_millis(20);
/// After an exit: how long a child that goes on printing is listened to before the exit is told.
const DRAIN: Duration = Duration::from_millis(250);

/// A session in the host.
pub(super) struct Session {
    info: RefCell<PtySession>,
    live: RefCell<Option<Live>>,
    pub(super) outgoing: Outgoing,
    pub(super) viewers: RefCell<Vec<Rc<Viewer>>>,
    tasks: RefCell<Vec<AbortHandle>>,
    /// Wakes the task that reads.
    reader: RefCell<Waker>,
    end: Notify,
    /// The size that it was launched with.
    launched: Cell<(u16, u16)>,
}

/// What only a session of this host has.
struct Live {
    terminal: Terminal,
    log: Record,
    /// Gone once the terminal was seen closed for good.
    pty: Option<Pty>,
}

impl Session {
    /// A session of an earlier host.
    pub(super) fn kept(info: PtySession) -> Self {
        let launched = Cell::new(info.size);
        Self {
            info: RefCell::new(info),
            live: RefCell::default(),
            outgoing: Outgoing::default(),
            viewers: RefCell::default(),
            tasks: RefCell::default(),
            reader: RefCell::new(Waker::noop().clone()),
            end: Notify::new(),
            launched,
        }
    }

    /// A session that was just started.
    pub(super) fn live(info: PtySession, log: Record, pty: Pty) -> Self {
        let terminal = Terminal::new(info.size);
        let session = Self::kept(info);
        session.live.replace(Some(Live { terminal, log, pty: Some(pty) }));
        session
    }

    /// Begins to read, write and wait for the end.
    pub(super) fn begin(self: &Rc<Self>, host: &Rc<Host>, child: Child) {
        let run = tokio::task::spawn_local(Rc::clone(self).run(Rc::clone(host), child));
        let write = tokio::task::spawn_local(Rc::clone(self).write());
        self.tasks.replace(vec![run.abort_handle(), write.abort_handle()]);
    }

    /// Stops everything; the terminal closes with the last handle.
    pub(super) fn close(&self) {
        for task in self.tasks.take() {
            task.abort();
        }
        for viewer in self.viewers.borrow().iter() {
            viewer.end();
        }
        self.live.take();
    }

    pub(super) fn launch(&self) -> LaunchId {
        self.info.borrow().launch
    }

    pub(super) fn info(&self) -> PtySession {
        let mut info = self.info.borrow().clone();
        if let Some(live) = &*self.live.borrow() {
            info.log_lost = live.log.lost();
            info.size = live.terminal.size();
        }
        info
    }

    pub(super) fn is_running(&self) -> bool {
        self.info.borrow().state == PtyState::Running
    }

    /// Waits until it no longer runs.
    pub(super) async fn ended(&self) {
        while self.is_running() {
            self.end.notified().await;
        }
    }

    /// Lost sessions are in the table, and need no host.
    pub(super) fn keeps_host(&self) -> bool {
        self.info.borrow().state != PtyState::Lost
    }

    /// What the screen shows; nothing of a session of an earlier host.
    pub(super) fn screen(&self) -> Option<Screen> {
        let live = self.live.borrow();
        let live = live.as_ref()?;
        let shown = live.terminal.shown();
        Some(Screen {
            launch: self.launch(),
            text: shown.text,
            title: live.terminal.title().to_owned(),
            process: live.pty.as_ref().and_then(foreground).unwrap_or_default(),
            cursor_row: Some(shown.cursor_row),
        })
    }

    /// Gives the terminal another size, for good.
    pub(super) fn resize(&self, size: (u16, u16)) -> Result<(), ExecutorError> {
        self.view(size)?;
        self.launched.set(Terminal::fitting(size));
        Ok(())
    }

    /// Gives the terminal the size of an attached one, for as long as one is.
    pub(super) fn view(&self, size: (u16, u16)) -> Result<(), ExecutorError> {
        let size = Terminal::fitting(size);
        let mut live = self.live.borrow_mut();
        let Some(Live { terminal, pty: Some(pty), .. }) = &mut *live else {
            return Err(refused(format!("resizing launch {}", self.launch()), "the session has ended"));
        };
        terminal.resize(size);
        set_size(pty, size)
    }

    /// Nobody is attached any more: the size of the launch comes back.
    pub(super) fn unview(&self) {
        // An ended session keeps the last one.
        self.view(self.launched.get()).unwrap_or_default();
    }

    /// Makes the program draw anew: a resize there and back.
    pub(super) fn redraw(&self) -> Result<(), ExecutorError> {
        let live = self.live.borrow();
        let Some(Live { terminal, pty: Some(pty), .. }) = &*live else { return Ok(()) };
        let (columns, rows) = terminal.size();
        set_size(pty, (columns, if rows > 1 { rows - 1 } else { rows + 1 }))?;
        set_size(pty, (columns, rows))
    }

    /// Asks something of the terminal and its modes.
    pub(super) fn terminal<T>(&self, ask: impl FnOnce(&Terminal, Option<&Pty>) -> T) -> Option<T> {
        self.live.borrow().as_ref().map(|live| ask(&live.terminal, live.pty.as_ref()))
    }

    /// Takes in what the program has printed by now.
    pub(super) fn catch_up(&self, host: &Host) {
        // Whoever polls last is woken: that stays the reading task.
        let waker = self.reader.borrow().clone();
        let mut context = Context::from_waker(&waker);
        let mut read = 0;
        while read < TURN
            && self.log_room().is_none()
            && let Poll::Ready(Ok(count)) = self.poll_read(host, &mut context)
        {
            read += count;
        }
    }

    async fn run(self: Rc<Self>, host: Rc<Host>, mut child: Child) {
        let waited = loop {
            tokio::select! {
                waited = child.wait() => break waited,
                closed = self.read_on(&host) => {
                    let Closed = closed;
                    if let Ok(waited) = timeout(CLOSED, child.wait()).await {
                        break waited;
                    }
                }
            }
        };
        let status = waited.map(exit_status).unwrap_or_default();
        let closed = self.drain(&host).await;
        self.outgoing.close();
        let written = self.live.borrow().as_ref().map(|live| live.log.written());
        if let Some(written) = written {
            written.await;
        }
        self.tell_end(&host, status).await;
        if !closed {
            // A child holds the terminal: what it prints is part of the log.
            self.read_on(&host).await;
        }
        if let Some(live) = &mut *self.live.borrow_mut() {
            live.pty = None;
        }
    }

    async fn tell_end(&self, host: &Host, status: ExitStatus) {
        let launch = self.launch();
        let noted = host.table.borrow_mut().exited(launch, status);
        // A disk that takes nothing is no reason to keep an exit back.
        if let Ok(flushed) = noted {
            flushed.await.unwrap_or_default();
        }
        self.info.borrow_mut().state = PtyState::Exited(status);
        for viewer in self.viewers.borrow().iter() {
            viewer.end();
        }
        self.end.notify_waiters();
        host.announce(&News { printed: Vec::new(), exited: vec![launch] });
        host.less.notify_one();
    }

    /// Reads what was printed before the exit; whether the terminal is closed.
    async fn drain(&self, host: &Host) -> bool {
        let deadline = Instant::now() + DRAIN;
        while Instant::now() < deadline {
            if let Some(room) = self.log_room() {
                // The end of what was printed must not be taken for silence.
                timeout(DRAIN, room).await.unwrap_or_default();
            }
            match timeout(QUIET, self.read(host)).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) => return true,
                Err(_) => return false,
            }
        }
        false
    }

    /// Reads until the terminal is closed.
    async fn read_on(&self, host: &Host) -> Closed {
        let mut turn = 0;
        while let Ok(count @ 1..) = self.read(host).await {
            turn += count;
            if turn >= TURN {
                turn = 0;
                tokio::task::yield_now().await;
            }
        }
        Closed
    }

    async fn read(&self, host: &Host) -> io::Result<usize> {
        if let Some(room) = self.log_room() {
            room.await;
        }
        std::future::poll_fn(|context| {
            self.reader.borrow_mut().clone_from(context.waker());
            self.poll_read(host, context)
        })
        .await
    }

    /// What to wait for before more is read, if the log is behind.
    fn log_room(&self) -> Option<impl Future<Output = ()> + use<>> {
        let live = self.live.borrow();
        live.as_ref().filter(|live| !live.log.has_room()).map(|live| live.log.room())
    }

    fn poll_read(&self, host: &Host, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut scratch = host.scratch.borrow_mut();
        let mut buffer = ReadBuf::new(&mut scratch);
        {
            let mut live = self.live.borrow_mut();
            let Some(Live { pty: Some(pty), .. }) = &mut *live else { return Poll::Ready(Ok(0)) };
            std::task::ready!(Pin::new(pty).poll_read(context, &mut buffer))?;
        }
        let bytes = buffer.filled();
        if !bytes.is_empty() {
            self.take_in(host, bytes);
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn take_in(&self, host: &Host, bytes: &[u8]) {
        let mut live = self.live.borrow_mut();
        let Some(live) = &mut *live else { return };
        live.log.write(bytes);
        for viewer in self.viewers.borrow().iter() {
            viewer.print(bytes);
        }
        self.outgoing.answer(live.terminal.feed(bytes));
        let launch = {
            let mut info = self.info.borrow_mut();
            info.printed += bytes.len() as u64;
            info.last_output_at = Some(now());
            info.launch
        };
        host.announce(&News { printed: vec![launch], exited: Vec::new() });
    }

    async fn write(self: Rc<Self>) {
        loop {
            self.outgoing.filled().await;
            let written = std::future::poll_fn(|context| {
                let mut live = self.live.borrow_mut();
                let Some(Live { pty: Some(pty), .. }) = &mut *live else { return Poll::Ready(Ok(0)) };
                self.outgoing.front(|bytes| Pin::new(pty).poll_write(context, bytes))
            })
            .await;
            match written {
                Ok(count @ 1..) => self.outgoing.written(count),
                // Nobody has the terminal open; somebody may again.
                Ok(0) | Err(_) => sleep(CLOSED).await,
            }
        }
    }
}

/// Nobody has the terminal open.
struct Closed;

fn exit_status(status: std::process::ExitStatus) -> ExitStatus {
    use std::os::unix::process::ExitStatusExt;
    ExitStatus { code: status.code(), signal: status.signal() }
}

fn set_size(pty: &Pty, (columns, rows): (u16, u16)) -> Result<(), ExecutorError> {
    pty.resize(pty_process::Size::new(rows, columns)).map_err(|error| unavailable(format!("the terminal: {error}")))
}

/// The name of the process that has the terminal.
fn foreground(pty: &Pty) -> Option<String> {
    let group = rustix::termios::tcgetpgrp(pty).ok()?;
    orch_process::name(u32::try_from(group.as_raw_pid()).ok()?)
}
