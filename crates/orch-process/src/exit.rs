use std::time::Duration;

use orch_core::ports::ProcessId;

use crate::identity::alive;

/// How often a process is looked at where the kernel cannot announce its end.
const POLL: Duration = Duration::from_secs(2);

/// The future end of one process. On Linux it costs one descriptor and no wake-up until it happens.
#[derive(Debug)]
pub struct Exit {
    process: ProcessId,
    #[cfg(target_os = "linux")]
    fd: Option<tokio::io::unix::AsyncFd<rustix::fd::OwnedFd>>,
}

impl Exit {
    /// Begins to watch; `None` when the process is gone already.
    ///
    /// # Panics
    /// Outside a tokio runtime with IO and time.
    pub fn watch(process: &ProcessId) -> Option<Self> {
        #[cfg(target_os = "linux")]
        let fd = open(process.pid);
        // Looked at after the descriptor is held: from here on it is this process and no other.
        alive(process).then(|| Self {
            process: process.clone(),
            #[cfg(target_os = "linux")]
            fd,
        })
    }

    /// Comes back when the process has ended, whoever its parent is; cancel-safe.
    pub async fn wait(&self) {
        #[cfg(target_os = "linux")]
        if let Some(fd) = &self.fd
            && fd.readable().await.is_ok()
        {
            return;
        }
        while alive(&self.process) {
            tokio::time::sleep(POLL).await;
        }
    }
}

#[cfg(target_os = "linux")]
#[expect(
    deprecated,
    reason = "its replacement is unsafe to call; an OwnedFd is neither closed nor replaced while it is registered"
)]
fn open(pid: u32) -> Option<tokio::io::unix::AsyncFd<rustix::fd::OwnedFd>> {
    use rustix::process::{PidfdFlags, pidfd_open};
    use tokio::io::{Interest, unix::AsyncFd};
    let fd = pidfd_open(crate::identity::raw(pid)?, PidfdFlags::empty()).ok()?;
    AsyncFd::with_interest(fd, Interest::READABLE).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::process::Command;
    use tokio::time::timeout;

    use super::*;
    use crate::{Signal, identify, signal};

    #[tokio::test]
    async fn an_end_is_seen_when_it_happens_and_not_before() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep starts");
        let id = identify(child.id().expect("a pid")).expect("it lives");
        let exit = Exit::watch(&id).expect("it lives");
        assert!(timeout(Duration::from_millis(30), exit.wait()).await.is_err(), "it still runs");
        assert!(signal(&id, Signal::TERM));
        timeout(Duration::from_secs(5), exit.wait()).await.expect("its end is announced");
        child.wait().await.expect("reaped");
        assert!(Exit::watch(&id).is_none());
    }
}
