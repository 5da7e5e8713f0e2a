use std::collections::BTreeMap;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// One lock a path, kept only while somebody holds or awaits it.
#[derive(Debug, Default)]
pub(super) struct PathLocks {
    locks: StdMutex<BTreeMap<Utf8PathBuf, Arc<Mutex<()>>>>,
}

impl PathLocks {
    /// Waits until nobody else holds the path.
    pub(super) async fn hold(&self, path: &Utf8Path) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            locks.entry(path.to_owned()).or_default().clone()
        };
        lock.lock_owned().await
    }
}
