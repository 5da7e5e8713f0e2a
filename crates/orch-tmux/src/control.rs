//! One persistent control-mode client: lines in, replies out in the same order, announcements aside.

mod parser;

use std::collections::VecDeque;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::quote::Line;
use parser::{Parser, Said};

/// How long tmux may take for one line before the client is given up.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a command printed, or its error message.
pub(crate) type Reply = Result<String, String>;

/// What the control client announces without being asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Announcement {
    /// A pane printed something.
    Output(u32),
    /// The client is attached to a session.
    Attached(String),
    /// The client is gone, and nothing follows.
    Closed,
}

/// The control client broke off before it answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken;

/// A handle on the client; the last one dropped ends it.
#[derive(Debug, Clone)]
pub(crate) struct Control {
    lines: mpsc::UnboundedSender<Request>,
    give_up: Arc<Notify>,
    /// Its other end is dropped when the client is gone.
    gone: watch::Receiver<()>,
}

#[derive(Debug)]
struct Request {
    text: String,
    waiting: Waiting,
}

#[derive(Debug)]
struct Waiting {
    left: usize,
    replies: Vec<Reply>,
    done: oneshot::Sender<Vec<Reply>>,
}

/// The lines that wait for replies, oldest first; `None` once the client is gone.
type Queue = Arc<Mutex<Option<VecDeque<Waiting>>>>;

impl Control {
    /// Starts the client; `announce` is called from its reading task and must not block.
    pub(crate) fn open(
        mut command: Command,
        mut announce: impl FnMut(Announcement) + Send + 'static,
    ) -> std::io::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let (Some(stdin), Some(mut stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(std::io::Error::other("the control client has no pipes"));
        };
        let queue: Queue = Arc::new(Mutex::new(Some(VecDeque::new())));
        let (lines, received) = mpsc::unbounded_channel();
        let give_up = Arc::new(Notify::new());
        let (alive, gone) = watch::channel(());
        tokio::spawn(write(stdin, received, Arc::clone(&queue)));
        let stop = Arc::clone(&give_up);
        tokio::spawn(async move {
            read(&mut stdout, &queue, &stop, &mut announce).await;
            lock(&queue).take();
            drop(alive);
            announce(Announcement::Closed);
            // Whether it had ended by itself or is ended now, it is reaped here.
            if child.start_kill().is_ok() {
                drop(child.wait().await);
            }
        });
        Ok(Self { lines, give_up, gone })
    }

    /// Runs a line of commands. The replies are in order and end with the first error, after which
    /// tmux runs no further command of the line. A client that broke off is known to be gone by then.
    pub(crate) async fn run(&self, line: &Line) -> Result<Vec<Reply>, Broken> {
        let (done, replies) = oneshot::channel();
        let waiting = Waiting { left: line.commands(), replies: Vec::new(), done };
        let text = format!("{}\n", line.text());
        if self.lines.send(Request { text, waiting }).is_ok()
            && let Ok(Ok(replies)) = timeout(PATIENCE, replies).await
        {
            return Ok(replies);
        }
        self.give_up.notify_one();
        let mut gone = self.gone.clone();
        while gone.changed().await.is_ok() {}
        Err(Broken)
    }

    /// Runs one command.
    pub(crate) async fn one<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Result<Reply, Broken> {
        let mut replies = self.run(&Line::new().command(words)).await?;
        replies.pop().ok_or(Broken)
    }

    /// Whether the client is known to be gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.gone.has_changed().is_err()
    }
}

async fn write(mut stdin: ChildStdin, mut lines: mpsc::UnboundedReceiver<Request>, queue: Queue) {
    while let Some(Request { text, waiting }) = lines.recv().await {
        match &mut *lock(&queue) {
            Some(queue) => queue.push_back(waiting),
            None => return,
        }
        if stdin.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read(
    stdout: &mut ChildStdout,
    queue: &Queue,
    give_up: &Notify,
    announce: &mut (impl FnMut(Announcement) + Send),
) {
    let mut parser = Parser::default();
    let mut buffer = vec![0; 64 * 1024];
    let mut sound = true;
    while sound {
        let size = tokio::select! {
            size = stdout.read(&mut buffer) => size.unwrap_or(0),
            () = give_up.notified() => 0,
        };
        if size == 0 {
            return;
        }
        parser.feed(&buffer[..size], |said| match said {
            _ if !sound => {}
            Said::Reply { ours: true, ok, text } => sound = answer(queue, ok, &text),
            Said::Output(pane) => announce(Announcement::Output(pane)),
            Said::Attached(session) => announce(Announcement::Attached(session)),
            Said::Nonsense => sound = false,
            Said::Reply { ours: false, .. } | Said::Exit => {}
        });
    }
}

/// Hands a reply to the line that waits for it; `false` when none does.
fn answer(queue: &Queue, ok: bool, text: &[u8]) -> bool {
    let mut queue = lock(queue);
    let Some(waiting) = queue.as_mut().and_then(VecDeque::front_mut) else { return false };
    let text = String::from_utf8_lossy(text).into_owned();
    waiting.left = waiting.left.saturating_sub(1);
    waiting.replies.push(if ok { Ok(text) } else { Err(text) });
    if (waiting.left == 0 || !ok)
        && let Some(Waiting { replies, done, .. }) = queue.as_mut().and_then(VecDeque::pop_front)
    {
        // Whoever asked may have stopped waiting.
        drop(done.send(replies));
    }
    true
}

fn lock(queue: &Queue) -> MutexGuard<'_, Option<VecDeque<Waiting>>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}
