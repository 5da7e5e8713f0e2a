//! What came of a tale, told.

use std::fmt;

use super::coverage::Coverage;
use super::laws::Breach;
use super::tale::Tale;
use crate::engine::Outlook;
use crate::journal::Entry;
use crate::testkit::scenario::tell;

/// What came of a tale.
pub struct Account {
    pub(super) tale: Tale,
    /// The journal.
    pub journal: Vec<Entry>,
    /// How it stood at the end.
    pub outlook: Outlook,
    /// The first breach of a law.
    pub breach: Option<Breach>,
    /// How often the orchestrator was killed.
    pub crashes: u32,
    /// Which moves of the status machine happened after which faults and verbs.
    pub coverage: Coverage,
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.tale, tell(&self.journal, |_| true))?;
        writeln!(f, "{:?} after {} records, killed {} times", self.outlook, self.journal.len(), self.crashes)?;
        match &self.breach {
            Some(breach) => writeln!(f, "{breach}"),
            None => Ok(()),
        }
    }
}
