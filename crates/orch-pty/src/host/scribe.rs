//! Writes the logs of all sessions from one thread: a slow disk slows down those who print faster than
//! it takes, and nobody else.

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use super::log::Log;

/// How many bytes of one session wait to be written before its terminal is read no further.
const MOST: usize = 1 << 20;
/// How long an exit waits for the end of its log.
const PATIENCE: Duration = Duration::from_secs(1);

/// The way to the thread that writes; it ends with the last of these and of its [`Record`]s.
#[derive(Debug, Clone)]
pub(super) struct Scribe {
    jobs: mpsc::Sender<Job>,
}

/// One session's log, as the session sees it.
#[derive(Debug)]
pub(super) struct Record {
    jobs: mpsc::Sender<Job>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    log: Mutex<Log>,
    /// How many bytes wait to be written.
    waiting: AtomicUsize,
    lost: AtomicU64,
    room: Notify,
}

#[derive(Debug)]
enum Job {
    Write(Arc<Shared>, Vec<u8>),
    /// Answered when all before it is written.
    Tell(oneshot::Sender<()>),
}

impl Scribe {
    /// Starts the thread.
    ///
    /// # Errors
    /// There is no room for one.
    pub(super) fn begin() -> io::Result<Self> {
        let (jobs, asked) = mpsc::channel();
        std::thread::Builder::new().name("logs".to_owned()).spawn(move || asked.iter().for_each(work))?;
        Ok(Self { jobs })
    }

    /// Takes a log over.
    pub(super) fn record(&self, log: Log) -> Record {
        let shared = Shared {
            log: Mutex::new(log),
            waiting: AtomicUsize::default(),
            lost: AtomicU64::default(),
            room: Notify::new(),
        };
        Record { jobs: self.jobs.clone(), shared: Arc::new(shared) }
    }
}

impl Record {
    /// Has bytes written behind all before them.
    pub(super) fn write(&self, bytes: &[u8]) {
        self.shared.waiting.fetch_add(bytes.len(), Ordering::AcqRel);
        // Without the thread nothing is written any more, and nothing waits.
        if self.jobs.send(Job::Write(Arc::clone(&self.shared), bytes.to_vec())).is_err() {
            self.shared.waiting.store(0, Ordering::Release);
        }
    }

    /// Whether more may be written without waiting.
    pub(super) fn has_room(&self) -> bool {
        self.shared.waiting.load(Ordering::Acquire) <= MOST
    }

    /// What tells when there is room again.
    pub(super) fn room(&self) -> impl Future<Output = ()> + use<> {
        let shared = Arc::clone(&self.shared);
        async move {
            while shared.waiting.load(Ordering::Acquire) > MOST {
                shared.room.notified().await;
            }
        }
    }

    /// What tells when all is written, or it took too long.
    pub(super) fn written(&self) -> impl Future<Output = ()> + use<> {
        let (done, told) = oneshot::channel();
        let asked = self.jobs.send(Job::Tell(done)).is_ok();
        async move {
            if asked {
                // A disk that hangs is no reason to keep an exit back.
                drop(timeout(PATIENCE, told).await);
            }
        }
    }

    /// How many bytes are missing in the log.
    pub(super) fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Acquire)
    }
}

fn work(job: Job) {
    match job {
        Job::Write(shared, bytes) => {
            let mut log = shared.log.lock().unwrap_or_else(PoisonError::into_inner);
            log.write(&bytes);
            shared.lost.store(log.lost(), Ordering::Release);
            drop(log);
            shared.waiting.fetch_sub(bytes.len(), Ordering::AcqRel);
            if shared.waiting.load(Ordering::Acquire) <= MOST {
                shared.room.notify_one();
            }
        }
        // Whoever asked may have stopped waiting.
        Job::Tell(done) => done.send(()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;

    use super::*;

    #[tokio::test]
    async fn everything_is_written_in_order_and_room_comes_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = Utf8PathBuf::from_path_buf(dir.path().join("log")).expect("utf-8");
        let scribe = Scribe::begin().expect("a thread");
        let record = scribe.record(Log::open(path.clone(), u64::MAX).expect("opened"));
        let held = record.shared.log.lock().expect("whole");
        let mut wanted = Vec::new();
        for piece in 0..300_u32 {
            let bytes = [piece.to_be_bytes().as_slice(), &vec![b'x'; 5000]].concat();
            record.write(&bytes);
            wanted.extend(bytes);
        }
        assert!(!record.has_room(), "the disk takes nothing");
        drop(held);
        timeout(Duration::from_secs(20), record.room()).await.expect("room");
        record.written().await;
        assert!(record.has_room());
        assert_eq!((std::fs::read(path).expect("read") == wanted, record.lost()), (true, 0));
    }
}
