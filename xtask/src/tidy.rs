//! The house rules that compiler and clippy cannot see.

mod code;
mod crates;
mod rooms;
mod sources;
mod tree;

use std::fmt;
use std::path::{Path, PathBuf};

/// One breach of one rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// The file, relative to the workspace.
    path: String,
    /// The line, counted from 1; 0 for the file as a whole.
    line: usize,
    /// What is wrong, and what to do.
    message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, message } = self;
        match line {
            0 => write!(f, "{path}: {message}"),
            line => write!(f, "{path}:{line}: {message}"),
        }
    }
}

/// Why the rules could not be checked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TidyError {
    /// A file or directory cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Checks every rule on the workspace in that directory; the findings are sorted.
///
/// # Errors
/// [`TidyError::Unreadable`] if a file or directory cannot be read.
pub(crate) fn check(root: &Path) -> Result<Vec<Finding>, TidyError> {
    let files = tree::read(root)?;
    let mut findings: Vec<Finding> = files.iter().flat_map(sources::check).collect();
    findings.extend(sources::stale_exceptions(&files));
    findings.extend(files.iter().flat_map(rooms::check));
    findings.extend(files.iter().filter(|file| file.is_named("Cargo.toml")).flat_map(crates::check));
    findings.sort();
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_tidy() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is in the workspace");
        let findings: Vec<String> = check(root).expect("readable").iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "{}", findings.join("\n"));
    }
}
