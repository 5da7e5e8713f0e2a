//! A person's terminal on a session.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use orch_core::base::LaunchId;
use orch_core::ports::ExecutorError;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;

use super::Host;
use super::session::Session;
use crate::protocol::{Answer, Frame, FromTerminal, Said, Trouble, bytes_frame, read_frame, send};

/// How much output waits for a slow terminal, in bytes; beyond it gets the screen as it is then.
const MOST: usize = 1 << 20;

/// What waits for one attached terminal.
#[derive(Debug, Default)]
pub(super) struct Viewer {
    bytes: RefCell<Vec<u8>>,
    /// So much was printed that only the whole screen is right.
    anew: Cell<bool>,
    ended: Cell<bool>,
    wake: Notify,
}

/// Serves an attached terminal until it or the session ends.
pub(super) async fn serve(
    host: &Host,
    (id, launch, size): (u64, LaunchId, (u16, u16)),
    mut reader: BufReader<OwnedReadHalf>,
    mut writer: OwnedWriteHalf,
) {
    let attached = attach(host, launch, size);
    let answer = attached.as_ref().map(|_| Answer::Done).map_err(|error| Trouble::from(error.clone()));
    let answered = send(&mut writer, &Said::Answer { id, answer }).await;
    let (Ok(attached), Ok(())) = (attached, answered) else { return };
    tokio::select! {
        // The end of either is the end of both; what broke is of no interest to anybody.
        _ = show(&attached, &mut writer) => {}
        _ = listen(&attached.session, &mut reader) => {}
    }
}

/// A viewer that is among those of its session as long as it lives.
struct Attached {
    session: Rc<Session>,
    viewer: Rc<Viewer>,
}

fn attach(host: &Host, launch: LaunchId, size: (u16, u16)) -> Result<Attached, ExecutorError> {
    let session = host.session(launch)?;
    let viewer = Rc::new(Viewer::default());
    viewer.anew.set(true);
    if session.is_running() {
        session.view(size)?;
    } else {
        viewer.ended.set(true);
    }
    session.viewers.borrow_mut().push(Rc::clone(&viewer));
    Ok(Attached { session, viewer })
}

impl Drop for Attached {
    fn drop(&mut self) {
        let mut viewers = self.session.viewers.borrow_mut();
        viewers.retain(|viewer| !Rc::ptr_eq(viewer, &self.viewer));
        if viewers.is_empty() {
            self.session.unview();
        }
    }
}

impl Viewer {
    pub(super) fn print(&self, bytes: &[u8]) {
        let mut waiting = self.bytes.borrow_mut();
        if waiting.len() + bytes.len() > MOST {
            waiting.clear();
            self.anew.set(true);
        }
        if !self.anew.get() {
            waiting.extend_from_slice(bytes);
        }
        self.wake.notify_one();
    }

    pub(super) fn end(&self) {
        self.ended.set(true);
        self.wake.notify_one();
    }
}

async fn show(attached: &Attached, writer: &mut OwnedWriteHalf) -> io::Result<()> {
    let Attached { session, viewer } = attached;
    loop {
        let bytes = if viewer.anew.replace(false) {
            viewer.bytes.borrow_mut().clear();
            session.terminal(|terminal, _| terminal.repaint()).unwrap_or_default()
        } else {
            viewer.bytes.take()
        };
        if !bytes.is_empty() {
            writer.write_all(&bytes_frame(&bytes)?).await?;
        } else if viewer.ended.get() {
            return send(writer, &Said::Ended).await;
        } else {
            viewer.wake.notified().await;
        }
    }
}

async fn listen(session: &Session, reader: &mut BufReader<OwnedReadHalf>) -> io::Result<()> {
    while let Some(frame) = read_frame(reader).await? {
        match frame {
            Frame::Bytes(bytes) => {
                session.outgoing.drained().await;
                drop(session.outgoing.post(bytes));
            }
            Frame::Json(_) => {
                let FromTerminal::Resize(size) = frame.parse()?;
                // A session that ended just now needs no size.
                session.view(size).unwrap_or_default();
            }
        }
    }
    Ok(())
}
