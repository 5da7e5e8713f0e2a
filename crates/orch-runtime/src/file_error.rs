use std::io;

use camino::{Utf8Path, Utf8PathBuf};

/// A file of the workdir could not be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}: {source}")]
pub struct FileError {
    /// What was tried, as a verb.
    pub action: &'static str,
    /// Which file or directory.
    pub path: Utf8PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Gives an [`io::Error`] the verb and the path that it lacks.
pub(crate) trait Context<T> {
    fn doing(self, action: &'static str, path: &Utf8Path) -> Result<T, FileError>;
}

impl<T> Context<T> for io::Result<T> {
    fn doing(self, action: &'static str, path: &Utf8Path) -> Result<T, FileError> {
        self.map_err(|source| FileError { action, path: path.to_owned(), source })
    }
}
