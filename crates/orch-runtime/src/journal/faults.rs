use std::sync::atomic::{AtomicU32, Ordering};

/// Where a test may end the process to see that the next one takes over.
///
/// The points of the journal: `journal.before-write`, `journal.written`, `journal.synced`.
pub trait Faults: Send + Sync {
    /// The program has come to a point; whoever implements this may never return.
    fn at(&self, point: &str);
}

/// Nothing ever goes wrong.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFaults;

impl Faults for NoFaults {
    fn at(&self, _point: &str) {}
}

/// Ends the process, as SIGKILL from outside would, the n-th time that it comes to a point.
#[derive(Debug)]
pub struct DieAt {
    point: String,
    left: AtomicU32,
}

impl DieAt {
    /// Reads `POINT` or `POINT:N`, N counted from 1.
    pub fn parse(wanted: &str) -> Self {
        let (point, times) = wanted.rsplit_once(':').unwrap_or((wanted, "1"));
        Self { point: point.to_owned(), left: times.parse().unwrap_or(1).into() }
    }
}

impl Faults for DieAt {
    fn at(&self, point: &str) {
        if point == self.point && self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
    }
}
