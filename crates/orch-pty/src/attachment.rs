use std::io;

use orch_core::base::LaunchId;
use orch_core::ports::ExecutorError;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::link::Greeted;
use crate::protocol::{
    Ask, Frame, FromTerminal, Question, Said, bytes_frame, json_frame, read_frame, send, unavailable,
};

/// How many pieces of output wait for a display; then the host keeps them, and in the end only the screen.
const WAITING: usize = 16;

/// A person's terminal on a session: what it shows and what is typed into it, to be used side by side.
#[derive(Debug)]
pub struct Attachment {
    /// What the session prints.
    pub display: Display,
    /// What is typed into it.
    pub keyboard: Keyboard,
}

/// The output of an attached session, beginning with what its screen shows.
#[derive(Debug)]
pub struct Display {
    pieces: mpsc::Receiver<Vec<u8>>,
    reading: AbortHandle,
}

/// The input of an attached session.
#[derive(Debug)]
pub struct Keyboard {
    writer: OwnedWriteHalf,
}

impl Attachment {
    /// What brings a person's terminal back to normal behind an attachment: the modes that a program
    /// may have set are undone, the main screen is shown, the cursor too.
    pub const LEAVE: &[u8] = b"\x1b[0m\x1b[r\x1b[<99u\x1b[?1l\x1b>\x1b[?6l\x1b[?7h\x1b[4l\x1b[20l\x1b[?1000l\
        \x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1005l\x1b[?1006l\x1b[?2004l\x1b[?1049l\x1b[?25h\x1b[0 q";

    /// Makes a connection the terminal of a session.
    pub(crate) async fn begin(greeted: Greeted, launch: LaunchId, size: (u16, u16)) -> Result<Self, ExecutorError> {
        let Greeted { mut reader, mut writer, .. } = greeted;
        let failed = |error: io::Error| unavailable(format!("the host broke off: {error}"));
        let question = Question { id: 0, ask: Ask::Attach { launch, size } };
        send(&mut writer, &question).await.map_err(failed)?;
        let answer = read_frame(&mut reader).await.map_err(failed)?;
        match answer.map(|frame| frame.parse()).transpose().map_err(failed)? {
            Some(Said::Answer { answer, .. }) => answer.map_err(ExecutorError::from)?,
            Some(Said::News(_) | Said::Ended) | None => return Err(unavailable("the host broke off")),
        };
        let (sender, pieces) = mpsc::channel(WAITING);
        let reading = tokio::spawn(read(reader, sender)).abort_handle();
        Ok(Self { display: Display { pieces, reading }, keyboard: Keyboard { writer } })
    }
}

impl Display {
    /// The next bytes for the terminal; `None` when the session has ended or its host is gone. Cancel-safe.
    pub async fn output(&mut self) -> Option<Vec<u8>> {
        self.pieces.recv().await
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Keyboard {
    /// Types bytes as they are. Waits while the program does not read.
    ///
    /// # Errors
    /// [`ExecutorError::Unavailable`] when the session has ended or its host is gone.
    pub async fn type_bytes(&mut self, bytes: &[u8]) -> Result<(), ExecutorError> {
        self.send(bytes_frame(bytes)).await
    }

    /// Gives the session's terminal the size of the person's, in columns and rows. The size of the launch
    /// comes back when nobody is attached any more.
    ///
    /// # Errors
    /// [`ExecutorError::Unavailable`] when the session has ended or its host is gone.
    pub async fn resize(&mut self, size: (u16, u16)) -> Result<(), ExecutorError> {
        self.send(json_frame(&FromTerminal::Resize(size))).await
    }

    async fn send(&mut self, frame: io::Result<Vec<u8>>) -> Result<(), ExecutorError> {
        let failed = |error: io::Error| unavailable(format!("the session is gone: {error}"));
        self.writer.write_all(&frame.map_err(failed)?).await.map_err(failed)
    }
}

async fn read(mut reader: BufReader<OwnedReadHalf>, pieces: mpsc::Sender<Vec<u8>>) {
    while let Ok(Some(Frame::Bytes(bytes))) = read_frame(&mut reader).await {
        if pieces.send(bytes).await.is_err() {
            return;
        }
    }
}
