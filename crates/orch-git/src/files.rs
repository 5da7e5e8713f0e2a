//! Files that are replaced whole or not at all.

use std::fs::File;
use std::io::{self, Write};

use camino::Utf8Path;

/// Replaces a file atomically and durably: a new one beside it, synced, renamed over it, the directory synced.
pub(crate) fn replace_file(path: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_str().is_empty()).unwrap_or(Utf8Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".orch-").tempfile_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(dir)?.sync_all()
}
