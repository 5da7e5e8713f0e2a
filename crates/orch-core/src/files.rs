//! Which files a task may touch, and whether two such sets can meet.

use serde::{Deserialize, Serialize};

/// The paths, directories and globs of one task, as written in the manifest (leading `./` dropped).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileSet(Vec<String>);

impl FileSet {
    /// Whether nothing is declared; such a set overlaps nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entries as written.
    pub fn entries(&self) -> &[String] {
        &self.0
    }
}
