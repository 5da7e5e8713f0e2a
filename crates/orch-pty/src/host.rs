//! The session host: keeps terminals, and does nothing else.

mod attach;
mod client;
mod input;
mod launch;
mod log;
mod outgoing;
mod scribe;
mod session;
mod terminal;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::rc::{Rc, Weak};
use std::time::Duration;

use camino::Utf8PathBuf;
use orch_core::base::{LaunchId, Timestamp};
use orch_core::ports::{ExecutorError, ProcessId};
use orch_process::{identify, private_dir, socket_in};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::UnixListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use crate::entry::{HELD, READY, Start, tell};
use crate::protocol::{News, unavailable};
use crate::session::PtySession;
use crate::settings::{SOCKET, lock_file};
use crate::table::Table;
use client::Client;
use scribe::Scribe;
use session::Session;

/// How often a lock that is held for an instant only, by somebody who looks, is tried again.
const TRIES: u32 = 20;
/// Signals that would end a process and shall not end the host.
const DEAF_TO: [SignalKind; 4] =
    [SignalKind::hangup(), SignalKind::interrupt(), SignalKind::quit(), SignalKind::alarm()];

/// Everything the host has. There is one thread, and no borrow is held across a wait.
pub(crate) struct Host {
    process: ProcessId,
    table: RefCell<Table>,
    sessions: RefCell<BTreeMap<LaunchId, Rc<Session>>>,
    scribe: Scribe,
    /// Launches whose predecessor is being ended.
    starting: RefCell<BTreeMap<LaunchId, Rc<Notify>>>,
    clients: RefCell<Vec<Weak<Client>>>,
    /// How many connections are open.
    connected: Cell<usize>,
    /// What every terminal is read into.
    scratch: RefCell<Vec<u8>>,
    /// How many descriptors agents may have.
    descriptors: Rlimit,
    /// Nobody wants it to linger.
    hurries: Cell<bool>,
    /// Something that could keep the host is gone.
    less: Notify,
}

/// Runs the host until nothing keeps it; the exit code.
pub(crate) fn run(start: &Start) -> i32 {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.to_string()),
    };
    tokio::task::LocalSet::new().block_on(&runtime, async {
        match begin(start).await {
            Ok(Some(Begun { host, listener, nudges, lock })) => {
                tell(READY);
                if let Err(error) = go_silent() {
                    return fail(&error.to_string());
                }
                host.serve(listener, nudges, start).await;
                // Whoever finds the lock free shall find no socket either.
                std::fs::remove_file(host_socket(start).unwrap_or_default()).unwrap_or_default();
                drop(lock);
                0
            }
            Ok(None) => {
                tell(HELD);
                0
            }
            Err(why) => fail(&why),
        }
    })
}

fn fail(why: &str) -> i32 {
    tell(why);
    1
}

fn host_socket(start: &Start) -> Result<Utf8PathBuf, String> {
    socket_in(&start.dir, SOCKET).map_err(|error| error.to_string())
}

/// What a host begins with.
struct Begun {
    host: Rc<Host>,
    listener: UnixListener,
    /// Asks for the socket to be made anew.
    nudges: Signal,
    lock: File,
}

