//! The client's end of a connection: questions out, answers by number, news aside.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use camino::Utf8Path;
use orch_core::ports::{ExecutorError, ProcessId};
use orch_process::{private_dir, socket_in};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use crate::protocol::{
    Answer, Ask, Hello, News, OLDEST_PROTOCOL, Question, Said, Trouble, json_frame, read_frame, refused, send,
    unavailable,
};
use crate::settings::SOCKET;

/// How long a living host may take for an answer.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long it may take to greet.
const GREETING: Duration = Duration::from_secs(10);

/// An open, greeted connection.
pub(crate) struct Greeted {
    pub(crate) reader: BufReader<OwnedReadHalf>,
    pub(crate) writer: OwnedWriteHalf,
    /// The host's process.
    pub(crate) host: ProcessId,
}

/// A connection that asks and hears news; dropping the last handle closes it.
#[derive(Debug)]
pub(crate) struct Link {
    writer: Arc<tokio::sync::Mutex<OwnedWriteHalf>>,
    waiting: Arc<Mutex<Option<Waiting>>>,
    next: AtomicU64,
    /// Its other end is dropped when the connection is gone.
    gone: watch::Receiver<()>,
    reading: tokio::task::AbortHandle,
}

/// Who waits for which answer.
type Waiting = BTreeMap<u64, oneshot::Sender<Result<Answer, Trouble>>>;

/// The connection broke off before the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken;

/// Connects to the host of a directory; `None` when nobody listens there.
///
/// # Errors
/// The directory is not private, the other end is somebody else, or speaks another protocol.
pub(crate) async fn greet(dir: &Utf8Path) -> Result<Option<Greeted>, ExecutorError> {
    if !dir.exists() {
        return Ok(None);
    }
    private_dir(dir).map_err(|error| unavailable(error.to_string()))?;
    let socket = socket_in(dir, SOCKET).map_err(|error| unavailable(error.to_string()))?;
    let stream = match UnixStream::connect(&socket).await {
        Ok(stream) => stream,
        Err(error) if is_gone(&error) => return Ok(None),
        Err(error) => return Err(unavailable(format!("{socket}: {error}"))),
    };
    let own = rustix::process::geteuid().as_raw();
    let peer = stream.peer_cred().map_err(|error| unavailable(format!("{socket}: {error}")))?;
    if peer.uid() != own {
        let why = format!("{socket} is served by user {}, not by you: remove it", peer.uid());
        return Err(unavailable(why));
    }
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let greeting = async {
        send(&mut writer, &Hello::new(None, 0)).await?;
        read_frame(&mut reader).await?.map(|frame| frame.parse::<Hello>()).transpose()
    };
    let hello = match timeout(GREETING, greeting).await {
        Ok(Ok(Some(hello))) => hello,
        // It left just now.
        Ok(Ok(None)) => return Ok(None),
        Ok(Err(error)) if is_gone(&error) => return Ok(None),
        Ok(Err(error)) => return Err(unavailable(format!("{socket} is no session host's: {error}"))),
        Err(_) => return Err(unavailable(format!("the host on {socket} does not answer"))),
    };
    let Some(host) = hello.host.filter(|_| hello.protocol >= OLDEST_PROTOCOL) else {
        return Err(unavailable(format!(
            "the host on {socket} is orch {} and speaks protocol {}, this is orch {}: use that version until its {} sessions have ended",
            hello.version,
            hello.protocol,
            env!("CARGO_PKG_VERSION"),
            hello.sessions,
        )));
    };
    Ok(Some(Greeted { reader, writer, host }))
}

/// Whether nobody listens any more, or just stopped.
fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotFound, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionRefused | ConnectionReset | NotFound | UnexpectedEof)
}

impl Link {
    /// Takes a connection over; `hear` is called from its reading task with all news, and with `None`
    /// once nothing follows.
    pub(crate) fn open(greeted: Greeted, hear: impl FnMut(Option<News>) + Send + 'static) -> Self {
        let Greeted { reader, writer, .. } = greeted;
        let waiting = Arc::new(Mutex::new(Some(Waiting::new())));
        let (alive, gone) = watch::channel(());
        let reading = tokio::spawn(read(reader, Arc::clone(&waiting), hear, alive)).abort_handle();
        let writer = Arc::new(tokio::sync::Mutex::new(writer));
        Self { writer, waiting, next: AtomicU64::new(1), gone, reading }
    }

    /// Asks and waits for the answer. It is not known what became of a question whose connection broke.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<Result<Answer, ExecutorError>, Broken> {
        let silent = Ok(Err(unavailable("the host does not answer")));
        timeout(PATIENCE, self.ask_for_long(ask)).await.unwrap_or(silent)
    }

    /// As [`Self::ask`], for answers that may come at any time.
    pub(crate) async fn ask_for_long(&self, ask: Ask) -> Result<Result<Answer, ExecutorError>, Broken> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let frame = match json_frame(&Question { id, ask }) {
            Ok(frame) => frame,
            Err(error) => return Ok(Err(refused("request", error.to_string()))),
        };
        let (done, answer) = oneshot::channel();
        match &mut *lock(&self.waiting) {
            Some(waiting) => drop(waiting.insert(id, done)),
            None => return Err(Broken),
        }
        self.write(frame).await.map_err(|_| Broken)?;
        let answer = answer.await.map_err(|_| Broken)?;
        Ok(answer.map_err(ExecutorError::from))
    }

    /// Writes a whole frame, even if whoever asked stops waiting: half of one would break the rest.
    async fn write(&self, frame: Vec<u8>) -> io::Result<()> {
        let writer = Arc::clone(&self.writer);
        let written = tokio::spawn(async move { writer.lock().await.write_all(&frame).await });
        written.await.map_err(io::Error::other)?
    }

    /// Whether the connection is known to be gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.gone.has_changed().is_err()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

async fn read(
    mut reader: BufReader<OwnedReadHalf>,
    waiting: Arc<Mutex<Option<Waiting>>>,
    mut hear: impl FnMut(Option<News>) + Send + 'static,
    alive: watch::Sender<()>,
) {
    while let Ok(Some(frame)) = read_frame(&mut reader).await {
        match frame.parse() {
            Ok(Said::Answer { id, answer }) => {
                let asked = lock(&waiting).as_mut().and_then(|waiting| waiting.remove(&id));
                // Whoever asked may have stopped waiting.
                asked.map(|asked| asked.send(answer));
            }
            Ok(Said::News(news)) => hear(Some(news)),
            Ok(Said::Ended) | Err(_) => break,
        }
    }
    // Everybody who waits learns that no answer comes.
    lock(&waiting).take();
    drop(alive);
    hear(None);
}

fn lock(waiting: &Mutex<Option<Waiting>>) -> MutexGuard<'_, Option<Waiting>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
