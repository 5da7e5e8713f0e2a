//! The table of sessions on disk: one JSON object a line, appended before the world is told.
//!
//! A line is there for whoever comes next as soon as it is written, whichever process is killed then.
//! Only a power cut could take it back, and behind one nothing of a session lives: so only exits,
//! which shall be known even then, are flushed to the disk before they are announced.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::mpsc;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::LaunchId;
use orch_core::ports::{ExitStatus, ProcessId};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::session::{PtySession, PtyState};
use crate::settings::table_file;

/// How many lines about the past, besides some for each session, make the table worth writing anew.
const WORN: usize = 8192;
/// How many lines a session has in its life, at most.
const LINES: usize = 4;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Line<'a> {
    /// The session is about to be started.
    Starting(Box<Cow<'a, PtySession>>),
    /// This is its process.
    Started { launch: LaunchId, process: Option<ProcessId> },
    /// Its process has ended.
    Exited { launch: LaunchId, status: ExitStatus },
    /// Nothing of it is kept.
    Forgotten { launch: LaunchId },
}

/// The table in the hands of whoever holds the host's lock.
#[derive(Debug)]
pub(crate) struct Table {
    path: Utf8PathBuf,
    file: Arc<File>,
    lines: usize,
    /// A line may have been written in part: the next one begins on a line of its own.
    torn: bool,
    flusher: mpsc::Sender<(Arc<File>, oneshot::Sender<()>)>,
}

