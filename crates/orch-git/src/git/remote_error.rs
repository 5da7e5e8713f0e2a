use orch_core::ports::VcsError;

use super::output::Output;
use super::trouble;

/// What programs between us and a remote say when it is there and will not, in the C locale. Everything else
/// that fails may succeed later.
const REFUSALS: &[&str] = &[
    "Permission denied",
    "Authentication failed",
    "could not read Username",
    "could not read Password",
    "Host key verification failed",
    "The requested URL returned error: 401",
    "The requested URL returned error: 403",
    "The requested URL returned error: 404",
    "Repository not found",
    "repository not found",
    "does not exist",
    "No such remote",
    "transport 'ext' not allowed",
    "remote: error: GH",
    "SSL certificate problem",
    "dubious ownership",
    "unsafe repository",
    "refusing to",
    "bad config",
];

impl Output {
    /// The error that a failed talk with a remote is.
    pub(crate) fn remote_error(&self, what: &str) -> VcsError {
        let why = match self.error(what) {
            VcsError::Git { stderr, .. } => stderr,
            // A lock here is no matter of the remote's.
            busy => return busy,
        };
        if trouble::stays(&self.stderr) || REFUSALS.iter().any(|text| self.stderr.contains(text)) {
            VcsError::Refused { what: what.to_owned(), why }
        } else {
            VcsError::Unreachable { why }
        }
    }
}
