//! Those who follow: the records of the journal from a place on, and what is seen meanwhile, as they come.

use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::journal::Entry;
use orch_core::views::LiveView;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::watch;

use super::{ControlError, Reply};
use crate::file_error::FileError;
use crate::journal::{Cursor, Records, tail_journal};

/// What a follower asks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "camelCase")]
pub(super) enum Ask {
    /// Everything after this record.
    Follow {
        /// Its place; 0 for the whole journal.
        from: u64,
    },
}

/// What a follower gets, one a line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Followed {
    /// A record that is durable.
    Record(Box<Entry>),
    /// What is seen of all live sessions just now.
    Live(Vec<LiveView>),
}

/// What there is to tell; a follower that is busy meanwhile gets the newest of it.
#[derive(Debug, Clone, Default)]
struct News {
    /// Records up to here are durable.
    seq: u64,
    /// What is seen of live sessions.
    live: Arc<[LiveView]>,
}

/// Where the driver says that there is something new; nothing of it waits for anybody.
#[derive(Debug)]
pub struct Publisher {
    news: watch::Sender<News>,
}

/// What followers are served from.
#[derive(Debug)]
pub struct Feed {
    journal: Utf8PathBuf,
    news: watch::Receiver<News>,
}

impl Publisher {
    /// A publisher of a journal, and the feed of it.
    pub fn new(journal: Utf8PathBuf) -> (Self, Feed) {
        let (news, told) = watch::channel(News::default());
        (Self { news }, Feed { journal, news: told })
    }

    /// Records up to this place are durable.
    pub fn recorded(&self, seq: u64) {
        self.news.send_modify(|news| news.seq = seq);
    }

    /// This is seen just now.
    pub fn seen(&self, live: &[LiveView]) {
        self.news.send_modify(|news| news.live = live.into());
    }
}

/// Sends everything after a place, until the client or the publisher goes.
pub(super) async fn serve(mut stream: UnixStream, feed: Arc<Feed>, from: u64) {
    let mut news = feed.news.clone();
    let mut cursor = Cursor::default();
    let mut seen: Arc<[LiveView]> = Arc::default();
    let mut ends = false;
    loop {
        let News { seq, live } = news.borrow_and_update().clone();
        if cursor == Cursor::default() || cursor.seq < seq || ends {
            let path = feed.journal.clone();
            let read = tokio::task::spawn_blocking(move || tail_journal::<Entry>(&path, cursor)).await;
            let Ok(Ok(Records { records, cursor: reached })) = read else { return };
            cursor = reached;
            for entry in records.into_iter().filter(|entry| entry.seq.0 > from) {
                if !send(&mut stream, &Followed::Record(Box::new(entry))).await {
                    return;
                }
            }
        }
        if ends {
            return;
        }
        if !Arc::ptr_eq(&live, &seen) {
            let differs = !live.is_empty() || !seen.is_empty();
            if differs && !send(&mut stream, &Followed::Live(live.to_vec())).await {
                return;
            }
            seen = live;
        }
        tokio::select! {
            // What was written last is sent before the end.
            changed = news.changed() => ends = changed.is_err(),
            () = gone(&stream) => return,
        }
    }
}

/// Waits for the client's end. A follower says nothing more, so whatever can be read is its end.
async fn gone(stream: &UnixStream) {
    loop {
        if stream.readable().await.is_err() {
            return;
        }
        match stream.try_read(&mut [0]) {
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
            _ => return,
        }
    }
}

async fn send(stream: &mut UnixStream, followed: &Followed) -> bool {
    let Ok(mut line) = serde_json::to_vec(&Reply::Answer(followed)) else { return false };
    line.push(b'\n');
    let sent = tokio::time::timeout(super::server::PATIENCE, stream.write_all(&line)).await;
    matches!(sent, Ok(Ok(())))
}

/// What comes from an orchestrator that is followed.
#[derive(Debug)]
pub struct Following {
    lines: BufReader<UnixStream>,
    path: Utf8PathBuf,
}

/// Follows the running orchestrator from a record on; 0 for the whole journal.
///
/// # Errors
/// [`ControlError`] when nobody listens there. An orchestrator of a version that cannot be followed shows
/// as [`ControlError::Refused`] of the first [`Following::next`].
pub async fn follow(path: &Utf8Path, from: u64) -> Result<Following, ControlError> {
    let mut stream = super::connect(path).await?;
    let mut line =
        serde_json::to_vec(&Ask::Follow { from }).map_err(|e| ControlError::Unsendable { why: e.to_string() })?;
    line.push(b'\n');
    let sent = stream.write_all(&line).await;
    sent.map_err(|source| FileError { action: "write to", path: path.to_owned(), source })?;
    Ok(Following { lines: BufReader::new(stream), path: path.to_owned() })
}

impl Following {
    /// The next of it; `None` when the orchestrator left. Safe to be dropped only with the whole.
    ///
    /// # Errors
    /// [`ControlError::BadAnswer`] for a line of another version; [`ControlError::Refused`].
    pub async fn next(&mut self) -> Result<Option<Followed>, ControlError> {
        let mut line = Vec::new();
        let read = (&mut self.lines).take(LONGEST).read_until(b'\n', &mut line).await;
        if read.is_err() || line.pop() != Some(b'\n') {
            return Ok(None);
        }
        match serde_json::from_slice(&line) {
            Ok(Reply::Answer(followed)) => Ok(Some(followed)),
            Ok(Reply::Refused(refusal)) => Err(ControlError::Refused(refusal)),
            Err(error) => Err(ControlError::BadAnswer { path: self.path.clone(), why: error.to_string() }),
        }
    }
}

/// The longest record that is followed: a plan of a manifest of the largest size.
const LONGEST: u64 = 1024 * 1024 * 1024;

#[cfg(test)]
mod tests;
