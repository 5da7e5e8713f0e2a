use std::fs::{File, TryLockError};
use std::time::Duration;

use camino::Utf8PathBuf;

use super::{LockError, WorkdirLock, open_lock};
use crate::file_error::{Context, FileError};
use crate::workdir::Workdir;

/// How often orphans are looked for while they are waited for.
const STEP: Duration = Duration::from_millis(50);

/// Hands out what children carry as standard input, so that whoever takes over can tell that they still run.
#[derive(Debug, Clone)]
pub struct EffectsLock {
    path: Utf8PathBuf,
}

impl EffectsLock {
    /// Waits until no child of an earlier orchestrator is at work any more. `_held` shows that the
    /// caller is the orchestrator now, so that no new ones can appear.
    ///
    /// # Errors
    /// [`LockError::Busy`] after `timeout`, [`LockError::File`].
    pub async fn drain(workdir: &Workdir, timeout: Duration, _held: &WorkdirLock) -> Result<Self, LockError> {
        let path = workdir.effects_lock();
        let file = open_lock(&path)?;
        let deadline = tokio::time::Instant::now() + timeout;
        loop {
            match file.try_lock() {
                Ok(()) => {
                    // Closing would not do while another thread's child is between fork and exec.
                    file.unlock().doing("unlock", &path)?;
                    return Ok(Self { path });
                }
                Err(TryLockError::WouldBlock) if tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(STEP).await;
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(LockError::Busy { root: workdir.root().to_owned(), lock: path });
                }
                Err(TryLockError::Error(source)) => return Err(FileError { action: "lock", path, source }.into()),
            }
        }
    }

    /// An empty file, locked for as long as a copy of it is open anywhere: a child's standard input.
    ///
    /// # Errors
    /// [`LockError::File`] when the file cannot be opened or locked.
    pub fn shared_handle(&self) -> Result<File, LockError> {
        let file = open_lock(&self.path)?;
        match file.try_lock_shared() {
            Ok(()) => Ok(file),
            Err(error) => Err(FileError { action: "lock", path: self.path.clone(), source: error.into() }.into()),
        }
    }
}
