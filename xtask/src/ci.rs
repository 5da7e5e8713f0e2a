//! `cargo xtask ci`.

use std::path::Path;
use std::process::{Command, ExitCode};

/// Runs `.ci/run`, which says what must hold; it installs only what is missing.
pub(crate) fn run(root: &Path) -> ExitCode {
    match Command::new(root.join(".ci/run")).current_dir(root).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!(".ci/run cannot be started: {error}");
            ExitCode::FAILURE
        }
    }
}
