use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use orch_core::base::Sha;
use orch_core::ports::VcsError;

use super::trouble;

/// How much of what git said goes into an error.
const SHOWN_CHARS: usize = 4000;

/// What a call printed and how it ended.
#[derive(Debug)]
pub(crate) struct Output {
    /// The exit status; 128 and the signal's number if it was killed.
    pub(crate) status: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Output {
    pub(crate) fn new(status: ExitStatus, stdout: Vec<u8>, stderr: &[u8]) -> Self {
        let status = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        Self { status, stdout, stderr: printable(&String::from_utf8_lossy(stderr)) }
    }

    /// Its text, without the newline at the end.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end_matches('\n').to_owned()
    }

    /// Its lines.
    pub(crate) fn lines(&self) -> Vec<String> {
        String::from_utf8_lossy(&self.stdout).lines().map(str::to_owned).collect()
    }

    /// The NUL-terminated pieces of what it printed.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.stdout.split(|byte| *byte == 0).filter(|piece| !piece.is_empty())
    }

    /// The NUL-terminated pieces as text; bytes that are no UTF-8 are replaced.
    pub(crate) fn names(&self) -> Vec<String> {
        self.pieces().map(|piece| String::from_utf8_lossy(piece).into_owned()).collect()
    }

    /// The object name that it printed.
    pub(crate) fn sha(&self) -> Result<Sha, VcsError> {
        let text = self.text();
        Sha::parse(&text).map_err(|error| VcsError::Git { command: "answer".to_owned(), stderr: error.to_string() })
    }

    /// The error that it is for people.
    pub(crate) fn error(&self, command: &str) -> VcsError {
        let said = if self.stderr.trim().is_empty() { printable(&self.text()) } else { self.stderr.clone() };
        let stderr = match said.trim() {
            "" => format!("exit status {}", self.status),
            said => said.to_owned(),
        };
        if trouble::passes(&stderr) {
            VcsError::Busy { why: format!("git {command}: {stderr}") }
        } else {
            VcsError::Git { command: command.to_owned(), stderr }
        }
    }
}

/// Foreign text as it may stand in a message: control characters escaped, bounded.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars().take(SHOWN_CHARS) {
        match c {
            '\n' | '\t' => shown.push(c),
            c if c.is_control() => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown.trim_end().to_owned()
}
