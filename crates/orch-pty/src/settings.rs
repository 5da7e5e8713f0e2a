use std::ffi::OsString;

use camino::{Utf8Path, Utf8PathBuf};
use orch_core::base::Millis;

/// Where sessions are kept and how their host is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PtySettings {
    /// The directory of one host: its lock, socket and table. Made with mode 0700 when absent.
    pub dir: Utf8PathBuf,
    /// The program that becomes the host, and arguments before those that are appended. It must call
    /// [`crate::host_entry`] first. Empty means this very program, which is possible only if its
    /// `main` did so.
    pub host_command: Vec<OsString>,
    /// How large a session's log grows, in bytes, before it becomes `<log>.1` and a new one is begun.
    pub log_limit: u64,
    /// How long a host without sessions and clients stays.
    pub linger: Millis,
}

impl PtySettings {
    /// The usual settings for a directory: this program is the host, logs of 64 MiB, 2 seconds to linger.
    pub fn new(dir: impl Into<Utf8PathBuf>) -> Self {
        Self { dir: dir.into(), host_command: Vec::new(), log_limit: 64 << 20, linger: Millis(2000) }
    }
}

/// The file that a living host keeps locked.
pub(crate) fn lock_file(dir: &Utf8Path) -> Utf8PathBuf {
    dir.join("host.lock")
}

/// The table of sessions, which outlives every host.
pub(crate) fn table_file(dir: &Utf8Path) -> Utf8PathBuf {
    dir.join("host.jsonl")
}

/// The socket's name in the directory.
pub(crate) const SOCKET: &str = "host.sock";
