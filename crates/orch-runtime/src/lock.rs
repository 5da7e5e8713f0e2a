use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::Timestamp;
use orch_core::ports::ProcessId;
use serde::{Deserialize, Serialize};

use crate::clock::wall;
use crate::file_error::{Context, FileError};
use crate::workdir::Workdir;

mod effects;

pub use effects::EffectsLock;

/// How often, and after what pause, a lock is tried that nobody alive seems to hold.
const PATIENCE: (u32, Duration) = (20, Duration::from_millis(25));

/// The right to be the one orchestrator of a workdir; given back when dropped or when the process dies.
#[derive(Debug)]
pub struct WorkdirLock {
    file: File,
    owner: Owner,
}

/// Who holds a workdir, as written inside the lock file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The process.
    #[serde(flatten)]
    pub process: ProcessId,
    /// Since when.
    pub since: Timestamp,
    /// The version of orch that it runs.
    pub version: String,
    /// Where it listens for requests.
    pub control: Option<Utf8PathBuf>,
}

/// Why a lock could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another orchestrator has it.
    #[error("{}", held_text(.root, *.pid, *.since))]
    Held {
        /// The workdir.
        root: Utf8PathBuf,
        /// Its process id, if it had time to say so.
        pid: Option<u32>,
        /// Since when.
        since: Option<Timestamp>,
        /// Where it listens for requests.
        control: Option<Utf8PathBuf>,
    },
    /// Children of an orchestrator that died still perform its last effects (a push, say).
    #[error(
        "children of the orchestrator that died are still at work in {root}; try again when they are done (`fuser {lock}` shows them)"
    )]
    Busy {
        /// The workdir.
        root: Utf8PathBuf,
        /// The file that they hold.
        lock: Utf8PathBuf,
    },
    /// The lock file could not be used.
    #[error(transparent)]
    File(#[from] FileError),
}

fn held_text(root: &Utf8Path, pid: Option<u32>, since: Option<Timestamp>) -> String {
    let pid = pid.map_or(String::new(), |pid| format!(" (process {pid})"));
    let since = since.map_or(String::new(), |at| format!(" since {at}"));
    format!("another orchestrator{pid} holds {root}{since}; `orch status` shows what it does, `orch stop` ends it")
}

impl WorkdirLock {
    /// Takes the lock at once or says who has it. A lock that no living owner explains (a reader that
    /// looks, a child between fork and exec) is tried again for half a second.
    ///
    /// # Errors
    /// [`LockError::Held`], [`LockError::File`].
    pub async fn acquire(workdir: &Workdir, control: Option<&Utf8Path>) -> Result<Self, LockError> {
        let path = workdir.lock();
        for _ in 0..PATIENCE.0 {
            let file = open_lock(&path)?;
            match attempt(&file, &path)? {
                Attempt::Ours => return Self::take(file, &path, control),
                Attempt::Removed => {}
                Attempt::Taken if read_owner(&file).is_some_and(|owner| owner.lives()) => break,
                Attempt::Taken => tokio::time::sleep(PATIENCE.1).await,
            }
        }
        let owner = open_lock(&path).ok().and_then(|file| read_owner(&file));
        Err(LockError::Held {
            root: workdir.root().to_owned(),
            pid: owner.as_ref().map(|o| o.process.pid),
            since: owner.as_ref().map(|o| o.since),
            control: owner.and_then(|o| o.control),
        })
    }

    /// What the lock file says of this process.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    fn take(mut file: File, path: &Utf8Path, control: Option<&Utf8Path>) -> Result<Self, LockError> {
        let pid = std::process::id();
        let process =
            orch_process::identify(pid).unwrap_or(ProcessId { pid, started: 0, boot: orch_process::boot_id() });
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let owner = Owner { process, since: wall(), version, control: control.map(Utf8Path::to_owned) };
        let text = serde_json::to_vec(&owner).map_err(std::io::Error::from).doing("write", path)?;
        file.set_len(0).doing("empty", path)?;
        file.seek(SeekFrom::Start(0)).doing("write", path)?;
        file.write_all(&text).doing("write", path)?;
        Ok(Self { file, owner })
    }
}

impl Drop for WorkdirLock {
    /// Empties the record, so that readers need not try the lock, and unlocks, because closing alone
    /// would not do while another thread's child is between fork and exec. What fails here the end of
    /// the process makes good.
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}

impl Owner {
    /// Whether that very process is alive.
    pub fn lives(&self) -> bool {
        orch_process::alive(&self.process)
    }
}

/// Who holds a workdir now, for readers: the lock itself proves it, the record only names it.
///
/// # Errors
/// [`FileError`] when the lock file exists and cannot be read.
pub fn holder(workdir: &Workdir) -> Result<Option<Owner>, FileError> {
    let path = workdir.lock();
    let file = match File::open(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.doing("open", &path)?,
    };
    let Some(owner) = read_owner(&file) else { return Ok(None) };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(owner)),
        Err(TryLockError::Error(source)) => Err(FileError { action: "lock", path, source }),
    }
}

fn open_lock(path: &Utf8Path) -> Result<File, FileError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).doing("open", path)
}

/// What came of one try at the lock.
#[derive(Debug, PartialEq, Eq)]
enum Attempt {
    Ours,
    Taken,
    /// `cleanup` took the file away between open and lock: what is locked is no longer the lock.
    Removed,
}

fn attempt(file: &File, path: &Utf8Path) -> Result<Attempt, FileError> {
    match file.try_lock() {
        Ok(()) if is_at(file, path) => Ok(Attempt::Ours),
        Ok(()) => Ok(Attempt::Removed),
        Err(TryLockError::WouldBlock) => Ok(Attempt::Taken),
        Err(TryLockError::Error(source)) => Err(FileError { action: "lock", path: path.to_owned(), source }),
    }
}

fn is_at(file: &File, path: &Utf8Path) -> bool {
    let key = |m: std::fs::Metadata| (m.dev(), m.ino());
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => key(open) == key(named),
        _ => false,
    }
}

fn read_owner(file: &File) -> Option<Owner> {
    let mut text = String::new();
    let mut reader = file.take(64 * 1024);
    reader.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests;
