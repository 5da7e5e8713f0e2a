use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use crate::file_error::FileError;

mod follow;
mod line;
mod server;

pub use follow::{Feed, Followed, Following, Publisher, follow};
pub use server::{ControlServer, Requests};

/// The longest request or answer, in bytes.
const LONGEST: usize = 1024 * 1024;

/// Why the running orchestrator could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens; nothing was asked.
    #[error("no orchestrator listens at {path}")]
    NotRunning {
        /// The socket.
        path: Utf8PathBuf,
    },
    /// It did not answer in time; whether it did what was asked is not known.
    #[error("the orchestrator at {path} did not answer within {} s; `orch status` shows whether it did what was asked", timeout.as_secs_f32())]
    Timeout {
        /// The socket.
        path: Utf8PathBuf,
        /// The time that it had.
        timeout: Duration,
    },
    /// It went away before it answered; whether it did what was asked is not known.
    #[error(
        "the orchestrator at {path} went away before it answered; `orch status` shows whether it did what was asked"
    )]
    NoAnswer {
        /// The socket.
        path: Utf8PathBuf,
    },
    /// It refused the request without a look at what it asks for.
    #[error("the orchestrator refused the request: {0}")]
    Refused(ControlRefusal),
    /// The request is over 1 MiB long or no JSON; nothing was asked.
    #[error("the request cannot be sent: {why}")]
    Unsendable {
        /// What is wrong with it.
        why: String,
    },
    /// The answer is not one that this version knows.
    #[error("the answer of the orchestrator at {path} makes no sense ({why}); is it another version?")]
    BadAnswer {
        /// The socket.
        path: Utf8PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Others could take the socket's place.
    #[error("{path} is no place for a control socket: {why}")]
    NotPrivate {
        /// The socket.
        path: Utf8PathBuf,
        /// What is wrong with its directory.
        why: String,
    },
    /// The socket could not be used.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Why a request was not handed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum ControlRefusal {
    /// It is no request of this version.
    #[error("it is no request ({why}); is orch here of another version than the one that runs?")]
    Malformed {
        /// What is wrong with it.
        why: String,
    },
    /// It is over 1 MiB long.
    #[error("it is longer than 1 MiB")]
    TooLong,
    /// Too many others wait for an answer.
    #[error("too many others wait for an answer; try again")]
    Busy,
    /// The orchestrator is about to end.
    #[error("the orchestrator is about to end; try again")]
    Ending,
}

/// What goes back over the socket.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Reply<A> {
    Answer(A),
    Refused(ControlRefusal),
}

/// Sends one request to the running orchestrator and waits for its answer: a JSON line each.
///
/// # Errors
/// [`ControlError`]; after `NotRunning`, `Refused` and `Unsendable` nothing was done.
pub async fn ask<Q: Serialize, A: DeserializeOwned>(
    path: &Utf8Path,
    request: &Q,
    timeout: Duration,
) -> Result<A, ControlError> {
    let mut line = serde_json::to_vec(request).map_err(|e| ControlError::Unsendable { why: e.to_string() })?;
    if line.len() >= LONGEST {
        return Err(ControlError::Unsendable { why: "it is longer than 1 MiB".to_owned() });
    }
    line.push(b'\n');
    let late = |_| ControlError::Timeout { path: path.to_owned(), timeout };
    tokio::time::timeout(timeout, exchange(path, &line)).await.map_err(late)?
}

async fn connect(path: &Utf8Path) -> Result<UnixStream, ControlError> {
    match UnixStream::connect(path).await {
        Ok(stream) => Ok(stream),
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused) => {
            Err(ControlError::NotRunning { path: path.to_owned() })
        }
        Err(source) => Err(FileError { action: "connect to", path: path.to_owned(), source }.into()),
    }
}

async fn exchange<A: DeserializeOwned>(path: &Utf8Path, request: &[u8]) -> Result<A, ControlError> {
    let mut stream = connect(path).await?;
    // A server that refuses early closes its reading side; its reply says why, so it is read either way.
    let _ = stream.write_all(request).await;
    let bad = |why: String| ControlError::BadAnswer { path: path.to_owned(), why };
    let answer = match line::read(&mut stream).await {
        Ok(answer) => answer,
        Err(line::LineError::TooLong) => return Err(bad("it is longer than 1 MiB".to_owned())),
        Err(line::LineError::Ended) => return Err(ControlError::NoAnswer { path: path.to_owned() }),
    };
    match serde_json::from_slice(&answer) {
        Ok(Reply::Answer(answer)) => Ok(answer),
        Ok(Reply::Refused(refusal)) => Err(ControlError::Refused(refusal)),
        Err(error) => Err(bad(error.to_string())),
    }
}

#[cfg(test)]
mod tests;
