//! What client and host say to each other: frames of a length, a kind and a payload.

use std::collections::BTreeMap;
use std::io;

use camino::Utf8PathBuf;
use orch_core::base::LaunchId;
use orch_core::ports::{ExecutorError, Fingerprint, LaunchSpec, ProcessId, SessionInput};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::session::{PtySession, Screen};

/// The protocol that this version speaks, and the oldest that it understands.
pub(crate) const PROTOCOL: u32 = 1;
pub(crate) const OLDEST_PROTOCOL: u32 = 1;

/// The largest frame, in bytes; nobody sends more, and nobody is made to keep more.
const LARGEST: usize = 64 << 20;
const JSON: u8 = 0;
const BYTES: u8 = 1;

/// The first frame in each direction. Its shape holds for every protocol.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// The newest protocol that the sender speaks.
    pub(crate) protocol: u32,
    /// The sender's version, for people.
    pub(crate) version: String,
    /// The host's process.
    pub(crate) host: Option<ProcessId>,
    /// How many sessions the host keeps.
    pub(crate) sessions: usize,
}

impl Hello {
    pub(crate) fn new(host: Option<ProcessId>, sessions: usize) -> Self {
        Self { protocol: PROTOCOL, version: env!("CARGO_PKG_VERSION").to_owned(), host, sessions }
    }
}

/// A numbered request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Question {
    pub(crate) id: u64,
    pub(crate) ask: Ask,
}

/// What a client may ask for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Ask {
    Launch(Box<Launch>),
    List,
    Look(Vec<LaunchId>),
    Input {
        launch: LaunchId,
        input: SessionInput,
        expected: Option<Fingerprint>,
    },
    Resize {
        launch: LaunchId,
        size: (u16, u16),
    },
    Forget(LaunchId),
    /// Answered when the session has ended.
    Wait(LaunchId),
    /// The host is to leave as soon as nothing keeps it, without lingering.
    Leave,
    /// From here on the connection hears of what happens.
    Subscribe,
    /// From here on the connection is a terminal's.
    Attach {
        launch: LaunchId,
        size: (u16, u16),
    },
}

/// A launch on its way to the host.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Launch {
    pub(crate) id: LaunchId,
    pub(crate) name: String,
    pub(crate) argv: Vec<String>,
    pub(crate) cwd: Utf8PathBuf,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) stdin: Option<Utf8PathBuf>,
    pub(crate) log: Utf8PathBuf,
    pub(crate) log_limit: u64,
    pub(crate) size: (u16, u16),
    pub(crate) meta: BTreeMap<String, String>,
}

impl Launch {
    pub(crate) fn new(spec: &LaunchSpec, meta: &BTreeMap<String, String>, log_limit: u64) -> Self {
        Self {
            id: spec.launch,
            name: spec.name.clone(),
            argv: spec.argv.clone(),
            cwd: spec.cwd.clone(),
            env: spec.env.clone(),
            stdin: spec.stdin.clone(),
            log: spec.log.clone(),
            log_limit,
            size: spec.size,
            meta: meta.clone(),
        }
    }
}

/// What a host says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Said {
    Answer {
        id: u64,
        answer: Result<Answer, Trouble>,
    },
    /// Something happened since the last time.
    News(News),
    /// The attached session has ended; nothing follows.
    Ended,
}

/// Answers to [`Ask`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Done,
    Session(Box<PtySession>),
    Sessions(Vec<PtySession>),
    Screens(Vec<Screen>),
}

/// What happened, each session once.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct News {
    pub(crate) printed: Vec<LaunchId>,
    pub(crate) exited: Vec<LaunchId>,
}

/// What an attached terminal says besides what is typed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromTerminal {
    Resize((u16, u16)),
}

/// [`ExecutorError`] on the wire.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Trouble {
    NotFound(LaunchId),
    Stale(LaunchId),
    Refused { what: String, why: String },
    Unavailable(String),
    Unsupported,
}

impl From<ExecutorError> for Trouble {
    fn from(error: ExecutorError) -> Self {
        match error {
            ExecutorError::NotFound { launch } => Self::NotFound(launch),
            ExecutorError::Stale { launch } => Self::Stale(launch),
            ExecutorError::Refused { what, why } => Self::Refused { what, why },
            ExecutorError::Unavailable { why, .. } => Self::Unavailable(why),
            ExecutorError::Unsupported { .. } => Self::Unsupported,
        }
    }
}