/// What the table says; sessions that were not seen to end are lost. An absent table is an empty one.
///
/// # Errors
/// The table is there and cannot be read.
pub(crate) fn read(dir: &Utf8Path) -> io::Result<BTreeMap<LaunchId, PtySession>> {
    match std::fs::read(table_file(dir)) {
        Ok(text) => Ok(fold(&text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

/// Lines that were cut off say nothing.
fn fold(text: &[u8]) -> BTreeMap<LaunchId, PtySession> {
    let mut sessions = BTreeMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        match serde_json::from_slice(line) {
            Ok(Line::Starting(session)) => {
                let mut session = session.into_owned();
                if session.state == PtyState::Running {
                    session.state = PtyState::Lost;
                }
                sessions.insert(session.launch, session);
            }
            Ok(Line::Started { launch, process }) => {
                if let Some(session) = sessions.get_mut(&launch) {
                    session.process = process;
                }
            }
            Ok(Line::Exited { launch, status }) => {
                if let Some(session) = sessions.get_mut(&launch) {
                    session.state = PtyState::Exited(status);
                }
            }
            Ok(Line::Forgotten { launch }) => {
                sessions.remove(&launch);
            }
            Err(_) => {}
        }
    }
    sessions
}

impl Table {
    /// Opens the table, written anew without what was forgotten.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub(crate) fn open(dir: &Utf8Path) -> io::Result<(Self, BTreeMap<LaunchId, PtySession>)> {
        let sessions = read(dir)?;
        let path = table_file(dir);
        let file = rewrite(&path, sessions.values())?;
        let (flusher, asked) = mpsc::channel();
        std::thread::Builder::new().name("flush".to_owned()).spawn(move || flush(&asked))?;
        let table = Self { path, file: Arc::new(file), lines: sessions.len(), torn: false, flusher };
        Ok((table, sessions))
    }

    /// Notes that a session is about to be started.
    pub(crate) fn starting(&mut self, session: &PtySession) -> io::Result<()> {
        self.append(&Line::Starting(Box::new(Cow::Borrowed(session))))
    }

    /// Notes which process a session has.
    pub(crate) fn started(&mut self, launch: LaunchId, process: Option<ProcessId>) -> io::Result<()> {
        self.append(&Line::Started { launch, process })
    }

    /// Notes how a session ended; what comes back is told when that is on the disk.
    pub(crate) fn exited(&mut self, launch: LaunchId, status: ExitStatus) -> io::Result<oneshot::Receiver<()>> {
        self.append(&Line::Exited { launch, status })?;
        let (done, flushed) = oneshot::channel();
        // A flusher that is gone drops the question, which is an answer too.
        self.flusher.send((Arc::clone(&self.file), done)).unwrap_or_default();
        Ok(flushed)
    }

    /// Notes that nothing of a session is kept.
    pub(crate) fn forgotten(&mut self, launch: LaunchId) -> io::Result<()> {
        self.append(&Line::Forgotten { launch })
    }

    /// Whether most of the table is about the past, or a part of it is in doubt.
    pub(crate) fn is_worn(&self, sessions: usize) -> bool {
        self.torn || self.lines > WORN + LINES * sessions
    }

    /// Writes the table anew. A failure leaves the old one.
    pub(crate) fn renew(&mut self, sessions: &[PtySession]) {
        if let Ok(file) = rewrite(&self.path, sessions.iter()) {
            (self.file, self.lines, self.torn) = (Arc::new(file), sessions.len(), false);
        }
    }

    fn append(&mut self, line: &Line<'_>) -> io::Result<()> {
        let mut text = if self.torn { b"\n".to_vec() } else { Vec::new() };
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
        self.torn = true;
        (&*self.file).write_all(&text)?;
        self.torn = false;
        self.lines += 1;
        Ok(())
    }
}

fn rewrite<'a>(path: &Utf8Path, sessions: impl Iterator<Item = &'a PtySession>) -> io::Result<File> {
    let mut text = Vec::new();
    for session in sessions {
        serde_json::to_writer(&mut text, &Line::Starting(Box::new(Cow::Borrowed(session))))?;
        text.push(b'\n');
    }
    let draft = path.with_extension("new");
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(&text)?;
    file.sync_data()?;
    drop(file);
    std::fs::rename(&draft, path)?;
    File::options().append(true).open(path)
}

/// Flushes for everybody who waits at once.
fn flush(asked: &mpsc::Receiver<(Arc<File>, oneshot::Sender<()>)>) {
    while let Ok((file, done)) = asked.recv() {
        let mut waiting = vec![(file, done)];
        waiting.extend(asked.try_iter());
        let mut flushed: Option<&Arc<File>> = None;
        for (file, _) in &waiting {
            if !flushed.is_some_and(|last| Arc::ptr_eq(last, file)) {
                // A disk that cannot flush is no reason to keep an exit back.
                file.sync_data().unwrap_or_default();
                flushed = Some(file);
            }
        }
        for (_, done) in waiting {
            done.send(()).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use orch_core::base::Timestamp;

    use super::*;

    fn session(launch: u64) -> PtySession {
        PtySession {
            launch: LaunchId(launch),
            name: format!("n-{launch}"),
            argv: vec!["a\nb".to_owned()],
            cwd: "/".into(),
            process: None,
            state: PtyState::Running,
            started_at: Timestamp::from_millis(1),
            last_output_at: None,
            log: "/log".into(),
            log_lost: 0,
            printed: 0,
            size: (80, 24),
            worktree: Some("/w".to_owned()),
            meta: BTreeMap::from([("k".to_owned(), "v".to_owned())]),
        }
    }

    #[tokio::test]
    async fn every_prefix_of_a_table_is_one_and_a_new_one_says_the_same() {
        let dir = tempfile::tempdir().expect("a directory");
        let dir = Utf8Path::from_path(dir.path()).expect("utf-8");
        let (mut table, none) = Table::open(dir).expect("opened");
        assert!(none.is_empty());
        let status = ExitStatus { code: Some(3), signal: None };
        for launch in 1..=3 {
            table.starting(&session(launch)).expect("written");
        }
        table.exited(LaunchId(2), status).expect("written").await.expect("flushed");
        table.forgotten(LaunchId(3)).expect("written");
        let text = std::fs::read(table_file(dir)).expect("read");
        let whole = read(dir).expect("read");
        assert_eq!(whole.len(), 2);
        assert_eq!(whole[&LaunchId(1)].state, PtyState::Lost, "nobody saw its end");
        assert_eq!(whole[&LaunchId(2)], PtySession { state: PtyState::Exited(status), ..session(2) });
        for end in 0..text.len() {
            let lines = text[..end].split(|byte| *byte == b'\n').count();
            assert!(fold(&text[..end]).len() <= lines, "cut off at {end}");
        }
        drop(table);
        let (mut table, kept) = Table::open(dir).expect("opened");
        assert_eq!(kept, whole);
        // A line that was cut off spoils only itself.
        table.torn = true;
        (&*table.file).write_all(b"{\"starting\":{").expect("written");
        table.starting(&session(4)).expect("written");
        assert_eq!(read(dir).expect("read").len(), 3);
        assert!(!table.is_worn(3));
        table.torn = true;
        assert!(table.is_worn(3));
        table.renew(&[session(5)]);
        assert_eq!(read(dir).expect("read").into_keys().collect::<Vec<_>>(), [LaunchId(5)]);
        table.forgotten(LaunchId(5)).expect("written");
        assert!(read(dir).expect("read").is_empty(), "lines go to the new file");
    }
}
