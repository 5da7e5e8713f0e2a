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