/// Takes the lock, the table and the socket; `None` when another host has them.
async fn begin(start: &Start) -> Result<Option<Begun>, String> {
    let dir = &start.dir;
    private_dir(dir).map_err(|error| error.to_string())?;
    for kind in DEAF_TO {
        // A handler that does nothing: unlike an ignored signal, agents do not inherit it.
        drop(signal(kind).map_err(uncaught)?);
    }
    let nudges = signal(SignalKind::user_defined1()).map_err(uncaught)?;
    let Some(mut lock) = take_lock(start).await.map_err(|error| format!("{}: {error}", lock_file(dir)))? else {
        return Ok(None);
    };
    let (table, kept) = Table::open(dir).map_err(|error| format!("the table in {dir}: {error}"))?;
    let socket = host_socket(start)?;
    let listener = listen(&socket).map_err(|error| format!("{socket}: {error}"))?;
    let process = identify(std::process::id()).ok_or("the host cannot be identified")?;
    note_holder(&mut lock, &process).map_err(|error| format!("{}: {error}", lock_file(dir)))?;
    let scribe = Scribe::begin().map_err(|error| format!("the thread for logs: {error}"))?;
    let descriptors = raise_limit();
    let sessions = kept.into_values().map(|kept| (kept.launch, Rc::new(Session::kept(kept)))).collect();
    let host = Host {
        process,
        table: RefCell::new(table),
        sessions: RefCell::new(sessions),
        scribe,
        starting: RefCell::default(),
        clients: RefCell::default(),
        connected: Cell::new(0),
        scratch: RefCell::new(vec![0; 64 * 1024]),
        descriptors,
        hurries: Cell::new(false),
        less: Notify::new(),
    };
    Ok(Some(Begun { host: Rc::new(host), listener, nudges, lock }))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn uncaught(error: io::Error) -> String {
    format!("signals cannot be caught: {error}")
}

/// Says in the lock file whose it is, for those who find no socket.
fn note_holder(lock: &mut File, process: &ProcessId) -> io::Result<()> {
    lock.set_len(0)?;
    lock.write_all(serde_json::to_string(process)?.as_bytes())
}

async fn take_lock(start: &Start) -> io::Result<Option<File>> {
    use std::os::unix::fs::OpenOptionsExt;
    let lock = File::options().write(true).create(true).truncate(false).mode(0o600).open(lock_file(&start.dir))?;
    for _ in 0..TRIES {
        match lock.try_lock() {
            Ok(()) => return Ok(Some(lock)),
            Err(std::fs::TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(std::fs::TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(None)
}

/// Binds the socket. The lock is held, so a file that is there is nobody's.
fn listen(socket: &camino::Utf8Path) -> io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt;
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(socket)?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Lets go of the pipe to the starter.
fn go_silent() -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok(())
}

/// A session needs three descriptors, and a thousand sessions more than most systems give at first. Gives the limit as it was.
fn raise_limit() -> Rlimit {
    let before = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: before.maximum, ..before };
    // With fewer there is room for fewer sessions, and launching says so.
    setrlimit(Resource::Nofile, raised).unwrap_or_default();
    before
}

impl Host {
    async fn serve(self: &Rc<Self>, mut listener: UnixListener, mut nudges: Signal, start: &Start) {
        let own = rustix::process::geteuid().as_raw();
        let linger = Duration::from_millis(start.linger.0);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = nudges.recv() => {
                    // Somebody sees no socket, though the lock is taken: it was swept away.
                    if let Ok(socket) = host_socket(start)
                        && !socket.exists()
                        && let Ok(again) = listen(&socket)
                    {
                        listener = again;
                    }
                    continue;
                }
                () = self.deserted(linger) => return,
            };
            let Ok((stream, _)) = accepted else {
                // Out of descriptors: the next end of a connection or session gives some back.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            if stream.peer_cred().is_ok_and(|peer| peer.uid() == own) {
                let connected = Connected::new(self);
                tokio::task::spawn_local(async move { client::serve(&connected.0, stream).await });
            }
        }
    }

    /// Comes back once nothing has kept the host for a while.
    async fn deserted(&self, linger: Duration) {
        loop {
            if self.is_deserted() {
                let linger = if self.hurries.get() { Duration::ZERO } else { linger };
                let less = tokio::time::timeout(linger, self.less.notified()).await;
                if less.is_err() && self.is_deserted() {
                    return;
                }
            } else {
                self.less.notified().await;
            }
        }
    }

    fn is_deserted(&self) -> bool {
        self.connected.get() == 0
            && self.starting.borrow().is_empty()
            && !self.sessions.borrow().values().any(|session| session.keeps_host())
    }

    fn session(&self, launch: LaunchId) -> Result<Rc<Session>, ExecutorError> {
        self.sessions.borrow().get(&launch).cloned().ok_or(ExecutorError::NotFound { launch })
    }

    fn list(&self) -> Vec<PtySession> {
        self.sessions.borrow().values().map(|session| session.info()).collect()
    }

    /// Tells every subscribed client.
    fn announce(&self, news: &News) {
        self.clients.borrow_mut().retain(|client| {
            let Some(client) = client.upgrade() else { return false };
            client.hear(news);
            true
        });
    }

    fn forget(&self, launch: LaunchId) -> Result<(), ExecutorError> {
        let Ok(session) = self.session(launch) else { return Ok(()) };
        if session.is_running() {
            return Err(crate::protocol::refused(format!("forgetting launch {launch}"), "it still runs"));
        }
        let mut table = self.table.borrow_mut();
        table.forgotten(launch).map_err(|error| unavailable(format!("the table: {error}")))?;
        self.sessions.borrow_mut().remove(&launch);
        session.close();
        if table.is_worn(self.sessions.borrow().len()) {
            table.renew(&self.list());
        }
        self.less.notify_one();
        Ok(())
    }
}

/// A connection that keeps the host as long as it is served, however that ends.
struct Connected(Rc<Host>);

impl Connected {
    fn new(host: &Rc<Host>) -> Self {
        host.connected.set(host.connected.get() + 1);
        Self(Rc::clone(host))
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connected.set(self.0.connected.get() - 1);
        self.0.less.notify_one();
    }
}

/// The wall clock.
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