impl From<Trouble> for ExecutorError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::NotFound(launch) => Self::NotFound { launch },
            Trouble::Stale(launch) => Self::Stale { launch },
            Trouble::Refused { what, why } => Self::Refused { what, why },
            Trouble::Unavailable(why) => unavailable(why),
            Trouble::Unsupported => Self::Unsupported { executor: "pty", what: "this request" },
        }
    }
}

/// Says that the host cannot be used now, and why.
pub(crate) fn unavailable(why: impl Into<String>) -> ExecutorError {
    ExecutorError::Unavailable { executor: "pty", why: why.into() }
}

pub(crate) fn refused(what: impl Into<String>, why: impl Into<String>) -> ExecutorError {
    ExecutorError::Refused { what: what.into(), why: why.into() }
}

/// One frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Json(Vec<u8>),
    Bytes(Vec<u8>),
}

impl Frame {
    /// Reads the frame's text.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> io::Result<T> {
        match self {
            Self::Json(text) => serde_json::from_slice(text).map_err(io::Error::from),
            Self::Bytes(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "bytes where a message was due")),
        }
    }
}

/// Reads the next frame; `None` at the end of the stream.
pub(crate) async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Frame>> {
    let mut head = [0; 5];
    if stream.read(&mut head[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut head[1..]).await?;
    let [kind, a, b, c, d] = head;
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if length > LARGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {length} bytes")));
    }
    let mut payload = Vec::new();
    (&mut *stream).take(length as u64).read_to_end(&mut payload).await?;
    if payload.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    match kind {
        JSON => Ok(Some(Frame::Json(payload))),
        BYTES => Ok(Some(Frame::Bytes(payload))),
        other => Err(io::Error::new(io::ErrorKind::InvalidData, format!("a frame of kind {other}"))),
    }
}

/// A message as a frame.
pub(crate) fn json_frame(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut frame = vec![JSON, 0, 0, 0, 0];
    serde_json::to_writer(&mut frame, message)?;
    finish(frame)
}

/// Bytes as a frame.
pub(crate) fn bytes_frame(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut frame = vec![BYTES, 0, 0, 0, 0];
    frame.extend_from_slice(bytes);
    finish(frame)
}

pub(crate) async fn send(stream: &mut (impl AsyncWrite + Unpin), message: &impl Serialize) -> io::Result<()> {
    stream.write_all(&json_frame(message)?).await
}

fn finish(mut frame: Vec<u8>) -> io::Result<Vec<u8>> {
    let length = frame.len() - 5;
    let wire = u32::try_from(length).ok().filter(|_| length <= LARGEST);
    let wire = wire.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, format!("a frame of {length} bytes")))?;
    frame[1..5].copy_from_slice(&wire.to_be_bytes());
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_arrive_whole_and_nonsense_is_an_error() {
        let mut wire = json_frame(&Question { id: 7, ask: Ask::List }).expect("a frame");
        wire.extend(bytes_frame(b"\x00\xff").expect("a frame"));
        let mut stream = wire.as_slice();
        let first = read_frame(&mut stream).await.expect("sound").expect("there");
        let question: Question = first.parse().expect("a question");
        assert_eq!((question.id, matches!(question.ask, Ask::List)), (7, true));
        assert_eq!(read_frame(&mut stream).await.expect("sound"), Some(Frame::Bytes(vec![0, 255])));
        assert_eq!(read_frame(&mut stream).await.expect("sound"), None);
        for bad in [&wire[..3], &wire[..8], b"\x00\xff\xff\xff\xff", b"\x07\0\0\0\0", b"GET / HTTP/1.1\r\n\r\n"] {
            assert!(read_frame(&mut &*bad).await.is_err(), "{bad:?}");
        }
    }

    #[test]
    fn errors_survive_the_wire() {
        let launch = LaunchId(3);
        for error in [
            ExecutorError::NotFound { launch },
            ExecutorError::Stale { launch },
            refused("this", "that"),
            unavailable("why"),
        ] {
            let wire = serde_json::to_vec(&Trouble::from(error.clone())).expect("text");
            let back: Trouble = serde_json::from_slice(&wire).expect("read");
            assert_eq!(ExecutorError::from(back), error);
        }
    }
}
